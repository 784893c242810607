//! `brizo config`: look at a configuration before anything depends on it.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Subcommand;
use serde_json::json;

use super::Exit;
use super::findings::report;
use super::format::Format;
use crate::config::{self, Config, EXAMPLE, shown};

/// Look at the provider's configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Read the file, the environment over it, and the files that it names; say all that is wrong at once.
    ///
    /// Touches no chain and changes nothing; `brizo doctor` looks further. Ends with 1 where something fails.
    Check {
        /// Configuration file.
        #[arg(default_value = "brizo.toml")]
        file: PathBuf,
        /// How to print the result.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Print what holds: the file, with defaults and with the environment over it. Secrets are not shown.
    Show {
        /// Configuration file.
        #[arg(default_value = "brizo.toml")]
        file: PathBuf,
        /// How to print the result; a table is TOML.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Print a file with every key, its default and what it is for.
    Example,
}

impl ConfigVerb {
    pub(super) fn run(self) -> Result<Exit> {
        match self {
            Self::Check { file, format } => report(&config::check(&file).1, format),
            Self::Show { file, format } => {
                let table = shown(&Config::load(&file)?).map_err(|text| anyhow!(text))?;
                format.print(&json!(table), || table.to_string())?;
                Ok(Exit::OK)
            }
            Self::Example => {
                Format::Table.print(&json!({}), || EXAMPLE.to_owned())?;
                Ok(Exit::OK)
            }
        }
    }
}
