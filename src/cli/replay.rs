//! `brizo replay`: runs a receipt's job again and compares, bit for bit.

mod attested;
mod verdict;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use brizo_receipt::{
    B256, Entry, Key, Kind as ReceiptKind, Manifest, Outcome, OutputEntry, Receipt, blind_commit,
    check_signatures, check_structure, content_digest,
};
use clap::Args;
use serde_json::json;

use self::verdict::{Auditor, Difference, VerdictOptions};
use super::Exit;
use super::format::{Format, read_receipt, read_salt_key};
use super::profiles::NewerProfiles;
use super::program::{Bundle, OnRuntime, Program};
use super::spec::{LocalInputs, compile, read_outputs};
use crate::container;
use crate::job;
use crate::sandbox::{Control, Kind, Order, Outputs, Refused, inspect, profile_digest_for};

/// Run a receipt's job again, from the module and the data, and compare every part of the claim.
///
/// Runs twice, and gives no verdict if its own two runs differ. On a mismatch it names the part that differs; for an
/// output that you hold (--outputs), the first byte. Exit code 0 when the hash is the same, 20 when it is not, 3 when no
/// verdict is possible: also when module, data, arguments or keys are not those that the consumer ordered, because then
/// another run would be compared.
///
/// A receipt of a container is attested: nothing can prove or disprove it. It is run again, with the description of its
/// image as --runtime, and what comes out is compared: exit code 21 for the same outputs, 22 for different ones.
///
/// With --verdict-key and --verdict, what came out of a conclusive replay is signed, for others to rely on.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Receipt file.
    receipt: PathBuf,
    /// The module; with --runtime the script or the folder of scripts.
    #[arg(long)]
    module: PathBuf,
    #[command(flatten)]
    on: OnRuntime,
    /// Folder with the data set.
    #[arg(long)]
    input: Option<PathBuf>,
    /// File with the publisher's data set key. [default: the key that hides nothing]
    #[arg(long)]
    dataset_key: Option<PathBuf>,
    /// File with the consumer's run key. [default: the key that hides nothing]
    #[arg(long)]
    run_key: Option<PathBuf>,
    /// Folder with the outputs that were delivered, to name the first byte that differs.
    #[arg(long)]
    outputs: Option<PathBuf>,
    #[command(flatten)]
    verdict: VerdictOptions,
    #[command(flatten)]
    profiles: NewerProfiles,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Replay {
    pub(super) fn run(self) -> Result<Exit> {
        let receipt = match Receipt::parse(&read_receipt(&self.receipt)?) {
            Ok(receipt) => receipt,
            Err(error) => return self.refuse(&error),
        };
        let expected = self.profiles.expectation()?;
        let checked =
            check_structure(&receipt, &expected).and_then(|_| check_signatures(&receipt, &expected));
        if let Err(error) = checked {
            return self.refuse(&error);
        }
        let auditor = self.verdict.auditor(&receipt)?;
        let auditor = auditor.as_ref();
        let run_key = read_salt_key(self.run_key.as_deref())?;
        if let Some(missing) = self.missing(&receipt, &run_key) {
            return self.report(&receipt, auditor, None, &[missing.into()], Exit::INCONCLUSIVE);
        }
        let program = Program::load(&self.module, &self.on)?;
        let inputs = LocalInputs::take(self.input.as_deref())?;
        let dataset_key = read_salt_key(self.dataset_key.as_deref())?;
        if receipt.kind == ReceiptKind::Attested {
            return self.run_again(&receipt, &program, &inputs, (&dataset_key, &run_key));
        }
        let Program { module, bundle, .. } = program;
        let digest = content_digest(&module);
        let others = not_as_ordered(&receipt, digest, &bundle, &inputs.manifest, (&dataset_key, &run_key));
        let profiles = Kind::ALL.map(profile_digest_for);
        if !profiles.contains(&receipt.claim.spec.profile) {
            let why = format!(
                "the receipt is of profile {}, this program runs {} and {}; use the release that had it",
                receipt.claim.spec.profile, profiles[0], profiles[1]
            );
            return self.report(&receipt, auditor, None, &[why.into()], Exit::INCONCLUSIVE);
        }
        // The order names these, and the consumer signed it: who replays has other ones, and the provider is not to blame.
        if !others.is_empty() {
            return self.report(&receipt, auditor, None, &others, Exit::INCONCLUSIVE);
        }
        let impossible = no_run_can_be(&receipt, &module);
        if !impossible.is_empty() {
            return self.report(&receipt, auditor, None, &impossible, Exit::MISMATCH);
        }
        let mut differences = Vec::new();
        let outputs_key = job::outputs_key(&receipt.claim.spec, &run_key, &dataset_key);
        if let Err(error) = receipt.check_output_salts(&outputs_key) {
            let why = format!("outputs: {error}; the data set key is given with --dataset-key").into();
            // An empty data set has the same root under every key, so another key shows only here.
            if inputs.manifest.entries().is_empty() {
                return self.report(&receipt, auditor, None, &[why], Exit::INCONCLUSIVE);
            }
            differences.push(why);
        }
        let (outcome, outputs) = run_twice(&receipt, &module, &bundle, inputs)?;
        let outcome = Outcome { outputs_root: outputs.manifest()?.root(&outputs_key), ..outcome };
        let mut claim = receipt.claim.clone();
        claim.outcome = outcome;
        differences.extend(after_the_run(
            &receipt,
            &claim.outcome,
            &outputs,
            &outputs_key,
            self.outputs.as_deref(),
        )?);
        let exit = if differences.is_empty() { Exit::OK } else { Exit::MISMATCH };
        self.report(&receipt, auditor, Some(claim.hash()), &differences, exit)
    }

    /// Something that was not given and without which nobody can be accused of anything.
    fn missing(&self, receipt: &Receipt, run_key: &Key) -> Option<String> {
        let spec = &receipt.claim.spec;
        let image = spec.profile == container::profile_digest();
        if receipt.kind == ReceiptKind::Attested && !(image && self.on.runtime.is_some()) {
            return Some(
                "the receipt is attested: its provider says what came out, and nobody can recompute it; with the \
                 description of its image (--runtime) it can be run again, to see what comes out"
                    .into(),
            );
        }
        if !matches!(receipt.opening.inputs.as_slice(), [mount] if mount.path.is_empty()) {
            let mounts = receipt.opening.inputs.len();
            return Some(format!(
                "the run had {mounts} mounts; this program replays runs with one, at /data/inputs itself"
            ));
        }
        if self.run_key.is_none() && spec.blind_commit != blind_commit(&Key::OPEN) {
            return Some("the receipt is salted with a run key: give --run-key".into());
        }
        // The order commits to the key, so it is the caller who has another one.
        if spec.blind_commit != blind_commit(run_key) {
            return Some("--run-key is not the key that the order commits to (spec.blindCommit)".into());
        }
        if self.input.is_none() && receipt.opening.inputs.iter().any(|mount| !mount.leaves.is_empty()) {
            return Some("the run read a data set: give its folder with --input".into());
        }
        // Local runs hide nothing unless told to; a provider always salts its data sets.
        if self.dataset_key.is_none() && !spec.agreement_id.is_zero() {
            return Some("a provider's inputs are salted with its data set key: give --dataset-key".into());
        }
        None
    }

    fn refuse(&self, error: &brizo_receipt::Error) -> Result<Exit> {
        let document = json!({ "match": false, "differences": [error.to_string()], "code": error.code() });
        self.format.print(&document, || format!("not a receipt that can be replayed: {error}"))?;
        Ok(Exit::of_receipt(error))
    }

    fn report(
        &self,
        receipt: &Receipt,
        auditor: Option<&Auditor>,
        replayed: Option<B256>,
        differences: &[Difference],
        exit: Exit,
    ) -> Result<Exit> {
        let same = exit == Exit::OK;
        let signed = match auditor {
            Some(auditor) if exit != Exit::INCONCLUSIVE => {
                Some(auditor.sign(receipt, replayed, differences)?)
            }
            Some(_) => Some("none is signed, because the replay is inconclusive".into()),
            None => None,
        };
        let differences: Vec<_> = differences.iter().map(|difference| &difference.own).collect();
        let document = json!({
            "receiptHash": receipt.claim_hash,
            "replayedHash": replayed,
            "match": same,
            "differences": differences,
            "verdict": signed,
        });
        self.format.print(&document, || {
            let same_claim = replayed == Some(receipt.claim_hash);
            let replayed = replayed.map_or("none".to_string(), |hash| hash.to_string());
            let verdict = match exit {
                Exit::OK => "SAME: re-execution gives the same 32 bytes",
                Exit::INCONCLUSIVE => "INCONCLUSIVE",
                _ if same_claim => {
                    "MISMATCH of the delivered files only: re-execution gives the same 32 bytes"
                }
                _ => "MISMATCH",
            };
            let label = if exit == Exit::INCONCLUSIVE { "why not" } else { "differs" };
            let list: Vec<_> =
                differences.iter().map(|difference| format!("  {label}: {difference}\n")).collect();
            let signed = signed.map_or(String::new(), |what| format!("\nverdict   {what}"));
            format!(
                "receipt   {}\nreplayed  {replayed}\n{}\n{verdict}{signed}",
                receipt.claim_hash,
                list.concat()
            )
        })?;
        Ok(exit)
    }
}

/// What the consumer signed that nobody can have run: the claim of it is false whatever its outcome.
fn no_run_can_be(receipt: &Receipt, module: &[u8]) -> Vec<Difference> {
    let spec = &receipt.claim.spec;
    let mut differences: Vec<Difference> = Vec::new();
    match inspect(module, u64::MAX) {
        Err(refused) => {
            differences.push(format!("module: under this profile nothing runs it: {refused}").into());
        }
        Ok(module) if profile_digest_for(module.kind) != spec.profile => {
            let why = "profile: it is not the one under which a module of this kind runs";
            differences.push(why.to_string().into());
        }
        Ok(_) => {}
    }
    if spec.stack_limit > job::STACK_LIMIT_MAX {
        let most = job::STACK_LIMIT_MAX;
        differences.push(format!("stackLimit: this profile has at most {most} units of stack").into());
    }
    differences
}

/// What was given and is not what the order names: a changed module, input, argument or key.
fn not_as_ordered(
    receipt: &Receipt,
    digest: B256,
    bundle: &Bundle,
    inputs: &Manifest,
    (dataset_key, run_key): (&Key, &Key),
) -> Vec<Difference> {
    let spec = &receipt.claim.spec;
    let mut differences: Vec<Difference> = Vec::new();
    if digest != spec.module_digest {
        differences
            .push(format!("module: the receipt names {}, the file is {digest}", spec.module_digest).into());
    }
    if let Err(error) = receipt.check_invocation(run_key) {
        differences.push(format!("invocation (arguments, variables or run key): {error}").into());
    }
    if bundle.manifest.root(run_key) != spec.algorithm_root {
        differences.push(bundle_difference(receipt, &bundle.manifest, run_key));
    }
    if job::inputs_root(inputs.root(dataset_key)) != spec.inputs_root {
        differences.push(input_difference(receipt, inputs, dataset_key));
    }
    differences
}

/// Says what is wrong with the bundle, naming the first file that differs.
fn bundle_difference(receipt: &Receipt, bundle: &Manifest, key: &Key) -> Difference {
    let stated = &receipt.opening.algorithm;
    if bundle.entries().is_empty() {
        return format!(
            "algorithm: the run had a bundle of {} files; name it with --module, and its runtime with --runtime",
            stated.len()
        )
        .into();
    }
    let leaves = bundle.leaves(key);
    let mut differing = bundle.entries().iter().zip(&leaves).filter(|(_, leaf)| !stated.contains(leaf));
    match differing.next() {
        Some((entry, _)) => {
            let more = differing.count();
            let own = format!(
                "algorithm: {:?} is not what it was, and {more} more files (or the run key is wrong)",
                entry.path
            );
            let public =
                format!("algorithm: {} files are not what they were (or the run key is wrong)", more + 1);
            Difference { own, public }
        }
        None => {
            format!("algorithm: the receipt counts {} files, the bundle has {}", stated.len(), leaves.len())
                .into()
        }
    }
}

/// Names the first input that differs, by its leaf; a wrong key or a different number of files is said to be that.
fn input_difference(receipt: &Receipt, inputs: &Manifest, key: &Key) -> Difference {
    let stated = receipt.opening.inputs.first().map(|mount| mount.leaves.as_slice()).unwrap_or_default();
    let (entries, leaves) = (inputs.entries(), inputs.leaves(key));
    let differing: Vec<_> = entries
        .iter()
        .zip(&leaves)
        .filter(|(_, leaf)| !stated.contains(leaf))
        .map(|(entry, _)| entry.path.as_str())
        .collect();
    if !leaves.is_empty() && differing.len() == leaves.len() {
        return "inputs: no file has its leaf in the receipt (another data set, another version, or the wrong data set key)".to_string().into();
    }
    if let Some(path) = differing.first() {
        let count = format!("{} of {} files differ", differing.len(), leaves.len());
        let own = format!("inputs: {path:?} is not what it was ({count})");
        return Difference { own, public: format!("inputs: {count}") };
    }
    format!("inputs: the receipt counts {} files, the folder has {}", stated.len(), leaves.len()).into()
}

/// No verdict is possible.
#[derive(Debug, thiserror::Error)]
#[error("inconclusive: {0}")]
pub(super) struct Inconclusive(pub(super) String);

/// Runs two times on fresh state. A sandbox that disagrees with itself proves nothing about others.
fn run_twice(
    receipt: &Receipt,
    module: &[u8],
    bundle: &Bundle,
    inputs: LocalInputs,
) -> Result<(Outcome, Outputs)> {
    let (engine, _, compiled) = compile(module, true).map_err(|error| match error.is::<Refused>() {
        // The gate takes it, or it would have been refused before: it is this host's ceilings that do not.
        true => Inconclusive(format!("{error}; BRIZO_COMPILE_… raise the ceilings")).into(),
        false => error,
    })?;
    let order = Order::of(
        &receipt.claim.spec,
        receipt.opening.invocation.clone(),
        bundle.files.clone(),
        inputs.files.clone(),
    );
    let run = || match engine.run(&compiled, &order, &Control::default()) {
        Ok(Ok(finished)) => Ok(finished),
        Ok(Err(aborted)) => Err(Inconclusive(aborted.to_string())),
        Err(error) => Err(Inconclusive(error.to_string())),
    };
    let (first, second) = (run()?, run()?);
    if first != second {
        let why = "two runs on this machine differ; report this as a bug of the sandbox".into();
        return Err(Inconclusive(why).into());
    }
    Ok((first.0.outcome(B256::ZERO), first.1))
}

/// Compares the outcomes field by field, then names outputs and bytes.
fn after_the_run(
    receipt: &Receipt,
    replayed: &Outcome,
    outputs: &Outputs,
    outputs_key: &Key,
    folder: Option<&Path>,
) -> Result<Vec<Difference>> {
    let stated = &receipt.claim.outcome;
    let fields = [
        ("status", u64::from(stated.status), u64::from(replayed.status)),
        ("exitCode", u64::from(stated.exit_code), u64::from(replayed.exit_code)),
        ("trapCode", u64::from(stated.trap_code), u64::from(replayed.trap_code)),
        ("fuelUsed", stated.fuel_used, replayed.fuel_used),
        ("outputBytes", stated.output_bytes, replayed.output_bytes),
    ];
    let mut differences: Vec<Difference> = fields
        .iter()
        .filter(|(_, stated, replayed)| stated != replayed)
        .map(|(field, stated, replayed)| {
            format!("outcome.{field}: the receipt says {stated}, the replay gives {replayed}").into()
        })
        .collect();
    let manifest = outputs.manifest()?;
    differences.extend(output_differences(receipt, &manifest, outputs_key));
    if let Some(folder) = folder {
        differences.extend(delivered(receipt, outputs, folder)?);
    }
    Ok(differences)
}

/// Compares leaf by leaf. A withheld output has no name in the receipt, so the replay's entry that has no leaf there is named.
fn output_differences(receipt: &Receipt, replayed: &Manifest, outputs_key: &Key) -> Vec<Difference> {
    let stated = &receipt.opening.outputs;
    let leaves: BTreeSet<B256> = stated.iter().map(|output| output.leaf).collect();
    let place = |entry: &Entry| (entry.kind, entry.path.clone());
    let shown: BTreeSet<_> = stated.iter().filter_map(OutputEntry::entry).map(place).collect();
    let written: BTreeSet<_> = replayed.entries().iter().map(place).collect();
    let mut found = BTreeSet::new();
    let mut differences = Vec::new();
    for entry in replayed.entries() {
        let leaf = entry.leaf(outputs_key);
        if leaves.contains(&leaf) {
            found.insert(leaf);
            continue;
        }
        differences.push(match shown.contains(&place(entry)) {
            true => format!("output {:?}: other content", entry.path).into(),
            false => Difference::of_unseen("output", &entry.path, "the receipt has no such output"),
        });
    }
    let missing =
        stated.iter().filter_map(OutputEntry::entry).filter(|entry| !written.contains(&place(entry)));
    differences
        .extend(missing.map(|entry| format!("output {:?}: the replay does not write it", entry.path).into()));
    let unknown = receipt.withheld_leaves().filter(|leaf| !found.contains(leaf)).count();
    if unknown > 0 {
        differences
            .push(format!("outputs: {unknown} of the withheld ones are none that the replay writes").into());
    }
    differences
}

/// Compares the delivered files with the replay's, to the byte.
fn delivered(receipt: &Receipt, outputs: &Outputs, folder: &Path) -> Result<Vec<Difference>> {
    let files = read_outputs(folder)?;
    let mut differences = Vec::new();
    for (path, bytes) in &files {
        let Some(replayed) = outputs.files.get(path) else {
            differences.push(Difference::of_unseen("delivered", path, "the replay does not write it"));
            continue;
        };
        if let Some(at) = first_byte(bytes, &replayed.bytes()?) {
            let what = format!("first difference at byte {at}");
            differences.push(match receipt.shown_files().any(|entry| entry.path == *path) {
                true => format!("delivered {path:?}: {what}").into(),
                false => Difference::of_unseen("delivered", path, &what),
            });
        }
    }
    for entry in receipt.shown_files().filter(|entry| !files.contains_key(&entry.path)) {
        differences.push(format!("delivered {:?}: missing", entry.path).into());
    }
    Ok(differences)
}

fn first_byte(a: &[u8], b: &[u8]) -> Option<usize> {
    let common = a.iter().zip(b).position(|(a, b)| a != b);
    common.or_else(|| (a.len() != b.len()).then_some(a.len().min(b.len())))
}
