//! Jobs: their rows, and what is told about them. The queue is in `queue`.

use alloy_primitives::U256;
use brizo_receipt::{Address, B256, EntryKind, Invocation, JobSpec, Key, Outcome, Signature};
use rusqlite::Row;

use super::row::{Place, one};
use super::{Result, Store};
use crate::ids::JobId;
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
    /// The digest that the provider signed: what the log states about the receipt.
    pub attested: B256,
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

pub(super) const SELECT: &str =
    "SELECT job.id, consumer, state, end, problem, spec, spec_signature, receipt_hash, outcome, paid,
    refunded, job.created_s FROM job JOIN agreement ON agreement.id = job.agreement";

#[derive(Debug)]
pub(super) struct Columns {
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

pub(super) fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
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

pub(super) fn read(columns: Columns) -> Result<JobRow> {
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
    /// A job; not found is no error.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn job(&self, id: JobId) -> Result<Option<JobRow>> {
        let query = format!("{SELECT} WHERE job.id = ?1");
        // Others need the connection meanwhile.
        let found = one(&self.lock(), &query, [id.to_string()], columns)?;
        found.map(read).transpose()
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
        let query = "SELECT receipt FROM job WHERE id = ?1";
        let found: Option<Option<String>> = one(&self.lock(), query, [id.to_string()], |row| row.get(0))?;
        Ok(found.flatten())
    }

    /// A job's outputs, in manifest order.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn outputs(&self, id: JobId) -> Result<Vec<OutputRow>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
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
            connection.prepare_cached("SELECT at_s, text FROM history WHERE job = ?1 ORDER BY id")?;
        let rows = statement
            .query_map([id.to_string()], |row| Ok(Event { at_s: row.get(0)?, text: row.get(1)? }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
