//! `brizo receipt`: shows parts of a receipt, checks what others state about one, translates it for others.

mod check;
mod disclose;
mod export;

use anyhow::Result;
use clap::Subcommand;

use super::Exit;

/// Show one file of a receipt and nothing else; check such a proof or an auditor's verdict; export for other tools.
#[derive(Debug, Subcommand)]
pub(super) enum Receipt {
    Disclose(disclose::Disclose),
    CheckDisclosure(check::CheckDisclosure),
    CheckVerdict(check::CheckVerdict),
    Export(export::Export),
}

impl Receipt {
    pub(super) fn run(self) -> Result<Exit> {
        match self {
            Self::Disclose(verb) => verb.run(),
            Self::CheckDisclosure(verb) => verb.run(),
            Self::CheckVerdict(verb) => verb.run(),
            Self::Export(verb) => verb.run(),
        }
    }
}
