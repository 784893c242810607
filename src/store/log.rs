//! The log's rows: what is appended to the transparency log, in the same transaction as what it says. An entry that is
//! here is in the log for good; tiles and checkpoints follow from the rows.

use brizo_receipt::log::{ENTRY_BYTES, Entry, Event, detail};
use brizo_receipt::{Address, B256, JobSpec};
use rusqlite::{Connection, Row, params};

use super::parties::is_auditor;
use super::row::{Place, one};
use super::{Error, Result, Store, exists};
use crate::ids::{AgreementId, JobId};

/// Refused orders that are logged for one run; a consumer could otherwise fill the log by changing one number at a time.
const REFUSALS_MAX: u64 = 16;

/// Verdicts about one run that strangers can log, and as many that its consumer hands on, and its publisher. Keys of auditors cost
/// nothing, entries of a log stay.
const VERDICTS_MAX: u64 = 32;

/// Verdicts about one run by those who have paid for a run here. Their number is what others have paid for, so that nobody fills
/// these places with keys alone.
const VERDICTS_OF_PAYERS_MAX: u64 = 256;

/// Verdicts of one auditor about one run: who was wrong can say so.
const VERDICTS_OF_ONE_MAX: u64 = 4;

/// How a verdict comes to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// Its auditor is the job's consumer or publisher.
    Party,
    /// Its auditor, who is none of these, sends it.
    Auditor,
    /// The job's consumer hands it on.
    Consumer,
    /// The publisher hands it on.
    Publisher,
}

/// What became of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictAnswer {
    /// It is in the log now.
    Logged,
    /// The log has this very one.
    Known,
    /// The log has enough of them.
    TooMany,
}

/// An auditor's verdict that was checked.
#[derive(Debug, Clone)]
pub struct LoggedVerdict {
    /// The receipt it is about.
    pub claim_hash: B256,
    /// Who states it.
    pub auditor: Address,
    /// The digest that the auditor signed.
    pub digest: B256,
    /// Whether it confirms the receipt.
    pub confirms: bool,
    /// The document.
    pub text: String,
}

impl Store {
    /// Number of entries.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn log_size(&self) -> Result<u64> {
        Ok(size(&self.lock())?)
    }

    /// Entries from a position on, `limit` at most.
    ///
    /// # Errors
    /// Of SQLite, or of a damaged row or a gap.
    pub fn log_entries(&self, from: u64, limit: u64) -> Result<Vec<[u8; ENTRY_BYTES]>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT seq, entry FROM log_entry WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?;
        let mut rows = statement.query(params![from, limit])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let (seq, expected) = (row.get::<_, u64>(0)?, from + entries.len() as u64);
            let text = expected.to_string();
            let place = Place { table: "log_entry", row: &text };
            place.some("seq", (seq == expected).then_some(()))?;
            entries.push(place.array("entry", row.get_ref(1)?.as_blob().unwrap_or_default())?);
        }
        Ok(entries)
    }

    /// Where a job's receipt stands in the log, and when it was logged (seconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn log_position(&self, id: JobId) -> Result<Option<(u64, u64)>> {
        let query = "SELECT seq, entry FROM log_entry WHERE once = ?1";
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found: Option<(u64, Vec<u8>)> = one(&self.lock(), query, [receipt_once(id)], columns)?;
        let Some((seq, bytes)) = found else { return Ok(None) };
        let text = seq.to_string();
        let entry = Place { table: "log_entry", row: &text }.some("entry", Entry::parse(&bytes).ok())?;
        Ok(Some((seq, entry.logged_at)))
    }

    /// Logs that an order was refused; at most once for the same spec, and a few times for one run.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn log_refusal(&self, spec: &JobSpec, why: &str, now_s: u64) -> Result<()> {
        let (id, hash) = (job_of(spec), spec.hash());
        self.write(|sql| {
            if count_of(sql, id, "refused/*")? < REFUSALS_MAX {
                let once = format!("refused/{id}/{hash}");
                append_about(sql, spec, Event::Refused, why, Some(once), now_s)?;
            }
            Ok(())
        })
    }

    /// Logs an auditor's verdict, once, and a few that differ of the same auditor. Consumer, publisher and the auditors whom the order
    /// names have places of their own. Who has paid for a run here, strangers, and what each party hands on have so many, so
    /// that none takes the other's.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn log_verdict(
        &self,
        id: JobId,
        verdict: &LoggedVerdict,
        bearer: Bearer,
        now_s: u64,
    ) -> Result<VerdictAnswer> {
        let entry = Entry {
            event: if verdict.confirms { Event::Confirmed } else { Event::Disputed },
            run_index: id.run_index,
            logged_at: now_s,
            agreement_id: id.agreement.0,
            subject: verdict.claim_hash,
            statement: verdict.digest,
        };
        let theirs = format!("{}/{}", verdict.claim_hash, verdict.auditor);
        self.write(|sql| {
            let logged = verdicts_of(sql, id, &theirs)?;
            if logged.iter().any(|logged| logged.statement == verdict.digest) {
                return Ok(VerdictAnswer::Known);
            }
            let (place, most) = place_of(sql, id, verdict.auditor, bearer)?;
            let taken = count_of(sql, id, &format!("{place}/*"))?;
            if logged.len() as u64 >= VERDICTS_OF_ONE_MAX || most.is_some_and(|most| taken >= most) {
                return Ok(VerdictAnswer::TooMany);
            }
            let once = format!("{place}/{theirs}/{}", verdict.digest);
            insert(sql, &entry, Some(id), Some(&once), None, Some(&verdict.text))?;
            Ok(VerdictAnswer::Logged)
        })
    }
}

/// Among whose places an auditor's verdict counts, and how many there are; without a number there are as many as there are of
/// such auditors.
fn place_of(
    sql: &Connection,
    id: JobId,
    auditor: Address,
    bearer: Bearer,
) -> Result<(&'static str, Option<u64>)> {
    if bearer == Bearer::Party {
        return Ok(("party", None));
    }
    if is_auditor(sql, id, auditor)? {
        return Ok(("named", None));
    }
    if has_paid(sql, auditor)? {
        return Ok(("paid", Some(VERDICTS_OF_PAYERS_MAX)));
    }
    Ok(match bearer {
        Bearer::Party | Bearer::Auditor => ("verdict", Some(VERDICTS_MAX)),
        Bearer::Consumer => ("handed", Some(VERDICTS_MAX)),
        Bearer::Publisher => ("vouched", Some(VERDICTS_MAX)),
    })
}

/// Whether somebody has paid for a run that the store still knows.
fn has_paid(sql: &Connection, who: Address) -> Result<bool> {
    let mut statement = sql.prepare_cached(
        "SELECT 1 FROM job WHERE ordered_by = ?1 AND state = 'settled' AND paid IS NOT NULL AND paid != '0'",
    )?;
    Ok(statement.exists([who.to_string()])?)
}

/// The verdicts of one auditor about one receipt, given as they stand in `once`.
fn verdicts_of(sql: &Connection, id: JobId, theirs: &str) -> Result<Vec<Entry>> {
    let mut statement =
        sql.prepare_cached("SELECT seq, entry FROM log_entry WHERE job = ?1 AND once GLOB ?2")?;
    let mut rows = statement.query([id.to_string(), format!("*/{theirs}*")])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, u64>(0)?.to_string();
        let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
        entries.push(Place { table: "log_entry", row: &seq }.some("entry", Entry::parse(bytes).ok())?);
    }
    Ok(entries)
}

/// The entry of a receipt. A second one for the same run is refused.
pub(super) fn append_receipt(
    sql: &Connection,
    spec: &JobSpec,
    claim_hash: B256,
    attested: B256,
    now_s: u64,
) -> Result<()> {
    let (id, entry) = (
        job_of(spec),
        Entry {
            event: Event::Receipt,
            run_index: spec.run_index,
            logged_at: now_s,
            agreement_id: spec.agreement_id,
            subject: claim_hash,
            statement: attested,
        },
    );
    match insert(sql, &entry, Some(id), Some(&receipt_once(id)), None, None)? {
        true => Ok(()),
        false => Err(Error::Exists("the receipt's entry in the log")),
    }
}

/// An entry about an order, with a text that stays here.
pub(super) fn append_about(
    sql: &Connection,
    spec: &JobSpec,
    event: Event,
    text: &str,
    once: Option<String>,
    now_s: u64,
) -> Result<()> {
    let mut nonce = [0u8; 32];
    getrandom::fill(&mut nonce).map_err(|e| Error::Random(e.to_string()))?;
    let entry = Entry {
        event,
        run_index: spec.run_index,
        logged_at: now_s,
        agreement_id: spec.agreement_id,
        subject: spec.hash(),
        statement: detail(&nonce, text),
    };
    insert(sql, &entry, Some(job_of(spec)), once.as_deref(), Some(&nonce), Some(text)).map(drop)
}

/// Appends at the end. Returns false, and appends nothing, when `once` is there already.
fn insert(
    sql: &Connection,
    entry: &Entry,
    job: Option<JobId>,
    once: Option<&str>,
    nonce: Option<&[u8; 32]>,
    detail: Option<&str>,
) -> Result<bool> {
    if once.map(|once| is_there(sql, once)).transpose()?.unwrap_or(false) {
        return Ok(false);
    }
    sql.prepare_cached(
        "INSERT INTO log_entry (seq, entry, once, job, nonce, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        size(sql)?,
        entry.to_bytes().as_slice(),
        once,
        job.map(|job| job.to_string()),
        nonce.map(<[u8; 32]>::as_slice),
        detail
    ])
    .map_err(exists("this entry of the log"))?;
    Ok(true)
}

fn size(sql: &Connection) -> rusqlite::Result<u64> {
    sql.prepare_cached("SELECT coalesce(max(seq) + 1, 0) FROM log_entry")?.query_row([], |row| row.get(0))
}

fn is_there(sql: &Connection, once: &str) -> Result<bool> {
    let mut statement = sql.prepare_cached("SELECT 1 FROM log_entry WHERE once = ?1")?;
    Ok(statement.exists([once])?)
}

fn count_of(sql: &Connection, id: JobId, once: &str) -> Result<u64> {
    let mut statement =
        sql.prepare_cached("SELECT count(*) FROM log_entry WHERE job = ?1 AND once GLOB ?2")?;
    Ok(statement.query_row([id.to_string(), once.to_string()], |row| row.get(0))?)
}

fn receipt_once(id: JobId) -> String {
    format!("receipt/{id}")
}

fn job_of(spec: &JobSpec) -> JobId {
    JobId { agreement: AgreementId(spec.agreement_id), run_index: spec.run_index }
}
