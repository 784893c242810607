//! Mock data: files with the shape of a data set and nothing of its content, for whoever writes an algorithm. Public.

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brizo_receipt::{B256, content_digest};
use memmap2::Mmap;

use super::{BlobStore, Error, Mapped, ingest, pack};

/// Bytes that the files of a mock may have together: it is held in memory, and is no data set.
const BYTES_MAX: u64 = 64 << 20;

/// A folder of mocks, one archive for each data set. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mocks {
    folder: PathBuf,
}

/// A mock that was packed.
#[derive(Debug, Clone)]
pub struct Mock {
    /// The archive: tar in canonical form.
    pub archive: Vec<u8>,
    /// Its digest.
    pub digest: B256,
    /// Files in it.
    pub files: usize,
    /// Digests of the files that are not empty: none of them may be one of the data set's.
    pub contents: Vec<B256>,
}

impl Mock {
    /// Packs a folder or a file, by the rules of a data set.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Refused`] for what is too large.
    pub fn pack(source: &Path, aside: &BlobStore) -> Result<Self, Error> {
        let manifest = ingest(source, aside)?;
        if manifest.entries().iter().map(|entry| entry.size).sum::<u64>() > BYTES_MAX {
            return Err(Error::Refused { path: String::new(), why: "is more than 64 MiB; a mock is small" });
        }
        let mut files = Vec::new();
        for entry in manifest.entries() {
            files.push((entry.path.as_str(), aside.map(entry.digest)?));
        }
        let bytes = files.iter().map(|(path, bytes)| (*path, (**bytes).as_ref()));
        let archive = pack(bytes).map_err(|_| Error::Refused {
            path: String::new(),
            why: "has a name that is too long for an archive",
        })?;
        let contents = manifest.entries().iter().filter(|entry| entry.size > 0).map(|entry| entry.digest);
        let (contents, files) = (contents.collect(), files.len());
        Ok(Self { digest: content_digest(&archive), files, contents, archive })
    }
}

impl Mocks {
    /// Opens a folder of mocks; it is made with the first of them.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Keeps a mock under a name of letters and digits. It is on disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn keep(&self, name: &str, mock: &Mock) -> Result<(), Error> {
        let place = self.place(name);
        let failed = |source| Error::Io { path: place.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(failed)?;
        let aside = place.with_extension("new");
        let write = || {
            let mut file = File::create(&aside)?;
            file.write_all(&mock.archive)?;
            file.sync_all()?;
            fs::rename(&aside, &place)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(failed)
    }

    /// The archive of a mock; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(&self, name: &str) -> Result<Option<Mapped>, Error> {
        let path = self.place(name);
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| Error::Io { path: path.clone(), source })?,
        };
        // SAFETY: mocks are renamed into place and never written again, in a folder only we can write to.
        let map = unsafe { Mmap::map(&file) }.map_err(|source| Error::Io { path, source })?;
        Ok(Some(Arc::new(map)))
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.tar"))
    }
}
