//! Descriptors: what a guest holds open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::NodeId;

/// What a descriptor leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Target {
    /// Standard input: always at its end.
    Stdin,
    /// Standard output, captured.
    Stdout,
    /// Standard error, captured.
    Stderr,
    /// A file or folder.
    Node(NodeId),
}

/// An open file, folder or stream.
#[derive(Debug)]
pub(in crate::sandbox) struct Descriptor {
    pub(in crate::sandbox) target: Target,
    /// Position of the next read or write.
    pub(in crate::sandbox) position: u64,
    pub(in crate::sandbox) readable: bool,
    pub(in crate::sandbox) writable: bool,
    pub(in crate::sandbox) append: bool,
    /// Flags to show again to whoever set them, in the face's own numbers; they mean nothing here.
    pub(in crate::sandbox) flags: u32,
    /// Rights that the guest gave up, for this descriptor and for what is opened through it, in the face's own numbers.
    pub(in crate::sandbox) given_up: [u64; 2],
    /// The guest path of a volume that is open from the start.
    pub(in crate::sandbox) preopen: Option<&'static str>,
    /// The listing that a walk through a folder goes on with; taken when the walk starts, so that removing entries
    /// in between skips none.
    pub(in crate::sandbox) listing: Option<Listing>,
}

/// A folder's content at one moment, for whoever holds it.
pub(in crate::sandbox) type Listing = Arc<Listed>;

/// Entries that are counted as long as anybody holds them: a folder changes, and the listings of walks through it stay.
#[derive(Debug)]
pub(in crate::sandbox) struct Listed {
    entries: Box<[Entry]>,
    held: Arc<AtomicUsize>,
}

impl Listed {
    /// `held` counts the entries of all listings of a run.
    pub(super) fn new(entries: Box<[Entry]>, held: &Arc<AtomicUsize>) -> Listing {
        held.fetch_add(entries.len(), Ordering::Relaxed);
        Arc::new(Self { entries, held: Arc::clone(held) })
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.held.fetch_sub(self.entries.len(), Ordering::Relaxed);
    }
}

impl std::ops::Deref for Listed {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        &self.entries
    }
}

/// One line of a listing.
#[derive(Debug)]
pub(in crate::sandbox) struct Entry {
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) inode: u64,
    pub(in crate::sandbox) directory: bool,
}

impl Descriptor {
    pub(super) fn new(target: Target, readable: bool, writable: bool) -> Self {
        Self {
            target,
            position: 0,
            readable,
            writable,
            append: false,
            flags: 0,
            given_up: [0; 2],
            preopen: None,
            listing: None,
        }
    }
}
