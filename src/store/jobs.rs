//! Jobs: the queue with its leases, the commit point, and what is told about a job.

use alloy_primitives::U256;
use brizo_receipt::{Address, B256, EntryKind, Invocation, JobSpec, Key, Outcome, Signature};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::row::{Place, to_json};
use super::{Error, Result, Step, Store, exists, outbox};
use crate::ids::{AgreementId, JobId};
use crate::job::{End, State};

/// A job that was admitted.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What is ordered.
    pub spec: JobSpec,
    /// The consumer's signature over the order.
    pub signature: Signature,
    /// The consumer's run key.
    pub run_key: Key,
    /// What the guest is started with.
    pub invocation: Invocation,
}

/// A job that a worker holds under a lease.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: JobId,
    /// The order.
    pub order: NewJob,
    /// Which attempt this is, from 1; fences out workers whose lease has run out.
    pub attempt: u32,
}

/// A job as it is told to those who may know.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// The consumer.
    pub consumer: Address,
    /// Where it is.
    pub state: State,
    /// How it ended.
    pub end: Option<End>,
    /// What went wrong on our side.
    pub problem: Option<String>,
    /// What was ordered.
    pub spec: JobSpec,
    /// The consumer's signature over the order.
    pub signature: Signature,
    /// The receipt hash, once there is a claim.
    pub receipt_hash: Option<B256>,
    /// What happened, once there is a claim.
    pub outcome: Option<Outcome>,
    /// Sum paid to the publisher, once settled.
    pub paid: Option<U256>,
    /// Sum paid back to the consumer, once settled.
    pub refunded: Option<U256>,
    /// When it was admitted, in seconds since 1970-01-01 UTC.
    pub created_s: u64,
}

/// An output of a run.
#[derive(Debug, Clone)]
pub struct OutputRow {
    /// What it is.
    pub kind: EntryKind,
    /// Its path or the stream's name.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of the content.
    pub digest: B256,
    /// Why it stays with the publisher, as JSON; `None` when it may leave.
    pub withheld: Option<String>,
}

/// Everything that the commit point writes, in one transaction.
#[derive(Debug, Clone)]
pub struct Commit {
    /// What happened.
    pub outcome: Outcome,
    /// How it ended.
    pub end: End,
    /// The receipt hash.
    pub receipt_hash: B256,
    /// The receipt document.
    pub receipt: String,
    /// The outputs, whose bytes are already in the blob store.
    pub outputs: Vec<OutputRow>,
}

/// A line of a job's history.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Event {
    /// When, in seconds since 1970-01-01 UTC.
    pub at_s: u64,
    /// What happened.
    pub text: String,
}

const SELECT: &str =
    "SELECT job.id, consumer, state, end, problem, spec, spec_signature, receipt_hash, outcome, paid,
    refunded, job.created_s FROM job JOIN agreement ON agreement.id = job.agreement";

#[derive(Debug)]
struct Columns {
    id: String,
    consumer: String,
    state: String,
    end: Option<String>,
    problem: Option<String>,
    spec: String,
    signature: Vec<u8>,
    receipt_hash: Option<Vec<u8>>,
    outcome: Option<String>,
    paid: Option<String>,
    refunded: Option<String>,
    created_s: u64,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        id: row.get(0)?,
        consumer: row.get(1)?,
        state: row.get(2)?,
        end: row.get(3)?,
        problem: row.get(4)?,
        spec: row.get(5)?,
        signature: row.get(6)?,
        receipt_hash: row.get(7)?,
        outcome: row.get(8)?,
        paid: row.get(9)?,
        refunded: row.get(10)?,
        created_s: row.get(11)?,
    })
}

fn read(columns: Columns) -> Result<JobRow> {
    let place = Place { table: "job", row: &columns.id };
    let end = columns.end.map(|word| place.some("end", End::from_word(&word))).transpose()?;
    let hash = columns.receipt_hash.map(|bytes| place.digest("receipt_hash", &bytes)).transpose()?;
    let sum = |column, text: Option<String>| text.map(|text| place.parse::<U256>(column, &text)).transpose();
    Ok(JobRow {
        consumer: place.parse("consumer", &columns.consumer)?,
        state: place.some("state", State::from_word(&columns.state))?,
        end,
        problem: columns.problem,
        spec: place.json("spec", &columns.spec)?,
        signature: Signature(place.array("spec_signature", &columns.signature)?),
        receipt_hash: hash,
        outcome: columns.outcome.map(|text| place.json("outcome", &text)).transpose()?,
        paid: sum("paid", columns.paid)?,
        refunded: sum("refunded", columns.refunded)?,
        created_s: columns.created_s,
        id: place.parse("id", &columns.id)?,
    })
}

impl Store {
    /// Records an admitted job.
    ///
    /// # Errors
    /// [`Error::Exists`] when the run was ordered before.
    pub fn insert_job(&self, job: &NewJob, now_s: u64) -> Result<JobId> {
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
            let found: Option<(String, String, Vec<u8>, Vec<u8>, String, u32)> = sql
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
            let before: Option<String> = sql
                .query_row("SELECT state FROM job WHERE id = ?1", [claimed.id.to_string()], |row| row.get(0))
                .optional()?;
            let kept = sql.execute(
                "UPDATE job SET lease_until_s = ?3, state = ?4
                 WHERE id = ?1 AND attempt = ?2 AND state IN ('preparing', 'running')",
                params![claimed.id.to_string(), claimed.attempt, now_s + lease_s, state.word()],
            )?;
            fenced(claimed, kept)?;
            if before.as_deref() != Some(state.word()) {
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
                 WHERE id = ?1 AND attempt = ?2 AND state = 'running'",
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
            note(sql, claimed.id, now_s, &format!("{}: {problem}", state.word()))
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

    /// A job; not found is no error.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn job(&self, id: JobId) -> Result<Option<JobRow>> {
        let query = format!("{SELECT} WHERE job.id = ?1");
        self.lock().query_row(&query, [id.to_string()], columns).optional()?.map(read).transpose()
    }

    /// A consumer's jobs, newest first.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn jobs_of(&self, consumer: Address) -> Result<Vec<JobRow>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare(&format!("{SELECT} WHERE consumer = ?1 ORDER BY job.created_s DESC, job.id"))?;
        let rows =
            statement.query_map([consumer.to_string()], columns)?.collect::<rusqlite::Result<Vec<_>>>()?;
        rows.into_iter().map(read).collect()
    }

    /// A job's receipt document.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn receipt(&self, id: JobId) -> Result<Option<String>> {
        let found: Option<Option<String>> = self
            .lock()
            .query_row("SELECT receipt FROM job WHERE id = ?1", [id.to_string()], |row| row.get(0))
            .optional()?;
        Ok(found.flatten())
    }

    /// A job's outputs, in manifest order.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn outputs(&self, id: JobId) -> Result<Vec<OutputRow>> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT kind, path, size, digest, withheld FROM output WHERE job = ?1 ORDER BY kind, path",
        )?;
        let row_id = id.to_string();
        let place = Place { table: "output", row: &row_id };
        let rows = statement
            .query_map([&row_id], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get::<_, Vec<u8>>(3)?,
                    row.get(4)?,
                ))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let read = |(kind, path, size, digest, withheld): (String, String, u64, Vec<u8>, Option<String>)| {
            Ok(OutputRow {
                kind: place.json("kind", &format!("{kind:?}"))?,
                digest: place.digest("digest", &digest)?,
                path,
                size,
                withheld,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// What happened to a job, oldest first.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn history(&self, id: JobId) -> Result<Vec<Event>> {
        let connection = self.lock();
        let mut statement =
            connection.prepare("SELECT at_s, text FROM history WHERE job = ?1 ORDER BY id")?;
        let rows = statement
            .query_map([id.to_string()], |row| Ok(Event { at_s: row.get(0)?, text: row.get(1)? }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
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
