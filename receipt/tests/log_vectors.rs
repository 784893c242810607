//! The log against the vectors of the second verifier: entries, keys, checkpoints, trees and proofs (`tests/vectors/log`), and
//! receipts with their proofs (`tests/vectors/logged`).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use brizo_receipt::log::{Checkpoint, Entry, Frontier, LogKey, Tree, check_consistency, check_inclusion};
use brizo_receipt::{B256, Error, Expectation, Receipt, Result, check_signatures, check_structure};
use serde_json::Value;

fn vectors(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(kind)
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("{name} in {case}"))
}

fn hash(case: &Value, name: &str) -> B256 {
    text(case, name).parse().unwrap()
}

fn number(case: &Value, name: &str) -> u64 {
    text(case, name).parse().unwrap()
}

fn hashes(case: &Value) -> Vec<B256> {
    case["proof"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap().parse().unwrap()).collect()
}

/// Goes through a file of cases; fewer than `least` mean that it was not read.
fn each(file: &str, least: usize, check: impl Fn(&Value) -> Result<()>) {
    let bytes = std::fs::read(vectors("log").join(file)).unwrap();
    let cases: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    assert!(cases.len() >= least, "only {} cases in {file}", cases.len());
    for case in cases {
        let result = check(&case);
        let found = result.as_ref().err().map_or("ok", Error::code);
        // A log key is an argument and no document, so its refusal has no code in the format.
        let expected =
            if text(&case, "expect") == "refused" { "bad_checkpoint" } else { text(&case, "expect") };
        assert_eq!(found, expected, "{file}: {}: {result:?}", text(&case, "about"));
    }
}

#[test]
fn entries() {
    each("entry.json", 30, |case| {
        let bytes = hex_bytes(text(case, "entry"));
        let entry = Entry::parse(&bytes)?;
        assert_eq!(entry.to_bytes().as_slice(), bytes);
        assert_eq!(u64::from(entry.event.type_number()), number(case, "type"));
        assert_eq!(u64::from(entry.event.code()), number(case, "code"));
        assert_eq!(entry.run_index, number(case, "runIndex"));
        assert_eq!(entry.logged_at, number(case, "loggedAt"));
        assert_eq!(entry.agreement_id, hash(case, "agreementId"));
        assert_eq!((entry.subject, entry.statement), (hash(case, "subject"), hash(case, "statement")));
        assert_eq!(entry.leaf(), hash(case, "leafHash"));
        Ok(())
    });
}

#[test]
fn keys() {
    each("key.json", 15, |case| {
        let key = LogKey::parse(text(case, "logKey"))?;
        assert_eq!(key.origin(), text(case, "origin"));
        Ok(())
    });
}

#[test]
fn checkpoints() {
    each("checkpoint.json", 60, |case| {
        let key = LogKey::parse(text(case, "logKey")).unwrap();
        let mut note = text(case, "checkpoint").to_owned();
        if let Some(length) = case["padded"].as_str() {
            let missing = length.parse::<usize>().unwrap().saturating_sub(note.len());
            note.push_str(&" ".repeat(missing));
        }
        let checkpoint = Checkpoint::verify(&note, &key)?;
        assert_eq!(checkpoint.tree, Tree { size: number(case, "size"), root: hash(case, "root") });
        Ok(())
    });
}

#[test]
fn trees() {
    each("tree.json", 5, |case| {
        let mut frontier = Frontier::default();
        for entry in case["entries"].as_array().unwrap() {
            frontier.push(Entry::parse(&hex_bytes(entry.as_str().unwrap()))?.leaf());
        }
        assert_eq!(frontier.tree().root, hash(case, "root"));
        Ok(())
    });
}

#[test]
fn inclusion() {
    each("inclusion.json", 30, |case| {
        let tree = Tree { size: number(case, "size"), root: hash(case, "root") };
        check_inclusion(&tree, number(case, "index"), hash(case, "leafHash"), &hashes(case))
    });
}

#[test]
fn consistency() {
    each("consistency.json", 30, |case| {
        let tree = |size: &str, root: &str| Tree { size: number(case, size), root: hash(case, root) };
        let (first, second) = (tree("firstSize", "firstRoot"), tree("secondSize", "secondRoot"));
        check_consistency(&first, &second, &hashes(case))
    });
}

#[test]
fn receipts_with_their_proofs() {
    let mut folders: Vec<_> =
        std::fs::read_dir(vectors("logged")).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Those beside a log of their own need a verifier: `live_log.rs`.
    folders.retain(|folder| !folder.join("log").is_dir());
    folders.sort();
    assert!(folders.len() >= 40, "only {} cases", folders.len());
    for folder in folders {
        let expect = std::fs::read_to_string(folder.join("expect")).unwrap();
        let (code, lines) = expect.split_once('\n').unwrap();
        let names: BTreeMap<&str, &str> = lines.lines().filter_map(|line| line.split_once(": ")).collect();
        let bytes = std::fs::read(folder.join("receipt.json")).unwrap();
        let result = logged(&bytes, &names);
        let found = result.as_ref().err().map_or("ok", Error::code);
        assert_eq!(found, code, "{}: {result:?}", folder.display());
        if let (Ok(reached), Some(expected)) = (result, names.get("log")) {
            assert_eq!(if reached { "reached" } else { "not attempted" }, *expected, "{}", folder.display());
        }
    }
}

/// Structure, signatures, log; whether the log was reached.
fn logged(bytes: &[u8], names: &BTreeMap<&str, &str>) -> Result<bool> {
    let receipt = Receipt::parse(bytes)?;
    check_structure(&receipt, &Expectation::default())?;
    check_signatures(&receipt, &Expectation::default())?;
    let Some(key) = names.get("logKey") else { return Ok(false) };
    let reached = receipt.check_log(&LogKey::parse(key)?)?.is_some();
    if let (true, Some(entry)) = (reached, names.get("logEntry")) {
        let logged_at = receipt.log.as_ref().map(|log| log.logged_at).unwrap();
        assert_eq!(receipt.log_entry(logged_at)?.to_bytes().as_slice(), hex_bytes(entry));
    }
    Ok(reached)
}

fn hex_bytes(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").unwrap().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
