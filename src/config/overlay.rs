//! The file and the environment over it; and the other way round, what is shown of a configuration.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::keys::{known, leaves, nearest, unknown};
use super::{Config, Error};
use crate::redact;

/// What begins the name of every variable.
const PREFIX: &str = "BRIZO_";
/// Variables with that beginning that are no keys.
const OTHERS: [&str; 7] = [
    "BRIZO_FAILPOINT",
    "BRIZO_LOG",
    "BRIZO_COMPILE_CPU_SECONDS",
    "BRIZO_COMPILE_MEMORY_BYTES",
    "BRIZO_COMPILE_WALL_SECONDS",
    "BRIZO_KEY_PASSWORD",
    "BRIZO_KEY_PASSWORD_FILE",
];
/// What stands in the place of something that is not shown.
const HIDDEN: &str = "(hidden)";

/// The variables of this process that could be meant for us. One that is not text is none.
pub(super) fn environment() -> BTreeMap<String, String> {
    let text = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, value.into_string().ok()?))
    });
    text.collect()
}

/// Name of the variable for a key.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_uppercase())
}

/// Reads a configuration: the text of a file, and what the environment says instead.
pub(super) fn read(path: &Path, text: &str, environment: &BTreeMap<String, String>) -> Result<Config, Error> {
    let wrong = |text: String| Error::Content { path: path.to_path_buf(), text };
    let mut table: Table = text.parse().map_err(|e: toml::de::Error| wrong(e.to_string()))?;
    let known = known().map_err(|e| wrong(format!("the built-in list of keys: {e}")))?;
    let strange = unknown(&table, &known);
    if !strange.is_empty() {
        return Err(wrong(strange.join("\n")));
    }
    let mut changed = Vec::new();
    for (key, like) in leaves(&known) {
        let name = variable(&key);
        if let Some(text) = environment.get(&name) {
            put(&mut table, &key, value_of(&name, text, like)?);
            changed.push(name);
        }
    }
    if changed.is_empty() {
        // From the text, because the error then names the line.
        return toml::from_str(text).map_err(|e| wrong(e.to_string()));
    }
    table.try_into().map_err(|e: toml::de::Error| wrong(format!("with {}: {e}", changed.join(", "))))
}

/// The value that a variable holds, of the sort that the key has.
fn value_of(name: &str, text: &str, like: &Value) -> Result<Value, Error> {
    if like.is_str() {
        return Ok(Value::String(text.to_owned()));
    }
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    // The text itself is not repeated: it may be a secret in the wrong variable.
    parsed.ok_or_else(|| Error::Content {
        path: name.into(),
        text: format!("this variable does not hold a value like {like}"),
    })
}

fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let below = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(below) = below {
                put(below, rest, value);
            }
        }
    }
}

/// Variables that look like keys and are none, each with what might be meant. No error: orchestrators set variables of
/// their own under a service's name.
#[must_use]
pub fn strangers() -> Vec<String> {
    strangers_in(&environment())
}

fn strangers_in(environment: &BTreeMap<String, String>) -> Vec<String> {
    let Ok(known) = known() else { return Vec::new() };
    let names: Vec<String> = leaves(&known).into_iter().map(|(path, _)| variable(&path)).collect();
    let strange = environment.keys().filter(|name| !names.contains(name) && !OTHERS.contains(&name.as_str()));
    let line = |name: &String| match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("{name} sets nothing; did you mean {near}?"),
        None => format!("{name} sets nothing"),
    };
    strange.map(line).collect()
}

/// A configuration as it may be shown: as TOML, without what may be secret.
///
/// # Errors
/// A sentence, where a value cannot be written as TOML.
pub fn shown(config: &Config) -> Result<Table, String> {
    let mut table = Table::try_from(config).map_err(|e| e.to_string())?;
    hide(&mut table);
    Ok(table)
}

/// Hides passwords in URLs, paths and queries of the chain's node and of the collector, and values under telling names.
fn hide(table: &mut Table) {
    for (key, value) in table.iter_mut() {
        let telling = ["secret", "token", "password", "key"].iter().any(|word| key.ends_with(word));
        match value {
            Value::Table(below) => hide(below),
            Value::String(text) if telling => *text = HIDDEN.into(),
            Value::String(text) if key == "rpc" || key == "endpoint" => {
                *text = text.split(',').map(|url| host_of(url.trim())).collect::<Vec<_>>().join(",");
            }
            _ => {}
        }
    }
}

/// The URL of a node as an argument of a command that people copy: the variable that may hold it, where it has more than a host.
pub(crate) fn node_argument(url: &str) -> String {
    let shown = host_of(url);
    if shown.ends_with(HIDDEN) { "\"$RPC\"".into() } else { shown }
}

/// A URL down to its host and port; a node's key usually stands in the path, the query or before the `@`.
fn host_of(url: &str) -> String {
    let more = if redact::says_more(url) { format!("/{HIDDEN}") } else { String::new() };
    redact::origin(url) + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: &str = "data_dir = \"state\"\nlisten = \"127.0.0.1:8030\"\npublic_url = \"http://x\"\n\
         rpc = \"http://node:8545\"\ndeployment = \"d.json\"\nkey_file = \"key\"\n";

    fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Error> {
        let environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        read(Path::new("brizo.toml"), text, &environment)
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let variables = [
            ("BRIZO_CONCURRENCY", "3"),
            ("BRIZO_NODE_FUEL", "1_000"),
            ("BRIZO_RPC", "http://other"),
            ("BRIZO_RUNTIMES", "[\"a.toml\"]"),
            ("BRIZO_METRICS_LISTEN", "127.0.0.1:1"),
            ("BRIZO_DATA_VERIFY_RATE", "0.5"),
        ];
        let config = with(&format!("{REQUIRED}concurrency = 2\n"), &variables).unwrap();
        assert_eq!((config.concurrency, config.node.fuel, config.rpc.as_str()), (3, 1_000, "http://other"));
        assert_eq!(config.runtimes, [Path::new("a.toml")]);
        assert_eq!(config.metrics.listen.unwrap().port(), 1);
        assert_eq!(config.data.verify_rate.to_string(), "0.5");
        // A key that must be set may come from there alone.
        let without = REQUIRED.replace("key_file = \"key\"\n", "");
        assert!(with(&without, &[]).is_err());
        assert_eq!(with(&without, &[("BRIZO_KEY_FILE", "k")]).unwrap().key_file, Path::new("k"));
    }

    #[test]
    fn a_value_of_another_sort_is_refused_and_not_repeated() {
        let error = with(REQUIRED, &[("BRIZO_CONCURRENCY", "s3cret words")]).unwrap_err().to_string();
        assert!(error.contains("BRIZO_CONCURRENCY") && !error.contains("s3cret"), "{error}");
        let error = with(REQUIRED, &[("BRIZO_LISTEN", "nowhere")]).unwrap_err().to_string();
        assert!(error.contains("BRIZO_LISTEN"), "{error}");
    }

    #[test]
    fn errors_of_the_file_name_the_line() {
        let error = with(&format!("{REQUIRED}concurrency = \"x\"\n"), &[]).unwrap_err().to_string();
        assert!(error.contains("line 7"), "{error}");
        let error = with(&format!("{REQUIRED}[node]\nfule = 1\n"), &[]).unwrap_err().to_string();
        assert!(error.contains("did you mean `node.fuel`"), "{error}");
    }

    #[test]
    fn variables_that_set_nothing_are_named() {
        let given = ["BRIZO_LISTEN", "BRIZO_LOG", "BRIZO_NODE_FULE", "BRIZO_ANVIL"];
        let given = given.map(|name| (name.to_owned(), String::new())).into();
        let found = strangers_in(&given);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.contains(&"BRIZO_NODE_FULE sets nothing; did you mean BRIZO_NODE_FUEL?".to_owned()));
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let secret = "https://user:pass@node.example:8545/v3/0123456789abcdef?k=1";
        let config = with(&REQUIRED.replace("http://node:8545", secret), &[]).unwrap();
        let text = shown(&config).unwrap().to_string();
        assert!(text.contains("https://node.example:8545/(hidden)"), "{text}");
        for word in ["user", "pass", "0123456789abcdef", "k=1"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        assert!(text.contains("key_file = \"key\""), "a path is no secret: {text}");
        let several =
            with(&REQUIRED.replace("http://node:8545", "http://a/k3y, http://b:1/k4y"), &[]).unwrap();
        let text = shown(&several).unwrap().to_string();
        assert!(text.contains("http://a/(hidden),http://b:1/(hidden)"), "{text}");
        let collected =
            with(&format!("{REQUIRED}[telemetry]\nendpoint = \"https://u:p4ss@c.example/k5y\"\n"), &[])
                .unwrap();
        let text = shown(&collected).unwrap().to_string();
        assert!(text.contains("https://c.example/(hidden)") && !text.contains("p4ss"), "{text}");
        assert_eq!(host_of("http://127.0.0.1:8545/"), "http://127.0.0.1:8545");
    }
}
