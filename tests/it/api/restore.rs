//! Backups, and what a provider that was restored from one still has; and what the doctor says.

use std::path::Path;
use std::process::Command;

use brizo_receipt::{Expectation, Receipt, check_signatures, check_structure};
use serde_json::Value;

use crate::cli::{json, said};
use crate::guests::guest;
use crate::world::{Provider, World, eventually, inside};

const ARGS: [&str; 6] = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];

/// As people copy folders.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restored_from_a_backup_is_served_proven_and_goes_on() {
    let mut world = World::start().await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &ARGS, 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    let paths = ["receipt", "outputs/groups.csv", "history"].map(|part| format!("/api/v1/jobs/{job}/{part}"));
    eventually("the receipt has its proof", async || {
        consumer.client.get_json(&paths[0]).await.unwrap()["log"].is_object()
    })
    .await;
    let mut before = Vec::new();
    for path in &paths {
        before.push(consumer.client.get(path).await.unwrap());
    }
    // One more is ready to run, and the provider serves while the backup is made.
    let second = consumer.pay_for(&module).await;
    let backup = world.brizo(&["backup", "copies/one", "--format", "json"]);
    assert_eq!(backup.status.code(), Some(0), "{}", said(&backup));
    let summary = json(&backup);
    assert!(summary["blobs"].as_u64().unwrap() >= 8, "{summary}");
    assert!(inside(&world, "copies/one/backup.json").is_file());
    let again = world.brizo(&["backup", "copies/one"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("never written over"), "{}", said(&again));
    for secret in ["copies/one", "copies/one/brizo.db"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(inside(&world, secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{secret}");
    }

    world.provider.kill();
    std::fs::remove_dir_all(inside(&world, "state")).unwrap();
    copy(&inside(&world, "copies/one"), &inside(&world, "state"));
    world.provider = Provider::start(world.folder.path()).await;
    for (path, expected) in paths.iter().zip(&before) {
        assert_eq!(consumer.client.get(path).await.unwrap(), *expected, "{path}");
    }
    let receipt = Receipt::parse(&before[0]).unwrap();
    let committed = consumer.chain.committed(id, 0).await.unwrap().unwrap();
    let expected = Expectation { claim_hash: Some(committed.receipt_hash), ..Expectation::default() };
    check_structure(&receipt, &expected).unwrap();
    check_signatures(&receipt, &expected).unwrap().unwrap();
    let job = consumer.order(second, &module, &ARGS, 200_000_000).await;
    let status = consumer.wait_for(job, "settled").await;
    assert_eq!(status["end"].as_str(), Some("finished"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_a_blob_is_none() {
    let mut world = World::start().await;
    world.provider.kill();
    let mut blobs: Vec<_> = std::fs::read_dir(inside(&world, "state/blobs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && !path.ends_with("new"))
        .flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    // The largest is the data set's.
    blobs.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let data = brizo_receipt::content_digest(
        &std::fs::read(crate::guests::repository("examples/data/penguins.csv")).unwrap(),
    );
    let name = hex::encode(data);
    let blob = inside(&world, "state/blobs").join(&name[..2]).join(&name[2..]);
    assert!(blobs.contains(&blob));
    std::fs::write(&blob, "changed").unwrap();
    let backup = world.brizo(&["backup", "copy"]);
    assert_eq!(backup.status.code(), Some(1));
    assert!(said(&backup).contains("are changed"), "{}", said(&backup));
    assert!(!inside(&world, "copy/backup.json").exists());
    std::fs::remove_file(&blob).unwrap();
    let backup = world.brizo(&["backup", "copy2"]);
    assert!(said(&backup).contains("is in no copy"), "{}", said(&backup));
    // The doctor sees it as well.
    let doctor = world.brizo(&["doctor", "--format", "json"]);
    assert_eq!(doctor.status.code(), Some(1));
    assert_eq!(finding(&json(&doctor), "blobs")["text"].as_str().unwrap().split(' ').next(), Some("1"));
}

fn finding(report: &Value, name: &str) -> Value {
    let found = report["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == name);
    found.unwrap_or_else(|| panic!("nothing about {name}: {report}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_what_is_wrong_and_says_how_to_mend_it() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::start().await;
    let well = world.brizo(&["doctor", "--format", "json"]);
    assert_eq!(well.status.code(), Some(0), "{}", said(&well));
    let report = json(&well);
    for name in
        ["config", "key", "disk", "process", "store", "blobs", "chain", "contracts", "balance", "clock"]
    {
        assert_eq!(finding(&report, name)["level"], "ok", "{report}");
    }
    assert_eq!(finding(&report, "compiler")["level"], "ok", "{report}");
    let table = world.brizo(&["doctor"]);
    assert!(said(&table).contains("0 failed"), "{}", said(&table));

    // Everything that can go wrong at once.
    world.proxy.set(crate::world::Fault::Down);
    world.provider.kill();
    std::fs::set_permissions(inside(&world, "provider.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(inside(&world, "state/brizo.db"), [0u8; 100]).unwrap();
    let ill = world.brizo(&["doctor", "--format", "json"]);
    assert_eq!(ill.status.code(), Some(1), "{}", said(&ill));
    let report = json(&ill);
    for name in ["key", "store"] {
        let finding = finding(&report, name);
        assert_eq!(finding["level"], "fail", "{report}");
        assert!(!finding["mend"].as_str().unwrap().is_empty());
    }
    std::fs::set_permissions(inside(&world, "provider.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let away = json(&world.brizo(&["doctor", "--format", "json"]));
    assert_eq!(finding(&away, "chain")["level"], "fail", "{away}");
    // What config check says is part of it.
    let config = std::fs::read_to_string(inside(&world, "brizo.toml")).unwrap();
    let wrong = config.replacen("[node]\n", "[node]\nfule = 5\n", 1);
    assert_ne!(wrong, config);
    std::fs::write(inside(&world, "brizo.toml"), wrong).unwrap();
    for verb in [&["doctor"][..], &["config", "check"], &["config", "show"]] {
        let output = world.brizo(verb);
        assert_eq!(output.status.code(), Some(1), "{verb:?}");
        assert!(said(&output).contains("did you mean `node.fuel`"), "{}", said(&output));
    }
}
