//! `brizo compile-worker`: the child that compiles a module. Started by `brizo` itself.

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Exit;
use crate::sandbox::{Backend, CompileWork, Error, Kind};

/// Compile the module on standard input to standard output, within ceilings. For brizo's own use.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct CompileWorker {
    #[arg(long, value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::word)))]
    kind: String,
    #[arg(long, value_parser = PossibleValuesParser::new(Backend::ALL.map(Backend::word)))]
    backend: String,
    /// Processor seconds, all threads together.
    #[arg(long)]
    cpu_seconds: u64,
    /// Bytes of memory.
    #[arg(long)]
    memory_bytes: u64,
    /// Process id of whoever asks; without that process nothing is done.
    #[arg(long)]
    parent: u32,
}

impl CompileWorker {
    pub(super) fn run(self) -> Result<Exit> {
        // The parser took only words of these lists.
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == self.kind).unwrap_or(Kind::Core);
        let backend = Backend::ALL.into_iter().find(|backend| backend.word() == self.backend);
        let Self { cpu_seconds, memory_bytes, parent, .. } = self;
        let backend = backend.unwrap_or_default();
        match (CompileWork { kind, backend, cpu_seconds, memory_bytes, parent }.run()) {
            Err(Error::Compile(text)) => {
                eprintln!("{text}");
                Ok(Exit::REFUSED)
            }
            other => other.map(|()| Exit::OK).map_err(Into::into),
        }
    }
}
