//! `brizo key`: secret keys in files.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use brizo_receipt::{Address, SecretKey};
use clap::Subcommand;

use super::Exit;
use super::format::{random, write_secret};
use crate::chain::{open_keystore, write_keystore};
use crate::config::{KEY_PASSWORD, KEY_PASSWORD_FILE, key_password, read_key};

/// Make and show keys. A key file holds 64 hex digits, or is an encrypted keystore as geth, foundry and wallets write it; it
/// is readable by its owner only. The password of a keystore comes from the file that BRIZO_KEY_PASSWORD_FILE names, or from
/// BRIZO_KEY_PASSWORD.
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make a new secret key; prints its address.
    New {
        /// File to write; must not exist.
        file: PathBuf,
    },
    /// Encrypt a key: writes a keystore, under the password in the environment. The plain file stays where it is.
    Encrypt {
        /// Key file.
        file: PathBuf,
        /// Keystore to write; must not exist.
        keystore: PathBuf,
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
            Self::Encrypt { file, keystore } => encrypt(&file, &keystore)?,
            Self::Address { file } => read_key(&file)?.address(),
        };
        println!("{address}");
        Ok(Exit::OK)
    }
}

fn encrypt(file: &Path, keystore: &Path) -> Result<Address> {
    if keystore.exists() {
        bail!("{} exists; move it away first, it may be the only copy of a key", keystore.display());
    }
    let key = read_key(file)?;
    let Some(password) = key_password()?.filter(|password| !password.is_empty()) else {
        bail!("set {KEY_PASSWORD_FILE} to a file with the new password, or {KEY_PASSWORD}");
    };
    // Made first, so that nobody else can read it for a moment.
    let private = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(keystore);
    private.with_context(|| format!("{}", keystore.display()))?;
    write_keystore(keystore, &key, &password).map_err(|text| anyhow!(text))?;
    // What cannot be opened again is no copy.
    let opened = open_keystore(keystore, &password).map_err(|text| anyhow!(text))?;
    Ok(opened.address())
}
