//! What is deleted is gone, and nothing else is.

use std::collections::HashSet;

use brizo_receipt::B256;

use super::tests::{LATER, NOW, agreement, commit, logged, new_job, store};
use super::*;
use crate::ids::{AgreementId, JobId};
use crate::job::State;

/// A committed job under agreement 4, with one output that only it has.
fn committed(store: &Store) -> JobId {
    let id = store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    let claimed = store.claim_job("w", NOW, 10).unwrap().unwrap();
    let mut commit = commit();
    commit.outputs[1].digest = B256::repeat_byte(0x77);
    store.commit_job(&claimed, &commit, NOW).unwrap();
    id
}

fn settle(store: &Store, id: JobId) {
    for _ in 0..3 {
        let row = store.due_steps(NOW).unwrap().remove(0);
        store.step_done(row.id, None).unwrap();
    }
    let zero = alloy_primitives::U256::ZERO;
    assert!(store.settle_job(id, [zero; 2], 7, NOW).unwrap());
    assert!(!store.settle_job(id, [zero; 2], 7, NOW).unwrap(), "told once, and counted once");
    let told = store.history(id).unwrap().iter().filter(|event| event.text.starts_with("settled")).count();
    assert_eq!(told, 1, "settled twice after a crash, told once");
}

fn rows(store: &Store, table: &str) -> u64 {
    store.lock().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn an_old_job_is_deleted_with_all_that_belongs_to_it() {
    let store = store();
    let id = committed(&store);
    assert_eq!(store.delete_older(LATER).unwrap(), 0, "it is not over yet");
    assert!(matches!(store.delete_job(id), Err(Error::WrongState { .. })));
    settle(&store, id);
    assert_eq!(store.delete_older(NOW).unwrap(), 0, "it is not old yet");
    let entries = logged(&store);
    // The agreement's deadline is at NOW + 100: until then it stays, and its first run is not given again.
    assert_eq!(store.delete_older(NOW + 1).unwrap(), 1);
    for table in ["job", "output", "history", "outbox"] {
        assert_eq!(rows(&store, table), 0, "{table}");
    }
    assert_eq!(store.agreement(id.agreement).unwrap().unwrap().runs, 1);
    assert_eq!(logged(&store), entries, "the log forgets nothing");
    let open: u64 = store
        .lock()
        .query_row(
            "SELECT count(*) FROM log_entry WHERE detail IS NOT NULL OR nonce IS NOT NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(open, 0, "its words are gone");
    assert_eq!(store.delete_older(NOW + 101).unwrap(), 1);
    assert_eq!((rows(&store, "agreement"), rows(&store, "served")), (0, 0));
}

#[test]
fn blobs_are_named_by_whatever_still_needs_them() {
    let store = store();
    let mut upload = crate::job::UploadFacts {
        digest: B256::repeat_byte(9),
        bytes: 1,
        memory_bytes_min: 2,
        imports_refused: Vec::new(),
        component: false,
        bundle: None,
    };
    let file = brizo_receipt::Entry::of(brizo_receipt::EntryKind::File, "main.py", b"print(1)");
    let digest = file.digest;
    upload.bundle = Some(crate::job::BundleFacts {
        archive: B256::repeat_byte(0x33),
        files: vec![file],
        start: crate::job::Start::default(),
    });
    store.set_upload(AgreementId(B256::repeat_byte(4)), &upload, None).unwrap();
    let id = committed(&store);
    let expected = HashSet::from([
        B256::repeat_byte(9),
        B256::repeat_byte(0x33),
        digest,
        B256::repeat_byte(0x77),
        B256::ZERO,
    ]);
    assert_eq!(store.named_blobs().unwrap(), expected);
    settle(&store, id);
    store.delete_job(id).unwrap();
    assert!(!store.named_blobs().unwrap().contains(&B256::repeat_byte(0x77)), "its output is nobody's now");
    assert!(store.named_blobs().unwrap().contains(&digest), "the agreement still has its algorithm");
    // A new job under another agreement is untouched by all this.
    store.insert_agreement(&agreement(6), NOW).unwrap();
    store.insert_job(&new_job(6), "permitted", NOW).unwrap();
    assert_eq!(store.queue().unwrap().len(), 1);
    assert_eq!(store.queue().unwrap()[0].state, State::Queued);
}

/// A new table must be looked at: if it names blobs, `named_blobs` has to know, or a sweep removes them.
#[test]
fn every_table_was_looked_at_for_blobs() {
    let store = store();
    let connection = store.lock();
    let mut statement = connection
        .prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        )
        .unwrap();
    let tables: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
    let known = [
        "agreement",
        "block_seen",
        "chain_tx",
        "cursor",
        "dataset",
        "history",
        "idempotency",
        "job",
        "job_party",
        "log_entry",
        "nonce",
        "outbox",
        "output",
        "refinery_schema_history",
        "served",
    ];
    assert_eq!(tables, known);
}
