//! Execution receipts of Brizo: the types, how they are hashed, signed and checked.
//!
//! An [`ExecutionClaim`] says *what was ordered* ([`JobSpec`]) and *what happened* ([`Outcome`]). Its EIP-712 struct hash
//! is the **receipt hash**: anyone who runs the same module over the same bytes under the same profile obtains the same
//! 32 bytes. A [`Receipt`] is a claim with the consumer's consent to the spec, the provider's signed attestation, and the
//! lists that open the hidden roots. The format is written down in `docs/RECEIPT.md`, precisely enough for a second
//! implementation; this crate is the first one.
//!
//! Beside the receipt there are a [`Disclosure`] (one file of it, and nothing of the others), a [`SignedVerdict`] (what a
//! re-execution gave) and the list of published [`Profiles`].
//!
//! Boundary: nothing here reads a file, a clock or a socket, and nothing here knows wasmtime, HTTP or SQL. An auditor
//! depends on this crate alone.

mod claim;
mod curve;
mod derive;
mod disclosure;
mod document;
mod error;
pub mod export;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hash;
pub mod log;
mod manifest;
mod opening;
mod outputs;
mod profiles;
mod sign;
mod skim;
mod strict;
mod tree;
mod verdict;
#[cfg(feature = "verifier")]
pub mod verifier;
mod verify;

pub use alloy_primitives::{Address, B256, keccak256};
pub use claim::{AlgorithmUpload, ExecutionClaim, JobSpec, Outcome, ReceiptAttestation, Status, TrapCode};
pub use derive::derive;
pub use disclosure::{DISCLOSURE_FORMAT, Disclosure, MountPosition, Part, SMALL_BYTES_MAX, Shown};
pub use document::{
    Attestation, BYTES_MAX, Consent, FORMAT, Invocation, Kind, Mount, Opening, Receipt, RunInfo, decimal,
};
pub use error::{Error, Fact, Result};
pub use hash::{
    blind_commit, content_digest, domain_separator, order_hash, outputs_key, profile_digest, receipt_hash,
};
pub use manifest::{
    Entry, EntryKind, Key, Manifest, PATH_BYTES_MAX, TEXTS_MAX, check_path, invocation_manifest, mount_leaf,
    root_of_leaves,
};
pub use opening::Delivered;
pub use outputs::{OutputEntry, ShownOutput};
pub use profiles::{PROFILES_FORMAT, ProfileState, Profiles, PublishedProfile};
pub use sign::{Domain, SecretKey, Signature, recover};
pub use tree::Position;
pub use verdict::{SignedVerdict, VERDICT_FORMAT, VerdictExpectation, VerdictStatement, evidence_digest};
pub use verify::{
    Expectation, ExpectedJob, Tier, Verdict, check_signatures, check_statement, check_structure,
    check_structure_for,
};
