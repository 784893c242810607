//! The store: everything that must survive, in SQLite. SQL is written in this folder only.
//!
//! Write-ahead log, every method one short transaction. What a method has written is on disk when it returns, but for those that
//! say otherwise. Blocking: async callers go through [`Store::with`] and its like, which answer nobody before everything
//! that was committed until then is on disk, whoever of this process wrote it; so nothing is told outside that a power cut could take
//! back, but for leases, stages and notes about steps, which are then done again.
//! The same methods can stand over Postgres later; nothing above knows which it is.

mod admission;
mod agreements;
mod asked;
mod chain;
mod checkpoints;
mod claims;
mod copy;
mod datasets;
mod disk;
mod health;
mod jobs;
mod log;
mod nonces;
mod outbox;
mod overdue;
mod parties;
mod queue;
mod retention;
mod row;
mod rules;
mod scratch;
mod wal;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::failpoint;

pub use admission::Admitted;
pub use agreements::AgreementRow;
pub use asked::{Asked, Stopped};
pub use chain::{BLOCKS_KEPT, SeenBlock};
pub use claims::{Lease, Offer};
pub use datasets::DatasetRow;
pub use health::{Depths, Examined};
pub use jobs::{Claimed, Commit, Event, JobRow, NewJob, OutputRow};
pub use log::{Bearer, LoggedVerdict, VerdictAnswer};
pub use outbox::{OutboxRow, Step};
pub use overdue::{Overdue, Watch};
pub use parties::{JobPage, PageAt};
pub use queue::{GivenUp, QueuedJob};
pub use rules::QueueRules;
pub use scratch::Scratch;

use checkpoints::Checkpoints;
use disk::Disk;
use nonces::Nonces;
use writer::{Connections, Durability, Reading};

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
    /// The write-ahead log beside the database cannot be opened.
    #[error("the database's log: {0}")]
    Log(String),
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
    /// As many jobs wait as may wait, for this consumer or for all; nothing was written.
    #[error("{waiting} jobs wait already{}", if *.own { " for this consumer" } else { "" })]
    QueueFull {
        /// Whether it is the consumer's own share that is full.
        own: bool,
        /// Jobs that wait.
        waiting: u64,
    },
    /// The job is not in a state in which this can be done.
    #[error("job {job} is {state}")]
    WrongState {
        /// The job.
        job: String,
        /// Its state.
        state: String,
    },
    /// A test wanted the write to fail.
    #[error(transparent)]
    Injected(#[from] crate::failpoint::Met),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
    /// The thread that ran the query died.
    #[error("the database task died")]
    Task,
}

/// Result of a store method.
pub type Result<T> = std::result::Result<T, Error>;

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    connections: Arc<Connections>,
    nonces: Arc<Nonces>,
    offers: Arc<claims::Offers>,
    watches: Arc<overdue::Watches>,
    rules: Arc<QueueRules>,
    /// Whether what is read are a few rows.
    few_rows: bool,
}

impl Store {
    /// Opens the database file, making it (readable by its owner only) and bringing its schema up to date: for a command beside
    /// the provider. Each commit is on disk before others see it.
    ///
    /// # Errors
    /// [`Error::Sql`] or [`Error::Migration`].
    pub fn open(path: &Path) -> Result<Self> {
        let writing = prepare(write_ahead(path, "full")?)?;
        let nonces = Arc::new(Nonces::read(&writing)?);
        let connections = Connections::new(writing, Some((reading(path)?, None)), Disk::none());
        Ok(Self { nonces, ..Self::over(connections) })
    }

    /// As [`Store::open`], for the one process that serves: commits are brought to the disk beside others (`disk`), and copied
    /// into the database by a thread (`checkpoints`).
    ///
    /// # Errors
    /// As for [`Store::open`], or [`Error::Log`].
    pub fn open_to_serve(path: &Path) -> Result<Self> {
        Self::open_on(path, Disk::of)
    }

    fn open_on(path: &Path, disk: impl FnOnce(File) -> Disk) -> Result<Self> {
        let writing = prepare(write_ahead(path, "normal")?)?;
        wal::empty(&writing)?;
        let disk = disk(wal::grow(&writing)?);
        let nonces = Arc::new(Nonces::read(&writing)?);
        let checkpoints = Checkpoints::begin(&writing, Connection::open(path)?)?;
        let connections = Connections::new(writing, Some((reading(path)?, Some(checkpoints))), disk);
        Ok(Self { nonces, ..Self::over(connections) })
    }

    /// Opens a database as it is, whichever release made it: for copies of it, never for work.
    ///
    /// # Errors
    /// [`Error::Sql`].
    pub fn open_as_it_is(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(Self::over(Connections::new(connection, None, Disk::none())))
    }

    /// A database in memory, for tests.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn in_memory() -> Result<Self> {
        Ok(Self::over(Connections::new(prepare(Connection::open_in_memory()?)?, None, Disk::none())))
    }

    fn over(connections: Connections) -> Self {
        Self {
            connections: Arc::new(connections),
            nonces: Arc::default(),
            offers: Arc::default(),
            watches: Arc::default(),
            rules: Arc::default(),
            few_rows: false,
        }
    }

    /// The same store, with a queue that has these rules.
    #[must_use]
    pub fn with_rules(self, rules: QueueRules) -> Self {
        Self { rules: Arc::new(rules), ..self }
    }

    /// The queue's rules.
    #[must_use]
    pub fn rules(&self) -> &QueueRules {
        &self.rules
    }

    /// Blocks until everything that is committed is on disk.
    ///
    /// # Errors
    /// [`Error::Sql`] where the disk does not take it.
    pub fn flush(&self) -> Result<()> {
        self.connections.disk.wait()
    }

    /// Runs a blocking query from async code.
    ///
    /// # Errors
    /// What the query returns, [`Error::Task`], or that of [`Store::flush`].
    pub async fn with<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.spawn(query).await;
        self.settle().await?;
        answer
    }

    /// Writes from async code: at once where nobody else is writing, because handing it to another thread and back takes
    /// as long as many a transaction. Nobody outside may be told of it before [`Store::settle`].
    ///
    /// # Errors
    /// What the query returns, or [`Error::Task`].
    pub async fn write_untold<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // Other tasks of this thread go on elsewhere meanwhile, which only a runtime of several threads can do.
        let can_block =
            Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
        if can_block && self.connections.can_write_now() {
            tokio::task::block_in_place(|| query(self))
        } else {
            self.spawn(query).await
        }
    }

    /// Waits until the disk did not take what was committed: nothing can be written from then on, and a new process has to read
    /// what is there. Says why.
    pub async fn failed(&self) -> Error {
        self.connections.disk.failed().await
    }

    /// Waits until all that can be seen now is on disk.
    ///
    /// # Errors
    /// That of [`Store::flush`].
    pub async fn settle(&self) -> Result<()> {
        self.connections.disk.settle().await
    }

    async fn spawn<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || query(&store)).await.map_err(|_| Error::Task)?
    }

    /// Reads a few rows from async code: at once if the connection to read from is free, because handing such a query to
    /// another thread takes longer than the query.
    ///
    /// # Errors
    /// As for [`Store::with`].
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.read_untold(query).await;
        self.settle().await?;
        answer
    }

    /// As [`Store::read`], but nobody outside may be told of it before [`Store::settle`].
    ///
    /// # Errors
    /// As for [`Store::write_untold`].
    pub async fn read_untold<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let few = self.few_rows();
        if self.connections.can_read_now() { query(&few) } else { few.spawn(query).await }
    }

    /// The same store, to read a few rows from: where nobody writes the writer's connection is used, which has the pages that
    /// were written last in memory. Whoever writes waits meanwhile.
    #[must_use]
    pub fn few_rows(&self) -> Self {
        Self { few_rows: true, ..self.clone() }
    }

    /// A connection that sees everything committed, to read from.
    fn lock(&self) -> Reading<'_> {
        if self.few_rows { self.connections.read_few() } else { self.connections.read() }
    }

    /// A transaction that writes, and is on disk when this returns.
    fn write<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.connections.write(Durability::OnDisk, body)
    }

    /// As [`Store::write`], with a failpoint around it.
    fn write_at<T>(&self, place: &'static str, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        failpoint::around(place, || self.write(body))
    }

    /// As [`Store::write_at`], but on disk only when somebody outside is told of it, or at a [`Store::flush`].
    fn write_before_told<T>(
        &self,
        place: &'static str,
        body: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        failpoint::around(place, || self.connections.write(Durability::BeforeTold, body))
    }

    /// A transaction that a power cut may take back; for what is then simply done again.
    fn write_lightly<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.connections.write(Durability::InSystem, body)
    }
}

/// Statements that a connection keeps; there are fewer that come again and again.
const STATEMENTS_KEPT: usize = 128;

/// How long another process, `brizo publish` for instance, may hold the write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to write with, to a file with a write-ahead log.
fn write_ahead(path: &Path, synchronous: &str) -> Result<Connection> {
    restrict(path);
    let writing = Connection::open(path)?;
    writing.pragma_update(None, "journal_mode", "wal")?;
    writing.pragma_update(None, "synchronous", synchronous)?;
    Ok(writing)
}

/// A connection to read from.
fn reading(path: &Path) -> Result<Connection> {
    let reading = Connection::open(path)?;
    reading.pragma_update(None, "query_only", true)?;
    keep_statements(&reading)?;
    Ok(reading)
}

fn prepare(mut connection: Connection) -> Result<Connection> {
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten: retention means that it is gone.
    connection.pragma_update(None, "secure_delete", true)?;
    keep_statements(&connection)?;
    embedded::migrations::runner().run(&mut connection).map_err(|e| Error::Migration(e.to_string()))?;
    Ok(connection)
}

/// Statements are prepared once.
fn keep_statements(connection: &Connection) -> Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Otherwise each new parameter of a range may change the plan, and the statement is prepared again with it, which
    // takes longer than to run it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
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
mod claims_tests;
#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod retention_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdict_tests;
#[cfg(test)]
mod writer_tests;
