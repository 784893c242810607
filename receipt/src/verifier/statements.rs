//! What others state about a receipt: disclosures and verdicts, checked and reported (`docs/RECEIPT.md` §15, §16).

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

use super::exit_code;
use super::node::plain;
use crate::{
    Disclosure, Error, Expectation, Kind, Profiles, Receipt, Result, SignedVerdict, VerdictExpectation,
    check_signatures, check_structure_for,
};

/// The result of a check, in every form that a program needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// For programs.
    pub document: Value,
    /// For people.
    pub table: String,
    /// The exit code (`docs/RECEIPT.md` §10).
    pub exit_code: u8,
}

/// Checks that something is part of the receipt with a hash that the caller knows. `content` has size and BLAKE3 of the file
/// that is disclosed, where the caller has it; `newer` is a list of profiles.
#[must_use]
pub fn check_disclosure(
    disclosure: &[u8],
    known: B256,
    content: Option<(u64, B256)>,
    newer: Option<&Profiles>,
) -> Checked {
    let checked = Disclosure::parse(disclosure).and_then(|disclosure| {
        let mut notes = disclosure.check(known)?;
        match content {
            Some((size, digest)) => {
                disclosure.check_content(size, digest)?;
                notes.push("the file has these bytes".into());
            }
            None => notes.push("no file was compared: give --file, or compare with `b3sum`".into()),
        }
        notes.push(disclosure.check_profile(newer)?);
        Ok((disclosure, notes))
    });
    match checked {
        Ok((disclosure, notes)) => Checked {
            document: json!({
                "holds": true,
                "receiptHash": disclosure.claim_hash,
                "part": disclosure.part(),
                "entry": disclosure.entry,
                "fileCompared": content.is_some(),
                "notes": notes,
            }),
            table: format!("receipt {}\n  {}\nHOLDS", disclosure.claim_hash, notes.join("\n  ")),
            exit_code: 0,
        },
        Err(error) => failed("holds", &error, disclosure_code(&error)),
    }
}

/// The tier is that of opening, but for what is no disclosure and what is one of another receipt.
fn disclosure_code(error: &Error) -> u8 {
    match error {
        // Of a disclosure a bad path is one of what is opened, as a hash is.
        Error::HashMismatch { .. } | Error::Manifest(_) => 17,
        error => exit_code(error),
    }
}

/// Checks an auditor's signed verdict: that it is theirs and, where a receipt is given, about that. Whether the auditor is
/// right, only another re-execution shows. The receipt is the one that is expected, or the verdict is refused with it.
#[must_use]
pub fn check_verdict(
    verdict: &[u8],
    receipt: Option<(&[u8], &Expectation)>,
    auditor: Option<Address>,
) -> Checked {
    let checked = SignedVerdict::parse(verdict).and_then(|verdict| {
        let mut expected = receipt.map(|receipt| about(&verdict, receipt)).transpose()?.unwrap_or_default();
        expected.auditor = auditor;
        verdict.check(&expected)?;
        Ok(verdict)
    });
    match checked {
        Ok(verdict) => Checked {
            document: document(&verdict, receipt.is_some()),
            table: table(&verdict, receipt.is_some(), auditor.is_some()),
            exit_code: 0,
        },
        Err(error) => failed("valid", &error, exit_code(&error)),
    }
}

/// What a verdict about this receipt must say.
fn about(verdict: &SignedVerdict, (bytes, expected): (&[u8], &Expectation)) -> Result<VerdictExpectation> {
    let receipt = Receipt::parse(bytes)?;
    check_structure_for(&verdict.statement, &receipt, expected)?;
    // Or the deployment would be one that somebody wrote into the file.
    check_signatures(&receipt, expected)?;
    if receipt.kind == Kind::Attested {
        let why = "the receipt is attested: nobody can recompute it, so there are no verdicts about it";
        return Err(Error::Contradiction(why.into()));
    }
    let signed = receipt.attestation.as_ref().map(|attestation| attestation.domain);
    Ok(VerdictExpectation {
        claim_hash: Some(receipt.claim_hash),
        agreement_id: Some(receipt.claim.spec.agreement_id),
        auditor: None,
        domain: signed.or(receipt.consent.as_ref().map(|consent| consent.domain)),
    })
}

fn word(verdict: &SignedVerdict) -> &'static str {
    if verdict.statement.confirms() { "confirms" } else { "disputes" }
}

fn document(verdict: &SignedVerdict, compared: bool) -> Value {
    json!({
        "valid": true,
        "verdict": word(verdict),
        "statement": verdict.statement,
        "domain": verdict.domain,
        "receiptCompared": compared,
        "evidence": verdict.evidence,
    })
}

fn table(verdict: &SignedVerdict, compared: bool, by_whom: bool) -> String {
    let (statement, domain) = (&verdict.statement, &verdict.domain);
    let mut text = format!(
        "auditor   {} {} receipt\n          {}\n",
        statement.auditor,
        word(verdict),
        statement.claim_hash
    );
    if !statement.confirms() {
        let none = statement.replayed_hash.is_zero();
        let other = if none { "no hash came out".into() } else { statement.replayed_hash.to_string() };
        text += &format!("replayed  {other}\n");
    }
    text += &format!("deployment chain {} contract {}\n", domain.chain_id, domain.verifying_contract);
    if !compared {
        text += "not compared with a receipt: give --receipt\n";
    }
    if !by_whom {
        text += "whether this auditor counts is for you to say: --auditor names the one you expect\n";
    }
    // A stranger wrote this text.
    let evidence: Vec<_> = verdict.evidence.lines().map(|line| format!("  {}", plain(line))).collect();
    format!("{text}\nevidence:\n{}", evidence.join("\n"))
}

fn failed(key: &str, error: &Error, exit_code: u8) -> Checked {
    Checked {
        document: json!({ key: false, "code": error.code(), "text": error.to_string() }),
        table: format!("FAILED: {error}\n  code: {}", error.code()),
        exit_code,
    }
}
