//! No job is begun while the disk has no room: it would fail for no fault of its own, and use up its attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::Room;

/// The gate before the queue. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Gate {
    room: Room,
    /// Whether it was found closed, or a write has failed; then only a write that works opens it again.
    closed: Arc<AtomicBool>,
}

impl Gate {
    /// Before a disk; open until it is looked at.
    #[must_use]
    pub fn new(room: Room) -> Self {
        Self { room, closed: Arc::default() }
    }

    /// Whether a job may begin. What changes is said once.
    pub(super) fn is_open(&self) -> bool {
        let was_closed = self.closed.load(Ordering::Relaxed);
        let found = if was_closed { self.room.check_by_writing() } else { self.room.check() };
        match found {
            Ok(()) if was_closed => {
                tracing::info!("the disk has room again; jobs go on");
                self.closed.store(false, Ordering::Relaxed);
            }
            Ok(()) => {}
            Err(error) if !was_closed => {
                tracing::error!(%error, "no job is begun until the disk has room");
                self.closed.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        !self.closed.load(Ordering::Relaxed)
    }

    /// A write has failed for want of room.
    pub(super) fn close(&self) {
        if !self.closed.swap(true, Ordering::Relaxed) {
            tracing::error!("a write has failed; no job is begun until the disk has room");
        }
    }
}

/// Whether an error, or what caused it, is that the disk takes no more.
pub(super) fn is_for_want_of_room(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    error.chain().any(|cause| {
        if let Some(error) = cause.downcast_ref::<crate::store::Error>() {
            return error.is_full() || error.is_unwritable();
        }
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(FileTooLarge | QuotaExceeded | ReadOnlyFilesystem | StorageFull))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn it_opens_again_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let gate = Gate::new(Room::new(folder.path(), 1));
        assert!(gate.is_open());
        gate.close();
        assert!(gate.is_open(), "a write works");
        let below = folder.path().join("below");
        let gate = Gate::new(Room::new(&below, 1));
        assert!(!gate.is_open() && !gate.is_open());
        std::fs::create_dir(&below).unwrap();
        assert!(gate.is_open());
    }

    #[test]
    fn want_of_room_is_seen_below_other_words() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let data = crate::data::Error::Io { path: "x".into(), source: full };
        let error = Err::<(), _>(data).context("outputs").unwrap_err();
        assert!(is_for_want_of_room(&error));
        let other = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert!(!is_for_want_of_room(&other.into()));
    }
}
