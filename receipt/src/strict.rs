//! Strict reading of JSON documents: one spelling of every value, nothing unknown, nothing twice, nothing behind it.

use std::fmt::Formatter;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::manifest::TEXTS_MAX;
use crate::{Error, Result};

/// Reads a document of at most `most` bytes. `what` is its name in errors.
///
/// The types refuse unknown and double fields; that everything is in canonical form is seen by writing the document again.
///
/// # Errors
/// [`Error::Malformed`] with the place.
pub(crate) fn parse<T: DeserializeOwned + Serialize>(what: &str, bytes: &[u8], most: usize) -> Result<T> {
    let malformed = |e: serde_json::Error| Error::Malformed(format!("{what}: {e}"));
    if bytes.len() > most {
        return Err(Error::Malformed(format!("{what}: {} bytes, at most {most} are read", bytes.len())));
    }
    let document: T = serde_json::from_slice(bytes).map_err(malformed)?;
    let read: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    let written = serde_json::to_value(&document).map_err(malformed)?;
    match first_difference(&read, &written) {
        Some(place) => Err(Error::Malformed(format!("{what}: {} is not in canonical form", named(place)))),
        None => Ok(document),
    }
}

/// Reads a list of at most [`TEXTS_MAX`]. Without a bound a file of empty texts would cost fifty times its size in memory.
///
/// # Errors
/// Of the reader, and when there are more.
pub(crate) fn texts<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> std::result::Result<Vec<T>, D::Error> {
    struct Bounded<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {TEXTS_MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Vec<T>, A::Error> {
            let mut found = Vec::new();
            while let Some(one) = list.next_element()? {
                if found.len() == TEXTS_MAX {
                    return Err(A::Error::invalid_length(TEXTS_MAX + 1, &self));
                }
                found.push(one);
            }
            Ok(found)
        }
    }
    from.deserialize_seq(Bounded(PhantomData))
}

/// Checks the `format` field of a document.
///
/// # Errors
/// [`Error::Malformed`] when it is another one.
pub(crate) fn check_format(what: &str, found: &str, read: &str) -> Result<()> {
    if found == read {
        return Ok(());
    }
    Err(Error::Malformed(format!("{what}: format is {found:?}, this program reads {read:?}")))
}

/// A document as text: two spaces of indentation, and a newline at the end.
pub(crate) fn to_text(document: &impl Serialize) -> String {
    // Strings, numbers and lists only: serialising cannot fail.
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}

/// A place as people write it, `claim.spec.fuelLimit`, from its parts, the innermost first.
fn named(mut parts: Vec<String>) -> String {
    parts.reverse();
    if parts.is_empty() { "the document".into() } else { parts.join(".") }
}

/// The first place where two JSON values differ, the innermost part first. Its name is put together only where there is a
/// difference, which is seldom, and never on the way there.
fn first_difference(a: &Value, b: &Value) -> Option<Vec<String>> {
    use serde_json::Value::{Array, Object};
    match (a, b) {
        (Object(x), Object(y)) => x.keys().chain(y.keys()).find_map(|key| match (x.get(key), y.get(key)) {
            (Some(x), Some(y)) => inside(first_difference(x, y), key),
            _ => Some(vec![key.clone()]),
        }),
        (Array(x), Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().find_map(|(i, (x, y))| inside(first_difference(x, y), i))
        }
        _ if a == b => None,
        _ => Some(Vec::new()),
    }
}

fn inside(place: Option<Vec<String>>, part: impl ToString) -> Option<Vec<String>> {
    let mut place = place?;
    place.push(part.to_string());
    Some(place)
}
