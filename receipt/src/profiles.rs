//! The profiles that were published, and which of them turned out to be wrong (`docs/RECEIPT.md` §17).

use std::sync::LazyLock;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, strict};

/// Value of the `format` field of a list of profiles.
pub const PROFILES_FORMAT: &str = "brizo-profiles/1";

/// Largest list that is read.
const LIST_BYTES_MAX: usize = 1 << 20;

/// What is known of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileState {
    /// In use.
    Active,
    /// Right, but not for new runs.
    Deprecated,
    /// Wrong: receipts under it prove nothing.
    Revoked,
}

impl ProfileState {
    /// Its name in documents and for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deprecated => "deprecated",
            Self::Revoked => "revoked",
        }
    }
}

/// One profile of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedProfile {
    /// Digest of its document; `spec.profile` of receipts.
    pub digest: B256,
    /// Its name, `brizo-wasm/1`.
    pub name: String,
    /// What is known of it.
    pub state: ProfileState,
    /// What is wrong with it, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub advisory: Option<String>,
}

/// A list of published profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    format: String,
    profiles: Vec<PublishedProfile>,
}

/// The list of this release, read once.
static OWN: LazyLock<Result<Profiles>> =
    LazyLock::new(|| Profiles::parse(include_bytes!("../profiles.json")));

impl strict::Document for Profiles {
    type Item = ();
}

impl Profiles {
    /// Reads a list as strictly as a receipt; at most 1 MiB.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the place; also when a digest stands twice.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let list: Self = strict::parse("list of profiles", bytes, LIST_BYTES_MAX)?;
        strict::check_format("list of profiles", &list.format, PROFILES_FORMAT)?;
        let mut digests: Vec<_> = list.profiles.iter().map(|profile| profile.digest).collect();
        digests.sort_unstable();
        if let Some(pair) = digests.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::Malformed(format!("list of profiles: {} stands twice", pair[0])));
        }
        Ok(list)
    }

    /// The list of this release.
    ///
    /// # Errors
    /// Never in a release that was tested: the list is compiled in.
    pub fn of_this_release() -> Result<&'static Self> {
        OWN.as_ref().map_err(Clone::clone)
    }

    /// All profiles of the list, in its order.
    #[must_use]
    pub fn list(&self) -> &[PublishedProfile] {
        &self.profiles
    }

    /// The profile with this digest, if it is on the list.
    #[must_use]
    pub fn find(&self, digest: B256) -> Option<&PublishedProfile> {
        self.profiles.iter().find(|profile| profile.digest == digest)
    }

    /// Whether receipts under a profile of this release's list are attested: those of containers, by their name.
    ///
    /// # Errors
    /// Never in a release that was tested.
    pub fn is_attested_only(digest: B256) -> Result<bool> {
        let found = Self::of_this_release()?.find(digest);
        Ok(found.is_some_and(|profile| profile.name.starts_with("brizo-container/")))
    }

    /// Says in a sentence under which profile a receipt is, by the list of this release and a `newer` one. What either of
    /// them revokes is revoked: no list gives a profile back.
    ///
    /// # Errors
    /// [`Error::ProfileRevoked`].
    pub fn standing(digest: B256, newer: Option<&Self>) -> Result<String> {
        let lists = [newer, Some(Self::of_this_release()?)];
        let found: Vec<_> = lists.into_iter().flatten().filter_map(|list| list.find(digest)).collect();
        if let Some(profile) = found.iter().find(|profile| profile.state == ProfileState::Revoked) {
            let advisory = profile.advisory.clone();
            return Err(Error::ProfileRevoked {
                digest,
                name: profile.name.clone(),
                advisory: advisory.unwrap_or_else(|| "the list gives no reason".into()),
            });
        }
        Ok(match found.first() {
            Some(profile) => {
                let advisory = profile.advisory.as_ref().map_or(String::new(), |text| format!(": {text}"));
                format!("under the profile {}, {}{advisory}", profile.name, profile.state.name())
            }
            None => format!("under a profile that is on no list here, {digest}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "0x1aac77561c7ecfb6db09e3f0543c00cf5277f9531cc61fe814e78455b83892d3";

    fn list(entries: &str) -> Result<Profiles> {
        Profiles::parse(format!(r#"{{"format":"brizo-profiles/1","profiles":[{entries}]}}"#).as_bytes())
    }

    fn entry(digest: &str, state: &str, advisory: &str) -> String {
        format!(r#"{{"digest":"{digest}","name":"p/1","state":"{state}"{advisory}}}"#)
    }

    #[test]
    fn the_release_has_a_list_and_revokes_none_of_it() {
        let own = Profiles::of_this_release().unwrap();
        assert!(own.list().len() >= 2);
        for profile in own.list() {
            assert!(Profiles::standing(profile.digest, None).is_ok(), "{}", profile.name);
        }
    }

    #[test]
    fn a_newer_list_revokes_and_cannot_give_back() {
        let digest: B256 = KNOWN.parse().unwrap();
        let text = Profiles::standing(digest, None).unwrap();
        assert_eq!(text, "under the profile brizo-wasm/1, active");
        let newer = list(&entry(KNOWN, "revoked", r#","advisory":"a bug; run again under p/2""#)).unwrap();
        let error = Profiles::standing(digest, Some(&newer)).unwrap_err();
        assert_eq!(error.code(), "profile_revoked");
        assert!(error.to_string().ends_with("a bug; run again under p/2"), "{error}");
        let unknown = B256::repeat_byte(9);
        assert!(Profiles::standing(unknown, Some(&newer)).unwrap().contains("on no list here"));
        let newer = list(&entry(KNOWN, "deprecated", r#","advisory":"use p/2""#)).unwrap();
        assert_eq!(
            Profiles::standing(digest, Some(&newer)).unwrap(),
            "under the profile p/1, deprecated: use p/2"
        );
    }

    #[test]
    fn other_lists_are_refused() {
        let good = entry(KNOWN, "active", "");
        assert!(list(&good).is_ok());
        assert!(list("").is_ok(), "an empty list is one");
        let upper = good.replace("0x", "0X");
        let cases = [
            (format!("{good},{good}"), "stands twice"),
            (good.replace("active", "fine"), "fine"),
            (entry(KNOWN, "active", r#","advisory":null"#), "advisory"),
            (entry(KNOWN, "active", r#","since":1"#), "since"),
            (upper, "not in canonical form"),
        ];
        for (entries, named) in cases {
            let error = list(&entries).unwrap_err();
            assert_eq!(error.code(), "receipt_malformed", "{entries}");
            assert!(error.to_string().contains(named), "{error}");
        }
        let other = br#"{"format":"brizo-profiles/2","profiles":[]}"#;
        assert!(Profiles::parse(other).unwrap_err().to_string().contains("brizo-profiles/2"));
        let large =
            [br#"{"format":"brizo-profiles/1","profiles":[]}"#.to_vec(), vec![b' '; LIST_BYTES_MAX]].concat();
        assert!(Profiles::parse(&large).unwrap_err().to_string().contains("at most"));
    }
}
