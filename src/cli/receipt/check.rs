//! `brizo receipt check-disclosure` and `check-verdict`: what others state about a receipt.

use std::path::PathBuf;

use anyhow::Result;
use brizo_receipt::{
    Address, B256, Disclosure, Error, Expectation, Receipt, SMALL_BYTES_MAX, SignedVerdict,
    VerdictExpectation, check_structure,
};
use clap::Args;
use serde_json::json;

use super::super::Exit;
use super::super::format::{Format, digest_of_file, read_at_most, read_receipt};

/// Check a proof that something is part of a receipt, given nothing but the receipt's hash.
///
/// Exit code 0 when it holds; 10 when it is no disclosure, 13 when it is of another receipt, 17 when it does not lead to
/// the hash or --file has other bytes.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckDisclosure {
    /// Disclosure file.
    disclosure: PathBuf,
    /// The receipt hash as you know it from elsewhere: the chain, a log, somebody you trust.
    receipt_hash: B256,
    /// The file that is disclosed, to compare its bytes.
    #[arg(long)]
    file: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl CheckDisclosure {
    pub(in crate::cli) fn run(self) -> Result<Exit> {
        let bytes = read_at_most(&self.disclosure, SMALL_BYTES_MAX)?;
        let content = self.file.as_deref().map(digest_of_file).transpose()?;
        let checked = Disclosure::parse(&bytes).and_then(|disclosure| {
            let mut notes = disclosure.check(self.receipt_hash)?;
            notes.push(match content {
                Some((size, digest)) => {
                    disclosure.check_content(size, digest)?;
                    "the file has these bytes".into()
                }
                None => "no file was compared: give --file, or compare with `b3sum`".into(),
            });
            Ok((disclosure, notes))
        });
        match checked {
            Ok((disclosure, notes)) => {
                let document = json!({
                    "holds": true,
                    "receiptHash": disclosure.claim_hash,
                    "part": disclosure.part(),
                    "entry": disclosure.entry,
                    "fileCompared": content.is_some(),
                    "notes": notes,
                });
                self.format.print(&document, || {
                    format!("receipt {}\n  {}\nHOLDS", disclosure.claim_hash, notes.join("\n  "))
                })?;
                Ok(Exit::OK)
            }
            Err(error) => {
                let document = json!({ "holds": false, "code": error.code(), "text": error.to_string() });
                self.format.print(&document, || format!("FAILED: {error}\n  code: {}", error.code()))?;
                Ok(Exit::of_disclosure(&error))
            }
        }
    }
}

/// Check an auditor's signed verdict about a receipt: that it is theirs, and about this receipt.
///
/// Whether the auditor is right is another question: `brizo replay` answers it. Exit code 0 for a good signature, whether it
/// confirms or disputes; 10 when it is no verdict, 11 or 12 when evidence or signature do not fit, 13 when it is about
/// another receipt or by another auditor.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckVerdict {
    /// Verdict file.
    verdict: PathBuf,
    /// The receipt that it should be about.
    #[arg(long)]
    receipt: Option<PathBuf>,
    /// The auditor's address you expect.
    #[arg(long)]
    auditor: Option<Address>,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl CheckVerdict {
    pub(in crate::cli) fn run(self) -> Result<Exit> {
        let bytes = read_at_most(&self.verdict, SMALL_BYTES_MAX)?;
        let receipt = self.receipt.as_deref().map(read_receipt).transpose()?;
        let checked = SignedVerdict::parse(&bytes).and_then(|verdict| {
            let mut expected = receipt.as_deref().map(about).transpose()?.unwrap_or_default();
            expected.auditor = self.auditor;
            verdict.check(&expected)?;
            Ok(verdict)
        });
        let verdict = match checked {
            Ok(verdict) => verdict,
            Err(error) => {
                let document = json!({ "valid": false, "code": error.code(), "text": error.to_string() });
                self.format.print(&document, || format!("FAILED: {error}\n  code: {}", error.code()))?;
                return Ok(Exit::of_receipt(&error));
            }
        };
        let (statement, domain) = (&verdict.statement, &verdict.domain);
        let word = if statement.confirms() { "confirms" } else { "disputes" };
        let document = json!({
            "valid": true,
            "verdict": word,
            "statement": statement,
            "domain": domain,
            "receiptCompared": receipt.is_some(),
            "evidence": verdict.evidence,
        });
        self.format.print(&document, || {
            let mut text = format!(
                "auditor   {} {word} receipt\n          {}\n",
                statement.auditor, statement.claim_hash
            );
            if !statement.confirms() {
                let none = statement.replayed_hash.is_zero();
                let other =
                    if none { "no hash came out".into() } else { statement.replayed_hash.to_string() };
                text += &format!("replayed  {other}\n");
            }
            text += &format!("deployment chain {} contract {}\n", domain.chain_id, domain.verifying_contract);
            if receipt.is_none() {
                text += "not compared with a receipt: give --receipt\n";
            }
            if self.auditor.is_none() {
                text += "whether this auditor counts is for you to say: --auditor names the one you expect\n";
            }
            format!("{text}\nevidence:\n{}", verdict.evidence)
        })?;
        Ok(Exit::OK)
    }
}

/// What a verdict about this receipt must say.
fn about(bytes: &[u8]) -> Result<VerdictExpectation, Error> {
    let receipt = Receipt::parse(bytes)?;
    check_structure(&receipt, &Expectation::default())?;
    let signed = receipt.attestation.as_ref().map(|attestation| attestation.domain);
    Ok(VerdictExpectation {
        claim_hash: Some(receipt.claim_hash),
        agreement_id: Some(receipt.claim.spec.agreement_id),
        auditor: None,
        domain: signed.or(receipt.consent.as_ref().map(|consent| consent.domain)),
    })
}
