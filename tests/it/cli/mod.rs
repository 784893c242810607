//! The command line as authors and auditors use it: local runs, receipts, replays.

mod audit;
mod disclosures;
mod export;
mod fake_web;
mod local;
mod new;
mod resuming;
mod tamper;
mod twice;
mod verdicts;
mod verify;
mod verify_cases;
mod verify_log_cases;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::guests::{guest_path, repository};
use crate::world::brizo;

/// A finished local run of column statistics over a copy of the example data.
pub(crate) struct LocalRun {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) hash: String,
}

impl LocalRun {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("data")).unwrap();
        for name in ["penguins.csv", "seattle-weather.csv"] {
            std::fs::copy(repository(&format!("examples/data/{name}")), path("data").join(name)).unwrap();
        }
        std::fs::copy(guest_path("column_stats"), path("algorithm.wasm")).unwrap();
        std::fs::write(path("run.key"), "07".repeat(32)).unwrap();
        std::fs::write(path("dataset.key"), "09".repeat(32)).unwrap();
        let output = brizo(folder.path(), &RUN);
        assert!(output.status.success(), "{}", said(&output));
        let hash = json(&output)["receiptHash"].as_str().unwrap().to_string();
        Self { folder, hash }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn brizo(&self, args: &[&str]) -> Output {
        brizo(self.folder.path(), args)
    }

    pub(crate) fn replay(&self) -> Output {
        self.brizo(&REPLAY)
    }

    pub(crate) fn verify(&self) -> Output {
        self.brizo(&[
            "verify",
            "out.receipt.json",
            "--run-key",
            "run.key",
            "--outputs",
            "out",
            "--format",
            "json",
        ])
    }
}

pub(crate) const RUN: [&str; 15] = [
    "run",
    "algorithm.wasm",
    "--input",
    "data",
    "--output",
    "out",
    "--run-key",
    "run.key",
    "--dataset-key",
    "dataset.key",
    "--format",
    "json",
    "--",
    "--file",
    "penguins.csv",
];

pub(crate) const REPLAY: [&str; 14] = [
    "replay",
    "out.receipt.json",
    "--module",
    "algorithm.wasm",
    "--input",
    "data",
    "--dataset-key",
    "dataset.key",
    "--run-key",
    "run.key",
    "--outputs",
    "out",
    "--format",
    "json",
];

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(output)))
}

/// A list that revokes the profile of a receipt.
pub(crate) fn revoking(receipt: &brizo_receipt::Receipt) -> String {
    let digest = receipt.claim.spec.profile;
    format!(
        r#"{{"format":"brizo-profiles/1","profiles":[{{"digest":"{digest}","name":"brizo-wasm/1","state":"revoked","advisory":"run it again"}}]}}"#
    )
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Changes one byte of a file.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}
