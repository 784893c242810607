//! Nodes: files and folders. Their number is their identity, given in the order of creation.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Listing, VfsError, VfsResult};
use crate::sandbox::{Bytes, Written};

/// Index of a node in its file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sandbox) struct NodeId(pub(super) u32);

impl NodeId {
    /// Inode number that the guest sees.
    pub(in crate::sandbox) fn inode(self) -> u64 {
        u64::from(self.0) + 1
    }
}

/// A file or folder.
#[derive(Debug)]
pub(in crate::sandbox) struct Node {
    pub(in crate::sandbox) kind: NodeKind,
    /// The folder above; a volume is its own.
    pub(super) parent: NodeId,
    /// Its name in the folder above; empty for a volume.
    pub(super) name: String,
    /// Whether the guest may change it and what is below it.
    pub(super) writable: bool,
    /// Virtual nanoseconds since 1970-01-01 UTC of creation, or what the guest set; reading does not change it.
    pub(in crate::sandbox) accessed: u64,
    /// The same of creation or last change.
    pub(in crate::sandbox) modified: u64,
    /// Open descriptors; the bytes of a removed file are given back when the last one closes.
    pub(super) open: u32,
    /// Whether a name leads here.
    pub(super) linked: bool,
    /// The last listing of a folder, until it changes; shared by all who walk through it.
    pub(super) listing: Option<Listing>,
}

/// What a node is.
pub(in crate::sandbox) enum NodeKind {
    /// A folder with its children in byte order of their names.
    Directory(BTreeMap<String, NodeId>),
    /// Bytes that the host maps.
    Input(Bytes),
    /// Bytes that the guest wrote.
    Output(Written),
}

impl std::fmt::Debug for NodeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(children) => write!(f, "Directory({})", children.len()),
            Self::Input(bytes) => write!(f, "Input({} bytes)", (**bytes).as_ref().len()),
            Self::Output(bytes) => write!(f, "Output({} bytes)", bytes.len()),
        }
    }
}

impl Node {
    pub(in crate::sandbox) fn is_directory(&self) -> bool {
        matches!(self.kind, NodeKind::Directory(_))
    }

    /// As much of a part of a file as there is; nothing of a folder.
    ///
    /// # Errors
    /// `HostDisk` where the host cannot read what the guest wrote.
    pub(super) fn part(&self, position: u64, length: u64) -> VfsResult<Cow<'_, [u8]>> {
        match &self.kind {
            NodeKind::Directory(_) => Ok(Cow::Borrowed(&[])),
            NodeKind::Input(bytes) => {
                let bytes = (**bytes).as_ref();
                let from = position.min(bytes.len() as u64);
                let to = position.saturating_add(length).min(bytes.len() as u64);
                Ok(Cow::Borrowed(&bytes[from as usize..to as usize]))
            }
            NodeKind::Output(written) => written.part(position, length).map_err(|_| VfsError::HostDisk),
        }
    }

    /// Fills `to` from a place on, all of which must be there.
    ///
    /// # Errors
    /// `HostDisk` where the host cannot read what the guest wrote.
    pub(super) fn fill(&self, position: u64, to: &mut [u8]) -> VfsResult<()> {
        match &self.kind {
            NodeKind::Output(written) => written.fill(position, to).map_err(|_| VfsError::HostDisk),
            _ => {
                let part = self.part(position, to.len() as u64)?;
                to.get_mut(..part.len()).ok_or(VfsError::Invalid)?.copy_from_slice(&part);
                Ok(())
            }
        }
    }

    /// Length of a file in bytes; 0 for a folder.
    pub(in crate::sandbox) fn len(&self) -> u64 {
        match &self.kind {
            NodeKind::Directory(_) => 0,
            NodeKind::Input(bytes) => (**bytes).as_ref().len() as u64,
            NodeKind::Output(written) => written.len(),
        }
    }
}
