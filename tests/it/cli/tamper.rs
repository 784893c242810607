//! One byte changed anywhere: replay and verify fail, and name the place. What the order names and who replays has not is nobody's
//! fault but theirs, so replay gives no verdict then.

use super::{LocalRun, flip, json, said};

/// Asserts exit code and that the differences name the place.
fn named(output: &std::process::Output, code: i32, place: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    assert!(said(output).contains(place), "{place:?} is not named in {}", said(output));
}

#[test]
fn module() {
    let run = LocalRun::new();
    flip(&run.path("algorithm.wasm"), 1000);
    named(&run.replay(), 3, "module: the receipt names");
}

#[test]
fn input() {
    let run = LocalRun::new();
    flip(&run.path("data/seattle-weather.csv"), 5000);
    named(&run.replay(), 3, "\\\"seattle-weather.csv\\\" is not what it was (1 of 2 files differ)");
    std::fs::remove_file(run.path("data/seattle-weather.csv")).unwrap();
    named(&run.replay(), 3, "counts 2 files, the folder has 1");
}

#[test]
fn argument() {
    let run = LocalRun::new();
    let text = std::fs::read_to_string(run.path("out.receipt.json")).unwrap();
    std::fs::write(run.path("out.receipt.json"), text.replace("penguins.csv\"\n", "penguinz.csv\"\n"))
        .unwrap();
    named(&run.replay(), 3, "invocation (arguments, variables or run key)");
    named(&run.verify(), 17, "invocationRoot");
}

#[test]
fn output() {
    let run = LocalRun::new();
    flip(&run.path("out/column-stats.csv"), 100);
    named(&run.replay(), 20, "delivered \\\"column-stats.csv\\\": first difference at byte 100");
    named(&run.verify(), 17, "column-stats.csv");
    std::fs::remove_file(run.path("out/column-stats.csv")).unwrap();
    named(&run.replay(), 20, "delivered \\\"column-stats.csv\\\": missing");
    named(&run.verify(), 17, "column-stats.csv");
}

#[test]
fn keys() {
    let run = LocalRun::new();
    flip(&run.path("dataset.key"), 0);
    named(&run.replay(), 3, "wrong data set key");
    flip(&run.path("run.key"), 0);
    named(&run.verify(), 17, "wrong run key");
    // The order commits to that key, so nobody but the caller is at fault.
    named(&run.replay(), 3, "not the key that the order commits to");
}

/// The salts of what is shown are in the receipt, so whoever was given files needs no key to compare them.
#[test]
fn files_are_opened_without_a_key() {
    let run = LocalRun::new();
    let verify = |more: &[&str]| {
        run.brizo(&[&["verify", "out.receipt.json", "--outputs", "out", "--format", "json"], more].concat())
    };
    let both = ["--run-key", "run.key", "--dataset-key", "dataset.key"];
    for keys in [&[][..], &both[..2], &both] {
        let verified = verify(keys);
        assert_eq!(verified.status.code(), Some(0), "{keys:?}: {}", said(&verified));
        assert_eq!(json(&verified)["verdict"], "holds: structure, opening", "{keys:?}");
    }
    named(&verify(&both[2..]), 3, "--dataset-key is of use with --run-key");
    std::fs::write(run.path("out/more.csv"), "a\n").unwrap();
    named(&verify(&[]), 17, "more.csv");
    named(&verify(&both), 17, "more.csv");
    std::fs::remove_file(run.path("out/more.csv")).unwrap();
    flip(&run.path("out/column-stats.csv"), 100);
    named(&verify(&[]), 17, "column-stats.csv");
    flip(&run.path("out/column-stats.csv"), 100);
    flip(&run.path("dataset.key"), 0);
    named(&verify(&both), 17, "salt of opening.outputs");
}

/// A withheld output has no name in the receipt; who replays it finds it all the same, and names what differs.
#[test]
fn withheld() {
    let run = LocalRun::new();
    let text = std::fs::read(run.path("out.receipt.json")).unwrap();
    let mut receipt = brizo_receipt::Receipt::parse(&text).unwrap();
    let kept = receipt.opening.outputs[0].shown.take().unwrap().entry;
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    named(&run.replay(), 0, "\"match\": true");
    named(&run.verify(), 17, &kept.path);
    let keys = ["--outputs", "out", "--run-key", "run.key", "--dataset-key", "dataset.key"];
    named(
        &run.brizo(&[&["verify", "out.receipt.json"], &keys[..]].concat()),
        0,
        "1 more files are ones that it withholds",
    );

    receipt.opening.outputs[0].leaf.0[0] ^= 1;
    receipt.claim.outcome.outputs_root = receipt.opening.outputs_root();
    receipt.claim_hash = receipt.claim.hash();
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    let replay = run.replay();
    named(&replay, 20, &format!("output \\\"{}\\\": the receipt has no such output", kept.path));
    named(&replay, 20, "1 of the withheld ones are none that the replay writes");
}

/// An empty data set has the same root under every key; its key still salts the outputs.
#[test]
fn key_of_an_empty_data_set() {
    let run = LocalRun::new();
    let hostile = crate::guests::guest_path("hostile");
    let module = hostile.to_str().unwrap();
    let args = ["run", module, "--output", "none", "--dataset-key", "dataset.key", "--", "exit", "0"];
    let ran = run.brizo(&args);
    assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    let replay = |more: &[&str]| {
        run.brizo(&[&["replay", "none.receipt.json", "--module", module, "--format", "json"], more].concat())
    };
    named(&replay(&["--dataset-key", "dataset.key"]), 0, "\"match\": true");
    named(&replay(&[]), 3, "--dataset-key");
    named(&replay(&["--dataset-key", "run.key"]), 3, "salt of opening.outputs");
}

/// Every field of the claim: changed alone, the document contradicts itself; changed with the hash, the replay differs.
#[test]
fn claim() {
    let run = LocalRun::new();
    let text = std::fs::read_to_string(run.path("out.receipt.json")).unwrap();
    let fuel = json_field(&text, &["claim", "outcome", "fuelUsed"]);
    let less = (fuel.parse::<u64>().unwrap() - 1).to_string();
    std::fs::write(
        run.path("out.receipt.json"),
        text.replace(&format!("\"fuelUsed\": \"{fuel}\""), &format!("\"fuelUsed\": \"{less}\"")),
    )
    .unwrap();
    named(&run.verify(), 11, "claimHash");
    named(&run.replay(), 11, "claimHash");

    let mut receipt = brizo_receipt::Receipt::parse(text.as_bytes()).unwrap();
    receipt.claim.outcome.fuel_used -= 1;
    receipt.claim_hash = receipt.claim.hash();
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    assert_eq!(run.verify().status.code(), Some(0), "an unsigned receipt can be forged consistently");
    named(&run.replay(), 20, &format!("outcome.fuelUsed: the receipt says {less}, the replay gives {fuel}"));
    let replay = json(&run.replay());
    assert_eq!((replay["match"].as_bool(), replay["replayedHash"].as_str()), (Some(false), Some(&*run.hash)));
}

#[test]
fn document() {
    let run = LocalRun::new();
    std::fs::write(run.path("out.receipt.json"), "{}").unwrap();
    named(&run.verify(), 10, "format");
    named(&run.replay(), 10, "format");
    named(&run.brizo(&["verify", "nowhere.json"]), 1, "nowhere.json");
}

fn json_field(text: &str, path: &[&str]) -> String {
    let mut value: &serde_json::Value = &serde_json::from_str(text).unwrap();
    for part in path {
        value = &value[part];
    }
    value.as_str().unwrap().to_string()
}
