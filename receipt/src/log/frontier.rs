//! The right edge of a growing tree: what it takes to add a leaf and to know the root, in memory that grows with the
//! logarithm of the size only.

use alloy_primitives::B256;
use tlog_tiles::{Hash, node_hash};

use super::{Tree, from_hash, to_hash};

/// Roots of the perfect subtrees that make up a tree, largest first.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Adds a leaf. Two nodes are hashed on average, 64 at most.
    pub fn push(&mut self, leaf: B256) {
        let mut node = to_hash(leaf);
        // Each 1 at the end of the size is a subtree that the new leaf completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(left, node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Size and root.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let mut peaks = self.peaks.iter().rev().copied();
        let Some(smallest) = peaks.next() else { return Tree::EMPTY };
        Tree { size: self.size, root: from_hash(peaks.fold(smallest, |right, left| node_hash(left, right))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1, word for word.
    fn tree_hash(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => tlog_tiles::EMPTY_HASH,
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(tree_hash(&leaves[..split]), tree_hash(&leaves[split..]))
            }
        }
    }

    #[test]
    fn its_root_is_that_of_the_rfc_at_every_size() {
        let leaves: Vec<Hash> = (0..300u32).map(|n| tlog_tiles::record_hash(&n.to_be_bytes())).collect();
        let mut frontier = Frontier::default();
        for size in 0..leaves.len() {
            let expected = Tree { size: size as u64, root: from_hash(tree_hash(&leaves[..size])) };
            assert_eq!(frontier.tree(), expected);
            assert!(frontier.peaks.len() <= 9);
            frontier.push(from_hash(leaves[size]));
        }
    }
}
