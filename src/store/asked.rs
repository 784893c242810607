//! What consumers ask of the store besides looking: stopping a job, sending a request twice, following what happens.

use std::collections::HashSet;

use brizo_receipt::{Address, B256};
use rusqlite::{OptionalExtension, params};

use super::jobs::{SELECT, columns, read};
use super::overdue::abort;
use super::row::{Place, one};
use super::{Event, JobRow, Result, Store};
use crate::ids::JobId;
use crate::job::End;

/// What became of the wish to stop a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It is stopped now.
    Now,
    /// It was over, or had its claim, before.
    TooLate,
}

/// What a new idempotency key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// New.
    First,
    /// Sent before, with the same body.
    Again,
    /// Sent before, with another body.
    Otherwise,
    /// New, and the caller has as many as one may have.
    TooMany,
}

/// Idempotency keys of one caller that are remembered at the same time.
pub(super) const KEYS_MAX: u64 = 1_000;

/// Each index has lines of all jobs, so that none may be gone through.
pub(super) const JOBS_AFTER: &str = "SELECT job FROM history NOT INDEXED WHERE id > ?1";

impl Store {
    /// Ends a job before its commit. A worker that holds it loses its lease by this, and ends the run at its next heartbeat.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn stop_job(&self, id: JobId, now_s: u64) -> Result<Stopped> {
        self.write(|sql| {
            let found = sql.query_row(&format!("{SELECT} WHERE job.id = ?1"), [id.to_string()], columns);
            let job: JobRow = read(found?)?;
            if job.state.has_claim() || job.state.is_final() {
                return Ok(Stopped::TooLate);
            }
            abort(sql, &id.to_string(), &job.spec, End::Stopped, End::Stopped.explanation(), now_s)?;
            // Fences out the worker, should it be at its commit.
            sql.execute("UPDATE job SET attempt = attempt + 1 WHERE id = ?1", [id.to_string()])?;
            Ok(Stopped::Now)
        })
    }

    /// Remembers with which body an idempotency key came first. Old keys are forgotten.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn ask_once(
        &self,
        caller: Address,
        key: &str,
        body: B256,
        expires_s: u64,
        now_s: u64,
    ) -> Result<Asked> {
        self.write(|sql| {
            sql.execute("DELETE FROM idempotency WHERE expires_s < ?1", [now_s])?;
            let caller = caller.to_string();
            let known: Option<Vec<u8>> = sql
                .query_row(
                    "SELECT body FROM idempotency WHERE caller = ?1 AND key = ?2",
                    [caller.as_str(), key],
                    |row| row.get(0),
                )
                .optional()?;
            match known {
                Some(known) if known == body.as_slice() => Ok(Asked::Again),
                Some(_) => Ok(Asked::Otherwise),
                None => {
                    let query = "SELECT count(*) FROM idempotency WHERE caller = ?1";
                    let keys: u64 = sql.query_row(query, [caller.as_str()], |row| row.get(0))?;
                    if keys >= KEYS_MAX {
                        return Ok(Asked::TooMany);
                    }
                    sql.execute(
                        "INSERT INTO idempotency (caller, key, body, expires_s) VALUES (?1, ?2, ?3, ?4)",
                        params![caller, key, body.as_slice(), expires_s],
                    )?;
                    Ok(Asked::First)
                }
            }
        })
    }

    /// Whether somebody is the consumer of any agreement.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn has_agreement(&self, consumer: Address) -> Result<bool> {
        let query = "SELECT 1 FROM agreement WHERE consumer = ?1 LIMIT 1";
        Ok(one(&self.lock(), query, [consumer.to_string()], |_| Ok(()))?.is_some())
    }

    /// The number of the newest line of any job's history; whoever follows jobs looks again when it grows.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn newest_event(&self) -> Result<u64> {
        let newest = one(&self.lock(), "SELECT coalesce(max(id), 0) FROM history", [], |row| row.get(0))?;
        Ok(newest.unwrap_or(0))
    }

    /// The jobs to which something happened after a line of the history.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn jobs_after(&self, line: u64) -> Result<HashSet<JobId>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(JOBS_AFTER)?;
        let rows = statement.query_map(params![line], |row| row.get::<_, String>(0))?;
        let parsed = |id: String| Place { table: "history", row: &id }.parse("job", &id);
        rows.map(|id| parsed(id?)).collect()
    }

    /// Whether this provider has seen access to the job's outputs granted on chain. A reorganisation can still take it back, so
    /// the chain has the last word.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn grant_is_done(&self, id: JobId) -> Result<bool> {
        let query =
            "SELECT EXISTS (SELECT 1 FROM outbox WHERE job = ?1 AND step = 'grant' AND state = 'done')";
        Ok(self.lock().prepare_cached(query)?.query_row(params![id.to_string()], |row| row.get(0))?)
    }

    /// What happened to a job after a line of its history, with the numbers of the lines.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn history_after(&self, id: JobId, after: u64) -> Result<Vec<(u64, Event)>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT id, at_s, text FROM history WHERE job = ?1 AND id > ?2 ORDER BY id")?;
        // What callers write can be more than SQLite's numbers; no line comes after either.
        let after = after.min(i64::MAX as u64);
        let rows = statement.query_map(params![id.to_string(), after], |row| {
            Ok((row.get(0)?, Event { at_s: row.get(1)?, text: row.get(2)? }))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
