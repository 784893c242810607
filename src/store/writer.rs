//! Writing and reading one database from many threads.
//!
//! Writers that come at the same time share one turn of the disk: each later one's statements are a savepoint of one open
//! transaction, and whoever finds nobody behind itself commits for all (group commit). Nobody is answered before that
//! commit, so nothing changes for a caller, but a hundred callers wait for one `fsync` instead of a hundred.
//!
//! Readers of a file have a connection of their own. They see what is committed, and do not stand behind the disk.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::{Error, Result};

/// Writers that share a commit at most, so that the first one does not wait for all the world.
const MEMBERS_MAX: u32 = 256;

/// When a write has to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Before it is answered: money or a promise follows from it.
    OnDisk,
    /// It outlives a killed process, but not always a power cut; then it is done again. Leases and nonces are like this.
    InSystem,
}

/// How the transaction of some writers ends. Its members wait here and not at the lock of all writers, which they would
/// otherwise take from those who write, each in turn, only to learn that they are done.
#[derive(Debug, Default)]
struct Ending {
    /// Nothing until it has ended.
    how: Mutex<Option<std::result::Result<(), Failed>>>,
    over: Condvar,
}

/// A failed commit, told to each of its members.
#[derive(Debug, Clone)]
struct Failed {
    code: rusqlite::ffi::Error,
    text: String,
}

/// The database's connections.
#[derive(Debug)]
pub(super) struct Connections {
    writing: Mutex<Writing>,
    /// Writers on their way to the lock.
    coming: AtomicUsize,
    /// Absent for a database in memory, which only one connection can see.
    reading: Option<Mutex<Connection>>,
}

#[derive(Debug)]
struct Writing {
    connection: Connection,
    /// The open transaction, which others may join.
    open: Option<Arc<Ending>>,
    members: u32,
    durability: Durability,
}

/// A connection to read from.
#[derive(Debug)]
pub(super) enum Reading<'a> {
    Own(MutexGuard<'a, Connection>),
    Shared(SharedReading<'a>),
}

#[derive(Debug)]
pub(super) struct SharedReading<'a>(MutexGuard<'a, Writing>);

impl Deref for Reading<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Own(connection) => connection,
            Self::Shared(writing) => &writing.0.connection,
        }
    }
}

impl Connections {
    pub(super) fn new(writing: Connection, reading: Option<Connection>) -> Self {
        let writing = Writing { connection: writing, open: None, members: 0, durability: Durability::OnDisk };
        Self { writing: Mutex::new(writing), coming: AtomicUsize::new(0), reading: reading.map(Mutex::new) }
    }

    /// A connection that sees everything committed.
    pub(super) fn read(&self) -> Reading<'_> {
        if let Some(reading) = &self.reading {
            // A panic inside a query leaves nothing half-done: it only read.
            return Reading::Own(reading.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let mut writing = self.lock();
        // What is not committed yet may still come to nothing.
        if writing.open.is_some() {
            writing.end();
        }
        Reading::Shared(SharedReading(writing))
    }

    /// Whether a reader would neither wait for another one nor for the disk.
    pub(super) fn can_read_now(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.try_lock().is_ok())
    }

    /// Whether a writer would not wait for another one.
    pub(super) fn can_write_now(&self) -> bool {
        self.coming.load(Ordering::SeqCst) == 0 && self.writing.try_lock().is_ok()
    }

    /// Runs `body` in a transaction: all of it is written, or nothing. Returns when it is committed.
    pub(super) fn write<T>(
        &self,
        durability: Durability,
        body: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        self.coming.fetch_add(1, Ordering::SeqCst);
        let mut writing = self.lock();
        self.coming.fetch_sub(1, Ordering::SeqCst);
        let ending = writing.join(durability)?;
        // A panic in the body must not leave the others without their commit.
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writing.apply(body)));
        let result = caught.unwrap_or_else(|panic| {
            writing.end();
            std::panic::resume_unwind(panic)
        });
        if writing.connection.is_autocommit() {
            // The first member has failed, alone; or a full disk and the like have ended it for everybody in it.
            let failed = result.as_ref().err().map_or_else(Failed::unknown, Failed::of);
            writing.tell(Err(failed));
            return result.and_then(|_| Err(Failed::unknown().into()));
        }
        let shared = writing.durability == Durability::OnDisk && writing.members < MEMBERS_MAX;
        if !shared || self.coming.load(Ordering::SeqCst) == 0 {
            writing.end();
        }
        drop(writing);
        let result = result?;
        // Whoever is coming commits for all, or leaves it to the next one behind.
        ending.wait()?;
        Ok(result)
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        // A panic inside a query leaves no savepoint open (see `write`).
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ending {
    // Nothing that holds the lock can panic between two changes that belong together.
    fn tell(&self, how: std::result::Result<(), Failed>) {
        *self.how.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
        self.over.notify_all();
    }

    fn wait(&self) -> std::result::Result<(), Failed> {
        let mut how = self.how.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(how) = &*how {
                return how.clone();
            }
            how = self.over.wait(how).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Writing {
    /// Commits the open transaction and tells its members.
    fn end(&mut self) {
        let committed = self.run("COMMIT").map_err(|error| {
            // A transaction that cannot be committed would stand in the way of every later one.
            let _ = self.run("ROLLBACK");
            Failed::of(&error)
        });
        self.tell(committed);
    }

    fn tell(&mut self, how: std::result::Result<(), Failed>) {
        if let Some(ending) = self.open.take() {
            ending.tell(how);
        }
    }

    /// Begins a transaction, or joins the open one, which is on disk before it is answered.
    fn join(&mut self, durability: Durability) -> Result<Arc<Ending>> {
        self.members += 1;
        if let Some(ending) = &self.open {
            return Ok(ending.clone());
        }
        if self.durability != durability {
            let level = match durability {
                Durability::OnDisk => "full",
                Durability::InSystem => "normal",
            };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.durability = durability;
        }
        // The write lock at once, so that nothing fails half-way for want of it.
        self.run("BEGIN IMMEDIATE")?;
        self.members = 1;
        Ok(self.open.insert(Arc::default()).clone())
    }

    /// Does what a member wants, or nothing of it. The first one needs no savepoint: until it is done it is alone, and the
    /// whole transaction is its own to take back.
    fn apply<T>(&mut self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let is_first = self.members == 1;
        if !is_first {
            self.run("SAVEPOINT one")?;
        }
        let back = if is_first { "ROLLBACK" } else { "ROLLBACK TO one" };
        let mut guard = RollBack(Some((&self.connection, back)));
        let result = body(&self.connection);
        if result.is_ok() {
            guard.0 = None;
        }
        drop(guard);
        if !is_first && !self.connection.is_autocommit() {
            self.run("RELEASE one")?;
        }
        result
    }

    fn run(&self, statement: &str) -> Result<()> {
        self.connection.prepare_cached(statement)?.execute([])?;
        Ok(())
    }
}

/// Takes back what a member has done, also when its body panics.
struct RollBack<'a>(Option<(&'a Connection, &'static str)>);

impl Drop for RollBack<'_> {
    fn drop(&mut self) {
        if let Some((connection, back)) = self.0 {
            // It fails only where SQLite has rolled back everything itself, which is looked at next.
            let _ = connection.execute_batch(back);
        }
    }
}

impl Failed {
    fn of(error: &Error) -> Self {
        let code = match error {
            Error::Sql(rusqlite::Error::SqliteFailure(code, _)) => *code,
            _ => rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR),
        };
        Self { code, text: error.to_string() }
    }

    fn unknown() -> Self {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT);
        Self { code, text: "the transaction was ended by SQLite".into() }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        Self::Sql(rusqlite::Error::SqliteFailure(failed.code, Some(failed.text)))
    }
}
