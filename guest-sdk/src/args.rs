//! The consumer's arguments: what follows the two volume paths.

use crate::{Error, Result};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Arguments of the forms `--key value`, `--key=value`, and words without a key.
#[derive(Debug, Clone, Default)]
pub struct Args {
    values: BTreeMap<String, String>,
    words: Vec<String>,
}

impl Args {
    /// Reads this program's arguments; `known` lists every key the algorithm understands.
    ///
    /// A key that is not known is an error, because a mistyped option that is silently ignored gives a wrong result
    /// that looks right.
    pub fn from_env(known: &[&str]) -> Result<Self> {
        let words: Result<Vec<String>> = std::env::args_os()
            .skip(3)
            .map(|word| {
                word.into_string().map_err(|word| Error::new(format!("the argument {word:?} is not UTF-8")))
            })
            .collect();
        Self::parse(words?, known)
    }

    /// The same over given words, for tests.
    pub fn parse(words: impl IntoIterator<Item = impl Into<String>>, known: &[&str]) -> Result<Self> {
        let mut args = Self::default();
        let mut words = words.into_iter().map(Into::into);
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix("--") else {
                args.words.push(word);
                continue;
            };
            let (key, value) = match option.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (option, words.next().filter(|next| !next.starts_with("--"))),
            };
            if !known.contains(&key) {
                return Err(Error::new(format!("--{key} is not known here; known: {}", listed(known))));
            }
            let value = value.ok_or_else(|| Error::new(format!("--{key} needs a value")))?;
            if args.values.insert(key.to_owned(), value).is_some() {
                return Err(Error::new(format!("--{key} is given twice")));
            }
        }
        Ok(args)
    }

    /// The value of `--key`, if it was given.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The value of `--key`, or an error that says it is needed.
    pub fn required(&self, key: &str) -> Result<&str> {
        self.value(key).ok_or_else(|| Error::new(format!("--{key} VALUE is needed")))
    }

    /// The value of `--key` as a `T` (a number, say), or `default` where it was not given.
    pub fn parsed<T: FromStr>(&self, key: &str, default: T) -> Result<T>
    where
        T::Err: std::fmt::Display,
    {
        let Some(value) = self.value(key) else {
            return Ok(default);
        };
        value.parse().map_err(|cause| Error::at(format_args!("--{key} {value}"), cause))
    }

    /// The words that belong to no key, in order.
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

fn listed(known: &[&str]) -> String {
    if known.is_empty() {
        return "no options".to_owned();
    }
    known.iter().map(|key| format!("--{key}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_take_the_next_word_or_what_follows_the_equals_sign() {
        let args =
            Args::parse(["--by", "species", "--value=a=b", "word", "--min", "-3"], &["by", "value", "min"])
                .unwrap();
        assert_eq!(args.value("by"), Some("species"));
        assert_eq!(args.required("value").unwrap(), "a=b");
        assert_eq!(args.parsed("min", 0).unwrap(), -3);
        assert_eq!(args.words(), ["word"]);
    }

    #[test]
    fn absent_keys_default_or_say_that_they_are_needed() {
        let args = Args::parse([""; 0], &["by"]).unwrap();
        assert_eq!(args.parsed("by", 5).unwrap(), 5);
        assert_eq!(args.required("by").unwrap_err().to_string(), "--by VALUE is needed");
    }

    #[test]
    fn mistakes_are_refused_with_the_reason() {
        for (words, reason) in [
            (vec!["--bye", "x"], "--bye is not known here; known: --by, --min"),
            (vec!["--by"], "--by needs a value"),
            (vec!["--by", "--min", "3"], "--by needs a value"),
            (vec!["--by", "a", "--by", "b"], "--by is given twice"),
        ] {
            assert_eq!(Args::parse(words, &["by", "min"]).unwrap_err().to_string(), reason);
        }
        let args = Args::parse(["--min", "x"], &["min"]).unwrap();
        assert_eq!(args.parsed("min", 5).unwrap_err().to_string(), "--min x: invalid digit found in string");
    }
}
