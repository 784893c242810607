//! Exports against files that are checked in, so that a mapping cannot change unnoticed. What the formats' own tools say
//! of them is asked by `tests/interop/check.py`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use brizo_receipt::export::{
    ExportKey, IN_TOTO_TYPE, Source, document_text, envelope, pre_authentication, prov_document,
    ro_crate_metadata, statement,
};
use brizo_receipt::{Attestation, B256, ExecutionClaim, Expectation, Key, Receipt, recover};
use serde_json::{Value, json};

/// Set to write the files anew, after the change was looked at.
const WRITE: &str = "BRIZO_WRITE_GOLDEN";
/// Cases that differ in what is there: all of it, a bundle, no signature, a failure, nothing shown, no data.
const CASES: [&str; 7] = [
    "ok-full",
    "ok-bundle",
    "ok-local-unsigned",
    "ok-trap",
    "ok-all-withheld",
    "ok-no-inputs",
    "ok-container",
];
/// The key of RFC 8032 §7.1, test 1; public and worth nothing.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

fn bytes(case: &str) -> Vec<u8> {
    fs::read(tests().join(format!("vectors/receipt/{case}/receipt.json"))).unwrap()
}

/// The receipt of a case, opened with its run key.
fn source(case: &str) -> Source {
    let mut source = Source::new(&bytes(case), "receipt.json", &Expectation::default()).unwrap();
    let expect = fs::read_to_string(tests().join(format!("vectors/receipt/{case}/expect"))).unwrap();
    if let Some(key) = expect.lines().find_map(|line| line.strip_prefix("runKey: ")) {
        source.open_invocation(&Key::new(key.parse::<B256>().unwrap().0)).unwrap();
    }
    source
}

/// Names of all cases that hold, in order.
fn good_cases() -> Vec<String> {
    let folders = fs::read_dir(tests().join("vectors/receipt")).unwrap().map(|it| it.unwrap().path());
    let good = folders.filter(|path| fs::read_to_string(path.join("expect")).unwrap().starts_with("ok\n"));
    let mut names: Vec<_> =
        good.map(|path| path.file_name().unwrap().to_str().unwrap().to_string()).collect();
    names.sort();
    assert!(names.len() >= 30, "only {} good cases", names.len());
    names
}

fn all_formats(source: &Source) -> [(&'static str, Value); 3] {
    [("in-toto", statement(source)), ("prov", prov_document(source)), ("ro-crate", ro_crate_metadata(source))]
}

fn compare(name: &str, text: &str) {
    let path = tests().join("interop/golden").join(name);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} changed; look at the change, then set {WRITE}=1 to keep it");
}

#[test]
fn exports_are_those_that_are_checked_in() {
    for case in CASES {
        let source = source(case);
        for (format, document) in all_formats(&source) {
            compare(&format!("{case}.{format}.json"), &document_text(&document));
        }
    }
    let key = ExportKey::from_pem(KEY).unwrap();
    let payload = document_text(&statement(&source("ok-full")));
    let signed = envelope(IN_TOTO_TYPE, payload.as_bytes(), &key);
    compare("ok-full.dsse.json", &document_text(&signed));
    assert!(pre_authentication(IN_TOTO_TYPE, payload.as_bytes()).ends_with(payload.as_bytes()));
}

#[test]
fn nothing_of_a_withheld_output_is_exported() {
    for case in good_cases() {
        let source = source(&case);
        let opening = json!(source.receipt().opening);
        let outputs = opening["outputs"].as_array().unwrap();
        for (format, document) in all_formats(&source) {
            let text = document_text(&document);
            for hash in outputs.iter().flat_map(|it| [&it["leaf"], &it["salt"]]).filter_map(Value::as_str) {
                assert!(!text.contains(&hash[2..]), "{case} as {format} has {hash}");
            }
        }
        let withheld = outputs.iter().filter(|it| it.get("digest").is_none()).count();
        assert_eq!(statement(&source)["predicate"]["brizo"]["withheldOutputs"], json!(withheld), "{case}");
    }
}

#[test]
fn a_statement_leads_back_to_the_receipt_hash_and_the_providers_signature() {
    let mut signed = 0;
    for case in good_cases() {
        let source = source(&case);
        let predicate = &statement(&source)["predicate"];
        let claim: ExecutionClaim = serde_json::from_value(json!({
            "spec": predicate["buildDefinition"]["externalParameters"]["spec"],
            "outcome": predicate["brizo"]["outcome"],
        }))
        .unwrap();
        let stated: B256 = serde_json::from_value(predicate["brizo"]["receiptHash"].clone()).unwrap();
        assert_eq!(
            (claim.hash(), stated),
            (source.receipt().claim_hash, source.receipt().claim_hash),
            "{case}"
        );
        let Some(attestation) = predicate["brizo"].get("attestation") else { continue };
        let it: Attestation = serde_json::from_value(attestation.clone()).unwrap();
        let signer = recover(it.statement.digest(&it.domain), &it.signature, "provider").unwrap();
        assert_eq!((signer, it.statement.claim_hash), (it.statement.provider, stated), "{case}");
        signed += 1;
    }
    assert!(signed > 10, "only {signed} statements carry an attestation");
}

#[test]
fn names_are_uris_whatever_stands_in_the_receipt() {
    fn names<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                let own = fields.iter().filter(|(name, _)| ["@id", "uri", "id"].contains(&name.as_str()));
                found.extend(own.filter_map(|(_, value)| value.as_str()));
                fields.values().for_each(|value| names(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| names(value, found)),
            _ => {}
        }
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#%+".contains(c);
    for case in good_cases() {
        let source = source(&case);
        for (format, document) in all_formats(&source) {
            let mut found = Vec::new();
            // The spec has no names, and environment variables may be called anything.
            names(&document, &mut found);
            let bad = found.iter().find(|name| name.is_empty() || !name.chars().all(allowed));
            assert_eq!(bad, None, "{case} as {format}");
        }
        let crated = ro_crate_metadata(&source);
        let ids: Vec<_> = crated["@graph"].as_array().unwrap().iter().map(|node| &node["@id"]).collect();
        let distinct: BTreeSet<_> = ids.iter().map(|id| id.as_str()).collect();
        assert_eq!(distinct.len(), ids.len(), "{case}: an entity of the crate stands twice");
    }
}

/// No signature covers the arguments in the file; whoever changed them must find them in no export as what was ordered.
#[test]
fn arguments_that_nobody_proved_are_not_exported_as_ordered() {
    let mut receipt = Receipt::parse(&bytes("ok-full")).unwrap();
    receipt.opening.invocation.args[4] = "forged".into();
    let text = receipt.to_text();
    let mut source = Source::new(text.as_bytes(), "receipt.json", &Expectation::default()).unwrap();
    let predicate = &statement(&source)["predicate"];
    let ordered = predicate["buildDefinition"]["externalParameters"].as_object().unwrap();
    assert_eq!(ordered.keys().collect::<Vec<_>>(), ["spec"]);
    assert_eq!(predicate["brizo"]["unproven"]["arguments"][4], "forged");
    assert!(!document_text(&ro_crate_metadata(&source)).contains("forged"));
    let wrong = source.open_invocation(&Key::new([0x33; 32])).unwrap_err();
    assert_eq!(wrong.code(), "hash_mismatch", "{wrong}");
    // With the key that hides nothing, nothing need be given.
    let mut local = Receipt::parse(&bytes("ok-local-unsigned")).unwrap();
    let open = |receipt: &Receipt| {
        Source::new(receipt.to_text().as_bytes(), "receipt.json", &Expectation::default())
    };
    assert!(statement(&open(&local).unwrap())["predicate"]["brizo"].get("unproven").is_none());
    local.opening.invocation.args[0] = "forged".into();
    assert_eq!(open(&local).unwrap_err().code(), "hash_mismatch");
}

#[test]
fn a_container_is_no_module_in_any_format() {
    let source = source("ok-container");
    let image = format!("{:x}", source.receipt().claim.spec.module_digest);
    for (format, document) in all_formats(&source) {
        let text = document_text(&document);
        assert!(text.contains(&format!("urn:brizo:sha256:{image}")), "{format}");
        for wrong in [&format!("urn:brizo:blake3:{image}"), "module that ran", "WebAssembly", "only proof"] {
            assert!(!text.contains(wrong), "{format} says {wrong}");
        }
        assert!(text.contains("nobody can recompute it"), "{format}");
    }
}

/// Also one under a profile that this release does not know.
#[test]
fn an_attested_receipt_is_exported_as_one() {
    for (case, attested) in [("ok-attested", true), ("ok-container", true), ("ok-full", false)] {
        let source = source(case);
        for (format, document) in all_formats(&source) {
            let text = document_text(&document);
            assert_eq!(text.contains("nobody can recompute it"), attested, "{case} as {format}");
            assert!(!(attested && text.contains("brizo replay")), "{case} as {format} can be repeated");
        }
        let microseconds = document_text(&statement(&source)).contains("microseconds");
        assert_eq!(microseconds, case == "ok-container", "{case}");
    }
}

#[test]
fn a_receipt_that_does_not_hold_is_not_exported() {
    for (case, code) in [
        ("bad-cut-off", "receipt_truncated"),
        ("sum-too-large", "receipt_contradiction"),
        ("hash-claim", "hash_mismatch"),
        ("sign-provider-stranger", "wrong_signer"),
        ("sign-provider-high-s", "high_s_signature"),
    ] {
        let error = Source::new(&bytes(case), "receipt.json", &Expectation::default()).unwrap_err();
        assert_eq!(error.code(), code, "{case}");
    }
}

#[test]
fn files_are_compared_before_their_sha_256_is_taken() {
    let mut source = source("ok-full");
    for (path, content) in [("mean.json", "{}"), ("tables/secret.csv", "yes\n"), ("stdout", "done\n")] {
        assert_eq!(source.add_file(path, content.as_bytes()).unwrap_err().code(), "bad_manifest", "{path}");
    }
    let before = document_text(&statement(&source));
    source.add_file("mean.json", b"{\"mean\":35.5}\n").unwrap();
    let subject = &statement(&source)["subject"][0];
    assert_eq!(subject["name"], "outputs/mean.json");
    // printf '{"mean":35.5}\n' | sha256sum
    let digest = "ef13003a48b3bd49a7b92be3876bcf1f70e1c671c665a0983215e2f7e63921e7";
    assert_eq!(subject["digest"]["sha256"], digest);
    assert!(!before.contains(digest));
}
