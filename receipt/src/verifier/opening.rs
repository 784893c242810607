//! The tier "opening": what keys, delivered files and DDOs prove about the roots (`docs/RECEIPT.md` §9.4).

use std::collections::BTreeMap;
use std::fmt;

use super::{Ddo, Stop};
use crate::{Key, Receipt, blind_commit};

/// What opens roots.
#[derive(Default)]
pub struct OpeningEvidence<'a> {
    /// The consumer's run key; the key that hides nothing is tried where none is given.
    pub run_key: Option<Key>,
    /// The dataset key of each mount, in their order.
    pub dataset_keys: Vec<Key>,
    /// Files that were delivered, by their path below `/data/outputs`.
    pub outputs: Option<&'a BTreeMap<String, Vec<u8>>>,
    /// Documents of the data sets.
    pub ddos: Vec<Ddo>,
}

impl fmt::Debug for OpeningEvidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningEvidence(…)")
    }
}

impl OpeningEvidence<'_> {
    /// Whether anything of it was given.
    pub(super) fn is_asked_for(&self) -> bool {
        self.run_key.is_some()
            || !self.dataset_keys.is_empty()
            || self.outputs.is_some()
            || !self.ddos.is_empty()
    }

    /// The run key, or the one that hides nothing if the receipt is salted with that.
    fn key_for(&self, receipt: &Receipt) -> Option<Key> {
        let fits = receipt.claim.spec.blind_commit == blind_commit(&Key::OPEN);
        self.run_key.clone().or_else(|| fits.then_some(Key::OPEN))
    }
}

/// Opens whatever the evidence opens. The receipt's structure must hold.
pub(super) fn check(receipt: &Receipt, given: &OpeningEvidence<'_>) -> Result<Vec<String>, Stop> {
    let run_key = given.key_for(receipt);
    let mut notes = Vec::new();
    if let Some(run_key) = &run_key {
        receipt.check_invocation(run_key)?;
        notes.push("arguments and variables open invocationRoot".to_string());
    }
    let outputs_key = run_key.as_ref().and_then(|key| receipt.outputs_key(key, &given.dataset_keys));
    let mut compared = 0;
    if let Some(key) = &outputs_key {
        compared = receipt.check_output_salts(key)?;
        if compared > 0 {
            notes.push("the outputs are salted with the run key and the dataset keys".into());
        }
    }
    if let Some(files) = given.outputs {
        let delivered = receipt.check_delivered(files, outputs_key.as_ref())?;
        notes.push(format!("{} delivered files are the committed ones", delivered.shown));
        compared += delivered.withheld;
        if delivered.withheld > 0 {
            notes.push(format!("{} more files are ones that it withholds", delivered.withheld));
        }
    }
    for ddo in &given.ddos {
        let mount = ddo.check_mount(receipt)?;
        notes.push(format!(
            "the DDO of {} offers the root of mount {:?}",
            mount.did.as_deref().unwrap_or("?"),
            mount.path
        ));
    }
    // Only now: what could be checked has been, so that a failure goes before what is missing.
    if outputs_key.is_none() && !given.dataset_keys.is_empty() {
        let mounts = receipt.opening.inputs.len();
        let why = format!(
            "--dataset-key is of use with --run-key, once for each of the receipt's {mounts} data sets"
        );
        return Err(Stop::Missing(why));
    }
    if compared == 0 && !given.dataset_keys.is_empty() {
        let why = "every output is withheld, so nothing tells a right data set key from a wrong one: give --outputs for withheld \
                   files";
        return Err(Stop::Missing(why.into()));
    }
    if notes.is_empty() {
        let why = "the receipt is salted with a run key: give --run-key, or --outputs for delivered files";
        return Err(Stop::Missing(why.into()));
    }
    if run_key.is_none() {
        notes.push("not opened: arguments and variables (give --run-key)".into());
    }
    Ok(notes)
}
