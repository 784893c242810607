//! `--profiles`: which rules of execution turned out to be wrong since this release. One option for every verb that takes a
//! receipt.

use std::path::PathBuf;

use anyhow::{Context, Result};
use brizo_receipt::{Expectation, Profiles};
use clap::Args;

use super::format::read_at_most;

/// A newer list of profiles, where there is one.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct NewerProfiles {
    /// A list of published profiles that is newer than that of this release; receipts under revoked ones are refused (27).
    #[arg(long = "profiles", value_name = "FILE")]
    list: Option<PathBuf>,
}

impl NewerProfiles {
    /// Whether a list is named.
    pub(super) fn is_given(&self) -> bool {
        self.list.is_some()
    }

    /// The list, if one is named.
    ///
    /// # Errors
    /// A file that cannot be read, or is no such list.
    pub(super) fn read(&self) -> Result<Option<Profiles>> {
        let Some(path) = &self.list else { return Ok(None) };
        let bytes = read_at_most(path, brizo_receipt::SMALL_BYTES_MAX)?;
        Ok(Some(Profiles::parse(&bytes).with_context(|| format!("{}", path.display()))?))
    }

    /// What is expected of a receipt of which nothing else is known.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub(super) fn expectation(&self) -> Result<Expectation> {
        Ok(Expectation { profiles: self.read()?, ..Expectation::default() })
    }
}
