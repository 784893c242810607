//! The table of open descriptors.

use super::Vfs;
use crate::sandbox::vfs::{Descriptor, NodeId, Target, VfsError, VfsResult};

/// Descriptors a guest may hold at once.
const DESCRIPTORS_MAX: usize = 1024;

impl Vfs {
    /// Asks whether another descriptor can be opened, before anything is made or cut off for it.
    ///
    /// # Errors
    /// `TooManyOpen`.
    pub(in crate::sandbox) fn check_can_open(&self) -> VfsResult<()> {
        let full = self.descriptors.len() >= DESCRIPTORS_MAX && self.descriptors.iter().all(Option::is_some);
        if full { Err(VfsError::TooManyOpen) } else { Ok(()) }
    }

    /// Opens a node under the lowest free number.
    ///
    /// # Errors
    /// `TooManyOpen`.
    pub(in crate::sandbox) fn open(
        &mut self,
        id: NodeId,
        readable: bool,
        writable: bool,
        append: bool,
    ) -> VfsResult<u32> {
        let free = self.descriptors.iter().position(Option::is_none).unwrap_or(self.descriptors.len());
        if free >= DESCRIPTORS_MAX {
            return Err(VfsError::TooManyOpen);
        }
        let descriptor = Descriptor { append, ..Descriptor::new(Target::Node(id), readable, writable) };
        if free == self.descriptors.len() {
            self.descriptors.push(None);
        }
        self.descriptors[free] = Some(descriptor);
        self.node_mut(id).open += 1;
        Ok(free as u32)
    }

    /// An open descriptor.
    ///
    /// # Errors
    /// `BadDescriptor`.
    pub(in crate::sandbox) fn descriptor(&self, fd: u32) -> VfsResult<&Descriptor> {
        self.descriptors.get(fd as usize).and_then(Option::as_ref).ok_or(VfsError::BadDescriptor)
    }

    /// An open descriptor, to be changed.
    ///
    /// # Errors
    /// `BadDescriptor`.
    pub(in crate::sandbox) fn descriptor_mut(&mut self, fd: u32) -> VfsResult<&mut Descriptor> {
        self.descriptors.get_mut(fd as usize).and_then(Option::as_mut).ok_or(VfsError::BadDescriptor)
    }

    /// Closes a descriptor.
    ///
    /// # Errors
    /// `BadDescriptor`.
    pub(in crate::sandbox) fn close(&mut self, fd: u32) -> VfsResult<()> {
        let place = self.descriptors.get_mut(fd as usize).ok_or(VfsError::BadDescriptor)?;
        let closed = place.take().ok_or(VfsError::BadDescriptor)?;
        if let (Target::Node(id), None) = (closed.target, closed.preopen) {
            self.node_mut(id).open -= 1;
            self.forget(id);
        }
        Ok(())
    }

    /// Moves a descriptor to another number, closing what was there.
    ///
    /// # Errors
    /// `BadDescriptor` when either is not open (WASI does not create numbers).
    pub(in crate::sandbox) fn renumber(&mut self, from: u32, to: u32) -> VfsResult<()> {
        self.descriptor(from)?;
        self.descriptor(to)?;
        if from != to {
            self.close(to)?;
            self.descriptors.swap(from as usize, to as usize);
        }
        Ok(())
    }
}
