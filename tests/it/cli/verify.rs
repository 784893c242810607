//! `brizo verify` keeps the table of exit codes that `brizo-verify` keeps, too; they share it.

use std::path::Path;
use std::process::{Command, Output};

use super::verify_cases as cases;

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
}

#[test]
fn a_node_that_is_none_proves_nothing_and_breaks_nothing() {
    cases::nodes(verify);
}

#[test]
fn the_log_is_asked_and_compared() {
    cases::log(verify);
    cases::anchors(verify);
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
