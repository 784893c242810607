//! What an auditor remembers of a log between two audits: its key and the last checkpoint that held. Without it, a log can
//! show a different past every day.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use brizo_receipt::log::{Checkpoint, LogKey, Tree};
use serde::{Deserialize, Serialize};

/// The file of `--state`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    key: String,
    checkpoint: String,
}

impl State {
    pub(super) fn new(key: &LogKey, note: &str) -> Self {
        Self { key: key.to_string(), checkpoint: note.into() }
    }

    /// Reads the file; `None` before the first audit.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(
                serde_json::from_slice(&bytes)
                    .with_context(|| format!("{}: not the state of an audit", path.display()))?,
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{}", path.display())),
        }
    }

    /// The key of the last audit.
    pub(super) fn key(&self) -> Result<LogKey> {
        LogKey::parse(&self.key).map_err(|e| anyhow!("the state's key was damaged: {e}"))
    }

    /// The tree of the last audit, if this is the same log.
    pub(super) fn tree(&self, key: &LogKey) -> Result<Tree> {
        if self.key != key.to_string() {
            bail!(
                "the state is of the log {}, asked is {key}; use another --state file for another log",
                self.key
            );
        }
        let checkpoint = Checkpoint::verify(&self.checkpoint, key);
        // Not as an error of the log: this file is the auditor's own.
        Ok(checkpoint.map_err(|e| anyhow!("the state's checkpoint was damaged: {e}"))?.tree)
    }

    /// Writes what the log signed before and now into a file of its own; one that is there already stays, for it is evidence, too.
    pub(super) fn write_evidence(&self, path: &Path, key: &LogKey, now: &str, why: &str) -> Result<()> {
        let evidence = serde_json::json!({
            "logKey": key, "contradiction": why, "before": self.checkpoint, "now": now,
        });
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        std::io::Write::write_all(&mut file, &serde_json::to_vec_pretty(&evidence)?)?;
        file.sync_all().with_context(|| format!("{}", path.display()))
    }

    /// Puts the file in its place at once, so that a crash leaves the old one or the new one.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        let write = || {
            let mut file = std::fs::File::create(&new)?;
            std::io::Write::write_all(&mut file, &serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        };
        write().with_context(|| format!("{}", path.display()))
    }
}
