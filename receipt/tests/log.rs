//! The reading side of the log against public vectors (`tests/vectors/log/README.md`), and a receipt with its proof.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use brizo_receipt::log::{
    Checkpoint, Entry, Event, Fetch, FetchError, Frontier, LogKey, LogMember, ReadError, SIGNATURES_MAX,
    TilePath, Tree, check_consistency, check_inclusion, inclusion_proof, root_at,
};
use brizo_receipt::{B256, Receipt};
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use serde::Deserialize;
use tlog_tiles::Hash;

const TESSERA_KEY: &str = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(json_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "json") {
            found.push(path);
        }
    }
    found
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// `None` for what is not 32 bytes, which no value of ours can hold.
fn hash(text: &str) -> Option<B256> {
    Hash::parse_hash(text).ok().map(|hash| B256::new(hash.0))
}

fn proof(texts: &Option<Vec<String>>) -> Option<Vec<B256>> {
    texts.iter().flatten().map(|text| hash(text)).collect()
}

fn holds_inclusion(case: &Inclusion) -> Option<()> {
    let tree = Tree { size: case.tree_size, root: hash(&case.root)? };
    check_inclusion(&tree, case.leaf_idx, hash(&case.leaf_hash)?, &proof(&case.proof)?).ok()
}

fn holds_consistency(case: &Consistency) -> Option<()> {
    // Some cases have words for roots and ask only whether they are the same; hashes of the words are.
    let root =
        |text: &str| hash(text).unwrap_or_else(|| B256::new(tlog_tiles::record_hash(text.as_bytes()).0));
    let old = Tree { size: case.size1, root: root(&case.root1) };
    let new = Tree { size: case.size2, root: root(&case.root2) };
    check_consistency(&old, &new, &proof(&case.proof)?).ok()
}

#[test]
fn the_public_proofs_have_the_public_results() {
    let whole = std::env::var_os("BRIZO_MERKLE_TESTDATA").map(PathBuf::from);
    let folder = whole.clone().unwrap_or_else(|| vectors().join("log/merkle"));
    let mut seen = 0;
    for path in json_files(&folder.join("inclusion")) {
        let case: Inclusion = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        seen += 1;
        assert_eq!(holds_inclusion(&case).is_none(), case.want_err, "{}", path.display());
    }
    for path in json_files(&folder.join("consistency")) {
        let case: Consistency = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        seen += 1;
        assert_eq!(holds_consistency(&case).is_none(), case.want_err, "{}", path.display());
    }
    println!("{seen} cases");
    assert_eq!(seen, if whole.is_some() { 196 } else { 19 });
}

struct Folder(PathBuf);

impl Fetch for Folder {
    fn fetch(&self, path: &str, _: usize) -> Result<Vec<u8>, FetchError> {
        fs::read(self.0.join(path)).map_err(|_| FetchError::Missing(path.into()))
    }
}

fn tessera(name: &str) -> Checkpoint {
    let note = fs::read_to_string(vectors().join("log/tessera").join(name)).unwrap();
    Checkpoint::verify(&note, &LogKey::parse(TESSERA_KEY).unwrap()).unwrap()
}

#[test]
fn a_log_by_other_software_is_read() {
    let folder = Folder(vectors().join("log/tessera"));
    let newest = tessera("checkpoint").tree;
    assert_eq!(newest.size, 15);
    for name in ["checkpoint.1", "checkpoint.5"] {
        let old = tessera(name).tree;
        assert_eq!(root_at(&folder, &newest, old.size).unwrap(), old.root, "{name}");
    }
    let bundle = fs::read(folder.0.join("tile/entries/000.p/15")).unwrap();
    let (mut frontier, mut rest) = (Frontier::default(), bundle.as_slice());
    let mut leaves = Vec::new();
    while let [high, low, after @ ..] = rest {
        let (entry, next) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        leaves.push(B256::new(tlog_tiles::record_hash(entry).0));
        frontier.push(leaves[leaves.len() - 1]);
        rest = next;
    }
    assert_eq!(frontier.tree(), newest);
    for (index, leaf) in leaves.iter().enumerate() {
        let proof = inclusion_proof(&folder, &newest, index as u64).unwrap();
        check_inclusion(&newest, index as u64, *leaf, &proof).unwrap();
    }
    let forged = Tree { root: B256::ZERO, ..newest };
    assert!(matches!(inclusion_proof(&folder, &forged, 3), Err(ReadError::Tree(_))));
}

/// A log that signs whatever it is given.
struct Log(SigningKey);

const ORIGIN: &str = "provider.example/log";

impl signed_note::Signer for Log {
    fn name(&self) -> &str {
        ORIGIN
    }

    fn key_id(&self) -> u32 {
        signed_note::key_id(ORIGIN, &[&[1], self.0.verifying_key().as_bytes().as_slice()].concat())
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.0.try_sign(message)?.to_vec())
    }
}

impl Log {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    fn key(&self) -> LogKey {
        LogKey::parse(&signed_note::new_ed25519_verifier_key(ORIGIN, &self.0.verifying_key())).unwrap()
    }

    fn note(&self, text: &str) -> String {
        let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        note.add_sigs(&[self]).unwrap();
        String::from_utf8(note.to_bytes()).unwrap()
    }
}

fn refused(note: &str, key: &LogKey) {
    refused_as("bad_checkpoint", note, key);
}

fn refused_as(code: &str, note: &str, key: &LogKey) {
    let error = Checkpoint::verify(note, key).expect_err(note);
    assert_eq!(error.code(), code, "{note}");
}

#[test]
fn a_checkpoint_has_three_lines_of_its_own_log_and_no_other_spelling() {
    let log = Log::new(1);
    let key = log.key();
    let root = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=";
    let good = log.note(&format!("{ORIGIN}\n8\n{root}\n"));
    let read = Checkpoint::verify(&good, &key).unwrap();
    assert_eq!((read.origin.as_str(), read.tree.size), (ORIGIN, 8));
    assert_eq!(read.to_text(), format!("{ORIGIN}\n8\n{root}\n"));
    refused_as("wrong_origin", &log.note(&format!("other.example/log\n8\n{root}\n")), &key);
    for text in [
        format!("{ORIGIN}\n08\n{root}\n"),
        format!("{ORIGIN}\n+8\n{root}\n"),
        format!("{ORIGIN}\n-8\n{root}\n"),
        format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
        format!("{ORIGIN}\n0\n{root}\n"),
        format!("{ORIGIN}\n8\n{root}\nextension\n"),
        format!("{ORIGIN}\n8\n{}\n", &root[..42]),
        format!("{ORIGIN}\n8\n{}h=\n", &root[..42]),
        format!("{ORIGIN}\n8\n"),
        format!("{ORIGIN}\n{root}\n8\n"),
    ] {
        refused(&log.note(&text), &key);
    }
    let empty = format!("{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    assert_eq!(Checkpoint::verify(&log.note(&empty), &key).unwrap().tree, Tree::EMPTY);
    for (from, to) in
        [("\n8\n", "\n9\n"), ("Xcna", "Xcnb"), ("\u{2014} ", "- "), ("\n\n", "\n"), ("8\n", "8\r\n")]
    {
        refused(&good.replacen(from, to, 1), &key);
    }
    refused("", &key);
    refused(&good[..good.len() - 1], &key);
}

#[test]
fn only_the_logs_own_signature_counts_and_there_is_a_limit_to_others() {
    let (log, other) = (Log::new(1), Log::new(2));
    let text = format!("{ORIGIN}\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n");
    refused_as("wrong_log_key", &other.note(&text), &log.key());
    let own = log.note(&text);
    let witness = "\u{2014} witness.example/w AAAAAAECAwQFBgc=\n";
    assert!(Checkpoint::verify(&(own.clone() + &witness.repeat(SIGNATURES_MAX - 1)), &log.key()).is_ok());
    refused(&(own.clone() + &witness.repeat(SIGNATURES_MAX)), &log.key());
    // One flipped bit in the signature.
    let at = own.rfind("=\n").unwrap() - 9;
    let flipped = if &own[at..=at] == "A" { "B" } else { "A" };
    refused(&format!("{}{flipped}{}", &own[..at], &own[at + 1..]), &log.key());
    refused(&"x".repeat((64 << 10) + 1), &log.key());
}

#[test]
fn a_log_key_has_one_spelling() {
    let good = Log::new(1).key().to_string();
    assert_eq!(LogKey::parse(&good).unwrap().origin(), ORIGIN);
    let (name, rest) = good.split_once('+').unwrap();
    let (digits, key) = rest.split_once('+').unwrap();
    let wrong = format!("{:08x}", u32::from_str_radix(digits, 16).unwrap() ^ 1);
    for text in [
        format!("{name}+{}+{key}", digits.to_uppercase()),
        format!("{name}+{wrong}+{key}"),
        format!("x{good}"),
        format!("{good}\n"),
        format!("{name}+{digits}"),
        format!("PRIVATE+KEY+{good}"),
        String::new(),
    ] {
        assert_eq!(LogKey::parse(&text).unwrap_err().code(), "bad_checkpoint", "{text}");
    }
}

fn attested() -> Receipt {
    Receipt::parse(&fs::read(vectors().join("receipt/ok-full/receipt.json")).unwrap()).unwrap()
}

/// The receipt in a log of `size` entries at `index`.
fn logged(mut receipt: Receipt, log: &Log, index: u64, size: u64) -> Receipt {
    let logged_at = 1_790_000_000;
    let entry = receipt.log_entry(logged_at).unwrap();
    let leaf = |n: u64| match n == index {
        true => entry.leaf(),
        false => Entry { event: Event::Stopped, run_index: n, ..entry }.leaf(),
    };
    let leaves: Vec<B256> = (0..size).map(leaf).collect();
    let tree = Tree { size, root: root(&leaves) };
    let checkpoint = log.note(&Checkpoint { origin: ORIGIN.into(), tree }.to_text());
    receipt.log = Some(LogMember { index, logged_at, checkpoint, proof: path(&leaves, index as usize) });
    receipt
}

fn root(leaves: &[B256]) -> B256 {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.tree().root
}

/// RFC 6962 §2.1.1.
fn path(leaves: &[B256], index: usize) -> Vec<B256> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut siblings, sibling) = match index.checked_sub(left.len()) {
        None => (path(left, index), root(right)),
        Some(within) => (path(right, within), root(left)),
    };
    siblings.push(sibling);
    siblings
}

#[test]
fn a_receipt_carries_its_own_proof() {
    let log = Log::new(1);
    for (index, size) in [(0, 1), (2, 5), (4, 5), (299, 300)] {
        let receipt = logged(attested(), &log, index, size);
        let checkpoint = receipt.check_log(&log.key()).unwrap().unwrap();
        assert_eq!(checkpoint.tree.size, size);
        assert_eq!(Receipt::parse(receipt.to_text().as_bytes()).unwrap(), receipt);
        let member = receipt.log.clone().unwrap();
        assert_eq!(member.added_to(&attested().to_text()), Some(receipt.to_text()));
    }
    let member = logged(attested(), &log, 0, 1).log.unwrap();
    assert_eq!(member.added_to("{}"), None);
    assert_eq!(attested().check_log(&log.key()), Ok(None));
}

#[test]
fn what_was_changed_is_not_in_the_log() {
    let log = Log::new(1);
    let good = logged(attested(), &log, 2, 5);
    let code = |change: &dyn Fn(&mut Receipt, &mut LogMember)| {
        let mut receipt = good.clone();
        let mut member = receipt.log.take().unwrap();
        change(&mut receipt, &mut member);
        receipt.log = Some(member);
        receipt.check_log(&log.key()).unwrap_err().code()
    };
    assert_eq!(code(&|_, log| log.index = 3), "log_proof");
    assert_eq!(code(&|_, log| log.index = 5), "log_proof");
    assert_eq!(code(&|_, log| log.logged_at += 1), "log_proof");
    assert_eq!(code(&|_, log| log.proof.truncate(2)), "log_proof");
    assert_eq!(code(&|_, log| log.proof.swap(0, 1)), "log_proof");
    assert_eq!(code(&|_, log| log.proof.push(B256::ZERO)), "log_proof");
    assert_eq!(code(&|_, log| log.proof = vec![B256::ZERO; 64]), "log_proof");
    assert_eq!(code(&|receipt, _| receipt.claim.outcome.fuel_used -= 1), "log_proof");
    assert_eq!(code(&|receipt, _| receipt.claim.spec.run_index += 1), "log_proof");
    assert_eq!(
        code(&|receipt, _| receipt.attestation.as_mut().unwrap().statement.issued_at += 1),
        "log_proof"
    );
    assert_eq!(code(&|receipt, _| receipt.attestation = None), "log_proof");
    assert_eq!(code(&|_, log| log.checkpoint = log.checkpoint.replace("\n5\n", "\n6\n")), "bad_checkpoint");
    let by_other = logged(attested(), &Log::new(2), 2, 5);
    assert_eq!(by_other.check_log(&log.key()).unwrap_err().code(), "wrong_log_key");
}

#[test]
fn the_member_is_parsed_strictly() {
    let text = logged(attested(), &Log::new(1), 2, 5).to_text();
    for (from, to) in [
        ("\"index\": \"2\"", "\"index\": 2"),
        ("\"index\": \"2\"", "\"index\": \"02\""),
        ("\"loggedAt\"", "\"loggedat\""),
        ("\"index\": \"2\",", ""),
        ("\"index\": \"2\"", "\"index\": \"2\", \"index\": \"2\""),
        ("\"index\": \"2\"", "\"index\": \"2\", \"note\": \"\""),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert_eq!(Receipt::parse(changed.as_bytes()).unwrap_err().code(), "receipt_malformed", "{to}");
    }
    let bare = attested().to_text();
    let with_null = bare.trim_end().strip_suffix('}').unwrap().to_string() + ", \"log\": null}";
    assert_eq!(Receipt::parse(with_null.as_bytes()).unwrap_err().code(), "receipt_malformed");
}

/// A log whose every file has whatever length is asked for.
struct Noise(u8);

impl Fetch for Noise {
    fn fetch(&self, _: &str, max: usize) -> Result<Vec<u8>, FetchError> {
        Ok(vec![self.0; max])
    }
}

proptest! {
    #[test]
    fn nothing_that_a_stranger_says_ends_the_program(
        text in prop_oneof![".{0,200}", "tile/[0-9a-z+]{1,7}/[x0-9/.p]{0,40}", "[a-z./]{1,9}\\+[0-9a-fA-F+]{6,9}\\+[A-Za-z0-9+/=]{0,60}"],
        bytes in prop::collection::vec(any::<u8>(), 0..130),
        sizes in prop::array::uniform3(prop_oneof![any::<u64>(), 0..70_000u64, (0u32..64).prop_map(|n| 1 << n)]),
        count in 0usize..70,
    ) {
        let key = Log::new(1).key();
        let _ = LogKey::parse(&text);
        prop_assert!(Checkpoint::verify(&text, &key).is_err());
        let signed = Log::new(1).note(&(text.replace(char::is_control, "") + "\n"));
        prop_assert!(Checkpoint::verify(&signed, &key).is_err());
        if let Some(path) = TilePath::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
        }
        if let Ok(entry) = Entry::parse(&bytes) {
            prop_assert_eq!(entry.to_bytes().to_vec(), bytes);
        }
        let [size, other, index] = sizes;
        let (new, old) = (Tree { size, root: B256::repeat_byte(1) }, Tree { size: other, root: B256::repeat_byte(2) });
        let proof = vec![B256::repeat_byte(3); count];
        prop_assert!(check_inclusion(&new, index, B256::ZERO, &proof).is_err());
        prop_assert!(check_consistency(&old, &new, &proof).is_err());
        prop_assert!(inclusion_proof(&Noise(3), &new, index).is_err());
        prop_assert!(root_at(&Noise(3), &new, other).is_err() || other == 0 || other == size);
    }
}
