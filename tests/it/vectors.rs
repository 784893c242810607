//! The receipt crate against `tests/vectors/`, which another implementation made from `docs/RECEIPT.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use brizo::sandbox::{Order, profile_digest_for, profile_name_for};
use brizo_receipt::{
    Address, AlgorithmUpload, B256, Domain, EntryKind, Error, ExecutionClaim, Expectation, Invocation, Key,
    Manifest, ProfileState, Profiles, Receipt, ReceiptAttestation, SecretKey, Status, blind_commit,
    check_path, check_signatures, check_structure, content_digest, domain_separator, invocation_manifest,
    keccak256, mount_leaf, outputs_key, profile_digest, recover, root_of_leaves,
};
use serde_json::Value;

use crate::guests::wat_text;
use crate::sandbox;

/// Fewer cases than this mean that the walk missed them.
const CASES_MIN: usize = 320;
/// What `docs/RECEIPT.md` §6 lets a file have.
const RECEIPT_BYTES_MAX: usize = 134_217_728;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&fs::read(vectors().join(path)).unwrap()).unwrap()
}

fn list(path: &str) -> Vec<Value> {
    json(path).as_array().unwrap().clone()
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hash(value: &Value) -> B256 {
    text(value).parse().unwrap()
}

fn hashes(value: &Value) -> Vec<B256> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn key(value: &Value) -> Key {
    Key::new(hash(value).0)
}

/// A value of the type that is wanted, from a part of a vector.
macro_rules! read {
    ($value:expr) => {
        serde_json::from_value($value.clone()).unwrap()
    };
}

/// An `expect` file: the first line is `ok` or an error code, the others are `name: value`.
struct Expected {
    code: String,
    lines: BTreeMap<String, String>,
}

impl Expected {
    fn read(folder: &Path) -> Self {
        let path = folder.join("expect");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (code, rest) = text.split_once('\n').unwrap();
        let line =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.into(), value.into())).unwrap();
        Self { code: code.into(), lines: rest.lines().map(line).collect() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.lines.get(name).map(String::as_str)
    }

    fn hash(&self, name: &str) -> Option<B256> {
        self.get(name).map(|value| value.parse().unwrap())
    }

    fn address(&self, name: &str) -> Option<Address> {
        self.get(name).map(|value| value.parse().unwrap())
    }

    fn run_key(&self) -> Option<Key> {
        self.hash("runKey").map(|hash| Key::new(hash.0))
    }

    fn outputs_key(&self, receipt: &Receipt) -> Option<Key> {
        let keys = self.get("datasetKeys").into_iter().flat_map(|keys| keys.split(' '));
        let keys: Vec<_> = keys.map(|key| Key::new(key.parse::<B256>().unwrap().0)).collect();
        let key = receipt.outputs_key(&self.run_key()?, &keys);
        assert!(key.is_some() || keys.is_empty(), "one dataset key for each mount");
        key
    }

    fn expectation(&self) -> Expectation {
        Expectation {
            claim_hash: self.hash("expect-claimHash"),
            agreement_id: self.hash("expect-agreementId"),
            run_index: self.get("expect-runIndex").map(|number| number.parse().unwrap()),
            provider: self.address("expect-provider"),
            consumer: self.address("expect-consumer"),
            domain: self.address("expect-verifyingContract").map(|verifying_contract| Domain {
                chain_id: self.get("expect-chainId").unwrap().parse().unwrap(),
                verifying_contract,
            }),
            profiles: None,
        }
    }
}

/// The receipt, and whether it reached the tier of the signatures.
fn check(bytes: &[u8], expected: &Expected) -> Result<(Receipt, bool), Error> {
    let expectation = expected.expectation();
    let receipt = Receipt::parse(bytes)?;
    check_structure(&receipt, &expectation)?;
    let signed = check_signatures(&receipt, &expectation)?.is_some();
    if let Some(run_key) = expected.run_key() {
        receipt.check_invocation(&run_key)?;
    }
    if let Some(outputs_key) = expected.outputs_key(&receipt) {
        receipt.check_output_salts(&outputs_key)?;
    }
    Ok((receipt, signed))
}

/// Every value that an `expect` file may name, computed from the receipt's fields.
fn value_of(name: &str, receipt: &Receipt, expected: &Expected) -> Option<B256> {
    let run_key = &expected.run_key().unwrap();
    let (spec, opening) = (&receipt.claim.spec, &receipt.opening);
    let consent = receipt.consent.as_ref();
    let attestation = receipt.attestation.as_ref();
    let domain = consent.map(|it| it.domain).or(attestation.map(|it| it.domain));
    match name {
        "specHash" => Some(spec.hash()),
        "outcomeHash" => Some(receipt.claim.outcome.hash()),
        "claimHash" => Some(receipt.claim.hash()),
        "inputsRoot" => Some(opening.inputs_root()),
        "outputsRoot" => Some(opening.outputs_root()),
        "invocationRoot" => Some(opening.invocation_root(run_key).unwrap()),
        "blindCommit" => Some(blind_commit(run_key)),
        "outputsKey" => expected.outputs_key(receipt).map(|key| B256::from(*key.bytes())),
        "runInfoDigest" => Some(receipt.run_info_digest()),
        "domainSeparator" => domain.map(|domain| domain_separator(&domain)),
        "orderDigest" => consent.map(|it| spec.order_digest(&it.domain)),
        "attestationDigest" => attestation.map(|it| it.statement.digest(&it.domain)),
        _ => panic!("an expect file names {name:?}, which nothing computes"),
    }
}

fn check_values(case: &str, receipt: &Receipt, expected: &Expected) {
    let named = expected.lines.keys().filter(|name| !name.starts_with("expect-"));
    for name in named.filter(|name| !["about", "runKey", "datasetKeys", "signature"].contains(&name.as_str()))
    {
        assert_eq!(value_of(name, receipt, expected), expected.hash(name), "{case}: {name}");
    }
}

#[test]
fn every_receipt_ends_as_expected() {
    let cases = folders(&vectors().join("receipt"));
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());
    let mut good = 0;
    for folder in &cases {
        let case = folder.file_name().unwrap().to_str().unwrap();
        let expected = Expected::read(folder);
        let mut bytes = fs::read(folder.join("receipt.json")).unwrap();
        if let Some(length) = expected.get("padded") {
            bytes.resize(length.parse().unwrap(), b' ');
        }
        match check(&bytes, &expected) {
            Ok((receipt, signed)) => {
                assert_eq!("ok", expected.code, "{case} was accepted");
                let tier = if signed { "reached" } else { "not attempted" };
                assert_eq!(expected.get("signature"), Some(tier), "{case}: tier of the signatures");
                check_values(case, &receipt, &expected);
                let written = receipt.to_text();
                assert_eq!(Receipt::parse(written.as_bytes()).unwrap(), receipt, "{case}: written again");
                let own_layout = !["ok-algorithm-empty", "ok-escapes", "ok-other-layout"].contains(&case);
                assert_eq!(written.as_bytes() == bytes, own_layout, "{case}: the text that a writer makes");
                good += 1;
            }
            Err(error) => {
                assert_eq!(error.code(), expected.code, "{case}: {error}");
                let place = expected.get("where").unwrap_or_default();
                assert!(error.to_string().contains(place), "{case}: {error}");
            }
        }
    }
    assert!(good * 2 < cases.len(), "{good} of {} cases are good: most must be refusals", cases.len());
}

#[test]
fn a_receipt_has_a_largest_size() {
    let mut bytes = fs::read(vectors().join("receipt/ok-full/receipt.json")).unwrap();
    bytes.resize(RECEIPT_BYTES_MAX, b' ');
    assert!(Receipt::parse(&bytes).is_ok(), "as large as it may be");
    bytes.push(b' ');
    assert_eq!(Receipt::parse(&bytes).unwrap_err().code(), "receipt_too_large");
}

#[test]
fn every_folder_is_walked() {
    let names: Vec<_> = folders(&vectors()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    let read_here = ["manifest", "primitive", "profile", "receipt"];
    // `verifier.rs` reads these with the second verifier.
    let read_there = ["disclosure", "log", "logged", "profiles", "verdict"];
    let mut known = [&read_here[..], &read_there[..]].concat();
    known.sort_unstable();
    assert_eq!(names, known, "a folder that no test reads");
}

#[test]
fn manifests_have_the_published_leaves_and_roots() {
    let (mut seen, mut refused) = (0, 0);
    for file in fs::read_dir(vectors().join("manifest")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let vector = json(&format!("manifest/{name}"));
        let Some(entries) = vector.get("entries") else { continue };
        let manifest = Manifest::new(read!(entries));
        if let Some(code) = vector.get("error") {
            let error = manifest.err().unwrap_or_else(|| panic!("{name} was accepted"));
            assert_eq!(error.code(), text(code), "{name}");
            refused += 1;
            continue;
        }
        let (manifest, key) = (manifest.unwrap(), key(&vector["key"]));
        let order: Vec<_> = manifest.entries().iter().map(|entry| (entry.kind, entry.path.clone())).collect();
        let published: Vec<(EntryKind, String)> = read!(vector["order"]);
        assert_eq!(order, published, "{name}");
        assert_eq!(manifest.leaves(&key), hashes(&vector["leaves"]), "{name}");
        assert_eq!(manifest.root(&key), hash(&vector["root"]), "{name}");
        seen += 1;
    }
    assert!(seen >= 12 && refused >= 17, "only {seen} manifests and {refused} refused ones");
}

#[test]
fn trees_of_every_size_have_the_published_roots() {
    let roots = hashes(&json("manifest/tree.json")["roots"]);
    let leaves: Vec<_> = (0..roots.len()).map(|i| B256::repeat_byte(i as u8)).collect();
    for (n, root) in roots.iter().enumerate() {
        assert_eq!(root_of_leaves(&leaves[..n]), *root, "{n} leaves");
    }
}

#[test]
fn paths_are_accepted_and_refused_as_published() {
    let paths = json("manifest/paths.json");
    for path in paths["accepted"].as_array().unwrap() {
        assert_eq!(check_path(text(path)), Ok(()));
    }
    for path in paths["refused"].as_array().unwrap() {
        assert_eq!(check_path(text(path)).map_err(|e| e.code()), Err("bad_manifest"), "{path}");
    }
}

#[test]
fn invocations_and_mounts_have_the_published_roots() {
    let vector = json("manifest/invocation.json");
    let invocation = Invocation { args: read!(vector["args"]), env: read!(vector["env"]) };
    let (manifest, key) = (invocation_manifest(&invocation).unwrap(), key(&vector["runKey"]));
    assert_eq!(manifest.leaves(&key), hashes(&vector["leaves"]));
    assert_eq!(manifest.root(&key), hash(&vector["root"]));
    let vector = json("manifest/invocations.json");
    let read_all = |name: &str| -> Vec<Invocation> {
        let list = vector[name].as_array().unwrap().iter();
        list.map(|it| Invocation { args: read!(it["args"]), env: read!(it["env"]) }).collect()
    };
    for invocation in read_all("accepted") {
        assert!(invocation_manifest(&invocation).is_ok(), "{invocation:?}");
    }
    for invocation in read_all("refused") {
        let code = invocation_manifest(&invocation).map_err(|e| e.code());
        assert_eq!(code.err(), Some("bad_manifest"), "{invocation:?}");
    }
    let vector = json("manifest/mounts.json");
    let mounts = vector["mounts"].as_array().unwrap();
    let leaves: Vec<_> =
        mounts.iter().map(|mount| mount_leaf(text(&mount["path"]), hash(&mount["root"]))).collect();
    assert_eq!(leaves, mounts.iter().map(|mount| hash(&mount["leaf"])).collect::<Vec<_>>());
    assert_eq!(root_of_leaves(&leaves[..2]), hash(&vector["inputsRootOfFirstTwo"]));
}

#[test]
fn primitives_have_the_published_values() {
    for vector in list("primitive/content.json") {
        let bytes: Vec<u8> = hex_bytes(text(&vector["bytes"]));
        assert_eq!(content_digest(&bytes), hash(&vector["blake3"]));
        assert_eq!(keccak256(&bytes), hash(&vector["keccak256"]));
    }
    for vector in list("primitive/blind.json") {
        assert_eq!(blind_commit(&key(&vector["runKey"])), hash(&vector["blindCommit"]));
    }
    for vector in list("primitive/outputs-key.json") {
        let keys: Vec<_> = vector["datasetKeys"].as_array().unwrap().iter().map(key).collect();
        let found = outputs_key(hash(&vector["specHash"]), &key(&vector["runKey"]), &keys);
        assert_eq!(B256::from(*found.bytes()), hash(&vector["outputsKey"]));
    }
    for vector in list("primitive/profile.json") {
        assert_eq!(profile_digest(text(&vector["document"]).as_bytes()), hash(&vector["profile"]));
    }
    for mut vector in list("primitive/domain.json") {
        let separator = vector.as_object_mut().unwrap().remove("domainSeparator").unwrap();
        let domain: Domain = read!(vector);
        assert_eq!(domain_separator(&domain), hash(&separator));
    }
}

/// Runs a guest of these instructions, which leave what they found at address 1024 and after it, and returns `length`
/// bytes from there. The generators themselves are private to the sandbox; this is what a guest sees of them.
fn seen_by_a_guest(body: &str, length: usize, change: impl FnOnce(&mut Order)) -> Vec<u8> {
    let module = wat_text(&format!(
        r#"(module
            (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_res_get" (func $resolution (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_create_directory" (func $folder (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_filestat_get"
                (func $stat (param i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func $ok (param i32) (if (local.get 0) (then unreachable)))
            (func (export "_start") {body}
                (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const {length}))
                (call $ok (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#
    ));
    let mut order = sandbox::order(&[]);
    change(&mut order);
    let (ending, outputs) = sandbox::run(&module, &order);
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0), "{body}");
    assert_eq!(outputs.stdout.len(), length);
    outputs.stdout
}

#[test]
fn a_guest_gets_the_published_random_bytes() {
    for vector in list("primitive/random.json") {
        let first = hex_bytes(text(&vector["first80"]));
        for pieces in [&[80][..], &[1, 0, 31, 33, 15]] {
            let mut body = String::new();
            let mut place = 1024;
            for length in pieces {
                body += &format!("(call $ok (call $random (i32.const {place}) (i32.const {length})))");
                place += length;
            }
            let seed = hash(&vector["randomSeed"]);
            let bytes = seen_by_a_guest(&body, 80, |order| order.random_seed = seed);
            assert_eq!(bytes, first, "seed {seed} in pieces of {pieces:?}");
        }
    }
}

#[test]
fn a_guest_sees_the_published_times() {
    let number = |value: &Value| text(value).parse::<u64>().unwrap();
    for vector in list("primitive/clock.json") {
        let (mut body, mut expected) = (String::new(), Vec::new());
        for (i, event) in vector["events"].as_array().unwrap().iter().enumerate() {
            let place = 1024 + expected.len() * 8;
            body += &match text(&event["event"]) {
                "wall" => format!("(call $ok (call $time (i32.const 0) (i64.const 0) (i32.const {place})))"),
                "monotonic" => format!("(call $ok (call $time (i32.const 1) (i64.const 0) (i32.const {place})))"),
                "resolution" => format!("(call $ok (call $resolution (i32.const 0) (i32.const {place})))"),
                // A new folder in /data/outputs (descriptor 5), named by one letter, and the time of its last change.
                "stamp" => format!(
                    "(i32.store8 (i32.const 16) (i32.const {}))
                    (call $ok (call $folder (i32.const 5) (i32.const 16) (i32.const 1)))
                    (call $ok (call $stat (i32.const 5) (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 64)))
                    (i64.store (i32.const {place}) (i64.load (i32.const 104)))",
                    b'a' + i as u8
                ),
                // One subscription to the monotonic clock, relative.
                "sleep" => format!(
                    "(i64.store (i32.const 256) (i64.const 7)) (i64.store (i32.const 264) (i64.const 0))
                    (i64.store (i32.const 272) (i64.const 1)) (i64.store (i32.const 280) (i64.const {}))
                    (i64.store (i32.const 288) (i64.const 0)) (i64.store (i32.const 296) (i64.const 0))
                    (call $ok (call $poll (i32.const 256) (i32.const 320) (i32.const 1) (i32.const 8)))",
                    number(&event["nanoseconds"]) as i64
                ),
                other => panic!("unknown event {other}"),
            };
            expected.extend(event.get("value").map(number));
        }
        let bytes = seen_by_a_guest(&body, expected.len() * 8, |order| {
            order.clock_start = number(&vector["clockStart"]);
            order.clock_step = number(&vector["clockStep"]);
        });
        let seen: Vec<_> =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
        assert_eq!(seen, expected, "{vector}");
    }
}

fn hex_bytes(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn signatures_are_the_published_ones() {
    for vector in list("primitive/sign.json") {
        let key = SecretKey::from_bytes(&hash(&vector["secretKey"])).unwrap();
        let digest = hash(&vector["digest"]);
        let signature = key.sign(digest).unwrap();
        assert_eq!(serde_json::to_value(signature).unwrap(), vector["signature"]);
        assert_eq!(key.address(), text(&vector["address"]).parse::<Address>().unwrap());
        assert_eq!(recover(digest, &signature, "tester").unwrap(), key.address());
    }
}

#[test]
fn typed_data_has_the_published_hashes() {
    let vector = json("primitive/eip712.json");
    let domain: Domain = read!(vector["domain"]);
    let claim = ExecutionClaim { spec: read!(vector["spec"]), outcome: read!(vector["outcome"]) };
    let upload = AlgorithmUpload {
        agreement_id: hash(&vector["upload"]["serviceAgreementId"]),
        checksum: hash(&vector["upload"]["checksum"]),
    };
    let statement: ReceiptAttestation = read!(vector["statement"]);
    for (name, computed) in [
        ("specHash", claim.spec.hash()),
        ("outcomeHash", claim.outcome.hash()),
        ("claimHash", claim.hash()),
        ("orderDigest", claim.spec.order_digest(&domain)),
        ("uploadDigest", upload.digest(&domain)),
        ("attestationDigest", statement.digest(&domain)),
    ] {
        assert_eq!(computed, hash(&vector[name]), "{name}");
    }
}

#[test]
fn the_documents_worked_example_is_the_vector() {
    let document = fs::read_to_string(vectors().join("../../docs/RECEIPT.md")).unwrap();
    let expected = Expected::read(&vectors().join("receipt/ok-full"));
    for (name, value) in expected.lines.iter().filter(|(name, _)| !name.starts_with("expect-")) {
        assert!(
            ["about", "signature"].contains(&name.as_str())
                || value.split(' ').all(|value| document.contains(value)),
            "docs/RECEIPT.md lacks {name} {value}"
        );
    }
}

/// Whoever adds a profile lists it, and what runs here is on the list with the digest of the published document.
#[test]
fn the_list_of_profiles_has_every_published_document() {
    let list = Profiles::of_this_release().unwrap();
    for kind in brizo::sandbox::Kind::ALL {
        let profile = list.find(profile_digest_for(kind)).unwrap();
        assert_eq!((profile.name.as_str(), profile.state), (profile_name_for(kind), ProfileState::Active));
    }
    let mut documents = 0;
    for entry in fs::read_dir(vectors().join("profile")).unwrap() {
        let path = entry.unwrap().path();
        let digest = profile_digest(&fs::read(&path).unwrap());
        assert!(list.find(digest).is_some(), "{} is not in receipt/profiles.json", path.display());
        documents += 1;
    }
    assert_eq!(documents, list.list().len());
}

/// A receipt of the vectors, under a profile that a newer list revokes.
#[test]
fn a_receipt_under_a_revoked_profile_fails() {
    let bytes = fs::read(vectors().join("receipt/ok-full/receipt.json")).unwrap();
    let receipt = Receipt::parse(&bytes).unwrap();
    let list = |state: &str| {
        let digest = receipt.claim.spec.profile;
        let text = format!(
            r#"{{"format":"brizo-profiles/1","profiles":[{{"digest":"{digest}","name":"example/1","state":"{state}"}}]}}"#
        );
        Expectation { profiles: Some(Profiles::parse(text.as_bytes()).unwrap()), ..Expectation::default() }
    };
    let notes = check_structure(&receipt, &list("deprecated")).unwrap();
    assert!(notes.iter().any(|note| note == "under the profile example/1, deprecated"), "{notes:?}");
    assert_eq!(check_structure(&receipt, &list("revoked")).unwrap_err().code(), "profile_revoked");
}
