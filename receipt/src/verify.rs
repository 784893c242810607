//! Checks that need nothing but the receipt itself: structure and signatures. Each says how far it got and why it stopped.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};

use crate::{
    Domain, Entry, EntryKind, Error, Key, Manifest, OutputEntry, Receipt, Result, RunInfo, blind_commit,
    check_path, content_digest, recover, root_of_leaves,
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
    /// The provider's address.
    pub provider: Option<Address>,
    /// The consumer's address.
    pub consumer: Option<Address>,
    /// The deployment.
    pub domain: Option<Domain>,
}

/// Checks everything inside the document that needs no key and no signature.
///
/// # Errors
/// The first rule that does not hold.
pub fn check_structure(receipt: &Receipt, expected: &Expectation) -> Result<Vec<String>> {
    let spec = &receipt.claim.spec;
    receipt.claim.outcome.check(spec)?;
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
            &format!("opening.inputs[{}].root", mount.path),
            mount.root,
            root_of_leaves(&mount.leaves),
        )?;
    }
    if let Some(attestation) = &receipt.attestation {
        let statement = &attestation.statement;
        same_hash("attestation.statement.claimHash", statement.claim_hash, receipt.claim_hash)?;
        same_hash("attestation.statement.agreementId", statement.agreement_id, spec.agreement_id)?;
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
    expect("claim hash", expected.claim_hash, receipt.claim_hash)?;
    expect("agreement", expected.agreement_id, spec.agreement_id)?;
    Ok(vec![format!(
        "claim hash recomputed from spec {} and outcome {}",
        spec.hash(),
        receipt.claim.outcome.hash()
    )])
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

fn check_outputs_list(receipt: &Receipt) -> Result<()> {
    let bad = |why: String| Err(Error::Contradiction(why));
    let outputs = &receipt.opening.outputs;
    for output in outputs {
        match output.kind {
            EntryKind::File | EntryKind::Directory => check_path(&output.path)?,
            EntryKind::Stream if ["stdout", "stderr"].contains(&output.path.as_str()) => {}
            _ => return bad(format!("opening.outputs {:?} is no output", output.path)),
        }
        if output.size.is_some() != output.digest.is_some() {
            return bad(format!("opening.outputs {:?} shows only one of size and digest", output.path));
        }
    }
    let key = |output: &OutputEntry| (output.kind, output.path.clone().into_bytes());
    if outputs.windows(2).any(|pair| key(&pair[0]) >= key(&pair[1])) {
        return bad("opening.outputs are out of order, or one stands twice".into());
    }
    let files = outputs.iter().filter(|output| output.kind != EntryKind::Stream).count() as u64;
    if files > receipt.claim.spec.files_limit || outputs.len() as u64 != files + 2 {
        return bad(
            "opening.outputs must list both streams and at most spec.filesLimit files and folders".into()
        );
    }
    check_outputs_tree(outputs)?;
    check_outputs_sum(receipt)
}

/// The outputs form a tree, and every folder of it is listed. A withheld output counts with its name only.
fn check_outputs_tree(outputs: &[OutputEntry]) -> Result<()> {
    let entry = |output: &OutputEntry| Entry {
        kind: output.kind,
        path: output.path.clone(),
        size: output.size.unwrap_or(0),
        digest: output.digest.unwrap_or_else(|| content_digest(&[])),
    };
    Manifest::new(outputs.iter().map(entry).collect())?;
    let folders: BTreeSet<&str> = outputs
        .iter()
        .filter(|output| output.kind == EntryKind::Directory)
        .map(|output| output.path.as_str())
        .collect();
    for output in outputs.iter().filter(|output| output.kind != EntryKind::Stream) {
        if let Some((folder, _)) =
            output.path.rsplit_once('/').filter(|(folder, _)| !folders.contains(folder))
        {
            return Err(Error::Manifest(format!(
                "opening.outputs {:?} lies in {folder:?}, which is not listed",
                output.path
            )));
        }
    }
    Ok(())
}

/// The provider is paid by `outputBytes`, so it must be what the list adds up to, as far as the list shows it.
fn check_outputs_sum(receipt: &Receipt) -> Result<()> {
    let (stated, outputs) = (receipt.claim.outcome.output_bytes, &receipt.opening.outputs);
    let shown = outputs.iter().filter_map(|output| output.size).try_fold(0u64, u64::checked_add);
    let all_shown = outputs.iter().all(|output| output.size.is_some() || output.kind == EntryKind::Directory);
    match shown {
        Some(shown) if shown == stated || (shown < stated && !all_shown) => Ok(()),
        _ => Err(Error::Contradiction(format!(
            "outcome.outputBytes is {stated}, the listed outputs add up to {shown:?}"
        ))),
    }
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
            signed_by("provider", statement.provider, digest, &attestation.signature)?;
            expect("provider", expected.provider, statement.provider)?;
            expect_domain(expected.domain, &attestation.domain)?;
            notes.push(format!("provider {} signed the attestation", statement.provider));
        }
    }
    match &receipt.consent {
        None => missing("consumer", expected.consumer)?,
        Some(consent) => {
            let digest = receipt.claim.spec.order_digest(&consent.domain);
            signed_by("consumer", consent.consumer, digest, &consent.signature)?;
            expect("consumer", expected.consumer, consent.consumer)?;
            let attested = receipt.attestation.as_ref().map(|attestation| attestation.domain);
            expect_domain(expected.domain.or(attested), &consent.domain)?;
            notes.push(format!("consumer {} signed the spec before the run", consent.consumer));
        }
    }
    // A consent alone covers what was ordered, not what happened.
    Ok(receipt.attestation.is_some().then_some(notes))
}

/// A signature that the caller expects is not in the receipt.
fn missing(who: &'static str, expected: Option<Address>) -> Result<()> {
    match expected {
        None => Ok(()),
        Some(expected) => {
            Err(Error::Unexpected { what: who, expected: expected.to_string(), found: "no signature".into() })
        }
    }
}

impl Receipt {
    /// Checks that the run key is the one the spec commits to and that the invocation opens its root.
    ///
    /// # Errors
    /// [`Error::HashMismatch`] for a wrong key or a changed argument.
    pub fn check_invocation(&self, run_key: &Key) -> Result<()> {
        let spec = &self.claim.spec;
        same_hash("claim.spec.blindCommit (wrong run key?)", spec.blind_commit, blind_commit(run_key))?;
        same_hash("claim.spec.invocationRoot", spec.invocation_root, self.opening.invocation_root(run_key)?)
    }
}

impl Receipt {
    /// Checks under the run key that each listed output that is shown has the leaf it states.
    ///
    /// # Errors
    /// [`Error::HashMismatch`] names the output.
    pub fn check_outputs(&self, run_key: &Key) -> Result<()> {
        for output in &self.opening.outputs {
            if let (Some(size), Some(digest)) = (output.size, output.digest) {
                let entry = Entry { kind: output.kind, path: output.path.clone(), size, digest };
                same_hash(&format!("opening.outputs {:?}", output.path), output.leaf, entry.leaf(run_key))?;
            }
        }
        Ok(())
    }
}

fn same_hash(what: &str, stated: B256, computed: B256) -> Result<()> {
    if stated == computed {
        return Ok(());
    }
    Err(Error::HashMismatch { what: what.into(), stated, computed })
}

fn signed_by(who: &'static str, expected: Address, digest: B256, signature: &crate::Signature) -> Result<()> {
    let found = recover(digest, signature, who)?;
    if found == expected { Ok(()) } else { Err(Error::WrongSigner { who, expected, found }) }
}

fn expect<T: PartialEq + std::fmt::Display>(what: &'static str, expected: Option<T>, found: T) -> Result<()> {
    match expected {
        Some(wanted) if wanted != found => {
            Err(Error::Unexpected { what, expected: wanted.to_string(), found: found.to_string() })
        }
        _ => Ok(()),
    }
}

fn expect_domain(expected: Option<Domain>, found: &Domain) -> Result<()> {
    let text = |domain: &Domain| format!("chain {} contract {}", domain.chain_id, domain.verifying_contract);
    match &expected {
        Some(wanted) if wanted != found => {
            Err(Error::Unexpected { what: "deployment", expected: text(wanted), found: text(found) })
        }
        _ => Ok(()),
    }
}
