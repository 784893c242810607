//! Files that people write in TOML or in YAML, whichever the name says. Both are read into one type, with its unknown keys refused.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_saphyr::UserMessageFormatter;

use super::{Error, read_text, read_toml};

/// Endings of a YAML file's name; every other file is TOML.
const YAML: [&str; 2] = ["yaml", "yml"];

/// Reads a file strictly: YAML where its name ends with `.yaml` or `.yml`, else TOML.
///
/// # Errors
/// [`Error`] with the file, the line and the key.
pub fn read_document<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !YAML.contains(&ending.to_ascii_lowercase().as_str()) {
        return read_toml(path);
    }
    let text = read_text(path)?;
    serde_saphyr::from_str(&text).map_err(|e| Error::Content {
        path: path.to_path_buf(),
        text: e.render_with_formatter(&UserMessageFormatter),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        did: String,
        #[serde(default)]
        args: Vec<String>,
        #[serde(default)]
        env: BTreeMap<String, String>,
        limits: Limits,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Limits {
        fuel: u64,
    }

    fn read(name: &str, text: &str) -> Result<Order, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_document(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn both_languages_say_the_same() {
        let toml = "did = \"0x12\"\nargs = [\"--by\", \"no\", \"1.50\"]\n[env]\nA = \"yes\"\n[limits]\nfuel = 20_000\n";
        // What a schema of YAML's own would take for a truth value or a number is a text, where a text is wanted.
        let yaml = "did: 0x12\nargs: [--by, no, 1.50]\nenv:\n  A: yes\nlimits:\n  fuel: 20_000\n";
        let expected = read("job.toml", toml).unwrap();
        for name in ["job.yaml", "job.yml", "job.YAML"] {
            assert_eq!(read(name, yaml).unwrap(), expected, "{name}");
        }
        assert_eq!(expected.args, ["--by", "no", "1.50"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_key() {
        let good = "did: x\nlimits:\n  fuel: 1\n";
        assert!(read("job.yaml", good).is_ok());
        for (text, place, word) in [
            ("did: x\nlimits:\n  fuel: 1\n  feul: 2\n", ":4:3", "`feul`"),
            ("did: x\nlimits:\n  fuel: one\n", ":3:9", "u64"),
            ("did: x\nlimits:\n  fuel: -1\n", ":3:9", "u64"),
            ("did: x\nlimits: {fuel: 1}\nlimits: {fuel: 2}\n", ":3:1", "limits"),
            ("did: x\n", ":1:1", "`limits`"),
            ("did: [x\n", ":1:6", "string"),
            ("did: x\nlimits: {fuel: 1}\n---\ndid: y\n", "", "document"),
            ("", "", "end of"),
        ] {
            let error = read("job.yaml", text).unwrap_err();
            assert!(error.contains(place) && error.contains(word), "{text:?}: {error}");
            assert!(error.contains("job.yaml") && !error.contains("Options"), "{text:?}: {error}");
        }
        let toml = read("job.toml", "did = \"x\"\n[limits]\nfuel = 1\nfeul = 2\n").unwrap_err();
        assert!(toml.contains("line 4") && toml.contains("`feul`"), "{toml}");
    }

    /// A type in which lists nest, as those of an order do not: there the type would refuse before anything has grown.
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Nested {
        Text(String),
        List(Vec<Nested>),
    }

    impl Nested {
        fn leaves(&self) -> usize {
            match self {
                Self::Text(text) => text.len(),
                Self::List(list) => list.iter().map(Self::leaves).sum(),
            }
        }
    }

    #[test]
    fn a_small_file_cannot_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let read = |levels: u32| {
            let mut text = String::from("- &a0 [x, x]\n");
            for level in 1..levels {
                let below = format!("*a{}", level - 1);
                text += &format!("- &a{level} [{below}, {below}]\n");
            }
            let path = folder.path().join("list.yaml");
            std::fs::write(&path, text).unwrap();
            read_document::<Nested>(&path)
        };
        // Few levels are what they say: 2 + 4 + 8 + 16.
        assert_eq!(read(4).unwrap().leaves(), 30);
        // Two to the forty-first would be more than any memory has.
        let error = read(40).unwrap_err().to_string();
        assert!(error.contains("limits breached: Nodes"), "{error}");
    }
}
