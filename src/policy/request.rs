//! What a policy is asked. Everything here comes from the caller, the time included.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// A consumer asks to run an algorithm over a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// Who asks; already authenticated.
    pub consumer: Address,
    /// DID of the data set (`did:op:…`).
    pub dataset: String,
    /// BLAKE3 of the consumer's bytes: a module, or a bundle for a runtime.
    pub algorithm: B256,
    /// BLAKE3 of the runtime that would run a bundle.
    #[serde(default)]
    pub runtime: Option<B256>,
    /// Length of those bytes.
    pub algorithm_bytes: u64,
    /// Names of imports that the profile does not have and only stubs (sockets, for instance).
    pub imports_refused: Vec<String>,
    /// Fuel ordered.
    pub fuel: u64,
    /// Linear memory ordered.
    pub memory_bytes: u64,
    /// Bytes of output files and streams ordered.
    pub output_bytes: u64,
    /// Number of output files and folders ordered.
    pub output_files: u64,
    /// The time of the question, in seconds since 1970-01-01 UTC.
    pub now_s: u64,
}

/// A finished run has an output; may it leave?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// Who ordered the run.
    pub consumer: Address,
    /// DID of the data set.
    pub dataset: String,
    /// BLAKE3 of the consumer's bytes that ran: a module, or a bundle.
    pub algorithm: B256,
    /// The output in question.
    pub output: ReleaseOutput,
    /// How the run ended: the number of a [`brizo_receipt::Status`].
    pub status: u8,
    /// The time of the question, in seconds since 1970-01-01 UTC.
    pub now_s: u64,
}

/// One output of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseOutput {
    /// File or stream.
    pub kind: OutputKind,
    /// Path below `/data/outputs`, or the stream's name.
    pub path: String,
    /// Bytes of content.
    pub bytes: u64,
}

/// What an output is. Logs are outputs too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// A file in `/data/outputs`.
    File,
    /// `stdout` or `stderr`.
    Stream,
}

impl OutputKind {
    /// The name that rules and documents use.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Stream => "stream",
        }
    }
}
