//! Retention: what is deleted when a job is old, and which blobs nothing names any more.
//!
//! A job's row, outputs, history and steps go, and so do the words that open its entries in the transparency log. The
//! entries stay, since a log forgets nothing; they are digests. An agreement goes after its last job, once its deadline
//! is over, so that nothing can be ordered under it again.

use std::collections::HashSet;

use brizo_receipt::{B256, Entry};
use rusqlite::{Connection, params};

use super::row::Place;
use super::{Error, Result, Store};
use crate::ids::JobId;
use crate::job::{BundleFacts, State};

/// Rows that one transaction deletes, so that no other write waits long.
const BATCH: u32 = 200;

/// What of the upload's facts names blobs; the other fields are not looked at.
type Facts = (u64, u64, Vec<String>, bool, Option<BundleFacts>);

impl Store {
    /// Deletes jobs that ended before a time, and agreements that have no job and whose deadline was before it. Returns how
    /// many rows went; call it again until there are none.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn delete_older(&self, than_s: u64) -> Result<u64> {
        self.write(|sql| {
            let jobs = ids(sql, "SELECT id FROM job WHERE ended_s < ?1 ORDER BY ended_s LIMIT ?2", than_s)?;
            for id in &jobs {
                delete(sql, id)?;
            }
            let agreements = ids(
                sql,
                "SELECT id FROM agreement WHERE grant_deadline_s < ?1
                   AND NOT EXISTS (SELECT 1 FROM job WHERE job.agreement = agreement.id) LIMIT ?2",
                than_s,
            )?;
            for id in &agreements {
                // Its jobs' steps went with them.
                sql.execute("DELETE FROM outbox WHERE agreement = ?1 AND step = 'authorize'", [id])?;
                // Orders that were refused have words in the log, too.
                sql.execute(
                    "UPDATE log_entry SET nonce = NULL, detail = NULL WHERE job >= ?1 AND job < ?1 || '~'",
                    [id],
                )?;
                sql.execute("DELETE FROM agreement WHERE id = ?1", [id])?;
            }
            sql.execute(
                "DELETE FROM served WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.ordered_by = served.consumer)",
                [],
            )?;
            Ok((jobs.len() + agreements.len()) as u64)
        })
    }

    /// Deletes a job that has ended, at once. Its blobs go with the next sweep.
    ///
    /// # Errors
    /// [`Error::WrongState`] when something may still happen to it.
    pub fn delete_job(&self, id: JobId) -> Result<()> {
        let id = id.to_string();
        self.write(|sql| {
            let state: String =
                sql.query_row("SELECT state FROM job WHERE id = ?1", [&id], |row| row.get(0))?;
            if !State::from_word(&state).is_some_and(State::is_final) {
                return Err(Error::WrongState { job: id.clone(), state });
            }
            delete(sql, &id)
        })
    }

    /// Every blob that a row names: data sets, algorithms, bundles and outputs.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row; then nothing may be taken for unnamed.
    pub fn named_blobs(&self) -> Result<HashSet<B256>> {
        let (connection, mut named) = (self.lock(), HashSet::new());
        each(&connection, "SELECT job, digest FROM output", |job, row| {
            let place = Place { table: "output", row: job };
            named.insert(place.digest("digest", row.get_ref(1)?.as_blob().unwrap_or_default())?);
            Ok(())
        })?;
        let uploads = "SELECT id, algorithm, algorithm_facts FROM agreement WHERE algorithm IS NOT NULL";
        each(&connection, uploads, |id, row| {
            let place = Place { table: "agreement", row: id };
            named.insert(place.digest("algorithm", row.get_ref(1)?.as_blob().unwrap_or_default())?);
            let facts: Option<String> = row.get(2)?;
            let facts: Option<Facts> =
                facts.map(|facts| place.json("algorithm_facts", &facts)).transpose()?;
            if let Some(bundle) = facts.and_then(|facts| facts.4) {
                named.insert(bundle.archive);
                named.extend(bundle.files.iter().map(|file| file.digest));
            }
            Ok(())
        })?;
        let ordered = "SELECT id, json_extract(spec, '$.moduleDigest') FROM job
             WHERE json_valid(spec) AND (state IN ('preparing', 'running') OR state IN ('queued', 'quarantined'))";
        each(&connection, ordered, |id, row| {
            named.insert(Place { table: "job", row: id }.parse("spec", &row.get::<_, String>(1)?)?);
            Ok(())
        })?;
        each(&connection, "SELECT did, manifest FROM dataset", |did, row| {
            let place = Place { table: "dataset", row: did };
            let entries: Vec<Entry> = place.json("manifest", &row.get::<_, String>(1)?)?;
            named.extend(entries.iter().map(|entry| entry.digest));
            Ok(())
        })?;
        Ok(named)
    }
}

/// Hands every row, with its first column, to `read`.
fn each(
    sql: &Connection,
    query: &str,
    mut read: impl FnMut(&str, &rusqlite::Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut statement = sql.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        read(&row.get::<_, String>(0)?, row)?;
    }
    Ok(())
}

fn ids(sql: &Connection, query: &str, than_s: u64) -> Result<Vec<String>> {
    let mut statement = sql.prepare_cached(query)?;
    Ok(statement.query_map(params![than_s, BATCH], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

fn delete(sql: &Connection, job: &str) -> Result<()> {
    sql.execute(
        "UPDATE agreement SET runs_deleted = runs_deleted + 1 WHERE id = (SELECT agreement FROM job WHERE id = ?1)",
        [job],
    )?;
    sql.execute("UPDATE log_entry SET nonce = NULL, detail = NULL WHERE job = ?1", [job])?;
    for query in [
        "DELETE FROM output WHERE job = ?1",
        "DELETE FROM history WHERE job = ?1",
        "DELETE FROM outbox WHERE job = ?1",
        "DELETE FROM job_party WHERE job = ?1",
        "DELETE FROM job WHERE id = ?1",
    ] {
        sql.execute(query, [job])?;
    }
    Ok(())
}
