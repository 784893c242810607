//! Data sets.

use brizo_receipt::{B256, Entry, Key, Manifest};
use rusqlite::{Row, params};

use super::row::{Place, one, to_json};
use super::{Result, Store, exists};
use crate::ids::Did;

/// A data set as it is stored.
#[derive(Debug, Clone)]
pub struct DatasetRow {
    /// Its DID.
    pub did: Did,
    /// Name for people.
    pub name: String,
    /// Root of the manifest under the key.
    pub root: B256,
    /// The publisher's secret for this data set.
    pub key: Key,
    /// The files.
    pub manifest: Manifest,
    /// The policy's manifest (TOML).
    pub policy: String,
    /// The policy's rules (Cedar).
    pub rules: String,
    /// The DDO (JSON).
    pub ddo: String,
}

/// Bytes of manifest and DDO that are read in the time of a few rows.
const SMALL_BYTES: u64 = 16_384;

type Columns = (String, String, Vec<u8>, Vec<u8>, String, String, String, String);
const COLUMNS: &str = "did, name, root, dataset_key, manifest, policy, rules, ddo";

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
    ))
}

fn read((did, name, root, key, manifest, policy, rules, ddo): Columns) -> Result<DatasetRow> {
    let place = Place { table: "dataset", row: &did };
    let entries: Vec<Entry> = place.json("manifest", &manifest)?;
    Ok(DatasetRow {
        root: place.digest("root", &root)?,
        key: Key::new(place.array("dataset_key", &key)?),
        manifest: place.some("manifest", Manifest::new(entries).ok())?,
        did: place.parse("did", &did)?,
        name,
        policy,
        rules,
        ddo,
    })
}

impl Store {
    /// Records a data set.
    ///
    /// # Errors
    /// [`super::Error::Exists`] when the DID is taken.
    pub fn insert_dataset(&self, dataset: &DatasetRow, now_s: u64) -> Result<()> {
        self.write(|sql| {
            sql.execute(
                "INSERT INTO dataset (did, name, root, dataset_key, manifest, policy, rules, ddo, created_s)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    dataset.did.to_string(),
                    dataset.name,
                    dataset.root.as_slice(),
                    dataset.key.bytes().as_slice(),
                    to_json(&dataset.manifest.entries()),
                    dataset.policy,
                    dataset.rules,
                    dataset.ddo,
                    now_s,
                ],
            )
            .map_err(exists("this data set"))?;
            Ok(())
        })
    }

    /// A data set; not found is no error.
    ///
    /// # Errors
    /// [`super::Error`] of SQLite or of a damaged row.
    pub fn dataset(&self, did: Did) -> Result<Option<DatasetRow>> {
        let query = format!("SELECT {COLUMNS} FROM dataset WHERE did = ?1");
        let found = one(&self.lock(), &query, [did.to_string()], columns)?;
        found.map(read).transpose()
    }

    /// A data set whose row is small: `None` when it is not, and has to be read where reading may take its time.
    ///
    /// # Errors
    /// As for [`Store::dataset`].
    pub fn dataset_if_small(&self, did: Did) -> Result<Option<DatasetRow>> {
        let query = format!(
            "SELECT {COLUMNS} FROM dataset WHERE did = ?1 AND octet_length(manifest) + octet_length(ddo) <= {SMALL_BYTES}"
        );
        let found = one(&self.lock(), &query, [did.to_string()], columns)?;
        found.map(read).transpose()
    }

    /// DIDs and names of all data sets, oldest first. No manifest is read for it: it can be long, and anybody may ask for this.
    ///
    /// # Errors
    /// As for [`Store::dataset`].
    pub fn dataset_names(&self) -> Result<Vec<(Did, String)>> {
        let connection = self.lock();
        // In the order in which they were written: the time lies behind the manifest, which would be read on the way to it.
        let mut statement = connection.prepare_cached("SELECT did, name FROM dataset ORDER BY rowid")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let parsed = |did: String| Place { table: "dataset", row: &did }.parse("did", &did);
        rows.map(|row| row.map_err(Into::into).and_then(|(did, name)| Ok((parsed(did)?, name)))).collect()
    }

    /// All data sets, oldest first.
    ///
    /// # Errors
    /// As for [`Store::dataset`].
    pub fn datasets(&self) -> Result<Vec<DatasetRow>> {
        let connection = self.lock();
        let mut statement =
            connection.prepare(&format!("SELECT {COLUMNS} FROM dataset ORDER BY created_s, did"))?;
        let rows = statement.query_map([], columns)?.collect::<rusqlite::Result<Vec<_>>>()?;
        rows.into_iter().map(read).collect()
    }
}
