//! `brizo check` and `brizo profile`: the provider's gate, for authors.

mod twice;

use std::path::PathBuf;

use anyhow::{Result, bail};
use brizo_receipt::content_digest;
use clap::Args;
use serde_json::{Value, json};

use self::twice::{Findings, Twice};
use super::Exit;
use super::format::{Format, parse_bytes, read};
use super::program::{OnRuntime, Program};
use crate::container;
use crate::data::pack;
use crate::sandbox::{
    Inspection, Kind, Refused, inspect, profile_digest_for, profile_document_for, profile_name_for,
};

/// Say whether a module may run, and what it would ask for. The same gate, with the same words, as the provider's.
///
/// Prints the digest that a publisher approves in a policy. Exit code 0 when it may run, 5 when it may not.
///
/// With --twice it is run, too, over mock data that you name: twice, from the cache, beside itself and in an interpreter,
/// which must make no difference; then with another random seed and another clock, to say whether the result depends on
/// them. Exit code 0 when it is repeatable, 3 when it is not or not every way could be tried.
///
/// Example: brizo check column_stats.wasm --twice --input examples/data -- --file penguins.csv
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The module or component, compiled for wasm32-wasip1 or wasm32-wasip2; with --runtime a script or a folder of them.
    algorithm: PathBuf,
    #[command(flatten)]
    on: OnRuntime,
    /// Largest module to accept.
    #[arg(long, value_parser = parse_bytes, default_value = "128MiB")]
    max_size: u64,
    #[command(flatten)]
    twice: Twice,
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
                let findings = self.findings(|| Program::load(&self.algorithm, &self.on))?;
                self.report(serde_json::to_value(&inspection)?, self.table(&inspection), findings)
            }
            Err(refused) => self.refuse(&refused),
        }
    }

    /// What running it shows, if that was asked for.
    fn findings(&self, program: impl FnOnce() -> Result<Program>) -> Result<Option<Findings>> {
        self.twice.twice.then(|| self.twice.preflight(&program()?)).transpose()
    }

    /// Prints what the gate says, and below it what running showed.
    fn report(&self, mut document: Value, table: String, findings: Option<Findings>) -> Result<Exit> {
        let Some(findings) = findings else {
            self.format.print(&document, || table)?;
            return Ok(Exit::OK);
        };
        document["twice"] = findings.document();
        self.format.print(&document, || format!("{table}\n\n{}", findings.table()))?;
        Ok(findings.exit())
    }

    fn refuse(&self, refused: &Refused) -> Result<Exit> {
        let document = json!({ "code": refused.code, "text": refused.text, "hint": refused.hint });
        self.format.print(&document, || {
            format!("may not run: {}\n  code: {}\n  hint: {}", refused.text, refused.code, refused.hint)
        })?;
        Ok(Exit::REFUSED)
    }

    fn table(&self, inspection: &Inspection) -> String {
        let imports: Vec<_> = inspection
            .imports
            .iter()
            .map(|import| {
                format!("  {}{}", import.name, if import.refused { "   (always refused)" } else { "" })
            })
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
    }
}

impl Check {
    /// What a publisher approves of a bundle: the archive that a consumer uploads, and the runtime.
    fn check_bundle(self) -> Result<Exit> {
        let program = Program::load(&self.algorithm, &self.on)?;
        if program.image.is_some() && self.twice.twice {
            bail!(
                "--twice is for what can be repeated; a container is not (`brizo run --twice` observes it)"
            );
        }
        let own = &program.bundle.own;
        let archive = pack(own.iter().map(|file| (file.path.as_str(), (*file.bytes).as_ref())))?;
        if archive.len() as u64 > self.max_size {
            bail!("the bundle has {} bytes, at most {} are taken", archive.len(), self.max_size);
        }
        let digest = content_digest(&archive);
        let (runtime, list) = match &program.image {
            Some(image) => (format!("sha256:{}", hex::encode(image.digest)), "images"),
            None => (content_digest(&program.module).to_string(), "runtimes"),
        };
        let files: Vec<_> = own.iter().map(|file| file.path.clone()).collect();
        let document = json!({
            "digest": digest, "bytes": archive.len().to_string(), "runtime": runtime, "files": files,
        });
        let table = format!(
            "a bundle of {} files\ndigest (BLAKE3)     {digest}\nsize                {} bytes\nruntime             {runtime}\n\n\
             a policy approves the digest under [[algorithms]] and the runtime under [[{list}]]",
            files.len(),
            archive.len(),
        );
        let findings = self.findings(|| Ok(program))?;
        self.report(document, table, findings)
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
    /// Of containers instead of core modules.
    #[arg(long, conflicts_with = "component")]
    container: bool,
}

impl Profile {
    pub(super) fn run(self) -> Result<Exit> {
        let kind = if self.component { Kind::Component } else { Kind::Core };
        let (digest, document) = match self.container {
            true => (container::profile_digest(), container::profile_document()),
            false => (profile_digest_for(kind), profile_document_for(kind)),
        };
        if self.digest {
            println!("{digest}");
        } else {
            print!("{document}");
        }
        Ok(Exit::OK)
    }
}
