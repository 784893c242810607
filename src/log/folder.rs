//! The log's folder: files that are served as they are. They are renamed into place whole, and all of them can be made
//! again from the database.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use brizo_receipt::log::{Fetch, FetchError, TilePath};

use super::{Error, Result};

/// Name of the newest checkpoint.
const CHECKPOINT: &str = "checkpoint";

/// Whether a file must be on disk before the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    Yes,
    /// It is replaced soon, and made again after a crash.
    No,
}

/// A folder with the files of a log.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(failed(path))?;
        Ok(Self(path.to_path_buf()))
    }

    /// The newest checkpoint, if one was ever signed here.
    pub(super) fn checkpoint(&self) -> Result<Option<String>> {
        let path = self.checkpoint_path();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    pub(super) fn checkpoint_path(&self) -> PathBuf {
        self.0.join(CHECKPOINT)
    }

    pub(super) fn put_checkpoint(&self, note: &str) -> Result<()> {
        self.put(&self.checkpoint_path(), note.as_bytes(), Durable::Yes)
    }

    /// Puts a tile or a bundle in its place, unless exactly that is there.
    pub(super) fn settle(&self, tile: TilePath, bytes: &[u8], durable: Durable) -> Result<()> {
        let path = self.0.join(tile.to_string());
        match fs::read(&path) {
            Ok(there) if there == bytes => Ok(()),
            _ => self.put(&path, bytes, durable),
        }
    }

    /// The folder of partial files that a full one makes superfluous, where there is one.
    pub(super) fn partial_of(&self, tile: TilePath) -> Option<PathBuf> {
        let folder = PathBuf::from(format!("{}.p", self.0.join(tile.to_string()).display()));
        folder.is_dir().then_some(folder)
    }

    /// Bytes of a tile or bundle; `None` when there is no such file.
    pub(super) fn tile(&self, tile: TilePath) -> Result<Option<Vec<u8>>> {
        let path = self.0.join(tile.to_string());
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    fn put(&self, path: &Path, bytes: &[u8], durable: Durable) -> Result<()> {
        let folder = path.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        // One writer at a time, so one name is enough; what a crash leaves is written over.
        let new = self.0.join("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(bytes)?;
            if durable == Durable::Yes {
                file.sync_data()?;
            }
            fs::rename(&new, path)
        };
        write().map_err(failed(path))
    }
}

impl Fetch for Folder {
    fn fetch(&self, path: &str, _: usize) -> std::result::Result<Vec<u8>, FetchError> {
        // Our own files: tiles have their length by construction, and the reader compares it.
        match fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(FetchError::Missing(path.into())),
            Err(error) => Err(FetchError::Failed(format!("{path}: {error}"))),
        }
    }
}

pub(super) fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::File { path, source }
}
