//! Room on the disk: whether anything new may be taken in. What was begun may use the rest.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

/// Name of the file with which writing is tried.
const TRIAL: &str = ".trial";

/// A folder, and the room that must be left on its disk.
#[derive(Debug, Clone)]
pub struct Room {
    folder: PathBuf,
    free_min_bytes: u64,
}

/// Why nothing new is taken in.
#[derive(Debug, thiserror::Error)]
pub enum NoRoom {
    /// The disk is full, or nearly.
    #[error("{free} bytes are free, {least} must be")]
    Full {
        /// Bytes that are free for us.
        free: u64,
        /// Bytes that must be.
        least: u64,
    },
    /// The disk can only be read.
    #[error("the disk can only be read")]
    ReadOnly,
    /// The disk does not work.
    #[error("the disk does not work: {0}")]
    Broken(io::Error),
}

impl Room {
    /// Looks after a folder.
    #[must_use]
    pub fn new(folder: &Path, free_min_bytes: u64) -> Self {
        Self { folder: folder.to_path_buf(), free_min_bytes }
    }

    /// Bytes that are free for us on the folder's disk.
    ///
    /// # Errors
    /// Of the system.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let seen = statvfs(&self.folder)?;
        Ok(seen.f_bavail.saturating_mul(seen.f_frsize))
    }

    /// Whether there is room for something new. Asks the system for two numbers, so it can be asked often.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn check(&self) -> Result<(), NoRoom> {
        let seen = statvfs(&self.folder).map_err(|e| NoRoom::Broken(e.into()))?;
        if seen.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(NoRoom::ReadOnly);
        }
        let (free, least) = (seen.f_bavail.saturating_mul(seen.f_frsize), self.free_min_bytes);
        if free < least { Err(NoRoom::Full { free, least }) } else { Ok(()) }
    }

    /// The same, and whether a file can be written: quotas and broken disks show only then.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn check_by_writing(&self) -> Result<(), NoRoom> {
        self.check()?;
        let path = self.folder.join(TRIAL);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(&[0; 4096]).and_then(|()| file.sync_data()));
        // It is written over by the next trial where it cannot be removed now.
        let _ = fs::remove_file(&path);
        written.map_err(|error| match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => NoRoom::ReadOnly,
            _ if is_full(&error) => NoRoom::Full { free: 0, least: self.free_min_bytes },
            _ => NoRoom::Broken(error),
        })
    }
}

/// Whether the system says that there is no room: on the disk, in the quota, or for a file of that size.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_left_decides() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(folder.path(), 1);
        assert!(room.free_bytes().unwrap() > 0);
        room.check_by_writing().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the trial is taken away");
        let never = Room::new(folder.path(), u64::MAX);
        assert!(matches!(never.check(), Err(NoRoom::Full { least: u64::MAX, .. })));
        let nowhere = Room::new(&folder.path().join("none"), 1);
        assert!(matches!(nowhere.check(), Err(NoRoom::Broken(_))));
    }
}
