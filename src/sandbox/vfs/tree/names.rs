//! Removing and renaming.

use super::{Found, Vfs};
use crate::sandbox::vfs::path::PATH_BYTES_MAX;
use crate::sandbox::vfs::{NodeId, NodeKind, VfsError, VfsResult};

impl Vfs {
    /// Removes a name. The bytes are given back once nothing holds the file open.
    ///
    /// # Errors
    /// `IsDirectory`/`NotDirectory` for the wrong sort, `NotEmpty`, `ReadOnly`, `Invalid` for a volume itself.
    pub(in crate::sandbox) fn remove(&mut self, from: NodeId, path: &str, directory: bool) -> VfsResult<()> {
        let id = self.named(from, path)?;
        let node = self.node(id);
        if !node.writable {
            return Err(VfsError::ReadOnly);
        }
        if node.parent == id {
            return Err(VfsError::Invalid);
        }
        match (&node.kind, directory) {
            (NodeKind::Directory(_), false) => return Err(VfsError::IsDirectory),
            (NodeKind::Directory(children), true) if !children.is_empty() => return Err(VfsError::NotEmpty),
            (NodeKind::Directory(_), true) | (_, false) => {}
            (_, true) => return Err(VfsError::NotDirectory),
        }
        self.unlink(id)
    }

    /// The thing that a name leads to. `.` and `..` are no names, and what was removed has none, although a descriptor of
    /// it still finds it under `.`.
    fn named(&self, from: NodeId, path: &str) -> VfsResult<NodeId> {
        if matches!(path.trim_end_matches('/').rsplit('/').next(), Some("." | "..")) {
            return Err(VfsError::Invalid);
        }
        let id = self.find(from, path)?;
        if self.node(id).linked { Ok(id) } else { Err(VfsError::NotFound) }
    }

    fn unlink(&mut self, id: NodeId) -> VfsResult<()> {
        let (parent, name) = (self.node(id).parent, self.node(id).name.clone());
        self.children_mut(parent)?.remove(&name);
        self.node_mut(id).linked = false;
        self.files = self.files.saturating_sub(1);
        self.forget(id);
        Ok(())
    }

    /// Gives back the bytes of a file that has neither a name nor a descriptor.
    pub(super) fn forget(&mut self, id: NodeId) {
        let node = self.node_mut(id);
        if node.linked || node.open > 0 {
            return;
        }
        let freed = node.len();
        if let NodeKind::Output(written) = &mut node.kind {
            let written = std::mem::take(written);
            self.storage.forget(written);
        }
        self.bytes -= freed;
        self.free.push(id);
    }

    /// Moves a file or folder to another name, replacing what is there as POSIX `rename` does.
    ///
    /// # Errors
    /// `ReadOnly`, `Invalid` when a folder would come to lie inside itself, `NotEmpty`, `IsDirectory`, `NotDirectory`.
    pub(in crate::sandbox) fn rename(
        &mut self,
        (from, old): (NodeId, &str),
        (to, new): (NodeId, &str),
        time: u64,
    ) -> VfsResult<()> {
        let id = self.named(from, old)?;
        let target = self.walk(to, new)?;
        if matches!(target, Found::There(_)) {
            self.named(to, new)?;
        } else if (new.ends_with('/') || new.ends_with("/.")) && !self.node(id).is_directory() {
            return Err(VfsError::NotDirectory);
        }
        if !self.node(id).writable {
            return Err(VfsError::ReadOnly);
        }
        if self.node(id).parent == id {
            return Err(VfsError::Invalid);
        }
        let (folder, name) = match target {
            Found::There(there) if there == id => return Ok(()),
            Found::There(there) => {
                let name = self.replace(id, there)?;
                (self.node(there).parent, name)
            }
            Found::Free { folder, name } => (folder, name),
        };
        self.check_new_place(id, folder, &name)?;
        if let Found::There(there) = self.walk(to, new)? {
            self.unlink(there)?;
        }
        let (parent, old_name) = (self.node(id).parent, self.node(id).name.clone());
        self.children_mut(parent)?.remove(&old_name);
        self.children_mut(folder)?.insert(name.clone(), id);
        let node = self.node_mut(id);
        node.parent = folder;
        node.name = name;
        // Its listing shows the folder above it.
        node.listing = None;
        self.node_mut(folder).modified = time;
        Ok(())
    }

    /// Whether `id` may take the place of `there`; returns the name of that place.
    fn replace(&self, id: NodeId, there: NodeId) -> VfsResult<String> {
        let parent = self.node(there).parent;
        if parent == there {
            return Err(VfsError::Invalid);
        }
        match (&self.node(id).kind, &self.node(there).kind) {
            (NodeKind::Directory(_), NodeKind::Directory(children)) if !children.is_empty() => {
                return Err(VfsError::NotEmpty);
            }
            (NodeKind::Directory(_), NodeKind::Directory(_)) => {}
            (NodeKind::Directory(_), _) => return Err(VfsError::NotDirectory),
            (_, NodeKind::Directory(_)) => return Err(VfsError::IsDirectory),
            _ => {}
        }
        Ok(self.node(there).name.clone())
    }

    fn check_new_place(&self, id: NodeId, folder: NodeId, name: &str) -> VfsResult<()> {
        let place = self.node(folder);
        if !place.writable {
            return Err(VfsError::ReadOnly);
        }
        if !place.linked {
            return Err(VfsError::NotFound);
        }
        let mut above = folder;
        loop {
            if above == id {
                return Err(VfsError::Invalid);
            }
            let parent = self.node(above).parent;
            if parent == above {
                break;
            }
            above = parent;
        }
        if self.path_length(folder) + 1 + name.len() + self.deepest(id) > PATH_BYTES_MAX {
            return Err(VfsError::NameTooLong);
        }
        Ok(())
    }

    /// Bytes of the longest path below a node.
    fn deepest(&self, id: NodeId) -> usize {
        let mut longest = 0;
        let mut stack = vec![(id, 0)];
        while let Some((id, length)) = stack.pop() {
            longest = longest.max(length);
            if let Ok(children) = self.children(id) {
                stack.extend(children.iter().map(|(name, child)| (*child, length + 1 + name.len())));
            }
        }
        longest
    }
}
