//! Brings commits to the disk: outside the lock of all writers, and for all who wait at once.
//!
//! SQLite does this itself in each commit (`synchronous` at `full`), but holds its write lock meanwhile, so that nobody else
//! writes for as long as the disk turns. Here a commit only hands its frames to the system (`normal`), and whoever needs it on
//! disk has the write-ahead log brought there. It is what `full` does, a little later: frames lie in the log in the order of
//! their commits, so what is on disk is always all that was committed up to some moment (ADR 40).

use std::fs::File;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use super::{Error, Result};
use crate::failpoint;

/// Brings what the system was handed to the disk.
type Sync = Box<dyn Fn() -> io::Result<()> + Send + std::marker::Sync>;

/// How much of what was committed is on disk.
pub(super) struct Disk {
    /// None for a database in memory.
    sync: Option<Sync>,
    state: Mutex<State>,
    turned: Condvar,
    told: Notify,
}

/// Commits are counted that must be on disk before anybody is told of them.
#[derive(Debug, Default)]
struct State {
    /// All, with the one that is being made: readers may see it before its writer knows that it is made.
    announced: u64,
    /// Those that are made.
    committed: u64,
    on_disk: u64,
    is_turning: bool,
    failed: Option<String>,
    /// Threads that wait.
    blocked: usize,
}

/// What somebody has to do who needs a commit on disk.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing.
    Done,
    /// Turn the disk, for everybody.
    Own,
    /// Wait for the writer who commits it, or for somebody who turns the disk, and look again.
    Another,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Disk {
    /// For a database whose commits are on disk already, or never.
    pub(super) fn none() -> Self {
        Self::new(None)
    }

    /// For a database with this write-ahead log.
    pub(super) fn of(log: File) -> Self {
        Self::with(move || log.sync_data())
    }

    pub(super) fn with(sync: impl Fn() -> io::Result<()> + Send + std::marker::Sync + 'static) -> Self {
        Self::new(Some(Box::new(sync)))
    }

    fn new(sync: Option<Sync>) -> Self {
        let (turned, told) = (Condvar::new(), Notify::new());
        Self { sync, state: Mutex::default(), turned, told }
    }

    /// Notes that a commit begins that has to be on disk before anybody is told of it. Writers take turns in this.
    pub(super) fn announce(&self) {
        if self.sync.is_some() {
            self.lock().announced += 1;
        }
    }

    /// Notes that what was announced is committed, or came to nothing.
    pub(super) fn committed(&self) {
        let mut state = self.lock();
        if state.committed < state.announced {
            state.committed = state.announced;
            self.tell(state);
        }
    }

    /// Has all who wait look again.
    fn tell(&self, state: MutexGuard<'_, State>) {
        let blocked = state.blocked;
        drop(state);
        // Waking threads is a call of the system, whether there are any or not.
        if blocked > 0 {
            self.turned.notify_all();
        }
        self.told.notify_waiters();
    }

    /// Refuses where the disk did not take what it was given. What the system did not bring there it may forget, so nothing
    /// that is written after it could be relied on; the next start reads what is there.
    pub(super) fn check(&self) -> Result<()> {
        self.lock().failed.as_ref().map_or(Ok(()), |why| Err(failed(why)))
    }

    /// Waits until the disk has failed; says why.
    pub(super) async fn failed(&self) -> Error {
        loop {
            let mut told = std::pin::pin!(self.told.notified());
            told.as_mut().enable();
            if let Err(error) = self.check() {
                return error;
            }
            told.await;
        }
    }

    /// Blocks until all that can be seen now is on disk.
    pub(super) fn wait(&self) -> Result<()> {
        let mut state = self.lock();
        let wanted = state.announced;
        loop {
            match state.turn(wanted)? {
                Turn::Done => return Ok(()),
                Turn::Own => {
                    drop(state);
                    self.bring();
                    state = self.lock();
                }
                Turn::Another => {
                    state.blocked += 1;
                    state = self.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.blocked -= 1;
                }
            }
        }
    }

    /// As [`Disk::wait`], for async code.
    pub(super) async fn settle(&self) -> Result<()> {
        let wanted = self.lock().announced;
        loop {
            // Before the look, so that nothing is told in between.
            let mut told = std::pin::pin!(self.told.notified());
            told.as_mut().enable();
            let turn = self.lock().turn(wanted)?;
            match turn {
                Turn::Done => return Ok(()),
                Turn::Own => self.bring_from_task(),
                Turn::Another => told.await,
            }
        }
    }

    /// Turns the disk here: handing it to another thread and back takes as long as many a disk.
    fn bring_from_task(&self) {
        // Other tasks of this thread go on elsewhere meanwhile, which only a runtime of several threads can do.
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => tokio::task::block_in_place(|| self.bring()),
            _ => self.bring(),
        }
    }

    fn bring(&self) {
        // What is committed later than now may or may not come with it.
        let until = self.lock().committed;
        let brought = failpoint::around("disk", || self.sync.as_ref().map_or(Ok(()), |sync| sync()));
        let mut state = self.lock();
        state.is_turning = false;
        match brought {
            Ok(()) => state.on_disk = until,
            Err(error) => {
                tracing::error!(%error, "the disk does not take the database's log");
                state.failed = Some(error.to_string());
            }
        }
        self.tell(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, wanted: u64) -> Result<Turn> {
        if let Some(why) = &self.failed {
            return Err(failed(why));
        }
        if self.on_disk >= wanted {
            return Ok(Turn::Done);
        }
        if self.is_turning || self.committed < wanted {
            return Ok(Turn::Another);
        }
        self.is_turning = true;
        Ok(Turn::Own)
    }
}

fn failed(why: &str) -> Error {
    let text = format!("the disk did not take its log ({why}); the provider has to be started again");
    Error::Sql(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), Some(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_may_see_is_waited_for_before_its_writer_is_done() {
        let disk = Disk::with(|| Ok(()));
        let turn = |wanted| disk.lock().turn(wanted).unwrap();
        assert_eq!(turn(0), Turn::Done);
        disk.announce();
        assert_eq!((turn(0), turn(1)), (Turn::Done, Turn::Another), "its frames are not all in the log");
        disk.committed();
        assert_eq!(turn(1), Turn::Own);
        assert_eq!(turn(1), Turn::Another, "one turns for all");
        disk.announce();
        disk.bring();
        assert_eq!((turn(1), turn(2)), (Turn::Done, Turn::Another));
        disk.committed();
        disk.wait().unwrap();
        assert_eq!(turn(2), Turn::Done);
    }
}
