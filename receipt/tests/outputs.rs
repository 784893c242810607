//! Outputs that are shown and outputs that are withheld: what the document says of them, and what it takes to open them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use brizo_receipt::{
    B256, Entry, EntryKind, Error, ExecutionClaim, Expectation, Invocation, JobSpec, Key, Kind, Manifest,
    Mount, Opening, Outcome, Receipt, RunInfo, blind_commit, check_structure, derive, invocation_manifest,
    mount_leaf, outputs_key, root_of_leaves,
};

const RUN_KEY: [u8; 32] = [3; 32];
const DATASET_KEY: [u8; 32] = [2; 32];
/// What is withheld, of so little entropy that whoever can compute its leaf finds it at once.
const SECRET: (&str, &[u8]) = ("verdict.txt", b"yes\n");

fn entries() -> Vec<Entry> {
    vec![
        Entry::of(EntryKind::File, "tables/mean.csv", b"35.5\n"),
        Entry::of(EntryKind::File, SECRET.0, SECRET.1),
        Entry::of(EntryKind::Directory, "tables", b""),
        Entry::of(EntryKind::Stream, "stdout", b"done\n"),
        Entry::of(EntryKind::Stream, "stderr", b""),
    ]
}

fn spec(mounts: &[Mount], invocation: &Invocation) -> JobSpec {
    let leaves: Vec<_> = mounts.iter().map(|mount| mount_leaf(&mount.path, mount.root)).collect();
    let word = B256::repeat_byte;
    JobSpec {
        profile: word(1),
        agreement_id: word(2),
        run_index: 0,
        module_digest: word(4),
        algorithm_root: root_of_leaves(&[]),
        invocation_root: invocation_manifest(invocation).unwrap().root(&Key::new(RUN_KEY)),
        inputs_root: root_of_leaves(&leaves),
        random_seed: word(8),
        clock_start: 9,
        clock_step: 10,
        fuel_limit: 11,
        memory_limit: 12,
        stack_limit: 13,
        output_limit: 1000,
        files_limit: 3,
        blind_commit: blind_commit(&Key::new(RUN_KEY)),
    }
}

/// A whole receipt over [`entries`], of which it withholds the secret.
fn receipt() -> Receipt {
    let invocation = Invocation { args: vec!["algorithm".into()], env: vec![] };
    let data = Manifest::new(vec![Entry::of(EntryKind::File, "a.csv", b"1\n")]).unwrap();
    let key = Key::new(DATASET_KEY);
    let mounts =
        vec![Mount { path: String::new(), did: None, root: data.root(&key), leaves: data.leaves(&key) }];
    let spec = spec(&mounts, &invocation);
    let key = outputs_key(spec.hash(), &Key::new(RUN_KEY), &[key]);
    let manifest = Manifest::new(entries()).unwrap();
    let outcome = Outcome {
        status: 0,
        exit_code: 0,
        trap_code: 0,
        fuel_used: 5,
        output_bytes: entries().iter().map(|entry| entry.size).sum(),
        outputs_root: manifest.root(&key),
    };
    let claim = ExecutionClaim { spec, outcome };
    let info = RunInfo {
        software: "test".into(),
        engine: "none".into(),
        target: "none".into(),
        started_at: 0,
        run_us: 0,
        cached_module: false,
    };
    let outputs = Opening::list_outputs(&manifest, &key, |entry| entry.path == SECRET.0);
    Receipt {
        format: brizo_receipt::FORMAT.into(),
        kind: Kind::ReExecutable,
        claim_hash: claim.hash(),
        claim,
        consent: None,
        attestation: None,
        run_info: info.to_text(),
        opening: Opening { invocation, algorithm: vec![], inputs: mounts, outputs },
        log: None,
    }
}

fn both_keys(receipt: &Receipt) -> Key {
    receipt.outputs_key(&Key::new(RUN_KEY), &[Key::new(DATASET_KEY)]).unwrap()
}

fn delivered(files: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    files.iter().map(|(path, bytes)| (path.to_string(), bytes.to_vec())).collect()
}

#[test]
fn a_withheld_output_is_a_bare_leaf() {
    let receipt = receipt();
    check_structure(&receipt, &Expectation::default()).unwrap();
    let text = receipt.to_text();
    assert_eq!(Receipt::parse(text.as_bytes()).unwrap(), receipt);
    let secret = Entry::of(EntryKind::File, SECRET.0, SECRET.1);
    let salt = secret.salt(&both_keys(&receipt));
    for hidden in [SECRET.0.to_string(), secret.digest.to_string(), salt.to_string()] {
        assert!(!text.contains(&hidden), "{hidden}");
    }
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let outputs = document["opening"]["outputs"].as_array().unwrap();
    let fields: Vec<_> = outputs.iter().map(|output| output.as_object().unwrap().len()).collect();
    assert_eq!(fields, [6, 1, 6, 6, 6], "files, folder and streams in order; the second file is withheld");
}

/// The consumer has the run key, the whole receipt and everything that was shown. None of the keys and salts that it can
/// make of these gives the leaf of what was withheld, even from the right path and content.
#[test]
fn a_run_key_alone_does_not_open_what_is_withheld() {
    let receipt = receipt();
    let leaves: Vec<_> = receipt.withheld_leaves().collect();
    let right = Entry::of(EntryKind::File, SECRET.0, SECRET.1);
    assert_eq!(leaves, [right.leaf(&both_keys(&receipt))], "whoever has both keys opens it");

    let run_key = Key::new(RUN_KEY);
    let spec_hash = receipt.claim.spec.hash();
    let mut keys = vec![run_key.clone(), Key::OPEN];
    keys.extend(
        [vec![], vec![Key::OPEN], vec![run_key.clone()], vec![Key::OPEN; 2]]
            .map(|guess| outputs_key(spec_hash, &run_key, &guess)),
    );
    let known =
        [spec_hash, receipt.claim_hash, receipt.claim.outcome.hash(), receipt.claim.spec.blind_commit];
    let mounts = receipt.opening.inputs.iter().flat_map(|mount| mount.leaves.iter().chain([&mount.root]));
    let shown = receipt.opening.outputs.iter().filter_map(|output| output.shown.as_ref());
    let salts: Vec<B256> = shown.map(|shown| shown.salt).collect();
    let words: Vec<B256> = known.iter().chain(mounts).chain(&salts).copied().collect();
    for word in &words {
        keys.extend([Key::new(word.0), outputs_key(spec_hash, &run_key, &[Key::new(word.0)])]);
        keys.push(Key::new(derive("brizo 2026 v1 outputs key", &[word.as_slice(), &RUN_KEY]).0));
    }
    for key in &keys {
        assert_ne!(right.leaf(key), leaves[0], "a key made of what the consumer knows");
    }
    for salt in words.iter().chain(&salts) {
        assert_ne!(right.leaf_under(*salt), leaves[0], "a word of the receipt as salt");
    }
}

#[test]
fn salts_are_those_of_both_keys() {
    let receipt = receipt();
    receipt.check_output_salts(&both_keys(&receipt)).unwrap();
    assert_eq!(receipt.outputs_key(&Key::new(RUN_KEY), &[]), None, "one dataset key for each mount");
    let wrong = receipt.outputs_key(&Key::new(RUN_KEY), &[Key::OPEN]).unwrap();
    let error = receipt.check_output_salts(&wrong).unwrap_err();
    assert_eq!(error.code(), "wrong_key");
    assert!(error.to_string().contains("salt of opening.outputs \"tables/mean.csv\""), "{error}");
}

#[test]
fn a_leaf_binds_path_size_content_and_salt_of_what_is_shown() {
    let good = receipt();
    let changes: [fn(&mut brizo_receipt::ShownOutput); 4] = [
        |shown| shown.entry.path.push('x'),
        |shown| shown.entry.size -= 1,
        |shown| shown.entry.digest.0[0] ^= 1,
        |shown| shown.salt.0[31] ^= 1,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut receipt = good.clone();
        change(receipt.opening.outputs[0].shown.as_mut().unwrap());
        let error = check_structure(&receipt, &Expectation::default()).unwrap_err();
        assert_eq!(error.code(), "hash_mismatch", "change {number}: {error}");
        assert!(error.to_string().starts_with("leaf of opening.outputs"), "change {number}: {error}");
    }
}

#[test]
fn delivered_files_need_no_key_unless_they_were_withheld() {
    let receipt = receipt();
    let shown = ("tables/mean.csv", &b"35.5\n"[..]);
    let counts = |files: &[(&str, &[u8])], key: Option<&Key>| {
        receipt.check_delivered(&delivered(files), key).map(|found| (found.shown, found.withheld))
    };
    let place = |result: Result<_, Error>| match result {
        Err(Error::Manifest(text)) => text,
        other => panic!("{other:?}"),
    };
    let key = both_keys(&receipt);
    assert_eq!(counts(&[shown], None).unwrap(), (1, 0));
    assert_eq!(counts(&[shown, SECRET], Some(&key)).unwrap(), (1, 1));
    assert!(place(counts(&[], None)).contains("expected a file, found none"));
    assert!(place(counts(&[("tables/mean.csv", b"35.6\n")], None)).contains("tables/mean.csv"));
    assert!(place(counts(&[shown, SECRET], None)).contains("with run key and dataset keys"));
    for (path, bytes) in [(SECRET.0, &b"no\n"[..]), ("other.txt", SECRET.1)] {
        assert!(place(counts(&[shown, (path, bytes)], Some(&key))).contains(path));
    }
}
