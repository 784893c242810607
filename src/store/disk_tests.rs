//! Nobody is told of a commit before it is on disk, and one turn of the disk is for all who wait.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::tests::NOW;
use super::*;

/// How long a turn is waited for that never begins if something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// A disk that takes each turn when the test lets it.
struct Held {
    store: Store,
    turns: Arc<AtomicUsize>,
    /// Tells that a turn has begun.
    began: Receiver<()>,
    /// Lets it end, so.
    end: Sender<io::Result<()>>,
    _folder: tempfile::TempDir,
}

fn held() -> Held {
    let folder = tempfile::tempdir().unwrap();
    let turns = Arc::new(AtomicUsize::new(0));
    let ((begin, began), (end, ended)) = (channel(), channel());
    let (counted, both) = (turns.clone(), Mutex::new((begin, ended)));
    let disk = Disk::with(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let both = both.lock().unwrap();
        both.0.send(()).unwrap();
        both.1.recv().unwrap()
    });
    let store = Store::open_on(&folder.path().join("brizo.db"), |_| disk).unwrap();
    Held { store, turns, began, end, _folder: folder }
}

/// A write that is on disk only before somebody is told of it.
fn write(store: &Store, number: u64) -> Result<()> {
    store.write_before_told("nowhere", |sql| row(sql, number))
}

fn row(sql: &Connection, number: u64) -> Result<()> {
    sql.execute("INSERT INTO chain_tx (sender, nonce, sent) VALUES ('a', ?1, 'x')", [number])?;
    Ok(())
}

fn rows(store: &Store) -> usize {
    store.chain_txs("a").unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_is_told_when_it_is_on_disk() {
    let held = held();
    write(&held.store, 1).unwrap();
    assert_eq!((rows(&held.store), held.turns.load(Ordering::SeqCst)), (1, 0), "threads of ours go on");
    for by in ["a reader", "a blocking query", "a writer who settles"] {
        write(&held.store, held.turns.load(Ordering::SeqCst) as u64 + 10).unwrap();
        let store = held.store.clone();
        let told = tokio::spawn(async move {
            match by {
                "a reader" => store.read(|store| Ok(rows(store))).await,
                "a blocking query" => store.with(|store| Ok(rows(store))).await,
                _ => {
                    let written = store.write_untold(|store| write(store, 99)).await;
                    store.settle().await.and(written).map(|()| rows(&store))
                }
            }
        });
        tokio::task::block_in_place(|| held.began.recv_timeout(PATIENCE)).unwrap();
        assert!(!told.is_finished(), "{by} waits for the disk");
        held.end.send(Ok(())).unwrap();
        assert!(told.await.unwrap().unwrap() > 0);
    }
    let turns = held.turns.load(Ordering::SeqCst);
    assert_eq!(turns, 3);
    held.store.read(|store| Ok(rows(store))).await.unwrap();
    assert_eq!(held.turns.load(Ordering::SeqCst), turns, "nothing is new");
}

#[test]
fn all_who_come_during_a_turn_share_the_next_one() {
    let held = held();
    std::thread::scope(|scope| {
        let writer = |number| {
            let store = held.store.clone();
            move || store.write(|sql| row(sql, number)).unwrap()
        };
        scope.spawn(writer(0));
        held.began.recv_timeout(PATIENCE).unwrap();
        let behind: Vec<_> = (1..9).map(|number| scope.spawn(writer(number))).collect();
        while rows(&held.store) < 9 {
            std::thread::yield_now();
        }
        // The last of them may still be in its turn.
        held.store.write_lightly(|_| Ok(())).unwrap();
        assert!(behind.iter().all(|writer| !writer.is_finished()), "they came after the turn began");
        held.end.send(Ok(())).unwrap();
        held.began.recv_timeout(PATIENCE).unwrap();
        assert!(behind.iter().all(|writer| !writer.is_finished()));
        held.end.send(Ok(())).unwrap();
    });
    assert_eq!(held.turns.load(Ordering::SeqCst), 2);
}

#[test]
fn light_writes_do_not_turn_the_disk() {
    let held = held();
    held.store.write_lightly(|sql| row(sql, 1)).unwrap();
    held.store.flush().unwrap();
    assert_eq!(held.turns.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_failed_is_believed_no_more() {
    let held = held();
    held.end.send(Err(io::Error::from_raw_os_error(5))).unwrap();
    let refused = |error: Error| {
        assert!(error.is_unwritable(), "{error}");
        assert!(error.to_string().contains("has to be started again"), "{error}");
    };
    refused(held.store.write(|sql| row(sql, 1)).unwrap_err());
    // The system may have forgotten what it could not write, and would say next time that all is well.
    refused(held.store.write(|sql| row(sql, 2)).unwrap_err());
    refused(held.store.write_lightly(|sql| row(sql, 3)).unwrap_err());
    refused(held.store.claim_job("w", NOW, 60).unwrap_err());
    refused(held.store.read(|store| Ok(rows(store))).await.unwrap_err());
    refused(held.store.failed().await);
    assert_eq!(
        (rows(&held.store), held.turns.load(Ordering::SeqCst)),
        (1, 1),
        "what was not refused is there"
    );
}
