//! Attested receipts: the container is run again, and what came out is compared. Neither answer is a proof.

use anyhow::Result;
use brizo_receipt::{Key, Outcome, Receipt};
use serde_json::json;

use super::super::program::Program;
use super::super::ready::Ready;
use super::super::spec::LocalInputs;
use super::super::{Exit, Usage};
use super::compare::{after_the_run, not_as_ordered};
use super::{Difference, Replay};
use crate::job;
use crate::sandbox::Order;

impl Replay {
    /// Runs it again under the same order.
    pub(super) fn run_again(
        &self,
        receipt: &Receipt,
        program: &Program,
        inputs: &LocalInputs,
        (dataset_key, run_key): (&Key, &Key),
    ) -> Result<Exit> {
        let asked = self.verdict.auditor(receipt)?;
        if asked.is_some() {
            // A signature under it would be taken for more than it is.
            return Err(
                Usage("there are no verdicts about attested receipts: leave --verdict out".into()).into()
            );
        }
        let Some(image) = &program.image else {
            return Err(Usage("--runtime describes a module; the receipt is of an image".into()).into());
        };
        let before =
            not_as_ordered(receipt, image.digest, &program.bundle, &inputs.manifest, (dataset_key, run_key));
        if !before.is_empty() {
            return self.say(
                receipt,
                "INCONCLUSIVE: this is not what the receipt is of",
                &before,
                Exit::INCONCLUSIVE,
            );
        }
        let order = Order::of(
            &receipt.claim.spec,
            receipt.opening.invocation.clone(),
            program.bundle.files.clone(),
            inputs.files.clone(),
        );
        let done = Ready::Image(image.clone()).run(&order)?;
        let outputs_key = job::outputs_key(&receipt.claim.spec, run_key, dataset_key);
        let outputs_root = done.outputs.manifest()?.root(&outputs_key);
        // Time is another one every time.
        let fuel_used = receipt.claim.outcome.fuel_used;
        let outcome = Outcome { fuel_used, ..done.ending.outcome(outputs_root) };
        let differences =
            after_the_run(receipt, &outcome, &done.outputs, &outputs_key, self.outputs.as_deref())?;
        match differences.is_empty() {
            true => self.say(
                receipt,
                "SAME OUTPUTS: run again here, the image left the same. This is an observation and no proof",
                &[],
                Exit::SAME_OUTPUTS,
            ),
            false => self.say(
                receipt,
                "DIFFERENT OUTPUTS: run again here, the image left something else. Containers may; it accuses nobody",
                &differences,
                Exit::DIFFERENT_OUTPUTS,
            ),
        }
    }

    fn say(&self, receipt: &Receipt, words: &str, differences: &[Difference], exit: Exit) -> Result<Exit> {
        let differences: Vec<_> = differences.iter().map(|difference| &difference.own).collect();
        let same = match exit {
            Exit::SAME_OUTPUTS => Some(true),
            Exit::DIFFERENT_OUTPUTS => Some(false),
            _ => None,
        };
        let document = json!({
            "receiptHash": receipt.claim_hash,
            "kind": "attested",
            "sameOutputs": same,
            "differences": differences,
        });
        self.format.print(&document, || {
            let list: Vec<_> =
                differences.iter().map(|difference| format!("  differs: {difference}\n")).collect();
            format!("receipt   {} (attested)\n{}\n{words}", receipt.claim_hash, list.concat())
        })?;
        Ok(exit)
    }
}
