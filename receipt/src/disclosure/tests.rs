//! Disclosures made from receipts of random shape, and everything that must not pass for one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    ExecutionClaim, FORMAT, Invocation, Key, Kind, Manifest, Mount, Opening, Receipt, Status, blind_commit,
    content_digest, invocation_manifest, root_of_leaves,
};

const RUN_KEY: Key = Key::OPEN;

fn dataset_key() -> Key {
    Key::new([0x22; 32])
}

fn file(path: &str, content: &[u8]) -> Entry {
    Entry::of(EntryKind::File, path, content)
}

/// A receipt with so many mounts, files in each, bundle files and arguments; nothing is signed.
fn receipt(mounts: usize, files: usize, bundle: usize, args: usize) -> Receipt {
    let mount = |number: usize| {
        let entries = (0..files).map(|i| file(&format!("f{i:03}"), format!("{number} {i}").as_bytes()));
        let leaves = Manifest::new(entries.collect()).unwrap().leaves(&dataset_key());
        Mount { path: format!("m{number:02}"), did: None, root: root_of_leaves(&leaves), leaves }
    };
    let bundle = (0..bundle).map(|i| file(&format!("b{i:03}"), &i.to_be_bytes()));
    let invocation = Invocation {
        args: (0..args).map(|i| format!("argument {i}")).collect(),
        env: vec![("HOME".into(), "/".into()), ("LANG".into(), String::new())],
    };
    let opening = Opening {
        algorithm: Manifest::new(bundle.collect()).unwrap().leaves(&RUN_KEY),
        inputs: (0..mounts).map(mount).collect(),
        outputs: Vec::new(),
        invocation,
    };
    let spec = JobSpec {
        profile: B256::repeat_byte(1),
        agreement_id: B256::repeat_byte(2),
        run_index: 0,
        module_digest: B256::repeat_byte(3),
        algorithm_root: root_of_leaves(&opening.algorithm),
        invocation_root: invocation_manifest(&opening.invocation).unwrap().root(&RUN_KEY),
        inputs_root: opening.inputs_root(),
        random_seed: B256::ZERO,
        clock_start: 0,
        clock_step: 1,
        fuel_limit: 10,
        memory_limit: 10,
        stack_limit: 10,
        output_limit: 10,
        files_limit: 10,
        blind_commit: blind_commit(&RUN_KEY),
    };
    let outcome = Outcome {
        status: Status::Exit as u8,
        exit_code: 0,
        trap_code: 0,
        fuel_used: 5,
        output_bytes: 0,
        outputs_root: root_of_leaves(&[]),
    };
    let claim = ExecutionClaim { spec, outcome };
    Receipt {
        format: FORMAT.into(),
        kind: Kind::ReExecutable,
        claim_hash: claim.hash(),
        claim,
        consent: None,
        attestation: None,
        run_info: String::new(),
        opening,
        log: None,
    }
}

/// One disclosure of each part that the receipt has.
fn samples() -> Vec<(Receipt, Disclosure)> {
    let receipt = receipt(3, 5, 4, 3);
    let made = [
        Disclosure::of_input(&receipt, file("f002", b"1 2"), &dataset_key()),
        Disclosure::of_algorithm(&receipt, file("b003", &3usize.to_be_bytes()), &RUN_KEY),
        Disclosure::of_invocation(&receipt, EntryKind::Argument, "00000001", &RUN_KEY),
        Disclosure::of_invocation(&receipt, EntryKind::Variable, "LANG", &RUN_KEY),
        outputs(&receipt),
    ];
    made.map(|disclosure| {
        let disclosure = disclosure.unwrap();
        let mut receipt = receipt.clone();
        receipt.claim_hash = disclosure.claim_hash;
        (receipt, disclosure)
    })
    .into()
}

/// A disclosure of an output, made by hand beside a receipt that lists none.
fn outputs(receipt: &Receipt) -> Result<Disclosure> {
    let key = Key::new([0x44; 32]);
    let entries = vec![
        file("t/mean.json", b"{}"),
        Entry::of(EntryKind::Directory, "t", b""),
        Entry::of(EntryKind::Stream, "stderr", b""),
        Entry::of(EntryKind::Stream, "stdout", b"done\n"),
    ];
    let manifest = Manifest::new(entries).unwrap();
    let outcome = Outcome { outputs_root: manifest.root(&key), ..receipt.claim.outcome.clone() };
    let entry = manifest.entries()[3].clone();
    let shown = Shown::Outputs { spec_hash: receipt.claim.spec.hash(), outcome };
    let position = Position::of(&manifest.leaves(&key), 3).unwrap();
    Ok(Disclosure { claim_hash: shown.claim_hash(), salt: entry.salt(&key), entry, position, shown })
}

fn refused(disclosure: &Disclosure, known: B256, code: &str, named: &str) {
    let error = disclosure.check(known).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(named), "{named:?} is not in {error}");
}

#[test]
fn what_is_disclosed_is_written_read_and_holds() {
    for (receipt, disclosure) in samples() {
        let read = Disclosure::parse(disclosure.to_text().as_bytes()).unwrap();
        assert_eq!(read, disclosure);
        let notes = read.check(receipt.claim_hash).unwrap();
        assert!(notes[0].contains(&format!("{:?}", read.entry.path)), "{notes:?}");
        refused(&read, B256::ZERO, "unexpected_receipt", "claim hash is not the expected one");
    }
}

/// Every hash and number of the document, changed alone: nothing but the entry's own path to the receipt hash holds.
#[test]
fn every_change_is_refused() {
    for (receipt, disclosure) in samples() {
        let value: Value = serde_json::from_str(&disclosure.to_text()).unwrap();
        let mut places = Vec::new();
        leaves_of(&value, "", &mut places);
        assert!(places.len() > 12, "{places:?}");
        for place in places {
            for changed in others(value.pointer(&place).unwrap()) {
                let mut document = value.clone();
                *document.pointer_mut(&place).unwrap() = changed;
                let result = Disclosure::parse(document.to_string().as_bytes())
                    .and_then(|read| read.check(receipt.claim_hash));
                assert!(result.is_err(), "{place} may be {}", document.pointer(&place).unwrap());
            }
        }
    }
}

/// JSON pointers of all scalars.
fn leaves_of(value: &Value, place: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| leaves_of(value, &format!("{place}/{key}"), into))
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| leaves_of(value, &format!("{place}/{i}"), into));
        }
        _ => into.push(place.to_string()),
    }
}

/// Other values of the same form.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) if text.starts_with("0x") => {
            let last = if text.ends_with('0') { "1" } else { "0" };
            vec![json!(format!("{}{last}", &text[..text.len() - 1]))]
        }
        Value::String(text) => match text.parse::<u64>() {
            Ok(number) => {
                vec![json!((number + 1).to_string()), json!(format!("{text}0")), json!(format!("0{text}"))]
            }
            Err(_) => vec![json!(format!("{text}x")), json!("")],
        },
        Value::Number(number) => vec![json!(number.as_u64().unwrap() + 1)],
        other => panic!("unexpected {other}"),
    }
}

#[test]
fn fields_are_those_of_the_part() {
    for (_, disclosure) in samples() {
        let value: Value = serde_json::from_str(&disclosure.to_text()).unwrap();
        let names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        for name in &names {
            let mut less = value.clone();
            less.as_object_mut().unwrap().remove(name);
            let error = Disclosure::parse(less.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.code(), "receipt_malformed", "{name}: {error}");
        }
        for (_, other) in samples() {
            let other: Value = serde_json::from_str(&other.to_text()).unwrap();
            for (name, field) in other.as_object().unwrap().iter().filter(|(name, _)| !names.contains(name)) {
                let mut more = value.clone();
                more[name] = field.clone();
                let error = Disclosure::parse(more.to_string().as_bytes()).unwrap_err();
                assert!(error.to_string().contains("nothing else beside the entry"), "{name}: {error}");
                more[name] = Value::Null;
                assert!(Disclosure::parse(more.to_string().as_bytes()).is_err(), "{name} is null");
            }
        }
        let text = disclosure.to_text();
        let twice = text.replacen('{', "{\"part\":\"outputs\",", 1);
        let version = text.replace("brizo-disclosure/1", "brizo-disclosure/2");
        let behind = format!("{text}0");
        let large = format!("{text}{}", " ".repeat(SMALL_BYTES_MAX));
        for (text, named) in [(twice, "duplicate"), (version, "/2"), (behind, "trailing"), (large, "at most")]
        {
            let error = Disclosure::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }
}

#[test]
fn a_kind_is_in_its_part_only() {
    for (_, disclosure) in samples() {
        for kind in ["file", "directory", "stream", "mount", "argument", "variable"] {
            let mut value: Value = serde_json::from_str(&disclosure.to_text()).unwrap();
            value["entry"]["kind"] = json!(kind);
            let parsed = Disclosure::parse(value.to_string().as_bytes());
            let part = disclosure.part();
            match parsed {
                Ok(read) => assert!(part.holds(read.entry.kind), "{kind} in {}", part.name()),
                Err(error) => assert!(error.to_string().contains(&format!("a {kind} cannot be")), "{error}"),
            }
        }
    }
}

#[test]
fn impossible_paths_are_refused() {
    let (receipt, input) = samples().swap_remove(0);
    for path in ["", "/f", "f/", "a/../b", "a\\b"] {
        let mut other = input.clone();
        other.entry.path = path.into();
        refused(&other, receipt.claim_hash, "bad_manifest", "");
        let mut other = input.clone();
        let Shown::Inputs { mount, .. } = &mut other.shown else { unreachable!() };
        mount.path = path.into();
        let code = if path.is_empty() { "bad_disclosure" } else { "bad_manifest" };
        refused(&other, receipt.claim_hash, code, "");
    }
    let (receipt, argument) = samples().swap_remove(2);
    for path in ["1", "0000000x", "000000001", "", "+0000001"] {
        let mut other = argument.clone();
        other.entry.path = path.into();
        refused(&other, receipt.claim_hash, "bad_manifest", "no index of an argument");
    }
    let (receipt, output) = samples().swap_remove(4);
    let mut folder = output.clone();
    folder.entry = Entry { kind: EntryKind::Directory, ..output.entry };
    refused(&folder, receipt.claim_hash, "bad_manifest", "folder with content");
}

#[test]
fn a_mount_cannot_be_swapped_for_another() {
    let receipt = receipt(3, 2, 1, 1);
    let of = |content: &[u8]| Disclosure::of_input(&receipt, file("f001", content), &dataset_key()).unwrap();
    let (first, second) = (of(b"0 1"), of(b"1 1"));
    let Shown::Inputs { mount: wrong, .. } = second.shown.clone() else { unreachable!() };
    let mut swapped = first.clone();
    let Shown::Inputs { mount, .. } = &mut swapped.shown else { unreachable!() };
    *mount = wrong;
    refused(&swapped, receipt.claim_hash, "bad_disclosure", "spec.inputsRoot is");
    let mut renamed = first;
    let Shown::Inputs { mount, .. } = &mut renamed.shown else { unreachable!() };
    mount.path = "m02".into();
    refused(&renamed, receipt.claim_hash, "bad_disclosure", "spec.inputsRoot is");
}

#[test]
fn an_inner_node_is_no_entry() {
    // Somebody who takes the node over two leaves for a leaf needs an entry with that leaf, and the count is bound.
    let receipt = receipt(1, 4, 1, 1);
    let mut cut = Disclosure::of_input(&receipt, file("f000", b"0 0"), &dataset_key()).unwrap();
    cut.position.siblings.remove(0);
    refused(&cut, receipt.claim_hash, "path_length", "has 2 siblings on its way up, 1 are given");
    cut.position.count = 2;
    refused(&cut, receipt.claim_hash, "bad_disclosure", "leads to");
}

#[test]
fn a_changed_hash_is_told_from_another_receipt() {
    let (receipt, mut disclosure) = samples().swap_remove(1);
    disclosure.claim_hash = B256::repeat_byte(5);
    refused(&disclosure, receipt.claim_hash, "hash_mismatch", &receipt.claim_hash.to_string());
    let (receipt, mut disclosure) = samples().swap_remove(4);
    let Shown::Outputs { outcome, .. } = &mut disclosure.shown else { unreachable!() };
    outcome.fuel_used += 1;
    refused(&disclosure, receipt.claim_hash, "hash_mismatch", "claimHash");
}

#[test]
fn content_is_compared_by_length_and_digest() {
    let (_, disclosure) = samples().swap_remove(0);
    assert_eq!(disclosure.check_content(3, content_digest(b"1 2")), Ok(()));
    for (size, digest) in [(3, content_digest(b"1 3")), (4, content_digest(b"1 2"))] {
        let error = disclosure.check_content(size, digest).unwrap_err();
        assert_eq!(error.code(), "hash_mismatch", "{error}");
    }
}

#[test]
fn what_the_receipt_does_not_have_is_not_disclosed() {
    let receipt = receipt(2, 3, 2, 2);
    let wrong = Key::new([0x99; 32]);
    let cases = [
        (Disclosure::of_input(&receipt, file("f001", b"other"), &dataset_key()), "bad_disclosure"),
        (Disclosure::of_input(&receipt, file("f001", b"0 1"), &wrong), "bad_disclosure"),
        (Disclosure::of_input(&receipt, file("f009", b"0 1"), &dataset_key()), "bad_disclosure"),
        (Disclosure::of_algorithm(&receipt, file("b001", b"other"), &RUN_KEY), "bad_disclosure"),
        (Disclosure::of_invocation(&receipt, EntryKind::Argument, "00000002", &RUN_KEY), "bad_disclosure"),
        (Disclosure::of_invocation(&receipt, EntryKind::Argument, "00000001", &wrong), "wrong_key"),
        (Disclosure::of_output(&receipt, file("f", b""), B256::ZERO), "bad_disclosure"),
    ];
    for (number, (made, code)) in cases.into_iter().enumerate() {
        assert_eq!(made.unwrap_err().code(), code, "case {number}");
    }
    let mut forged = receipt.clone();
    forged.claim.spec.inputs_root = B256::ZERO;
    let made = Disclosure::of_input(&forged, file("f001", b"0 1"), &dataset_key());
    assert_eq!(made.unwrap_err().code(), "bad_disclosure", "a receipt that contradicts itself");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_entry_of_every_shape_can_be_disclosed(
        (mounts, files, bundle, args) in (1usize..6, 1usize..40, 1usize..40, 1usize..40),
        (mount, at) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let receipt = receipt(mounts, files, bundle, args);
        let (mount, input, in_bundle, arg) = (mount.index(mounts), at.index(files), at.index(bundle), at.index(args));
        let made = [
            Disclosure::of_input(&receipt, file(&format!("f{input:03}"), format!("{mount} {input}").as_bytes()), &dataset_key()),
            Disclosure::of_algorithm(&receipt, file(&format!("b{in_bundle:03}"), &in_bundle.to_be_bytes()), &RUN_KEY),
            Disclosure::of_invocation(&receipt, EntryKind::Argument, &format!("{arg:08}"), &RUN_KEY),
        ];
        for disclosure in made {
            let disclosure = disclosure.unwrap();
            let read = Disclosure::parse(disclosure.to_text().as_bytes()).unwrap();
            prop_assert_eq!(&read, &disclosure);
            prop_assert!(read.check(receipt.claim_hash).is_ok());
            // No other place in the same tree.
            for index in 0..read.position.count {
                let mut moved = read.clone();
                moved.position.index = index;
                prop_assert_eq!(moved.check(receipt.claim_hash).is_ok(), index == read.position.index);
            }
        }
    }
}
