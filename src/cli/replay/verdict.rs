//! The auditor's signed verdict about a receipt that was replayed.

use std::path::PathBuf;

use anyhow::{Result, bail};
use brizo_receipt::verifier::plain;
use brizo_receipt::{Address, B256, Domain, Receipt, SecretKey, SignedVerdict};
use clap::Args;

use super::super::format::write;
use crate::clock::Clock;
use crate::config::read_key;
use crate::sandbox::Engine;

/// Differences that the evidence lists; a million of them would say no more.
const DIFFERENCES_MAX: usize = 1_000;

/// Bytes of differences that the evidence lists. The receipt chooses the names in them, and must not make it so long that no
/// verdict, or no log, takes it.
const EVIDENCE_BYTES_MAX: usize = 64 << 10;

/// Something that the replay does not share with the receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// For who replays, and has all files and keys.
    pub(super) own: String,
    /// For everybody who reads the verdict: without names that the receipt does not show.
    pub(super) public: String,
}

impl From<String> for Difference {
    fn from(text: String) -> Self {
        Self { own: text.clone(), public: text }
    }
}

impl Difference {
    /// About a file whose name the receipt does not show.
    pub(super) fn of_unseen(where_: &str, path: &str, what: &str) -> Self {
        Self {
            own: format!("{where_} {path:?}: {what}"),
            public: format!("{where_} (a file that the receipt does not name): {what}"),
        }
    }
}

/// The options of `brizo replay` about verdicts.
#[derive(Debug, Args)]
pub(super) struct VerdictOptions {
    /// Key file of the auditor, who signs a verdict when the replay is conclusive.
    #[arg(long, requires = "verdict")]
    verdict_key: Option<PathBuf>,
    /// File for the signed verdict; must not exist.
    #[arg(long, requires = "verdict_key")]
    verdict: Option<PathBuf>,
    /// Chain of the deployment for which the verdict is. [default: that of the receipt's attestation]
    #[arg(long, requires = "verdict", requires = "contract")]
    chain_id: Option<u64>,
    /// Its ServiceAgreement contract. [default: that of the receipt's attestation]
    #[arg(long, requires = "verdict", requires = "chain_id")]
    contract: Option<Address>,
}

/// Everything that is needed to sign, found before anything is run.
#[derive(Debug)]
pub(super) struct Auditor {
    key: SecretKey,
    domain: Domain,
    path: PathBuf,
}

impl VerdictOptions {
    /// Whether a verdict was asked for, and what it takes.
    pub(super) fn auditor(&self, receipt: &Receipt) -> Result<Option<Auditor>> {
        let (Some(key), Some(path)) = (&self.verdict_key, &self.verdict) else { return Ok(None) };
        if path.exists() {
            bail!("{} exists; move it away, or name another with --verdict", path.display());
        }
        let Some(domain) = self.domain(receipt) else {
            bail!("the receipt is unsigned and names no deployment: give --chain-id and --contract");
        };
        Ok(Some(Auditor { key: read_key(key)?, domain, path: path.clone() }))
    }

    /// The deployment that is named, else that of the receipt; a local run has that of no chain.
    fn domain(&self, receipt: &Receipt) -> Option<Domain> {
        let named = self.chain_id.zip(self.contract);
        let named = named.map(|(chain_id, verifying_contract)| Domain { chain_id, verifying_contract });
        let attested = receipt.attestation.as_ref().map(|attestation| attestation.domain);
        let ordered = receipt.consent.as_ref().map(|consent| consent.domain);
        let local = receipt.claim.spec.agreement_id.is_zero().then_some(Domain::LOCAL);
        named.or(attested).or(ordered).or(local)
    }
}

impl Auditor {
    /// Signs and writes the verdict: `replayed` is the hash that came out of two runs that agreed. Tells what it did.
    pub(super) fn sign(
        &self,
        receipt: &Receipt,
        replayed: Option<B256>,
        differences: &[Difference],
    ) -> Result<String> {
        let evidence = evidence(receipt.claim_hash, replayed, differences);
        let about = (receipt.claim_hash, receipt.claim.spec.agreement_id);
        let now = Clock::system().now_s();
        let verdict = SignedVerdict::sign(&self.key, self.domain, about, replayed, evidence, now)?;
        write(&self.path, verdict.to_text())?;
        let word = if verdict.statement.confirms() { "confirms" } else { "disputes" };
        Ok(format!("{} {word} it in {}", self.key.address(), self.path.display()))
    }
}

/// What the auditor saw, for people who decide whether to believe it.
fn evidence(receipt: B256, replayed: Option<B256>, differences: &[Difference]) -> String {
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let mut text = format!(
        "brizo {}, {}, {machine}-{system}\nreceipt  {receipt}\n",
        env!("CARGO_PKG_VERSION"),
        Engine::version()
    );
    text += &match replayed {
        Some(hash) => format!("replayed {hash}, in two runs that agreed\n"),
        None => "replayed nothing: no run under this profile can be what the receipt claims\n".into(),
    };
    let mut listed = 0;
    for difference in differences.iter().take(DIFFERENCES_MAX) {
        let line = format!("differs: {}\n", plain(&difference.public));
        if text.len() + line.len() > EVIDENCE_BYTES_MAX {
            break;
        }
        text += &line;
        listed += 1;
    }
    if differences.len() > listed {
        text += &format!("and {} more differences\n", differences.len() - listed);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployment_is_the_named_one_or_that_of_the_receipt() {
        let bytes = include_bytes!("../../../tests/vectors/receipt/ok-full/receipt.json");
        let mut receipt = Receipt::parse(bytes).unwrap();
        let options =
            |chain_id, contract| VerdictOptions { verdict_key: None, verdict: None, chain_id, contract };
        let (plain, named) = (options(None, None), options(Some(7), Some(Address::repeat_byte(7))));
        let attested = receipt.attestation.as_ref().unwrap().domain;
        assert_eq!(plain.domain(&receipt), Some(attested));
        assert_eq!(named.domain(&receipt).unwrap().chain_id, 7);
        receipt.attestation = None;
        assert_eq!(plain.domain(&receipt), Some(receipt.consent.as_ref().unwrap().domain));
        receipt.consent = None;
        assert_eq!(plain.domain(&receipt), None, "an order under an agreement, and nobody says where");
        receipt.claim.spec.agreement_id = B256::ZERO;
        assert_eq!(plain.domain(&receipt), Some(Domain::LOCAL));
    }

    #[test]
    fn evidence_is_bounded_and_says_what_was_run() {
        let many: Vec<Difference> =
            (0..DIFFERENCES_MAX + 5).map(|i| format!("output \"{i}\": other content").into()).collect();
        let text = evidence(B256::ZERO, Some(B256::repeat_byte(1)), &many);
        assert!(text.ends_with("differs: output \"999\": other content\nand 5 more differences\n"), "{text}");
        assert!(text.contains("in two runs that agreed"));
        // Names that the receipt chose so that the evidence grows: of control characters, and of the longest there are.
        let names = |name: &str| -> Vec<Difference> {
            (0..DIFFERENCES_MAX)
                .map(|i| format!("output {:?}: other content", format!("{i}{name}")).into())
                .collect()
        };
        for name in ["\u{1b}".repeat(250), "\u{10ffff}".repeat(250), "\\".repeat(250), "x".repeat(4_000)] {
            let text = evidence(B256::ZERO, None, &names(&name));
            assert!(
                text.len() < EVIDENCE_BYTES_MAX + 100 && text.ends_with(" more differences\n"),
                "{}",
                text.len()
            );
            let key = SecretKey::from_bytes(&[0x55; 32]).unwrap();
            let signed =
                SignedVerdict::sign(&key, Domain::LOCAL, (B256::ZERO, B256::ZERO), None, text, 1).unwrap();
            assert!(signed.to_text().len() < 256 << 10, "the provider's log takes it");
        }
        assert!(evidence(B256::ZERO, None, &many[..1]).contains("replayed nothing"));
        let unseen = Difference::of_unseen("output", "secret.csv", "other content");
        assert_eq!(unseen.own, "output \"secret.csv\": other content");
        assert!(!evidence(B256::ZERO, None, &[unseen]).contains("secret"));
    }
}
