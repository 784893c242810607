//! The queue with its leases, and the commit point. `admission` has its beginning, `claims` says which job is next, `overdue`
//! what time does to a job, and `rules` has the numbers.

use alloy_primitives::U256;
use brizo_receipt::Address;
use rusqlite::{Connection, OptionalExtension, params};

use super::row::to_json;
use super::rules::QueueRules;
use super::{Claimed, Commit, Error, Lease, OutputRow, Result, Step, Store, claims, log, outbox, overdue};
use crate::ids::{AgreementId, JobId};
use crate::job::{End, State};

/// Why a worker lets go of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenUp {
    /// The provider is going down; that is not the job's doing and counts for nothing.
    HandedBack,
    /// What it runs on is away, for it and for all others; it rests and counts for nothing.
    Away(String),
    /// The host failed; trying again after a rest may help, though not without end.
    Failed(String),
    /// Trying again will not help.
    Ended(End, String),
}

/// How long a job rests whose engine is away, in seconds.
const AWAY_REST_S: u64 = 30;

/// What went wrong with a job that the provider handed back at its end.
const SHUT_DOWN: &str = "the provider was shut down during the run";

/// What the consumer is told of any attempt that came to nothing; what went wrong inside stays in the row and in the log.
const NOT_NOW: &str = "the provider could not run it now; it waits for another try";

/// A job that waits or is worked on, for the operator.
#[derive(Debug, Clone)]
pub struct QueuedJob {
    /// Its id.
    pub id: JobId,
    /// Its consumer.
    pub consumer: Address,
    /// Where it is.
    pub state: State,
    /// Its priority.
    pub priority: i32,
    /// Bytes that are reserved for it while it is worked on.
    pub memory_bytes: u64,
    /// How often it was taken up.
    pub attempt: u32,
    /// How many of these attempts the host failed.
    pub failures: u32,
    /// How many ended with the worker.
    pub crashes: u32,
    /// What went wrong last.
    pub problem: Option<String>,
    /// When it was ordered, in seconds since 1970-01-01 UTC.
    pub created_s: u64,
    /// When something last happened to it.
    pub since_s: u64,
}

impl Store {
    /// Extends a lease, and moves the job on if `state` says so; it then has until `until_s` for this state. No lease
    /// outlives that by more than itself, so that a worker that only seems alive loses its job. The time is asked for when the
    /// database is reached: a lease counts from then, however long that took.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when another worker has the job, or it is gone.
    pub fn keep_lease(
        &self,
        claimed: &Claimed,
        state: State,
        until_s: u64,
        now_s: impl FnOnce() -> u64,
        lease_s: u64,
    ) -> Result<()> {
        let id = claimed.id.to_string();
        self.write_lightly(|sql| {
            let now_s = now_s();
            let (before, attempt): (String, u32) = sql
                .prepare_cached("SELECT state, attempt FROM job WHERE id = ?1")?
                .query_row([&id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?
                // Stopped and deleted meanwhile.
                .ok_or_else(|| Error::LeaseLost(id.clone()))?;
            // A heartbeat that comes after our own commit finds nothing to keep and nothing lost.
            if attempt == claimed.attempt && State::from_word(&before).is_some_and(State::has_claim) {
                return Ok(());
            }
            let lease = now_s.min(until_s) + lease_s;
            let kept = sql
                .prepare_cached(
                    "UPDATE job SET lease_until_s = ?3, state = ?4, state_until_s = ?5
                     WHERE id = ?1 AND attempt = ?2 AND state IN ('preparing', 'running')",
                )?
                .execute(params![id, claimed.attempt, lease, state.word(), until_s])?;
            fenced(claimed, kept)?;
            if before != state.word() {
                note(sql, &id, now_s, state.word())?;
            }
            Ok(())
        })
    }

    /// Whether a job is still of this attempt, and not taken from it: by a stop for instance, or a deletion after one.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn is_ours(&self, claimed: &Claimed) -> Result<bool> {
        let query = "SELECT 1 FROM job WHERE id = ?1 AND attempt = ?2 AND state NOT IN ('queued', 'quarantined', 'aborted')";
        Ok(self.lock().prepare_cached(query)?.exists(params![claimed.id.to_string(), claimed.attempt])?)
    }

    /// The commit point: state, outcome, receipt, outputs and the owed transactions, or nothing of it. On disk when somebody is
    /// told of it, or at a [`Store::flush`].
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when another worker has the job; then nothing is written.
    pub fn commit_job(&self, claimed: &Claimed, commit: &Commit, now_s: u64) -> Result<()> {
        self.commit_and_claim(claimed, commit, None, now_s).map(drop)
    }

    /// As [`Store::commit_job`], and claims the next job, if there is one, for a worker that has a place for it.
    ///
    /// # Errors
    /// The same.
    pub fn commit_and_claim(
        &self,
        claimed: &Claimed,
        commit: &Commit,
        place: Option<Lease>,
        now_s: u64,
    ) -> Result<Option<Claimed>> {
        let id = claimed.id.to_string();
        let (place, mut taken) = (place.map(|lease| self.offers.named(&lease)), None);
        let committed = self.write_before_told("commit", |sql| {
            let committed = sql
                .prepare_cached(
                    "UPDATE job SET state = ?3, end = ?4, outcome = ?5, receipt_hash = ?6, receipt = ?7,
                            lease_owner = NULL, lease_until_s = NULL, problem = NULL, state_until_s = start_by_s
                     WHERE id = ?1 AND attempt = ?2 AND state IN ('preparing', 'running')",
                )?
                .execute(params![
                    id,
                    claimed.attempt,
                    State::Publishing.word(),
                    commit.end.word(),
                    to_json(&commit.outcome),
                    commit.receipt_hash.as_slice(),
                    commit.receipt
                ])?;
            fenced(claimed, committed)?;
            for output in &commit.outputs {
                insert_output(sql, &id, output)?;
            }
            for step in [Step::Register, Step::Grant, Step::Release] {
                outbox::add(sql, claimed.id.agreement, Some(claimed.id), step)?;
            }
            log::append_receipt(sql, &claimed.order.spec, commit.receipt_hash, commit.attested, now_s)?;
            let text = format!("{}; receipt {}; publishing", commit.outcome.text(), commit.receipt_hash);
            note(sql, &id, now_s, &text)?;
            if let Some(lease) = &place {
                taken = claims::take_besides(sql, self, lease, now_s)?;
            }
            Ok(())
        });
        self.keep_if(committed, place.zip(taken.as_ref()), now_s)?;
        Ok(taken)
    }

    /// Hands back what was claimed in a transaction that is said to have failed, in case it was done all the same. Where it was
    /// not, the next claim has the same attempt, but another name.
    pub(super) fn keep_if(
        &self,
        done: Result<()>,
        taken: Option<(Lease, &Claimed)>,
        now_s: u64,
    ) -> Result<()> {
        if let (Err(_), Some((lease, claimed))) = (&done, taken)
            && self.is_held_by(claimed.id, &lease.owner)
        {
            // Where nothing can be written the lease runs out.
            let _ = self.give_up(claimed, &GivenUp::HandedBack, now_s);
        }
        done
    }

    fn is_held_by(&self, id: JobId, owner: &str) -> bool {
        let held = self
            .lock()
            .prepare_cached("SELECT 1 FROM job WHERE id = ?1 AND lease_owner = ?2")
            .and_then(|mut held| held.exists([id.to_string().as_str(), owner]));
        held.unwrap_or(false)
    }

    /// The worker lets go of a job without a claim. Returns the state it is in now: queued again, or aborted.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub fn give_up(&self, claimed: &Claimed, why: &GivenUp, now_s: u64) -> Result<State> {
        let id = claimed.id.to_string();
        self.write(|sql| {
            let failures: u32 = sql
                .prepare_cached(
                    "SELECT failures FROM job WHERE id = ?1 AND attempt = ?2 AND state IN ('preparing', 'running')",
                )?
                .query_row(params![id, claimed.attempt], |row| row.get(0))
                .optional()?
                .ok_or_else(|| Error::LeaseLost(id.clone()))?;
            let (failures, end, problem) = match why {
                GivenUp::HandedBack => (failures, None, SHUT_DOWN),
                GivenUp::Away(problem) => (failures, None, problem.as_str()),
                GivenUp::Failed(problem) if failures + 1 >= self.rules().failures_max => {
                    (failures + 1, Some(End::HostFailed), problem.as_str())
                }
                GivenUp::Failed(problem) => (failures + 1, None, problem.as_str()),
                GivenUp::Ended(end, problem) => (failures, Some(*end), problem.as_str()),
            };
            if let Some(end) = end {
                overdue::abort(sql, &id, &claimed.order.spec, end, problem, now_s)?;
                return Ok(State::Aborted);
            }
            let rest_s = match why {
                GivenUp::HandedBack => 0,
                GivenUp::Away(_) => AWAY_REST_S,
                _ => QueueRules::rest_s(failures),
            };
            sql.execute(
                "UPDATE job SET state = ?2, problem = ?3, failures = ?4, not_before_s = ?5, lease_owner = NULL,
                        lease_until_s = NULL, state_until_s = NULL
                 WHERE id = ?1",
                params![id, State::Queued.word(), problem, failures, now_s + rest_s],
            )?;
            note(sql, &id, now_s, NOT_NOW)?;
            Ok(State::Queued)
        })
    }

    /// Hands back every job that is still worked on, for the end of a provider: work that does not listen then is left alone,
    /// commits nothing, and counts for nothing. Returns how many there were.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn hand_back_all(&self, now_s: u64) -> Result<u64> {
        self.write(|sql| {
            let mut handed_back = sql.prepare_cached(
                "UPDATE job SET state = ?1, problem = ?2, not_before_s = ?3, lease_owner = NULL, lease_until_s = NULL,
                        state_until_s = NULL
                 WHERE state IN ('preparing', 'running') RETURNING id",
            )?;
            let ids = handed_back
                .query_map(params![State::Queued.word(), SHUT_DOWN, now_s], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()?;
            ids.iter().try_for_each(|id| note(sql, id, now_s, NOT_NOW))?;
            Ok(ids.len() as u64)
        })
    }

    /// Ends every lease, for the start of a provider: whoever had them is no longer alive. Returns how many there were.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn release_leases(&self, now_s: u64) -> Result<u64> {
        self.write(|sql| {
            let changed = sql.execute(
                "UPDATE job SET lease_until_s = 0 WHERE state IN ('preparing', 'running') AND lease_until_s >= ?1",
                [now_s],
            )?;
            Ok(changed as u64)
        })
    }

    /// The chain shows the payment released, in `block`. Returns whether that was news: done twice after a crash in between, or
    /// looked at again after a reorganisation, it is told once.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn settle_job(&self, id: JobId, sums: [U256; 2], block: u64, now_s: u64) -> Result<bool> {
        let [paid, refunded] = sums.map(|sum| sum.to_string());
        let id = id.to_string();
        self.write_at("settle", |sql| {
            let settled = sql.execute(
                "UPDATE job SET state = ?2, paid = ?3, refunded = ?4, problem = NULL, ended_s = ?5
                 WHERE id = ?1 AND state = 'publishing'",
                params![id, State::Settled.word(), paid, refunded, now_s],
            )?;
            // Where it is now: in another block than before a reorganisation.
            sql.execute("UPDATE job SET settled_block = ?2 WHERE id = ?1", params![id, block])?;
            if settled > 0 {
                note(sql, &id, now_s, &format!("settled: {paid} paid, {refunded} refunded"))?;
            }
            Ok(settled > 0)
        })
    }
}

/// The chain refuses what is still owed under an agreement for good: none of its jobs that wait for that is settled, also not
/// one that was until a reorganisation.
pub(super) fn unsettle(sql: &Connection, agreement: AgreementId, problem: &str, now_s: u64) -> Result<()> {
    let mut unsettled = sql.prepare_cached(
        "UPDATE job SET state = ?2, problem = ?3, ended_s = ?4, paid = NULL, refunded = NULL, settled_block = NULL
         WHERE state IN ('publishing', 'settled')
           AND id IN (SELECT job FROM outbox WHERE agreement = ?1 AND state = 'waiting') RETURNING id",
    )?;
    let ids = unsettled
        .query_map(params![agreement.to_string(), State::Unsettled.word(), problem, now_s], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    ids.iter().try_for_each(|id| note(sql, id, now_s, &format!("not settled: {problem}")))
}

fn fenced(claimed: &Claimed, changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Error::LeaseLost(claimed.id.to_string())) }
}

/// A line of a job's history.
pub(super) fn note(sql: &Connection, job: &str, now_s: u64, text: &str) -> Result<()> {
    sql.prepare_cached("INSERT INTO history (job, at_s, text) VALUES (?1, ?2, ?3)")?
        .execute(params![job, now_s, text])?;
    Ok(())
}

fn insert_output(sql: &Connection, job: &str, output: &OutputRow) -> Result<()> {
    let kind = to_json(&output.kind);
    sql.prepare_cached(
        "INSERT INTO output (job, kind, path, size, digest, withheld) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        job,
        kind.trim_matches('"'),
        output.path,
        output.size,
        output.digest.as_slice(),
        output.withheld
    ])?;
    Ok(())
}
