//! The member `log` of a receipt: proof that the receipt is in its provider's log (`docs/RECEIPT.md` §9.5).

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use super::{Checkpoint, Entry, Event, LogKey, check_inclusion};
use crate::{Error, Receipt, Result};

/// Where a receipt stands in a log. No hash and no signature of the receipt covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogMember {
    /// Position of its entry, from 0.
    #[serde(with = "crate::decimal")]
    pub index: u64,
    /// When it was logged, in seconds since 1970-01-01 UTC; part of the entry.
    #[serde(with = "crate::decimal")]
    pub logged_at: u64,
    /// A checkpoint of the log, with the entry below its size.
    pub checkpoint: String,
    /// The audit path, lowest sibling first.
    pub proof: Vec<B256>,
}

impl LogMember {
    /// The text of a receipt that has no `log` yet, as [`Receipt::to_text`] wrote it, with this one. The document is not
    /// read for it, which would take long for long lists. `None` for another text.
    #[must_use]
    pub fn added_to(&self, receipt: &str) -> Option<String> {
        let body = receipt.strip_suffix("\n  }\n}\n")?;
        // Strings and a list only: serialising cannot fail.
        let member = serde_json::to_string_pretty(self).ok()?.replace('\n', "\n  ");
        Some(format!("{body}\n  }},\n  \"log\": {member}\n}}\n"))
    }
}

impl Receipt {
    /// The entry that a log must have for this receipt. It is made from the receipt, so that a proof about another entry
    /// proves nothing.
    ///
    /// # Errors
    /// [`Error::LogProof`] without an attestation: an entry states what the provider signed.
    pub fn log_entry(&self, logged_at: u64) -> Result<Entry> {
        let Some(attestation) = &self.attestation else {
            return Err(Error::LogProof("a receipt without attestation has no entry in a log".into()));
        };
        let spec = &self.claim.spec;
        Ok(Entry {
            event: Event::Receipt,
            run_index: spec.run_index,
            logged_at,
            agreement_id: spec.agreement_id,
            subject: self.claim.hash(),
            statement: attestation.statement.digest(&attestation.domain),
        })
    }

    /// Checks that the receipt is in the log of this key, as far as the receipt itself shows. `None` when it has no
    /// member `log`. The checkpoint is handed back for comparison with others of the same log.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] or [`Error::LogProof`].
    pub fn check_log(&self, key: &LogKey) -> Result<Option<Checkpoint>> {
        let Some(log) = &self.log else { return Ok(None) };
        let checkpoint = Checkpoint::verify(&log.checkpoint, key)?;
        let entry = self.log_entry(log.logged_at)?;
        check_inclusion(&checkpoint.tree, log.index, entry.leaf(), &log.proof)?;
        Ok(Some(checkpoint))
    }
}
