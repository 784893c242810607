//! Writers beside each other: each is answered for itself, and nobody before the disk.

use std::sync::Barrier;

use super::tests::{NOW, new_job};
use super::*;

fn on_disk(folder: &Path) -> Store {
    let store = Store::open_to_serve(&folder.join("brizo.db")).unwrap();
    store.write(|sql| Ok(sql.execute_batch("CREATE TABLE tally (thread INTEGER, number INTEGER)")?)).unwrap();
    store
}

fn rows(store: &Store) -> u64 {
    store.lock().query_row("SELECT count(*) FROM tally", [], |row| row.get(0)).unwrap()
}

#[test]
fn many_writers_are_each_answered_for_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (store, start) = (store.clone(), &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..25u64 {
                    let result = store.write(|sql| {
                        sql.execute("INSERT INTO tally VALUES (?1, ?2)", [thread, number])?;
                        // Every fifth changes its mind, after it has written.
                        if number % 5 == 4 { Err(Error::Exists("nothing")) } else { Ok(()) }
                    });
                    assert_eq!(result.is_err(), number % 5 == 4);
                    let own: u64 = store
                        .lock()
                        .query_row(
                            "SELECT count(*) FROM tally WHERE thread = ?1 AND number = ?2",
                            [thread, number],
                            |row| row.get(0),
                        )
                        .unwrap();
                    assert_eq!(
                        own,
                        u64::from(result.is_ok()),
                        "what was answered is there, what failed is not"
                    );
                }
            });
        }
    });
    assert_eq!(rows(&store), 8 * 20);
}

#[test]
fn a_writer_that_panics_takes_only_its_own_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    let panicking = store.clone();
    let joined = std::thread::spawn(move || {
        panicking.write(|sql| -> Result<()> {
            sql.execute("INSERT INTO tally VALUES (1, 1)", [])?;
            panic!("in the middle of it");
        })
    })
    .join();
    assert!(joined.is_err());
    store.write(|sql| Ok(sql.execute("INSERT INTO tally VALUES (2, 2)", [])?)).unwrap();
    assert_eq!(rows(&store), 1);
}

/// A disk that is full ends the transaction inside SQLite.
#[test]
fn a_full_disk_is_told_and_leaves_a_store_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    let pages: u64 = store.lock().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let bound = |pages: u64| store.write(|sql| Ok(sql.pragma_update(None, "max_page_count", pages)?));
    bound(pages + 2).unwrap();
    // More than the room that opening leaves free.
    let fill = || store.write(|sql| Ok(sql.execute("INSERT INTO tally VALUES (zeroblob(9000000), 1)", [])?));
    let error = fill().unwrap_err();
    let Error::Sql(sql) = &error else { panic!("{error}") };
    assert_eq!(sql.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull), "{error}");
    assert_eq!(rows(&store), 0);
    bound(1_000_000).unwrap();
    fill().unwrap();
    assert_eq!(rows(&store), 1);
}

#[test]
fn readers_see_only_what_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_disk(folder.path());
    let inside = store.clone();
    store
        .write(|sql| {
            sql.execute("INSERT INTO tally VALUES (1, 1)", [])?;
            assert_eq!(rows(&inside), 0, "not yet");
            Ok(())
        })
        .unwrap();
    assert_eq!(rows(&store), 1);
    assert!(store.lock().execute("DELETE FROM tally", []).is_err(), "who reads cannot write");
}

#[test]
fn what_was_answered_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("brizo.db")).unwrap();
    let memory = super::tests::store();
    let dataset = memory.dataset(crate::ids::Did(brizo_receipt::B256::repeat_byte(1))).unwrap().unwrap();
    store.insert_dataset(&dataset, NOW).unwrap();
    store.insert_agreement(&super::tests::agreement(4), NOW).unwrap();
    let id = store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    // The copy is taken while the store is open: what a kill at this moment leaves.
    let copy = tempfile::tempdir().unwrap();
    for file in ["brizo.db", "brizo.db-wal"] {
        std::fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
    }
    let again = Store::open(&copy.path().join("brizo.db")).unwrap();
    assert_eq!(again.job(id).unwrap().unwrap().state, crate::job::State::Queued);
}
