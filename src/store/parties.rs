//! Who besides its consumer a job is shown to, and the pages of the list that everybody sees of their own.

use brizo_receipt::Address;
use rusqlite::{Connection, params};

use super::jobs::{SELECT, columns, read};
use super::row::{Place, one};
use super::{JobRow, Result, Store};
use crate::ids::JobId;
use crate::job::Role;

/// Where a page of jobs begins: after this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageAt {
    /// When it was admitted, in seconds since 1970-01-01 UTC.
    pub created_s: u64,
    /// The job.
    pub job: JobId,
}

/// A page of jobs, newest first, and where the next one begins.
#[derive(Debug)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobRow>,
    /// The last of them, if there are more.
    pub next: Option<PageAt>,
}

/// Whether the order of a job names somebody as its auditor.
pub(super) fn is_auditor(sql: &Connection, id: JobId, address: Address) -> Result<bool> {
    let mut statement =
        sql.prepare_cached("SELECT 1 FROM job_party WHERE job = ?1 AND address = ?2 AND role = ?3")?;
    Ok(statement.exists(params![id.to_string(), address.to_string(), Role::Auditor.word()])?)
}

/// Names viewers and auditors of a job that is being written. Who is named twice keeps the first role.
pub(super) fn name(sql: &Connection, job: &str, parties: &[(Address, Role)]) -> Result<()> {
    // Lines of earlier releases about an order that was refused are not this one's.
    sql.prepare_cached("DELETE FROM job_party WHERE job = ?1")?.execute([job])?;
    for (address, role) in parties {
        sql.prepare_cached("INSERT OR IGNORE INTO job_party (job, address, role) VALUES (?1, ?2, ?3)")?
            .execute(params![job, address.to_string(), role.word()])?;
    }
    Ok(())
}

impl Store {
    /// What the order of a job made of somebody.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn party(&self, id: JobId, address: Address) -> Result<Option<Role>> {
        let id = id.to_string();
        let query = "SELECT role FROM job_party WHERE job = ?1 AND address = ?2";
        let found: Option<String> = one(&self.lock(), query, [&id, &address.to_string()], |row| row.get(0))?;
        let place = Place { table: "job_party", row: &id };
        found.map(|word| place.some("role", Role::from_word(&word))).transpose()
    }

    /// Jobs that an address ordered or is named in, newest first, at most `limit`.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn jobs_page(&self, who: Address, after: Option<PageAt>, limit: usize) -> Result<JobPage> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!(
            "{SELECT} WHERE (consumer = ?1 OR job.id IN (SELECT job FROM job_party WHERE address = ?1))
             AND (job.created_s, job.id) < (?2, ?3) ORDER BY job.created_s DESC, job.id DESC LIMIT ?4"
        ))?;
        // Without a start, every job comes after: no id is greater than this text.
        let (created_s, job) =
            after.map_or((i64::MAX as u64, "~".to_string()), |at| (at.created_s, at.job.to_string()));
        let rows = statement
            .query_map(params![who.to_string(), created_s, job, limit as u64 + 1], columns)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut jobs = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let next =
            jobs.last().filter(|_| more).map(|last| PageAt { created_s: last.created_s, job: last.id });
        Ok(JobPage { jobs, next })
    }
}
