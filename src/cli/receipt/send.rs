//! `brizo receipt send-verdict`: hands a verdict to the provider whose receipt it is about, for its log.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use brizo_receipt::{
    Receipt, SMALL_BYTES_MAX, SignedVerdict, VerdictExpectation, check_signatures, check_structure_for,
};
use clap::Args;

use super::super::Exit;
use super::super::format::{Format, read_at_most, read_receipt};
use super::super::profiles::NewerProfiles;
use crate::client::Client;
use crate::config::read_key;
use crate::ids::{AgreementId, JobId};

/// Send a verdict to the provider of the receipt, which has to put it into its log.
///
/// The request is signed by the auditor, or by the job's consumer or publisher who hands the verdict on. The log shows it to everybody: its
/// digest, and whether it confirms. Exit code 0 when the log has it, 5 when the provider refuses.
#[derive(Debug, Args)]
pub(in crate::cli) struct SendVerdict {
    /// Verdict file, from `brizo replay --verdict`.
    verdict: PathBuf,
    /// The receipt that it is about; it says who the provider is.
    #[arg(long)]
    receipt: PathBuf,
    /// The provider's URL.
    #[arg(long, env = "NODE_URL")]
    node: String,
    /// File with the secret key of the auditor, of the consumer or of the publisher.
    #[arg(long)]
    key: PathBuf,
    #[command(flatten)]
    profiles: NewerProfiles,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl SendVerdict {
    pub(in crate::cli) async fn run(self) -> Result<Exit> {
        let receipt = Receipt::parse(&read_receipt(&self.receipt)?)?;
        let verdict = SignedVerdict::parse(&read_at_most(&self.verdict, SMALL_BYTES_MAX)?)?;
        let attestation = receipt.attestation.as_ref().ok_or_else(|| {
            anyhow!("the receipt is of a local run: no provider signed it, and no log has it")
        })?;
        let spec = &receipt.claim.spec;
        let expected = self.profiles.expectation()?;
        check_structure_for(&verdict.statement, &receipt, &expected)?;
        check_signatures(&receipt, &expected)?;
        // What the provider would refuse is said here, before anything is sent.
        verdict.check(&VerdictExpectation {
            claim_hash: Some(receipt.claim_hash),
            agreement_id: Some(spec.agreement_id),
            auditor: None,
            domain: Some(attestation.domain),
        })?;
        let key = read_key(&self.key)?;
        let client = Client::new(&self.node, key, attestation.statement.provider, attestation.domain)?;
        let job = JobId { agreement: AgreementId(spec.agreement_id), run_index: spec.run_index };
        let path = format!("/api/v1/jobs/{job}/verdicts");
        let answer = client.post(&path, "application/json", verdict.to_text().into_bytes()).await;
        let answer = answer.with_context(|| format!("the verdict about job {job}"))?;
        let word = if verdict.statement.confirms() { "confirms" } else { "disputes" };
        self.format.print(&answer, || {
            format!(
                "the provider takes the verdict of {}, which {word} receipt {}, into its log\n\nnext: brizo log audit {}/log",
                verdict.statement.auditor,
                receipt.claim_hash,
                self.node.trim_end_matches('/')
            )
        })?;
        Ok(Exit::OK)
    }
}
