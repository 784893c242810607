//! Files that a guest writes: in memory while a run has little of them, beyond that in one file without a name, so that a run's
//! memory does not grow with what it writes. Nothing of it shows to the guest.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use brizo_receipt::B256;

/// Bytes of all files of a run that are kept in memory.
pub(in crate::sandbox) const MEMORY_BYTES_MAX: u64 = 32 << 20;
/// The nameless file is given out in blocks of so many bytes.
const BLOCK_BYTES: u64 = 64 << 10;
/// Zeros that are worth a hole.
const HOLE_BYTES: u64 = 8 << 10;
/// Blocks by which the nameless file grows; they are holes until they are written.
const BLOCKS_AT_ONCE: u64 = 1024;

/// What a guest wrote into one file.
#[derive(Clone)]
pub struct Written(Kept);

#[derive(Clone)]
enum Kept {
    Memory(Vec<u8>),
    /// Blocks of a file, in order. What lies behind `length` in the last one is zero.
    Disk {
        file: Arc<File>,
        blocks: Vec<u64>,
        length: u64,
    },
}

impl Default for Written {
    fn default() -> Self {
        Self(Kept::Memory(Vec::new()))
    }
}

impl From<Vec<u8>> for Written {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kept::Memory(bytes))
    }
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Written({} bytes)", self.len())
    }
}

impl PartialEq for Written {
    /// What cannot be read is equal to nothing.
    fn eq(&self, other: &Self) -> bool {
        let digests = |one: &Self, other: &Self| Some(one.digest().ok()? == other.digest().ok()?);
        match (&self.0, &other.0) {
            (Kept::Memory(one), Kept::Memory(other)) => one == other,
            _ => self.len() == other.len() && digests(self, other) == Some(true),
        }
    }
}

impl Eq for Written {}

impl Written {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.0 {
            Kept::Memory(bytes) => bytes.len() as u64,
            Kept::Disk { length, .. } => *length,
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it, in memory.
    ///
    /// # Errors
    /// Of the disk.
    pub fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        self.part(0, self.len())
    }

    /// As much of a part as there is.
    ///
    /// # Errors
    /// Of the disk.
    pub(in crate::sandbox) fn part(&self, position: u64, length: u64) -> io::Result<Cow<'_, [u8]>> {
        let from = position.min(self.len());
        let to = position.saturating_add(length).min(self.len());
        match &self.0 {
            // Both lie within the vector.
            Kept::Memory(bytes) => Ok(Cow::Borrowed(&bytes[from as usize..to as usize])),
            Kept::Disk { file, blocks, .. } => {
                let mut bytes = vec![0; (to - from) as usize];
                each_piece(blocks, from, to, |place, piece| file.read_exact_at(&mut bytes[piece], place))?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Fills `to` from a place on, all of which must be there.
    ///
    /// # Errors
    /// Of the disk; `UnexpectedEof`.
    pub(in crate::sandbox) fn fill(&self, position: u64, to: &mut [u8]) -> io::Result<()> {
        // Of nothing everything is there, also behind the end.
        if to.is_empty() {
            return Ok(());
        }
        let end = position.checked_add(to.len() as u64).filter(|end| *end <= self.len());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        match &self.0 {
            Kept::Memory(bytes) => to.copy_from_slice(&bytes[position as usize..end as usize]),
            Kept::Disk { file, blocks, .. } => {
                each_piece(blocks, position, end, |place, piece| file.read_exact_at(&mut to[piece], place))?;
            }
        }
        Ok(())
    }

    /// Reads it from the beginning, in pieces.
    #[must_use]
    pub fn reader(&self) -> impl Read + '_ {
        Reader { written: self, position: 0 }
    }

    /// BLAKE3 of all of it.
    ///
    /// # Errors
    /// Of the disk.
    pub fn digest(&self) -> io::Result<B256> {
        let mut hasher = blake3::Hasher::new();
        match &self.0 {
            Kept::Memory(bytes) => hasher.update(bytes),
            Kept::Disk { .. } => hasher.update_reader(self.reader())?,
        };
        Ok(B256::from(*hasher.finalize().as_bytes()))
    }

    /// Bytes of memory behind it.
    #[cfg(test)]
    pub(in crate::sandbox) fn held(&self) -> usize {
        match &self.0 {
            Kept::Memory(bytes) => bytes.capacity(),
            Kept::Disk { blocks, .. } => blocks.capacity() * 8,
        }
    }
}

struct Reader<'a> {
    written: &'a Written,
    position: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let part = self.written.part(self.position, (to.len() as u64).min(BLOCK_BYTES))?;
        to[..part.len()].copy_from_slice(&part);
        self.position += part.len() as u64;
        Ok(part.len())
    }
}

/// Goes through the blocks between two positions: the place in the file, and which bytes of the part lie there.
fn each_piece(
    blocks: &[u64],
    from: u64,
    to: u64,
    mut each: impl FnMut(u64, std::ops::Range<usize>) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let (index, within) = (at / BLOCK_BYTES, at % BLOCK_BYTES);
        let end = to.min((index + 1) * BLOCK_BYTES);
        let block = blocks.get(index as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
        each(block * BLOCK_BYTES + within, (at - from) as usize..(end - from) as usize)?;
        at = end;
    }
    Ok(())
}

/// Where a run's files are kept.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Storage {
    /// Folder for the nameless file; without it everything stays in memory.
    scratch: Option<PathBuf>,
    /// Bytes in memory.
    held: u64,
    spill: Option<Spill>,
}

#[derive(Debug)]
struct Spill {
    file: Arc<File>,
    /// Blocks that the file has, and how many of them were ever given out.
    blocks: u64,
    given: u64,
    /// Blocks to be given out again, each with how many of its first bytes may not be zero.
    free: Vec<(u64, u64)>,
}

impl Storage {
    pub(in crate::sandbox) fn new(scratch: Option<PathBuf>) -> Self {
        Self { scratch, ..Self::default() }
    }

    /// Sets a length, with zeros at the end where it grows.
    pub(in crate::sandbox) fn resize(&mut self, written: &mut Written, length: u64) -> io::Result<()> {
        let old = written.len();
        if let Kept::Memory(bytes) = &mut written.0 {
            let held = self.held - old + length;
            if length <= old || held <= MEMORY_BYTES_MAX || self.scratch.is_none() {
                bytes.resize(length as usize, 0);
                // Bytes that no longer count must not be held either; only then, so that shrinking step by step stays cheap.
                if bytes.capacity() > 2 * bytes.len() + 4096 {
                    bytes.shrink_to_fit();
                }
                self.held = held;
                return Ok(());
            }
            self.move_to_disk(written)?;
        }
        let Kept::Disk { blocks, length: now, file } = &mut written.0 else { return Ok(()) };
        let spill = self.spill.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let wanted = length.div_ceil(BLOCK_BYTES) as usize;
        while blocks.len() < wanted {
            blocks.push(spill.take()?);
        }
        spill.free.extend(used(wanted, old).zip(blocks.drain(wanted..)).map(|(used, block)| (block, used)));
        if length < old {
            zero_rest(file, blocks, length, old)?;
            blocks.shrink_to_fit();
        }
        *now = length;
        Ok(())
    }

    /// Writes within the length.
    pub(in crate::sandbox) fn write(written: &mut Written, position: u64, bytes: &[u8]) -> io::Result<()> {
        // Nothing has a place everywhere, also behind the end.
        if bytes.is_empty() {
            return Ok(());
        }
        let end = position + bytes.len() as u64;
        match &mut written.0 {
            Kept::Memory(kept) => {
                let place = kept.get_mut(position as usize..end as usize);
                place.ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(bytes);
                Ok(())
            }
            Kept::Disk { file, blocks, .. } => {
                each_piece(blocks, position, end, |place, piece| file.write_all_at(&bytes[piece], place))
            }
        }
    }

    /// Gives back what a forgotten file held.
    pub(in crate::sandbox) fn forget(&mut self, written: Written) {
        match (written.0, &mut self.spill) {
            (Kept::Memory(bytes), _) => self.held -= bytes.len() as u64,
            (Kept::Disk { blocks, length, .. }, Some(spill)) => {
                spill.free.extend(used(0, length).zip(blocks).map(|(used, block)| (block, used)));
            }
            _ => {}
        }
    }

    fn move_to_disk(&mut self, written: &mut Written) -> io::Result<()> {
        let bytes = std::mem::take(written);
        if self.spill.is_none() {
            let folder = self.scratch.as_deref().ok_or(io::ErrorKind::NotFound)?;
            let file = Arc::new(tempfile::tempfile_in(folder)?);
            self.spill = Some(Spill { file, blocks: 0, given: 0, free: Vec::new() });
        }
        let spill = self.spill.as_mut().ok_or(io::ErrorKind::NotFound)?;
        written.0 = Kept::Disk { file: spill.file.clone(), blocks: Vec::new(), length: 0 };
        self.resize(written, bytes.len())?;
        let Kept::Memory(bytes) = bytes.0 else { return Ok(()) };
        Self::write(written, 0, &bytes)?;
        self.held -= bytes.len() as u64;
        Ok(())
    }
}

impl Spill {
    /// A block of zeros.
    fn take(&mut self) -> io::Result<u64> {
        if let Some((block, used)) = self.free.pop() {
            zero(&self.file, block * BLOCK_BYTES, used)?;
            return Ok(block);
        }
        if self.given == self.blocks {
            self.blocks += BLOCKS_AT_ONCE;
            self.file.set_len(self.blocks * BLOCK_BYTES)?;
        }
        self.given += 1;
        Ok(self.given - 1)
    }
}

/// How many bytes of a file of this length lie in each of its blocks, from one on, without end.
fn used(from: usize, length: u64) -> impl Iterator<Item = u64> {
    (from as u64..).map(move |block| length.saturating_sub(block * BLOCK_BYTES).min(BLOCK_BYTES))
}

/// Zeroes what a file that was longer leaves behind its new end in the last block. What lay behind its old end is zero already,
/// so that no more is written here than the guest has paid for when the file grew: cutting and growing by a byte costs a byte.
fn zero_rest(file: &File, blocks: &[u64], length: u64, old: u64) -> io::Result<()> {
    let within = length % BLOCK_BYTES;
    match blocks.last() {
        Some(last) if within > 0 => {
            zero(file, last * BLOCK_BYTES + within, (old - length).min(BLOCK_BYTES - within))
        }
        _ => Ok(()),
    }
}

/// Zeroes at most a block. What is long is taken off the disk, so that a file that was cut does not keep what it no longer has.
fn zero(file: &File, place: u64, length: u64) -> io::Result<()> {
    if length >= HOLE_BYTES {
        use rustix::fs::{FallocateFlags, fallocate};
        // Not every file system can.
        if fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, place, length).is_ok() {
            return Ok(());
        }
    }
    static ZEROS: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];
    file.write_all_at(&ZEROS[..length as usize], place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random lengths and places, on disk and in memory: both are always the same, and the memory is bounded.
    #[test]
    fn what_is_on_disk_is_what_would_be_in_memory() {
        use proptest::prelude::*;
        let places =
            (0usize..3, 0u64..40 << 20, proptest::collection::vec(any::<u8>(), 0..200_000), any::<bool>());
        let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(acts in proptest::collection::vec(places, 1..12))| {
            let folder = tempfile::tempdir().unwrap();
            let (mut disk, mut memory) = (Storage::new(Some(folder.path().into())), Storage::default());
            let mut files: [(Written, Written); 3] = Default::default();
            for (file, place, bytes, cut) in acts {
                let (one, other) = &mut files[file];
                let end = place + bytes.len() as u64;
                let length = if cut { place } else { one.len().max(end) };
                for (storage, written) in [(&mut disk, &mut *one), (&mut memory, &mut *other)] {
                    storage.resize(written, length).unwrap();
                    if !cut {
                        Storage::write(written, place, &bytes).unwrap();
                    }
                }
                prop_assert!(one == other && one.len() == length);
                prop_assert!(one.part(place, 5).unwrap() == other.part(place, 5).unwrap());
                prop_assert!(disk.held <= MEMORY_BYTES_MAX);
            }
            for (one, other) in files {
                disk.forget(one);
                memory.forget(other);
            }
            prop_assert_eq!((disk.held, memory.held), (0, 0));
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
        });
    }

    #[test]
    fn blocks_are_given_again_and_empty() {
        let folder = tempfile::tempdir().unwrap();
        let mut storage = Storage::new(Some(folder.path().into()));
        let (mut large, length) = (Written::default(), MEMORY_BYTES_MAX + 5);
        for _ in 0..5 {
            storage.resize(&mut large, length).unwrap();
            assert_eq!(large.part(length - 5, 9).unwrap(), &[0; 5][..]);
            Storage::write(&mut large, length - 5, b"12345").unwrap();
            assert!(large.held() <= 8192 && storage.held == 0);
            storage.resize(&mut large, 1).unwrap();
        }
        let spill = storage.spill.as_ref().unwrap();
        assert_eq!(spill.given, length.div_ceil(BLOCK_BYTES), "no block is used twice, and none is lost");
    }

    /// A call that is charged for a byte has the host write a byte: seen by what the nameless file has on the disk.
    #[test]
    fn no_more_is_zeroed_than_was_written() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let mut storage = Storage::new(Some(folder.path().into()));
        let (mut held, mut small, mut other) = <(Written, Written, Written)>::default();
        storage.resize(&mut held, MEMORY_BYTES_MAX).unwrap();
        storage.resize(&mut small, 2).unwrap();
        Storage::write(&mut small, 0, b"ab").unwrap();
        // Cut by a byte, emptied, and its block given to another.
        storage.resize(&mut small, 1).unwrap();
        storage.resize(&mut small, 2).unwrap();
        assert_eq!(small.bytes().unwrap(), &b"a\0"[..]);
        storage.resize(&mut small, 0).unwrap();
        storage.resize(&mut other, 3).unwrap();
        assert_eq!(other.bytes().unwrap(), &[0; 3][..]);
        Storage::write(&mut other, 2, b"c").unwrap();
        storage.forget(std::mem::take(&mut other));
        storage.resize(&mut small, 3).unwrap();
        assert_eq!(small.bytes().unwrap(), &[0; 3][..]);
        let spill = storage.spill.as_ref().unwrap();
        let on_disk = spill.file.metadata().unwrap().blocks() * 512;
        assert!(spill.given == 1 && on_disk < BLOCK_BYTES, "{} blocks, {on_disk} bytes", spill.given);
    }

    /// A file that was cut keeps no more of the disk than it says, where the disk's file system can take it back.
    #[test]
    fn what_is_cut_off_leaves_the_disk() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let mut storage = Storage::new(Some(folder.path().into()));
        let mut held = Written::default();
        storage.resize(&mut held, MEMORY_BYTES_MAX).unwrap();
        let mut small: Vec<Written> = Vec::new();
        for _ in 0..20 {
            let mut file = Written::default();
            storage.resize(&mut file, BLOCK_BYTES).unwrap();
            Storage::write(&mut file, 0, &[7; BLOCK_BYTES as usize]).unwrap();
            storage.resize(&mut file, 1).unwrap();
            assert_eq!(file.bytes().unwrap(), &[7][..]);
            small.push(file);
        }
        let on_disk = storage.spill.as_ref().unwrap().file.metadata().unwrap().blocks() * 512;
        assert!(on_disk <= 20 * 2 * 4096, "{on_disk} bytes");
        storage.resize(&mut small[0], 10).unwrap();
        assert_eq!(small[0].bytes().unwrap(), &[7, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]);
    }

    #[test]
    fn parts_are_filled_across_blocks_and_not_beyond_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut storage = Storage::new(Some(folder.path().into()));
        let mut large = Written::default();
        storage.resize(&mut large, MEMORY_BYTES_MAX + 1).unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        Storage::write(&mut large, 60_000, &bytes).unwrap();
        let mut read = vec![9; 200_002];
        large.fill(59_999, &mut read).unwrap();
        assert!(read[1..200_001] == bytes && read[0] == 0 && read[200_001] == 0);
        assert!(large.fill(MEMORY_BYTES_MAX, &mut [0; 2]).is_err());
        assert!(Written::from(vec![1, 2]).fill(1, &mut [0; 2]).is_err());
        assert!(large.fill(u64::MAX, &mut [0; 2]).is_err());
        assert!(large.fill(u64::MAX, &mut []).is_ok());
        for mut file in [large, Written::default()] {
            let length = file.len();
            Storage::write(&mut file, length + 1, &[]).unwrap();
            assert_eq!(file.len(), length);
        }
    }

    #[test]
    fn a_disk_that_cannot_be_written_is_an_error() {
        let mut storage = Storage::new(Some("/nowhere/at/all".into()));
        let mut large = Written::default();
        storage.resize(&mut large, MEMORY_BYTES_MAX).unwrap();
        assert!(storage.resize(&mut large, MEMORY_BYTES_MAX + 1).is_err());
    }
}
