//! Merkle trees over leaves, and the position of a leaf in one (`docs/RECEIPT.md` §4.4 and §15).

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::derive::{NODE, ROOT, derive_under, nodes};
use crate::{Error, Result};

/// Inner node over two subtrees.
fn node(left: B256, right: B256) -> B256 {
    derive_under(&NODE, &[left.as_slice(), right.as_slice()])
}

/// Size of the left side of a tree with `count` leaves, at least two: the largest power of two below the count
/// (RFC 6962 §2.1).
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// Top of the tree over some leaves. Level by level, because the nodes of a level can be hashed side by side; an odd last
/// one goes up as it is, which gives the same tree as [`split`].
pub(crate) fn top(leaves: &[B256]) -> B256 {
    let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
    while level.len() > 1 {
        let mut above = nodes(&level);
        if level.len() % 2 == 1 {
            above.extend(level.last());
        }
        level = above;
    }
    level.first().map_or(B256::ZERO, B256::from)
}

/// Root from a number of leaves and the top over them. The number is bound, so that no inner node passes as a leaf.
pub(crate) fn root(count: u64, top: B256) -> B256 {
    derive_under(&ROOT, &[&count.to_be_bytes(), top.as_slice()])
}

/// Where a leaf stands in a tree, and what is needed to get from it to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Number of the leaf, from 0.
    #[serde(with = "crate::decimal")]
    pub index: u64,
    /// Number of leaves of the tree.
    #[serde(with = "crate::decimal")]
    pub count: u64,
    /// The audit path: the other subtree at each node on the way up, lowest first.
    pub siblings: Vec<B256>,
}

impl Position {
    /// Position of the leaf with this number; `None` when there are not so many leaves.
    #[must_use]
    pub fn of(leaves: &[B256], index: usize) -> Option<Self> {
        if index >= leaves.len() {
            return None;
        }
        let (mut siblings, mut rest, mut at) = (Vec::new(), leaves, index);
        while rest.len() > 1 {
            let middle = split(rest.len() as u64) as usize;
            let (left, right) = rest.split_at(middle);
            if at < middle {
                siblings.push(top(right));
                rest = left;
            } else {
                siblings.push(top(left));
                (rest, at) = (right, at - middle);
            }
        }
        siblings.reverse();
        Some(Self { index: index as u64, count: leaves.len() as u64, siblings })
    }

    /// Root of the tree in which `leaf` stands here.
    ///
    /// # Errors
    /// [`Error::PathLength`] when the index is not below the count, or when there are more or fewer siblings than index
    /// and count demand.
    pub fn root(&self, leaf: B256) -> Result<B256> {
        if self.index >= self.count {
            let (index, count) = (self.index, self.count);
            return Err(Error::PathLength(format!("position {index} in a tree of {count} leaves")));
        }
        let sides = sides(self.index, self.count);
        if sides.len() != self.siblings.len() {
            return Err(Error::PathLength(format!(
                "leaf {} of {} has {} siblings on its way up, {} are given",
                self.index,
                self.count,
                sides.len(),
                self.siblings.len()
            )));
        }
        let up = sides.iter().rev().zip(&self.siblings);
        let top = up.fold(leaf, |below, (side, sibling)| match side {
            Side::Left => node(below, *sibling),
            Side::Right => node(*sibling, below),
        });
        Ok(root(self.count, top))
    }
}

/// On which side of a node the way down to a leaf goes on.
#[derive(Debug, Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// The way from the top to a leaf; at most 64 steps.
fn sides(mut index: u64, mut count: u64) -> Vec<Side> {
    let mut sides = Vec::new();
    while count > 1 {
        let middle = split(count);
        if index < middle {
            sides.push(Side::Left);
            count = middle;
        } else {
            sides.push(Side::Right);
            (index, count) = (index - middle, count - middle);
        }
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{derive, root_of_leaves};
    use proptest::prelude::*;

    fn leaves(n: usize) -> Vec<B256> {
        (0..n).map(|i| derive("brizo test leaf", &[&(i as u64).to_be_bytes()])).collect()
    }

    /// The algorithm of RFC 9162 §2.1.3.2, which looks at bits instead of walking down.
    fn by_bits(position: &Position, leaf: B256) -> Option<B256> {
        let (mut index, mut last) = (position.index, position.count.checked_sub(1)?);
        let mut result = leaf;
        if index > last {
            return None;
        }
        for sibling in &position.siblings {
            if last == 0 {
                return None;
            }
            if index & 1 == 1 || index == last {
                result = node(*sibling, result);
                while index & 1 == 0 && index != 0 {
                    (index, last) = (index >> 1, last >> 1);
                }
            } else {
                result = node(result, *sibling);
            }
            (index, last) = (index >> 1, last >> 1);
        }
        (last == 0).then(|| root(position.count, result))
    }

    #[test]
    fn every_leaf_of_every_small_tree_leads_to_the_root_from_its_place_only() {
        for count in 1..=20 {
            let leaves = leaves(count);
            let whole = root_of_leaves(&leaves);
            for index in 0..count {
                let position = Position::of(&leaves, index).unwrap();
                assert_eq!(position.root(leaves[index]).unwrap(), whole, "{index} of {count}");
                for other in (0..count).filter(|other| *other != index) {
                    assert_ne!(position.root(leaves[other]).unwrap(), whole, "{other} as {index} of {count}");
                    let moved = Position { index: other as u64, ..position.clone() };
                    assert_ne!(moved.root(leaves[index]).ok(), Some(whole), "{index} as {other} of {count}");
                }
            }
        }
        assert_eq!(Position::of(&leaves(3), 3), None);
        assert_eq!(Position::of(&[], 0), None);
    }

    /// The definition in RFC 6962 §2.1, which halves the list.
    fn by_halves(leaves: &[B256]) -> B256 {
        match leaves {
            [] => B256::ZERO,
            [only] => *only,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node(by_halves(left), by_halves(right))
            }
        }
    }

    #[test]
    fn level_by_level_is_the_same_tree_as_by_halves() {
        let leaves = leaves(140);
        for count in 0..=leaves.len() {
            assert_eq!(top(&leaves[..count]), by_halves(&leaves[..count]), "{count}");
        }
    }

    #[test]
    fn an_inner_node_does_not_pass_as_a_leaf() {
        let leaves = leaves(4);
        let pairs = [top(&leaves[..2]), top(&leaves[2..])];
        let half = Position::of(&pairs, 0).unwrap();
        assert_ne!(half.root(pairs[0]).unwrap(), root_of_leaves(&leaves), "the count is bound");
        let whole = Position { count: 4, ..half };
        let error = whole.root(pairs[0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the proof is not one of a leaf at its place: leaf 0 of 4 has 2 siblings on its way up, 1 are given"
        );
    }

    #[test]
    fn positions_outside_of_trees_are_refused() {
        for (index, count) in [(0, 0), (1, 1), (5, 5), (u64::MAX, u64::MAX), (u64::MAX, 1)] {
            let position = Position { index, count, siblings: Vec::new() };
            assert_eq!(position.root(B256::ZERO).unwrap_err().code(), "path_length", "{index} of {count}");
        }
        let position = Position { index: 0, count: u64::MAX, siblings: vec![B256::ZERO; 64] };
        assert!(position.root(B256::ZERO).is_ok(), "the largest tree that can be written down");
    }

    proptest! {
        #[test]
        fn the_two_ways_up_agree(
            index in any::<u64>(),
            count in any::<u64>(),
            cut in 0u32..64,
            siblings in proptest::collection::vec(any::<[u8; 32]>(), 0..66),
        ) {
            let (index, count) = (index >> cut, count >> cut);
            let siblings: Vec<_> = siblings.into_iter().map(B256::from).collect();
            let exact = if index < count { sides(index, count).len() } else { 0 };
            for take in [siblings.len(), exact.min(siblings.len())] {
                let position = Position { index, count, siblings: siblings[..take].to_vec() };
                prop_assert_eq!(position.root(B256::ZERO).ok(), by_bits(&position, B256::ZERO));
            }
        }

        #[test]
        fn any_change_to_a_proof_breaks_it(count in 1usize..200, at in any::<prop::sample::Index>(), bit in 0usize..256, place in any::<prop::sample::Index>()) {
            let leaves = leaves(count);
            let index = at.index(count);
            let whole = root_of_leaves(&leaves);
            let good = Position::of(&leaves, index).unwrap();
            prop_assert_eq!(good.root(leaves[index]).unwrap(), whole);
            let mut leaf = leaves[index];
            leaf.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(good.root(leaf).unwrap(), whole);
            let mut others = vec![Position { count: good.count + 1, ..good.clone() }];
            others.push(Position { count: good.count - 1, ..good.clone() });
            let mut longer = good.clone();
            longer.siblings.push(B256::ZERO);
            others.push(longer);
            if !good.siblings.is_empty() {
                let place = place.index(good.siblings.len());
                let mut changed = good.clone();
                changed.siblings[place].0[bit / 8] ^= 1 << (bit % 8);
                others.push(changed);
                let mut shorter = good.clone();
                shorter.siblings.remove(place);
                others.push(shorter);
            }
            for other in others {
                prop_assert_ne!(other.root(leaves[index]).ok(), Some(whole), "{:?}", other);
            }
        }
    }
}
