//! From what happened to a receipt: the same assembly for the provider, for a local run and for a replay.

use brizo_receipt::{
    Attestation, B256, Consent, Domain, ExecutionClaim, FORMAT, Invocation, JobSpec, Key, Kind, Manifest,
    Mount, Opening, Outcome, Receipt, ReceiptAttestation, Result, RunInfo, SecretKey, mount_leaf,
    root_of_leaves,
};

/// Everything a receipt is made of.
#[derive(Debug)]
pub struct ReceiptParts<'a> {
    /// What was ordered.
    pub spec: &'a JobSpec,
    /// What happened.
    pub outcome: &'a Outcome,
    /// What the guest was started with.
    pub invocation: &'a Invocation,
    /// Leaves of the bundle, empty without one.
    pub algorithm: Vec<B256>,
    /// The data sets.
    pub mounts: Vec<Mount>,
    /// The outputs.
    pub outputs: &'a Manifest,
    /// The key that salts the outputs, from [`outputs_key`].
    pub outputs_key: &'a Key,
    /// What the receipt can prove.
    pub kind: Kind,
    /// Facts about this host's run.
    pub run_info: &'a RunInfo,
}

/// Root over one data set mounted at `/data/inputs` itself.
#[must_use]
pub fn inputs_root(dataset_root: B256) -> B256 {
    root_of_leaves(&[mount_leaf("", dataset_root)])
}

/// The key that salts the outputs of a run over one data set.
#[must_use]
pub fn outputs_key(spec: &JobSpec, run_key: &Key, dataset_key: &Key) -> Key {
    brizo_receipt::outputs_key(spec.hash(), run_key, std::slice::from_ref(dataset_key))
}

/// A data set mounted at `/data/inputs` itself, as a receipt lists it.
#[must_use]
pub fn mount(did: Option<String>, manifest: &Manifest, key: &Key) -> Mount {
    Mount { path: String::new(), did, root: manifest.root(key), leaves: manifest.leaves(key) }
}

/// A receipt without signatures. `withheld` says which outputs the consumer must not see.
#[must_use]
pub fn receipt(parts: &ReceiptParts<'_>, withheld: impl Fn(&brizo_receipt::Entry) -> bool) -> Receipt {
    let claim = ExecutionClaim { spec: parts.spec.clone(), outcome: parts.outcome.clone() };
    Receipt {
        format: FORMAT.to_string(),
        kind: parts.kind,
        claim_hash: claim.hash(),
        claim,
        consent: None,
        attestation: None,
        run_info: parts.run_info.to_text(),
        opening: Opening {
            invocation: parts.invocation.clone(),
            algorithm: parts.algorithm.clone(),
            inputs: parts.mounts.clone(),
            outputs: Opening::list_outputs(parts.outputs, parts.outputs_key, withheld),
        },
        log: None,
    }
}

/// Adds the provider's attestation and, where there is one, the consumer's consent.
///
/// # Errors
/// In the practically impossible case that the key cannot sign.
pub fn attest(
    receipt: &mut Receipt,
    provider: &SecretKey,
    domain: Domain,
    issued_at: u64,
    consent: Option<Consent>,
) -> Result<()> {
    let statement = ReceiptAttestation {
        claim_hash: receipt.claim_hash,
        agreement_id: receipt.claim.spec.agreement_id,
        provider: provider.address(),
        kind: receipt.kind as u8,
        run_info_digest: receipt.run_info_digest(),
        issued_at,
    };
    let signature = provider.sign(statement.digest(&domain))?;
    receipt.attestation = Some(Attestation { domain, statement, signature });
    receipt.consent = consent;
    Ok(())
}
