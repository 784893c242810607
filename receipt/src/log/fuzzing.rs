//! A driver for random input to what reads a log: entries, bundles, checkpoints, tiles and proofs. A real log of up to 700
//! entries stands behind it, whose files and proofs the input changes: what is still accepted must say what the log says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken promise has to be heard")]

use std::cell::Cell;
use std::fmt::Write;
use std::sync::LazyLock;

use alloy_primitives::B256;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

use super::{
    Checkpoint, ENTRY_BYTES, Entry, Fetch, FetchError, Frontier, LogKey, SIGNATURES_MAX, TILE_WIDTH,
    TilePath, Tree, check_consistency, check_inclusion, entries_of, inclusion_proof, root_at, tile_root,
};

/// Entries of the largest log.
const SIZE_MAX: usize = 700;
const ORIGIN: &str = "fuzz.example/log";

/// Leaves, and the tree of each size.
static LOG: LazyLock<(Vec<B256>, Vec<Tree>)> = LazyLock::new(|| {
    let leaves: Vec<B256> =
        (0..SIZE_MAX).map(|n| B256::new(Sha256::digest(n.to_be_bytes()).into())).collect();
    let (mut frontier, mut trees) = (Frontier::default(), vec![Tree::EMPTY]);
    for leaf in &leaves {
        frontier.push(*leaf);
        trees.push(frontier.tree());
    }
    (leaves, trees)
});

static SIGNING: LazyLock<(SigningKey, [u8; 4], LogKey)> = LazyLock::new(|| {
    let key = SigningKey::from_bytes(&[0x42; 32]);
    let public = [&[1], key.verifying_key().as_bytes().as_slice()].concat();
    let digest = Sha256::digest([ORIGIN.as_bytes(), b"\n", &public].concat());
    let id = [digest[0], digest[1], digest[2], digest[3]];
    let text = format!("{ORIGIN}+{:08x}+{}", u32::from_be_bytes(id), BASE64_STANDARD.encode(public));
    (key, id, LogKey::parse(&text).unwrap())
});

/// Reads the bytes behind the first one as the part of a log that it chooses, and panics when a promise is broken: nothing
/// panics, what is accepted has one spelling, and no changed file or proof leads to another root than the log's own. Tells
/// whether the part was accepted.
pub fn log(data: &[u8]) -> bool {
    let Some((which, bytes)) = data.split_first() else { return false };
    match which % 5 {
        0 => entry(bytes),
        1 => bundle(bytes),
        2 => std::str::from_utf8(bytes).is_ok_and(checkpoint),
        3 => tiles(bytes),
        _ => proofs(bytes),
    }
}

fn entry(bytes: &[u8]) -> bool {
    let Ok(read) = Entry::parse(bytes) else { return false };
    assert_eq!(read.to_bytes(), bytes);
    true
}

fn bundle(bytes: &[u8]) -> bool {
    let mut read = Vec::new();
    for entry in entries_of(bytes) {
        let Ok(entry) = entry else { return false };
        read.extend_from_slice(&(ENTRY_BYTES as u16).to_be_bytes());
        read.extend_from_slice(entry);
    }
    assert_eq!(read, bytes, "every byte is in one entry");
    !bytes.is_empty()
}

/// A signed note in which each `@` stands for a good signature of the log over the text, so that what is behind the signature
/// is reached.
fn checkpoint(note: &str) -> bool {
    let text = note.rsplit_once("\n\n").map_or(note, |(text, _)| &note[..=text.len()]);
    let (key, id, log) = &*SIGNING;
    let signature = [id.as_slice(), &key.sign(text.as_bytes()).to_bytes()].concat();
    let line = format!("\u{2014} {ORIGIN} {}", BASE64_STANDARD.encode(signature));
    let signed = note.replace('@', &line);
    let Ok(read) = Checkpoint::verify(&signed, log) else { return false };
    let lines = signed.strip_prefix(&read.to_text()).and_then(|rest| rest.strip_prefix('\n')).unwrap();
    assert_eq!(read.origin, ORIGIN);
    assert!(lines.ends_with('\n') && lines.matches('\n').count() <= SIGNATURES_MAX);
    true
}

/// Numbers from the input; zeros when it is used up.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % most.max(1)
    }
}

/// The files of the log of some size, with changes.
struct Files<'a> {
    size: usize,
    /// Which file, where, and what it is changed by; the last file asked for is cut off by so many bytes.
    changes: Vec<(u8, usize, u8)>,
    cut: usize,
    asked: Cell<u8>,
    text: &'a Cell<bool>,
}

impl Fetch for Files<'_> {
    fn fetch(&self, path: &str, max: usize) -> Result<Vec<u8>, FetchError> {
        let missing = || FetchError::Missing(path.into());
        let tile = TilePath::parse(path).ok_or_else(missing)?;
        let level0: Vec<u8> = LOG.0[..self.size].iter().flat_map(|leaf| leaf.0).collect();
        let full = level0.chunks_exact(usize::from(TILE_WIDTH) * 32);
        let hashes = match tile.level {
            Some(0) => level0,
            Some(1) => full.flat_map(|tile| tile_root(tile).0).collect(),
            _ => return Err(missing()),
        };
        let from = tile.index as usize * usize::from(TILE_WIDTH) * 32;
        let found = hashes.get(from..from + usize::from(tile.width) * 32);
        let mut found = found.ok_or_else(missing)?.to_vec();
        let number = self.asked.replace(self.asked.get().wrapping_add(1));
        for (which, at, by) in &self.changes {
            if which % 4 == number % 4 {
                let at = at % found.len();
                found[at] ^= by;
            }
        }
        found.truncate(found.len().saturating_sub(self.cut));
        self.text.set(found.len() <= max);
        Ok(found)
    }
}

fn tiles(bytes: &[u8]) -> bool {
    let mut numbers = Numbers(bytes);
    let size = 1 + numbers.below(SIZE_MAX);
    let (index, earlier, cut) = (numbers.below(size), numbers.below(size + 1), numbers.byte());
    let count = usize::from(numbers.byte() % 6);
    let changes = (0..count).map(|_| (numbers.byte(), numbers.below(1 << 13), numbers.byte())).collect();
    let fits = Cell::new(true);
    let cut = usize::from(if cut < 128 { 0 } else { cut - 127 });
    let files = Files { size, changes, cut, asked: Cell::new(0), text: &fits };
    let (leaves, trees) = &*LOG;
    let proof = inclusion_proof(&files, &trees[size], index as u64);
    if let Ok(proof) = &proof {
        assert!(
            check_inclusion(&trees[size], index as u64, leaves[index], proof).is_ok(),
            "a proof of nothing"
        );
    }
    files.asked.set(0);
    let root = root_at(&files, &trees[size], earlier as u64);
    if let Ok(root) = &root {
        assert_eq!(*root, trees[earlier].root, "another past");
    }
    assert!(fits.get(), "more bytes than were asked for");
    let honest = files.changes.iter().all(|(_, _, by)| *by == 0) && files.cut == 0;
    assert!(!honest || (proof.is_ok() && root.is_ok()), "the log as it is was refused");
    proof.is_ok() && root.is_ok()
}

fn proofs(bytes: &[u8]) -> bool {
    let mut numbers = Numbers(bytes);
    let size = 1 + numbers.below(SIZE_MAX);
    let (index, other) = (numbers.below(size), numbers.below(size + 2));
    let (fits, (leaves, trees)) = (Cell::new(true), &*LOG);
    let files = Files { size, changes: Vec::new(), cut: 0, asked: Cell::new(0), text: &fits };
    let honest = inclusion_proof(&files, &trees[size], index as u64).unwrap();
    let mut proof = honest.clone();
    for _ in 0..numbers.byte() % 5 {
        let (what, at, by) = (numbers.byte(), numbers.below(proof.len()), numbers.byte());
        match what % 5 {
            0 if !proof.is_empty() => proof[at].0[usize::from(what / 5 % 32)] ^= by,
            1 if !proof.is_empty() => drop(proof.remove(at)),
            2 => proof.insert(at.min(proof.len()), B256::repeat_byte(by)),
            3 if !proof.is_empty() => proof.swap(0, at),
            _ => proof.resize(usize::from(by), B256::ZERO),
        }
    }
    let place = if numbers.byte() % 2 == 0 { index } else { other };
    let held = check_inclusion(&trees[size], place as u64, leaves[index], &proof).is_ok();
    assert_eq!(held, place == index && proof == honest, "entry {index} at {place} of {size}: {proof:?}");
    // No proof of this kind was made, but parts of those that were are some: the path of the first entry leads from one entry on.
    let (old, new) = (&trees[numbers.below(SIZE_MAX + 1)], &trees[numbers.below(SIZE_MAX + 1)]);
    if check_consistency(old, new, &proof).is_ok() {
        assert!(old.size <= new.size && (old == new) == proof.is_empty(), "{old:?} to {new:?}");
    }
    let mut shown = String::new();
    // Errors are for people, so they can be shown, whatever is in them.
    if let Err(error) = check_consistency(new, old, &proof) {
        write!(shown, "{error}").unwrap();
    }
    held
}
