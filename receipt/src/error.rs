//! What can be wrong with a receipt, in words that say what was expected and what was found.

use alloy_primitives::{Address, B256};

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a receipt, a manifest or a signature is refused. Every variant has a stable [`code`](Error::code).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not a document of the format: bad JSON, unknown or double field, wrong form of a number.
    #[error("not well formed: {0}")]
    Malformed(String),
    /// A field of the claim contradicts another one or the profile's rules.
    #[error("the claim contradicts itself: {0}")]
    Contradiction(String),
    /// A hash that is written in the document is not the one its fields give.
    #[error("{what} does not match: the document says {stated}, its fields give {computed}")]
    HashMismatch {
        /// Which hash.
        what: String,
        /// The hash that stands in the document.
        stated: B256,
        /// The hash that the fields give.
        computed: B256,
    },
    /// A signature cannot be read or is not in canonical form.
    #[error("bad signature of the {who}: {why}")]
    Signature {
        /// Whose signature.
        who: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A signature is valid, but of somebody else.
    #[error("the {who}'s signature is by {found}, not by {expected}")]
    WrongSigner {
        /// Whose signature it should be.
        who: &'static str,
        /// The address that should have signed.
        expected: Address,
        /// The address that did sign.
        found: Address,
    },
    /// The receipt is valid but is not the one the caller asked about.
    #[error("{what} is not the expected one: expected {expected}, found {found}")]
    Unexpected {
        /// Which fact.
        what: &'static str,
        /// What the caller expected.
        expected: String,
        /// What was found instead.
        found: String,
    },
    /// A path or the order of a manifest breaks the rules of `docs/RECEIPT.md`.
    #[error("bad manifest: {0}")]
    Manifest(String),
    /// A disclosure whose entry, position or tree does not lead to the root it should lead to.
    #[error("the disclosure does not hold: {0}")]
    Disclosure(String),
    /// The receipt was made under rules of execution that are known to be wrong.
    #[error("the profile {name} ({digest}) is revoked, so this receipt proves nothing: {advisory}")]
    ProfileRevoked {
        /// The profile's digest, as in the spec.
        digest: B256,
        /// The profile's name.
        name: String,
        /// What is wrong with it, and what to do.
        advisory: String,
    },
    /// A checkpoint of a log is not one, or not by the log it should be by.
    #[error("bad checkpoint: {0}")]
    Checkpoint(String),
    /// An entry of a log is not proved to be in it.
    #[error("the log does not prove it: {0}")]
    LogProof(String),
    /// A log signed or anchored two pasts that contradict each other.
    #[error("the log contradicts itself: {0}")]
    Equivocation(String),
    /// The bytes are not an entry of a log.
    #[error("bad log entry: {0}")]
    LogEntry(String),
}

impl Error {
    /// A stable machine-readable name of the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "receipt_malformed",
            Self::Contradiction(_) => "receipt_contradiction",
            Self::HashMismatch { .. } => "hash_mismatch",
            Self::Signature { .. } => "bad_signature",
            Self::WrongSigner { .. } => "wrong_signer",
            Self::Unexpected { .. } => "unexpected_receipt",
            Self::Manifest(_) => "bad_manifest",
            Self::Disclosure(_) => "bad_disclosure",
            Self::ProfileRevoked { .. } => "profile_revoked",
            Self::Checkpoint(_) => "bad_checkpoint",
            Self::LogProof(_) => "log_proof",
            Self::Equivocation(_) => "equivocation",
            Self::LogEntry(_) => "bad_log_entry",
        }
    }
}
