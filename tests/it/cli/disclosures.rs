//! `brizo receipt disclose` and `check-disclosure`: one thing is proved, and nothing else is told.

use std::process::Output;

use brizo_receipt::Receipt;

use super::{LocalRun, flip, json, said};
use crate::guests::wat_text;
use crate::world::brizo;

fn check(run: &LocalRun, hash: &str, more: &[&str]) -> Output {
    run.brizo(&[&["receipt", "check-disclosure", "proof.json", hash, "--format", "json"], more].concat())
}

fn disclose(run: &LocalRun, more: &[&str]) -> Output {
    let _ = std::fs::remove_file(run.path("proof.json"));
    run.brizo(&[&["receipt", "disclose", "out.receipt.json", "-o", "proof.json"], more].concat())
}

const RUN_KEY: [&str; 2] = ["--run-key", "run.key"];
const DATASET_KEY: [&str; 2] = ["--dataset-key", "dataset.key"];

/// Everything that can be named: what to ask for, the part, and the file with the bytes if there is one.
const THINGS: [(&[&str], &str, Option<&str>); 6] = [
    (&["--path", "column-stats.csv"], "outputs", Some("out/column-stats.csv")),
    (&["--stream", "stderr"], "outputs", None),
    (
        &["--input", "penguins.csv", "--data", "data", "--dataset-key", "dataset.key"],
        "inputs",
        Some("data/penguins.csv"),
    ),
    (&["--argument", "0", "--run-key", "run.key"], "invocation", None),
    (&["--argument", "4", "--run-key", "run.key"], "invocation", None),
    (&["--variable", "OUTPUTS", "--run-key", "run.key"], "invocation", None),
];

#[test]
fn each_thing_is_proved_from_the_receipt_hash_alone() {
    let run = LocalRun::new();
    for (what, part, file) in THINGS {
        let made = disclose(&run, what);
        assert_eq!(made.status.code(), Some(0), "{what:?}: {}", said(&made));
        assert!(said(&made).contains(&run.hash), "it says what the other side needs");
        // Only the proof goes to the other side.
        let other = tempfile::tempdir().unwrap();
        std::fs::copy(run.path("proof.json"), other.path().join("proof.json")).unwrap();
        let args = ["receipt", "check-disclosure", "proof.json", &run.hash, "--format", "json"];
        let checked = brizo(other.path(), &args);
        assert_eq!(checked.status.code(), Some(0), "{what:?}: {}", said(&checked));
        let document = json(&checked);
        assert_eq!((document["holds"].as_bool(), document["part"].as_str()), (Some(true), Some(part)));
        assert_eq!(document["fileCompared"], false);
        if let Some(file) = file {
            let checked = check(&run, &run.hash, &["--file", file]);
            assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
            assert_eq!(json(&checked)["fileCompared"], true);
            let other = check(&run, &run.hash, &["--file", "algorithm.wasm"]);
            assert_eq!(
                (other.status.code(), json(&other)["code"].as_str()),
                (Some(17), Some("hash_mismatch"))
            );
        }
        let other = check(&run, &format!("0x{}", "11".repeat(32)), &[]);
        assert_eq!(
            (other.status.code(), json(&other)["code"].as_str()),
            (Some(13), Some("unexpected_receipt"))
        );
    }
}

#[test]
fn a_proof_shows_nothing_of_the_others() {
    let run = LocalRun::new();
    assert!(disclose(&run, THINGS[2].0).status.success());
    let proof = std::fs::read_to_string(run.path("proof.json")).unwrap();
    assert!(proof.contains("penguins.csv"));
    for other in ["seattle-weather", "column-stats", "--file", "/data", &"09".repeat(32), &"07".repeat(32)] {
        assert!(!proof.contains(other), "{other} is in {proof}");
    }
}

/// A bit of the proof's own hashes flipped, one after the other, is refused with the code of the place.
#[test]
fn a_changed_proof_is_refused() {
    let run = LocalRun::new();
    assert!(disclose(&run, THINGS[0].0).status.success());
    let good = std::fs::read_to_string(run.path("proof.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&good).unwrap();
    let cases = [
        ("/entry/digest", 17, "bad_disclosure"),
        ("/entry/salt", 17, "bad_disclosure"),
        ("/position/siblings/0", 17, "bad_disclosure"),
        ("/outcome/outputsRoot", 17, "bad_disclosure"),
        ("/specHash", 17, "hash_mismatch"),
        ("/claimHash", 17, "hash_mismatch"),
    ];
    for (place, exit, code) in cases {
        let hash = document.pointer(place).unwrap().as_str().unwrap();
        let other = format!("{}{}", &hash[..65], if hash.ends_with('0') { '1' } else { '0' });
        std::fs::write(run.path("proof.json"), good.replace(hash, &other)).unwrap();
        let checked = check(&run, &run.hash, &[]);
        assert_eq!(
            (checked.status.code(), json(&checked)["code"].as_str()),
            (Some(exit), Some(code)),
            "{place}"
        );
    }
    std::fs::write(run.path("proof.json"), good.replace("\"outputs\"", "\"inputs\"")).unwrap();
    let checked = check(&run, &run.hash, &[]);
    assert_eq!(
        (checked.status.code(), json(&checked)["code"].as_str()),
        (Some(10), Some("receipt_malformed"))
    );
}

/// What is missing is said, and who has it; nothing is written.
#[test]
fn what_is_missing_is_named() {
    let run = LocalRun::new();
    let cases: [(&[&str], i32, &str); 9] = [
        (&["--argument", "0"], 3, "give --run-key; the consumer who ordered the run has it"),
        (&["--argument", "0", "--run-key", "dataset.key"], 17, "is not the run key of this receipt"),
        (&["--argument", "77", "--run-key", "run.key"], 17, "has no argument \"00000077\""),
        (&["--variable", "HOME", "--run-key", "run.key"], 17, "has no variable \"HOME\""),
        (&["--input", "penguins.csv", "--data", "data"], 3, "give --dataset-key"),
        (
            &["--input", "penguins.csv", "--dataset-key", "dataset.key"],
            1,
            "give the folder that has the file with --data",
        ),
        (&["--path", "other.csv"], 17, "the run has no output \"other.csv\""),
        (&["--algorithm", "a.py", "--run-key", "run.key"], 17, "no bundle"),
        (&["--input", "../run.key", "--dataset-key", "dataset.key"], 10, "component `.` or `..`"),
    ];
    for (what, exit, named) in cases {
        let made = disclose(&run, what);
        assert_eq!(made.status.code(), Some(exit), "{what:?}: {}", said(&made));
        assert!(said(&made).contains(named), "{named:?} is not in {}", said(&made));
        assert!(!run.path("proof.json").exists(), "{what:?}");
    }
    let none = run.brizo(&["receipt", "disclose", "out.receipt.json"]);
    assert_eq!(none.status.code(), Some(2), "one thing must be named");
    flip(&run.path("data/penguins.csv"), 50);
    let made = disclose(&run, &[&["--input", "penguins.csv", "--data", "data"], &DATASET_KEY[..]].concat());
    assert_eq!(made.status.code(), Some(17), "{}", said(&made));
    assert!(said(&made).contains("nothing among the inputs of the receipt is the file \"penguins.csv\""));
}

/// An output that the receipt withholds can be proved by whoever has it and both keys, and by nobody else.
#[test]
fn a_withheld_output_takes_the_file_and_both_keys() {
    let run = LocalRun::new();
    let mut receipt = Receipt::parse(&std::fs::read(run.path("out.receipt.json")).unwrap()).unwrap();
    receipt.opening.outputs.iter_mut().for_each(|output| output.shown = None);
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    let file = ["--path", "column-stats.csv", "--data", "out"];
    let keys = [RUN_KEY, DATASET_KEY].concat();
    for keys in [&[][..], &RUN_KEY, &DATASET_KEY] {
        let made = disclose(&run, &[&file[..], keys].concat());
        assert_eq!(made.status.code(), Some(3), "{keys:?}: {}", said(&made));
        assert!(said(&made).contains("--run-key") && !run.path("proof.json").exists(), "{}", said(&made));
    }
    let made = disclose(&run, &[&file[..], &["--run-key", "run.key", "--dataset-key", "run.key"]].concat());
    assert_eq!(made.status.code(), Some(17), "another key gives no leaf: {}", said(&made));
    let made = disclose(&run, &[&file[..], &keys].concat());
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let checked = check(&run, &run.hash, &["--file", "out/column-stats.csv"]);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    // A stream is a file for whoever has it.
    std::fs::write(run.path("out/stderr"), "").unwrap();
    let made = disclose(&run, &[&["--stream", "stderr", "--data", "out"], &keys[..]].concat());
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    flip(&run.path("out/column-stats.csv"), 3);
    let made = disclose(&run, &[&file[..], &keys].concat());
    assert_eq!(made.status.code(), Some(17), "{}", said(&made));
}

/// A script on a runtime: its own file and the runtime's are proved with the run key, and tried like any program.
#[test]
fn a_file_of_a_bundle_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let (place, path) = (folder.path(), |name: &str| folder.path().join(name));
    let module = wat_text("(module (memory (export \"memory\") 1) (func (export \"_start\")))");
    std::fs::write(path("runtime.wasm"), module).unwrap();
    std::fs::write(path("lib.py"), "library").unwrap();
    let description = "name = \"r\"\nmodule = \"runtime.wasm\"\nprogram = \"r\"\nmain = \"main.py\"\n[files]\n\"lib/lib.py\" = \"lib.py\"\n";
    std::fs::write(path("runtime.toml"), description).unwrap();
    std::fs::write(path("script.py"), "print()").unwrap();
    let run = ["run", "script.py", "--runtime", "runtime.toml", "--output", "out", "--format", "json"];
    let hash = json(&brizo(place, &run))["receiptHash"].as_str().unwrap().to_string();
    std::fs::create_dir_all(path(".runtime/lib")).unwrap();
    std::fs::copy(path("lib.py"), path(".runtime/lib/lib.py")).unwrap();
    for file in ["script.py", ".runtime/lib/lib.py"] {
        let _ = std::fs::remove_file(path("proof.json"));
        let args = ["receipt", "disclose", "out.receipt.json", "--algorithm", file, "-o", "proof.json"];
        let made = brizo(place, &args);
        assert_eq!(made.status.code(), Some(0), "{}", said(&made));
        let args = ["receipt", "check-disclosure", "proof.json", &hash, "--file", file, "--format", "json"];
        let checked = brizo(place, &args);
        assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
        assert_eq!(
            (json(&checked)["part"].as_str(), json(&checked)["entry"]["path"].as_str()),
            (Some("algorithm"), Some(file))
        );
    }
    let args = ["check", "script.py", "--runtime", "runtime.toml", "--twice", "--format", "json"];
    let tried = brizo(place, &args);
    assert_eq!(tried.status.code(), Some(0), "{}", said(&tried));
    assert_eq!(json(&tried)["twice"]["repeatable"], true);
}

#[test]
fn a_proof_is_never_written_over_and_goes_to_standard_output() {
    let run = LocalRun::new();
    let args = [&["receipt", "disclose", "out.receipt.json", "--argument", "1"], &RUN_KEY[..]].concat();
    let printed = run.brizo(&args);
    std::fs::write(run.path("proof.json"), &printed.stdout).unwrap();
    assert_eq!(check(&run, &run.hash, &[]).status.code(), Some(0));
    let refused = run.brizo(&[&args[..], &["-o", "proof.json"]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("proof.json exists"), "{}", said(&refused));
}
