//! What can be wrong with a receipt, in words that say what was expected and what was found.

use alloy_primitives::{Address, B256};

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can be another one than the caller knows. Each kind has a code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The receipt hash.
    Receipt,
    /// The job: the agreement, or the number of the run under it.
    Job,
    /// The chain of the deployment.
    Chain,
    /// The contract of the deployment.
    Contract,
    /// Who signed, or should have.
    Signer,
    /// That the contract has a receipt of this agreement at all.
    Commitment,
    /// The data set of a DDO, or what the registry has of it.
    DataSet,
    /// The key of the log.
    LogKey,
}

impl Fact {
    /// The code of [`Error::Unexpected`] about it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Receipt => "unexpected_receipt",
            Self::Job => "wrong_job",
            Self::Chain => "wrong_chain",
            Self::Contract => "wrong_contract",
            Self::Signer => "unexpected_signer",
            Self::Commitment => "not_committed",
            Self::DataSet => "wrong_dataset",
            Self::LogKey => "wrong_log_key",
        }
    }
}

/// Why a receipt, a manifest or a signature is refused. Every variant has a stable [`code`](Error::code).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not a document of the format: bad JSON, unknown or double field, wrong form of a number.
    #[error("not well formed: {0}")]
    Malformed(String),
    /// The bytes are the beginning of a document: they end before it does.
    #[error("{what}: it ends after {found} bytes, in the middle of the document; get the whole file")]
    Truncated {
        /// Which document.
        what: String,
        /// How many bytes there are.
        found: usize,
    },
    /// The document is larger than any that is read.
    #[error("{what}: {found} bytes, at most {most} are read")]
    TooLarge {
        /// Which document.
        what: String,
        /// How many bytes there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
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
    /// A key that the caller gave is not the one that the receipt commits to.
    #[error("{what} is of another key: the receipt says {stated}, the key that was given makes {computed}")]
    WrongKey {
        /// What the key makes.
        what: String,
        /// What stands in the receipt.
        stated: B256,
        /// What the key gives.
        computed: B256,
    },
    /// A signed statement about another receipt stands in this one.
    #[error(
        "the provider's statement is about another receipt: its {what} is {stated}, here it is {computed}"
    )]
    Replayed {
        /// Which field tells.
        what: &'static str,
        /// What was signed.
        stated: B256,
        /// What the receipt has.
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
    /// The second form of a signature, which anybody can make of the first.
    #[error(
        "the {who}'s signature has its s in the upper half of the curve's order: expected at most {most}, found {found}"
    )]
    HighS {
        /// Whose signature.
        who: &'static str,
        /// The largest `s` of the canonical form.
        most: B256,
        /// The `s` that was found.
        found: B256,
    },
    /// Provider and consumer: one has the other's signature.
    #[error("the {who}'s signature is the {of}'s, {found}; expected one by {expected}")]
    Swapped {
        /// Whose signature should stand there.
        who: &'static str,
        /// Whose it is.
        of: &'static str,
        /// The address that should have signed.
        expected: Address,
        /// The address that did sign, and what it signs in this receipt.
        found: Address,
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
        /// Which kind of fact; decides the code.
        fact: Fact,
        /// Which fact, in words.
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
    /// A proof whose way up has not the length that its place in the tree demands: what it leads up from is no leaf there.
    #[error("the proof is not one of a leaf at its place: {0}")]
    PathLength(String),
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
    /// A checkpoint says that it is of another log than the key that signed it.
    #[error("the checkpoint is of another log: expected {expected:?}, found {found:?}")]
    Origin {
        /// The name of the log whose key it is.
        expected: String,
        /// The origin in the checkpoint.
        found: String,
    },
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
            Self::Truncated { .. } => "receipt_truncated",
            Self::TooLarge { .. } => "receipt_too_large",
            Self::Contradiction(_) => "receipt_contradiction",
            Self::HashMismatch { .. } => "hash_mismatch",
            Self::WrongKey { .. } => "wrong_key",
            Self::Replayed { .. } => "replayed_statement",
            Self::Signature { .. } => "bad_signature",
            Self::HighS { .. } => "high_s_signature",
            Self::Swapped { .. } => "swapped_signature",
            Self::WrongSigner { .. } => "wrong_signer",
            Self::Unexpected { fact, .. } => fact.code(),
            Self::Manifest(_) => "bad_manifest",
            Self::Disclosure(_) => "bad_disclosure",
            Self::PathLength(_) => "path_length",
            Self::ProfileRevoked { .. } => "profile_revoked",
            Self::Checkpoint(_) => "bad_checkpoint",
            Self::Origin { .. } => "wrong_origin",
            Self::LogProof(_) => "log_proof",
            Self::Equivocation(_) => "equivocation",
            Self::LogEntry(_) => "bad_log_entry",
        }
    }
}
