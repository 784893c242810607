//! `brizo log`: a provider's transparency log, from outside.

mod audit;
mod bounds;
mod state;

use anyhow::Result;
use brizo_receipt::log::{CHECKPOINT_BYTES_MAX, Checkpoint, Fetch, FetchError, LogKey, ReadError};
use clap::{Args, Subcommand};

use super::{Exit, Usage};
use crate::client::Files;
use bounds::{Bounds, Budget, FEW_FILES};
use state::State;

/// Look at a provider's transparency log, and audit it.
#[derive(Debug, Subcommand)]
pub(super) enum Log {
    /// Print the key that a log serves. Compare it with what you know from elsewhere before you trust it.
    Key(Source),
    /// Print a log's newest checkpoint, once its signature is checked.
    Checkpoint(Source),
    Audit(audit::Audit),
}

/// Where a log is, and whose.
#[derive(Debug, Clone, Args)]
pub(super) struct Source {
    /// URL of the provider, or of its log (ending in /log).
    url: String,
    /// The log's key, as `brizo log key` prints it. [default: the one it serves, which proves nothing about who it is]
    #[arg(long)]
    key: Option<String>,
}

/// Something that is needed for a verdict cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreachable(pub(super) String);

/// A log over HTTP. Blocking: for a thread of its own within the runtime.
#[derive(Debug)]
struct Remote {
    url: String,
    files: Files,
    runtime: tokio::runtime::Handle,
    budget: Budget,
}

impl Fetch for Remote {
    fn fetch(&self, path: &str, max: usize) -> std::result::Result<Vec<u8>, FetchError> {
        self.runtime.block_on(self.budget.get(&self.files, path, max))
    }
}

impl Source {
    fn remote(&self, bounds: Bounds) -> Result<Remote> {
        let url = self.url.trim_end_matches('/');
        let base = if url.ends_with("/log") { url.to_string() } else { format!("{url}/log") };
        let runtime = tokio::runtime::Handle::current();
        Ok(Remote { files: Files::new(&base)?, url: base, runtime, budget: bounds.begin() })
    }

    /// The key that was given, or the one that the last audit saw: a log keeps its key, so another one is not asked for. Else the
    /// one that it serves.
    fn key_since(&self, remote: &Remote, before: Option<&State>) -> Result<LogKey> {
        match before.filter(|_| self.key.is_none()) {
            Some(before) => before.key(),
            None => self.key(remote),
        }
    }

    /// The key that was given, or the one that the log serves.
    fn key(&self, remote: &Remote) -> Result<LogKey> {
        if let Some(text) = &self.key {
            // A key that was mistyped says nothing about the log.
            return Ok(LogKey::parse(text.trim()).map_err(|e| Usage(format!("--key: {e}")))?);
        }
        Ok(LogKey::parse(text(remote, "key", 4096)?.trim_end_matches('\n'))?)
    }
}

/// A small text file that every log has. What is not there is no log, or no log any more: a wrong URL accuses nobody.
fn text(remote: &Remote, path: &str, max: usize) -> Result<String> {
    let bytes = remote.fetch(path, max).map_err(|error| match error {
        FetchError::Missing(path) => {
            Unreachable(format!("there is no {path} of a log at {}: is the URL right?", remote.url)).into()
        }
        FetchError::TooLong { .. } => brizo_receipt::Error::Checkpoint(error.to_string()).into(),
        error => read_error(error),
    })?;
    let bad = |_| brizo_receipt::Error::Checkpoint(format!("{path} is not text"));
    Ok(String::from_utf8(bytes).map_err(bad)?)
}

/// A log that cannot be asked leaves the question open; one that answers wrongly does not.
fn read_error(error: impl Into<ReadError>) -> anyhow::Error {
    match error.into() {
        ReadError::Tree(error) => error.into(),
        ReadError::Fetch(FetchError::Missing(path)) => {
            brizo_receipt::Error::LogProof(format!("the log does not have {path}, which its size demands"))
                .into()
        }
        ReadError::Fetch(error @ FetchError::TooLong { .. }) => {
            brizo_receipt::Error::LogProof(error.to_string()).into()
        }
        ReadError::Fetch(FetchError::Failed(why)) => Unreachable(why).into(),
    }
}

/// The newest checkpoint and its note.
fn newest(remote: &Remote, key: &LogKey) -> Result<(Checkpoint, String)> {
    let note = text(remote, "checkpoint", CHECKPOINT_BYTES_MAX)?;
    Ok((Checkpoint::verify(&note, key)?, note))
}

impl Log {
    pub(super) async fn run(self) -> Result<Exit> {
        tokio::task::spawn_blocking(move || match self {
            Self::Key(source) => {
                println!("{}", source.key(&source.remote(FEW_FILES)?)?);
                Ok(Exit::OK)
            }
            Self::Checkpoint(source) => {
                let remote = source.remote(FEW_FILES)?;
                print!("{}", newest(&remote, &source.key(&remote)?)?.1);
                Ok(Exit::OK)
            }
            Self::Audit(audit) => audit.run(),
        })
        .await?
    }
}
