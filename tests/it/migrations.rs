//! Databases of every schema that was released, brought to the newest one (`tests/frozen/store/`).

use std::path::{Path, PathBuf};

use brizo::job::{End, State};
use brizo::store::{Step, Store};
use brizo_receipt::Receipt;

use crate::guests::repository;

/// The settled job of the frozen databases.
const JOB: &str = "3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0";

/// Versions in a folder of files that are called `V1…`.
fn versions(folder: &Path) -> Vec<(u32, PathBuf)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().trim_start_matches('V').to_owned();
            (name.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap(), path)
        })
        .collect();
    found.sort();
    found
}

fn database(folder: &Path, dump: &Path) -> PathBuf {
    let path = folder.join("brizo.db");
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.execute_batch(&std::fs::read_to_string(dump).unwrap()).unwrap();
    path
}

#[test]
fn every_released_schema_is_brought_forward_with_all_that_is_in_it() {
    for (version, dump) in versions(&repository("tests/frozen/store")) {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), &dump);
        assert_eq!(Store::examine(&path).unwrap().schema, version);
        // Twice: a start after a start changes nothing.
        for _ in 0..2 {
            let store = Store::open(&path).unwrap();
            let seen = Store::examine(&path).unwrap();
            assert_eq!((seen.schema, seen.integrity.as_str()), (seen.newest, "ok"), "V{version}");
            check(&store, version);
        }
    }
}

fn check(store: &Store, version: u32) {
    let datasets = store.datasets().unwrap();
    assert_eq!(datasets.len(), 1, "V{version}");
    assert_eq!(datasets[0].manifest.root(&datasets[0].key), datasets[0].root);
    assert_eq!(
        brizo::job::read_offer(&serde_json::from_str(&datasets[0].ddo).unwrap()).unwrap().chain_id,
        31_337
    );

    let due = store.due_steps(u64::MAX >> 2).unwrap();
    assert_eq!(due.iter().map(|row| (row.step, row.attempts)).collect::<Vec<_>>(), [(Step::Authorize, 2)]);
    let agreement = store.agreement(due[0].agreement).unwrap().unwrap();
    assert!(agreement.locked && !agreement.granted && agreement.upload.is_some(), "V{version}");

    let job = store.job(JOB.parse().unwrap()).unwrap().unwrap();
    assert_eq!((job.state, job.end), (State::Settled, Some(End::Finished)), "V{version}");
    let receipt = Receipt::parse(store.receipt(job.id).unwrap().unwrap().as_bytes()).unwrap();
    assert_eq!(Some(receipt.claim_hash), job.receipt_hash);
    let outputs = store.outputs(job.id).unwrap();
    assert_eq!(outputs.len(), 3, "V{version}");
    // The data set's files, the module, and what came out.
    let needed = store.blobs_needed().unwrap();
    assert!(outputs.iter().all(|output| needed.contains(&output.digest)), "V{version}");
    assert!(needed.len() > outputs.len() + 1, "V{version}");
    assert_eq!(store.log_size().unwrap(), if version == 1 { 0 } else { 2 }, "V{version}");
}

#[test]
fn every_schema_but_the_newest_has_a_frozen_database() {
    let migrations = versions(&repository("src/store/migrations"));
    let frozen = versions(&repository("tests/frozen/store"));
    for (version, path) in &migrations[..migrations.len() - 1] {
        assert!(frozen.iter().any(|(it, _)| it == version), "{} was released", path.display());
    }
}

#[test]
fn a_schema_of_a_later_release_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (_, dump) = versions(&repository("tests/frozen/store")).pop().unwrap();
    let path = database(folder.path(), &dump);
    Store::open(&path).unwrap();
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.execute("INSERT INTO refinery_schema_history VALUES (999, 'later', '2026-11-21T00:00:00Z', '1')", [])
        .unwrap();
    assert!(Store::open(&path).is_err());
    assert_eq!(Store::examine(&path).unwrap().schema, 999);
}
