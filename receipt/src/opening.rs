//! Opening a receipt: what keys and delivered files prove about its roots (`docs/RECEIPT.md` §9.4).

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use crate::verify::same_hash;
use crate::{Entry, EntryKind, Error, Key, Receipt, Result, blind_commit, outputs_key};

/// What a folder of delivered files turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Files that the receipt shows.
    pub shown: usize,
    /// Files that it withholds, found by their leaf under the outputs key.
    pub withheld: usize,
}

impl Receipt {
    /// Checks that the run key is the one the spec commits to and that the invocation opens its root.
    ///
    /// # Errors
    /// [`Error::WrongKey`] for another key, [`Error::HashMismatch`] for a changed argument, [`Error::Manifest`] for a list that breaks the rules.
    pub fn check_invocation(&self, run_key: &Key) -> Result<()> {
        let spec = &self.claim.spec;
        of_key("claim.spec.blindCommit (wrong run key?)", spec.blind_commit, blind_commit(run_key))?;
        same_hash("claim.spec.invocationRoot", spec.invocation_root, self.opening.invocation_root(run_key)?)
    }

    /// The key that salts the outputs, from the run key and the dataset key of each mount, in the order of the mounts.
    /// `None` unless there is one dataset key for each mount.
    #[must_use]
    pub fn outputs_key(&self, run_key: &Key, dataset_keys: &[Key]) -> Option<Key> {
        let complete = self.opening.inputs.len() == dataset_keys.len();
        complete.then(|| outputs_key(self.claim.spec.hash(), run_key, dataset_keys))
    }

    /// Checks that the outputs that are shown are salted with this outputs key. Returns their number: where it is 0, any key passes.
    ///
    /// # Errors
    /// [`Error::WrongKey`] names the first output with another salt.
    pub fn check_output_salts(&self, outputs_key: &Key) -> Result<usize> {
        let mut compared = 0;
        for shown in self.opening.outputs.iter().filter_map(|output| output.shown.as_ref()) {
            let what =
                format!("salt of opening.outputs {:?} (wrong run key or dataset key?)", shown.entry.path);
            of_key(&what, shown.salt, shown.entry.salt(outputs_key))?;
            compared += 1;
        }
        Ok(compared)
    }

    /// Compares delivered files, by path below `/data/outputs`, with the list. Folders and streams are not compared. A file
    /// that is not shown is looked for among the withheld leaves if the outputs key is given.
    ///
    /// The receipt's structure must have been checked: the leaves of what is shown are taken as they are.
    ///
    /// # Errors
    /// [`Error::Manifest`] names the first file that is missing, is another one, or is not in the list.
    pub fn check_delivered(&self, files: &BTreeMap<String, Vec<u8>>, key: Option<&Key>) -> Result<Delivered> {
        let mut paths = BTreeSet::new();
        for entry in self.shown_files() {
            let Some(bytes) = files.get(&entry.path) else {
                return Err(mismatch(&entry.path, "a file", "none"));
            };
            let found = Entry::of(EntryKind::File, &entry.path, bytes);
            if found != *entry {
                return Err(mismatch(&entry.path, &content(entry), &content(&found)));
            }
            paths.insert(entry.path.as_str());
        }
        let withheld: BTreeSet<B256> = self.withheld_leaves().collect();
        for (path, bytes) in files.iter().filter(|(path, _)| !paths.contains(path.as_str())) {
            let leaf = key.map(|key| Entry::of(EntryKind::File, path, bytes).leaf(key));
            match leaf {
                Some(leaf) if withheld.contains(&leaf) => {}
                None if !withheld.is_empty() => {
                    let expected = "no file that is shown (with run key and dataset keys it could be looked for among what is withheld)";
                    return Err(mismatch(path, expected, "one"));
                }
                _ => return Err(mismatch(path, "no file", "one")),
            }
        }
        Ok(Delivered { shown: paths.len(), withheld: files.len() - paths.len() })
    }

    /// The files that may leave, in the order of the list.
    pub fn shown_files(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.opening.outputs.iter().filter_map(|output| output.entry());
        entries.filter(|entry| entry.kind == EntryKind::File)
    }

    /// Leaves of the outputs that are withheld, in the order of the list.
    pub fn withheld_leaves(&self) -> impl Iterator<Item = B256> {
        self.opening.outputs.iter().filter(|output| output.shown.is_none()).map(|output| output.leaf)
    }
}

/// What a key makes is what the receipt says.
fn of_key(what: &str, stated: B256, computed: B256) -> Result<()> {
    if stated == computed {
        return Ok(());
    }
    Err(Error::WrongKey { what: what.into(), stated, computed })
}

fn content(entry: &Entry) -> String {
    format!("{} bytes with digest {}", entry.size, entry.digest)
}

fn mismatch(path: &str, expected: &str, found: &str) -> Error {
    Error::Manifest(format!("output {path:?}: expected {expected}, found {found}"))
}
