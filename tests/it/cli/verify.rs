//! `brizo verify` keeps the table of exit codes that `brizo-verify` keeps, too; they share it.

use std::path::Path;
use std::process::{Command, Output};

use super::verify_cases as cases;
use super::verify_log_cases as log_cases;
use crate::world::brizo;

fn verify(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_brizo")).arg("verify").args(args).current_dir(folder).output().unwrap()
}

#[test]
fn files_end_as_the_table_says() {
    cases::files(verify);
    cases::profiles(verify);
}

#[test]
fn the_frozen_receipt_is_verified_as_ever() {
    cases::frozen_set(verify);
}

#[test]
fn the_chain_is_asked_and_compared() {
    cases::on_chain(verify);
    cases::later_runs(verify);
}

#[test]
fn a_node_that_is_none_proves_nothing_and_breaks_nothing() {
    cases::nodes(verify);
}

#[test]
fn the_log_is_asked_and_compared() {
    log_cases::log(verify);
    log_cases::anchors(verify);
    log_cases::log_key_of_the_ddo(verify);
}

#[test]
fn the_hashing_is_explained() {
    cases::explanation(verify);
}

#[test]
fn who_stops_reading_gets_no_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let receipt = crate::guests::repository("tests/vectors/receipt/ok-full/receipt.json");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_brizo"))
        .args(["verify", "--format", "json"])
        .arg(receipt)
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// What cannot be re-executed here is no dispute, and nothing is signed.
#[test]
fn a_replay_accuses_nobody_of_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let auditor = folder.path().join("auditor.key");
    let made = brizo(folder.path(), &["key", "new", auditor.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let module = crate::guests::guest_path("column_stats");
    let run_key = folder.path().join("run.key");
    std::fs::write(&run_key, "33".repeat(32)).unwrap();
    for (case, why) in [
        ("ok-no-inputs", "0 mounts"),
        ("ok-many-mounts", "mounts; this program replays runs with one"),
        ("ok-local-attested", "nobody can recompute it"),
    ] {
        let receipt = crate::guests::repository("tests/vectors/receipt").join(case).join("receipt.json");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_brizo"))
            .current_dir(folder.path())
            .arg("replay")
            .arg(&receipt)
            .arg("--module")
            .arg(&module)
            .args(["--run-key", "run.key", "--verdict-key", "auditor.key", "--verdict", "verdict.json"])
            .args(["--chain-id", "1", "--contract", "0x0000000000000000000000000000000000000001"])
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{case}: {said}");
        assert!(said.contains(why), "{case}: {said}");
        assert!(!folder.path().join("verdict.json").exists(), "{case}: a verdict was signed");
    }
}

#[test]
fn a_receipt_cannot_paint_on_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let receipt = crate::guests::repository("tests/vectors/receipt/ok-full/receipt.json");
    let text = std::fs::read_to_string(receipt).unwrap();
    let painted = text.replacen('{', "{\"\\u001b[2J\\u001b[Hholds: structure\": 1,", 1);
    std::fs::write(folder.path().join("receipt.json"), painted).unwrap();
    let output = brizo(folder.path(), &["verify", "receipt.json"]);
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(output.status.code(), Some(10));
    assert!(!said.contains(&0x1b), "{}", String::from_utf8_lossy(&said));
}
