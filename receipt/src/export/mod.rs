//! Receipts in the words of other formats: in-toto, PROV-O, RO-Crate (`docs/INTEROP.md`).
//!
//! An export is a translation, and a translation proves nothing that the receipt does not: each names the receipt hash, so
//! that a reader can go back. Only what a receipt shows is translated. A withheld output is counted, and nothing else.

mod dsse;
mod in_toto;
mod names;
mod prov;
mod ro_crate;
mod time;

use std::collections::BTreeMap;

use alloy_primitives::B256;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    EntryKind, Error, Expectation, Invocation, Key, Kind, Profiles, Receipt, Result, RunInfo, Status,
    blind_commit, check_signatures, check_structure, content_digest,
};
pub use dsse::{BadExportKey, ExportKey, IN_TOTO_TYPE, envelope, pre_authentication};
pub use in_toto::{PREDICATE_TYPE, statement};
pub use prov::prov_document;
pub use ro_crate::ro_crate_metadata;

/// Why an export's digests need care; stands in every export.
pub(crate) const UNSALTED: &str = "Digests are of the bytes alone, without a salt: whoever can guess an output can confirm \
     the guess. Outputs that the data owner withheld are counted and not described.";

/// What an attested receipt does not prove; stands in every export of one.
const ATTESTED: &str = "The receipt is attested: the provider says what ran and what came out, and nobody can \
     recompute it.";

/// What `fuelUsed` of a container is (`docs/RECEIPT.md` §18).
const MICROSECONDS: &str = "Fuel is microseconds of the host's clock.";

/// A receipt that holds, and what an export says of the file that it came from.
#[derive(Debug)]
pub struct Source {
    receipt: Receipt,
    run: RunInfo,
    /// Whether the tier of the signatures was reached.
    signed: bool,
    /// Whether arguments and variables were opened: no signature covers them as they stand in the file.
    opened: bool,
    /// Whether the run was in a container: then the receipt is attested, and its module an image.
    in_container: bool,
    file: FileFacts,
    /// SHA-256 of outputs whose bytes were at hand, by path.
    sha256: BTreeMap<String, [u8; 32]>,
}

/// The receipt file as bytes, which no receipt hash covers.
#[derive(Debug)]
struct FileFacts {
    name: String,
    size: u64,
    sha256: [u8; 32],
    blake3: B256,
}

/// An output that the receipt shows.
struct Shown<'a> {
    kind: EntryKind,
    path: &'a str,
    size: u64,
    digest: B256,
}

impl Source {
    /// Reads a receipt and checks its structure and its signatures, so that nothing is exported that does not hold or is not
    /// what is expected. `name` is the file's name, without folders.
    ///
    /// # Errors
    /// What is wrong with the receipt; see [`check_structure`] and [`check_signatures`].
    pub fn new(bytes: &[u8], name: &str, expected: &Expectation) -> Result<Self> {
        let receipt = Receipt::parse(bytes)?;
        check_structure(&receipt, expected)?;
        let signed = check_signatures(&receipt, expected)?.is_some();
        let spec = &receipt.claim.spec;
        let in_container = Profiles::is_attested_only(spec.profile)?;
        // What a local run hides behind the key of zeros is hidden from nobody.
        let opened = spec.blind_commit == blind_commit(&Key::OPEN);
        if opened {
            receipt.check_invocation(&Key::OPEN)?;
        }
        let run =
            serde_json::from_str(&receipt.run_info).map_err(|e| Error::Malformed(format!("runInfo: {e}")))?;
        let file = FileFacts {
            name: name.into(),
            size: bytes.len() as u64,
            sha256: Sha256::digest(bytes).into(),
            blake3: content_digest(bytes),
        };
        Ok(Self { receipt, run, signed, opened, in_container, file, sha256: BTreeMap::new() })
    }

    /// The receipt.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Opens arguments and variables with the consumer's run key. Without it an export does not say that they were ordered.
    ///
    /// # Errors
    /// Those of [`Receipt::check_invocation`].
    pub fn open_invocation(&mut self, run_key: &Key) -> Result<()> {
        self.receipt.check_invocation(run_key)?;
        self.opened = true;
        Ok(())
    }

    /// Arguments and variables that are proved to be those of the order; none where nobody proved any.
    fn proved(&self) -> (&[String], &[(String, String)]) {
        let Invocation { args, env } = &self.receipt.opening.invocation;
        if self.opened { (args, env) } else { (&[], &[]) }
    }

    /// The algorithm by which the digest of what ran is made: an image has the digest that engines of containers use.
    fn program_algorithm(&self) -> &'static str {
        if self.in_container { "sha256" } else { "blake3" }
    }

    /// What an attested receipt does not prove, under whatever profile it is; `None` for one that can be recomputed.
    fn attested(&self) -> Option<String> {
        let text = match self.in_container {
            true => format!("{ATTESTED} {MICROSECONDS}"),
            false => ATTESTED.into(),
        };
        (self.receipt.kind == Kind::Attested).then_some(text)
    }

    /// What ran, for people.
    fn program(&self) -> &'static str {
        if self.in_container { "container image" } else { "WebAssembly module" }
    }

    /// Adds the SHA-256 of an output file, which a receipt does not have and most tools ask for.
    ///
    /// # Errors
    /// [`Error::Manifest`] when the receipt does not show such a file or shows it with other content.
    pub fn add_file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let Some(shown) = self.shown().find(|shown| shown.kind == EntryKind::File && shown.path == path)
        else {
            return Err(Error::Manifest(format!("output {path:?}: the receipt does not show such a file")));
        };
        let found = content_digest(bytes);
        if found != shown.digest {
            let expected = shown.digest;
            return Err(Error::Manifest(format!("output {path:?}: expected {expected}, found {found}")));
        }
        self.sha256.insert(path.into(), Sha256::digest(bytes).into());
        Ok(())
    }

    /// What is shown of the outputs, in the receipt's order.
    fn shown(&self) -> impl Iterator<Item = Shown<'_>> {
        let entries = self.receipt.opening.outputs.iter().filter_map(|output| output.shown.as_ref());
        entries.map(|it| Shown {
            kind: it.entry.kind,
            path: &it.entry.path,
            size: it.entry.size,
            digest: it.entry.digest,
        })
    }

    /// Files and streams among them; a folder has no content to speak of.
    fn artefacts(&self) -> impl Iterator<Item = Shown<'_>> {
        self.shown().filter(|shown| shown.kind != EntryKind::Directory)
    }

    /// How many outputs are withheld.
    fn withheld(&self) -> usize {
        self.receipt.opening.outputs.len() - self.shown().count()
    }

    /// Start and end of the run in seconds since 1970, by the clock of the host that ran it.
    fn times(&self) -> (u64, u64) {
        (self.run.started_at, self.run.started_at.saturating_add(self.run.run_us / 1_000_000))
    }

    /// When the receipt was issued, or for an unsigned one, when the run ended.
    fn issued_at(&self) -> u64 {
        self.receipt.attestation.as_ref().map_or(self.times().1, |it| it.statement.issued_at)
    }

    /// Name of the agent that ran the algorithm.
    fn provider(&self) -> Option<String> {
        let attestation = self.receipt.attestation.as_ref()?;
        Some(names::account(&attestation.domain, attestation.statement.provider))
    }

    /// Name of the agent that ordered the run.
    fn consumer(&self) -> Option<String> {
        let consent = self.receipt.consent.as_ref()?;
        Some(names::account(&consent.domain, consent.consumer))
    }

    /// Whether the algorithm ended by itself and said that all was well.
    fn succeeded(&self) -> bool {
        let outcome = &self.receipt.claim.outcome;
        outcome.status == Status::Exit as u8 && outcome.exit_code == 0
    }

    /// Digests of an output: BLAKE3 always, SHA-256 where the bytes were at hand.
    fn digests(&self, shown: &Shown<'_>) -> Map<String, Value> {
        let mut set = Map::new();
        let known = self.sha256.get(shown.path).filter(|_| shown.kind == EntryKind::File);
        if let Some(sha256) = known {
            set.insert("sha256".into(), json!(names::hex(sha256)));
        }
        set.insert("blake3".into(), json!(names::hex(shown.digest.as_slice())));
        set
    }

    /// The tiers that were checked before the export.
    fn tiers(&self) -> Vec<&'static str> {
        if self.signed { vec!["structure", "signature"] } else { vec!["structure"] }
    }
}

/// A JSON document as text: two spaces of indentation, a newline at the end, the same bytes each time.
#[must_use]
pub fn document_text(document: &Value) -> String {
    // Strings, numbers and lists only: serialising cannot fail.
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}
