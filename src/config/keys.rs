//! The keys that a configuration can have, taken from the commented example, so that they are written down once.

use toml::{Table, Value};

/// The commented example, `packaging/brizo.toml`.
pub const EXAMPLE: &str = include_str!("../../packaging/brizo.toml");

/// The example with every default set. Lines of text begin with `# `, settings with `#` and a letter.
///
/// # Errors
/// A bug: the example is no TOML, which a test excludes.
pub(super) fn known() -> Result<Table, toml::de::Error> {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n").parse()
}

/// Paths of all keys that hold a value, with the value that the example gives: `node.fuel` for instance.
pub(super) fn leaves(table: &Table) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(below) => {
                found.extend(leaves(below).into_iter().map(|(path, value)| (format!("{key}.{path}"), value)));
            }
            value => found.push((key.clone(), value)),
        }
    }
    found
}

/// What is wrong with the keys of a table: one line for each that is not known, with the nearest one that is.
pub(super) fn unknown(table: &Table, known: &Table) -> Vec<String> {
    let all: Vec<String> = leaves(known).into_iter().map(|(path, _)| path).collect();
    let mut lines = Vec::new();
    walk(table, known, "", &all, &mut lines);
    lines
}

fn walk(table: &Table, known: &Table, before: &str, all: &[String], lines: &mut Vec<String>) {
    for (key, value) in table {
        let path = if before.is_empty() { key.clone() } else { format!("{before}.{key}") };
        match (value, known.get(key)) {
            // An empty table in the example is one whose keys are the publisher's own.
            (Value::Table(_), Some(Value::Table(known))) if known.is_empty() => {}
            (Value::Table(below), Some(Value::Table(known))) => walk(below, known, &path, all, lines),
            (_, Some(_)) => {}
            (_, None) => lines.push(match nearest(&path, all.iter().map(String::as_str)) {
                Some(near) => format!("there is no key `{path}`; did you mean `{near}`?"),
                None => format!("there is no key `{path}`"),
            }),
        }
    }
}

/// The name that is most like another one, if any is.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |other: &str| {
        // A key in the wrong table is as near as a mistyped one in the right table.
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        let whole = strsim::jaro_winkler(name, other);
        // Of two that are as near by their last word, the one that is nearer as a whole.
        (whole.max(strsim::jaro_winkler(&last(name), &last(other))), whole)
    };
    let best = names
        .map(|other| (likeness(other), other))
        .max_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    best.filter(|(likeness, _)| likeness.0 > 0.8).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Keys that have no default and need none.
    const OPTIONAL: [&str; 4] =
        ["chain.fee_max_gwei", "metrics.listen", "telemetry.endpoint", "telemetry.service_name"];

    #[test]
    fn the_example_is_the_code() {
        let known = known().unwrap();
        let whole: Config = known.clone().try_into().unwrap();
        let required: Config = EXAMPLE.parse::<Table>().unwrap().try_into().unwrap();
        let table = |config: &Config| Table::try_from(config).unwrap();
        // Every key of the code stands in the example, and no other.
        let names = |table: &Table| leaves(table).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        let (mut expected, mut found) = (names(&table(&whole)), names(&known));
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
        // What is commented out is the default.
        let (whole, required) = (table(&whole), table(&required));
        let mut defaults = leaves(&whole);
        defaults.retain(|(path, _)| !OPTIONAL.contains(&path.as_str()));
        assert_eq!(leaves(&required), defaults);
    }

    #[test]
    fn the_nearest_name_is_offered_and_no_far_one() {
        let known = known().unwrap();
        let of = |text: &str| unknown(&text.parse::<Table>().unwrap(), &known);
        assert_eq!(of("listen = 1\n[node]\nfuel = 1"), [""; 0]);
        assert_eq!(of("lisen = 1"), ["there is no key `lisen`; did you mean `listen`?"]);
        assert_eq!(of("[node]\nfule = 1"), ["there is no key `node.fule`; did you mean `node.fuel`?"]);
        assert_eq!(of("fuel = 1"), ["there is no key `fuel`; did you mean `node.fuel`?"]);
        assert_eq!(of("[nodes]\nfuel = 1").len(), 1);
        assert_eq!(of("colour = 1"), ["there is no key `colour`"]);
    }
}
