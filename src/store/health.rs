//! What is asked about the store as a whole: depths, whether it can be written, and its shape.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Error, Result, Step, Store, embedded};
use crate::ids::JobId;
use crate::job::State;

/// States that are not the end of a job.
const ALIVE: [State; 5] =
    [State::Queued, State::Quarantined, State::Preparing, State::Running, State::Publishing];
/// Counts them. Each part has the very words of an index, so that jobs that are over, of which there may be millions, are not
/// looked at.
const COUNT_ALIVE: &str =
    "SELECT state, count(*) FROM job WHERE state IN ('queued', 'quarantined') GROUP BY state
     UNION ALL SELECT state, count(*) FROM job WHERE state IN ('preparing', 'running') GROUP BY state
     UNION ALL SELECT state, count(*) FROM job WHERE state = 'publishing' GROUP BY state";
/// Steps that can be owed.
const STEPS: [Step; 4] = [Step::Authorize, Step::Register, Step::Grant, Step::Release];

/// How much there is to do.
#[derive(Debug, Clone)]
pub struct Depths {
    /// Jobs that are not at their end, by state.
    pub jobs: Vec<(State, u64)>,
    /// Transactions that are owed, by step.
    pub owed: Vec<(Step, u64)>,
    /// Most failed tries of one of them.
    pub owed_tries: u32,
    /// Most tries in a row that failed otherwise than by a refusal of the contracts.
    pub owed_unanswered_tries: u32,
    /// Entries of the log.
    pub log_entries: u64,
}

/// What was found in a database that is looked at from outside.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Version of its schema.
    pub schema: u32,
    /// Version that this program brings it to.
    pub newest: u32,
    /// What SQLite's own check says: `ok`, or what is damaged.
    pub integrity: String,
}

impl Error {
    /// Whether there is no room on the disk for a write. Nothing was changed then.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.code() == Some(ErrorCode::DiskFull)
    }

    /// Whether the disk does not take writes, for another reason than want of room.
    #[must_use]
    pub fn is_unwritable(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::ReadOnly | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen))
    }

    fn code(&self) -> Option<ErrorCode> {
        if let Self::Sql(error) = self { error.sqlite_error_code() } else { None }
    }
}

impl Store {
    /// How much there is to do. Jobs that are over are not counted.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn depths(&self) -> Result<Depths> {
        let sql = self.lock();
        let mut by_state = sql.prepare_cached(COUNT_ALIVE)?;
        let counts = by_state.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let counts: HashMap<String, u64> = counts.collect::<rusqlite::Result<_>>()?;
        let mut by_step =
            sql.prepare_cached("SELECT count(*) FROM outbox WHERE state = 'waiting' AND step = ?1")?;
        let owed = STEPS.map(|it| Ok((it, by_step.query_row([it.word()], |row| row.get(0))?)));
        let tries = "SELECT coalesce(max(attempts), 0), coalesce(max(unanswered), 0)
                     FROM outbox WHERE state = 'waiting'";
        let (owed_tries, owed_unanswered_tries) =
            sql.query_row(tries, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Depths {
            jobs: ALIVE.map(|state| (state, counts.get(state.word()).copied().unwrap_or_default())).into(),
            owed: owed.into_iter().collect::<Result<_>>()?,
            owed_tries,
            owed_unanswered_tries,
            // They are numbered from 0 without a gap, so that none has to be counted.
            log_entries: sql
                .query_row("SELECT coalesce(max(seq) + 1, 0) FROM log_entry", [], |row| row.get(0))?,
        })
    }

    /// Writes something that changes nothing, and has it on disk when this returns.
    ///
    /// # Errors
    /// Of SQLite; [`Error::is_full`] and [`Error::is_unwritable`] say which sort.
    pub fn try_writing(&self) -> Result<()> {
        self.write(|sql| {
            let version: i64 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Ok(sql.pragma_update(None, "user_version", version)?)
        })
    }

    /// When a job's claim was committed, in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn committed_s(&self, id: JobId) -> Result<Option<u64>> {
        let query = "SELECT max(at_s) FROM history WHERE job = ?1 AND text LIKE '%; publishing'";
        Ok(self.lock().query_row(query, [id.to_string()], |row| row.get(0))?)
    }

    /// Version of the schema of a database file, and the one that this program knows.
    ///
    /// # Errors
    /// Of SQLite, where it is no database of ours.
    pub fn schema(path: &Path) -> Result<(u32, u32)> {
        let sql = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        sql.busy_timeout(super::BUSY_TIMEOUT)?;
        schema(&sql)
    }

    /// Looks at a database file without changing it, also while a provider uses it.
    ///
    /// # Errors
    /// Of SQLite, where it is no database of ours.
    pub fn examine(path: &Path) -> Result<Examined> {
        let sql = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        sql.busy_timeout(super::BUSY_TIMEOUT)?;
        let (schema, newest) = schema(&sql)?;
        let integrity = sql.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        Ok(Examined { schema, newest, integrity })
    }
}

fn schema(sql: &Connection) -> Result<(u32, u32)> {
    let query = "SELECT max(version) FROM refinery_schema_history";
    let newest = embedded::migrations::runner().get_migrations().iter().map(|it| it.version()).max();
    let found = sql.query_row(query, [], |row| row.get(0))?;
    Ok((found, newest.unwrap_or_default().try_into().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_of_an_empty_store_are_zero_and_it_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brizo.db");
        let store = Store::open(&path).unwrap();
        let depths = store.depths().unwrap();
        assert!(depths.jobs.iter().all(|(_, count)| *count == 0) && depths.jobs.len() == 5, "{depths:?}");
        // However many jobs are over, only indices of those that are not are read.
        let plan = format!("EXPLAIN QUERY PLAN {COUNT_ALIVE}");
        let sql = store.lock();
        let mut plan = sql.prepare(&plan).unwrap();
        let steps: Vec<String> =
            plan.query_map([], |row| row.get(3)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        let tables: Vec<_> = steps.iter().filter(|step| step.contains(" job")).collect();
        assert_eq!(tables.len(), 3, "{steps:?}");
        assert!(tables.iter().all(|step| step.contains("INDEX job_")), "{steps:?}");
        drop(plan);
        drop(sql);
        store.try_writing().unwrap();
        let seen = Store::examine(&path).unwrap();
        assert_eq!((seen.schema, seen.integrity.as_str()), (seen.newest, "ok"));
        assert!(seen.newest >= 2);
    }

    #[test]
    fn a_full_disk_is_told_from_other_troubles() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brizo.db");
        drop(Store::open(&path).unwrap());
        // One connection for reading and writing, so that what is set on it counts for both.
        let store = Store::open_as_it_is(&path).unwrap();
        let pages: u32 = store.lock().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        // SQLite's own ceiling gives the error of a full disk, beyond what growing the log has left free.
        store.lock().pragma_update(None, "max_page_count", pages).unwrap();
        let grow = |sql: &Connection| {
            Ok(sql.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(16000000));")?)
        };
        let error = store.write(grow).unwrap_err();
        assert!(error.is_full() && !error.is_unwritable(), "{error}");
        store.lock().pragma_update(None, "query_only", true).unwrap();
        let error = store.try_writing().unwrap_err();
        assert!(error.is_unwritable() && !error.is_full(), "{error}");
    }
}
