//! Outputs as a receipt lists them: shown with all that proves them, or withheld behind a bare leaf (`docs/RECEIPT.md` §6).

use std::collections::BTreeSet;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::manifest::{Entry, EntryKind, Key, Manifest, check_path};
use crate::{Error, Receipt, Result};

/// Streams that every run has; they are the last two entries of its outputs, in this order.
const STREAMS: [&str; 2] = ["stderr", "stdout"];

/// An output as the receipt lists it. Of a withheld one nothing is there but its leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct OutputEntry {
    /// Its leaf in the outputs manifest.
    pub leaf: B256,
    /// What it is; `None` when it is withheld.
    pub shown: Option<ShownOutput>,
}

/// An output that may leave, with the salt by which whoever has the content can check its leaf without a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownOutput {
    /// Kind, path in `/data/outputs` (or `stdout`, `stderr`), size and digest.
    pub entry: Entry,
    /// Salt of this entry alone; it tells nothing about the others.
    pub salt: B256,
}

/// The fields of an output as JSON has them: the leaf alone, or all six.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename = "OutputEntry", deny_unknown_fields)]
struct Fields {
    leaf: B256,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    kind: Option<EntryKind>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    path: Option<String>,
    #[serde(with = "optional_decimal", skip_serializing_if = "Option::is_none", default)]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    digest: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    salt: Option<B256>,
}

mod optional_decimal {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => crate::decimal::serialize(number, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        #[derive(Deserialize)]
        struct Number(#[serde(with = "crate::decimal")] u64);
        Number::deserialize(deserializer).map(|number| Some(number.0))
    }
}

impl TryFrom<Fields> for OutputEntry {
    type Error = &'static str;

    fn try_from(fields: Fields) -> std::result::Result<Self, Self::Error> {
        let Fields { leaf, kind, path, size, digest, salt } = fields;
        match (kind, path, size, digest, salt) {
            (None, None, None, None, None) => Ok(Self { leaf, shown: None }),
            (Some(kind), Some(path), Some(size), Some(digest), Some(salt)) => Ok(Self {
                leaf,
                shown: Some(ShownOutput { entry: Entry { kind, path, size, digest }, salt }),
            }),
            _ => Err("an output has neither its leaf alone nor all of kind, path, size, digest and salt"),
        }
    }
}

impl From<OutputEntry> for Fields {
    fn from(output: OutputEntry) -> Self {
        let (entry, salt) = output.shown.map(|shown| (shown.entry, shown.salt)).unzip();
        let (kind, size, digest) = entry
            .as_ref()
            .map_or((None, None, None), |entry| (Some(entry.kind), Some(entry.size), Some(entry.digest)));
        Self { leaf: output.leaf, kind, path: entry.map(|entry| entry.path), size, digest, salt }
    }
}

impl OutputEntry {
    /// Lists an entry under the outputs key.
    #[must_use]
    pub fn of(entry: &Entry, outputs_key: &Key, withheld: bool) -> Self {
        let salt = entry.salt(outputs_key);
        let shown = (!withheld).then(|| ShownOutput { entry: entry.clone(), salt });
        Self { leaf: entry.leaf_under(salt), shown }
    }

    /// What it is, unless it is withheld.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.shown.as_ref().map(|shown| &shown.entry)
    }
}

impl ShownOutput {
    /// The leaf that its own fields give.
    #[must_use]
    pub fn leaf(&self) -> B256 {
        self.entry.leaf_under(self.salt)
    }
}

/// Checks the list of outputs by itself and against the claim (§9.2, steps 4 to 6). No hash is computed here.
pub(crate) fn check_outputs_list(receipt: &Receipt) -> Result<()> {
    let outputs = &receipt.opening.outputs;
    let shown: Vec<&Entry> = outputs.iter().filter_map(OutputEntry::entry).collect();
    shown.iter().try_for_each(|entry| check_entry(entry))?;
    check_order(outputs, &shown, receipt.claim.spec.files_limit)?;
    check_tree(&shown)?;
    check_sum(&shown, outputs.len() > shown.len(), receipt.claim.outcome.output_bytes)
}

fn check_entry(entry: &Entry) -> Result<()> {
    match entry.kind {
        EntryKind::File | EntryKind::Directory => check_path(&entry.path),
        EntryKind::Stream if STREAMS.contains(&entry.path.as_str()) => Ok(()),
        _ => Err(Error::Contradiction(format!("opening.outputs {:?} is no output", entry.path))),
    }
}

/// Every run has both streams, and they come last: so each of the last two entries is its stream or withheld.
fn check_order(outputs: &[OutputEntry], shown: &[&Entry], files_limit: u64) -> Result<()> {
    let bad = |why: &str| Err(Error::Contradiction(format!("opening.outputs {why}")));
    let key = |entry: &Entry| (entry.kind, entry.path.clone().into_bytes());
    if shown.windows(2).any(|pair| key(pair[0]) >= key(pair[1])) {
        return bad("are out of order, or one stands twice");
    }
    let Some((files, streams)) = outputs.split_last_chunk::<2>() else {
        return bad("must end with both streams");
    };
    let in_place = |output: &OutputEntry, name: &str| {
        output.entry().is_none_or(|entry| entry.kind == EntryKind::Stream && entry.path == name)
    };
    let is_stream =
        |output: &OutputEntry| output.entry().is_some_and(|entry| entry.kind == EntryKind::Stream);
    if !streams.iter().zip(STREAMS).all(|(output, name)| in_place(output, name))
        || files.iter().any(is_stream)
    {
        return bad("must end with both streams, stderr before stdout");
    }
    if files.len() as u64 > files_limit {
        return bad("are more files and folders than spec.filesLimit");
    }
    Ok(())
}

/// What is shown forms a tree, and every folder on the way to it is shown.
fn check_tree(shown: &[&Entry]) -> Result<()> {
    Manifest::new(shown.iter().map(|entry| (*entry).clone()).collect())?;
    let is_folder = |entry: &&&Entry| entry.kind == EntryKind::Directory;
    let folders: BTreeSet<&str> = shown.iter().filter(is_folder).map(|entry| entry.path.as_str()).collect();
    for entry in shown.iter().filter(|entry| entry.kind != EntryKind::Stream) {
        let above = entry.path.rsplit_once('/').map(|(folder, _)| folder);
        if let Some(folder) = above.filter(|folder| !folders.contains(folder)) {
            let path = &entry.path;
            return Err(Error::Manifest(format!(
                "opening.outputs {path:?} lies in {folder:?}, which is not shown"
            )));
        }
    }
    Ok(())
}

/// The provider is paid by `outputBytes`, so it must be what the list adds up to, as far as the list shows it.
fn check_sum(shown: &[&Entry], some_withheld: bool, stated: u64) -> Result<()> {
    let sum = shown.iter().map(|entry| entry.size).try_fold(0u64, u64::checked_add);
    match sum {
        Some(sum) if sum == stated || (sum < stated && some_withheld) => Ok(()),
        _ => Err(Error::Contradiction(format!(
            "outcome.outputBytes is {stated}, the outputs that are shown add up to {sum:?}"
        ))),
    }
}
