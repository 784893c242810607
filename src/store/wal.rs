//! The write-ahead log is given its size before anything waits for it.

use std::path::Path;

use rusqlite::Connection;

use super::Result;

/// Size at which SQLite begins the log anew (its `wal_autocheckpoint` of 1,000 pages of 4,096 bytes, with their headers).
const FULL: u64 = 1_000 * (4_096 + 24);

/// Fills the log once, and begins it anew: until then each commit makes a file longer, and a file system writes that down
/// too, which makes the first thousand commits of a process about half as dear again (bench `log`).
pub(super) fn grow(connection: &Connection, database: &Path) -> Result<()> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    if std::fs::metadata(log).is_ok_and(|found| found.len() >= FULL) {
        return Ok(());
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn length(folder: &Path, name: &str) -> u64 {
        std::fs::metadata(folder.join(name)).unwrap().len()
    }

    #[test]
    fn commits_do_not_make_the_log_longer_and_opening_again_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brizo.db");
        let store = Store::open(&path).unwrap();
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
}
