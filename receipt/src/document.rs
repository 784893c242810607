//! The receipt document: the JSON file that consumers keep and auditors get (`docs/RECEIPT.md` §6).

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::log::LogMember;
use crate::manifest::{Key, Manifest};
use crate::{
    Domain, ExecutionClaim, OutputEntry, ReceiptAttestation, Result, Signature, derive, invocation_manifest,
    mount_leaf, root_of_leaves, strict,
};

/// Value of the document's `format` field. Another value is another format: nothing is negotiated inside a file.
pub const FORMAT: &str = "brizo-receipt/1";

/// Largest receipt that is read; a list of a million leaves fits.
pub const BYTES_MAX: usize = 128 << 20;

/// Unsigned 64-bit numbers as decimal strings, because JSON numbers are rounded above 2^53 by common readers.
pub mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the number as a string.
    ///
    /// # Errors
    /// Only those of the serializer.
    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    /// Reads a string of digits without sign, space or leading zero.
    ///
    /// # Errors
    /// When the text has another form or does not fit 64 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
        match text.parse() {
            Ok(number) if canonical => Ok(number),
            _ => Err(D::Error::custom(format!("{text:?} is not an unsigned 64-bit decimal number"))),
        }
    }
}

/// What a receipt can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Kind {
    /// Run under a deterministic profile: anyone with the bytes can run it again and must find the same hash.
    ReExecutable = 0,
    /// Run in a container: the provider says so, nobody can recompute it.
    Attested = 1,
}

/// The consumer's signature over the job order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The deployment under which it was signed.
    pub domain: Domain,
    /// The consumer.
    pub consumer: Address,
    /// Signature over [`JobSpec::order_digest`](crate::JobSpec::order_digest).
    pub signature: Signature,
}

/// The provider's signature over its attestation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// The deployment under which it was signed.
    pub domain: Domain,
    /// What was signed.
    pub statement: ReceiptAttestation,
    /// Signature over [`ReceiptAttestation::digest`].
    pub signature: Signature,
}

/// Facts about a run that differ between hosts and are therefore outside the claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunInfo {
    /// Version of the program that made the run, `brizo 0.1.0`.
    pub software: String,
    /// Engine and version, `wasmtime 48.0.8`.
    pub engine: String,
    /// Target the module was compiled for, `x86_64-linux`.
    pub target: String,
    /// Start by the host's clock, in seconds since 1970-01-01 UTC.
    #[serde(with = "decimal")]
    pub started_at: u64,
    /// Wall time of the run in microseconds, without compilation.
    #[serde(with = "decimal")]
    pub run_us: u64,
    /// Whether the compiled module came from the cache.
    pub cached_module: bool,
}

/// What the guest was started with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invocation {
    /// All arguments, beginning with the program's name; at most [`crate::TEXTS_MAX`].
    #[serde(deserialize_with = "strict::texts")]
    pub args: Vec<String>,
    /// Environment variables, sorted by name as the guest sees them; at most [`crate::TEXTS_MAX`].
    #[serde(deserialize_with = "strict::texts")]
    pub env: Vec<(String, String)>,
}

/// A data set below `/data/inputs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Folder below `/data/inputs`; empty for `/data/inputs` itself.
    pub path: String,
    /// DID of the data set, `did:op:…`; absent for a local folder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub did: Option<String>,
    /// Root of the data set's manifest.
    pub root: B256,
    /// Salted leaves of the manifest, in its order. They hide path, size and content from everybody without the
    /// dataset key and let a holder of the data name the file that differs.
    #[serde(deserialize_with = "strict::hashes")]
    pub leaves: Vec<B256>,
}

/// The lists behind the claim's roots. They prove nothing by themselves; they let a check name the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// What the guest was started with.
    pub invocation: Invocation,
    /// Leaves of the bundle at `/data/algorithm`, in the order of its manifest; absent without a bundle. Salted with the
    /// run key, so that they show an auditor who holds the bundle which file differs, and nobody else anything.
    #[serde(skip_serializing_if = "Vec::is_empty", default, deserialize_with = "strict::hashes")]
    pub algorithm: Vec<B256>,
    /// The data sets, ordered by path.
    pub inputs: Vec<Mount>,
    /// The outputs, in manifest order; both streams come last.
    pub outputs: Vec<OutputEntry>,
}

/// A whole receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// Always [`FORMAT`].
    pub format: String,
    /// What it can prove.
    pub kind: Kind,
    /// The receipt hash; a convenience that every check recomputes.
    pub claim_hash: B256,
    /// What was ordered and what happened.
    pub claim: ExecutionClaim,
    /// The consumer's consent to the spec; absent for a local run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub consent: Option<Consent>,
    /// The provider's attestation; absent for an unsigned local run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attestation: Option<Attestation>,
    /// [`RunInfo`] as the JSON text whose exact bytes are hashed into the attestation.
    pub run_info: String,
    /// The lists behind the roots.
    pub opening: Opening,
    /// Proof that the receipt is in its provider's log; absent until it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log: Option<LogMember>,
}

impl RunInfo {
    /// The JSON text that goes into the receipt.
    #[must_use]
    pub fn to_text(&self) -> String {
        // A struct of strings, numbers and a bool always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl strict::Document for Receipt {
    const HASHES: &'static [&'static str] = &["algorithm", "leaves"];

    fn hashes(&mut self) -> Vec<&mut Vec<B256>> {
        let opening = &mut self.opening;
        let leaves = opening.inputs.iter_mut().map(|mount| &mut mount.leaves);
        leaves.chain([&mut opening.algorithm]).collect()
    }

    type Item = OutputEntry;
    const LONG: &'static [&'static str] = &["opening", "outputs"];

    fn long(&mut self) -> Option<&mut Vec<OutputEntry>> {
        Some(&mut self.opening.outputs)
    }
}

impl Receipt {
    /// Reads a receipt strictly: unknown or double fields, trailing bytes and any other spelling of a value than the
    /// canonical one are refused. White space and the order of fields are free; nothing hashes the document as a whole.
    ///
    /// # Errors
    /// [`Error::Malformed`](crate::Error::Malformed) with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let receipt: Self = strict::parse("receipt", bytes, BYTES_MAX)?;
        strict::check_format("receipt", &receipt.format, FORMAT)?;
        Ok(receipt)
    }

    /// The document as text, ending in a newline.
    #[must_use]
    pub fn to_text(&self) -> String {
        strict::to_text(self)
    }

    /// Digest of the run info's exact bytes, as it stands in the attestation.
    #[must_use]
    pub fn run_info_digest(&self) -> B256 {
        derive("brizo 2026 v1 run info", &[self.run_info.as_bytes()])
    }
}

impl Opening {
    /// Root over the mounted data sets, from the roots of the mounts.
    #[must_use]
    pub fn inputs_root(&self) -> B256 {
        let leaves: Vec<_> = self.inputs.iter().map(|mount| mount_leaf(&mount.path, mount.root)).collect();
        root_of_leaves(&leaves)
    }

    /// Root of the outputs, from their leaves.
    #[must_use]
    pub fn outputs_root(&self) -> B256 {
        let leaves: Vec<_> = self.outputs.iter().map(|output| output.leaf).collect();
        root_of_leaves(&leaves)
    }

    /// Root of the invocation under the run key.
    ///
    /// # Errors
    /// [`Error::Manifest`](crate::Error::Manifest) when a variable stands twice.
    pub fn invocation_root(&self, run_key: &Key) -> Result<B256> {
        Ok(invocation_manifest(&self.invocation)?.root(run_key))
    }

    /// Lists outputs from their manifest; `withheld` says which ones the consumer must not see.
    #[must_use]
    pub fn list_outputs(
        outputs: &Manifest,
        outputs_key: &Key,
        withheld: impl Fn(&crate::Entry) -> bool,
    ) -> Vec<OutputEntry> {
        let list = |entry: &crate::Entry| OutputEntry::of(entry, outputs_key, withheld(entry));
        outputs.entries().iter().map(list).collect()
    }
}
