//! `brizo receipt check-disclosure` and `check-verdict`: what others state about a receipt.

use std::path::PathBuf;

use anyhow::Result;
use brizo_receipt::verifier::{Checked, check_disclosure, check_verdict};
use brizo_receipt::{Address, B256, SMALL_BYTES_MAX};
use clap::Args;

use super::super::format::{Format, digest_of_file, read_at_most, read_receipt};
use super::super::profiles::NewerProfiles;
use super::super::{Exit, Usage};

/// Check a proof that something is part of a receipt, given nothing but the receipt's hash.
///
/// Exit code 0 when it holds; 10 when it is no disclosure, 13 when it is of another receipt, 17 when it does not lead to
/// the hash or --file has other bytes. A disclosure that shows the order is refused (27), too, if its profile is revoked; one of
/// an output does not show it.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckDisclosure {
    /// Disclosure file.
    disclosure: PathBuf,
    /// The receipt hash as you know it from elsewhere: the chain, a log, somebody you trust.
    receipt_hash: B256,
    /// The file that is disclosed, to compare its bytes.
    #[arg(long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    profiles: NewerProfiles,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl CheckDisclosure {
    pub(in crate::cli) fn run(self) -> Result<Exit> {
        let bytes = read_at_most(&self.disclosure, SMALL_BYTES_MAX)?;
        let content = self.file.as_deref().map(digest_of_file).transpose()?;
        let profiles = self.profiles.read()?;
        show(check_disclosure(&bytes, self.receipt_hash, content, profiles.as_ref()), self.format)
    }
}

/// Check an auditor's signed verdict about a receipt: that it is theirs, and about this receipt.
///
/// Whether the auditor is right is another question: `brizo replay` answers it. Exit code 0 for a good signature, whether it
/// confirms or disputes; 10 when it is no verdict, 11 or 12 when evidence or signature do not fit, 13 when it is about
/// another receipt, 23, 24 or 25 when it is for another chain, contract or agreement, 26 when it is by another auditor. A
/// receipt that does not hold itself has the codes of `brizo verify`: 27 under a revoked profile, 28 when its attestation is
/// about another receipt.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckVerdict {
    /// Verdict file.
    verdict: PathBuf,
    /// The receipt that it should be about.
    #[arg(long)]
    receipt: Option<PathBuf>,
    /// The auditor's address you expect.
    #[arg(long)]
    auditor: Option<Address>,
    #[command(flatten)]
    profiles: NewerProfiles,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl CheckVerdict {
    pub(in crate::cli) fn run(self) -> Result<Exit> {
        let bytes = read_at_most(&self.verdict, SMALL_BYTES_MAX)?;
        let receipt = self.receipt.as_deref().map(read_receipt).transpose()?;
        if self.profiles.is_given() && receipt.is_none() {
            return Err(Usage(
                "--profiles needs --receipt, which says under which profile the run was".into(),
            )
            .into());
        }
        let expected = self.profiles.expectation()?;
        show(
            check_verdict(&bytes, receipt.as_deref().map(|receipt| (receipt, &expected)), self.auditor),
            self.format,
        )
    }
}

fn show(checked: Checked, format: Format) -> Result<Exit> {
    format.print(&checked.document, || checked.table.clone())?;
    Ok(Exit::of_checked(&checked))
}
