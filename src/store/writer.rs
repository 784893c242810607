//! Writing and reading one database from many threads.
//!
//! Writers take turns, and their turns are short: a commit is handed to the system, and only then, when others write
//! already, brought to the disk (`disk`). Readers of a file have a connection of their own, and do not stand behind
//! writers. They see what is committed; that nobody outside is told of it before it is on disk is [`super::Store`]'s to see to.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::Result;
use super::checkpoints::Checkpoints;
use super::disk::Disk;

/// When a write has to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Before the writer goes on: money or a promise follows from it.
    OnDisk,
    /// Before anybody outside is told of it. The writer goes on at once.
    BeforeTold,
    /// It outlives a killed process, but not always a power cut; then it is done again. Leases and nonces are like this.
    InSystem,
}

/// The database's connections.
#[derive(Debug)]
pub(super) struct Connections {
    writing: Mutex<Connection>,
    /// Absent for a database in memory, which only one connection can see.
    reading: Option<Mutex<Connection>>,
    checkpoints: Option<Checkpoints>,
    pub(super) disk: Disk,
}

/// A connection to read from.
#[derive(Debug)]
pub(super) struct Reading<'a>(MutexGuard<'a, Connection>);

impl Deref for Reading<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Connections {
    /// A file has a second connection, to read from, and for a provider a third that copies its log.
    pub(super) fn new(
        writing: Connection,
        file: Option<(Connection, Option<Checkpoints>)>,
        disk: Disk,
    ) -> Self {
        let (reading, checkpoints) = file.unzip();
        Self {
            writing: Mutex::new(writing),
            reading: reading.map(Mutex::new),
            checkpoints: checkpoints.flatten(),
            disk,
        }
    }

    /// A connection that sees everything committed.
    pub(super) fn read(&self) -> Reading<'_> {
        Reading(lock(self.reading.as_ref().unwrap_or(&self.writing)))
    }

    /// As [`Connections::read`], for a few rows. Every commit empties the cache of the connection to read from, but not the one of
    /// the writer.
    pub(super) fn read_few(&self) -> Reading<'_> {
        self.writing.try_lock().map_or_else(|_| self.read(), Reading)
    }

    /// Whether a reader would not wait for another one.
    pub(super) fn can_read_now(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.try_lock().is_ok())
    }

    /// Whether a writer would not wait for another one.
    pub(super) fn can_write_now(&self) -> bool {
        self.writing.try_lock().is_ok()
    }

    /// Runs `body` in a transaction: all of it is written, or nothing. Returns when it is as durable as is asked.
    pub(super) fn write<T>(
        &self,
        durability: Durability,
        body: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        self.disk.check()?;
        let (writing, is_told) = (lock(&self.writing), durability != Durability::InSystem);
        let done = transaction(&writing, body, || {
            if is_told {
                self.disk.announce();
            }
        });
        self.disk.committed();
        drop(writing);
        self.checkpoints.as_ref().inspect(|checkpoints| checkpoints.committed());
        let done = done?;
        if durability == Durability::OnDisk {
            self.disk.wait()?;
        }
        Ok(done)
    }
}

/// A panic inside a query leaves nothing half-done: it only read, or what it wrote was taken back.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn transaction<T>(
    sql: &Connection,
    body: impl FnOnce(&Connection) -> Result<T>,
    before_commit: impl FnOnce(),
) -> Result<T> {
    let run = |statement| sql.prepare_cached(statement)?.execute([]);
    // The write lock at once, so that nothing fails half-way for want of it.
    run("BEGIN IMMEDIATE")?;
    // A panic in the body must not leave the transaction to the next writer.
    let done = catch_unwind(AssertUnwindSafe(|| body(sql)));
    let committed = match &done {
        Ok(Ok(_)) => {
            before_commit();
            run("COMMIT").map(drop)
        }
        _ => Ok(()),
    };
    // A full disk and the like have ended the transaction already; what else could not be committed would stand in the way of
    // every later one.
    if !sql.is_autocommit() {
        let _ = run("ROLLBACK");
    }
    let done = done.unwrap_or_else(|panic| resume_unwind(panic))?;
    committed?;
    Ok(done)
}
