//! The second verifier, `tests/verifier/`, against `tests/vectors/`, and the scripts that made those vectors. They need `python3`.

use std::process::{Command, Output};

use brizo_receipt::verifier::{Evidence, OpeningEvidence, verify};
use brizo_receipt::{Key, Receipt};

fn python(arguments: &[&str]) -> Output {
    let mut command = Command::new("python3");
    // Without -B it would leave folders of compiled code in the repository.
    command.arg("-B").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
        .output()
        .expect("python3, version 3.11 or newer, must be installed to hold the format by a second reader")
}

#[track_caller]
fn assert_succeeds(arguments: &[&str]) -> String {
    let output = python(arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn the_second_verifier_agrees_on_every_vector() {
    let said = assert_succeeds(&["-m", "tests.verifier", "vectors", "tests/vectors"]);
    let cases = said
        .lines()
        .last()
        .and_then(|line| line.split(' ').next())
        .and_then(|number| number.parse::<usize>().ok());
    // Fewer than this mean that the walk missed them.
    assert!(cases.is_some_and(|cases| cases >= 800), "{said}");
}

#[test]
fn the_vectors_are_what_their_scripts_make() {
    for script in ["make_disclosure", "make_log", "make_profiles", "make_verdict"] {
        assert_succeeds(&["-m", &format!("tests.vectors.{script}"), "--check"]);
    }
}

/// Where every output is withheld no salt can be compared, so no data set key can be told from another one; both verifiers say so.
#[test]
fn neither_verifier_passes_a_data_set_key_that_nothing_was_compared_with() {
    let folder = tempfile::tempdir().unwrap();
    let vector = crate::guests::repository("tests/vectors/receipt/ok-full/receipt.json");
    let shown = std::fs::read(vector).unwrap();
    let mut receipt = Receipt::parse(&shown).unwrap();
    receipt.opening.outputs.iter_mut().for_each(|output| output.shown = None);
    let withheld = receipt.to_text().into_bytes();
    let (right, wrong) = ([[0x22; 32], [0x23; 32]], [[0x22; 32], [0x24; 32]]);
    type Case<'a> = (&'a [u8], &'a [[u8; 32]], u8);
    let cases: [Case<'_>; 6] = [
        (&shown, &right, 0),
        (&shown, &wrong, 17),
        (&shown, &[], 0),
        (&withheld, &right, 3),
        (&withheld, &wrong, 3),
        (&withheld, &[], 0),
    ];
    for (number, (bytes, keys, exit)) in cases.into_iter().enumerate() {
        let opening = OpeningEvidence {
            run_key: Some(Key::new([0x33; 32])),
            dataset_keys: keys.iter().map(|key| Key::new(*key)).collect(),
            ..OpeningEvidence::default()
        };
        let report = verify(&Evidence { receipt: bytes, opening, ..Evidence::default() });
        assert_eq!(report.exit_code(), exit, "case {number}: {}", report.table());
        let says = report.table().contains("are salted with");
        assert_eq!(says, exit == 0 && !keys.is_empty(), "case {number}: {}", report.table());
        let file = folder.path().join("receipt.json");
        std::fs::write(&file, bytes).unwrap();
        let keys = keys.iter().flat_map(|key| ["--dataset-key".to_string(), hex::encode(key)]);
        let mut arguments = ["-m", "tests.verifier", "verify", "--run-key"].map(str::to_string).to_vec();
        arguments.extend([hex::encode([0x33; 32]), file.to_str().unwrap().to_string()]);
        arguments.extend(keys);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let second = python(&arguments);
        let said = String::from_utf8_lossy(&second.stdout);
        assert_eq!(second.status.code(), Some(i32::from(exit)), "case {number}: {said}");
    }
}
