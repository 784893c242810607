//! Every hash of the format. BLAKE3 for bytes and trees, keccak-256 (EIP-712) for what a contract recomputes.

use std::cell::Cell;
use std::sync::LazyLock;

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct};

use crate::claim::eip712;
use crate::derive::derive;
use crate::manifest::Key;
use crate::sign::Domain;
use crate::{AlgorithmUpload, ExecutionClaim, JobSpec, Outcome, ReceiptAttestation};

// Type hashes never change, and putting their texts together takes longer than all the rest of a struct's hash.
static SPEC_TYPE: LazyLock<B256> = LazyLock::new(type_hash::<eip712::JobSpec>);
static OUTCOME_TYPE: LazyLock<B256> = LazyLock::new(type_hash::<eip712::Outcome>);
static CLAIM_TYPE: LazyLock<B256> = LazyLock::new(type_hash::<eip712::ExecutionClaim>);
static ORDER_TYPE: LazyLock<B256> = LazyLock::new(type_hash::<eip712::JobOrder>);
static ATTESTATION_TYPE: LazyLock<B256> = LazyLock::new(type_hash::<eip712::ReceiptAttestation>);

fn type_hash<T: SolStruct>() -> B256 {
    keccak256(T::eip712_encode_type().as_bytes())
}

/// EIP-712 struct hash, given the type's.
fn hash_struct<T: SolStruct>(type_hash: &LazyLock<B256>, value: &T) -> B256 {
    keccak256([type_hash.as_slice(), &value.eip712_encode_data()].concat())
}

/// BLAKE3 of some bytes as they are: the digest of a module or of a file's content (what `b3sum` prints).
#[must_use]
pub fn content_digest(bytes: &[u8]) -> B256 {
    B256::from(*blake3::hash(bytes).as_bytes())
}

/// Digest of a profile document: its exact bytes count, they are never parsed and written again.
#[must_use]
pub fn profile_digest(document: &[u8]) -> B256 {
    derive("brizo 2026 v1 profile", &[document])
}

/// Commitment to a run key; stands in the spec, so that the salts are fixed before the run without being known.
#[must_use]
pub fn blind_commit(run_key: &Key) -> B256 {
    derive("brizo 2026 v1 blind", &[run_key.bytes()])
}

/// The key that salts the outputs of a run: from the spec's hash, the run key and the dataset key of each mount, in their
/// order. It takes both sides' keys, so that a consumer cannot try guesses of an output that is withheld.
#[must_use]
pub fn outputs_key(spec_hash: B256, run_key: &Key, dataset_keys: &[Key]) -> Key {
    let mut parts: Vec<&[u8]> = vec![spec_hash.as_slice(), run_key.bytes()];
    parts.extend(dataset_keys.iter().map(|key| key.bytes().as_slice()));
    Key::new(derive("brizo 2026 v1 outputs key", &parts).0)
}

/// `keccak256(typeHash(ExecutionClaim) ‖ specHash ‖ outcomeHash)`: what a contract computes at release.
#[must_use]
pub fn receipt_hash(spec_hash: B256, outcome_hash: B256) -> B256 {
    keccak256([CLAIM_TYPE.0, spec_hash.0, outcome_hash.0].concat())
}

/// Struct hash of `JobOrder(serviceAgreementId, runIndex, spec)`, given the spec's hash alone.
#[must_use]
pub fn order_hash(agreement_id: B256, run_index: u64, spec_hash: B256) -> B256 {
    let mut index = [0u8; 32];
    index[24..].copy_from_slice(&run_index.to_be_bytes());
    keccak256([ORDER_TYPE.0, agreement_id.0, index, spec_hash.0].concat())
}

/// The EIP-712 domain separator of a deployment.
#[must_use]
pub fn domain_separator(domain: &Domain) -> B256 {
    thread_local! {
        /// A program knows one deployment, and asks several times for each job; the library writes out the type each time.
        static LAST: Cell<Option<(Domain, B256)>> = const { Cell::new(None) };
    }
    match LAST.get() {
        Some((last, separator)) if last == *domain => separator,
        _ => {
            let separator = separator_of(domain);
            LAST.set(Some((*domain, separator)));
            separator
        }
    }
}

fn separator_of(domain: &Domain) -> B256 {
    Eip712Domain {
        name: Some("Brizo".into()),
        version: Some("1".into()),
        chain_id: Some(alloy_primitives::U256::from(domain.chain_id)),
        verifying_contract: Some(domain.verifying_contract),
        salt: None,
    }
    .hash_struct()
}

impl JobSpec {
    /// EIP-712 struct hash of the spec.
    #[must_use]
    pub fn hash(&self) -> B256 {
        hash_struct(&SPEC_TYPE, &self.to_eip712())
    }

    /// Digest that the consumer signs to order this run: `JobOrder` under the deployment's domain.
    #[must_use]
    pub fn order_digest(&self, domain: &Domain) -> B256 {
        domain.digest(order_hash(self.agreement_id, self.run_index, self.hash()))
    }

    fn to_eip712(&self) -> eip712::JobSpec {
        eip712::JobSpec {
            profile: self.profile,
            agreementId: self.agreement_id,
            runIndex: self.run_index,
            moduleDigest: self.module_digest,
            algorithmRoot: self.algorithm_root,
            invocationRoot: self.invocation_root,
            inputsRoot: self.inputs_root,
            randomSeed: self.random_seed,
            clockStart: self.clock_start,
            clockStep: self.clock_step,
            fuelLimit: self.fuel_limit,
            memoryLimit: self.memory_limit,
            stackLimit: self.stack_limit,
            outputLimit: self.output_limit,
            filesLimit: self.files_limit,
            blindCommit: self.blind_commit,
        }
    }
}

impl Outcome {
    /// EIP-712 struct hash of the outcome.
    #[must_use]
    pub fn hash(&self) -> B256 {
        hash_struct(&OUTCOME_TYPE, &self.to_eip712())
    }

    fn to_eip712(&self) -> eip712::Outcome {
        eip712::Outcome {
            status: self.status,
            exitCode: self.exit_code,
            trapCode: self.trap_code,
            fuelUsed: self.fuel_used,
            outputBytes: self.output_bytes,
            outputsRoot: self.outputs_root,
        }
    }
}

impl ExecutionClaim {
    /// The receipt hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        receipt_hash(self.spec.hash(), self.outcome.hash())
    }
}

impl ReceiptAttestation {
    /// Digest that the provider signs, under the deployment's domain.
    #[must_use]
    pub fn digest(&self, domain: &Domain) -> B256 {
        let attestation = eip712::ReceiptAttestation {
            claimHash: self.claim_hash,
            agreementId: self.agreement_id,
            provider: self.provider,
            kind: self.kind,
            runInfoDigest: self.run_info_digest,
            issuedAt: self.issued_at,
        };
        domain.digest(hash_struct(&ATTESTATION_TYPE, &attestation))
    }
}

impl AlgorithmUpload {
    /// Digest that the consumer signs at upload, under the deployment's domain.
    #[must_use]
    pub fn digest(&self, domain: &Domain) -> B256 {
        let upload =
            eip712::AlgorithmUpload { serviceAgreementId: self.agreement_id, checksum: self.checksum };
        domain.digest(upload.eip712_hash_struct())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_sol_types::SolStruct;

    fn spec() -> JobSpec {
        JobSpec {
            profile: B256::repeat_byte(1),
            agreement_id: B256::repeat_byte(2),
            run_index: 3,
            module_digest: B256::repeat_byte(4),
            algorithm_root: B256::repeat_byte(5),
            invocation_root: B256::repeat_byte(6),
            inputs_root: B256::repeat_byte(7),
            random_seed: B256::repeat_byte(8),
            clock_start: 9,
            clock_step: 10,
            fuel_limit: 11,
            memory_limit: 12,
            stack_limit: 13,
            output_limit: 14,
            files_limit: 15,
            blind_commit: B256::repeat_byte(16),
        }
    }

    fn outcome() -> Outcome {
        Outcome {
            status: 0,
            exit_code: 0,
            trap_code: 0,
            fuel_used: 5,
            output_bytes: 6,
            outputs_root: B256::repeat_byte(9),
        }
    }

    #[test]
    fn claim_hash_from_two_words_is_the_nested_struct_hash() {
        let claim = ExecutionClaim { spec: spec(), outcome: outcome() };
        let whole = eip712::ExecutionClaim { spec: spec().to_eip712(), outcome: outcome().to_eip712() };
        assert_eq!(claim.hash(), whole.eip712_hash_struct());
    }

    #[test]
    fn order_hash_from_three_words_is_the_nested_struct_hash() {
        let order = eip712::JobOrder {
            serviceAgreementId: spec().agreement_id,
            runIndex: 3,
            spec: spec().to_eip712(),
        };
        assert_eq!(order_hash(spec().agreement_id, 3, spec().hash()), order.eip712_hash_struct());
    }

    #[test]
    fn referenced_types_follow_the_primary_one_sorted_by_name() {
        let text = eip712::ExecutionClaim::eip712_encode_type();
        assert!(
            text.starts_with("ExecutionClaim(JobSpec spec,Outcome outcome)JobSpec(bytes32 profile,"),
            "{text}"
        );
        assert!(text.ends_with("Outcome(uint8 status,uint32 exitCode,uint32 trapCode,uint64 fuelUsed,uint64 outputBytes,bytes32 outputsRoot)"), "{text}");
    }

    #[test]
    fn every_field_of_the_claim_changes_the_receipt_hash() {
        let base = ExecutionClaim { spec: spec(), outcome: outcome() };
        let json = serde_json::to_value(&base).unwrap();
        let mut seen = vec![base.hash()];
        for part in ["spec", "outcome"] {
            for (field, value) in json[part].as_object().unwrap() {
                let mut changed = json.clone();
                changed[part][field] = match value {
                    serde_json::Value::Number(n) => serde_json::json!(n.as_u64().unwrap() + 1),
                    serde_json::Value::String(s) if s.starts_with("0x") => {
                        serde_json::json!(format!("{}ff", &s[..s.len() - 2]))
                    }
                    serde_json::Value::String(s) => serde_json::json!(format!("{s}1")),
                    other => panic!("unexpected value {other}"),
                };
                let claim: ExecutionClaim = serde_json::from_value(changed).unwrap();
                assert!(!seen.contains(&claim.hash()), "{part}.{field} does not change the hash");
                seen.push(claim.hash());
            }
        }
        assert_eq!(seen.len(), 1 + 16 + 6);
    }
}
