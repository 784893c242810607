//! Reading a log's tree from its files ([tlog-tiles](https://c2sp.org/tlog-tiles)): where a tile is, and what follows from
//! tiles that lead to a root one has. Nothing that a tile says is believed before it was hashed up to that root.

use std::cell::RefCell;
use std::fmt;

use alloy_primitives::B256;
use tlog_tiles::{
    HASH_SIZE, Hash, HashReader, Tile, check_record, check_tree, prove_record, prove_tree, stored_hash_index,
    tree_hash,
};

use super::{ENTRY_BYTES, Tree, from_hash, to_hash};
use crate::{Error, Result};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Bytes of a full bundle of entries; a full tile is smaller.
pub const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * FRAMED_BYTES;

/// An entry with its length before it.
const FRAMED_BYTES: usize = 2 + ENTRY_BYTES;

/// The length before each entry.
const FRAME: [u8; 2] = (ENTRY_BYTES as u16).to_be_bytes();

/// Levels of tiles that a tree of 2⁵⁶ entries has.
const LEVELS: u8 = 8;

/// Largest tree that is read by tiles. The library's arithmetic ends above it, and so does every disk.
const SIZE_MAX: u64 = 1 << 48;

/// Which file of a log: a tile of hashes, or a bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// Level of the hashes; `None` for a bundle of entries.
    pub level: Option<u8>,
    /// Position within the level.
    pub index: u64,
    /// Hashes or entries in it, from 1 to [`TILE_WIDTH`].
    pub width: u16,
}

impl TilePath {
    /// Reads a path such as `tile/0/x001/234.p/5`; `None` for any other spelling.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = match level {
            "entries" => None,
            digits => Some(digits.parse().ok().filter(|level| *level < LEVELS)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => {
                (index, width.parse().ok().filter(|width| (1..TILE_WIDTH).contains(width))?)
            }
            None => (rest, TILE_WIDTH),
        };
        let digits = index.replace(['x', '/'], "");
        let found = Self { level, index: digits.parse().ok()?, width };
        // Signs, leading zeros, missing marks: whatever is not written back the same was another spelling.
        (found.to_string() == path).then_some(found)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "tile/{level}/")?,
            None => f.write_str("tile/entries/")?,
        }
        let digits = self.index.to_string();
        let groups = digits.len().div_ceil(3);
        let padded = format!("{digits:0>width$}", width = groups * 3);
        for group in 0..groups {
            let mark = if group + 1 < groups { ("x", "/") } else { ("", "") };
            write!(f, "{}{}{}", mark.0, &padded[group * 3..group * 3 + 3], mark.1)?;
        }
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Why a file of a log cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The log does not have it.
    #[error("the log has no {0}")]
    Missing(String),
    /// What the log has there is longer than it can be.
    #[error("{path} has more than the {most} bytes that it can have")]
    TooLong {
        /// Which file.
        path: String,
        /// How long it can be.
        most: usize,
    },
    /// The log cannot be asked.
    #[error("{0}")]
    Failed(String),
}

/// Gives the files of a log by their path below its URL.
pub trait Fetch {
    /// The bytes of a file: at most `max` bytes, more are [`FetchError::TooLong`].
    ///
    /// # Errors
    /// [`FetchError`].
    fn fetch(&self, path: &str, max: usize) -> std::result::Result<Vec<u8>, FetchError>;
}

/// Why the tree cannot be read from its files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be had: nothing is said about the log's honesty.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The files contradict the root.
    #[error(transparent)]
    Tree(#[from] Error),
}

/// Fetches a file; of one that is not full also from the full one that may have taken its place.
///
/// # Errors
/// [`ReadError`]; a file of another length than its path says is [`Error::LogProof`].
pub fn fetch_tile(fetch: &(impl Fetch + ?Sized), tile: TilePath) -> std::result::Result<Vec<u8>, ReadError> {
    let unit = if tile.level.is_some() { HASH_SIZE } else { FRAMED_BYTES };
    let (length, full) = (usize::from(tile.width) * unit, usize::from(TILE_WIDTH) * unit);
    let bytes = match fetch.fetch(&tile.to_string(), length) {
        Err(FetchError::Missing(_)) if tile.width < TILE_WIDTH => {
            let whole = TilePath { width: TILE_WIDTH, ..tile };
            let mut bytes = match fetch.fetch(&whole.to_string(), full) {
                Err(error @ FetchError::TooLong { .. }) => {
                    return Err(Error::LogProof(error.to_string()).into());
                }
                other => other?,
            };
            if bytes.len() == full {
                bytes.truncate(length);
            }
            bytes
        }
        Err(error @ FetchError::TooLong { .. }) => return Err(Error::LogProof(error.to_string()).into()),
        other => other?,
    };
    if bytes.len() != length {
        let found = bytes.len();
        return Err(Error::LogProof(format!("{tile} has {found} bytes instead of {length}")).into());
    }
    Ok(bytes)
}

/// The hash that a full tile has in the level above; of another length it is that of no tile.
#[must_use]
pub fn tile_root(tile: &[u8]) -> B256 {
    if tile.len() != usize::from(TILE_WIDTH) * HASH_SIZE {
        return B256::ZERO;
    }
    from_hash(Tile::subtree_hash(tile))
}

/// The entries of a bundle that has the length its path says.
pub fn entries_of(bundle: &[u8]) -> impl Iterator<Item = Result<&[u8]>> {
    bundle.chunks(FRAMED_BYTES).map(|framed| match framed.split_at_checked(2) {
        Some((length, entry)) if length == FRAME && entry.len() == ENTRY_BYTES => Ok(entry),
        _ => Err(Error::LogEntry(format!("it does not have its length, {ENTRY_BYTES}, before it"))),
    })
}

/// The audit path of an entry, from tiles that are checked against the root.
///
/// # Errors
/// [`ReadError`].
pub fn inclusion_proof(
    fetch: &impl Fetch,
    tree: &Tree,
    index: u64,
) -> std::result::Result<Vec<B256>, ReadError> {
    if index >= tree.size {
        return Err(Error::LogProof(format!("entry {index} is not in a tree of {}", tree.size)).into());
    }
    let proof = read(fetch, tree, |reader| {
        let proof = prove_record(tree.size, index, reader)?;
        let leaf = reader.read_hashes(&[stored_hash_index(0, index)])?;
        let leaf = leaf.first().ok_or(tlog_tiles::Error::BadMath)?;
        check_record(&proof, tree.size, to_hash(tree.root), index, *leaf)?;
        Ok(proof)
    })?;
    Ok(proof.into_iter().map(from_hash).collect())
}

/// The root that the tree had when it had `size` entries, from tiles that are checked against the root it has now. An
/// older checkpoint or an anchor with another root is of another past.
///
/// # Errors
/// [`ReadError`].
pub fn root_at(fetch: &impl Fetch, tree: &Tree, size: u64) -> std::result::Result<B256, ReadError> {
    if size > tree.size {
        return Err(Error::LogProof(format!("the tree has {} entries, not {size} yet", tree.size)).into());
    }
    if size == tree.size || size == 0 {
        return Ok(if size == 0 { Tree::EMPTY.root } else { tree.root });
    }
    let root = read(fetch, tree, |reader| {
        let root = tree_hash(size, reader)?;
        check_tree(&prove_tree(tree.size, size, reader)?, tree.size, to_hash(tree.root), size, root)?;
        Ok(root)
    })?;
    Ok(from_hash(root))
}

/// Reads a tree, whose tiles are not believed: what comes out is to be checked against the root.
///
/// The library's own reader is not used: tiles that lie between the number of tiles and the number of subtrees at the
/// right edge are handed out by it (0.2.0) without being checked against their parents.
fn read<F: Fetch, T>(
    fetch: &F,
    tree: &Tree,
    body: impl FnOnce(&Tiles<'_, F>) -> std::result::Result<T, tlog_tiles::Error>,
) -> std::result::Result<T, ReadError> {
    if tree.size > SIZE_MAX {
        return Err(Error::LogProof(format!("{} entries, trees up to {SIZE_MAX} are read", tree.size)).into());
    }
    let tiles = Tiles { fetch, size: tree.size, problem: RefCell::new(None) };
    body(&tiles).map_err(|why| {
        let inconsistent = || {
            Error::LogProof(format!("the log's tiles do not lead to its root {}: {why}", tree.root)).into()
        };
        tiles.problem.take().unwrap_or_else(inconsistent)
    })
}

/// The hashes of a tree, each from the tile in which it lies.
struct Tiles<'a, F: Fetch + ?Sized> {
    fetch: &'a F,
    size: u64,
    /// Our own error, for which the library's trait has no place.
    problem: RefCell<Option<ReadError>>,
}

impl<F: Fetch + ?Sized> HashReader for Tiles<'_, F> {
    fn read_hashes(&self, indexes: &[u64]) -> std::result::Result<Vec<Hash>, tlog_tiles::Error> {
        // A proof asks for a few hashes of the same tile; one at a time is held, in the order in which they are asked.
        let mut held: Option<(Tile, Vec<u8>)> = None;
        let mut hashes = Vec::with_capacity(indexes.len());
        for index in indexes {
            let tile = Tile::from_index(LEVELS, *index)
                .parent(0, self.size)
                .ok_or(tlog_tiles::Error::IndexesNotInTree)?;
            if held.as_ref().is_none_or(|(there, _)| *there != tile) {
                held = Some((tile, self.fetch_tile(&tile)?));
            }
            if let Some((_, bytes)) = &held {
                hashes.push(tile.hash_at_index(bytes, *index)?);
            }
        }
        Ok(hashes)
    }
}

impl<F: Fetch + ?Sized> Tiles<'_, F> {
    fn fetch_tile(&self, tile: &Tile) -> std::result::Result<Vec<u8>, tlog_tiles::Error> {
        let width = tile.width() as u16;
        let path = TilePath { level: Some(tile.level()), index: tile.level_index(), width };
        fetch_tile(self.fetch, path).map_err(|problem| {
            *self.problem.borrow_mut() = Some(problem);
            tlog_tiles::Error::InvalidTile
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::log::{Frontier, check_consistency, check_inclusion};

    struct Files(BTreeMap<String, Vec<u8>>);

    impl Fetch for Files {
        fn fetch(&self, path: &str, max: usize) -> std::result::Result<Vec<u8>, FetchError> {
            let found = self.0.get(path).cloned().ok_or_else(|| FetchError::Missing(path.into()))?;
            assert!(found.len() <= max);
            Ok(found)
        }
    }

    fn leaf(n: u64) -> B256 {
        from_hash(tlog_tiles::record_hash(&n.to_be_bytes()))
    }

    /// A log of two levels, written the plain way.
    fn log(size: u64) -> (Files, Tree) {
        let mut frontier = Frontier::default();
        let leaves: Vec<B256> = (0..size).map(leaf).collect();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        let (mut files, mut level, mut hashes) = (BTreeMap::new(), 0, leaves);
        while !hashes.is_empty() {
            let mut above = Vec::new();
            for (index, tile) in hashes.chunks(256).enumerate() {
                let bytes = tile.concat();
                let path = TilePath { level: Some(level), index: index as u64, width: tile.len() as u16 };
                if tile.len() == 256 {
                    above.push(from_hash(Tile::subtree_hash(&bytes)));
                }
                files.insert(path.to_string(), bytes);
            }
            (level, hashes) = (level + 1, above);
        }
        (Files(files), frontier.tree())
    }

    #[test]
    fn paths_have_one_spelling() {
        let good = [
            ("tile/0/000", Some(0), 0, 256),
            ("tile/0/000.p/1", Some(0), 0, 1),
            ("tile/entries/x001/234.p/255", None, 1234, 255),
            ("tile/7/x001/x000/000", Some(7), 1_000_000, 256),
        ];
        for (text, level, index, width) in good {
            let path = TilePath { level, index, width };
            assert_eq!(TilePath::parse(text), Some(path), "{text}");
            assert_eq!(path.to_string(), text);
        }
        let bad = [
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/00/000",
            "tile/8/000",
            "tile/+1/000",
            "tile/0/+01",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1/2",
            "tile/0/../key",
            "tile//000",
            "tile/0/",
            "tile/data/000",
            "tile/entries",
            "/tile/0/000",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
            "tile/0/00é",
            "",
            "key",
        ];
        for text in bad {
            assert_eq!(TilePath::parse(text), None, "{text}");
        }
    }

    #[test]
    fn proofs_from_tiles_hold_and_every_changed_byte_is_seen() {
        for size in [1, 2, 255, 256, 257, 700, 66_000] {
            let (files, tree) = log(size);
            for index in [0, size / 3, size - 1] {
                let proof = inclusion_proof(&files, &tree, index).unwrap();
                check_inclusion(&tree, index, leaf(index), &proof).unwrap();
                let other = check_inclusion(&tree, index, leaf(index + 1), &proof).unwrap_err();
                assert_eq!(other.code(), "log_proof");
            }
        }
        let (mut files, tree) = log(700);
        for path in files.0.keys().cloned().collect::<Vec<_>>() {
            files.0.get_mut(&path).unwrap()[40] ^= 1;
            // An entry whose path runs through both halves of the tile that was changed, whichever that is.
            let seen = [0, 300, 699].iter().any(|index| inclusion_proof(&files, &tree, *index).is_err());
            assert!(seen, "{path}");
            files.0.get_mut(&path).unwrap()[40] ^= 1;
        }
    }

    #[test]
    fn an_earlier_root_comes_from_the_tiles_of_today() {
        let (files, tree) = log(700);
        for size in [0, 1, 200, 256, 257, 512, 699, 700] {
            let old = Tree { size, root: root_at(&files, &tree, size).unwrap() };
            assert_eq!(old, log(size).1);
        }
        assert!(matches!(root_at(&files, &tree, 701), Err(ReadError::Tree(Error::LogProof(_)))));
        // Two of one size need no proof.
        let forged = Tree { size: 700, root: B256::ZERO };
        assert_eq!(check_consistency(&forged, &tree, &[]).unwrap_err().code(), "equivocation");
    }

    #[test]
    fn a_full_tile_stands_for_its_partial_ones_and_what_is_missing_is_no_lie() {
        let (parts, earlier) = log(300);
        let (mut files, _) = log(512);
        files.0.insert("tile/1/000.p/1".into(), parts.0["tile/1/000.p/1"].clone());
        assert!(!files.0.contains_key("tile/0/001.p/44"));
        assert!(inclusion_proof(&files, &earlier, 299).is_ok());
        files.0.remove("tile/0/001");
        let error = inclusion_proof(&files, &earlier, 299).unwrap_err();
        assert!(matches!(error, ReadError::Fetch(FetchError::Missing(_))), "{error}");
        files.0.insert("tile/0/001".into(), vec![0; 31]);
        assert!(matches!(inclusion_proof(&files, &earlier, 299), Err(ReadError::Tree(_))));
        let huge = Tree { size: u64::MAX, root: B256::ZERO };
        assert!(matches!(inclusion_proof(&files, &huge, 5), Err(ReadError::Tree(_))));
    }

    #[test]
    fn bundles_are_entries_with_their_length() {
        let mut bundle = [&[0, 116][..], &[7; 116], &[0, 116], &[8; 116]].concat();
        let entries: Result<Vec<_>> = entries_of(&bundle).collect();
        assert_eq!(entries.unwrap(), [&[7; 116][..], &[8; 116]]);
        bundle[119] = 115;
        assert!(entries_of(&bundle).nth(1).unwrap().is_err());
        assert!(entries_of(&bundle[..1]).next().unwrap().is_err());
    }
}
