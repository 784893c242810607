//! Names of things: agreements, assets, jobs. Parsed strictly, shown in one form.

use std::fmt;
use std::str::FromStr;

use brizo_receipt::B256;
use serde::{Deserialize, Serialize};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct BadId {
    /// What was given, cut to a length that is safe to print.
    text: String,
    wanted: &'static str,
}

fn bad(text: &str, wanted: &'static str) -> BadId {
    BadId { text: text.chars().take(80).collect(), wanted }
}

/// 64 hex digits, with or without `0x`.
fn parse_hex(text: &str, wanted: &'static str) -> Result<B256, BadId> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut bytes = [0u8; 32];
    match hex::decode_to_slice(digits, &mut bytes) {
        Ok(()) => Ok(B256::from(bytes)),
        Err(_) => Err(bad(text, wanted)),
    }
}

/// A `serviceAgreementId`: 32 random bytes chosen by the consumer (OEP-12).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgreementId(pub B256);

impl FromStr for AgreementId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        parse_hex(text, "a service agreement id: 64 hex digits, with or without 0x").map(Self)
    }
}

impl fmt::Display for AgreementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&format_args!("{}", hex::encode(self.0)), f)
    }
}

/// A decentralised identifier of an asset: `did:op:` and 64 hex digits (OEP-7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Did(pub B256);

impl FromStr for Did {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        const WANTED: &str = "a DID: did:op: and 64 hex digits";
        parse_hex(text.strip_prefix("did:op:").ok_or_else(|| bad(text, WANTED))?, WANTED).map(Self)
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did:op:{}", hex::encode(self.0))
    }
}

/// A job: its agreement and the number of the run, `<64 hex digits>-<number>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId {
    /// The agreement.
    pub agreement: AgreementId,
    /// The run's number under it, from 0.
    pub run_index: u64,
}

impl FromStr for JobId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        const WANTED: &str = "a job id: an agreement id, a dash, and the run's number";
        let (agreement, run) = text.rsplit_once('-').ok_or_else(|| bad(text, WANTED))?;
        let agreement = agreement.parse().map_err(|_| bad(text, WANTED))?;
        let run_index: u64 = run.parse().map_err(|_| bad(text, WANTED))?;
        // One number has one form: texts that are signed over an id must not read in two ways.
        if run_index.to_string() != run {
            return Err(bad(text, WANTED));
        }
        Ok(Self { agreement, run_index })
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.agreement, self.run_index)
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(AgreementId, Did, JobId);

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "08a429b8529856d59867503f8056903a680935a76950bb9649785cc97869a43d";

    #[test]
    fn identifiers_survive_text() {
        let id: AgreementId = DIGITS.parse().unwrap();
        assert_eq!(format!("0x{DIGITS}").parse::<AgreementId>().unwrap(), id);
        assert_eq!(id.to_string(), DIGITS);
        let did: Did = format!("did:op:{DIGITS}").parse().unwrap();
        assert_eq!(did.to_string(), format!("did:op:{DIGITS}"));
        let job: JobId = format!("{DIGITS}-7").parse().unwrap();
        assert_eq!((job.run_index, job.to_string()), (7, format!("{DIGITS}-7")));
    }

    #[test]
    fn the_seeds_own_sample_is_refused() {
        // OEP-12 prints this id; it holds an `s` and is no hex number.
        let sample = "bb23s87856d59867503f80a690357406857698570b964ac8dcc9d86da4ada010";
        assert!(sample.parse::<AgreementId>().is_err());
        for text in ["", "0x", &DIGITS[1..], &format!("{DIGITS}0"), "did:op:12"] {
            assert!(text.parse::<AgreementId>().is_err(), "{text}");
        }
        assert!(DIGITS.parse::<Did>().is_err());
        for run in ["x", "", "+1", "01", "00", "-1", "18446744073709551616"] {
            assert!(format!("{DIGITS}-{run}").parse::<JobId>().is_err(), "{run}");
        }
    }
}
