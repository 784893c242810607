//! A disclosure as it stands in JSON: every field of every part, of which those of its own part must be there and no other.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use super::{DISCLOSURE_FORMAT, Disclosure, MountPosition, Part, Shown};
use crate::tree::Position;
use crate::{Entry, EntryKind, JobSpec, Outcome};

/// The entry with its salt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SaltedEntry {
    kind: EntryKind,
    path: String,
    #[serde(with = "crate::decimal")]
    size: u64,
    digest: B256,
    salt: B256,
}

/// The document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Form {
    format: String,
    claim_hash: B256,
    part: Part,
    entry: SaltedEntry,
    position: Position,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    mount: Option<MountPosition>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    spec_hash: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    spec: Option<JobSpec>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    outcome_hash: Option<B256>,
}

impl TryFrom<Form> for Disclosure {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        if form.format != DISCLOSURE_FORMAT {
            return Err(format!("format is {:?}, this program reads {DISCLOSURE_FORMAT:?}", form.format));
        }
        let SaltedEntry { kind, path, size, digest, salt } = form.entry;
        if !form.part.holds(kind) {
            return Err(format!("a {} cannot be among the {}", kind.name(), form.part.name()));
        }
        let other = (form.mount, form.spec_hash, form.outcome, form.spec, form.outcome_hash);
        let shown = match (form.part, other) {
            (Part::Outputs, (None, Some(spec_hash), Some(outcome), None, None)) => {
                Shown::Outputs { spec_hash, outcome }
            }
            (Part::Inputs, (Some(mount), None, None, Some(spec), Some(outcome_hash))) => {
                Shown::Inputs { mount, spec, outcome_hash }
            }
            (Part::Algorithm, (None, None, None, Some(spec), Some(outcome_hash))) => {
                Shown::Algorithm { spec, outcome_hash }
            }
            (Part::Invocation, (None, None, None, Some(spec), Some(outcome_hash))) => {
                Shown::Invocation { spec, outcome_hash }
            }
            (part, _) => {
                return Err(format!("it must have {} and nothing else beside the entry", needs(part)));
            }
        };
        let entry = Entry { kind, path, size, digest };
        Ok(Self { claim_hash: form.claim_hash, entry, salt, position: form.position, shown })
    }
}

fn needs(part: Part) -> &'static str {
    match part {
        Part::Outputs => "specHash and outcome",
        Part::Inputs => "mount, spec and outcomeHash",
        Part::Algorithm | Part::Invocation => "spec and outcomeHash",
    }
}

impl From<Disclosure> for Form {
    fn from(disclosure: Disclosure) -> Self {
        let Disclosure { claim_hash, entry: Entry { kind, path, size, digest }, salt, position, shown } =
            disclosure;
        let part = shown.part();
        let (mount, spec_hash, outcome, spec, outcome_hash) = match shown {
            Shown::Outputs { spec_hash, outcome } => (None, Some(spec_hash), Some(outcome), None, None),
            Shown::Inputs { mount, spec, outcome_hash } => {
                (Some(mount), None, None, Some(spec), Some(outcome_hash))
            }
            Shown::Algorithm { spec, outcome_hash } | Shown::Invocation { spec, outcome_hash } => {
                (None, None, None, Some(spec), Some(outcome_hash))
            }
        };
        Self {
            format: DISCLOSURE_FORMAT.into(),
            claim_hash,
            part,
            entry: SaltedEntry { kind, path, size, digest, salt },
            position,
            mount,
            spec_hash,
            outcome,
            spec,
            outcome_hash,
        }
    }
}
