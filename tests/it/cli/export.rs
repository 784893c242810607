//! `brizo receipt export`: formats, keys and exit codes. What is in an export is held by `receipt/tests/export.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::{LocalRun, flip, json, said};
use crate::guests::repository;
use crate::world::brizo;

/// The key of RFC 8032 §7.1, test 1; public and worth nothing.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

fn export(folder: &Path, case: &str, more: &[&str]) -> Output {
    let receipt = repository(&format!("tests/vectors/receipt/{case}/receipt.json"));
    brizo(folder, &[&["receipt", "export", receipt.to_str().unwrap()], more].concat())
}

fn key_file(folder: &Path, text: &str, mode: u32) {
    let path = folder.join("key.pem");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn each_format_is_the_one_that_is_checked_in() {
    let folder = tempfile::tempdir().unwrap();
    key_file(folder.path(), KEY, 0o600);
    fs::write(folder.path().join("run.key"), "33".repeat(32)).unwrap();
    fs::write(folder.path().join("other.key"), "34".repeat(32)).unwrap();
    for (golden_name, more) in [
        ("in-toto", &["--format", "in-toto"][..]),
        ("prov", &["--format", "prov"]),
        ("ro-crate", &["--format", "ro-crate"]),
        ("dsse", &["--format", "in-toto", "--key", "key.pem"]),
    ] {
        let wrong = export(folder.path(), "ok-full", &[more, &["--run-key", "other.key"]].concat());
        assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(17), 0), "{}", said(&wrong));
        let more = [more, &["--run-key", "run.key"]].concat();
        let printed = export(folder.path(), "ok-full", &more);
        assert_eq!(printed.status.code(), Some(0), "{}", said(&printed));
        let golden = repository(&format!("tests/interop/golden/ok-full.{golden_name}.json"));
        let text = String::from_utf8_lossy(&printed.stdout).into_owned();
        assert_eq!(text, fs::read_to_string(golden).unwrap(), "{more:?}");
        let to_file = [&more[..], &["-o", golden_name]].concat();
        let written = export(folder.path(), "ok-full", &to_file);
        assert_eq!((written.status.code(), written.stdout.len()), (Some(0), 0), "{}", said(&written));
        assert_eq!(fs::read(folder.path().join(golden_name)).unwrap(), printed.stdout, "{more:?}");
        let again = export(folder.path(), "ok-full", &to_file);
        assert_eq!(again.status.code(), Some(1), "{more:?} overwrote a file");
    }
}

#[test]
fn what_does_not_hold_ends_with_its_code_and_exports_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (case, code) in
        [("bad-cut-off", 10), ("sum-too-large", 10), ("hash-claim", 11), ("sign-provider-stranger", 12)]
    {
        for format in ["in-toto", "prov", "ro-crate"] {
            let refused = export(folder.path(), case, &["--format", format, "-o", "out.json"]);
            assert_eq!(refused.status.code(), Some(code), "{case}: {}", said(&refused));
            assert!(!folder.path().join("out.json").exists(), "{case} was exported");
        }
    }
}

#[test]
fn keys_are_refused_with_the_remedy_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let signed = ["--format", "in-toto", "--key", "key.pem"];
    for (text, mode, word) in [
        (KEY, 0o644, "chmod 600"),
        ("0707070707070707070707070707070707070707070707070707070707070707", 0o600, "openssl genpkey"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n", 0o600, "openssl genpkey"),
    ] {
        key_file(folder.path(), text, mode);
        let refused = export(folder.path(), "ok-full", &signed);
        let said = said(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(word) && said.contains("key.pem"), "{said}");
        assert!(!said.contains("070707") && !said.contains("MC4CAQ"), "{said}");
    }
    let usage = export(folder.path(), "ok-full", &["--format", "prov", "--key", "key.pem"]);
    assert_eq!(usage.status.code(), Some(2), "{}", said(&usage));
}

#[test]
fn outputs_at_hand_are_compared_and_get_their_sha_256() {
    let run = LocalRun::new();
    let args = ["receipt", "export", "out.receipt.json", "--format", "in-toto", "--outputs", "out"];
    let good = run.brizo(&args);
    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
    let statement = json(&good);
    let files: Vec<&Value> = statement["subject"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["name"].as_str().unwrap().starts_with("outputs/"))
        .collect();
    assert!(!files.is_empty() && files.iter().all(|it| it["digest"]["sha256"].is_string()), "{statement}");
    flip(&run.path("out/column-stats.csv"), 0);
    let changed = run.brizo(&args);
    assert_eq!((changed.status.code(), changed.stdout.len()), (Some(17), 0), "{}", said(&changed));
    assert!(said(&changed).contains("column-stats.csv"), "{}", said(&changed));
}
