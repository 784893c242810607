//! `brizo-verify` keeps the table of exit codes that `brizo verify` keeps, too; they share it.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../tests/it/cli/fake_web.rs"]
mod fake_web;
#[path = "../../tests/it/cli/verify_cases.rs"]
mod verify_cases;
#[path = "../../tests/it/cli/verify_log_cases.rs"]
mod verify_log_cases;

use std::path::Path;
use std::process::{Command, Output};

use brizo_receipt::{Address, B256, Disclosure, Domain, EntryKind, Key, Receipt, SecretKey, SignedVerdict};
use verify_cases as cases;
use verify_log_cases as log_cases;

fn verify(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_brizo-verify")).args(args).current_dir(folder).output().unwrap()
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
fn help_and_version_are_said() {
    let said = |arg: &str| String::from_utf8(verify(Path::new("."), &[arg]).stdout).unwrap();
    assert!(said("--help").contains("--log-key VKEY"));
    assert_eq!(said("--version"), format!("brizo-verify {}\n", env!("CARGO_PKG_VERSION")));
}

/// Writes a document into a folder, and says where.
fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A list that revokes the profile of a receipt.
fn revoking(folder: &Path, receipt: &Receipt) -> String {
    let digest = receipt.claim.spec.profile;
    let one = format!(r#"{{"digest":"{digest}","name":"example/1","state":"revoked","advisory":"wrong"}}"#);
    written(folder, "profiles.json", &format!(r#"{{"format":"brizo-profiles/1","profiles":[{one}]}}"#))
}

fn frozen() -> Receipt {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/frozen/1/receipt.json");
    Receipt::parse(&std::fs::read(place).unwrap()).unwrap()
}

/// Runs each case and compares its exit code and a part of what is said.
fn ends_as(folder: &Path, cases: &[(&[&str], i32, &str)]) {
    for (args, code, says) in cases {
        let output = verify(folder, args);
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {says:?} is not in {said}");
    }
}

#[test]
fn a_disclosure_is_checked_with_nothing_but_a_hash() {
    let folder = tempfile::tempdir().unwrap();
    let (receipt, folder) = (frozen(), folder.path());
    let shown = receipt.opening.outputs[0].shown.clone().unwrap();
    let text = Disclosure::of_output(&receipt, shown.entry, shown.salt).unwrap().to_text();
    let good = written(folder, "good.json", &text);
    let broken = written(folder, "broken.json", &text.replace("\"size\": \"14\"", "\"size\": \"15\""));
    let (file, other) = (written(folder, "mean.json", "{\"mean\":35.5}\n"), written(folder, "other", "x"));
    let (hash, wrong) = (receipt.claim_hash.to_string(), "12".repeat(32));
    let run_key = Key::new([0x33; 32]);
    let argument = Disclosure::of_invocation(&receipt, EntryKind::Argument, "00000000", &run_key).unwrap();
    let argument = written(folder, "argument.json", &argument.to_text());
    let revoked = revoking(folder, &receipt);
    ends_as(
        folder,
        &[
            (&["check-disclosure", &good, &hash], 0, "no file was compared"),
            (&["check-disclosure", &good, &hash, "--file", &file], 0, "HOLDS"),
            (&["check-disclosure", &good, &hash, "--file", &file, "--json"], 0, "\"fileCompared\": true"),
            (&["check-disclosure", &good, &hash, "--file", &other], 17, "hash_mismatch"),
            (&["check-disclosure", &broken, &hash], 17, "bad_disclosure"),
            (&["check-disclosure", &good, &wrong], 13, "unexpected_receipt"),
            (&["check-disclosure", &file, &hash], 10, "receipt_malformed"),
            (&["check-disclosure", &good, &hash, "--profiles", &revoked], 0, "not shown"),
            (&["check-disclosure", &argument, &hash], 0, "HOLDS"),
            (&["check-disclosure", &argument, &hash, "--profiles", &revoked], 27, "profile_revoked"),
            (&["check-disclosure", &argument, &hash, "--profiles", &file], 10, "mean.json"),
            (&["check-disclosure", &good], 2, "the receipt hash that you know"),
            (&["check-disclosure", &good, "0x12"], 2, "64 hex digits"),
            (&["check-disclosure", "nowhere", &hash], 1, "nowhere"),
        ],
    );
}

/// A list that is long costs a few times its bytes; as JSON in memory it took seventeen times as many.
#[test]
fn a_long_list_is_read_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/receipt/ok-all-withheld/receipt.json");
    let text = std::fs::read_to_string(place).unwrap();
    let leaf = format!("{{\"leaf\":\"0x{}\"}},", "11".repeat(32));
    let long = text.replacen("\"outputs\": [", &format!("\"outputs\": [{}", leaf.repeat(200_000)), 1);
    assert!(long.len() > 14 << 20, "{} bytes", long.len());
    let path = folder.path().join("long.json");
    std::fs::write(&path, long).unwrap();
    // In kibibytes, of everything that the program maps.
    let command =
        format!("ulimit -v 200000 && exec {} {}", env!("CARGO_BIN_EXE_brizo-verify"), path.display());
    let done = Command::new("sh").args(["-c", &command]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert_eq!(done.status.code(), Some(10), "{said} {}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("receipt_contradiction"), "{said}");
}

#[test]
fn a_verdict_is_checked_against_receipt_and_auditor() {
    let folder = tempfile::tempdir().unwrap();
    let (receipt, folder) = (frozen(), folder.path());
    let (key, domain) =
        (SecretKey::from_bytes(&[0x53; 32]).unwrap(), receipt.attestation.as_ref().unwrap().domain);
    let sign = |hash: B256, domain, evidence: &str| {
        let about = (hash, receipt.claim.spec.agreement_id);
        SignedVerdict::sign(&key, domain, about, Some(receipt.claim_hash), evidence.into(), 1)
            .unwrap()
            .to_text()
    };
    let text = sign(receipt.claim_hash, domain, "same\n");
    let good = written(folder, "good.json", &text);
    let disputes = written(folder, "disputes.json", &sign(B256::ZERO, domain, "same\u{1b}[2J\n"));
    let local = written(folder, "local.json", &sign(receipt.claim_hash, Domain::LOCAL, "same\n"));
    let contract = Domain { verifying_contract: Address::ZERO, ..domain };
    let elsewhere = written(folder, "elsewhere.json", &sign(receipt.claim_hash, contract, "same\n"));
    let job = (receipt.claim_hash, B256::ZERO);
    let other_job = SignedVerdict::sign(&key, domain, job, None, String::new(), 1).unwrap().to_text();
    let other_job = written(folder, "other-job.json", &other_job);
    let reworded = written(folder, "reworded.json", &text.replace("same\\n", "other\\n"));
    let date = written(folder, "date.json", &text.replace("\"issuedAt\": \"1\"", "\"issuedAt\": \"2\""));
    let about = written(folder, "receipt.json", &receipt.to_text());
    let (auditor, nobody) = (key.address().to_string(), format!("0x{}", "00".repeat(20)));
    ends_as(
        folder,
        &[
            (&["check-verdict", &good, "--receipt", &about, "--auditor", &auditor], 0, "confirms receipt"),
            (&["check-verdict", &good, "--json"], 0, "\"receiptCompared\": false"),
            (&["check-verdict", &disputes], 0, "same [2J"),
            (&["check-verdict", &disputes, "--receipt", &about], 13, "unexpected_receipt"),
            (&["check-verdict", &local, "--receipt", &about], 23, "wrong_chain"),
            (&["check-verdict", &elsewhere, "--receipt", &about], 24, "wrong_contract"),
            (&["check-verdict", &other_job, "--receipt", &about], 25, "wrong_job"),
            (&["check-verdict", &good, "--auditor", &nobody], 26, "unexpected_signer"),
            (&["check-verdict", &reworded], 11, "hash_mismatch"),
            (&["check-verdict", &date], 12, "auditor's signature"),
            (&["check-verdict", &about], 10, "receipt_malformed"),
            (&["check-verdict"], 2, "name a verdict file"),
        ],
    );
}
