//! `run`, `verify` and `replay` of an image on this machine, and what a kill leaves.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{Engine, engine_or_skip, images};
use crate::guests::repository;
use crate::world::{SHELL_BUNDLES, write_image};

fn brizo(folder: &Path, engine: &Engine) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brizo"));
    command.current_dir(folder).env(super::engine::SOCKET_VARIABLE, &engine.socket);
    command
}

async fn prepared(engine: &Engine, bundle: (&str, &[u8])) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_image(&folder.path().join("image"), &images::busybox(engine).await);
    std::fs::write(folder.path().join(bundle.0), bundle.1).unwrap();
    folder
}

fn run(folder: &Path, engine: &Engine, more: &[&str]) -> Output {
    let data = repository("examples/data");
    let mut command = brizo(folder, engine);
    command.args([
        "run",
        "main.sh",
        "--runtime",
        "image/runtime.toml",
        "--fuel",
        "20000000",
        "--memory",
        "64MiB",
    ]);
    command.args(["--output", "out", "--format", "json", "--input"]).arg(data).args(more);
    command.output().unwrap()
}

fn replay(folder: &Path, engine: &Engine, more: &[&str]) -> (Option<i32>, String) {
    let data = repository("examples/data");
    let mut command = brizo(folder, engine);
    command.args(["replay", "out.receipt.json", "--module", "main.sh"]).arg("--input").arg(data).args(more);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn what_is_run_is_verified_and_run_again() {
    let engine = engine_or_skip!();
    let folder = prepared(engine, SHELL_BUNDLES[0]).await;
    let args = ["--twice", "--", "--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];
    let ran = run(folder.path(), engine, &args);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&said["kind"], &said["observedRepeatable"]), (&json!("attested"), &json!(true)), "{said}");

    let verified = brizo(folder.path(), engine).args(["verify", "out.receipt.json"]).output().unwrap();
    let words = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && words.contains("nobody can recompute it"), "{words}");

    let on = ["--runtime", "image/runtime.toml"];
    let (code, words) = replay(folder.path(), engine, &on);
    assert_eq!(code, Some(21), "{words}");
    assert!(words.contains("SAME OUTPUTS") && words.contains("no proof"), "{words}");
    let (code, words) = replay(folder.path(), engine, &[]);
    assert_eq!(code, Some(3), "without the image: {words}");
    // Another script is not what the receipt is of; nothing is said about the provider.
    std::fs::write(folder.path().join("main.sh"), "true").unwrap();
    let (code, words) = replay(folder.path(), engine, &on);
    assert_eq!(code, Some(3), "{words}");
}

#[tokio::test]
async fn an_image_that_leaves_something_else_accuses_nobody() {
    let engine = engine_or_skip!();
    let folder = prepared(engine, SHELL_BUNDLES[2]).await;
    let ran = run(folder.path(), engine, &["--twice"]);
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(said["observedRepeatable"], json!(false), "{said}");
    let (code, words) = replay(folder.path(), engine, &["--runtime", "image/runtime.toml"]);
    assert_eq!(code, Some(22), "{words}");
    assert!(words.contains("DIFFERENT OUTPUTS") && !words.contains("MISMATCH"), "{words}");
    assert!(words.contains("random.csv"), "{words}");
}

#[tokio::test]
async fn a_killed_run_is_swept_by_the_next() {
    let engine = engine_or_skip!();
    let folder = prepared(engine, SHELL_BUNDLES[1]).await;
    let docker = engine.docker();
    let mut started = super::crash::starts(&docker);
    let mut command = brizo(folder.path(), engine);
    command.args([
        "run",
        "main.sh",
        "--runtime",
        "image/runtime.toml",
        "--fuel",
        "20000000",
        "--memory",
        "64MiB",
        "--output",
        "killed",
    ]);
    let mut killed = command.spawn().unwrap();
    let owner = format!("process-{}", killed.id());
    while super::crash::left(&docker, &owner).await < 5 {
        futures_util::StreamExt::next(&mut started).await.unwrap();
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(super::crash::left(&docker, &owner).await, 5, "a kill leaves everything");
    std::fs::write(folder.path().join("main.sh"), "true").unwrap();
    assert!(run(folder.path(), engine, &[]).status.success());
    assert_eq!(super::crash::left(&docker, &owner).await, 0);
}
