//! Copies of the database, and which blobs its rows cannot do without.

use std::collections::BTreeSet;
use std::path::Path;

use brizo_receipt::{B256, Entry};
use rusqlite::params;

use super::row::Place;
use super::{Result, Store};
use crate::job::BundleFacts;

/// What a row keeps of an upload, as `agreements.rs` writes it.
type Facts = (u64, u64, Vec<String>, bool, Option<BundleFacts>);

impl Store {
    /// Writes a copy of the whole database, as it is at one moment, to a file that does not exist. Others read and write
    /// meanwhile. The copy is on disk only when its file has been synced.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        self.lock().execute("VACUUM INTO ?1", params![path.to_string_lossy()])?;
        Ok(())
    }

    /// Digests of all blobs that data sets, algorithms and outputs consist of.
    ///
    /// # Errors
    /// Of SQLite, or of a damaged row.
    pub fn blobs_needed(&self) -> Result<BTreeSet<B256>> {
        let mut digests = BTreeSet::new();
        for dataset in self.datasets()? {
            digests.extend(dataset.manifest.entries().iter().map(|entry| entry.digest));
        }
        let sql = self.lock();
        let mut query = sql.prepare(
            "SELECT id, algorithm, algorithm_facts FROM agreement
             WHERE algorithm IS NOT NULL AND algorithm_facts IS NOT NULL",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (id, digest, facts): (String, Vec<u8>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let place = Place { table: "agreement", row: &id };
            digests.insert(place.digest("algorithm", &digest)?);
            let (.., bundle): Facts = place.json("algorithm_facts", &facts)?;
            let files: Vec<Entry> = bundle.map(|bundle| bundle.files).unwrap_or_default();
            digests.extend(files.iter().map(|entry| entry.digest));
        }
        // A folder has no content.
        let mut query = sql.prepare("SELECT job, digest FROM output WHERE kind <> 'directory'")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (job, digest): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            digests.insert(Place { table: "output", row: &job }.digest("digest", &digest)?);
        }
        Ok(digests)
    }
}
