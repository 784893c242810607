//! Blobs: bytes under their BLAKE3 digest, written once, never changed, verified when they are read.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use brizo_receipt::B256;
use memmap2::Mmap;

use super::recent::Recent;
use super::{Error, Known};
use crate::clock::wall_time;

/// How much is read and hashed at a time; measured as the best size for streaming BLAKE3.
const CHUNK_BYTES: usize = 64 * 1024;

/// Blobs up to this length, a page, are read: a mapping takes no less memory, and to take it back stops the other processors.
const READ_WHOLE_MAX: u64 = 4_096;

/// How much of a large blob is hashed at a time before it is served.
const VERIFIED_AT_ONCE: usize = 4 << 20;

/// A blob whose bytes were verified, to be read in pieces. Mapped, a large one would count as this process's memory as far as it
/// was read.
#[derive(Debug, Clone)]
pub struct BlobFile {
    file: Arc<File>,
    length: u64,
}

impl BlobFile {
    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes from one place to another, of which there must be as many.
    ///
    /// # Errors
    /// Of the disk.
    pub fn read(&self, from: u64, to: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; (to - from) as usize];
        self.read_into(from, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `to` with the bytes from a place on, of which there must be as many.
    ///
    /// # Errors
    /// Of the disk.
    pub fn read_into(&self, from: u64, to: &mut [u8]) -> std::io::Result<()> {
        self.file.read_exact_at(to, from)
    }
}

/// Verified bytes of a blob.
pub type Mapped = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A private folder of blobs.
#[derive(Debug, Clone)]
pub struct BlobStore {
    folder: PathBuf,
    verify_rate: f64,
    /// What was verified a moment ago; clones share it.
    recent: Arc<Recent>,
}

impl BlobStore {
    /// Opens or makes the folder, readable by its owner only.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Io { path: folder.to_path_buf(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join("new")).map_err(failed)?;
        Ok(Self { folder: folder.to_path_buf(), verify_rate: 1.0, recent: Arc::default() })
    }

    /// With another share of the reads of data sets' files that are verified, from 0 to 1.
    #[must_use]
    pub fn with_verify_rate(mut self, rate: f64) -> Self {
        self.verify_rate = rate;
        self
    }

    /// Begins a blob that comes in pieces.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(&self) -> Result<NewBlob, Error> {
        let path = self.folder.join("new").join(random_name()?);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = made.map_err(|source| Error::Io { path: path.clone(), source })?;
        Ok(NewBlob { store: self.clone(), path, file, hasher: blake3::Hasher::new(), kept: false })
    }

    /// Takes in everything that `reader` gives; returns digest and length. The blob is on disk before this returns.
    ///
    /// # Errors
    /// [`Error::Io`]; nothing of a failed write is left under a digest.
    pub fn put(&self, mut reader: impl Read) -> Result<(B256, u64), Error> {
        let mut blob = self.begin()?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = reader.read(&mut chunk).map_err(|e| blob.failed(e))?;
            if read == 0 {
                return blob.finish();
            }
            blob.write_all(&chunk[..read]).map_err(|e| blob.failed(e))?;
        }
    }

    /// Whether a blob is there. Says nothing about its content.
    #[must_use]
    pub fn contains(&self, digest: B256) -> bool {
        self.place(digest).exists()
    }

    /// Makes a blob young again, as putting it once more would: the sweep leaves alone what is younger than a day, and a row
    /// that is to name the blob may come later than that.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is missing.
    pub fn refresh(&self, digest: B256) -> Result<(), Error> {
        let path = self.place(digest);
        let refreshed = File::open(&path).and_then(|file| file.set_modified(wall_time()));
        refreshed.map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Damaged { digest, what: "missing" },
            _ => Error::Io { path, source },
        })
    }

    /// Maps a blob and verifies every byte of it.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is missing or not what it was.
    pub fn map(&self, digest: B256) -> Result<Mapped, Error> {
        let mapped = self.map_as_it_is(digest)?;
        let found = blake3::Hasher::new().update_rayon((*mapped).as_ref()).finalize();
        if found.as_bytes() != &digest.0 {
            return Err(Error::Damaged { digest, what: "changed" });
        }
        Ok(mapped)
    }

    /// Opens a blob to be read in pieces, after every byte of it was verified: now, or in the last ten minutes if the file is the
    /// same since.
    ///
    /// # Errors
    /// As for [`BlobStore::map`].
    pub fn open_verified(&self, digest: B256) -> Result<BlobFile, Error> {
        self.open_verified_as(digest, |file| Known::name(file).map(|(name, _)| name))
    }

    fn open_verified_as(
        &self,
        digest: B256,
        name: impl Fn(&File) -> Option<String>,
    ) -> Result<BlobFile, Error> {
        let (path, mut file) = self.open_file(digest)?;
        let failed = |source| Error::Io { path: path.clone(), source };
        let before = name(&file);
        if before.as_ref().is_some_and(|name| self.recent.has(digest, name, Instant::now())) {
            let length = file.metadata().map_err(failed)?.len();
            return Ok(BlobFile { file: Arc::new(file), length });
        }
        let mut hasher = blake3::Hasher::new();
        let mut chunk = Vec::new();
        loop {
            chunk.clear();
            let read = (&mut file).take(VERIFIED_AT_ONCE as u64).read_to_end(&mut chunk).map_err(failed)?;
            if read == 0 {
                break;
            }
            hasher.update_rayon(&chunk);
        }
        if hasher.finalize().as_bytes() != &digest.0 {
            return Err(Error::Damaged { digest, what: "changed" });
        }
        // One that was written to meanwhile is looked at again.
        if let Some(name) = before.filter(|before| name(&file).as_ref() == Some(before)) {
            self.recent.add(digest, name, Instant::now());
        }
        Ok(BlobFile { file: Arc::new(file), length: hasher.count() })
    }

    /// Maps a file of a data set, of which the owner may have chosen to verify every byte not always. Its length always is.
    ///
    /// # Errors
    /// As for [`BlobStore::map`].
    pub fn map_at_rate(&self, digest: B256, size: u64) -> Result<Mapped, Error> {
        let mapped = if self.verify_now()? { self.map(digest)? } else { self.map_as_it_is(digest)? };
        if (*mapped).as_ref().len() as u64 != size {
            return Err(Error::Damaged { digest, what: "of another length" });
        }
        Ok(mapped)
    }

    /// Draws lots, so that nobody can know which reads are verified.
    fn verify_now(&self) -> Result<bool, Error> {
        if self.verify_rate >= 1.0 {
            return Ok(true);
        }
        let mut lot = [0; 4];
        fill(&mut lot)?;
        Ok(f64::from(u32::from_le_bytes(lot)) < self.verify_rate * f64::from(u32::MAX))
    }

    /// Maps a blob that this process has put a moment ago, without reading it again.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is missing.
    pub fn map_as_it_is(&self, digest: B256) -> Result<Mapped, Error> {
        let (path, file) = self.open_file(digest)?;
        let length = file.metadata().map_err(|source| Error::Io { path: path.clone(), source })?.len();
        if length == 0 {
            return Ok(Arc::new(Vec::new()));
        }
        if length <= READ_WHOLE_MAX {
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, 0).map_err(|source| Error::Io { path, source })?;
            return Ok(Arc::new(bytes));
        }
        // SAFETY: blobs are renamed into place once and never written again, in a folder only we can write to.
        let map = unsafe { Mmap::map(&file) }.map_err(|source| Error::Io { path, source })?;
        Ok(Arc::new(map))
    }

    fn open_file(&self, digest: B256) -> Result<(PathBuf, File), Error> {
        let path = self.place(digest);
        let file = File::open(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Damaged { digest, what: "missing" },
            _ => Error::Io { path: path.clone(), source },
        })?;
        Ok((path, file))
    }

    /// The folder, which only we can write to.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn place(&self, digest: B256) -> PathBuf {
        let name = hex::encode(digest);
        self.folder.join(&name[..2]).join(&name[2..])
    }
}

/// A blob that is being taken in. Dropped before [`NewBlob::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct NewBlob {
    store: BlobStore,
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    kept: bool,
}

impl NewBlob {
    /// Puts the blob under its digest; returns that and the length. It is on disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`]; nothing is left then.
    pub fn finish(mut self) -> Result<(B256, u64), Error> {
        let digest = B256::from(*self.hasher.finalize().as_bytes());
        let place = self.store.place(digest);
        let keep = || {
            self.file.sync_all()?;
            if let Some(parent) = place.parent() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            }
            fs::rename(&self.path, &place)?;
            // The name must survive a power cut as well as the content.
            place.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
        };
        keep().map_err(|e| self.failed(e))?;
        self.kept = true;
        Ok((digest, self.hasher.count()))
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Io { path: self.path.clone(), source }
    }
}

impl Write for NewBlob {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        if !self.kept {
            // The unfinished file is of no use to anybody; that it cannot be removed would be no news.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn random_name() -> Result<String, Error> {
    let mut name = [0u8; 16];
    fill(&mut name)?;
    Ok(hex::encode(name))
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    let failed = |e: getrandom::Error| Error::Io {
        path: "random numbers".into(),
        source: std::io::Error::other(e.to_string()),
    };
    getrandom::fill(bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_verified() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        for content in [&b""[..], b"x", &[7; 200_000]] {
            let (digest, length) = store.put(content).unwrap();
            assert_eq!(digest, brizo_receipt::content_digest(content));
            assert_eq!(length, content.len() as u64);
            assert_eq!((*store.map(digest).unwrap()).as_ref(), content);
            let file = store.open_verified(digest).unwrap();
            assert_eq!(file.read(0, file.length()).unwrap(), content);
            assert_eq!(store.put(content).unwrap().0, digest, "the same bytes twice are one blob");
        }
    }

    #[test]
    fn a_changed_or_missing_blob_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let (digest, _) = store.put(&b"penguins"[..]).unwrap();
        fs::write(store.place(digest), b"penguinz").unwrap();
        assert!(matches!(store.map(digest), Err(Error::Damaged { what: "changed", .. })));
        assert!(matches!(store.open_verified(digest), Err(Error::Damaged { what: "changed", .. })));
        fs::remove_file(store.place(digest)).unwrap();
        assert!(matches!(store.map(digest), Err(Error::Damaged { what: "missing", .. })));
    }

    #[test]
    fn a_file_that_is_the_same_is_not_verified_again_for_each_part() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let (digest, _) = store.put(&b"penguins"[..]).unwrap();
        let as_of = |name: &'static str| {
            let opened = store.clone().open_verified_as(digest, |_| Some(name.into()));
            opened.map(|file| file.read(0, file.length()).unwrap())
        };
        assert_eq!(as_of("then").unwrap(), b"penguins");
        fs::write(store.place(digest), b"penguinz").unwrap();
        // The name says that nobody wrote to it, so nobody looks.
        assert_eq!(as_of("then").unwrap(), b"penguinz");
        assert!(matches!(as_of("now"), Err(Error::Damaged { what: "changed", .. })));
        assert!(matches!(store.open_verified(digest), Err(Error::Damaged { what: "changed", .. })));
        let unnamed = || store.open_verified_as(digest, |_| None);
        fs::write(store.place(digest), b"penguins").unwrap();
        unnamed().unwrap();
        fs::write(store.place(digest), b"penguinz").unwrap();
        assert!(matches!(unnamed(), Err(Error::Damaged { .. })), "too young to be told from a changed one");
    }

    #[test]
    fn bytes_are_verified_at_the_chosen_rate_and_lengths_always() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let (digest, size) = store.put(&b"penguins"[..]).unwrap();
        fs::write(store.place(digest), b"penguinz").unwrap();
        let noticed =
            |store: &BlobStore| (0..400).filter(|_| store.map_at_rate(digest, size).is_err()).count();
        assert_eq!(noticed(&store), 400);
        assert_eq!(noticed(&store.clone().with_verify_rate(0.0)), 0);
        // Beyond these bounds once in 10^20 times.
        let half = noticed(&store.clone().with_verify_rate(0.5));
        assert!((100..300).contains(&half), "{half}");
        fs::write(store.place(digest), b"penguin").unwrap();
        assert_eq!(noticed(&store.with_verify_rate(0.0)), 400);
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        struct Breaks(u8);
        impl Read for Breaks {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0 += 1;
                buffer[0] = self.0;
                if self.0 > 3 { Err(std::io::Error::other("cable pulled")) } else { Ok(1) }
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let error = anyhow::Error::from(store.put(Breaks(0)).unwrap_err());
        assert!(format!("{error:#}").contains("cable pulled"), "{error:#}");
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
