//! Making disclosures from a receipt and what its holder knows besides.

use alloy_primitives::B256;

use super::{Disclosure, MountPosition, Shown};
use crate::tree::Position;
use crate::{Entry, EntryKind, Error, Key, Receipt, Result, invocation_manifest, mount_leaf};

impl Disclosure {
    /// Discloses an output with its salt. That of an output which the receipt shows stands there; that of a withheld one
    /// follows from the outputs key.
    ///
    /// # Errors
    /// [`Error::Disclosure`] when no output of the receipt has this entry's leaf, or when the receipt's own lists do not
    /// lead to its roots.
    pub fn of_output(receipt: &Receipt, entry: Entry, salt: B256) -> Result<Self> {
        let leaves: Vec<_> = receipt.opening.outputs.iter().map(|output| output.leaf).collect();
        let position = position(&leaves, &entry, salt, "outputs")?;
        let (spec_hash, outcome) = (receipt.claim.spec.hash(), receipt.claim.outcome.clone());
        Self::made(receipt, entry, salt, position, Shown::Outputs { spec_hash, outcome })
    }

    /// Discloses a file of a data set, given the publisher's data set key.
    ///
    /// # Errors
    /// [`Error::Disclosure`] when no mount has this entry's leaf: other bytes, another path or another key.
    pub fn of_input(receipt: &Receipt, entry: Entry, dataset_key: &Key) -> Result<Self> {
        let (mounts, salt) = (&receipt.opening.inputs, entry.salt(dataset_key));
        let leaf = entry.leaf_under(salt);
        let number = mounts.iter().position(|mount| mount.leaves.contains(&leaf));
        let Some((number, mount)) = number.and_then(|number| Some((number, mounts.get(number)?))) else {
            return Err(no_leaf(&entry, "inputs"));
        };
        let inner = position(&mount.leaves, &entry, salt, "inputs")?;
        let outer: Vec<_> = mounts.iter().map(|mount| mount_leaf(&mount.path, mount.root)).collect();
        let outer = Position::of(&outer, number).ok_or_else(|| no_leaf(&entry, "inputs"))?;
        let mount = MountPosition { path: mount.path.clone(), position: outer };
        let (spec, outcome_hash) = halves(receipt);
        Self::made(receipt, entry, salt, inner, Shown::Inputs { mount, spec, outcome_hash })
    }

    /// Discloses a file of a bundle or of its runtime, given the consumer's run key.
    ///
    /// # Errors
    /// [`Error::Disclosure`] when no file of the bundle has this entry's leaf.
    pub fn of_algorithm(receipt: &Receipt, entry: Entry, run_key: &Key) -> Result<Self> {
        let salt = entry.salt(run_key);
        let position = position(&receipt.opening.algorithm, &entry, salt, "algorithm")?;
        let (spec, outcome_hash) = halves(receipt);
        Self::made(receipt, entry, salt, position, Shown::Algorithm { spec, outcome_hash })
    }

    /// Discloses an argument (by its index as eight digits) or a variable (by its name), given the consumer's run key.
    ///
    /// # Errors
    /// [`Error::WrongKey`] for another run key, [`Error::Disclosure`] when the invocation has no such entry.
    pub fn of_invocation(receipt: &Receipt, kind: EntryKind, path: &str, run_key: &Key) -> Result<Self> {
        receipt.check_invocation(run_key)?;
        let manifest = invocation_manifest(&receipt.opening.invocation)?;
        let found = manifest.entries().iter().find(|entry| entry.kind == kind && entry.path == path);
        let Some(entry) = found.cloned() else {
            return Err(Error::Disclosure(format!("the invocation has no {} {path:?}", kind.name())));
        };
        let salt = entry.salt(run_key);
        let position = position(&manifest.leaves(run_key), &entry, salt, "invocation")?;
        let (spec, outcome_hash) = halves(receipt);
        Self::made(receipt, entry, salt, position, Shown::Invocation { spec, outcome_hash })
    }

    /// Never hands out what does not hold: a receipt that contradicts itself gives no disclosure.
    fn made(receipt: &Receipt, entry: Entry, salt: B256, position: Position, shown: Shown) -> Result<Self> {
        let made = Self { claim_hash: receipt.claim_hash, entry, salt, position, shown };
        made.check(receipt.claim_hash)?;
        Ok(made)
    }
}

fn halves(receipt: &Receipt) -> (crate::JobSpec, B256) {
    (receipt.claim.spec.clone(), receipt.claim.outcome.hash())
}

fn position(leaves: &[B256], entry: &Entry, salt: B256, part: &str) -> Result<Position> {
    let leaf = entry.leaf_under(salt);
    let index = leaves.iter().position(|other| *other == leaf);
    index.and_then(|index| Position::of(leaves, index)).ok_or_else(|| no_leaf(entry, part))
}

fn no_leaf(entry: &Entry, part: &str) -> Error {
    Error::Disclosure(format!(
        "nothing among the {part} of the receipt is the {} {:?} with these {} bytes (digest {}) under this key",
        entry.kind.name(),
        entry.path,
        entry.size,
        entry.digest
    ))
}
