//! What files were when they were taken in, so that a data set that did not change is not read again.
//!
//! A file is the same while its device, inode, length and times of change are: the rule of rsync and of version control.
//! A time that is no older than a moment says nothing yet, because a later change may bear the same one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use brizo_receipt::B256;

use super::BlobStore;
use crate::clock::Clock;

/// Files that are remembered; beyond it everything is forgotten.
const FILES_MAX: usize = 1_000_000;
/// How old a change must be before its time can be believed, in seconds: file systems count in steps of up to two.
const MOMENT_S: i64 = 3;

/// The memory, read from its file at the start of an ingest and written back at its end.
#[derive(Debug)]
pub struct Known {
    place: PathBuf,
    files: BTreeMap<String, B256>,
    grown: bool,
}

impl Known {
    /// The memory beside a store of blobs.
    #[must_use]
    pub fn of(blobs: &BlobStore) -> Self {
        Self::open(blobs.folder())
    }

    /// Opens the memory in a folder that only we can write to. What cannot be read is forgotten.
    pub(super) fn open(folder: &Path) -> Self {
        let place = folder.join("known.json");
        let files = fs::read(&place).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { place, files: files.unwrap_or_default(), grown: false }
    }

    /// What an open file is known by, and its length; nothing while a change would not show.
    pub(super) fn name(file: &File) -> Option<(String, u64)> {
        let now_s = Clock::system().now_s() as i64;
        let seen = file.metadata().ok()?;
        if seen.ctime().max(seen.mtime()) > now_s - MOMENT_S {
            return None;
        }
        let numbers =
            [seen.dev() as i64, seen.ino() as i64, seen.size() as i64, seen.mtime(), seen.mtime_nsec()];
        let times = [seen.ctime(), seen.ctime_nsec()];
        let words: Vec<_> = numbers.iter().chain(&times).map(i64::to_string).collect();
        Some((words.join("-"), seen.size()))
    }

    /// The digest of a file that was taken in before.
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<B256> {
        self.files.get(name).copied()
    }

    /// Remembers a file.
    pub fn add(&mut self, name: String, digest: B256) {
        if self.files.len() >= FILES_MAX {
            self.files.clear();
        }
        self.files.insert(name, digest);
        self.grown = true;
    }

    /// Writes the memory, if there is anything new in it.
    pub fn keep(&self) {
        if !self.grown {
            return;
        }
        // Without it the next ingest only takes longer.
        let aside = self.place.with_extension("new");
        let written = serde_json::to_vec(&self.files).map_err(std::io::Error::other);
        let kept =
            written.and_then(|text| fs::write(&aside, text)).and_then(|()| fs::rename(&aside, &self.place));
        if let Err(error) = kept {
            tracing::warn!(%error, "what was taken in cannot be remembered");
        }
    }
}
