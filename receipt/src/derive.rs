//! BLAKE3 in `derive_key` mode: contexts that are hashed once, and many nodes of a tree side by side.

use std::sync::LazyLock;

use alloy_primitives::B256;
use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use blake3::platform::{Platform, words_from_le_bytes_32};
use blake3::{BLOCK_LEN, IncrementCounter, OUT_LEN};

/// What a context comes to. Hashing its text costs as much as hashing a node, so each is hashed once.
pub(crate) type Context = LazyLock<ContextKey>;

pub(crate) static NODE: Context = LazyLock::new(|| key_of("brizo 2026 v1 manifest node"));
pub(crate) static ROOT: Context = LazyLock::new(|| key_of("brizo 2026 v1 manifest root"));
pub(crate) static SALT: Context = LazyLock::new(|| key_of("brizo 2026 v1 manifest salt"));
pub(crate) static CONTENT: Context = LazyLock::new(|| key_of("brizo 2026 v1 manifest content"));
pub(crate) static LEAF: Context = LazyLock::new(|| key_of("brizo 2026 v1 manifest leaf"));

/// Inputs that are handed over at once: no machine that BLAKE3 knows takes more side by side.
const AT_ONCE: usize = 16;
/// Flags of a compression (BLAKE3 paper, §2.2): first block, last block, root, and key material.
const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const OF_ROOT: u8 = 1 << 3;
const KEY_MATERIAL: u8 = 1 << 6;

fn key_of(context: &str) -> ContextKey {
    hash_derive_key_context(context)
}

/// BLAKE3 in `derive_key` mode over the parts, one after the other. Contexts are listed in `docs/RECEIPT.md` §3;
/// parts must have a fixed width or carry their length, which the callers in this crate do.
#[must_use]
pub fn derive(context: &str, parts: &[&[u8]]) -> B256 {
    derive_under(&key_of(context), parts)
}

/// The same under a context that was hashed before.
pub(crate) fn derive_under(context: &ContextKey, parts: &[&[u8]]) -> B256 {
    let mut hasher = blake3::Hasher::new_from_context_key(context);
    for part in parts {
        hasher.update(part);
    }
    B256::from(*hasher.finalize().as_bytes())
}

/// Hashes each two neighbours of a level of a tree into one node; a last one without neighbour is left out.
///
/// A node's input is one block, so sixteen of them go through one call. BLAKE3 itself hashes its own trees with that
/// function but calls it undocumented, so the tests compare every width with [`derive`].
pub(crate) fn nodes(level: &[[u8; OUT_LEN]]) -> Vec<[u8; OUT_LEN]> {
    let (pairs, _) = level.as_flattened().as_chunks::<BLOCK_LEN>();
    let (platform, key) = (Platform::detect(), words_from_le_bytes_32(&NODE));
    let mut above = vec![[0; OUT_LEN]; pairs.len()];
    for (pairs, out) in pairs.chunks(AT_ONCE).zip(above.chunks_mut(AT_ONCE)) {
        let mut inputs = [&[0; BLOCK_LEN]; AT_ONCE];
        for (input, pair) in inputs.iter_mut().zip(pairs) {
            *input = pair;
        }
        platform.hash_many(
            &inputs[..pairs.len()],
            &key,
            0,
            IncrementCounter::No,
            KEY_MATERIAL,
            CHUNK_START,
            CHUNK_END | OF_ROOT,
            out.as_flattened_mut(),
        );
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_side_by_side_are_those_made_one_by_one() {
        let level: Vec<[u8; OUT_LEN]> = (0..80u8).map(|n| *blake3::hash(&[n]).as_bytes()).collect();
        for count in 0..=level.len() {
            let one_by_one: Vec<_> = level[..count]
                .chunks_exact(2)
                .map(|pair| derive("brizo 2026 v1 manifest node", &[&pair[0], &pair[1]]).0)
                .collect();
            assert_eq!(nodes(&level[..count]), one_by_one, "{count}");
        }
    }

    #[test]
    fn a_context_that_was_hashed_before_gives_the_same() {
        let parts: [&[u8]; 3] = [b"a", &[7; 2000], b""];
        let whole = parts.concat();
        let expected = B256::from(blake3::derive_key("brizo 2026 v1 manifest leaf", &whole));
        assert_eq!(derive_under(&LEAF, &parts), expected);
        assert_eq!(derive("brizo 2026 v1 manifest leaf", &parts), expected);
    }
}
