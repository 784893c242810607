//! `brizo key`: secret keys in files.

use std::path::PathBuf;

use anyhow::Result;
use brizo_receipt::SecretKey;
use clap::Subcommand;

use super::Exit;
use super::format::{random, write_secret};
use crate::config::read_key;

/// Make and show keys. A key file holds 64 hex digits and is readable by its owner only.
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make a new secret key; prints its address.
    New {
        /// File to write; must not exist.
        file: PathBuf,
    },
    /// Print the address of a key.
    Address {
        /// Key file.
        file: PathBuf,
    },
}

impl Key {
    pub(super) fn run(self) -> Result<Exit> {
        let address = match self {
            Self::New { file } => {
                let key = SecretKey::from_bytes(&random()?.0)?;
                write_secret(&file, &key.to_bytes())?;
                key.address()
            }
            Self::Address { file } => read_key(&file)?.address(),
        };
        println!("{address}");
        Ok(Exit::OK)
    }
}
