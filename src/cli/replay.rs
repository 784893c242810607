//! `brizo replay`: runs a receipt's job again and compares, bit for bit.

mod attested;
mod compare;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use brizo_receipt::{
    B256, Expectation, Key, Kind as ReceiptKind, Outcome, Receipt, blind_commit, check_signatures,
    check_statement, check_structure, content_digest,
};
use clap::Args;
use serde_json::json;

use self::compare::{after_the_run, contradiction, no_run_can_be, not_as_ordered};
use self::verdict::{Auditor, Difference, VerdictOptions};
use super::Exit;
use super::format::{Format, parse_count, read_receipt, read_salt_key};
use super::profiles::NewerProfiles;
use super::program::{Bundle, OnRuntime, Program};
use super::spec::{LocalInputs, compile};
use crate::container;
use crate::job;
use crate::sandbox::{Control, Kind, Order, Outputs, Refused, profile_digest_for};

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
    /// Seconds that each of the two runs may take. What a receipt orders, a stranger has ordered.
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = parse_count)]
    deadline: u64,
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
        if let Err(error) = check_signatures(&receipt, &expected) {
            return self.refuse(&error);
        }
        if let Err(error) = check_structure(&receipt, &expected) {
            return self.contradicted(&receipt, &expected, &error);
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
        let deadline = Duration::from_secs(self.deadline);
        let (outcome, outputs) = run_twice(&receipt, &module, &bundle, inputs, deadline)?;
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
        let replayed = claim.hash();
        let same = differences.is_empty() && replayed == receipt.claim_hash;
        let exit = if same { Exit::OK } else { Exit::MISMATCH };
        self.report(&receipt, auditor, Some(replayed), &differences, exit)
    }

    /// The structure does not hold: perhaps because the claim is one that nobody has to run to know that it is false.
    fn contradicted(
        &self,
        receipt: &Receipt,
        expected: &Expectation,
        error: &brizo_receipt::Error,
    ) -> Result<Exit> {
        let Some(why) = contradiction(receipt, expected) else { return self.refuse(error) };
        // Anybody can write another claim beside an attestation; its provider has not made it.
        if let Err(error) = check_statement(receipt) {
            return self.refuse(&error);
        }
        let auditor = self.verdict.auditor(receipt)?;
        self.report(receipt, auditor.as_ref(), None, &[why], Exit::MISMATCH)
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
        let mut failed = None;
        let signed = match auditor {
            Some(auditor) if exit != Exit::INCONCLUSIVE => {
                Some(auditor.sign(receipt, replayed, differences).unwrap_or_else(|error| {
                    let why = format!("none is signed: {error:#}");
                    failed = Some(error);
                    why
                }))
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
        match failed {
            // What was found stays found, though nobody signed it.
            Some(error) if exit == Exit::OK => Err(error),
            _ => Ok(exit),
        }
    }
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
    deadline: Duration,
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
    let run = || match engine.run(&compiled, &order, &Control::with_wall_clock(deadline)) {
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
