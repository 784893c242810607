//! Disclosures: proof that one file, stream, argument or variable is part of what a receipt hash stands for
//! (`docs/RECEIPT.md` §15). Whoever checks one needs the receipt hash and nothing else.

mod form;
mod make;
#[cfg(test)]
mod tests;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::hash::receipt_hash;
use crate::manifest::check_entry;
use crate::tree::Position;
use crate::{
    Entry, EntryKind, Error, Fact, JobSpec, Outcome, Profiles, Result, check_path, mount_leaf, strict,
};

/// Value of the `format` field of a disclosure.
pub const DISCLOSURE_FORMAT: &str = "brizo-disclosure/1";

/// Largest disclosure or verdict that is read or written.
pub const SMALL_BYTES_MAX: usize = 1 << 20;

/// Which of a claim's roots a disclosure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// `outcome.outputsRoot`: files, folders and streams.
    Outputs,
    /// `spec.inputsRoot`: files of the data sets.
    Inputs,
    /// `spec.algorithmRoot`: files of a bundle and of its runtime.
    Algorithm,
    /// `spec.invocationRoot`: arguments and variables.
    Invocation,
}

impl Part {
    /// Its name in documents and for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Outputs => "outputs",
            Self::Inputs => "inputs",
            Self::Algorithm => "algorithm",
            Self::Invocation => "invocation",
        }
    }

    /// Whether an entry of this kind can be in it.
    #[must_use]
    pub fn holds(self, kind: EntryKind) -> bool {
        use EntryKind::{Argument, Directory, File, Stream, Variable};
        match self {
            Self::Outputs => matches!(kind, File | Directory | Stream),
            Self::Inputs | Self::Algorithm => kind == File,
            Self::Invocation => matches!(kind, Argument | Variable),
        }
    }
}

/// A data set among the mounted ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountPosition {
    /// Folder below `/data/inputs`; empty for `/data/inputs` itself.
    pub path: String,
    /// Where the mount stands among the mounts.
    pub position: Position,
}

/// The half of the claim that has the root, whole, and the hash of the other half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// For [`Part::Outputs`].
    Outputs {
        /// Hash of the spec, which stays hidden.
        spec_hash: B256,
        /// The outcome.
        outcome: Outcome,
    },
    /// For [`Part::Inputs`].
    Inputs {
        /// The data set that has the file.
        mount: MountPosition,
        /// The spec.
        spec: JobSpec,
        /// Hash of the outcome.
        outcome_hash: B256,
    },
    /// For [`Part::Algorithm`].
    Algorithm {
        /// The spec.
        spec: JobSpec,
        /// Hash of the outcome.
        outcome_hash: B256,
    },
    /// For [`Part::Invocation`].
    Invocation {
        /// The spec.
        spec: JobSpec,
        /// Hash of the outcome.
        outcome_hash: B256,
    },
}

impl Shown {
    /// The part that it belongs to.
    #[must_use]
    pub fn part(&self) -> Part {
        match self {
            Self::Outputs { .. } => Part::Outputs,
            Self::Inputs { .. } => Part::Inputs,
            Self::Algorithm { .. } => Part::Algorithm,
            Self::Invocation { .. } => Part::Invocation,
        }
    }

    /// The spec, where it is shown.
    #[must_use]
    pub fn spec(&self) -> Option<&JobSpec> {
        match self {
            Self::Outputs { .. } => None,
            Self::Inputs { spec, .. } | Self::Algorithm { spec, .. } | Self::Invocation { spec, .. } => {
                Some(spec)
            }
        }
    }

    /// The receipt hash of the two halves.
    #[must_use]
    pub fn claim_hash(&self) -> B256 {
        match self {
            Self::Outputs { spec_hash, outcome } => receipt_hash(*spec_hash, outcome.hash()),
            Self::Inputs { spec, outcome_hash, .. }
            | Self::Algorithm { spec, outcome_hash }
            | Self::Invocation { spec, outcome_hash } => receipt_hash(spec.hash(), *outcome_hash),
        }
    }

    /// The root that the entry must lead to, and its name.
    fn root(&self) -> (&'static str, B256) {
        match self {
            Self::Outputs { outcome, .. } => ("outcome.outputsRoot", outcome.outputs_root),
            Self::Inputs { spec, .. } => ("spec.inputsRoot", spec.inputs_root),
            Self::Algorithm { spec, .. } => ("spec.algorithmRoot", spec.algorithm_root),
            Self::Invocation { spec, .. } => ("spec.invocationRoot", spec.invocation_root),
        }
    }
}

/// A disclosure, parsed: its fields are those of its part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "form::Form", into = "form::Form")]
pub struct Disclosure {
    /// The receipt hash that it is about.
    pub claim_hash: B256,
    /// What is disclosed.
    pub entry: Entry,
    /// The entry's salt: opens this entry and no other.
    pub salt: B256,
    /// Where the entry stands in its manifest.
    pub position: Position,
    /// What the rest of the way to the receipt hash needs.
    pub shown: Shown,
}

impl strict::Document for Disclosure {
    type Item = ();
}

impl Disclosure {
    /// Reads a disclosure as strictly as a receipt; at most [`SMALL_BYTES_MAX`].
    ///
    /// # Errors
    /// [`Error::Malformed`] with the place; also when a field is missing or too much for its part.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        strict::parse("disclosure", bytes, SMALL_BYTES_MAX)
    }

    /// The document as text, ending in a newline.
    #[must_use]
    pub fn to_text(&self) -> String {
        strict::to_text(self)
    }

    /// Which of the roots it leads to.
    #[must_use]
    pub fn part(&self) -> Part {
        self.shown.part()
    }

    /// Goes the whole way from the entry to the receipt hash, which the caller knows from elsewhere. Gives back what was
    /// established, as sentences.
    ///
    /// # Errors
    /// The first step that does not hold: [`Error::Manifest`] for an impossible path, [`Error::PathLength`] for a way that is too short or too
    /// long for its place, [`Error::Disclosure`] for one that leads to another root, [`Error::HashMismatch`] for a `claimHash` that is not that of the two halves, and
    /// [`Error::Unexpected`] for another receipt.
    pub fn check(&self, known: B256) -> Result<Vec<String>> {
        check_entry(&self.entry)?;
        check_argument(&self.entry)?;
        if let Shown::Inputs { mount, .. } = &self.shown
            && !mount.path.is_empty()
        {
            check_path(&mount.path)?;
        }
        let own = self.position.root(self.entry.leaf_under(self.salt))?;
        let reached = match &self.shown {
            Shown::Inputs { mount, .. } => mount.position.root(mount_leaf(&mount.path, own))?,
            _ => own,
        };
        let (name, stated) = self.shown.root();
        if reached != stated {
            return Err(Error::Disclosure(format!(
                "{} {:?} with its salt and siblings leads to {reached}, {name} is {stated}",
                self.entry.kind.name(),
                self.entry.path
            )));
        }
        let computed = self.shown.claim_hash();
        if computed != self.claim_hash {
            return Err(Error::HashMismatch { what: "claimHash".into(), stated: self.claim_hash, computed });
        }
        if known != computed {
            let (expected, found) = (known.to_string(), computed.to_string());
            return Err(Error::Unexpected { fact: Fact::Receipt, what: "claim hash", expected, found });
        }
        Ok(self.notes(own))
    }

    fn notes(&self, root: B256) -> Vec<String> {
        let Self { entry, position, .. } = self;
        let mut notes = vec![format!(
            "{} {:?}, {} bytes with digest {}, is number {} of {} among the {}; that no other has this path is not shown",
            entry.kind.name(),
            entry.path,
            entry.size,
            entry.digest,
            position.index + 1,
            position.count,
            self.part().name()
        )];
        if let Shown::Inputs { mount, .. } = &self.shown {
            let below = if mount.path.is_empty() {
                "/data/inputs".into()
            } else {
                format!("/data/inputs/{}", mount.path)
            };
            notes.push(format!("the data set with root {root} was mounted at {below}"));
        }
        notes
    }

    /// Checks that the run was not under a profile that is revoked, by the list of this release and a `newer` one. Gives back
    /// a sentence; of an output the spec is not shown, so the profile is not either.
    ///
    /// # Errors
    /// [`Error::ProfileRevoked`].
    pub fn check_profile(&self, newer: Option<&Profiles>) -> Result<String> {
        match self.shown.spec() {
            Some(spec) => Profiles::standing(spec.profile, newer),
            None => Ok("under which profile the run was is not shown: the receipt says it".into()),
        }
    }

    /// Checks that bytes which the caller has are those of the entry, given their length and BLAKE3 digest.
    ///
    /// # Errors
    /// [`Error::HashMismatch`] when length or digest is another one.
    pub fn check_content(&self, size: u64, digest: B256) -> Result<()> {
        let Entry { path, size: stated, .. } = &self.entry;
        if (size, digest) == (*stated, self.entry.digest) {
            return Ok(());
        }
        let what = format!("the content of {path:?} ({stated} bytes are stated, {size} are given)");
        Err(Error::HashMismatch { what, stated: self.entry.digest, computed: digest })
    }
}

/// The path of an argument is its index: eight digits, more only where the number needs them.
fn check_argument(entry: &Entry) -> Result<()> {
    let path = entry.path.as_str();
    let digits = path.bytes().all(|byte| byte.is_ascii_digit());
    let filled = path.len() == 8 || (path.len() > 8 && !path.starts_with('0'));
    if entry.kind == EntryKind::Argument && !(digits && filled) {
        return Err(Error::Manifest(format!("{path:?} is no index of an argument in eight digits")));
    }
    Ok(())
}
