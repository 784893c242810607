//! Checks that need nothing but the receipt itself: structure and signatures. Each says how far it got and why it stopped.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};

use crate::outputs::check_outputs_list;
use crate::{
    Domain, Error, Fact, Kind, Profiles, Receipt, Result, RunInfo, VerdictStatement, check_path, recover,
    root_of_leaves,
};

/// How far a receipt has been verified. Each tier includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The file is well formed and its hashes follow from its fields. Says nothing about truth.
    Structure,
    /// Provider and consumer signed it.
    Signature,
    /// The provider committed to this hash on chain when it was paid, for the spec that the consumer signed.
    Chain,
    /// The receipt is in the provider's append-only log, which shows everybody the same.
    Log,
    /// These bytes are the ones the claim's roots stand for.
    Opening,
    /// Running it again gives the same hash.
    Execution,
}

impl Tier {
    /// Name for people and for JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Signature => "signature",
            Self::Chain => "on chain",
            Self::Log => "log",
            Self::Opening => "opening",
            Self::Execution => "re-execution",
        }
    }
}

/// Result of one tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Reached; the sentences say what was established.
    Reached(Vec<String>),
    /// Not attempted; the sentence says what is missing. Neither success nor failure.
    NotAttempted(String),
    /// It does not hold.
    Failed(Error),
}

/// What the caller knows from elsewhere. A valid receipt for something else is a failure.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// The receipt hash, as read from the chain or a log.
    pub claim_hash: Option<B256>,
    /// The agreement.
    pub agreement_id: Option<B256>,
    /// The number of the run under its agreement.
    pub run_index: Option<u64>,
    /// The provider's address.
    pub provider: Option<Address>,
    /// The consumer's address.
    pub consumer: Option<Address>,
    /// The deployment.
    pub domain: Option<Domain>,
    /// A list of profiles that is newer than the release's own.
    pub profiles: Option<Profiles>,
}

/// A job that the caller expects, as people write it: `<agreement>` or `<agreement>-<number of the run>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedJob {
    /// The agreement.
    pub agreement_id: B256,
    /// The number of the run, where one was named.
    pub run_index: Option<u64>,
}

impl std::str::FromStr for ExpectedJob {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (agreement, run) =
            text.split_once('-').map_or((text, None), |(agreement, run)| (agreement, Some(run)));
        let read = || {
            let run_index = run.map(str::parse).transpose().ok()?;
            Some(Self { agreement_id: agreement.parse().ok()?, run_index })
        };
        read().ok_or_else(|| Error::Malformed(format!("{text:?} is not an agreement, or AGREEMENT-RUN")))
    }
}

/// Checks everything inside the document that needs no key and no signature.
///
/// # Errors
/// The first rule that does not hold.
pub fn check_structure(receipt: &Receipt, expected: &Expectation) -> Result<Vec<String>> {
    receipt.claim.outcome.check(&receipt.claim.spec)?;
    check_all_else(receipt, expected)
}

/// Checks the structure of a receipt that a verdict is about. A claim that contradicts itself is false whoever runs what, so a
/// verdict may dispute it: if it is the claim that is committed to, by its hash, nothing but that is wrong with it.
///
/// # Errors
/// The first rule that does not hold.
pub fn check_structure_for(
    verdict: &VerdictStatement,
    receipt: &Receipt,
    expected: &Expectation,
) -> Result<()> {
    let is_disputed = !verdict.confirms() && receipt.claim.hash() == receipt.claim_hash;
    let checked =
        if is_disputed { check_all_else(receipt, expected) } else { check_structure(receipt, expected) };
    checked.map(|_| ())
}

/// Everything but whether the claim contradicts itself.
fn check_all_else(receipt: &Receipt, expected: &Expectation) -> Result<Vec<String>> {
    let spec = &receipt.claim.spec;
    let profile = Profiles::standing(spec.profile, expected.profiles.as_ref())?;
    check_kind(receipt.kind, spec.profile)?;
    check_lists(receipt)?;
    check_run_info(&receipt.run_info)?;
    same_hash("claimHash", receipt.claim_hash, receipt.claim.hash())?;
    let algorithm = root_of_leaves(&receipt.opening.algorithm);
    same_hash("claim.spec.algorithmRoot", spec.algorithm_root, algorithm)?;
    same_hash("claim.spec.inputsRoot", spec.inputs_root, receipt.opening.inputs_root())?;
    same_hash(
        "claim.outcome.outputsRoot",
        receipt.claim.outcome.outputs_root,
        receipt.opening.outputs_root(),
    )?;
    for mount in &receipt.opening.inputs {
        same_hash(
            &format!("opening.inputs {:?}.root", mount.path),
            mount.root,
            root_of_leaves(&mount.leaves),
        )?;
    }
    for (output, shown) in receipt.opening.outputs.iter().filter_map(|o| Some((o, o.shown.as_ref()?))) {
        same_hash(&format!("leaf of opening.outputs {:?}", shown.entry.path), output.leaf, shown.leaf())?;
    }
    check_statement(receipt)?;
    if let Some(attestation) = &receipt.attestation {
        let statement = &attestation.statement;
        same_hash(
            "attestation.statement.runInfoDigest",
            statement.run_info_digest,
            receipt.run_info_digest(),
        )?;
        if statement.kind != receipt.kind as u8 {
            let (stated, signed) = (receipt.kind, statement.kind);
            return Err(Error::Contradiction(format!(
                "kind is {stated:?}, the attestation was signed for {signed}"
            )));
        }
    }
    // A receipt of another job has another hash, too; which of the two it is says more.
    expect(Fact::Job, "agreement", expected.agreement_id, spec.agreement_id)?;
    expect(Fact::Job, "number of the run", expected.run_index, spec.run_index)?;
    expect(Fact::Receipt, "claim hash", expected.claim_hash, receipt.claim_hash)?;
    let (spec_hash, outcome_hash) = (spec.hash(), receipt.claim.outcome.hash());
    Ok(vec![format!("claim hash recomputed from spec {spec_hash} and outcome {outcome_hash}"), profile])
}

/// Checks that the attestation, where there is one, is about this claim.
///
/// # Errors
/// [`Error::Replayed`] for a statement about another receipt.
pub fn check_statement(receipt: &Receipt) -> Result<()> {
    let Some(attestation) = &receipt.attestation else { return Ok(()) };
    let statement = &attestation.statement;
    for (what, stated, computed) in [
        ("claimHash", statement.claim_hash, receipt.claim_hash),
        ("agreementId", statement.agreement_id, receipt.claim.spec.agreement_id),
    ] {
        if stated != computed {
            return Err(Error::Replayed { what, stated, computed });
        }
    }
    Ok(())
}

/// What a receipt can prove follows from its profile, where the release knows that: a provider who says "attested" of a run that
/// anybody can repeat would keep auditors from repeating it.
fn check_kind(kind: Kind, profile: B256) -> Result<()> {
    let contradiction = |why: &str| Err(Error::Contradiction(why.into()));
    match (kind, Profiles::is_attested_only(profile)?) {
        (Kind::ReExecutable, true) => {
            contradiction("kind is re-executable, the profile is one of containers")
        }
        (Kind::Attested, false) if Profiles::of_this_release()?.find(profile).is_some() => {
            contradiction("kind is attested, the profile is one whose runs can be repeated")
        }
        _ => Ok(()),
    }
}

/// What the lists of a receipt must be like, so that nobody who walks them is led astray.
fn check_lists(receipt: &Receipt) -> Result<()> {
    let bad = |why: String| Err(Error::Contradiction(why));
    let mounts = &receipt.opening.inputs;
    for mount in mounts.iter().filter(|mount| !mount.path.is_empty()) {
        check_path(&mount.path)?;
    }
    for pair in mounts.windows(2) {
        let (outer, inner) = (&pair[0].path, &pair[1].path);
        // In byte order a folder comes before what lies in it, though not always right before it.
        if outer.as_bytes() >= inner.as_bytes() {
            return bad(format!("opening.inputs {outer:?} and {inner:?} are out of order or the same"));
        }
    }
    let paths: BTreeSet<&str> = mounts.iter().map(|mount| mount.path.as_str()).collect();
    for path in &paths {
        let mut above = *path;
        while !above.is_empty() {
            above = above.rsplit_once('/').map_or("", |(folder, _)| folder);
            if paths.contains(above) {
                return bad(format!("opening.inputs {path:?} lies inside {above:?}"));
            }
        }
    }
    check_outputs_list(receipt)
}

/// The run info is a JSON object with the fields of [`RunInfo`] and no others.
fn check_run_info(text: &str) -> Result<()> {
    if !text.starts_with('{') {
        return Err(Error::Malformed("runInfo is not a JSON object".into()));
    }
    serde_json::from_str::<RunInfo>(text).map(|_| ()).map_err(|e| Error::Malformed(format!("runInfo: {e}")))
}

/// Checks the signatures. `None` when the receipt carries no attestation (a local, unsigned run) and the caller expects
/// none.
///
/// # Errors
/// A signature that is missing although expected, malformed, of somebody else, or under another deployment.
pub fn check_signatures(receipt: &Receipt, expected: &Expectation) -> Result<Option<Vec<String>>> {
    let mut notes = Vec::new();
    match &receipt.attestation {
        None => missing("provider", expected.provider)?,
        Some(attestation) => {
            let statement = &attestation.statement;
            let digest = statement.digest(&attestation.domain);
            signed_by("provider", statement.provider, digest, &attestation.signature)
                .map_err(|error| swapped(error, receipt))?;
            expect(Fact::Signer, "provider", expected.provider, statement.provider)?;
            expect_domain(expected.domain, &attestation.domain)?;
            let open = unless_expected(expected.provider, "--provider");
            notes.push(format!("provider {} signed the attestation{open}", statement.provider));
        }
    }
    match &receipt.consent {
        None => missing("consumer", expected.consumer)?,
        Some(consent) => {
            let digest = receipt.claim.spec.order_digest(&consent.domain);
            signed_by("consumer", consent.consumer, digest, &consent.signature)
                .map_err(|error| swapped(error, receipt))?;
            expect(Fact::Signer, "consumer", expected.consumer, consent.consumer)?;
            let attested = receipt.attestation.as_ref().map(|attestation| attestation.domain);
            expect_domain(expected.domain.or(attested), &consent.domain)?;
            let open = unless_expected(expected.consumer, "--consumer");
            notes.push(format!("consumer {} signed the spec before the run{open}", consent.consumer));
        }
    }
    // A consent alone covers what was ordered, not what happened.
    Ok(receipt.attestation.is_some().then_some(notes))
}

/// A signature says who signed. Whether they should have, only the caller can know.
fn unless_expected(expected: Option<Address>, option: &str) -> String {
    match expected {
        Some(_) => String::new(),
        None => format!("; whether they should have was not asked ({option})"),
    }
}

/// A signature that the caller expects is not in the receipt.
fn missing(who: &'static str, expected: Option<Address>) -> Result<()> {
    match expected {
        None => Ok(()),
        Some(expected) => {
            let (fact, expected, found) = (Fact::Signer, expected.to_string(), "no signature".into());
            Err(Error::Unexpected { fact, what: who, expected, found })
        }
    }
}

pub(crate) fn same_hash(what: &str, stated: B256, computed: B256) -> Result<()> {
    if stated == computed {
        return Ok(());
    }
    Err(Error::HashMismatch { what: what.into(), stated, computed })
}

pub(crate) fn signed_by(
    who: &'static str,
    expected: Address,
    digest: B256,
    signature: &crate::Signature,
) -> Result<()> {
    let found = recover(digest, signature, who)?;
    if found == expected { Ok(()) } else { Err(Error::WrongSigner { who, expected, found }) }
}

pub(crate) fn expect<T: PartialEq + std::fmt::Display>(
    fact: Fact,
    what: &'static str,
    expected: Option<T>,
    found: T,
) -> Result<()> {
    match expected {
        Some(wanted) if wanted != found => {
            Err(Error::Unexpected { fact, what, expected: wanted.to_string(), found: found.to_string() })
        }
        _ => Ok(()),
    }
}

/// The chain first: the same contract address may be something else on another one.
pub(crate) fn expect_domain(expected: Option<Domain>, found: &Domain) -> Result<()> {
    let Some(wanted) = expected else { return Ok(()) };
    expect(Fact::Chain, "chain of the deployment", Some(wanted.chain_id), found.chain_id)?;
    let contract = Some(wanted.verifying_contract);
    expect(Fact::Contract, "contract of the deployment", contract, found.verifying_contract)
}

/// A signature by somebody else is looked at once more: whether it is the one that stands at the other place by right.
fn swapped(error: Error, receipt: &Receipt) -> Error {
    let Error::WrongSigner { who, expected, .. } = error else { return error };
    let (Some(attestation), Some(consent)) = (&receipt.attestation, &receipt.consent) else { return error };
    let statement = &attestation.statement;
    let (signature, digest, of, found) = match who {
        "provider" => {
            let order = receipt.claim.spec.order_digest(&consent.domain);
            (&attestation.signature, order, "consumer", consent.consumer)
        }
        _ => (&consent.signature, statement.digest(&attestation.domain), "provider", statement.provider),
    };
    match recover(digest, signature, who) {
        Ok(signer) if signer == found => Error::Swapped { who, of, expected, found },
        _ => error,
    }
}
