//! Claims: which job is next, and how a worker comes to it.
//!
//! Order: higher priority first; among equals the consumer with the fewest jobs at work, then the one served longest ago,
//! then the oldest job. A job is only taken when what it ordered of memory and output fits into the budget beside what is
//! at work; smaller ones may pass it, but not for ever.
//!
//! A claim by itself is one more turn of the database for each job. So a worker with a free place offers it, and the
//! transaction that admits a job, or ends the one before, claims the next job for it.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use brizo_receipt::{JobSpec, Key, Signature};
use rusqlite::{Connection, Row, params};

use super::queue::note;
use super::row::Place;
use super::rules::{CANDIDATES_MAX, PASSED_MAX, QueueRules};
use super::{Claimed, Error, NewJob, Result, Store, overdue};
use crate::failpoint;
use crate::job::State;

/// The failpoint of a claim by itself, and of one at the end of another transaction.
const CLAIM: &str = "claim";
pub(super) const BESIDES: &str = "claim-besides";

/// How a worker holds the jobs that it takes.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Who the worker is.
    pub owner: Cow<'static, str>,
    /// Seconds that it may be silent.
    pub seconds: u64,
}

/// A free place of a worker.
pub struct Offer {
    /// How it holds what it is given.
    pub lease: Lease,
    /// Takes the job, once it is claimed. Dropped when there was none, or the claim failed.
    pub take: Box<dyn FnOnce(Claimed) + Send>,
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offer").field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// The places that are offered now.
#[derive(Debug, Default)]
pub(super) struct Offers {
    numbers: AtomicU64,
    open: Mutex<Vec<(u64, Offer)>>,
}

impl Offers {
    fn open(&self) -> MutexGuard<'_, Vec<(u64, Offer)>> {
        // Nothing that holds the lock can panic between two changes that belong together.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of them, which is then no longer offered.
    pub(super) fn next(&self) -> Option<Offer> {
        // A test that wants a claim by itself to fail has to come to it.
        if failpoint::is_armed(CLAIM) {
            return None;
        }
        self.open().pop().map(|(_, offer)| offer)
    }

    /// The same lease under a name that no other claim has.
    pub(super) fn named(&self, lease: &Lease) -> Lease {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        Lease { owner: format!("{}-{number}", lease.owner).into(), ..lease.clone() }
    }
}

/// Jobs that wait, in their order. It must not look at jobs that are over, of which there are any number.
pub(super) const CANDIDATES: &str = "WITH held AS MATERIALIZED (
         SELECT ordered_by, count(*) AS jobs FROM job INDEXED BY job_held
         WHERE state IN ('preparing', 'running') GROUP BY ordered_by)
     SELECT id, memory_bytes, passed, crashes FROM job INDEXED BY job_waiting
         LEFT JOIN served ON served.consumer = job.ordered_by
         LEFT JOIN held ON held.ordered_by = job.ordered_by
     WHERE state = 'queued' AND not_before_s <= ?1 AND start_by_s >= ?1
     ORDER BY priority DESC, coalesce(held.jobs, 0), coalesce(turn, 0), created_s, id
     LIMIT ?2";

/// A job that could be taken next.
struct Candidate {
    id: String,
    memory_bytes: u64,
    passed: u32,
    suspect: bool,
}

/// How many jobs could be claimed.
pub(super) const WAITING: &str = "SELECT count(*) FROM (
    SELECT 1 FROM job WHERE state = 'queued' AND not_before_s <= ?1
    UNION ALL SELECT 1 FROM job WHERE state IN ('preparing', 'running') AND lease_until_s < ?1
    LIMIT ?2)";

impl Store {
    /// Offers a place to whichever job comes next. Returns a number to withdraw it by.
    #[must_use]
    pub fn offer(&self, offer: Offer) -> u64 {
        let number = self.offers.numbers.fetch_add(1, Ordering::Relaxed);
        self.offers.open().push((number, offer));
        number
    }

    /// Takes an offer back. Returns false when somebody is about to answer it, or has.
    #[must_use]
    pub fn withdraw(&self, number: u64) -> bool {
        let mut open = self.offers.open();
        let before = open.len();
        open.retain(|(other, _)| *other != number);
        open.len() < before
    }

    /// Takes the job whose turn it is under a lease, and gives it `prepare_s` seconds to be prepared. Jobs whose worker's
    /// lease has run out wait again first.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn claim_job(&self, owner: &'static str, now_s: u64, lease_s: u64) -> Result<Option<Claimed>> {
        let lease = Lease { owner: owner.into(), seconds: lease_s };
        failpoint::around(CLAIM, || self.write_lightly(|sql| take(sql, self, &lease, now_s)))
    }

    /// How many jobs could be claimed now, counted up to `most`: those that wait, and those whose worker's lease has run out.
    /// Most looks at the queue find nothing, and need not write.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn waiting_jobs(&self, now_s: u64, most: u64) -> Result<u64> {
        let counted = self.lock().prepare_cached(WAITING)?.query_row([now_s, most], |row| row.get(0))?;
        Ok(counted)
    }
}

/// Claims the job whose turn it is, if there is one.
fn take(sql: &Connection, store: &Store, lease: &Lease, now_s: u64) -> Result<Option<Claimed>> {
    overdue::reclaim(sql, store, now_s)?;
    let rules = store.rules();
    let Some(id) = choose(sql, rules, now_s)? else { return Ok(None) };
    let (taken, consumer) = sql
        .prepare_cached(
            "UPDATE job SET state = ?2, lease_owner = ?3, lease_until_s = ?4, state_until_s = ?5,
                            attempt = attempt + 1
             WHERE id = ?1 RETURNING spec, spec_signature, run_key, invocation, attempt, ordered_by",
        )?
        .query_row(
            params![
                id,
                State::Preparing.word(),
                lease.owner,
                now_s + lease.seconds,
                now_s.saturating_add(rules.prepare_s)
            ],
            |row| Ok((claimed_columns(&id, row)?, row.get::<_, String>(5)?)),
        )?;
    take_turn(sql, &consumer)?;
    let claimed = match taken {
        // One row that cannot be read must not stand in the way of all the others.
        Err(damaged @ Error::Damaged { .. }) => {
            overdue::put_aside(sql, &id, &damaged.to_string(), now_s)?;
            return Ok(None);
        }
        other => other?,
    };
    note_claim(sql, &claimed, now_s)?;
    Ok(Some(claimed))
}

/// The line of a claim in a job's history.
pub(super) fn note_claim(sql: &Connection, claimed: &Claimed, now_s: u64) -> Result<()> {
    note(sql, &claimed.id.to_string(), now_s, &format!("preparing, attempt {}", claimed.attempt))
}

/// Whether [`take`] would choose a new job of this size and deadline: nobody else waits, and it fits. Then it need not wait
/// first.
pub(super) fn is_next(
    sql: &Connection,
    store: &Store,
    memory_bytes: u64,
    start_by_s: u64,
    now_s: u64,
) -> Result<bool> {
    // A test that wants a claim at the end of a transaction to fail has to come to it.
    if failpoint::is_armed(BESIDES) || start_by_s < now_s || is_any_waiting(sql, now_s)? {
        return Ok(false);
    }
    Ok(fits(store.rules(), at_work(sql)?.0, memory_bytes))
}

/// Whether any job could be claimed.
fn is_any_waiting(sql: &Connection, now_s: u64) -> Result<bool> {
    let waiting: u64 = sql.prepare_cached(WAITING)?.query_row([now_s, 1], |row| row.get(0))?;
    Ok(waiting > 0)
}

/// Bytes that are reserved by the jobs at work, and how many of these may be what ended their worker before.
fn at_work(sql: &Connection) -> Result<(u64, u64)> {
    let query = "SELECT coalesce(sum(memory_bytes), 0), count(*) FILTER (WHERE crashes > 0) FROM job
                 WHERE state IN ('preparing', 'running')";
    Ok(sql.prepare_cached(query)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Whether a job fits into the budget beside what is reserved.
fn fits(rules: &QueueRules, reserved: u64, memory_bytes: u64) -> bool {
    rules.memory_bytes == 0 || reserved.saturating_add(memory_bytes) <= rules.memory_bytes
}

/// As [`take`], at the end of a transaction that is about something else, which a failed claim leaves as it is.
pub(super) fn take_besides(
    sql: &Connection,
    store: &Store,
    lease: &Lease,
    now_s: u64,
) -> Result<Option<Claimed>> {
    if !is_any_waiting(sql, now_s)? {
        return Ok(None);
    }
    let run = |statement| sql.prepare_cached(statement)?.execute([]);
    run("SAVEPOINT claim")?;
    let taken = failpoint::around(BESIDES, || take(sql, store, lease, now_s)).or_else(|error| {
        tracing::error!(%error, "no job can be claimed");
        // Where SQLite has ended the whole transaction this fails, and so does the rest.
        run("ROLLBACK TO claim").map(|_| None)
    })?;
    run("RELEASE claim")?;
    Ok(taken)
}

/// The first candidate that fits, counting those that it passes.
fn choose(sql: &Connection, rules: &QueueRules, now_s: u64) -> Result<Option<String>> {
    let (reserved, suspects) = at_work(sql)?;
    let mut passed = Vec::new();
    for candidate in candidates(sql, now_s)? {
        // One suspect at a time: if the worker ends again, it is known which one it was.
        if candidate.suspect && suspects > 0 {
            continue;
        }
        if fits(rules, reserved, candidate.memory_bytes) {
            for id in passed {
                sql.prepare_cached("UPDATE job SET passed = passed + 1 WHERE id = ?1")?.execute([id])?;
            }
            return Ok(Some(candidate.id));
        }
        if candidate.passed >= PASSED_MAX {
            return Ok(None);
        }
        passed.push(candidate.id);
    }
    Ok(None)
}

fn candidates(sql: &Connection, now_s: u64) -> Result<Vec<Candidate>> {
    let mut statement = sql.prepare_cached(CANDIDATES)?;
    let read = |row: &Row<'_>| {
        let suspect = row.get::<_, u32>(3)? > 0;
        Ok(Candidate { id: row.get(0)?, memory_bytes: row.get(1)?, passed: row.get(2)?, suspect })
    };
    Ok(statement.query_map(params![now_s, CANDIDATES_MAX], read)?.collect::<rusqlite::Result<_>>()?)
}

/// The consumer goes to the end of the line, if it is not there.
pub(super) fn take_turn(sql: &Connection, consumer: &str) -> Result<()> {
    sql.prepare_cached(
        "INSERT INTO served (consumer, turn) VALUES (?1, (SELECT coalesce(max(turn), 0) + 1 FROM served))
         ON CONFLICT (consumer) DO UPDATE SET turn = excluded.turn WHERE turn + 1 < excluded.turn",
    )?
    .execute([consumer])?;
    Ok(())
}

fn claimed_columns(id: &str, row: &Row<'_>) -> rusqlite::Result<Result<Claimed>> {
    let (spec, invocation): (String, String) = (row.get(0)?, row.get(3)?);
    let (signature, key): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
    let attempt = row.get(4)?;
    let place = Place { table: "job", row: id };
    let read = || {
        let spec: JobSpec = place.json("spec", &spec)?;
        let order = NewJob {
            spec,
            signature: Signature(place.array("spec_signature", &signature)?),
            run_key: Key::new(place.array("run_key", &key)?),
            invocation: place.json("invocation", &invocation)?,
        };
        Ok(Claimed { id: place.parse("id", id)?, order, attempt })
    };
    Ok(read())
}
