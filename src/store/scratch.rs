//! A set that is too large for memory, for an audit: SQLite's own temporary database, which is a file without a name and
//! goes when it is closed.

use rusqlite::{Connection, params};

use super::Result;

/// Kilobytes of it that are held in memory.
const CACHE_KIB: i64 = 16 << 10;

/// Receipts that a log has, and those that it must have. A key is an agreement and a run.
#[derive(Debug)]
pub struct Scratch(Connection);

impl Scratch {
    /// An empty one.
    ///
    /// # Errors
    /// Of SQLite, when there is no place for temporary files.
    pub fn new() -> Result<Self> {
        let connection = Connection::open("")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // It outlives no crash, so nothing is done for one.
        connection.pragma_update(None, "synchronous", "off")?;
        connection.execute_batch(
            "CREATE TABLE there (key BLOB PRIMARY KEY, hash BLOB NOT NULL) STRICT, WITHOUT ROWID;
             CREATE TABLE wanted (key BLOB PRIMARY KEY, hash BLOB NOT NULL) STRICT, WITHOUT ROWID;
             BEGIN",
        )?;
        Ok(Self(connection))
    }

    /// The log has a receipt for this run. Returns whether it is the first.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn there(&self, key: &[u8; 40], hash: &[u8; 32]) -> Result<bool> {
        self.insert("INSERT OR IGNORE INTO there VALUES (?1, ?2)", key, hash)
    }

    /// The log must have this receipt for this run.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn wanted(&self, key: &[u8; 40], hash: &[u8; 32]) -> Result<bool> {
        self.insert("INSERT OR IGNORE INTO wanted VALUES (?1, ?2)", key, hash)
    }

    /// How many receipts must be there, how many of them are not, and the first of those.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn missing(&self) -> Result<(u64, u64, Option<Vec<u8>>)> {
        let wanted = self.0.query_row("SELECT count(*) FROM wanted", [], |row| row.get(0))?;
        let (missing, first) = self.0.query_row(
            "SELECT count(*), min(wanted.key) FROM wanted LEFT JOIN there USING (key, hash) WHERE there.key IS NULL",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok((wanted, missing, first))
    }

    fn insert(&self, query: &str, key: &[u8; 40], hash: &[u8; 32]) -> Result<bool> {
        let changed = self.0.prepare_cached(query)?.execute(params![key.as_slice(), hash.as_slice()])?;
        Ok(changed == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_is_twice_and_what_is_missing() {
        let scratch = Scratch::new().unwrap();
        assert!(scratch.there(&[1; 40], &[1; 32]).unwrap());
        assert!(!scratch.there(&[1; 40], &[2; 32]).unwrap(), "a second receipt of the same run");
        assert!(scratch.there(&[2; 40], &[3; 32]).unwrap());
        scratch.wanted(&[1; 40], &[1; 32]).unwrap();
        assert_eq!(scratch.missing().unwrap(), (1, 0, None));
        // Another hash for the run, and a run that is not there at all.
        scratch.wanted(&[2; 40], &[4; 32]).unwrap();
        scratch.wanted(&[3; 40], &[5; 32]).unwrap();
        assert_eq!(scratch.missing().unwrap(), (3, 2, Some(vec![2; 40])));
    }
}
