//! What of a receipt differs from what there is to replay it with, and from what came out.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use brizo_receipt::{B256, Entry, Expectation, Key, Manifest, Outcome, OutputEntry, Profiles, Receipt};

use super::super::program::Bundle;
use super::super::spec::read_outputs;
use super::verdict::Difference;
use crate::job;
use crate::sandbox::{Outputs, inspect, profile_digest_for};

/// A claim that contradicts itself is false whoever runs what. Whether it is the claim, and not something else in the file, is
/// seen by its hash, which the contract has.
pub(super) fn contradiction(receipt: &Receipt, expected: &Expectation) -> Option<Difference> {
    let claim = &receipt.claim;
    let is_repeatable = Profiles::standing(claim.spec.profile, expected.profiles.as_ref()).is_ok()
        && Profiles::is_attested_only(claim.spec.profile).is_ok_and(|attested| !attested);
    if claim.hash() != receipt.claim_hash || !is_repeatable {
        return None;
    }
    Some(format!("claim: {}", claim.outcome.check(&claim.spec).err()?).into())
}

/// What the consumer signed that nobody can have run: the claim of it is false whatever its outcome.
pub(super) fn no_run_can_be(receipt: &Receipt, module: &[u8]) -> Vec<Difference> {
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
pub(super) fn not_as_ordered(
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
    let stated: BTreeSet<B256> = receipt.opening.algorithm.iter().copied().collect();
    if bundle.entries().is_empty() {
        return format!(
            "algorithm: the run had a bundle of {} files; name it with --module, and its runtime with --runtime",
            stated.len()
        )
        .into();
    }
    let leaves = bundle.leaves(key);
    let mut differing = bundle.entries().iter().zip(&leaves).filter(|(_, leaf)| !stated.contains(*leaf));
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
    let known: BTreeSet<B256> = stated.iter().copied().collect();
    let (entries, leaves) = (inputs.entries(), inputs.leaves(key));
    let differing: Vec<_> = entries
        .iter()
        .zip(&leaves)
        .filter(|(_, leaf)| !known.contains(*leaf))
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

/// Compares the outcomes field by field, then names outputs and bytes.
pub(super) fn after_the_run(
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
    let mut of_outputs = output_differences(receipt, &manifest, outputs_key);
    // Leaf by leaf all are there, but the root is over a list: over their order, and over each as often as it stands.
    if of_outputs.is_empty() && stated.outputs_root != replayed.outputs_root {
        of_outputs.push("outputs: the same leaves in another order or number".to_string().into());
    }
    differences.extend(of_outputs);
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
