//! Data: blobs by their digest, and data sets taken in from a publisher's folder.
//!
//! A file is read once, at ingest, through `cap-std`, so that no name in it can lead outside; from then on it is a blob
//! that is verified whenever a run maps it, or at the rate that the owner chose.

mod archive;
mod backup;
mod blobs;
mod collect;
mod ingest;
mod known;
mod mocks;
mod planned;
mod recent;
mod room;
mod sweep;
mod uploads;

pub use archive::{BadArchive, FILES_MAX, pack, unpack};
pub use backup::Copied;
pub use blobs::{BlobFile, BlobStore, Mapped, NewBlob};
pub use collect::{Item, zip};
pub use ingest::ingest;
pub use known::Known;
pub use mocks::{Mock, Mocks};
pub use planned::{Entry, Plan};
pub use room::{NoRoom, Room};
pub use sweep::Swept;
pub use uploads::{BadUpload, Piece, Received, Uploads};

use std::path::PathBuf;

/// What can go wrong with data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused to read or write a file.
    #[error("{path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Something in a data set cannot be taken in.
    #[error("{path:?} in the data set {why}")]
    Refused {
        /// Path below the data set.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A data set has no files.
    #[error("{0} holds no files")]
    Empty(PathBuf),
    /// A blob is missing or has been changed since it was taken in.
    #[error("the stored bytes of {digest} are {what}; publish the data set again")]
    Damaged {
        /// The blob.
        digest: brizo_receipt::B256,
        /// Missing or changed.
        what: &'static str,
    },
}

impl Error {
    /// Whether there was no room on the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if room::is_full(source))
    }

    /// Whether the disk can only be read.
    #[must_use]
    pub fn is_unwritable(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem)
    }

    /// Stable machine-readable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "data_io",
            Self::Refused { .. } => "data_refused",
            Self::Empty(_) => "data_empty",
            Self::Damaged { .. } => "data_damaged",
        }
    }
}
