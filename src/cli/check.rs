//! `brizo check` and `brizo profile`: the provider's gate, for authors.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::Exit;
use super::format::{Format, parse_bytes, read};
use crate::sandbox::{Kind, inspect, profile_digest_for, profile_document_for, profile_name_for};

/// Say whether a module may run, and what it would ask for. The same gate, with the same words, as the provider's.
///
/// Prints the digest that a publisher approves in a policy. Exit code 0 when it may run, 5 when it may not.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The module or component, compiled for wasm32-wasip1 or wasm32-wasip2.
    algorithm: PathBuf,
    /// Largest module to accept.
    #[arg(long, value_parser = parse_bytes, default_value = "128MiB")]
    max_size: u64,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Check {
    pub(super) fn run(self) -> Result<Exit> {
        let bytes = read(&self.algorithm)?;
        match inspect(&bytes, self.max_size) {
            Ok(inspection) => {
                self.format.print(&serde_json::to_value(&inspection)?, || {
                    let imports: Vec<_> = inspection
                        .imports
                        .iter()
                        .map(|import| format!("  {}{}", import.name, if import.refused { "   (always refused)" } else { "" }))
                        .collect();
                    format!(
                        "may run under {}\ndigest (BLAKE3)     {}\nchecksum (keccak)   {}\nsize                {} bytes\n\
                         memory at start     {} bytes\nimports             {}\n{}\n\nnext: brizo run {} --input DIR --output DIR -- ARGS",
                        profile_name_for(inspection.kind),
                        inspection.digest,
                        inspection.checksum,
                        inspection.bytes,
                        inspection.memory_bytes_min,
                        imports.len(),
                        imports.join("\n"),
                        self.algorithm.display()
                    )
                })?;
                Ok(Exit::OK)
            }
            Err(refused) => {
                let document = json!({ "code": refused.code, "text": refused.text, "hint": refused.hint });
                self.format.print(&document, || {
                    format!(
                        "may not run: {}\n  code: {}\n  hint: {}",
                        refused.text, refused.code, refused.hint
                    )
                })?;
                Ok(Exit::REFUSED)
            }
        }
    }
}

/// Print the execution profile: the exact rules of a run, as the document whose digest stands in every claim.
#[derive(Debug, Args)]
pub(super) struct Profile {
    /// Print only the digest.
    #[arg(long)]
    digest: bool,
    /// Of components instead of core modules.
    #[arg(long)]
    component: bool,
}

impl Profile {
    pub(super) fn run(self) -> Result<Exit> {
        let kind = if self.component { Kind::Component } else { Kind::Core };
        if self.digest {
            println!("{}", profile_digest_for(kind));
        } else {
            print!("{}", profile_document_for(kind));
        }
        Ok(Exit::OK)
    }
}
