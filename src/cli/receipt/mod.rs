//! `brizo receipt`: what can be made of a receipt besides checking it.

mod export;

use anyhow::Result;
use clap::Subcommand;

use super::Exit;

/// Make other documents of a receipt. To check one, use `brizo verify` and `brizo replay`.
#[derive(Debug, Subcommand)]
pub(super) enum Receipt {
    Export(export::Export),
}

impl Receipt {
    pub(super) fn run(self) -> Result<Exit> {
        match self {
            Self::Export(verb) => verb.run(),
        }
    }
}
