//! Proofs about the tree: that an entry is in it, and that it is an extension of an earlier one (RFC 6962 §2.1).

use alloy_primitives::B256;
use tlog_tiles::{Hash, check_record, check_tree};

use super::{Tree, to_hash};
use crate::{Error, Result};

/// Hashes of the longest proof that is looked at; a tree that needs more has over 2⁶³ entries.
pub const PROOF_HASHES_MAX: usize = 63;

/// Checks that `leaf` stands at `index` in the tree. The proof has exactly the length that index and size demand.
///
/// # Errors
/// [`Error::LogProof`].
pub fn check_inclusion(tree: &Tree, index: u64, leaf: B256, proof: &[B256]) -> Result<()> {
    if index >= tree.size {
        return Err(Error::LogProof(format!("entry {index} is not in a tree of {} entries", tree.size)));
    }
    let path = hashes(proof)?;
    check_record(&path, tree.size, to_hash(tree.root), index, to_hash(leaf)).map_err(|_| {
        Error::LogProof(format!(
            "{} hashes do not lead from the entry {index}, leaf {leaf}, to the root {} of {} entries",
            proof.len(),
            tree.root,
            tree.size
        ))
    })
}

/// Checks that `new` is `old` with entries added at its end. From nothing there is no proof.
///
/// # Errors
/// [`Error::Equivocation`] for two roots of one size, which needs no proof; otherwise [`Error::LogProof`].
pub fn check_consistency(old: &Tree, new: &Tree, proof: &[B256]) -> Result<()> {
    if old.size == new.size && old.root != new.root {
        return Err(Error::Equivocation(format!(
            "two trees of {} entries have the roots {} and {}",
            old.size, old.root, new.root
        )));
    }
    if old.size == 0 || old.size > new.size {
        return Err(Error::LogProof(format!(
            "there is no proof that leads from {} to {} entries",
            old.size, new.size
        )));
    }
    let path = hashes(proof)?;
    check_tree(&path, new.size, to_hash(new.root), old.size, to_hash(old.root)).map_err(|_| {
        Error::LogProof(format!(
            "{} hashes do not lead from {} entries with the root {} to {} with {}",
            proof.len(),
            old.size,
            old.root,
            new.size,
            new.root
        ))
    })
}

fn hashes(proof: &[B256]) -> Result<Vec<Hash>> {
    if proof.len() > PROOF_HASHES_MAX {
        return Err(Error::LogProof(format!("{} hashes, at most {PROOF_HASHES_MAX}", proof.len())));
    }
    Ok(proof.iter().copied().map(to_hash).collect())
}
