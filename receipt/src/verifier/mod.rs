//! The whole verification of a receipt, tier by tier, over evidence that a program brings (`docs/RECEIPT.md` §9, §10).
//!
//! The library opens no file and no connection: a program reads the files, implements [`Transport`], and prints the
//! [`Report`]. `brizo verify` and `brizo-verify` are two such programs.

mod chain;
mod ddo;
pub mod explain;
mod log;
mod node;
mod opening;
mod report;
mod statements;
#[cfg(test)]
mod tests;

use std::fmt;

pub use chain::Deployment;
pub use ddo::{DDO_BYTES_MAX, Ddo};
pub use log::LogEvidence;
pub use node::{ANSWER_BYTES_MAX, Files, JsonRpc, Node, NodeError, Transport, harmless, plain};
pub use opening::OpeningEvidence;
pub use report::{Report, TierReport, exit_code};
pub use statements::{Checked, check_disclosure, check_verdict};

use crate::{Error, Expectation, Fact, Receipt, Tier, Verdict, check_signatures, check_structure};
use chain::View;

/// What there is to verify a receipt with. What is not there makes a tier "not attempted".
#[derive(Default)]
pub struct Evidence<'a> {
    /// The receipt file's bytes.
    pub receipt: &'a [u8],
    /// What the caller knows from elsewhere. The domain is the deployment's, where one is given.
    pub expected: Expectation,
    /// A node that the caller trusts, and where the contracts are; asks for the tier "on chain".
    pub chain: Option<(&'a dyn Node, &'a Deployment)>,
    /// Who keeps the log, and where; either asks for the tier "log". A DDO's key is used, too, and asks for nothing.
    pub log: LogEvidence<'a>,
    /// Keys, files and documents; each asks for the tier "opening".
    pub opening: OpeningEvidence<'a>,
}

impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evidence(receipt of {} bytes)", self.receipt.len())
    }
}

/// Why a tier was not reached.
#[derive(Debug)]
enum Stop {
    /// Something is missing; it says nothing about the receipt. The sentence says what to give.
    Missing(String),
    /// It does not hold.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<NodeError> for Stop {
    fn from(error: NodeError) -> Self {
        Self::Missing(format!("{error}; try again, or name another node with --rpc"))
    }
}

impl From<Result<Vec<String>, Stop>> for Verdict {
    fn from(result: Result<Vec<String>, Stop>) -> Self {
        match result {
            Ok(notes) => Self::Reached(notes),
            Err(Stop::Missing(why)) => Self::NotAttempted(why),
            Err(Stop::Failed(error)) => Self::Failed(error),
        }
    }
}

/// Runs every tier that the evidence allows. Never stops early but where the receipt itself is not well formed: then
/// nothing that follows from its fields says anything.
#[must_use]
pub fn verify(evidence: &Evidence<'_>) -> Report {
    let mut report = Report::default();
    let receipt = match Receipt::parse(evidence.receipt) {
        Ok(receipt) => receipt,
        Err(error) => {
            report.push(Tier::Structure, Verdict::Failed(error), true);
            nothing_more(&mut report, evidence);
            return report;
        }
    };
    report.claim_hash = Some(receipt.claim_hash);
    let mut expected = evidence.expected.clone();
    expected.domain = evidence.chain.map(|(_, deployment)| deployment.domain()).or(expected.domain);
    report.push(Tier::Structure, check_structure(&receipt, &expected).map_err(Stop::Failed).into(), true);
    if report.failed().is_some() {
        nothing_more(&mut report, evidence);
        return report;
    }
    report.push(Tier::Signature, signature(&receipt, &expected).into(), false);
    let view = evidence.chain.map(|(node, deployment)| View::open(node, deployment));
    let view = view.as_ref();
    report.push(Tier::Chain, on_chain(&receipt, evidence, view).into(), evidence.chain.is_some());
    let seen = view.and_then(|view| view.as_ref().ok());
    let logged = log::check(&receipt, &evidence.log, &evidence.opening.ddos, seen);
    report.push(Tier::Log, logged.into(), evidence.log.is_asked_for());
    let opened = opening::check(&receipt, &evidence.opening);
    report.push(Tier::Opening, opened.into(), evidence.opening.is_asked_for());
    report.push(Tier::Execution, Verdict::NotAttempted(why_not_run(&receipt)), false);
    report
}

/// The tiers after structure, when there is nothing they could be about.
fn nothing_more(report: &mut Report, evidence: &Evidence<'_>) {
    let why = || Verdict::NotAttempted("the structure does not hold, so this would say nothing".into());
    report.push(Tier::Signature, why(), false);
    report.push(Tier::Chain, why(), evidence.chain.is_some());
    report.push(Tier::Log, why(), evidence.log.is_asked_for());
    report.push(Tier::Opening, why(), evidence.opening.is_asked_for());
    report.push(Tier::Execution, why(), false);
}

fn signature(receipt: &Receipt, expected: &Expectation) -> Result<Vec<String>, Stop> {
    if let Some(notes) = check_signatures(receipt, expected)? {
        return Ok(notes);
    }
    let why = match receipt.consent {
        Some(_) => "only the consumer signed (what was ordered); nobody attests what happened",
        None => "the receipt is of a local run and carries no signature",
    };
    Err(Stop::Missing(why.into()))
}

fn on_chain(
    receipt: &Receipt,
    evidence: &Evidence<'_>,
    view: Option<&Result<View<'_>, Stop>>,
) -> Result<Vec<String>, Stop> {
    let view = match view {
        Some(Ok(view)) => view,
        Some(Err(Stop::Missing(why))) => return Err(Stop::Missing(why.clone())),
        Some(Err(Stop::Failed(error))) => return Err(Stop::Failed(error.clone())),
        None => return Err(Stop::Missing("no node was named: give --rpc and --deployment".into())),
    };
    let mut notes = chain::check(receipt, view)?;
    notes.extend(ddo::check_on_chain(&evidence.opening.ddos, receipt.claim.spec.agreement_id, view)?);
    Ok(notes)
}

fn why_not_run(receipt: &Receipt) -> String {
    match receipt.kind {
        crate::Kind::ReExecutable => {
            "nothing was run here: use `brizo replay` with module, data and keys".into()
        }
        crate::Kind::Attested => {
            "the receipt is attested: the provider says that this image, started like this over these inputs, ended like \
             this and left these outputs. That is signed, and nobody can recompute it: not that it ran, not that the \
             outputs are the program's, not the time it took"
                .into()
        }
    }
}

/// A fact that is another one than it should be.
fn unexpected(fact: Fact, what: &'static str, expected: impl ToString, found: impl ToString) -> Stop {
    Stop::Failed(Error::Unexpected { fact, what, expected: expected.to_string(), found: found.to_string() })
}
