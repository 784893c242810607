//! What time does to jobs: leases that ran out, states that lasted too long, and jobs that are put aside because they may
//! be what ends the worker. Every state but `publishing` has an end by the clock; a payment that is owed is never dropped
//! by one, but is spoken of.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brizo_receipt::JobSpec;
use rusqlite::{Connection, params, params_from_iter};

use super::queue::{QueuedJob, note};
use super::row::Place;
use super::rules::QueueRules;
use super::{Claimed, Error, Result, Store, log};
use crate::ids::JobId;
use crate::job::{End, State};

/// Seconds between two words about a settlement that is overdue.
const REMIND_S: u64 = 86_400;

/// What [`Store::end_overdue`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overdue {
    /// It waited until it could not be started any more, and was ended so.
    Ended(String, End),
    /// It ended the worker too often, and was put aside.
    Quarantined(String),
    /// It is committed, and the chain has not taken the settlement within the agreement's time.
    Unpaid(String),
}

/// A job, and which attempt at it.
type Attempt = (String, u32);

/// Seconds after a state's time for which it counts that somebody watches: whoever is alive has let go of the job by then.
const WATCHED_S: u64 = 60;

/// Attempts that somebody in this process watches over.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<BTreeSet<Attempt>>);

impl Watches {
    fn open(&self) -> MutexGuard<'_, BTreeSet<Attempt>> {
        // A set is whole after every change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody watches over an attempt, until this is dropped.
#[derive(Debug)]
pub struct Watch {
    watches: Arc<Watches>,
    attempt: Attempt,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watches.open().remove(&self.attempt);
    }
}

impl Store {
    /// Says that somebody in this process watches over a claimed job, whose lease is then not taken for that of the dead
    /// when the database was too slow to renew it.
    #[must_use]
    pub fn watch(&self, claimed: &Claimed) -> Watch {
        let attempt = (claimed.id.to_string(), claimed.attempt);
        self.watches.open().insert(attempt.clone());
        Watch { watches: self.watches.clone(), attempt }
    }

    /// Ends jobs whose time is over, gives back those of workers that are gone, and names settlements that are overdue.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn end_overdue(&self, now_s: u64) -> Result<Vec<Overdue>> {
        if !self.anything_overdue(now_s)? {
            return Ok(Vec::new());
        }
        self.write(|sql| {
            let mut found = reclaim(sql, self, now_s)?;
            for (id, spec, state) in hopeless(sql, self.rules(), now_s)? {
                let end = match state.as_str() {
                    "queued" => End::TimedOut,
                    _ => End::HostFailed,
                };
                let place = Place { table: "job", row: &id };
                match place.json::<JobSpec>("spec", &spec) {
                    Ok(spec) => abort(sql, &id, &spec, end, "it could not be started in time", now_s)?,
                    Err(error) => abort_damaged(sql, &id, &error.to_string(), now_s)?,
                }
                found.push(Overdue::Ended(id, end));
            }
            let mut late = sql.prepare_cached(
                "UPDATE job SET state_until_s = ?2, problem = 'the settlement is overdue'
                 WHERE state = 'publishing' AND state_until_s < ?1 RETURNING id",
            )?;
            let ids = late.query_map([now_s, now_s + REMIND_S], |row| row.get::<_, String>(0))?;
            for id in ids.collect::<rusqlite::Result<Vec<_>>>()? {
                note(sql, &id, now_s, "the settlement is overdue; it is tried on")?;
                found.push(Overdue::Unpaid(id));
            }
            Ok(found)
        })
    }

    fn anything_overdue(&self, now_s: u64) -> Result<bool> {
        let connection = self.lock();
        for query in [
            "SELECT 1 FROM job WHERE state IN ('preparing', 'running') AND lease_until_s < ?1",
            "SELECT 1 FROM job WHERE state IN ('queued', 'quarantined') AND (start_by_s < ?1 OR memory_bytes > ?2)",
            "SELECT 1 FROM job WHERE state = 'publishing' AND state_until_s < ?1",
        ] {
            let mut statement = connection.prepare_cached(query)?;
            let given = [now_s, budget(self.rules())];
            let taken = statement.parameter_count();
            if statement.exists(params_from_iter(&given[..taken]))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Jobs that wait, are worked on or are put aside, oldest first; for the operator.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn queue(&self) -> Result<Vec<QueuedJob>> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT id, ordered_by, state, priority, memory_bytes, attempt, failures, crashes, problem, created_s,
                    coalesce((SELECT max(at_s) FROM history WHERE job = job.id), created_s)
             FROM job
             WHERE state IN ('preparing', 'running') OR state IN ('queued', 'quarantined') ORDER BY created_s, id",
        )?;
        let mut rows = statement.query([])?;
        let mut jobs = Vec::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            let place = Place { table: "job", row: &id };
            jobs.push(QueuedJob {
                id: place.parse("id", &id)?,
                consumer: place.parse("ordered_by", &row.get::<_, String>(1)?)?,
                state: place.some("state", State::from_word(&row.get::<_, String>(2)?))?,
                priority: row.get(3)?,
                memory_bytes: row.get(4)?,
                attempt: row.get(5)?,
                failures: row.get(6)?,
                crashes: row.get(7)?,
                problem: row.get(8)?,
                created_s: row.get(9)?,
                since_s: row.get(10)?,
            });
        }
        Ok(jobs)
    }

    /// Lets a job that was put aside wait for a worker again, with a clean slate.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it is not put aside.
    pub fn requeue(&self, id: JobId, now_s: u64) -> Result<()> {
        self.write(|sql| {
            quarantined(sql, id)?;
            sql.execute(
                "UPDATE job SET state = ?2, crashes = 0, failures = 0, not_before_s = 0, problem = NULL WHERE id = ?1",
                params![id.to_string(), State::Queued.word()],
            )?;
            note(sql, &id.to_string(), now_s, "the publisher gave it another try")
        })
    }

    /// Ends a job that was put aside; nothing is charged.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it is not put aside.
    pub fn end_quarantined(&self, id: JobId, now_s: u64) -> Result<()> {
        self.write(|sql| {
            let spec = quarantined(sql, id)?;
            let id = id.to_string();
            match (Place { table: "job", row: &id }).json("spec", &spec) {
                Ok(spec) => abort(sql, &id, &spec, End::HostFailed, "the publisher ended it", now_s),
                Err(error) => abort_damaged(sql, &id, &error.to_string(), now_s),
            }
        })
    }
}

/// The spec of a job that is put aside.
fn quarantined(sql: &Connection, id: JobId) -> Result<String> {
    let (state, spec): (String, String) =
        sql.query_row("SELECT state, spec FROM job WHERE id = ?1", [id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    match state == State::Quarantined.word() {
        true => Ok(spec),
        false => Err(Error::WrongState { job: id.to_string(), state }),
    }
}

/// Jobs whose lease has run out wait again, or are put aside when that happened too often. What this process watches over
/// is left alone: its beat waits for the database as we did.
pub(super) fn reclaim(sql: &Connection, store: &Store, now_s: u64) -> Result<Vec<Overdue>> {
    let mut lapsed = sql.prepare_cached(
        "SELECT id, attempt, coalesce(state_until_s, 0) FROM job
         WHERE state IN ('preparing', 'running') AND lease_until_s < ?1",
    )?;
    let lapsed = lapsed
        .query_map([now_s], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(Attempt, u64)>>>()?;
    let mut found = Vec::new();
    for (attempt, until_s) in lapsed {
        if now_s <= until_s.saturating_add(WATCHED_S) && store.watches.open().contains(&attempt) {
            continue;
        }
        let (id, _) = attempt;
        let crashes: u32 = sql
            .prepare_cached(
                "UPDATE job SET state = ?2, crashes = crashes + 1, lease_owner = NULL, lease_until_s = NULL,
                                state_until_s = NULL
                 WHERE id = ?1 RETURNING crashes",
            )?
            .query_row(params![id, State::Queued.word()], |row| row.get(0))?;
        let rules = store.rules();
        if crashes < rules.quarantine_after {
            note(sql, &id, now_s, "the provider was interrupted; it waits for another try")?;
            continue;
        }
        put_aside(sql, &id, &format!("the worker ended {crashes} times while it was at this job"), now_s)?;
        found.push(Overdue::Quarantined(id));
    }
    Ok(found)
}

/// Puts a job where no worker takes it, until its time is over or the publisher decides.
pub(super) fn put_aside(sql: &Connection, id: &str, problem: &str, now_s: u64) -> Result<()> {
    sql.execute(
        "UPDATE job SET state = ?2, problem = ?3, lease_owner = NULL, lease_until_s = NULL, state_until_s = NULL
         WHERE id = ?1",
        params![id, State::Quarantined.word(), problem],
    )?;
    note(sql, id, now_s, "put aside by the provider, which looks into it")
}

/// Ends a job without a claim: nothing is owed for it.
pub(super) fn abort(
    sql: &Connection,
    id: &str,
    spec: &JobSpec,
    end: End,
    problem: &str,
    now_s: u64,
) -> Result<()> {
    sql.execute(
        "UPDATE job SET state = ?2, end = ?3, problem = ?4, ended_s = ?5, lease_owner = NULL, lease_until_s = NULL,
                state_until_s = NULL
         WHERE id = ?1",
        params![id, State::Aborted.word(), end.word(), problem, now_s],
    )?;
    log::append_about(sql, spec, end.log_event(), end.explanation(), None, now_s)?;
    note(sql, id, now_s, &format!("{}: {}", State::Aborted.word(), end.explanation()))
}

/// The same for a job whose order cannot be read any more: the log can say nothing about what it does not know.
fn abort_damaged(sql: &Connection, id: &str, problem: &str, now_s: u64) -> Result<()> {
    sql.execute(
        "UPDATE job SET state = ?2, end = ?3, problem = ?4, ended_s = ?5, lease_owner = NULL, lease_until_s = NULL,
                state_until_s = NULL
         WHERE id = ?1",
        params![id, State::Aborted.word(), End::HostFailed.word(), problem, now_s],
    )?;
    note(sql, id, now_s, &format!("{}: {problem}", State::Aborted.word()))
}

/// Jobs that cannot be started any more: their time is over, or they would not fit if they were alone.
fn hopeless(sql: &Connection, rules: &QueueRules, now_s: u64) -> Result<Vec<(String, String, String)>> {
    let mut statement = sql.prepare_cached(
        "SELECT id, spec, CASE WHEN start_by_s < ?1 THEN state ELSE '' END FROM job
         WHERE state IN ('queued', 'quarantined') AND (start_by_s < ?1 OR memory_bytes > ?2)",
    )?;
    let found = statement
        .query_map([now_s, budget(rules)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// The budget of memory as a number that SQLite has.
fn budget(rules: &QueueRules) -> u64 {
    let unlimited = i64::MAX as u64;
    if rules.memory_bytes == 0 { unlimited } else { rules.memory_bytes.min(unlimited) }
}
