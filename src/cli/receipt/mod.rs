//! `brizo receipt`: shows parts of a receipt, checks and sends what others state about one, translates it for others.

mod check;
mod disclose;
mod export;
mod send;

use anyhow::Result;
use clap::Subcommand;

use super::{Exit, block_on};

/// Show one file of a receipt and nothing else; check such a proof; check or send a verdict; export for other tools.
#[derive(Debug, Subcommand)]
pub(super) enum Receipt {
    Disclose(disclose::Disclose),
    CheckDisclosure(check::CheckDisclosure),
    CheckVerdict(check::CheckVerdict),
    SendVerdict(send::SendVerdict),
    Export(export::Export),
}

impl Receipt {
    pub(super) fn run(self) -> Result<Exit> {
        match self {
            Self::Disclose(verb) => verb.run(),
            Self::CheckDisclosure(verb) => verb.run(),
            Self::CheckVerdict(verb) => verb.run(),
            Self::SendVerdict(verb) => block_on(verb.run()),
            Self::Export(verb) => verb.run(),
        }
    }
}
