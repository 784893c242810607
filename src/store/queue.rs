//! The queue with its leases, and the commit point.

use alloy_primitives::U256;
use brizo_receipt::log::Event;
use brizo_receipt::{JobSpec, Key, Signature};
use rusqlite::{OptionalExtension, Transaction, params};

use super::row::{Place, to_json};
use super::{Claimed, Commit, Error, NewJob, OutputRow, Result, Step, Store, exists, log, outbox};
use crate::ids::{AgreementId, JobId};
use crate::job::{End, State};

/// Id, spec, signature, run key, invocation and attempt of a job that was claimed.
type ClaimedColumns = (String, String, Vec<u8>, Vec<u8>, String, u32);

/// Attempts after which a job that never reached its commit is given up: it may be what kills the process.
const ATTEMPTS_MAX: u32 = 10;

impl Store {
    /// Records an admitted job, and logs the decision about it, in words that stay here.
    ///
    /// # Errors
    /// [`Error::Exists`] when the run was ordered before.
    pub fn insert_job(&self, job: &NewJob, decision: &str, now_s: u64) -> Result<JobId> {
        let id = JobId { agreement: AgreementId(job.spec.agreement_id), run_index: job.spec.run_index };
        self.write(|sql| {
            sql.execute(
                "INSERT INTO job (id, agreement, run_index, state, spec, spec_signature, run_key, invocation, created_s)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    id.to_string(),
                    id.agreement.to_string(),
                    id.run_index,
                    State::Queued.word(),
                    to_json(&job.spec),
                    job.signature.0.as_slice(),
                    job.run_key.bytes().as_slice(),
                    to_json(&job.invocation),
                    now_s
                ],
            )
            .map_err(exists("this job"))?;
            log::append_about(sql, &job.spec, Event::Permitted, decision, None, now_s)?;
            note(sql, id, now_s, "admitted; waits for a worker")
        })?;
        Ok(id)
    }

    /// Takes the oldest job that waits, or whose worker's lease has run out, under a lease of our own.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn claim_job(&self, owner: &str, now_s: u64, lease_s: u64) -> Result<Option<Claimed>> {
        self.write(|sql| {
            give_up_on_poison(sql, now_s)?;
            let found: Option<ClaimedColumns> = sql
                .query_row(
                    "UPDATE job SET state = ?1, lease_owner = ?2, lease_until_s = ?3, attempt = attempt + 1
                     WHERE id = (SELECT id FROM job
                                 WHERE state = ?4 OR (state IN (?1, ?5) AND lease_until_s < ?6)
                                 ORDER BY created_s, id LIMIT 1)
                     RETURNING id, spec, spec_signature, run_key, invocation, attempt",
                    params![
                        State::Preparing.word(),
                        owner,
                        now_s + lease_s,
                        State::Queued.word(),
                        State::Running.word(),
                        now_s
                    ],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
                )
                .optional()?;
            let Some((id, spec, signature, key, invocation, attempt)) = found else { return Ok(None) };
            let place = Place { table: "job", row: &id };
            let order = NewJob {
                spec: place.json("spec", &spec)?,
                signature: Signature(place.array("spec_signature", &signature)?),
                run_key: Key::new(place.array("run_key", &key)?),
                invocation: place.json("invocation", &invocation)?,
            };
            let id = place.parse("id", &id)?;
            note(sql, id, now_s, &format!("preparing, attempt {attempt}"))?;
            Ok(Some(Claimed { id, order, attempt }))
        })
    }

    /// Extends a lease, and moves the job on if `state` says so.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when another worker has the job.
    pub fn keep_lease(&self, claimed: &Claimed, state: State, now_s: u64, lease_s: u64) -> Result<()> {
        self.write(|sql| {
            let (before, attempt): (String, u32) = sql.query_row(
                "SELECT state, attempt FROM job WHERE id = ?1",
                [claimed.id.to_string()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            // A heartbeat that comes after our own commit finds nothing to keep and nothing lost.
            if attempt == claimed.attempt && State::from_word(&before).is_some_and(State::has_claim) {
                return Ok(());
            }
            let kept = sql.execute(
                "UPDATE job SET lease_until_s = ?3, state = ?4
                 WHERE id = ?1 AND attempt = ?2 AND state IN ('preparing', 'running')",
                params![claimed.id.to_string(), claimed.attempt, now_s + lease_s, state.word()],
            )?;
            fenced(claimed, kept)?;
            if before != state.word() {
                note(sql, claimed.id, now_s, state.word())?;
            }
            Ok(())
        })
    }

    /// The commit point: state, outcome, receipt, outputs and the owed transactions, or nothing of it.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when another worker has the job; then nothing is written.
    pub fn commit_job(&self, claimed: &Claimed, commit: &Commit, now_s: u64) -> Result<()> {
        self.write(|sql| {
            let committed = sql.execute(
                "UPDATE job SET state = ?3, end = ?4, outcome = ?5, receipt_hash = ?6, receipt = ?7,
                        lease_owner = NULL, lease_until_s = NULL
                 WHERE id = ?1 AND attempt = ?2 AND state IN ('preparing', 'running')",
                params![
                    claimed.id.to_string(),
                    claimed.attempt,
                    State::Publishing.word(),
                    commit.end.word(),
                    to_json(&commit.outcome),
                    commit.receipt_hash.as_slice(),
                    commit.receipt
                ],
            )?;
            fenced(claimed, committed)?;
            for output in &commit.outputs {
                insert_output(sql, claimed.id, output)?;
            }
            for step in [Step::Register, Step::Grant, Step::Release] {
                outbox::add(sql, claimed.id.agreement, Some(claimed.id), step)?;
            }
            log::append_receipt(sql, &claimed.order.spec, commit.receipt_hash, commit.attested, now_s)?;
            let text = format!("{}; receipt {}; publishing", commit.outcome.text(), commit.receipt_hash);
            note(sql, claimed.id, now_s, &text)
        })
    }

    /// The host could not run it: back to the queue, or to its end when `final_end` is given.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub fn give_up(
        &self,
        claimed: &Claimed,
        final_end: Option<End>,
        problem: &str,
        now_s: u64,
    ) -> Result<()> {
        let state = if final_end.is_some() { State::Aborted } else { State::Queued };
        self.write(|sql| {
            let changed = sql.execute(
                "UPDATE job SET state = ?3, end = ?4, problem = ?5, lease_owner = NULL, lease_until_s = NULL
                 WHERE id = ?1 AND attempt = ?2 AND state IN ('preparing', 'running')",
                params![
                    claimed.id.to_string(),
                    claimed.attempt,
                    state.word(),
                    final_end.map(End::word),
                    problem
                ],
            )?;
            fenced(claimed, changed)?;
            if let Some(end) = final_end {
                let event = end.log_event();
                log::append_about(sql, &claimed.order.spec, event, end.explanation(), None, now_s)?;
            }
            // The history is for the consumer; what went wrong inside stays in the row and in the log.
            let text = match final_end {
                Some(end) => format!("{}: {}", state.word(), end.explanation()),
                None => "the provider could not run it now; it waits for another try".to_string(),
            };
            note(sql, claimed.id, now_s, &text)
        })
    }

    /// Gives back every job of an owner that is no longer alive; for the start of a provider.
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

    /// The chain shows the payment released.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn settle_job(&self, id: JobId, paid: U256, refunded: U256, now_s: u64) -> Result<()> {
        self.write(|sql| {
            sql.execute(
                "UPDATE job SET state = ?2, paid = ?3, refunded = ?4 WHERE id = ?1 AND state = 'publishing'",
                params![id.to_string(), State::Settled.word(), paid.to_string(), refunded.to_string()],
            )?;
            note(sql, id, now_s, &format!("settled: {paid} paid, {refunded} refunded"))
        })
    }

    /// The chain refuses the settlement for good.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn unsettle_job(&self, id: JobId, problem: &str, now_s: u64) -> Result<()> {
        self.write(|sql| {
            sql.execute(
                "UPDATE job SET state = ?2, problem = ?3 WHERE id = ?1 AND state = 'publishing'",
                params![id.to_string(), State::Unsettled.word(), problem],
            )?;
            note(sql, id, now_s, &format!("not settled: {problem}"))
        })
    }
}

/// Ends jobs that were taken up too often without an end of their own.
fn give_up_on_poison(sql: &Transaction<'_>, now_s: u64) -> Result<()> {
    let problem = format!("the provider ended {ATTEMPTS_MAX} times while it worked on this job");
    let mut statement = sql.prepare(
        "UPDATE job SET state = ?1, end = ?2, problem = ?3, lease_owner = NULL, lease_until_s = NULL
         WHERE state IN ('preparing', 'running') AND lease_until_s < ?4 AND attempt >= ?5 RETURNING id, spec",
    )?;
    let end = End::HostFailed;
    let ended = statement
        .query_map(params![State::Aborted.word(), end.word(), problem, now_s, ATTEMPTS_MAX], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (id, spec) in ended {
        let place = Place { table: "job", row: &id };
        let spec: JobSpec = place.json("spec", &spec)?;
        log::append_about(sql, &spec, end.log_event(), end.explanation(), None, now_s)?;
        let text = format!("{}: {}", State::Aborted.word(), end.explanation());
        note(sql, place.parse("id", &id)?, now_s, &text)?;
    }
    Ok(())
}

fn fenced(claimed: &Claimed, changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Error::LeaseLost(claimed.id.to_string())) }
}

fn note(sql: &Transaction<'_>, id: JobId, now_s: u64, text: &str) -> Result<()> {
    sql.execute(
        "INSERT INTO history (job, at_s, text) VALUES (?1, ?2, ?3)",
        params![id.to_string(), now_s, text],
    )?;
    Ok(())
}

fn insert_output(sql: &Transaction<'_>, job: JobId, output: &OutputRow) -> Result<()> {
    let kind = to_json(&output.kind);
    sql.execute(
        "INSERT INTO output (job, kind, path, size, digest, withheld) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            job.to_string(),
            kind.trim_matches('"'),
            output.path,
            output.size,
            output.digest.as_slice(),
            output.withheld
        ],
    )?;
    Ok(())
}
