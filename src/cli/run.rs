//! `brizo run`: the provider's engine on this machine, without server and chain.

use std::path::PathBuf;

use alloy_primitives::U256;
use anyhow::{Context, Result, bail};
use brizo_receipt::{Address, B256, JobSpec, RunInfo, blind_commit, invocation_manifest};
use clap::Args;
use serde_json::json;

use super::format::{Format, parse_bytes, parse_count, print_bytes, read_salt_key, write};
use super::program::{OnRuntime, Program};
use super::ready::{Done, Ready};
use super::spec::{LocalInputs, check_output_folder, write_outputs};
use super::{Exit, policy};
use crate::clock::Clock;
use crate::job;
use crate::sandbox::{Ending, Order, Outputs};

/// First reading of the guest's clock unless told otherwise: 2000-01-01T00:00:00Z.
pub(super) const CLOCK_START: u64 = 946_684_800_000_000_000;
/// A microsecond per reading.
pub(super) const CLOCK_STEP: u64 = 1_000;

/// Run an algorithm over a local folder, exactly as a provider would, and write a receipt.
///
/// The guest finds the input folder at /data/inputs (its first argument) and writes to /data/outputs (its second). Its
/// standard output and error are shown when it ends. The receipt is unsigned; running the same again gives the same
/// receipt hash, on any machine.
///
/// Example: brizo run column_stats.wasm --input examples/data --output out -- --file penguins.csv
///
/// With a runtime that is an image the run is in a container: fuel is then time in microseconds, and the receipt is attested,
/// which nobody can recompute.
///
/// With a runtime, an interpreter, the algorithm is a script or a folder of them:
/// brizo run species.py --runtime python/runtime.toml --input examples/data --output out -- --file penguins.csv
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The module or component, compiled for wasm32-wasip1 or wasm32-wasip2; with --runtime a script or a folder of them.
    algorithm: PathBuf,
    #[command(flatten)]
    on: OnRuntime,
    /// Folder to mount read-only at /data/inputs.
    #[arg(long)]
    input: Option<PathBuf>,
    /// New or empty folder for the output files.
    #[arg(long)]
    output: PathBuf,
    /// Receipt file. [default: the output folder's name with `.receipt.json`]
    #[arg(long)]
    receipt: Option<PathBuf>,
    /// Fuel: two units or so per WebAssembly instruction; sixteen are about a nanosecond of work.
    #[arg(long, value_parser = parse_count, default_value = "100_000_000_000")]
    fuel: u64,
    /// Linear memory.
    #[arg(long, value_parser = parse_bytes, default_value = "1GiB")]
    memory: u64,
    /// Bytes of output files and streams together.
    #[arg(long, value_parser = parse_bytes, default_value = "64MiB")]
    output_bytes: u64,
    /// Files and folders in /data/outputs.
    #[arg(long, value_parser = parse_count, default_value = "1000")]
    output_files: u64,
    /// Environment variable for the guest, NAME=value; may be given several times.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Seed of the guest's random numbers, 64 hex digits.
    #[arg(long, default_value_t = B256::ZERO)]
    seed: B256,
    /// First reading of the guest's clock, in nanoseconds since 1970-01-01 UTC.
    #[arg(long, default_value_t = CLOCK_START)]
    clock_start: u64,
    /// Nanoseconds per reading of the clock.
    #[arg(long, default_value_t = CLOCK_STEP)]
    clock_step: u64,
    /// File with the key that hides arguments in the receipt and, with the data set key, outputs. [default: hide nothing]
    #[arg(long)]
    run_key: Option<PathBuf>,
    /// File with the key that hides inputs in the receipt and, with the run key, outputs. [default: hide nothing]
    #[arg(long)]
    dataset_key: Option<PathBuf>,
    /// Compile the module anew instead of using the cache.
    #[arg(long)]
    no_cache: bool,
    /// Run it a second time and say whether the outputs are the same; for containers, whose receipts cannot be recomputed.
    #[arg(long)]
    twice: bool,
    /// Folder with a data owner's policy: prints what the run would cost under it.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Arguments for the guest, after `--`.
    #[arg(last = true)]
    args: Vec<String>,
}

impl Run {
    pub(super) fn run(self) -> Result<Exit> {
        check_output_folder(&self.output)?;
        let receipt_path = self.receipt_path();
        if receipt_path.exists() {
            bail!("{} exists; move it away, or name another with --receipt", receipt_path.display());
        }
        let terms = self.policy.as_deref().map(policy::terms).transpose()?;
        let program = Program::load(&self.algorithm, &self.on)?;
        let ready = Ready::of(&program, !self.no_cache)?;
        if ready.memory_bytes_min() > self.memory {
            bail!(
                "it starts with {} bytes of memory, --memory gives {}",
                ready.memory_bytes_min(),
                self.memory
            );
        }
        let inputs = LocalInputs::take(self.input.as_deref())?;
        let (run_key, dataset_key) =
            (read_salt_key(self.run_key.as_deref())?, read_salt_key(self.dataset_key.as_deref())?);
        let invocation = job::invocation(&program.start, &self.args, &pairs(&self.env)?, &[], None)?;
        let mount = inputs.mount(&dataset_key);
        let spec = JobSpec {
            profile: ready.profile(),
            agreement_id: B256::ZERO,
            run_index: 0,
            module_digest: ready.digest(),
            algorithm_root: program.bundle.manifest.root(&run_key),
            invocation_root: invocation_manifest(&invocation)?.root(&run_key),
            inputs_root: job::inputs_root(mount.root),
            random_seed: self.seed,
            clock_start: self.clock_start,
            clock_step: self.clock_step,
            fuel_limit: self.fuel,
            memory_limit: self.memory,
            stack_limit: job::STACK_LIMIT_DEFAULT,
            output_limit: self.output_bytes,
            files_limit: self.output_files,
            blind_commit: blind_commit(&run_key),
        };
        let bundle = program.bundle.files.clone();
        let order = Order::of(&spec, invocation.clone(), bundle, inputs.files.clone());
        let started_at = Clock::system().now_s();
        let Done { ending, outputs, engine, run_us, cached } = ready.run(&order)?;
        let repeated = match self.twice {
            true => Some(observed(&ready.run(&order)?, &ending, &outputs)),
            false => None,
        };
        let manifest = outputs.manifest()?;
        let outputs_key = job::outputs_key(&spec, &run_key, &dataset_key);
        let outcome = ending.outcome(manifest.root(&outputs_key));
        let run_info = run_info(started_at, engine, run_us, cached);
        let parts = job::ReceiptParts {
            spec: &spec,
            outcome: &outcome,
            invocation: &invocation,
            algorithm: program.bundle.leaves(&run_key),
            mounts: vec![mount],
            outputs: &manifest,
            outputs_key: &outputs_key,
            kind: ready.kind(),
            run_info: &run_info,
        };
        let receipt = job::receipt(&parts, |_| false);
        write_outputs(&self.output, &outputs.files, &outputs.folders)?;
        write(&receipt_path, receipt.to_text())?;
        let price = terms.map(|terms| (terms.due(ending.fuel_used, ending.output_bytes), terms.token));
        self.report(&receipt, &ending, &outputs, &run_info, &receipt_path, (price, repeated))
    }

    fn receipt_path(&self) -> PathBuf {
        self.receipt.clone().unwrap_or_else(|| {
            let mut name = self.output.file_name().unwrap_or_default().to_os_string();
            name.push(".receipt.json");
            self.output.with_file_name(name)
        })
    }

    fn report(
        &self,
        receipt: &brizo_receipt::Receipt,
        ending: &Ending,
        outputs: &Outputs,
        run_info: &RunInfo,
        receipt_path: &std::path::Path,
        (price, repeated): (Option<(U256, Address)>, Option<bool>),
    ) -> Result<Exit> {
        let outcome = &receipt.claim.outcome;
        let good = outcome.text() == "exit 0";
        if self.format == Format::Table {
            print_bytes(&mut std::io::stdout().lock(), &outputs.stdout)?;
            print_bytes(&mut std::io::stderr().lock(), &outputs.stderr)?;
        }
        let files: Vec<_> = outputs
            .files
            .iter()
            .map(|(path, bytes)| json!({ "path": path, "size": bytes.len().to_string() }))
            .collect();
        let document = json!({
            "receiptHash": receipt.claim_hash,
            "end": outcome.text(),
            "fuelUsed": ending.fuel_used.to_string(),
            "outputBytes": ending.output_bytes.to_string(),
            "runMicroseconds": run_info.run_us.to_string(),
            "cachedModule": run_info.cached_module,
            "kind": receipt.kind,
            "observedRepeatable": repeated,
            "price": price.map(|(due, _)| due.to_string()),
            "outputs": files,
            "outputFolder": self.output,
            "receiptFile": receipt_path,
        });
        self.format.print(&document, || {
            let list: Vec<_> = outputs.files.iter().map(|(path, bytes)| format!("  {path}  {} bytes", bytes.len())).collect();
            let option = |name: &str, path: &Option<PathBuf>| {
                path.as_ref().map_or(String::new(), |path| format!(" {name} {:?}", path.display().to_string()))
            };
            let input = option("--input", &self.input)
                + &option("--run-key", &self.run_key)
                + &option("--dataset-key", &self.dataset_key)
                + &option("--runtime", &self.on.runtime);
            let price = price.map_or(String::new(), |(due, token)| {
                let unit = if token.is_zero() { "wei".to_string() } else { format!("of token {token}") };
                format!("price      about {due} {unit}, by this run's fuel and bytes\n")
            });
            let repeated = repeated.map_or("", |same| match same {
                true => "again      a second run left the same (observed, not proved)\n",
                false => "again      A SECOND RUN LEFT SOMETHING ELSE: the outputs are not repeatable\n",
            });
            format!(
                "\nend        {}\nfuel       {} of {}\n{price}time       {:.1} ms\noutputs    {} files, {} bytes with streams, in {}\n{}\n{repeated}\
                 receipt    {}  in {}\n\nnext: brizo replay {} --module {}{input}",
                outcome.text(),
                ending.fuel_used,
                receipt.claim.spec.fuel_limit,
                run_info.run_us as f64 / 1000.0,
                outputs.files.len(),
                ending.output_bytes,
                self.output.display(),
                list.join("\n"),
                receipt.claim_hash,
                receipt_path.display(),
                receipt_path.display(),
                self.algorithm.display(),
            )
        })?;
        Ok(if good { Exit::OK } else { Exit::JOB_FAILED })
    }
}

/// Whether a second run ended and left what the first did. Time is another one every time.
fn observed(again: &Done, ending: &Ending, outputs: &Outputs) -> bool {
    let same_end = Ending { fuel_used: ending.fuel_used, ..again.ending } == *ending;
    same_end && again.outputs == *outputs
}

/// Variables for the guest from NAME=value.
pub(super) fn pairs(env: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| {
        let (name, value) =
            text.split_once('=').with_context(|| format!("--env {text:?} is not NAME=value"))?;
        Ok((name.to_string(), value.to_string()))
    };
    env.iter().map(pair).collect()
}

/// Facts about this host's run, which the claim leaves out.
fn run_info(started_at: u64, engine: String, run_us: u64, cached_module: bool) -> RunInfo {
    RunInfo {
        software: format!("brizo {}", env!("CARGO_PKG_VERSION")),
        engine,
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        started_at,
        run_us,
        cached_module,
    }
}
