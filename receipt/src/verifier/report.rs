//! How far a receipt holds: for people, for programs, and as an exit code (`docs/RECEIPT.md` §10).

use alloy_primitives::B256;
use serde_json::{Value, json};

use super::explain::Explanation;
use crate::{Error, Fact, Tier, Verdict};

/// Nothing failed, and every tier that was asked for was reached.
const HOLDS: u8 = 0;
/// Nothing failed, but a tier that was asked for could not be attempted.
const INCONCLUSIVE: u8 = 3;

/// What became of one tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierReport {
    /// Which tier.
    pub tier: Tier,
    /// What became of it.
    pub verdict: Verdict,
    /// Whether the caller asked for it by giving what it needs.
    pub asked_for: bool,
}

/// What became of all tiers, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The receipt hash as the document says it; none where there is no document.
    pub claim_hash: Option<B256>,
    /// The tiers, lowest first, all of them.
    pub tiers: Vec<TierReport>,
    /// Every step of the hashing, where it was asked for.
    pub explanation: Option<Explanation>,
}

/// The exit code for an error, whichever tier found it, for programs that check one thing only.
#[must_use]
pub fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Malformed(_) | Error::Truncated { .. } | Error::TooLarge { .. } => 10,
        Error::Contradiction(_) | Error::Manifest(_) => 10,
        Error::HashMismatch { .. } => 11,
        Error::Signature { .. } | Error::HighS { .. } => 12,
        Error::Swapped { .. } | Error::WrongSigner { .. } => 12,
        Error::Unexpected { fact, .. } => of_fact(*fact),
        Error::Checkpoint(_) | Error::Origin { .. } | Error::LogProof(_) | Error::LogEntry(_) => 15,
        Error::Equivocation(_) => 16,
        Error::Disclosure(_) | Error::PathLength(_) | Error::WrongKey { .. } => 17,
        Error::ProfileRevoked { .. } => 27,
        Error::Replayed { .. } => 28,
    }
}

/// A good receipt, but not the one that was asked about: which it is instead decides.
fn of_fact(fact: Fact) -> u8 {
    match fact {
        Fact::Receipt => 13,
        Fact::Commitment => 14,
        Fact::LogKey => 15,
        Fact::DataSet => 17,
        Fact::Chain => 23,
        Fact::Contract => 24,
        Fact::Job => 25,
        Fact::Signer => 26,
    }
}

impl TierReport {
    /// The exit code that the tier alone would give.
    fn exit_code(&self) -> u8 {
        let Verdict::Failed(error) = &self.verdict else { return HOLDS };
        match (self.tier, error) {
            (Tier::Structure | Tier::Signature, error) => exit_code(error),
            (Tier::Chain, _) => 14,
            (Tier::Log, Error::Equivocation(_)) => 16,
            (Tier::Log, _) => 15,
            (Tier::Opening, _) => 17,
            (Tier::Execution, _) => 20,
        }
    }

    /// Result in words, sentences, and the error's code.
    fn parts(&self) -> (&'static str, Vec<String>, Option<&'static str>) {
        match &self.verdict {
            Verdict::Reached(notes) => ("reached", notes.clone(), None),
            Verdict::NotAttempted(why) => ("not attempted", vec![why.clone()], None),
            Verdict::Failed(error) => ("failed", vec![error.to_string()], Some(error.code())),
        }
    }

    fn is_reached(&self) -> bool {
        matches!(self.verdict, Verdict::Reached(_))
    }
}

impl Report {
    pub(super) fn push(&mut self, tier: Tier, verdict: Verdict, asked_for: bool) {
        self.tiers.push(TierReport { tier, verdict, asked_for });
    }

    /// The lowest tier that failed.
    #[must_use]
    pub fn failed(&self) -> Option<&TierReport> {
        self.tiers.iter().find(|tier| matches!(tier.verdict, Verdict::Failed(_)))
    }

    /// Tiers that were asked for and could not be attempted.
    fn open(&self) -> impl Iterator<Item = &TierReport> {
        self.tiers.iter().filter(|tier| tier.asked_for && matches!(tier.verdict, Verdict::NotAttempted(_)))
    }

    /// The exit code of a program: that of the lowest tier that failed, else 3 if a tier that was asked for could not be
    /// attempted, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.failed() {
            Some(failed) => failed.exit_code(),
            None if self.open().next().is_some() => INCONCLUSIVE,
            None => HOLDS,
        }
    }

    /// One line: the tier that failed, or the names of those that were reached. A tier that was not attempted is never
    /// glossed over.
    #[must_use]
    pub fn verdict(&self) -> String {
        match self.failed() {
            Some(failed) => format!("FAILED at {}", failed.tier.name()),
            None => format!("holds: {}", names(self.tiers.iter().filter(|tier| tier.is_reached()))),
        }
    }

    /// For programs.
    #[must_use]
    pub fn document(&self) -> Value {
        let tier = |tier: &TierReport| {
            let (result, notes, code) = tier.parts();
            json!({ "tier": tier.tier.name(), "result": result, "notes": notes, "code": code })
        };
        let mut document = json!({
            "receiptHash": self.claim_hash,
            "verdict": self.verdict(),
            "exitCode": self.exit_code(),
            "tiers": self.tiers.iter().map(tier).collect::<Vec<_>>(),
        });
        if let Some(explanation) = &self.explanation {
            document["explanation"] = explanation.document();
        }
        document
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = self.explanation.as_ref().map(Explanation::text).unwrap_or_default();
        if let Some(hash) = self.claim_hash {
            text += &format!("receipt {hash}\n");
        }
        for tier in &self.tiers {
            let (result, notes, code) = tier.parts();
            let begin = format!("[{result:<13}] {:<12} ", tier.tier.name());
            let code = code.map_or(String::new(), |code| format!("{code}: "));
            let notes = notes.join(&format!("\n{}", " ".repeat(begin.len())));
            text += &format!("{begin}{code}{notes}\n");
        }
        text += &format!("\n{}\n", self.verdict());
        if self.exit_code() == INCONCLUSIVE {
            text += &format!("INCONCLUSIVE: asked for and not attempted: {}\n", names(self.open()));
        }
        text
    }
}

fn names<'a>(tiers: impl Iterator<Item = &'a TierReport>) -> String {
    tiers.map(|tier| tier.tier.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(tiers: &[(Tier, Verdict, bool)]) -> Report {
        let mut report = Report::default();
        for (tier, verdict, asked_for) in tiers {
            report.push(*tier, verdict.clone(), *asked_for);
        }
        report
    }

    #[test]
    fn the_lowest_failure_decides_and_goes_before_what_is_open() {
        let reached = || Verdict::Reached(vec!["well".into()]);
        let open = || Verdict::NotAttempted("give more".into());
        let failed = || Verdict::Failed(Error::Manifest("odd".into()));
        let table: [(&[_], u8, &str); 5] = [
            (&[(Tier::Structure, reached(), true), (Tier::Chain, open(), false)], 0, "holds: structure"),
            (&[(Tier::Structure, reached(), true), (Tier::Chain, open(), true)], 3, "holds: structure"),
            (&[(Tier::Chain, open(), true), (Tier::Opening, failed(), true)], 17, "FAILED at opening"),
            (&[(Tier::Chain, failed(), true), (Tier::Opening, failed(), true)], 14, "FAILED at on chain"),
            (&[(Tier::Structure, failed(), true)], 10, "FAILED at structure"),
        ];
        for (tiers, exit, verdict) in table {
            let report = report(tiers);
            assert_eq!((report.exit_code(), report.verdict().as_str()), (exit, verdict));
            assert_eq!(report.document()["exitCode"], exit);
            assert_eq!(report.table().contains("INCONCLUSIVE"), exit == 3, "{}", report.table());
        }
    }

    #[test]
    fn two_pasts_are_worse_than_no_proof() {
        let log = |error| report(&[(Tier::Log, Verdict::Failed(error), true)]).exit_code();
        assert_eq!(log(Error::LogProof(String::new())), 15);
        assert_eq!(log(Error::Checkpoint(String::new())), 15);
        assert_eq!(log(Error::Equivocation(String::new())), 16);
    }
}
