//! `brizo verify`: how far does a receipt hold, and why no further.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use brizo_receipt::{
    Address, B256, Expectation, Key, Receipt, Tier, Verdict, blind_commit, check_signatures, check_structure,
};
use clap::Args;
use serde_json::{Value, json};

use super::Exit;
use super::format::{Format, read_profiles, read_receipt, read_salt_key};
use super::spec::read_outputs;
use crate::chain::{Chain, Error as ChainError};
use crate::config::read_deployment;
use crate::ids::AgreementId;

/// Check a receipt, tier by tier: structure, signatures, chain, opening. Trusts nobody but the chain's node you name.
///
/// A tier that cannot be attempted is said to be so and is neither success nor failure. Re-execution is `brizo replay`.
/// Exit code 0 when nothing failed, else one per cause (docs/RECEIPT.md §10).
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Receipt file.
    receipt: PathBuf,
    /// URL of an Ethereum node, for the tier `on chain`.
    #[arg(long, requires = "deployment")]
    rpc: Option<String>,
    /// Deployment file, for the tier `on chain`.
    #[arg(long, requires = "rpc")]
    deployment: Option<PathBuf>,
    /// Folder with the output files, for the tier `opening`.
    #[arg(long)]
    outputs: Option<PathBuf>,
    /// File with the consumer's run key, for the tier `opening`. [default: the key that hides nothing]
    #[arg(long)]
    run_key: Option<PathBuf>,
    /// File with the publisher's data set key, once for each data set in their order: with it and the run key a file in
    /// --outputs that the receipt does not show is looked for among what it withholds.
    #[arg(long = "dataset-key")]
    dataset_keys: Vec<PathBuf>,
    /// The receipt hash you expect.
    #[arg(long)]
    expect: Option<B256>,
    /// The provider's address you expect.
    #[arg(long)]
    provider: Option<Address>,
    /// The consumer's address you expect.
    #[arg(long)]
    consumer: Option<Address>,
    /// A list of published profiles that is newer than that of this release; a receipt under a revoked one fails.
    #[arg(long)]
    profiles: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// A tier's name, its verdict, and the exit code if it failed.
type Checked = (Tier, Verdict, Exit);

impl Verify {
    pub(super) async fn run(self) -> Result<Exit> {
        let bytes = read_receipt(&self.receipt)?;
        let receipt = match Receipt::parse(&bytes) {
            Ok(receipt) => receipt,
            Err(error) => {
                let checked = [(Tier::Structure, Verdict::Failed(error.clone()), Exit::of_receipt(&error))];
                return self.report(None, &checked);
            }
        };
        let expected = self.expectation()?;
        let mut checked = vec![structure(&receipt, &expected)];
        if matches!(checked[0].1, Verdict::Reached(_)) {
            checked.push(signature(&receipt, &expected));
            checked.push(self.chain(&receipt).await?);
            checked.push(self.opening(&receipt)?);
            let why = "use `brizo replay`".to_string();
            checked.push((Tier::Execution, Verdict::NotAttempted(why), Exit::OK));
        }
        self.report(Some(&receipt), &checked)
    }

    fn expectation(&self) -> Result<Expectation> {
        let deployment = self.deployment.as_deref().map(read_deployment).transpose()?;
        Ok(Expectation {
            claim_hash: self.expect,
            provider: self.provider,
            consumer: self.consumer,
            domain: deployment.map(|deployment| deployment.domain()),
            profiles: read_profiles(self.profiles.as_deref())?,
            ..Expectation::default()
        })
    }

    async fn chain(&self, receipt: &Receipt) -> Result<Checked> {
        let (Some(rpc), Some(deployment)) = (&self.rpc, &self.deployment) else {
            let why = "no node was named: give --rpc and --deployment".to_string();
            return Ok((Tier::Chain, Verdict::NotAttempted(why), Exit::OK));
        };
        let chain = Chain::connect(rpc, read_deployment(deployment)?, None)?;
        let verdict = match committed(&chain, receipt).await {
            Ok(verdict) => verdict,
            Err(error @ ChainError::Unreachable(_)) => Verdict::NotAttempted(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        Ok((Tier::Chain, verdict, Exit::NOT_COMMITTED))
    }

    /// Opens what it is given the means for: the invocation with the run key, files by themselves.
    fn opening(&self, receipt: &Receipt) -> Result<Checked> {
        let run_key = read_salt_key(self.run_key.as_deref())?;
        let has_key = self.run_key.is_some() || receipt.claim.spec.blind_commit == blind_commit(&run_key);
        if !has_key && self.outputs.is_none() {
            let why = "the receipt is salted with a run key: give --run-key; or the files with --outputs"
                .to_string();
            return Ok((Tier::Opening, Verdict::NotAttempted(why), Exit::OK));
        }
        let dataset_keys = self.dataset_keys.iter().map(|path| read_salt_key(Some(path)));
        let dataset_keys = dataset_keys.collect::<Result<Vec<_>>>()?;
        let outputs_key = receipt.outputs_key(&run_key, &dataset_keys).filter(|_| has_key);
        if outputs_key.is_none() && !dataset_keys.is_empty() {
            let mounts = receipt.opening.inputs.len();
            bail!(
                "--dataset-key is of use with --run-key, once for each of the receipt's {mounts} data sets"
            );
        }
        let files = self.outputs.as_deref().map(read_outputs).transpose()?;
        let verdict = match open(receipt, has_key.then_some(&run_key), outputs_key.as_ref(), files.as_ref()) {
            Ok(notes) => Verdict::Reached(notes),
            Err(error) => Verdict::Failed(error),
        };
        Ok((Tier::Opening, verdict, Exit::OPENING))
    }

    fn report(&self, receipt: Option<&Receipt>, checked: &[Checked]) -> Result<Exit> {
        let failed = checked.iter().find(|(_, verdict, _)| matches!(verdict, Verdict::Failed(_)));
        let result = match failed {
            Some((tier, ..)) => format!("FAILED at {}", tier.name()),
            None => format!("holds: {}", names(checked, |verdict| matches!(verdict, Verdict::Reached(_)))),
        };
        let hash = receipt.map(|receipt| receipt.claim_hash);
        let tiers: Vec<Value> =
            checked.iter().map(|(tier, verdict, _)| tier_document(*tier, verdict)).collect();
        let document = json!({ "receiptHash": hash, "verdict": result, "tiers": tiers });
        self.format.print(&document, || {
            let mut text = hash.map_or(String::new(), |hash| format!("receipt {hash}\n"));
            for tier in &tiers {
                let notes = tier["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let line = format!(
                    "[{:<13}] {:<12} ",
                    tier["result"].as_str().unwrap_or_default(),
                    tier["tier"].as_str().unwrap_or_default()
                );
                text.push_str(&line);
                text.push_str(&notes.collect::<Vec<_>>().join(&format!("\n{}", " ".repeat(line.len()))));
                text.push('\n');
            }
            text + "\n" + &result
        })?;
        // What was asked for and could not be attempted is neither success nor failure.
        let asked = |tier: Tier| match tier {
            Tier::Chain => self.rpc.is_some(),
            Tier::Opening => self.outputs.is_some() || self.run_key.is_some(),
            _ => false,
        };
        let open_question = checked
            .iter()
            .any(|(tier, verdict, _)| matches!(verdict, Verdict::NotAttempted(_)) && asked(*tier));
        let otherwise = if open_question { Exit::INCONCLUSIVE } else { Exit::OK };
        Ok(failed.map_or(otherwise, |(_, _, exit)| *exit))
    }
}

/// Names of the tiers with such a verdict; a tier that was not attempted is never glossed over.
fn names(checked: &[Checked], with: impl Fn(&Verdict) -> bool) -> String {
    let names: Vec<_> =
        checked.iter().filter(|(_, verdict, _)| with(verdict)).map(|(tier, ..)| tier.name()).collect();
    names.join(", ")
}

fn structure(receipt: &Receipt, expected: &Expectation) -> Checked {
    match check_structure(receipt, expected) {
        Ok(notes) => (Tier::Structure, Verdict::Reached(notes), Exit::OK),
        Err(error) => {
            let exit = Exit::of_receipt(&error);
            (Tier::Structure, Verdict::Failed(error), exit)
        }
    }
}

fn signature(receipt: &Receipt, expected: &Expectation) -> Checked {
    match check_signatures(receipt, expected) {
        Ok(Some(notes)) => (Tier::Signature, Verdict::Reached(notes), Exit::OK),
        Ok(None) => {
            let why = match receipt.consent {
                Some(_) => "only the consumer signed (what was ordered); nobody attests what happened",
                None => "the receipt is of a local run and carries no signature",
            };
            let why = why.to_string();
            (Tier::Signature, Verdict::NotAttempted(why), Exit::OK)
        }
        Err(error) => {
            let exit = Exit::of_receipt(&error);
            (Tier::Signature, Verdict::Failed(error), exit)
        }
    }
}

/// Compares with what the chain committed to, and who is who there.
async fn committed(chain: &Chain, receipt: &Receipt) -> Result<Verdict, ChainError> {
    let id = AgreementId(receipt.claim.spec.agreement_id);
    let unexpected = |what, expected: String, found: String| {
        Ok(Verdict::Failed(brizo_receipt::Error::Unexpected { what, expected, found }))
    };
    let Some(agreement) = chain.agreement(id).await? else {
        return unexpected("agreement on chain", id.to_string(), "none".into());
    };
    let Some(event) = chain.committed(id).await? else {
        return unexpected("ReceiptCommitted event", receipt.claim_hash.to_string(), "none".into());
    };
    if event.receipt_hash != receipt.claim_hash {
        return unexpected(
            "committed receipt hash",
            event.receipt_hash.to_string(),
            receipt.claim_hash.to_string(),
        );
    }
    let consumer = receipt.consent.as_ref().map(|consent| consent.consumer);
    if consumer != Some(agreement.consumer) {
        return unexpected("consumer", agreement.consumer.to_string(), format!("{consumer:?}"));
    }
    let provider = receipt.attestation.as_ref().map(|attestation| attestation.statement.provider);
    if provider != Some(event.publisher) {
        return unexpected("provider", event.publisher.to_string(), format!("{provider:?}"));
    }
    Ok(Verdict::Reached(vec![
        format!("ReceiptCommitted in block {}, transaction {}", event.block, event.tx),
        "the contract recomputed this hash from the spec that the consumer signed".to_string(),
    ]))
}

/// Opens the invocation and the salts with the keys, and compares the files, as far as each is there.
fn open(
    receipt: &Receipt,
    run_key: Option<&Key>,
    outputs_key: Option<&Key>,
    files: Option<&BTreeMap<String, Vec<u8>>>,
) -> brizo_receipt::Result<Vec<String>> {
    let mut notes = Vec::new();
    if let Some(run_key) = run_key {
        receipt.check_invocation(run_key)?;
        notes.push("arguments and variables open their root".to_string());
    }
    if let Some(key) = outputs_key {
        receipt.check_output_salts(key)?;
        notes.push("the outputs that are shown are salted as the keys say".to_string());
    }
    if let Some(files) = files {
        let delivered = receipt.check_delivered(files, outputs_key)?;
        notes.push(format!("{} files are the ones that the receipt shows", delivered.shown));
        if delivered.withheld > 0 {
            notes.push(format!("{} more files are ones that it withholds", delivered.withheld));
        }
    }
    Ok(notes)
}

fn tier_document(tier: Tier, verdict: &Verdict) -> Value {
    let (result, notes, code) = match verdict {
        Verdict::Reached(notes) => ("reached", notes.clone(), None),
        Verdict::NotAttempted(why) => ("not attempted", vec![why.clone()], None),
        Verdict::Failed(error) => ("failed", vec![error.to_string()], Some(error.code())),
    };
    json!({ "tier": tier.name(), "result": result, "notes": notes, "code": code })
}
