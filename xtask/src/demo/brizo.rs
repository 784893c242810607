//! brizo's command line, as the demo uses it. It is started in the repository's folder, so that all paths are short.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{capture, clean_in, run};
use crate::json::Json;

const LIMIT: Duration = Duration::from_secs(120);

/// From the order to the released payment. A first run compiles the module, unoptimised and on few cores.
const JOB_LIMIT: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(crate) struct Brizo {
    root: PathBuf,
    program: PathBuf,
}

impl Brizo {
    pub(crate) fn new(root: &Path, program: PathBuf) -> Self {
        Self { root: root.to_owned(), program }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn deploy(&self, rpc: &str) -> Result<(), String> {
        let args = ["contracts", "deploy", "--rpc", rpc, "--key-file", "demo/provider.key"];
        run(self.command(&args).args(["--out", "demo/deployment.json"]), Some(LIMIT))
    }

    /// The digest by which an algorithm is approved.
    pub(crate) fn digest(&self, module: &str) -> Result<String, String> {
        self.ask(LIMIT, &["check", "--format", "json", module])?.text("digest").map(str::to_owned)
    }

    pub(crate) fn publish(&self, data: &str) -> Result<Json, String> {
        let name = "Penguins and weather";
        let policy = ["--config", "demo/brizo.toml", "--policy", "demo/policy"];
        self.ask(LIMIT, &[&["publish", data], &policy[..], &["--name", name, "--format", "json"]].concat())
    }

    /// Not started yet. Its log is a file, where colours would be noise.
    pub(crate) fn serve(&self) -> Command {
        let mut command = self.command(&["serve", "--config", "demo/brizo.toml"]);
        command.env("NO_COLOR", "1");
        command
    }

    /// Its progress goes where ours goes.
    pub(crate) fn run_job(&self) -> Result<Json, String> {
        self.ask(JOB_LIMIT, &["job", "run", "demo/job.toml", "--format", "json"])
    }

    pub(crate) fn verify(&self, rpc: &str) -> Result<Json, String> {
        let chain = ["--rpc", rpc, "--deployment", "demo/deployment.json"];
        let result = ["--outputs", "demo/out/outputs", "--run-key", "demo/out/run.key"];
        self.ask(
            LIMIT,
            &[&["verify", "demo/out/receipt.json"], &chain[..], &result, &["--format", "json"]].concat(),
        )
    }

    pub(crate) fn replay(&self, module: &str, data: &str, dataset_key: &str) -> Result<Json, String> {
        let run = ["--module", module, "--input", data, "--dataset-key", dataset_key];
        let result = ["--run-key", "demo/out/run.key", "--outputs", "demo/out/outputs"];
        self.ask(
            LIMIT,
            &[&["replay", "demo/out/receipt.json"], &run[..], &result, &["--format", "json"]].concat(),
        )
    }

    /// What it answers. Its own words come first when it fails: they say how to mend it.
    fn ask(&self, limit: Duration, args: &[&str]) -> Result<Json, String> {
        let verb = format!("brizo {}", args.join(" "));
        let (status, text) = capture(&mut self.command(args), limit)?;
        if !status.success() {
            let answer = text.trim();
            let said = if answer.is_empty() { "it says why above" } else { answer };
            return Err(format!("`{verb}` ended with {status}: {said}"));
        }
        Json::parse(&text).map_err(|cause| format!("`{verb}`: {cause}"))
    }

    fn command(&self, args: &[&str]) -> Command {
        clean_in(&self.root, &self.program, args)
    }
}
