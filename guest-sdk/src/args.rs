//! The consumer's parameters: what follows the two volume paths, and variables that begin with `PARAM_`.

use crate::{Error, Parameter, Result};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// How the variable of a parameter begins: `--min-group` is also `PARAM_MIN_GROUP`.
pub const VARIABLE_PREFIX: &str = "PARAM_";

/// Parameters of the forms `--key value` and `--key=value`, variables `PARAM_KEY`, and words without a key.
///
/// Where a parameter is given both ways, the argument counts: variables are for what stays the same over many orders.
#[derive(Debug, Clone, Default)]
pub struct Args {
    values: BTreeMap<String, Given>,
    words: Vec<String>,
}

#[derive(Debug, Clone)]
struct Given {
    value: String,
    /// The variable it comes from; none for an argument.
    variable: Option<String>,
}

impl Args {
    /// Reads this program's arguments and variables; `known` lists every key the algorithm understands.
    ///
    /// A key that is not known is an error, because a mistyped option that is silently ignored gives a wrong result
    /// that looks right.
    pub fn from_env(known: &[&str]) -> Result<Self> {
        let text = |text: OsString| {
            text.into_string()
                .map_err(|text| Error::parameter(format!("the parameter {text:?} is not UTF-8")))
        };
        let words: Result<Vec<String>> = std::env::args_os().skip(3).map(text).collect();
        let ours = |name: &OsString| name.to_string_lossy().starts_with(VARIABLE_PREFIX);
        let variables: Result<Vec<(String, String)>> = std::env::vars_os()
            .filter(|(name, _)| ours(name))
            .map(|(name, value)| Ok((text(name)?, text(value)?)))
            .collect();
        Self::parse_with(words?, variables?, known)
    }

    /// The same over given words, for tests.
    pub fn parse(words: impl IntoIterator<Item = impl Into<String>>, known: &[&str]) -> Result<Self> {
        Self::parse_with(words, [], known)
    }

    /// The same over given words and variables; variables that do not begin with `PARAM_` are none of ours.
    pub fn parse_with(
        words: impl IntoIterator<Item = impl Into<String>>,
        variables: impl IntoIterator<Item = (String, String)>,
        known: &[&str],
    ) -> Result<Self> {
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
                let list = listed(known, |key| format!("--{key}"));
                return Err(Error::parameter(format!("--{key} is not known here; known: {list}")));
            }
            let value = value.ok_or_else(|| Error::parameter(format!("--{key} needs a value")))?;
            if args.values.insert(key.to_owned(), Given { value, variable: None }).is_some() {
                return Err(Error::parameter(format!("--{key} is given twice")));
            }
        }
        args.add_variables(variables, known)?;
        Ok(args)
    }

    fn add_variables(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
        known: &[&str],
    ) -> Result {
        for (name, value) in variables {
            if !name.starts_with(VARIABLE_PREFIX) {
                continue;
            }
            let Some(key) = known.iter().find(|key| variable(key) == name) else {
                let list = listed(known, variable);
                return Err(Error::parameter(format!(
                    "the variable {name} is not known here; known: {list}"
                )));
            };
            self.values.entry((*key).to_owned()).or_insert(Given { value, variable: Some(name) });
        }
        Ok(())
    }

    /// The value of `--key` as it was given, if it was.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|given| given.value.as_str())
    }

    /// The value of `--key`, or an error that says it is needed.
    pub fn required(&self, key: &str) -> Result<&str> {
        self.value(key).ok_or_else(|| Error::parameter(format!("--{key} VALUE is needed")))
    }

    /// The value of `--key` as a `T`, if it was given.
    pub fn get<T: Parameter>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.value(key) else {
            return Ok(None);
        };
        T::read(text).map(Some).ok_or_else(|| self.refused(key, T::expected()))
    }

    /// The value of `--key` as a `T`, or an error that says it is needed and what it should be.
    pub fn need<T: Parameter>(&self, key: &str) -> Result<T> {
        self.get(key)?
            .ok_or_else(|| Error::parameter(format!("--{key} is needed: expected {}", T::expected())))
    }

    /// The value of `--key` as a `T`, or `default` where it was not given.
    pub fn parsed<T: Parameter>(&self, key: &str, default: T) -> Result<T> {
        Ok(self.get(key)?.unwrap_or(default))
    }

    /// The value of `--key` in `range`, or `default` where it was not given.
    pub fn within<T>(&self, key: &str, default: T, range: RangeInclusive<T>) -> Result<T>
    where
        T: Parameter + PartialOrd + Display,
    {
        let Some(text) = self.value(key) else {
            return Ok(default);
        };
        let read = T::read(text).filter(|value| range.contains(value));
        read.ok_or_else(|| self.refused(key, format!("a number from {} to {}", range.start(), range.end())))
    }

    /// The value of `--key`, which must be one of `among`, or `default` where it was not given.
    pub fn one_of<'a>(&'a self, key: &str, default: &'a str, among: &[&str]) -> Result<&'a str> {
        let Some(text) = self.value(key) else {
            return Ok(default);
        };
        if among.contains(&text) {
            return Ok(text);
        }
        Err(self.refused(key, format!("one of {}", among.join(", "))))
    }

    /// The words that belong to no key, in order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The error for a value that is not what is expected: it names the parameter, where it comes from, and the value.
    fn refused(&self, key: &str, expected: impl Display) -> Error {
        let given = self.values.get(key);
        let from = given.and_then(|given| given.variable.as_deref());
        let from = from.map(|variable| format!(" (from {variable})")).unwrap_or_default();
        let value = given.map(|given| given.value.as_str()).unwrap_or_default();
        Error::parameter(format!("--{key}{from} is {value:?}: expected {expected}"))
    }
}

/// The variable of a parameter: `min-group` is `PARAM_MIN_GROUP`.
fn variable(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.to_ascii_uppercase().replace('-', "_"))
}

fn listed(known: &[&str], shown: impl Fn(&str) -> String) -> String {
    if known.is_empty() {
        return "no options".to_owned();
    }
    known.iter().map(|key| shown(key)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str], variables: &[(&str, &str)]) -> Result<Args> {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Args::parse_with(words.iter().copied(), variables, &["by", "min-group"])
    }

    #[test]
    fn keys_take_the_next_word_or_what_follows_the_equals_sign() {
        let args =
            Args::parse(["--by", "species", "--value=a=b", "word", "--min", "-3"], &["by", "value", "min"])
                .unwrap();
        assert_eq!(args.value("by"), Some("species"));
        assert_eq!(args.required("value").unwrap(), "a=b");
        assert_eq!(args.parsed("min", 0i64).unwrap(), -3);
        assert_eq!(args.words(), ["word"]);
    }

    #[test]
    fn variables_stand_in_for_arguments_that_are_not_there() {
        let args = given(&[], &[("PARAM_MIN_GROUP", "7"), ("HOME", "/")]).unwrap();
        assert_eq!(args.need::<u64>("min-group").unwrap(), 7);
        let args = given(&["--min-group", "3"], &[("PARAM_MIN_GROUP", "7")]).unwrap();
        assert_eq!(args.need::<u64>("min-group").unwrap(), 3);
    }

    #[test]
    fn absent_keys_default_or_say_that_they_are_needed() {
        let args = given(&[], &[]).unwrap();
        assert_eq!(args.parsed("by", 5u8).unwrap(), 5);
        assert_eq!(args.within("by", 0u8, 1..=3).unwrap(), 0);
        assert_eq!(args.one_of("by", "mean", &["sum"]).unwrap(), "mean");
        assert_eq!(args.get::<f64>("by").unwrap(), None);
        assert_eq!(args.required("by").unwrap_err().to_string(), "--by VALUE is needed");
        assert_eq!(
            args.need::<u8>("by").unwrap_err().to_string(),
            "--by is needed: expected a whole number from 0 to 255"
        );
    }

    #[test]
    fn mistakes_are_refused_with_the_reason() {
        for (words, variables, reason) in [
            (vec!["--bye", "x"], vec![], "--bye is not known here; known: --by, --min-group"),
            (vec!["--by"], vec![], "--by needs a value"),
            (vec!["--by", "--min-group", "3"], vec![], "--by needs a value"),
            (vec!["--by", "a", "--by", "b"], vec![], "--by is given twice"),
            (
                vec![],
                vec![("PARAM_BYE", "x")],
                "the variable PARAM_BYE is not known here; known: PARAM_BY, PARAM_MIN_GROUP",
            ),
        ] {
            let error = given(&words, &variables).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.code()), (reason, crate::exit::PARAMETER));
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_what_was_expected() {
        let args = given(&["--by", "x y"], &[("PARAM_MIN_GROUP", "0")]).unwrap();
        let table = [
            (args.parsed("by", 1u8).map(drop), "--by is \"x y\": expected a whole number from 0 to 255"),
            (args.parsed("by", 1.0).map(drop), "--by is \"x y\": expected a number such as 0.5"),
            (args.one_of("by", "a", &["a", "b"]).map(drop), "--by is \"x y\": expected one of a, b"),
            (
                args.within("min-group", 5, 1..=9).map(drop),
                "--min-group (from PARAM_MIN_GROUP) is \"0\": expected a number from 1 to 9",
            ),
        ];
        for (result, reason) in table {
            assert_eq!(result.unwrap_err().to_string(), reason);
        }
    }
}
