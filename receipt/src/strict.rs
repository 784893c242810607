//! Strict reading of JSON documents: one spelling of every value, nothing unknown, nothing twice, nothing behind it.

use std::cell::Cell;
use std::fmt::Formatter;
use std::marker::PhantomData;

use alloy_primitives::{B256, hex};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::manifest::TEXTS_MAX;
use crate::{Error, Result};

/// A kind of document that is read strictly.
pub(crate) trait Document: DeserializeOwned + Serialize {
    /// Names of the fields that are lists of hashes and are read by [`hashes`], which allows one spelling only. They can be
    /// long, so nothing but that reading is done with them.
    const HASHES: &'static [&'static str] = &[];

    /// These lists, all of them.
    fn hashes(&mut self) -> Vec<&mut Vec<B256>> {
        Vec::new()
    }

    /// What the list of structs has that can be long.
    type Item: Serialize;

    /// The path of that list, the outermost part first; nothing where there is none. It is compared one struct at a time: as JSON
    /// in memory it would take seventeen times its file.
    const LONG: &'static [&'static str] = &[];

    /// The list.
    fn long(&mut self) -> Option<&mut Vec<Self::Item>> {
        None
    }
}

/// Reads a document of at most `most` bytes. `what` is its name in errors.
///
/// The types refuse unknown and double fields; that everything is in canonical form is seen by writing the document again: as
/// text first, which is quick, and as values where that is laid out otherwise.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Truncated`], and [`Error::Malformed`] with the place for everything else.
pub(crate) fn parse<T: Document>(what: &str, bytes: &[u8], most: usize) -> Result<T> {
    let found = bytes.len();
    if found > most {
        return Err(Error::TooLarge { what: what.into(), found, most });
    }
    let malformed = |e: &dyn std::fmt::Display| match ends_too_early(bytes) {
        true => Error::Truncated { what: what.into(), found },
        false => Error::Malformed(format!("{what}: {e}")),
    };
    let text = std::str::from_utf8(bytes).map_err(|e| malformed(&e))?;
    let mut document: T = serde_json::from_str(text).map_err(|e| malformed(&e))?;
    if is_as_written(&document, text) {
        return Ok(document);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let lists: Vec<Vec<B256>> = document.hashes().into_iter().map(std::mem::take).collect();
    let items = document.long().map(std::mem::take).unwrap_or_default();
    let differs = Cell::new(None);
    let again = Without::<T> { items: &items, differs: &differs };
    let read = again.deserialize(&mut reader).map_err(|e| malformed(&e))?;
    let written = serde_json::to_value(&document).map_err(|e| malformed(&e))?;
    for (place, list) in document.hashes().into_iter().zip(lists) {
        *place = list;
    }
    if let Some(place) = document.long() {
        *place = items;
    }
    let not: Vec<&str> = T::HASHES.iter().chain(T::LONG.last()).copied().collect();
    match first_difference(&read, &written, &not).or(differs.take()) {
        Some(place) => Err(Error::Malformed(format!("{what}: {} is not in canonical form", named(place)))),
        None => Ok(document),
    }
}

/// Whether a text is what [`to_text`] makes of the document that was read from it, with whatever newline at its end. Most are, and
/// then nothing in it can be spelt otherwise.
fn is_as_written(document: &impl Serialize, text: &str) -> bool {
    /// What has still to come.
    struct Rest<'a>(&'a [u8]);
    impl std::io::Write for Rest<'_> {
        fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.strip_prefix(piece).ok_or(std::io::ErrorKind::InvalidData)?;
            Ok(piece.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut rest = Rest(text.trim_end().as_bytes());
    serde_json::to_writer_pretty(&mut rest, document).is_ok() && rest.0.is_empty()
}

/// Whether the bytes are the beginning of a JSON text and end before it does. Asked only where they are refused anyway: what
/// was cut off is told from what was written wrongly, wherever that stands.
fn ends_too_early(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Half a character at the end is cut off, too.
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    crate::skim::ends_early(text)
}

/// Reads a list of hashes, each as `0x` and 64 hex digits in lower case and no other.
///
/// # Errors
/// Of the reader, and when one has another form.
pub(crate) fn hashes<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<B256>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<B256>;

        fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of hashes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Vec<B256>, A::Error> {
            let mut found = Vec::new();
            while let Some(Hash(hash)) = list.next_element()? {
                found.push(hash);
            }
            Ok(found)
        }
    }
    from.deserialize_seq(List)
}

/// A hash in its one spelling.
struct Hash(B256);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Hash;

            fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str("`0x` and 64 hex digits in lower case, which is the canonical form")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Hash, E> {
                let mut hash = B256::ZERO;
                let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64);
                let read = digits
                    .filter(|digits| !digits.bytes().any(|digit| digit.is_ascii_uppercase()))
                    .and_then(|digits| hex::decode_to_slice(digits, &mut hash.0).ok());
                read.map(|()| Hash(hash)).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        from.deserialize_str(Text)
    }
}

/// Reads any JSON but the long lists of a document: those of hashes are skipped, the other one is compared and not kept.
struct Without<'a, T: Document> {
    /// That list as it was read first.
    items: &'a [T::Item],
    /// The first place where the long list differs, the innermost part first.
    differs: &'a Cell<Option<Vec<String>>>,
}

impl<T: Document> Clone for Without<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Document> Copy for Without<'_, T> {}

impl<'de, T: Document> DeserializeSeed<'de> for Without<'_, T> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: Document> Visitor<'de> for Without<'_, T> {
    type Value = Value;

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Value, A::Error> {
        let mut found = Vec::new();
        while let Some(one) = list.next_element_seed(self)? {
            found.push(one);
        }
        Ok(Value::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Value, A::Error> {
        let mut found = serde_json::Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if T::HASHES.contains(&name.as_str()) {
                map.next_value::<IgnoredAny>()?;
            } else if T::LONG.last().is_some_and(|last| *last == name) {
                map.next_value_seed(OneByOne(self))?;
            } else {
                let value = map.next_value_seed(self)?;
                found.insert(name, value);
            }
        }
        Ok(Value::Object(found))
    }
}

/// Compares the long list of a document with what was read of it, one struct in memory at a time.
struct OneByOne<'a, T: Document>(Without<'a, T>);

impl<'de, T: Document> DeserializeSeed<'de> for OneByOne<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, T: Document> Visitor<'de> for OneByOne<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<(), A::Error> {
        let (mut index, mut found) = (0usize, None);
        while let Some(read) = list.next_element_seed(self.0)? {
            let item = self.0.items.get(index);
            let written = serde_json::to_value(item).map_err(A::Error::custom)?;
            found = found.or_else(|| inside(first_difference(&read, &written, &[]), index));
            index += 1;
        }
        if let Some(mut place) = found {
            place.extend(T::LONG.iter().rev().map(ToString::to_string));
            self.0.differs.set(Some(place));
        }
        Ok(())
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

/// The first place where two JSON values differ, the innermost part first; fields of the names in `not` are not compared. Its
/// name is put together only where there is a difference, which is seldom, and never on the way there.
fn first_difference(a: &Value, b: &Value, not: &[&str]) -> Option<Vec<String>> {
    use serde_json::Value::{Array, Object};
    match (a, b) {
        (Object(x), Object(y)) => {
            let names = x.keys().chain(y.keys()).filter(|name| !not.contains(&name.as_str()));
            names.into_iter().find_map(|name| match (x.get(name), y.get(name)) {
                (Some(x), Some(y)) => inside(first_difference(x, y, not), name),
                _ => Some(vec![name.clone()]),
            })
        }
        (Array(x), Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().find_map(|(i, (x, y))| inside(first_difference(x, y, not), i))
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
