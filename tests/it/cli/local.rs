//! Local runs: the same hash wherever and however often, and errors that say what to do.

use super::{LocalRun, RUN, json, said};
use crate::guests::{component, guest_path, repository};
use crate::world::brizo;

#[test]
fn a_replay_gives_the_same_hash_and_verify_agrees() {
    let run = LocalRun::new();
    let replay = run.replay();
    assert_eq!(replay.status.code(), Some(0), "{}", said(&replay));
    let document = json(&replay);
    assert_eq!(
        (document["receiptHash"].as_str(), document["replayedHash"].as_str()),
        (Some(&*run.hash), Some(&*run.hash))
    );
    let verify = run.verify();
    assert_eq!(verify.status.code(), Some(0), "{}", said(&verify));
    assert_eq!(json(&verify)["verdict"], "holds: structure, opening");
    let expected = std::fs::read(repository("examples/expected/column-stats.csv")).unwrap();
    assert_eq!(std::fs::read(run.path("out/column-stats.csv")).unwrap(), expected);
}

#[test]
fn another_file_system_and_order_of_creation_give_the_same_hash() {
    let run = LocalRun::new();
    // /dev/shm is a tmpfs wherever Linux has one; the temporary folder usually is not.
    let memory = std::path::Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    std::fs::create_dir(place.path().join("data")).unwrap();
    for name in ["seattle-weather.csv", "penguins.csv"] {
        std::fs::copy(run.path("data").join(name), place.path().join("data").join(name)).unwrap();
    }
    for name in ["run.key", "dataset.key", "algorithm.wasm"] {
        std::fs::copy(run.path(name), place.path().join(name)).unwrap();
    }
    let again = brizo(place.path(), &RUN);
    assert_eq!(json(&again)["receiptHash"].as_str(), Some(&*run.hash), "{}", said(&again));
}

#[test]
fn another_environment_and_umask_give_the_same_hash() {
    let run = LocalRun::new();
    std::fs::rename(run.path("out"), run.path("first")).unwrap();
    std::fs::remove_file(run.path("out.receipt.json")).unwrap();
    let again = std::process::Command::new("sh")
        .args(["-c", "umask 077 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_brizo")])
        .args(RUN)
        .env_clear()
        .envs([
            ("LANG", "tr_TR.UTF-8"),
            ("TZ", "Asia/Kathmandu"),
            ("INPUTS", "/elsewhere"),
            ("COLUMNS", "20"),
        ])
        .env("XDG_CACHE_HOME", run.path("cache"))
        .current_dir(run.path("."))
        .output()
        .unwrap();
    assert_eq!(json(&again)["receiptHash"].as_str(), Some(&*run.hash), "{}", said(&again));
}

#[test]
fn a_policy_says_what_a_run_would_cost() {
    let run = LocalRun::new();
    std::fs::remove_dir_all(run.path("out")).unwrap();
    std::fs::remove_file(run.path("out.receipt.json")).unwrap();
    let folder = repository("policies/open-statistics");
    let (before, after) = RUN.split_at(RUN.iter().position(|arg| *arg == "--").unwrap());
    let policy = ["--policy", folder.to_str().unwrap()];
    let priced = run.brizo(&[before, &policy, after].concat());
    let document = json(&priced);
    let number = |name: &str| document[name].as_str().unwrap().parse::<u128>().unwrap();
    let manifest: toml::Table =
        toml::from_str(&std::fs::read_to_string(folder.join("manifest.toml")).unwrap()).unwrap();
    let stated = |name: &str| manifest["price"][name].as_str().unwrap().parse::<u128>().unwrap();
    let metered = number("fuelUsed") * stated("fuel_per_million")
        + number("outputBytes") * stated("output_per_million");
    assert_eq!(number("price"), (stated("base") + metered / 1_000_000).min(stated("max")));
    assert_eq!(document["receiptHash"].as_str(), Some(&*run.hash), "a price changes nothing");
}

#[test]
fn a_second_run_gives_the_same_hash_and_overwrites_nothing() {
    let run = LocalRun::new();
    let refused = run.brizo(&RUN);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("out is not empty"), "{}", said(&refused));
    std::fs::rename(run.path("out"), run.path("first")).unwrap();
    let refused = run.brizo(&RUN);
    assert!(said(&refused).contains("out.receipt.json exists"), "{}", said(&refused));
    std::fs::remove_file(run.path("out.receipt.json")).unwrap();
    assert_eq!(json(&run.brizo(&RUN))["receiptHash"].as_str(), Some(&*run.hash));
}

#[test]
fn every_order_changes_the_hash() {
    let run = LocalRun::new();
    for extra in [
        ["--seed", &*format!("0x{}", "11".repeat(32))],
        ["--clock-start", "5"],
        ["--fuel", "9000000000"],
        ["--env", "A=B"],
    ] {
        std::fs::remove_dir_all(run.path("out")).unwrap();
        std::fs::remove_file(run.path("out.receipt.json")).unwrap();
        let mut args = RUN.to_vec();
        args.splice(1..1, extra);
        let hash = json(&run.brizo(&args))["receiptHash"].as_str().unwrap().to_string();
        assert_ne!(hash, run.hash, "{extra:?}");
    }
}

#[test]
fn a_failing_guest_still_has_a_receipt_and_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = guest_path("hostile");
    let hostile = hostile.to_str().unwrap();
    let table = [
        ("exit", "3", "exit 3"),
        ("trap-div0", "", "trap: integer division by zero"),
        ("loop", "", "out of fuel"),
        ("recurse", "", "stack limit"),
    ];
    for (attack, argument, end) in table {
        let args = [
            "run",
            hostile,
            "--output",
            attack,
            "--fuel",
            "10_000_000",
            "--format",
            "json",
            "--",
            attack,
            argument,
        ];
        let output = brizo(folder.path(), &args);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert_eq!(json(&output)["end"], end);
        let replay =
            brizo(folder.path(), &["replay", &format!("{attack}.receipt.json"), "--module", hostile]);
        assert_eq!(replay.status.code(), Some(0), "{}", said(&replay));
    }
}

#[test]
fn outputs_go_into_an_empty_folder_that_cannot_be_replaced() {
    let run = LocalRun::new();
    std::fs::create_dir(run.path("here")).unwrap();
    // The folder that the command is in.
    let args = RUN.map(|arg| match arg {
        "out" => ".".to_owned(),
        "data" | "run.key" | "dataset.key" | "algorithm.wasm" => format!("../{arg}"),
        other => other.to_owned(),
    });
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.splice(1..1, ["--receipt", "../here.receipt.json"]);
    let again = brizo(&run.path("here"), &args);
    assert_eq!(json(&again)["receiptHash"].as_str(), Some(&*run.hash), "{}", said(&again));
    let names = |folder: &str| {
        let entries = std::fs::read_dir(run.path(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("here"), names("out"), "and nothing else");
    let full = brizo(&run.path("here"), &args);
    assert!(said(&full).contains("is not empty"), "{}", said(&full));
    // What an interrupted command left is no output, unless it still writes there.
    let left = run.path("there/.brizo-outputs-left");
    std::fs::create_dir_all(&left).unwrap();
    let writes = std::fs::File::open(&left).unwrap();
    writes.lock().unwrap();
    let into = RUN.map(|arg| if arg == "out" { "there" } else { arg });
    let refused = run.brizo(&into);
    assert!(said(&refused).contains("is not empty") && left.exists(), "{}", said(&refused));
    drop(writes);
    let done = run.brizo(&into);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(names("there"), names("out"));
}

#[test]
fn check_says_yes_and_no_in_the_same_words_as_the_provider() {
    let folder = tempfile::tempdir().unwrap();
    let good = brizo(folder.path(), &["check", guest_path("column_stats").to_str().unwrap()]);
    assert_eq!(good.status.code(), Some(0));
    assert!(said(&good).contains("may run under brizo-wasm/1"));
    std::fs::write(folder.path().join("bad.wasm"), crate::guests::wat("import-env")).unwrap();
    let run = brizo(folder.path(), &["run", "bad.wasm", "--output", "out"]);
    assert_eq!(run.status.code(), Some(5), "{}", said(&run));
    let bad = brizo(folder.path(), &["check", "bad.wasm"]);
    assert_eq!(bad.status.code(), Some(5));
    assert!(said(&bad).contains("`env.secret`") && said(&bad).contains("hint:"), "{}", said(&bad));
}

#[test]
fn a_component_is_checked_run_and_replayed_like_a_module() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bytes) = component("column_stats") else { return };
    std::fs::write(folder.path().join("algorithm.wasm"), bytes).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    for name in ["penguins.csv", "seattle-weather.csv"] {
        std::fs::copy(repository(&format!("examples/data/{name}")), folder.path().join("data").join(name))
            .unwrap();
    }
    std::fs::write(folder.path().join("run.key"), "07".repeat(32)).unwrap();
    std::fs::write(folder.path().join("dataset.key"), "09".repeat(32)).unwrap();
    let checked = brizo(folder.path(), &["check", "algorithm.wasm", "--format", "json"]);
    assert_eq!(json(&checked)["kind"], "component", "{}", said(&checked));
    let run = brizo(folder.path(), &RUN);
    let hash = json(&run)["receiptHash"].as_str().unwrap().to_string();
    let replay = brizo(folder.path(), &super::REPLAY);
    assert_eq!(json(&replay)["replayedHash"].as_str(), Some(&*hash), "{}", said(&replay));
    let expected = std::fs::read(repository("examples/expected/column-stats.csv")).unwrap();
    assert_eq!(std::fs::read(folder.path().join("out/column-stats.csv")).unwrap(), expected);
    // The same program as a core module is another algorithm.
    std::fs::copy(guest_path("column_stats"), folder.path().join("algorithm.wasm")).unwrap();
    let other = brizo(folder.path(), &super::REPLAY);
    assert_eq!(other.status.code(), Some(3), "{}", said(&other));
    assert!(said(&other).contains("module: the receipt names"), "{}", said(&other));
}
