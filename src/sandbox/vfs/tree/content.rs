//! Writing, and the count of what was written.

use std::sync::atomic::Ordering;

use super::Vfs;
use crate::sandbox::vfs::{NodeId, NodeKind, Target, VfsError, VfsResult};
use crate::sandbox::written::Storage;

impl Vfs {
    /// Writes bytes into a file at a position, filling a gap with zeros. Returns nothing less than everything.
    ///
    /// # Errors
    /// `ReadOnly`, `IsDirectory`, `OutputLimit` (and then nothing is written).
    pub(in crate::sandbox) fn write(
        &mut self,
        id: NodeId,
        position: u64,
        bytes: &[u8],
        time: u64,
    ) -> VfsResult<()> {
        if !self.node(id).writable {
            return Err(VfsError::ReadOnly);
        }
        let end = position.checked_add(bytes.len() as u64).ok_or(VfsError::OutputLimit)?;
        if self.node(id).is_directory() {
            return Err(VfsError::IsDirectory);
        }
        if !bytes.is_empty() && end > self.node(id).len() {
            self.resize(id, end, time)?;
        }
        let node = &mut self.nodes[id.0 as usize];
        node.modified = time;
        let NodeKind::Output(written) = &mut node.kind else { return Err(VfsError::IsDirectory) };
        // `resize` has made the file at least this long, and both numbers are below the output limit.
        if Storage::write(written, position, bytes).is_err() {
            return Err(self.broken());
        }
        Ok(())
    }

    /// Sets the length of a file, with zeros at its end where it grows.
    ///
    /// # Errors
    /// As for [`Vfs::write`].
    pub(in crate::sandbox) fn resize(&mut self, id: NodeId, length: u64, time: u64) -> VfsResult<()> {
        let (writable, old) = (self.node(id).writable, self.node(id).len());
        if !writable {
            return Err(VfsError::ReadOnly);
        }
        if self.node(id).is_directory() {
            return Err(VfsError::IsDirectory);
        }
        if length > old {
            self.count(length - old)?;
        }
        let node = &mut self.nodes[id.0 as usize];
        let NodeKind::Output(written) = &mut node.kind else { return Err(VfsError::IsDirectory) };
        if self.storage.resize(written, length).is_err() {
            return Err(self.broken());
        }
        node.modified = time;
        self.bytes -= old.saturating_sub(length);
        Ok(())
    }

    /// Appends to a captured stream.
    ///
    /// # Errors
    /// `OutputLimit`, `BadDescriptor` for standard input.
    pub(in crate::sandbox) fn append(&mut self, stream: Target, bytes: &[u8]) -> VfsResult<()> {
        self.count(bytes.len() as u64)?;
        match stream {
            Target::Stdout => self.stdout.extend_from_slice(bytes),
            Target::Stderr => self.stderr.extend_from_slice(bytes),
            _ => return Err(VfsError::BadDescriptor),
        }
        Ok(())
    }

    /// Asks whether a file may reach a length, before anybody pays for filling it.
    ///
    /// # Errors
    /// `OutputLimit`.
    pub(in crate::sandbox) fn check_room(&self, id: NodeId, end: u64) -> VfsResult<()> {
        let more = end.saturating_sub(self.node(id).len());
        if more > self.bytes_limit - self.bytes { Err(VfsError::OutputLimit) } else { Ok(()) }
    }

    /// The host cannot go on with this run.
    fn broken(&mut self) -> VfsError {
        self.failed.store(true, Ordering::Relaxed);
        VfsError::HostDisk
    }

    fn count(&mut self, more: u64) -> VfsResult<()> {
        let bytes = self.bytes.checked_add(more).ok_or(VfsError::OutputLimit)?;
        if bytes > self.bytes_limit {
            return Err(VfsError::OutputLimit);
        }
        self.bytes = bytes;
        Ok(())
    }
}
