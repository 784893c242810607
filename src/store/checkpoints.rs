//! Copies the write-ahead log into the database while others write, so that no commit has to do it.
//!
//! SQLite does this itself in the commit that makes the log longer than 1,000 pages: the lock of all writers is then held for two
//! turns of the disk and as many pages. Here a thread with a connection of its own does it every few commits. When all
//! of the log is copied the next writer begins it anew; where that never happens, because there is always a commit more,
//! a commit does the rest when the log has eight times that length.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{Error, Result};

/// Commits from one copy to the next. The two of a small job write some fifty pages.
const EVERY: u32 = 32;
/// Pages of the log at which a commit does what is left to do.
const PAGES_MAX: u32 = 8_000;

/// The thread that copies, as long as this lives.
#[derive(Debug)]
pub(super) struct Checkpoints {
    commits: AtomicU32,
    /// None at the end.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Begins for a database that `writing` writes, over a connection of its own.
    pub(super) fn begin(writing: &Connection, own: Connection) -> Result<Self> {
        writing.pragma_update(None, "wal_autocheckpoint", PAGES_MAX)?;
        own.busy_timeout(super::BUSY_TIMEOUT)?;
        // As for the writer: the log is on disk before it is copied, and the database before the log is begun anew.
        own.pragma_update(None, "synchronous", "normal")?;
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new().name("brizo-log-copy".into());
        let thread =
            thread.spawn(move || copy(&own, &woken)).map_err(|error| Error::Log(error.to_string()))?;
        Ok(Self { commits: AtomicU32::new(0), wake: Some(wake), thread: Some(thread) })
    }

    /// A commit was made.
    pub(super) fn committed(&self) {
        if self.commits.fetch_add(1, Ordering::Relaxed) % EVERY == EVERY - 1
            && let Some(wake) = &self.wake
        {
            // Where it is full the thread is at work already, and looks once more.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpoints {
    /// Waits for the thread, so that nobody has the files open after the store is gone.
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn copy(own: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        // Readers and writers go on. What cannot be copied now is copied later, and a disk that is full is told of by writers.
        if let Err(error) = super::wal::copy(own) {
            tracing::debug!(%error, "the database's log cannot be copied now");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    #[test]
    fn the_log_is_copied_every_few_commits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brizo.db");
        let store = Store::open_to_serve(&path).unwrap();
        // So that the end of the store is not what copies the log.
        let other = Connection::open(&path).unwrap();
        other.query_row("SELECT count(*) FROM job", [], |_| Ok(())).unwrap();
        (0..2 * EVERY).for_each(|number| store.save_chain_tx("a", number.into(), "x").unwrap());
        drop(store);
        // What the database has without its log.
        let copied = folder.path().join("copied.db");
        std::fs::copy(&path, &copied).unwrap();
        assert_eq!(Store::open(&copied).unwrap().chain_txs("a").unwrap().len(), 2 * EVERY as usize);
    }
}
