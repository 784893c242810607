//! A job file as people write it: keys beside each other, or grouped with what they belong to. Whatever can be written in two ways
//! may stand in one of them only.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use alloy_primitives::U256;
use brizo_receipt::{Address, B256};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::ids::Did;

/// All keys; what is read of a file before anything is decided.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default)]
    pub(super) provider: String,
    #[serde(default)]
    pub(super) rpc: String,
    pub(super) deployment: PathBuf,
    #[serde(default)]
    pub(super) key_file: Option<PathBuf>,
    #[serde(default)]
    did: Option<Did>,
    #[serde(default)]
    inputs: Option<Vec<Input>>,
    #[serde(deserialize_with = "path_or_table")]
    algorithm: Algorithm,
    #[serde(default)]
    runtime: Option<B256>,
    #[serde(default)]
    main: Option<String>,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<BTreeMap<String, String>>,
    pub(super) output: PathBuf,
    #[serde(alias = "resources")]
    pub(super) limits: Limits,
    pub(super) payment: Payment,
    #[serde(default)]
    pub(super) deliver: Deliver,
}

/// A data set of the list; a job has one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    did: Did,
}

/// The algorithm with what belongs to it. Written as a text it is the path alone.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Algorithm {
    pub(super) path: PathBuf,
    /// BLAKE3 of what is uploaded; another file is refused before anything is signed.
    #[serde(default)]
    pub(super) digest: Option<B256>,
    #[serde(default)]
    pub(super) runtime: Option<B256>,
    #[serde(default)]
    pub(super) main: Option<String>,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<BTreeMap<String, String>>,
}

impl Algorithm {
    pub(super) fn args(&mut self) -> Vec<String> {
        self.args.take().unwrap_or_default()
    }

    pub(super) fn env(&mut self) -> BTreeMap<String, String> {
        self.env.take().unwrap_or_default()
    }
}

/// Most that a run may use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) fuel: u64,
    #[serde(alias = "memory", deserialize_with = "size")]
    pub(super) memory_bytes: u64,
    #[serde(alias = "output", alias = "outputBytes", deserialize_with = "size")]
    pub(super) output_bytes: u64,
    #[serde(alias = "files")]
    pub(super) output_files: u64,
}

/// Most that is locked, of what, and for how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payment {
    #[serde(alias = "maxAmount", with = "crate::money::decimal")]
    pub(super) max_price: U256,
    /// The token that `max_price` counts: a number alone means another sum in each. Zero is ETH.
    #[serde(default)]
    pub(super) token: Address,
    /// Seconds after which the payment can be had back at the latest if the provider does nothing more.
    #[serde(default = "wait_max")]
    pub(super) max_wait_s: u64,
}

/// Thirty days.
fn wait_max() -> u64 {
    30 * 86_400
}

/// Who else may know of the run, and who may have what it leaves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Deliver {
    /// They may do all but stop and delete.
    #[serde(alias = "additionalViewers")]
    pub(super) viewers: Vec<Address>,
    /// They may have the receipt, and sign verdicts that count.
    pub(super) auditors: Vec<Address>,
}

impl Written {
    /// The data set and the algorithm, wherever their keys stood.
    ///
    /// # Errors
    /// A sentence about what stands twice, or nowhere.
    pub(super) fn one_way(&mut self) -> Result<(Did, Algorithm), String> {
        let did = match (self.did, self.inputs.as_deref()) {
            (Some(did), None) => did,
            (None, Some([one])) => one.did,
            (None, None) => return Err("no `did`: the data set is missing".into()),
            (Some(_), Some(_)) => return Err(twice("did", "inputs")),
            (None, Some(more)) => return Err(format!("`inputs` has {}; a job has one data set", more.len())),
        };
        let mut algorithm = std::mem::take(&mut self.algorithm);
        either(&mut algorithm.runtime, self.runtime.take(), "runtime")?;
        either(&mut algorithm.main, self.main.take(), "main")?;
        either(&mut algorithm.args, self.args.take(), "args")?;
        either(&mut algorithm.env, self.env.take(), "env")?;
        Ok((did, algorithm))
    }
}

fn either<T>(grouped: &mut Option<T>, beside: Option<T>, key: &str) -> Result<(), String> {
    match (&grouped, beside) {
        (Some(_), Some(_)) => Err(twice(key, "algorithm")),
        (None, beside) => {
            *grouped = beside;
            Ok(())
        }
        (Some(_), None) => Ok(()),
    }
}

fn twice(key: &str, group: &str) -> String {
    format!("`{key}` stands in `{group}` and beside it; write it once")
}

/// A path, or a table with more than that.
fn path_or_table<'de, D: Deserializer<'de>>(from: D) -> Result<Algorithm, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Algorithm;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a path, or a table with `path`")
        }

        fn visit_str<E: Error>(self, path: &str) -> Result<Algorithm, E> {
            Ok(Algorithm { path: path.into(), ..Algorithm::default() })
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Algorithm, M::Error> {
            Algorithm::deserialize(MapAccessDeserializer::new(map))
        }
    }

    from.deserialize_any(Either)
}

/// A number of bytes, or a text with a unit: `64MiB`.
fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    struct Either;

    impl Visitor<'_> for Either {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of bytes (u64), or one with KiB, MiB or GiB")
        }

        fn visit_u64<E: Error>(self, bytes: u64) -> Result<u64, E> {
            Ok(bytes)
        }

        fn visit_i64<E: Error>(self, bytes: i64) -> Result<u64, E> {
            u64::try_from(bytes).map_err(|_| E::custom(format!("{bytes} is no number of bytes (u64)")))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            bytes(text)
                .ok_or_else(|| E::custom(format!("{text:?} is no number of bytes with KiB, MiB or GiB")))
        }
    }

    from.deserialize_any(Either)
}

fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = [("KiB", 10), ("MiB", 20), ("GiB", 30)]
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?.trim_end(), *shift)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| digits.parse().ok()).flatten()?;
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_of_three_units_and_whole_numbers() {
        for (text, expected) in
            [("1KiB", 1 << 10), ("64MiB", 64 << 20), ("64 MiB", 64 << 20), ("0GiB", 0), ("2GiB", 2 << 30)]
        {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for odd in [
            "",
            "MiB",
            "64",
            "64MB",
            "64 mib",
            "-1MiB",
            "+1MiB",
            "1.5GiB",
            "1_0KiB",
            "1MiBKiB",
            "99999999999GiB",
        ] {
            assert_eq!(bytes(odd), None, "{odd}");
        }
    }
}
