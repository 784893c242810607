//! The right edge of the log's files: what is in the tiles that are not full yet. A few tiles in memory, whatever the
//! log's size, and an entry costs the same wherever it stands.

use std::path::PathBuf;

use brizo_receipt::B256;
use brizo_receipt::log::{ENTRY_BYTES, Frontier, TILE_WIDTH, TilePath, Tree};
use tlog_tiles::{HASH_SIZE, Tile, record_hash};

use super::Result;
use super::folder::{Durable, Folder};

/// Bytes of a full tile of hashes.
const TILE_BYTES: usize = TILE_WIDTH as usize * HASH_SIZE;

/// What was appended to the files so far. A copy costs as much as a few tiles.
#[derive(Debug, Clone, Default)]
pub(super) struct Edge {
    frontier: Frontier,
    /// Entries since the last full bundle, each with its length before it.
    bundle: Vec<u8>,
    /// Hashes since the last full tile, lowest level first.
    tiles: Vec<Vec<u8>>,
    /// Folders of partial files that are full now.
    superseded: Vec<PathBuf>,
}

impl Edge {
    /// Size and root with everything that was pushed.
    pub(super) fn tree(&self) -> Tree {
        self.frontier.tree()
    }

    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Appends an entry, and writes what it fills.
    pub(super) fn push(&mut self, entry: &[u8; ENTRY_BYTES], folder: &Folder) -> Result<()> {
        let leaf = record_hash(entry).0;
        self.frontier.push(B256::new(leaf));
        self.bundle.extend((ENTRY_BYTES as u16).to_be_bytes());
        self.bundle.extend(entry);
        self.tile(0).extend(leaf);
        let width = u64::from(TILE_WIDTH);
        if !self.size().is_multiple_of(width) {
            return Ok(());
        }
        let full = |level, index| TilePath { level, index, width: TILE_WIDTH };
        let bundle = full(None, self.size() / width - 1);
        folder.settle(bundle, &self.bundle, Durable::Yes)?;
        self.superseded.extend(folder.partial_of(bundle));
        self.bundle.clear();
        let (mut level, mut count) = (0u8, self.size());
        while self.tile(level).len() == TILE_BYTES {
            count /= width;
            let tile = full(Some(level), count - 1);
            folder.settle(tile, self.tile(level), Durable::Yes)?;
            self.superseded.extend(folder.partial_of(tile));
            let above = Tile::subtree_hash(self.tile(level)).0;
            self.tile(level).clear();
            level += 1;
            self.tile(level).extend(above);
        }
        Ok(())
    }

    /// Writes what is not full.
    pub(super) fn write_partial(&self, folder: &Folder) -> Result<()> {
        let width = u64::from(TILE_WIDTH);
        let rest = (self.size() % width) as u16;
        if rest > 0 {
            let bundle = TilePath { level: None, index: self.size() / width, width: rest };
            folder.settle(bundle, &self.bundle, Durable::No)?;
        }
        let mut count = self.size();
        for (level, hashes) in (0u8..).zip(&self.tiles) {
            if !hashes.is_empty() {
                let partial = (hashes.len() / HASH_SIZE) as u16;
                let tile = TilePath { level: Some(level), index: count / width, width: partial };
                folder.settle(tile, hashes, Durable::No)?;
            }
            count /= width;
        }
        Ok(())
    }

    /// Removes partial files whose full ones are under a checkpoint now.
    pub(super) fn forget_partial(&mut self) {
        for folder in self.superseded.drain(..) {
            // One that cannot be removed is in nobody's way.
            let _ = std::fs::remove_dir_all(folder);
        }
    }

    fn tile(&mut self, level: u8) -> &mut Vec<u8> {
        let level = usize::from(level);
        if self.tiles.len() <= level {
            self.tiles.resize(level + 1, Vec::new());
        }
        &mut self.tiles[level]
    }
}
