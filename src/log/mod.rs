//! The transparency log as files (`docs/RECEIPT.md` §14): tiles and bundles made from the database's rows, and a checkpoint
//! signed over them. The rows are the log. Everything in the folder but the key can be made again from them, and is
//! compared with them at the start: a log that was signed is never contradicted by the next signature.
//!
//! Blocking; knows neither the database nor HTTP. Rows come from a [`Rows`].

mod edge;
mod folder;
mod signer;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use brizo_receipt::B256;
use brizo_receipt::log::{
    Checkpoint, ENTRY_BYTES, Frontier, LogKey, LogMember, ReadError, TilePath, Tree, inclusion_proof, root_at,
};

use edge::Edge;
use folder::Folder;
use signer::Signer;

/// Where the key is, in the data folder.
const KEY_FILE: &str = "log.key";

/// Rows that are held at a time.
const BATCH: u64 = 1024;

/// What can go wrong with the log's files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The key's file is not one.
    #[error("{path}: {text}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong, and how to mend it. Never the key.
        text: String,
    },
    /// The log is known to contradict its own past, so nothing more is signed.
    #[error("nothing more is signed: {0}. Put the right copy of data_dir back and start again")]
    Halted(String),
    /// The signature cannot be made.
    #[error("the checkpoint cannot be signed: {0}")]
    Signing(String),
    /// The checkpoint on disk is not one of this log.
    #[error(
        "{path} is damaged or another log's ({source}); if the database is whole, move this file away: \
         it is made again from the database"
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: brizo_receipt::Error,
    },
    /// The database does not have all that was signed.
    #[error(
        "the log was signed with {signed} entries, the database has {rows}: it is an older copy. Put the newest copy \
         back; a log that goes on from here would contradict what it signed"
    )]
    Behind {
        /// Entries under the last checkpoint.
        signed: u64,
        /// Entries in the database.
        rows: u64,
    },
    /// The database has another past than the one that was signed.
    #[error(
        "the first {size} entries of the database have the root {found}, the log was signed with {signed}: the database \
         is not the one that was signed. Put the right copy back; a log that goes on from here would contradict what it signed"
    )]
    Contradiction {
        /// Entries under the last checkpoint.
        size: u64,
        /// Root that the rows give.
        found: B256,
        /// Root that was signed.
        signed: B256,
    },
    /// The rows cannot be read.
    #[error("the log's rows cannot be read: {0}")]
    Rows(String),
    /// The tiles on disk do not give a proof.
    #[error("no proof can be made: {0}")]
    Proof(#[from] ReadError),
}

/// Result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// Where entries come from: all of them durable, and never changed again.
pub trait Rows {
    /// Number of entries.
    ///
    /// # Errors
    /// What kept them from being counted.
    fn size(&self) -> std::result::Result<u64, String>;

    /// Entries from a position on, `limit` at most and at least one if there is one.
    ///
    /// # Errors
    /// What kept them from being read.
    fn read(&self, from: u64, limit: u64) -> std::result::Result<Vec<[u8; ENTRY_BYTES]>, String>;
}

/// A checkpoint that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The tree under it.
    pub tree: Tree,
    /// The signed note.
    pub note: String,
}

/// The log of this provider: one writer, any number of readers.
#[derive(Debug)]
pub struct Log {
    folder: Folder,
    signer: Signer,
    /// As of the last checkpoint; `None` before the first. A failure leaves it as it is.
    edge: Mutex<Option<Edge>>,
    published: RwLock<Published>,
    /// Why nothing is signed any more.
    halted: OnceLock<String>,
}

/// The key with which others check the log of `data_dir`; made now if the log has never been opened.
///
/// # Errors
/// [`Error::Key`] and [`Error::File`].
pub fn own_key(data_dir: &Path, origin: &str) -> Result<LogKey> {
    Ok(Signer::open(&data_dir.join(KEY_FILE), origin)?.key().clone())
}

impl Log {
    /// Opens the log in `data_dir`, compares what was signed with the rows, makes again what is missing or torn, and
    /// signs what is new.
    ///
    /// # Errors
    /// [`Error::Behind`] and [`Error::Contradiction`] before anything is written; then of files and rows.
    pub fn open(data_dir: &Path, origin: &str, rows: &impl Rows) -> Result<Self> {
        let signer = Signer::open(&data_dir.join(KEY_FILE), origin)?;
        let folder = Folder::open(&data_dir.join("log"))?;
        let signed = folder.checkpoint()?;
        let published = match signed {
            None => Published { tree: Tree::EMPTY, note: String::new() },
            Some(note) => {
                let read = Checkpoint::verify(&note, signer.key())
                    .map_err(|source| Error::Checkpoint { path: folder.checkpoint_path(), source })?;
                Published { tree: read.tree, note }
            }
        };
        let (edge, published) = (Mutex::new(None), RwLock::new(published));
        let log = Self { folder, signer, edge, published, halted: OnceLock::new() };
        log.advance(rows)?;
        Ok(log)
    }

    /// Signs nothing from now on, because what was signed elsewhere shows another past.
    pub fn halt(&self, why: String) {
        // The first reason is the one to mend.
        let _ = self.halted.set(why);
    }

    /// Takes in new rows and signs a checkpoint over them. Returns whether there were any.
    ///
    /// # Errors
    /// Of files and rows; the next call then begins again at the last checkpoint, and reads no row before it: a full disk
    /// would have the whole log read at every look.
    pub fn advance(&self, rows: &impl Rows) -> Result<bool> {
        if let Some(why) = self.halted.get() {
            return Err(Error::Halted(why.clone()));
        }
        let size = rows.size().map_err(Error::Rows)?;
        let mut held = self.edge.lock().unwrap_or_else(PoisonError::into_inner);
        let published = self.published();
        if held.is_some() && size == published.tree.size {
            return Ok(false);
        }
        // A copy, so that a failure leaves nothing half done behind.
        let mut edge = match &*held {
            Some(edge) => edge.clone(),
            None => held.insert(self.replay(&published.tree, size, rows)?).clone(),
        };
        for_each(rows, edge.size(), size, |entry| edge.push(entry, &self.folder))?;
        edge.write_partial(&self.folder)?;
        let tree = edge.tree();
        let new = tree != published.tree || published.note.is_empty();
        if new {
            self.publish(tree)?;
        }
        edge.forget_partial();
        *held = Some(edge);
        Ok(new)
    }

    /// The files under the last checkpoint, compared with the rows and mended.
    fn replay(&self, signed: &Tree, rows_size: u64, rows: &impl Rows) -> Result<Edge> {
        if rows_size < signed.size {
            return Err(Error::Behind { signed: signed.size, rows: rows_size });
        }
        // Nothing is written before the rows are known to be those that were signed.
        let mut past = Frontier::default();
        for_each(rows, 0, signed.size, |entry| {
            past.push(B256::new(tlog_tiles::record_hash(entry).0));
            Ok(())
        })?;
        let found = past.tree();
        if found != *signed {
            return Err(Error::Contradiction { size: signed.size, found: found.root, signed: signed.root });
        }
        let mut edge = Edge::default();
        for_each(rows, 0, signed.size, |entry| edge.push(entry, &self.folder))?;
        edge.write_partial(&self.folder)?;
        Ok(edge)
    }

    fn publish(&self, tree: Tree) -> Result<()> {
        let checkpoint = Checkpoint { origin: self.signer.key().origin().into(), tree };
        let note = self.signer.sign(&checkpoint)?;
        self.folder.put_checkpoint(&note)?;
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Published { tree, note };
        Ok(())
    }

    /// The newest checkpoint.
    #[must_use]
    pub fn published(&self) -> Published {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that checkpoints are checked with.
    #[must_use]
    pub fn key(&self) -> &LogKey {
        self.signer.key()
    }

    /// A tile or a bundle, as it is served; `None` when there is no such file.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn tile(&self, tile: TilePath) -> Result<Option<Vec<u8>>> {
        self.folder.tile(tile)
    }

    /// What a receipt at this position carries as its proof; `None` when no checkpoint covers it yet.
    ///
    /// # Errors
    /// [`Error::Proof`] when the tiles are damaged.
    pub fn member(&self, index: u64, logged_at: u64) -> Result<Option<LogMember>> {
        let Published { tree, note } = self.published();
        if index >= tree.size {
            return Ok(None);
        }
        let proof = inclusion_proof(&self.folder, &tree, index)?;
        Ok(Some(LogMember { index, logged_at, checkpoint: note, proof }))
    }

    /// The root that the log had with `size` entries, for a comparison with what was anchored.
    ///
    /// # Errors
    /// [`Error::Proof`] when the log has fewer entries, or damaged tiles.
    pub fn root_at(&self, size: u64) -> Result<B256> {
        Ok(root_at(&self.folder, &self.published().tree, size)?)
    }
}

/// Hands each row from `from` to `to` on, a batch in memory at a time.
fn for_each(
    rows: &impl Rows,
    from: u64,
    to: u64,
    mut each: impl FnMut(&[u8; ENTRY_BYTES]) -> Result<()>,
) -> Result<()> {
    let mut next = from;
    while next < to {
        let batch = rows.read(next, BATCH.min(to - next)).map_err(Error::Rows)?;
        if batch.is_empty() {
            return Err(Error::Rows(format!("{to} entries are counted, but there is none at {next}")));
        }
        for entry in &batch {
            each(entry)?;
        }
        next += batch.len() as u64;
    }
    Ok(())
}
