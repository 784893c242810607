//! The keccak side: type hashes, structs, claim hash, domain separators, digests, signers.

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolStruct;

use super::Bound;
use super::steps::{Input, Section};
use crate::claim::eip712;
use crate::{Domain, Outcome, Receipt, ReceiptAttestation, Signature, recover};

/// The type of a domain, as EIP-712 writes it.
const DOMAIN_TYPE: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

/// Names and type strings of the structs that a receipt needs.
fn type_strings() -> [(&'static str, String); 6] {
    [
        ("JobSpec", eip712::JobSpec::eip712_encode_type().into_owned()),
        ("Outcome", eip712::Outcome::eip712_encode_type().into_owned()),
        ("ExecutionClaim", eip712::ExecutionClaim::eip712_encode_type().into_owned()),
        ("JobOrder", eip712::JobOrder::eip712_encode_type().into_owned()),
        ("ReceiptAttestation", eip712::ReceiptAttestation::eip712_encode_type().into_owned()),
        ("EIP712Domain", DOMAIN_TYPE.into()),
    ]
}

/// The type hashes.
pub(super) fn types(bound: Bound) -> Section {
    let mut section = Section::new("type hashes (RECEIPT.md §3.1)", bound);
    for (name, text) in type_strings() {
        section.keccak(&format!("typeHash({name})"), &[Input::text("the type string", &text)]);
    }
    section
}

fn type_hash(name: &'static str) -> Input {
    let found = type_strings().into_iter().find(|(known, _)| *known == name);
    let hash = found.map(|(_, text)| alloy_primitives::keccak256(text)).unwrap_or_default();
    Input::bytes(&format!("typeHash({name})"), hash)
}

fn number(what: &str, number: u64) -> Input {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    Input::bytes(&format!("{what} = {number}"), word)
}

fn address(what: &str, address: Address) -> Input {
    Input::bytes(&format!("{what} = {address:#x}"), address.into_word())
}

/// Spec, outcome and the receipt hash.
pub(super) fn claim(receipt: &Receipt, bound: Bound) -> Section {
    let mut section = Section::new("the claim (RECEIPT.md §3.1)", bound);
    let spec = spec_hash(receipt, &mut section);
    let outcome = outcome_hash(&receipt.claim.outcome, &mut section);
    let parts =
        [type_hash("ExecutionClaim"), Input::bytes("specHash", spec), Input::bytes("outcomeHash", outcome)];
    section.keccak("claimHash, the receipt hash", &parts);
    section.stated("claimHash", receipt.claim_hash);
    section
}

fn spec_hash(receipt: &Receipt, section: &mut Section) -> B256 {
    let spec = &receipt.claim.spec;
    let words = [
        type_hash("JobSpec"),
        Input::bytes("profile", spec.profile),
        Input::bytes("agreementId", spec.agreement_id),
        number("runIndex", spec.run_index),
        Input::bytes("moduleDigest", spec.module_digest),
        Input::bytes("algorithmRoot", spec.algorithm_root),
        Input::bytes("invocationRoot", spec.invocation_root),
        Input::bytes("inputsRoot", spec.inputs_root),
        Input::bytes("randomSeed", spec.random_seed),
        number("clockStart", spec.clock_start),
        number("clockStep", spec.clock_step),
        number("fuelLimit", spec.fuel_limit),
        number("memoryLimit", spec.memory_limit),
        number("stackLimit", spec.stack_limit),
        number("outputLimit", spec.output_limit),
        number("filesLimit", spec.files_limit),
        Input::bytes("blindCommit", spec.blind_commit),
    ];
    section.keccak("specHash", &words)
}

fn outcome_hash(outcome: &Outcome, section: &mut Section) -> B256 {
    let words = [
        type_hash("Outcome"),
        number("status", outcome.status.into()),
        number("exitCode", outcome.exit_code.into()),
        number("trapCode", outcome.trap_code.into()),
        number("fuelUsed", outcome.fuel_used),
        number("outputBytes", outcome.output_bytes),
        Input::bytes("outputsRoot", outcome.outputs_root),
    ];
    section.keccak("outcomeHash", &words)
}

/// What the provider signed.
pub(super) fn attestation(receipt: &Receipt, bound: Bound) -> Section {
    let mut section = Section::new("the provider's attestation (RECEIPT.md §7)", bound);
    let text = Input::text("runInfo, as it stands", &receipt.run_info);
    section.derive("runInfoDigest", "brizo 2026 v1 run info", &[text]);
    let Some(attestation) = &receipt.attestation else { return section };
    let statement = &attestation.statement;
    section.stated("attestation.statement.runInfoDigest", statement.run_info_digest);
    let hash = section.keccak("hashStruct(ReceiptAttestation)", &statement_words(statement));
    let digest = digest("attestationDigest", &attestation.domain, hash, &mut section);
    signer(digest, &attestation.signature, "provider", &mut section);
    section.stated("attestation.statement.provider", format!("{:#x}", statement.provider));
    section
}

fn statement_words(statement: &ReceiptAttestation) -> [Input; 7] {
    [
        type_hash("ReceiptAttestation"),
        Input::bytes("claimHash", statement.claim_hash),
        Input::bytes("agreementId", statement.agreement_id),
        address("provider", statement.provider),
        number("kind", statement.kind.into()),
        Input::bytes("runInfoDigest", statement.run_info_digest),
        number("issuedAt", statement.issued_at),
    ]
}

/// What the consumer signed.
pub(super) fn consent(receipt: &Receipt, bound: Bound) -> Section {
    let mut section = Section::new("the consumer's order (RECEIPT.md §7)", bound);
    let Some(consent) = &receipt.consent else { return section };
    let spec = &receipt.claim.spec;
    let words = [
        type_hash("JobOrder"),
        Input::bytes("agreementId", spec.agreement_id),
        number("runIndex", spec.run_index),
        Input::bytes("specHash", spec.hash()),
    ];
    let hash = section.keccak("orderHash", &words);
    let digest = digest("orderDigest", &consent.domain, hash, &mut section);
    signer(digest, &consent.signature, "consumer", &mut section);
    section.stated("consent.consumer", format!("{:#x}", consent.consumer));
    section
}

/// The domain separator, and the digest under it.
fn digest(name: &str, domain: &Domain, hash: B256, section: &mut Section) -> B256 {
    let text_hash =
        |text: &str| Input::bytes(&format!("keccak-256 of {text:?}"), alloy_primitives::keccak256(text));
    let words = [
        type_hash("EIP712Domain"),
        text_hash("Brizo"),
        text_hash("1"),
        number("chainId", domain.chain_id),
        address("verifyingContract", domain.verifying_contract),
    ];
    let separator = section.keccak("domainSeparator", &words);
    let parts = [
        Input::bytes("the prefix of EIP-712", [0x19, 0x01]),
        Input::bytes("domainSeparator", separator),
        Input::bytes("hash of the struct", hash),
    ];
    section.keccak(name, &parts)
}

/// The address that the signature is by.
fn signer(digest: B256, signature: &Signature, who: &'static str, section: &mut Section) {
    let found = match recover(digest, signature, who) {
        Ok(found) => format!("{found:#x}"),
        Err(error) => format!("none: {error}"),
    };
    let inputs = [
        Input::bytes("digest", digest),
        Input::bytes("r", &signature.0[..32]),
        Input::bytes("s", &signature.0[32..64]),
        Input::bytes("v", &signature.0[64..]),
    ];
    section.result(&format!("{who}'s address"), "secp256k1 recovery", &inputs, &found);
}
