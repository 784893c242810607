//! `brizo check` and `brizo profile`: the provider's gate, for authors.

use std::path::PathBuf;

use anyhow::{Result, bail};
use brizo_receipt::content_digest;
use clap::Args;
use serde_json::json;

use super::Exit;
use super::format::{Format, parse_bytes, read};
use super::program::{OnRuntime, Program};
use crate::data::pack;
use crate::sandbox::{Kind, inspect, profile_digest_for, profile_document_for, profile_name_for};

/// Say whether a module may run, and what it would ask for. The same gate, with the same words, as the provider's.
///
/// Prints the digest that a publisher approves in a policy. Exit code 0 when it may run, 5 when it may not.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The module or component, compiled for wasm32-wasip1 or wasm32-wasip2; with --runtime a script or a folder of them.
    algorithm: PathBuf,
    #[command(flatten)]
    on: OnRuntime,
    /// Largest module to accept.
    #[arg(long, value_parser = parse_bytes, default_value = "128MiB")]
    max_size: u64,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Check {
    pub(super) fn run(self) -> Result<Exit> {
        if self.on.runtime.is_some() {
            return self.check_bundle();
        }
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

impl Check {
    /// What a publisher approves of a bundle: the archive that a consumer uploads, and the runtime.
    fn check_bundle(self) -> Result<Exit> {
        let Program { module, bundle, .. } = Program::load(&self.algorithm, &self.on)?;
        let archive = pack(bundle.own.iter().map(|file| (file.path.as_str(), (*file.bytes).as_ref())))?;
        if archive.len() as u64 > self.max_size {
            bail!("the bundle has {} bytes, at most {} are taken", archive.len(), self.max_size);
        }
        let (digest, runtime) = (content_digest(&archive), content_digest(&module));
        let files: Vec<_> = bundle.own.iter().map(|file| file.path.clone()).collect();
        let document = json!({
            "digest": digest, "bytes": archive.len().to_string(), "runtime": runtime, "files": files,
        });
        self.format.print(&document, || {
            format!(
                "a bundle of {} files\ndigest (BLAKE3)     {digest}\nsize                {} bytes\nruntime             {runtime}\n\n\
                 a policy approves the digest under [[algorithms]] and the runtime under [[runtimes]]",
                files.len(),
                archive.len(),
            )
        })?;
        Ok(Exit::OK)
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
