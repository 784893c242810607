//! The transparency log as a reader sees it: entries, checkpoints, tiles and proofs (`docs/RECEIPT.md` §14 and §9.5).
//!
//! The tree is RFC 6962's with SHA-256, the notes are Ed25519's; both are done by libraries that pass the public vectors,
//! and this module is their only home in the crate. What is decided here is what the format decides: what an entry is,
//! what a checkpoint must be, and how much of a stranger's input is looked at. Nothing here reads a file or a socket:
//! whoever has the log's files hands them in by [`Fetch`].

mod checkpoint;
mod entry;
mod frontier;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod member;
mod proof;
mod tiles;

pub use checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, LogKey, SIGNATURES_MAX};
pub use entry::{ENTRY_BYTES, Entry, Event, detail};
pub use frontier::Frontier;
pub use member::LogMember;
pub use proof::{PROOF_HASHES_MAX, check_consistency, check_inclusion};
pub use tiles::{
    BUNDLE_BYTES_MAX, Fetch, FetchError, ReadError, TILE_WIDTH, TilePath, entries_of, fetch_tile,
    inclusion_proof, root_at, tile_root,
};

use alloy_primitives::B256;

/// A tree: its size and its root. Two trees of one log are the same if both are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// Number of entries.
    pub size: u64,
    /// Root hash.
    pub root: B256,
}

impl Tree {
    /// The tree of no entries: the SHA-256 of nothing.
    pub const EMPTY: Self = Self { size: 0, root: B256::new(tlog_tiles::EMPTY_HASH.0) };
}

fn to_hash(hash: B256) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

fn from_hash(hash: tlog_tiles::Hash) -> B256 {
    B256::new(hash.0)
}

/// The node above two others: `SHA-256(0x01 ‖ left ‖ right)`.
#[cfg(feature = "verifier")]
pub(crate) fn node(left: B256, right: B256) -> B256 {
    from_hash(tlog_tiles::node_hash(to_hash(left), to_hash(right)))
}

/// A hash as checkpoints write it.
#[cfg(feature = "verifier")]
pub(crate) fn in_base64(hash: B256) -> String {
    to_hash(hash).to_string()
}
