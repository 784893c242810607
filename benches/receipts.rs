//! What does a receipt cost? A run of about a second that copies 100 MB, beside everything that is done only so that it can be
//! proved: verifying its input, hashing its output, and making, signing and writing the receipt. And a second run beside
//! the first, as a replay makes it.

mod common;

use std::fs::File;

use anyhow::{Context, Result, ensure};
use brizo::data::BlobStore;
use brizo::job;
use brizo::sandbox::{
    Control, Ending, Engine, InputFile, Module, Order, Outputs, inspect, profile_digest_for,
};
use brizo_receipt::{
    B256, Domain, Entry, EntryKind, Expectation, Invocation, JobSpec, Key, Manifest, RunInfo, SecretKey,
    blind_commit, check_structure, invocation_manifest,
};
use common::data::write_file;
use common::measure::{Turn, interleaved, wall};
use common::promise::{Promise, hold};
use common::{guest, table};

const ROUNDS: usize = 9;
const BYTES: u64 = 100_000_000;
/// Rounds of work for each 64 KiB, so that the run takes about a second.
const WORK: &str = "300000";
const RUN_KEY: Key = Key::new([7; 32]);
const DATASET_KEY: Key = Key::new([8; 32]);

/// A job that can be run and proved as often as one likes.
struct Bench {
    engine: Engine,
    module: Module,
    blobs: BlobStore,
    spec: JobSpec,
    invocation: Invocation,
    inputs: Manifest,
    provider: SecretKey,
}

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bench = Bench::new(folder.path())?;
    let (ending, outputs) = bench.run()?;
    let receipt_bytes = bench.prove(ending, &outputs)?;
    let mut contestants: [Turn<'_>; 3] = [
        Box::new(|| Ok(wall(|| bench.run())?.0)),
        Box::new(|| Ok(wall(|| bench.verify_input().and_then(|()| bench.prove(ending, &outputs)))?.0)),
        Box::new(|| Ok(wall(|| bench.replay(&outputs))?.0)),
    ];
    let samples = interleaved(ROUNDS, &mut contestants)?;
    let names = ["the run", "its receipt", "one run of a replay, with its comparison"];
    let row = |at: usize| {
        vec![names[at].to_owned(), table::ms(samples.median(at)), table::ratio(samples.ratio(at, 0))]
    };
    let rows: Vec<_> = (0..names.len()).map(row).collect();
    table::print(
        &format!("Receipts, 100 MB in and out, by the clock, medians of {ROUNDS} rounds"),
        &["", "ms", "by the run"],
        &rows,
    );
    println!("\nreceipt: {receipt_bytes} bytes");
    hold(&[
        Promise { what: "receipt work by the run", measured: samples.ratio(1, 0), most: 0.05 },
        Promise { what: "a replay's run by the run", measured: samples.ratio(2, 0), most: 1.1 },
    ])
}

impl Bench {
    fn new(folder: &std::path::Path) -> Result<Self> {
        let file = folder.join("input");
        write_file(&file, BYTES)?;
        let blobs = BlobStore::open(&folder.join("blobs"))?;
        let (digest, size) = blobs.put(File::open(&file)?)?;
        let inputs =
            Manifest::new(vec![Entry { kind: EntryKind::File, path: "input".into(), size, digest }])?;
        let module = guest("kernels")?;
        let inspection = inspect(&module, u64::MAX).context("the gate")?;
        let engine = Engine::new(None)?;
        let args = ["kernels", "copy", "/data/inputs/input", "/data/outputs/output", WORK];
        let invocation = Invocation { args: args.map(str::to_owned).to_vec(), env: Vec::new() };
        let spec = JobSpec {
            profile: profile_digest_for(inspection.kind),
            agreement_id: B256::repeat_byte(1),
            run_index: 0,
            module_digest: inspection.digest,
            algorithm_root: Manifest::new(Vec::new())?.root(&RUN_KEY),
            invocation_root: invocation_manifest(&invocation)?.root(&RUN_KEY),
            inputs_root: job::inputs_root(inputs.root(&DATASET_KEY)),
            random_seed: B256::ZERO,
            clock_start: 1_767_225_600_000_000_000,
            clock_step: 1_000_000,
            fuel_limit: 1_000_000_000_000,
            memory_limit: 1 << 30,
            stack_limit: job::STACK_LIMIT_DEFAULT,
            output_limit: 2 * BYTES,
            files_limit: 10,
            blind_commit: blind_commit(&RUN_KEY),
        };
        let module = engine.compile(&module, &inspection)?;
        let provider = SecretKey::from_bytes(&[0x51; 32])?;
        Ok(Self { engine, module, blobs, spec, invocation, inputs, provider })
    }

    fn run(&self) -> Result<(Ending, Outputs)> {
        let bytes = self.blobs.map_as_it_is(self.inputs.entries()[0].digest)?;
        let input = InputFile { path: "input".into(), bytes };
        let order = Order::of(&self.spec, self.invocation.clone(), Vec::new(), vec![input]);
        let (ending, outputs) = self.engine.run(&self.module, &order, &Control::default())??;
        ensure!(
            outputs.stdout.starts_with(b"copy 100000000 "),
            "{}",
            String::from_utf8_lossy(&outputs.stdout)
        );
        Ok((ending, outputs))
    }

    /// What a provider does before each run, so that it knows what it ran over.
    fn verify_input(&self) -> Result<()> {
        self.blobs.map(self.inputs.entries()[0].digest)?;
        Ok(())
    }

    /// What a provider does after a run; gives the length of the receipt.
    fn prove(&self, ending: Ending, outputs: &Outputs) -> Result<usize> {
        let manifest = outputs.manifest()?;
        let outputs_key = job::outputs_key(&self.spec, &RUN_KEY, &DATASET_KEY);
        let outcome = ending.outcome(manifest.root(&outputs_key));
        let run_info = RunInfo {
            software: "bench".into(),
            engine: "wasmtime".into(),
            target: "here".into(),
            started_at: 0,
            run_us: 0,
            cached_module: true,
        };
        let parts = job::ReceiptParts {
            spec: &self.spec,
            outcome: &outcome,
            invocation: &self.invocation,
            algorithm: Vec::new(),
            mounts: vec![job::mount(None, &self.inputs, &DATASET_KEY)],
            outputs: &manifest,
            outputs_key: &outputs_key,
            kind: brizo_receipt::Kind::ReExecutable,
            run_info: &run_info,
        };
        let mut receipt = job::receipt(&parts, |_| false);
        let domain = Domain { chain_id: 1337, verifying_contract: Default::default() };
        job::attest(&mut receipt, &self.provider, domain, 0, None)?;
        check_structure(&receipt, &Expectation::default())?;
        Ok(receipt.to_text().len())
    }

    /// One of the two runs of a replay: the same run, and whether it gives the same root.
    fn replay(&self, first: &Outputs) -> Result<()> {
        let (_, outputs) = self.run()?;
        let key = job::outputs_key(&self.spec, &RUN_KEY, &DATASET_KEY);
        ensure!(outputs == *first, "another output");
        ensure!(outputs.manifest()?.root(&key) != B256::ZERO, "no root");
        Ok(())
    }
}
