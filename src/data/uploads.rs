//! Algorithms on their way in: a folder for each consumer, a file for each algorithm, which grows by whole pieces and is
//! kept under its digest when it is complete. Flat in memory whatever the size.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brizo_receipt::{Address, B256};
use memmap2::Mmap;

use super::{Error, Mapped};

/// How long what nobody goes on with, or orders with, is kept, in seconds.
const KEPT_S: u64 = 86_400;

/// How the name of a part ends, after the digest and the number of its bytes that count.
const PART: &str = ".part";

/// Algorithms that one consumer may have on their way in.
const FILES_MAX: usize = 256;

/// How much of an algorithm is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes.
    pub bytes: u64,
    /// Whether that is all, and what its name says.
    pub complete: bool,
}

/// Why a piece is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BadUpload {
    /// It does not begin where the last one ended.
    #[error("{0} bytes are here")]
    Offset(u64),
    /// Another request is adding to it.
    #[error("another request is sending this algorithm now")]
    Busy,
    /// The consumer has too much here.
    #[error("your uploads may have {0} bytes together")]
    TooMuch(u64),
    /// The bytes are others than the digest says.
    #[error("the bytes have the BLAKE3 digest {0}")]
    Other(B256),
    /// Nothing of it is here.
    #[error("nothing of this algorithm is here")]
    Missing,
    /// The disk.
    #[error(transparent)]
    Data(#[from] Error),
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Uploads {
    folder: PathBuf,
    quota_bytes: u64,
}

/// A piece that is being taken in. Dropped before [`Piece::keep`], it leaves nothing behind; what it leaves when the process
/// is killed does not count, because the part's name says how much of it does.
#[derive(Debug)]
pub struct Piece {
    file: File,
    path: PathBuf,
    /// The algorithm's name when it is complete.
    place: PathBuf,
    from: u64,
    written: u64,
    room: u64,
    kept: bool,
}

impl Uploads {
    /// Opens or makes the folder, readable by its owner only. A consumer may have `quota_bytes` in it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(folder: &Path, quota_bytes: u64) -> Result<Self, Error> {
        make(folder)?;
        Ok(Self { folder: folder.to_path_buf(), quota_bytes })
    }

    /// How much of an algorithm is here.
    ///
    /// # Errors
    /// [`BadUpload::Missing`].
    pub fn received(&self, owner: Address, digest: B256) -> Result<Received, BadUpload> {
        if let Ok(file) = fs::metadata(self.place(owner, digest)) {
            return Ok(Received { bytes: file.len(), complete: true });
        }
        let (_, bytes) = self.part(owner, digest).ok_or(BadUpload::Missing)?;
        Ok(Received { bytes, complete: false })
    }

    /// Begins a piece at an offset; 0 begins the whole anew.
    ///
    /// # Errors
    /// [`BadUpload`].
    pub fn piece(&self, owner: Address, digest: B256, from: u64, now_s: u64) -> Result<Piece, BadUpload> {
        self.sweep(now_s);
        make(&self.folder.join(owner.to_string()))?;
        let (place, begun) = (self.place(owner, digest), self.part(owner, digest));
        // An empty file is one all the same; what was begun may go on, as far as there is room.
        let is_full = |(used, count)| used >= self.quota_bytes || count >= FILES_MAX;
        if begun.is_none() && is_full(self.used(owner)) {
            return Err(BadUpload::TooMuch(self.quota_bytes));
        }
        let is_new = begun.is_none();
        let (mut path, there) = begun.unwrap_or_else(|| (part_of(&place, 0), 0));
        let failed = |source| Error::Io { path: place.clone(), source };
        let mut options = OpenOptions::new();
        options.write(true).create(from == 0 && is_new).truncate(false).mode(0o600);
        let file = match options.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && is_new => return Err(BadUpload::Offset(0)),
            // It got another name since.
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(BadUpload::Busy),
            opened => opened.map_err(failed)?,
        };
        if file.try_lock().is_err() || !is_named(&file, &path).map_err(failed)? {
            return Err(BadUpload::Busy);
        }
        if self.part(owner, digest).is_none_or(|(part, _)| part != path) {
            // Somebody has kept the first piece between our look and our lock; there is one part of each algorithm.
            let _ = fs::remove_file(&path);
            return Err(BadUpload::Busy);
        }
        if from != 0 && from != there {
            return Err(BadUpload::Offset(there));
        }
        if from != there {
            // Before it is cut: its name must never say more than there is.
            let anew = part_of(&place, 0);
            fs::rename(&path, &anew).map_err(failed)?;
            path = anew;
        }
        // What is behind is of a piece that was being written when the process was killed.
        file.set_len(from).map_err(failed)?;
        // What was cut off counts no more.
        let room = self.quota_bytes.saturating_sub(self.used(owner).0);
        let mut piece = Piece { file, path, place, from, written: 0, room, kept: false };
        piece.file.seek(SeekFrom::Start(from)).map_err(|source| piece.failed(source))?;
        Ok(piece)
    }

    /// Checks that all of it is here, and keeps it under its digest.
    ///
    /// # Errors
    /// [`BadUpload::Other`]: then nothing of it is left.
    pub fn finish(&self, owner: Address, digest: B256) -> Result<u64, BadUpload> {
        let (path, _) = self.part(owner, digest).ok_or(BadUpload::Missing)?;
        let failed = |source| BadUpload::Data(Error::Io { path: path.clone(), source });
        let file = File::open(&path).map_err(failed)?;
        // Nobody may cut it while it is read, nor until it has its name. It is read and not mapped all the same.
        if file.try_lock().is_err() || !is_named(&file, &path).map_err(failed)? {
            return Err(BadUpload::Busy);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&file).map_err(failed)?;
        let found = B256::from(*hasher.finalize().as_bytes());
        if found != digest {
            fs::remove_file(&path).map_err(failed)?;
            return Err(BadUpload::Other(found));
        }
        fs::rename(&path, self.place(owner, digest)).map_err(failed)?;
        Ok(self.received(owner, digest)?.bytes)
    }

    /// The bytes of a complete algorithm, read again and compared with their digest.
    ///
    /// # Errors
    /// [`BadUpload::Missing`], or [`BadUpload::Other`] where the disk has changed them.
    pub fn map(&self, owner: Address, digest: B256) -> Result<Mapped, BadUpload> {
        let path = self.place(owner, digest);
        let file = File::open(&path).map_err(|_| BadUpload::Missing)?;
        let failed = |source| BadUpload::Data(Error::Io { path: path.clone(), source });
        if file.metadata().map_err(failed)?.len() == 0 {
            return Ok(Arc::new(Vec::new()));
        }
        // SAFETY: complete uploads are renamed into place and never written again, in a folder only we can write to.
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        let found = B256::from(*blake3::Hasher::new().update_rayon(&map).finalize().as_bytes());
        if found == digest { Ok(Arc::new(map)) } else { Err(BadUpload::Other(found)) }
    }

    /// Forgets an algorithm; it may not be there.
    pub fn forget(&self, owner: Address, digest: B256) {
        let part = self.part(owner, digest).map(|(path, _)| path);
        for path in part.into_iter().chain([self.place(owner, digest)]) {
            // What is not there need not go; what cannot go is swept another time.
            let _ = fs::remove_file(path);
        }
    }

    /// Bytes and files of a consumer.
    fn used(&self, owner: Address) -> (u64, usize) {
        let folder = self.folder.join(owner.to_string());
        files(&folder).fold((0, 0), |(bytes, count), (_, file)| (bytes + file.len(), count + 1))
    }

    /// Forgets what is old. What cannot be removed now is tried again with the next piece.
    fn sweep(&self, now_s: u64) {
        for (path, file) in files(&self.folder).filter(|(_, file)| file.is_dir()) {
            for (path, file) in files(&path) {
                if u64::try_from(file.mtime()).unwrap_or(0).saturating_add(KEPT_S) < now_s {
                    let _ = fs::remove_file(path);
                }
            }
            // Fails while there is something in it.
            if u64::try_from(file.mtime()).unwrap_or(0).saturating_add(KEPT_S) < now_s {
                let _ = fs::remove_dir(path);
            }
        }
    }

    fn place(&self, owner: Address, digest: B256) -> PathBuf {
        self.folder.join(owner.to_string()).join(hex::encode(digest))
    }

    /// The beginning of an algorithm, and how many of its bytes count: those that were proven and are on disk.
    fn part(&self, owner: Address, digest: B256) -> Option<(PathBuf, u64)> {
        let (name, folder) = (hex::encode(digest), self.folder.join(owner.to_string()));
        let parts = files(&folder).filter_map(|(path, _)| {
            let rest = path.file_name()?.to_str()?.strip_prefix(&name)?.strip_prefix('.')?;
            let there = rest.strip_suffix(PART)?.parse().ok()?;
            Some((path, there))
        });
        parts.max_by_key(|(_, there)| *there)
    }
}

impl Piece {
    /// Adds bytes.
    ///
    /// # Errors
    /// [`BadUpload::TooMuch`], or of the disk.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BadUpload> {
        self.written += bytes.len() as u64;
        if self.written > self.room {
            return Err(BadUpload::TooMuch(self.from + self.room));
        }
        self.file.write_all(bytes).map_err(|source| self.failed(source))?;
        Ok(())
    }

    /// Keeps what was written; it is on disk when this returns. Returns how much is here now.
    ///
    /// # Errors
    /// Of the disk.
    pub fn keep(mut self) -> Result<u64, Error> {
        self.file.sync_all().map_err(|source| self.failed(source))?;
        let there = self.from + self.written;
        let name = part_of(&self.place, there);
        fs::rename(&self.path, &name).map_err(|source| self.failed(source))?;
        self.kept = true;
        let folder = name.parent().map_or_else(|| Ok(()), |folder| File::open(folder)?.sync_all());
        folder.map_err(|source| self.failed(source))?;
        Ok(there)
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Io { path: self.path.clone(), source }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // A piece that was not proven or broke off is as if it had never been sent.
        let _ = self.file.set_len(self.from);
        if self.from == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The name of a part of which this many bytes count.
fn part_of(place: &Path, there: u64) -> PathBuf {
    place.with_extension(format!("{there}{PART}"))
}

/// Whether a path still leads to an open file: it may have been renamed or removed before it was locked.
fn is_named(file: &File, path: &Path) -> std::io::Result<bool> {
    let (open, named) = (file.metadata()?, fs::metadata(path));
    Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino())))
}

fn make(folder: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| Error::Io { path: folder.to_path_buf(), source })
}

/// What is in a folder that can be looked at; a folder that is not there is empty.
fn files(folder: &Path) -> impl Iterator<Item = (PathBuf, fs::Metadata)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const WHO: Address = Address::repeat_byte(1);

    fn uploads(quota_bytes: u64) -> (tempfile::TempDir, Uploads) {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(&folder.path().join("uploads"), quota_bytes).unwrap();
        (folder, uploads)
    }

    #[test]
    fn nobody_cuts_what_is_being_finished_and_nothing_is_left_of_a_wrong_place() {
        let (_folder, uploads) = uploads(100);
        let digest = B256::from(*blake3::hash(b"abcdef").as_bytes());
        send(&uploads, digest, 0, b"abcdef").unwrap();
        let (part, _) = uploads.part(WHO, digest).unwrap();
        let held = File::open(&part).unwrap();
        held.lock().unwrap();
        assert!(matches!(uploads.finish(WHO, digest), Err(BadUpload::Busy)));
        assert!(matches!(send(&uploads, digest, 0, b""), Err(BadUpload::Busy)));
        drop(held);
        // Opened before it got its name, locked after: it must not be cut any more.
        let early = File::open(&part).unwrap();
        assert_eq!(uploads.finish(WHO, digest).unwrap(), 6);
        assert!(!is_named(&early, &part).unwrap());
        assert_eq!((*uploads.map(WHO, digest).unwrap()).as_ref(), b"abcdef");

        let other = B256::repeat_byte(7);
        assert!(matches!(send(&uploads, other, 5, b"x"), Err(BadUpload::Offset(0))));
        assert!(uploads.part(WHO, other).is_none());
    }

    #[test]
    fn what_was_written_when_the_process_was_killed_does_not_count() {
        let (_folder, uploads) = uploads(100);
        let digest = brizo_receipt::content_digest(b"penguins");
        let killed = |bytes: &[u8]| {
            let folder = uploads.folder.join(WHO.to_string());
            let mut parts = files(&folder).map(|(path, _)| path);
            let part = parts.find(|path| path.extension().is_some_and(|it| it == "part")).unwrap();
            OpenOptions::new().append(true).open(part).unwrap().write_all(bytes).unwrap();
        };
        send(&uploads, digest, 0, b"peng").unwrap();
        killed(b"uinz, unproven");
        assert_eq!(uploads.received(WHO, digest).unwrap(), Received { bytes: 4, complete: false });
        assert_eq!(send(&uploads, digest, 4, b"ui").unwrap(), 6);
        killed(b"x");
        assert_eq!(send(&uploads, digest, 6, b"ns").unwrap(), 8);
        assert_eq!(uploads.finish(WHO, digest).unwrap(), 8);
        assert_eq!((*uploads.map(WHO, digest).unwrap()).as_ref(), b"penguins");

        // Two that begin at the same time: whoever comes second leaves no second part.
        let digest = brizo_receipt::content_digest(b"geese");
        let late = part_of(&uploads.place(WHO, digest), 0);
        send(&uploads, digest, 0, b"ge").unwrap();
        fs::write(&late, b"").unwrap();
        assert_eq!(send(&uploads, digest, 2, b"ese").unwrap(), 5);
        assert_eq!(uploads.received(WHO, digest).unwrap().bytes, 5);
        uploads.forget(WHO, digest);
        let _ = fs::remove_file(late);

        // Begun anew, and killed in the middle of it: of neither beginning anything counts.
        let digest = brizo_receipt::content_digest(b"pigs");
        send(&uploads, digest, 0, b"pen").unwrap();
        let mut anew = uploads.piece(WHO, digest, 0, Clock::system().now_s()).unwrap();
        anew.write(b"pig").unwrap();
        assert_eq!(uploads.received(WHO, digest).unwrap().bytes, 0);
        drop(anew);
        assert!(matches!(uploads.received(WHO, digest), Err(BadUpload::Missing)));
    }

    #[test]
    fn files_are_counted_as_well_as_bytes() {
        let (_folder, uploads) = uploads(1 << 20);
        for number in 0..FILES_MAX {
            let digest = B256::from(alloy_primitives::U256::from(number));
            send(&uploads, digest, 0, b"").unwrap();
        }
        assert!(matches!(send(&uploads, B256::repeat_byte(9), 0, b""), Err(BadUpload::TooMuch(_))));
    }

    fn send(uploads: &Uploads, digest: B256, from: u64, bytes: &[u8]) -> Result<u64, BadUpload> {
        let mut piece = uploads.piece(WHO, digest, from, Clock::system().now_s())?;
        piece.write(bytes)?;
        Ok(piece.keep()?)
    }

    #[test]
    fn pieces_grow_to_the_whole() {
        let (_folder, uploads) = uploads(1_000);
        let digest = brizo_receipt::content_digest(b"penguins");
        assert!(matches!(uploads.received(WHO, digest), Err(BadUpload::Missing)));
        assert_eq!(send(&uploads, digest, 0, b"peng").unwrap(), 4);
        assert!(matches!(send(&uploads, digest, 3, b"guins"), Err(BadUpload::Offset(4))));
        assert!(matches!(send(&uploads, digest, 9, b"s"), Err(BadUpload::Offset(4))));
        assert_eq!(uploads.received(WHO, digest).unwrap(), Received { bytes: 4, complete: false });
        assert!(matches!(uploads.map(WHO, digest), Err(BadUpload::Missing)), "not before it is complete");
        assert_eq!(send(&uploads, digest, 4, b"uins").unwrap(), 8);
        assert_eq!(uploads.finish(WHO, digest).unwrap(), 8);
        assert_eq!((*uploads.map(WHO, digest).unwrap()).as_ref(), b"penguins");
        assert!(
            matches!(uploads.map(Address::ZERO, digest), Err(BadUpload::Missing)),
            "everybody has their own"
        );
        uploads.forget(WHO, digest);
        assert!(matches!(uploads.map(WHO, digest), Err(BadUpload::Missing)));
    }

    #[test]
    fn what_breaks_off_or_is_something_else_leaves_nothing() {
        let (_folder, uploads) = uploads(10);
        let digest = brizo_receipt::content_digest(b"penguins");
        send(&uploads, digest, 0, b"peng").unwrap();
        let now_s = Clock::system().now_s();
        let mut broken = uploads.piece(WHO, digest, 4, now_s).unwrap();
        assert!(matches!(uploads.piece(WHO, digest, 4, now_s), Err(BadUpload::Busy)));
        broken.write(b"uinz").unwrap();
        drop(broken);
        assert_eq!(uploads.received(WHO, digest).unwrap().bytes, 4);
        assert!(matches!(send(&uploads, digest, 4, &[0; 7]), Err(BadUpload::TooMuch(10))));
        assert_eq!(uploads.received(WHO, digest).unwrap().bytes, 4);
        send(&uploads, digest, 4, b"uinz").unwrap();
        assert!(matches!(uploads.finish(WHO, digest), Err(BadUpload::Other(_))));
        assert!(matches!(uploads.received(WHO, digest), Err(BadUpload::Missing)));
    }

    #[test]
    fn what_nobody_wants_any_more_is_forgotten() {
        let (_folder, uploads) = uploads(100);
        let (old, new) = (B256::repeat_byte(1), B256::repeat_byte(2));
        send(&uploads, old, 0, b"old").unwrap();
        drop(uploads.piece(WHO, new, 0, Clock::system().now_s() + KEPT_S - 60).unwrap());
        assert!(uploads.received(WHO, old).is_ok());
        drop(uploads.piece(WHO, new, 0, Clock::system().now_s() + KEPT_S + 60).unwrap());
        assert!(matches!(uploads.received(WHO, old), Err(BadUpload::Missing)));
    }
}
