//! The write-ahead log is given its size before anything waits for it.

use std::fs::File;

use rusqlite::Connection;

use super::{Error, Result};

/// Room for 1,000 pages of 4,096 bytes, with their headers: under small loads the log is begun anew before it is full (`checkpoints`).
const FULL: u64 = 1_000 * (4_096 + 24);

/// Fills the log once, and begins it anew: until then each commit makes a file longer, and a file system writes that down
/// too, which makes the first thousand commits of a process about half as dear again (bench `log`).
/// Returns the log, which stays the same file as long as the connection is open.
pub(super) fn grow(connection: &Connection) -> Result<File> {
    // Where SQLite has it, which follows links.
    let log = format!("{}-wal", connection.path().unwrap_or_default());
    // Any look at the database makes the log, where there is none.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let log = File::open(log).map_err(|error| Error::Log(error.to_string()))?;
    if log.metadata().is_ok_and(|found| found.len() < FULL) {
        fill(connection)?;
    }
    Ok(log)
}

fn fill(connection: &Connection) -> Result<()> {
    // A small cache, so that the pages go to the log and are not forgotten with the table.
    let cache: i64 = connection.query_row("PRAGMA cache_size", [], |row| row.get(0))?;
    connection.pragma_update(None, "cache_size", 10)?;
    let filled = connection.execute_batch(
        "BEGIN IMMEDIATE; CREATE TABLE filler (room BLOB); INSERT INTO filler VALUES (zeroblob(4194304));
         DROP TABLE filler; COMMIT;",
    );
    connection.pragma_update(None, "cache_size", cache)?;
    if filled.is_err() {
        // A full disk is told of by what has to be written; this has not.
        return if connection.is_autocommit() { Ok(()) } else { Ok(connection.execute_batch("ROLLBACK")?) };
    }
    // Where somebody reads at this moment it begins anew at a later commit.
    connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
    Ok(())
}

/// Copies the log into the database and begins it anew with nothing in it. What a process before handed to the system, and never saw
/// on disk, is written once more by that.
pub(super) fn empty(connection: &Connection) -> Result<()> {
    let emptied = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
        .map_err(Error::from);
    match emptied {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::Log("another process reads the database; start again when it is done".into())),
        // What is stored can still be served; the log stays as it is.
        Err(error) if error.is_full() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Copies the log into the database, as far as nobody reads what is older.
pub(super) fn copy(connection: &Connection) -> Result<()> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::Store;

    fn length(folder: &Path, name: &str) -> u64 {
        std::fs::metadata(folder.join(name)).unwrap().len()
    }

    #[test]
    fn commits_do_not_make_the_log_longer_and_opening_again_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brizo.db");
        let store = Store::open_to_serve(&path).unwrap();
        let (log, database) = (length(folder.path(), "brizo.db-wal"), length(folder.path(), "brizo.db"));
        assert!(log >= FULL, "{log}");
        for number in 0..100 {
            store.save_chain_tx("a", number, "x").unwrap();
        }
        let second = Store::open(&path).unwrap();
        second.save_chain_tx("b", 1, "x").unwrap();
        assert_eq!(length(folder.path(), "brizo.db-wal"), log);
        assert_eq!(length(folder.path(), "brizo.db"), database);
        drop((store, second));
        let again = Store::open(&path).unwrap();
        assert_eq!(again.chain_txs("a").unwrap().len(), 100);
        assert!(length(folder.path(), "brizo.db") <= database + 65_536, "the room is used again");
    }

    #[test]
    fn the_log_is_found_behind_a_link() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("brizo.db");
        drop(Store::open_to_serve(&elsewhere.path().join("other.db")).unwrap());
        std::os::unix::fs::symlink(elsewhere.path().join("other.db"), &path).unwrap();
        let store = Store::open_to_serve(&path).unwrap();
        store.save_chain_tx("a", 1, "x").unwrap();
        assert!(length(elsewhere.path(), "other.db-wal") >= FULL);
        assert!(!folder.path().join("brizo.db-wal").exists());
    }
}
