//! The one virtual file system behind every face of the sandbox.
//!
//! `/data/algorithm` and `/data/inputs` are read-only views of bytes that the host maps; `/data/outputs` lives in memory
//! and is counted at each write. Names are listed in byte order, inode numbers follow the order of creation, times come
//! from the virtual clock, links do not exist: two hosts cannot be told apart.

mod descriptor;
mod node;
mod path;
mod tree;

pub(super) use descriptor::{Descriptor, Entry, Listed, Listing, Target};
pub(super) use node::{Node, NodeId, NodeKind};
pub(super) use tree::{Found, Vfs};

/// What can go wrong. The faces translate these into their own error numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VfsError {
    /// No such descriptor, or it is not of the right sort.
    BadDescriptor,
    /// The thing exists already.
    Exists,
    /// An argument makes no sense.
    Invalid,
    /// It is a folder.
    IsDirectory,
    /// A name is too long.
    NameTooLong,
    /// Nothing is there.
    NotFound,
    /// It is not a folder.
    NotDirectory,
    /// The folder is not empty.
    NotEmpty,
    /// The file system does not do this.
    NotSupported,
    /// The path leads out of the folder it started from.
    Escape,
    /// The volume is read-only.
    ReadOnly,
    /// The bytes are not UTF-8.
    IllegalBytes,
    /// Too many open descriptors.
    TooManyOpen,
    /// Ordered output bytes or files are used up; ends the run.
    OutputLimit,
    /// The host cannot keep what was written; ends the run without a claim.
    HostDisk,
}

/// Result of an operation.
pub(super) type VfsResult<T> = Result<T, VfsError>;

#[cfg(test)]
mod tests;
