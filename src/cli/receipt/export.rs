//! `brizo receipt export`: the same facts for the tools of supply chains, provenance and research data.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use brizo_receipt::export::{
    ExportKey, IN_TOTO_TYPE, Source, document_text, envelope, prov_document, ro_crate_metadata, statement,
};
use clap::{Args, ValueEnum};

use crate::cli::Exit;
use crate::cli::format::{read_receipt, read_salt_key};
use crate::cli::profiles::NewerProfiles;
use crate::cli::spec::read_outputs;
use crate::config::read_secret_text;

/// Translate a receipt into in-toto, PROV-O or RO-Crate (docs/INTEROP.md says what is lost).
///
/// Structure and signatures are checked first; a receipt that does not hold is not exported. Withheld outputs are counted and
/// never described. Digests in an export have no salt: do not publish one if an output is easy to guess.
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// Receipt file.
    receipt: PathBuf,
    /// What to make.
    #[arg(long, value_enum)]
    format: Target,
    /// Sign an in-toto statement with this Ed25519 key (PEM, from `openssl genpkey -algorithm ed25519`). The signature is
    /// yours, not the provider's. Without it the bare statement is written.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Folder with output files: each is compared with the receipt, and its SHA-256 is added.
    #[arg(long, value_name = "FOLDER")]
    outputs: Option<PathBuf>,
    /// File with the consumer's run key: proves arguments and variables, which no signature covers as they stand in the file.
    /// [default: the key that hides nothing]
    #[arg(long, value_name = "FILE")]
    run_key: Option<PathBuf>,
    #[command(flatten)]
    profiles: NewerProfiles,
    /// File to write; must not exist, so that no receipt is lost to a slip. [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Formats of other people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// An in-toto Statement v1; in a DSSE envelope if a key is given.
    InToto,
    /// W3C PROV-O as JSON-LD.
    Prov,
    /// RO-Crate 1.1 metadata, Process Run Crate: save it as ro-crate-metadata.json beside the receipt and `outputs/`.
    RoCrate,
}

impl Export {
    pub(in crate::cli) fn run(self) -> Result<Exit> {
        if self.key.is_some() && self.format != Target::InToto {
            eprintln!("error: --key is for --format in-toto; the other formats have no signatures");
            return Ok(Exit::USAGE);
        }
        let mut source =
            Source::new(&read_receipt(&self.receipt)?, &self.file_name(), &self.profiles.expectation()?)?;
        if self.run_key.is_some() {
            source.open_invocation(&read_salt_key(self.run_key.as_deref())?)?;
        }
        if let Some(folder) = &self.outputs {
            for (path, bytes) in read_outputs(folder)? {
                if let Err(error) = source.add_file(&path, &bytes) {
                    eprintln!("error: {error}");
                    return Ok(Exit::OPENING);
                }
            }
        }
        let text = document_text(&self.document(&source)?);
        self.put(text.as_bytes())?;
        Ok(Exit::OK)
    }

    fn document(&self, source: &Source) -> Result<serde_json::Value> {
        let Some(key) = &self.key else {
            return Ok(match self.format {
                Target::InToto => statement(source),
                Target::Prov => prov_document(source),
                Target::RoCrate => ro_crate_metadata(source),
            });
        };
        let shown = || format!("{}", key.display());
        let key = ExportKey::from_pem(&read_secret_text(key)?).with_context(shown)?;
        Ok(envelope(IN_TOTO_TYPE, document_text(&statement(source)).as_bytes(), &key))
    }

    fn put(&self, text: &[u8]) -> Result<()> {
        let Some(path) = &self.output else { return Ok(std::io::stdout().write_all(text)?) };
        let place = || format!("{}: nothing is overwritten", path.display());
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).with_context(place)?;
        file.write_all(text).with_context(|| format!("{}", path.display()))
    }

    fn file_name(&self) -> String {
        let name = self.receipt.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}
