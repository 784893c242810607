//! `brizo completions` and `brizo man`: for shells and for `man`, made from the definition of the command line.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Exit};

/// Print completions for a shell.
///
/// For bash: brizo completions bash > ~/.local/share/bash-completion/completions/brizo
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Exit> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "brizo", &mut text);
        super::format::print_text(&String::from_utf8_lossy(&text))?;
        Ok(Exit::OK)
    }
}

/// Write a manual page for each verb into a folder.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Folder; made where it is missing.
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(self) -> Result<Exit> {
        std::fs::create_dir_all(&self.folder).with_context(|| format!("{}", self.folder.display()))?;
        clap_mangen::generate_to(Cli::command(), &self.folder)
            .with_context(|| format!("{}", self.folder.display()))?;
        println!("manual pages are in {0}; read the first with: man -l {0}/brizo.1", self.folder.display());
        Ok(Exit::OK)
    }
}
