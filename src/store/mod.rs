//! The store: everything that must survive, in SQLite. SQL is written in this folder only.
//!
//! One connection behind a lock, write-ahead log, every method one short transaction. Blocking: async callers go through
//! [`Store::with`]. The same methods can stand over Postgres later; nothing above knows which it is.

mod agreements;
mod chain;
mod copy;
mod datasets;
mod health;
mod jobs;
mod log;
mod nonces;
mod outbox;
mod queue;
mod row;
mod scratch;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

pub use agreements::AgreementRow;
pub use chain::{BLOCKS_KEPT, SeenBlock};
pub use datasets::DatasetRow;
pub use health::{Depths, Examined};
pub use jobs::{Claimed, Commit, Event, JobRow, NewJob, OutputRow};
pub use log::{LoggedVerdict, VerdictAnswer};
pub use outbox::{OutboxRow, Step};
pub use scratch::Scratch;

mod embedded {
    refinery::embed_migrations!("src/store/migrations");
}

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("the database: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The schema could not be brought up to date.
    #[error("the database's schema: {0}")]
    Migration(String),
    /// A row holds what this program would not have written.
    #[error("the database is damaged: {table}.{column} of {row:?} cannot be read")]
    Damaged {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// Key of the row.
        row: String,
    },
    /// The key exists already.
    #[error("{0} exists already")]
    Exists(&'static str),
    /// A lease was lost: another worker has the job, or it was given up.
    #[error("the lease of job {0} is lost")]
    LeaseLost(String),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
    /// The thread that ran the query died.
    #[error("the database task died")]
    Task,
}

/// How long a write waits for that of another process.
const BUSY: Duration = Duration::from_secs(10);

/// Result of a store method.
pub type Result<T> = std::result::Result<T, Error>;

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Mutex<Connection>>);

impl Store {
    /// Opens the database file, making it (readable by its owner only) and bringing its schema up to date.
    ///
    /// # Errors
    /// [`Error::Sql`] or [`Error::Migration`].
    pub fn open(path: &Path) -> Result<Self> {
        restrict(path);
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // FULL: a commit that was acknowledged is on disk, because money follows from it.
        connection.pragma_update(None, "synchronous", "full")?;
        Self::prepare(connection)
    }

    /// Opens a database as it is, whichever release made it: for copies of it, never for work.
    ///
    /// # Errors
    /// [`Error::Sql`].
    pub fn open_as_it_is(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// A database in memory, for tests.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn in_memory() -> Result<Self> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(mut connection: Connection) -> Result<Self> {
        connection.pragma_update(None, "foreign_keys", true)?;
        // `brizo publish` writes while `brizo serve` runs; neither holds the lock for long.
        connection.busy_timeout(BUSY)?;
        embedded::migrations::runner().run(&mut connection).map_err(|e| Error::Migration(e.to_string()))?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs a blocking query from async code.
    ///
    /// # Errors
    /// What the query returns, or [`Error::Task`].
    pub async fn with<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || query(&store)).await.map_err(|_| Error::Task)?
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a query leaves no transaction open: rusqlite rolls back when it is dropped.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction that writes. Takes the write lock at once, so that it cannot fail half-way for want of it.
    fn write<T>(&self, body: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let result = body(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

/// Makes the file private before SQLite opens it; it holds run keys and dataset keys.
fn restrict(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    // If it cannot be made here, SQLite says why in its own error.
    let _ = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
}

/// Turns a violated key into [`Error::Exists`].
fn exists(what: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
    move |error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => Error::Exists(what),
        _ => Error::Sql(error),
    }
}

#[cfg(test)]
mod tests;
