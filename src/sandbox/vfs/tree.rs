//! The tree: volumes, walking, making, changing and removing, and the count of what was written.

use std::collections::BTreeMap;

use super::path::{PATH_BYTES_MAX, parts};
use super::{Descriptor, Entry, Listing, Node, NodeId, NodeKind, Target, VfsError, VfsResult};
use crate::sandbox::InputFile;

/// Descriptors a guest may hold at once.
const DESCRIPTORS_MAX: usize = 1024;
const ROOT: NodeId = NodeId(0);

/// The volumes, in the order of their descriptors from 3 on.
const VOLUMES: [(&str, bool); 3] =
    [("/data/algorithm", false), ("/data/inputs", false), ("/data/outputs", true)];

/// A run's file system and its open descriptors.
#[derive(Debug)]
pub(in crate::sandbox) struct Vfs {
    nodes: Vec<Node>,
    /// Numbers of forgotten nodes, to be given again, so that making and removing files for ever costs no memory.
    free: Vec<NodeId>,
    descriptors: Vec<Option<Descriptor>>,
    volumes: [NodeId; 3],
    pub(in crate::sandbox) stdout: Vec<u8>,
    pub(in crate::sandbox) stderr: Vec<u8>,
    bytes: u64,
    bytes_limit: u64,
    files: u64,
    files_limit: u64,
}

/// Where a path leads: an existing node, or a free name in an existing folder.
#[derive(Debug)]
pub(in crate::sandbox) enum Found {
    There(NodeId),
    Free { folder: NodeId, name: String },
}

impl Vfs {
    /// The three volumes with their content; everything carries `start` as its time.
    ///
    /// # Errors
    /// `Exists` or `NotDirectory` when two input paths collide.
    pub(in crate::sandbox) fn new(
        algorithm: &[InputFile],
        inputs: &[InputFile],
        start: u64,
        bytes_limit: u64,
        files_limit: u64,
    ) -> VfsResult<Self> {
        let mut vfs = Self {
            nodes: Vec::new(),
            free: Vec::new(),
            descriptors: Vec::new(),
            volumes: [ROOT; 3],
            stdout: Vec::new(),
            stderr: Vec::new(),
            bytes: 0,
            bytes_limit,
            files: 0,
            files_limit,
        };
        vfs.descriptors =
            [(Target::Stdin, true, false), (Target::Stdout, false, true), (Target::Stderr, false, true)]
                .map(|(target, readable, writable)| Some(Descriptor::new(target, readable, writable)))
                .into();
        for (i, (path, writable)) in VOLUMES.into_iter().enumerate() {
            let id = vfs.push(NodeKind::Directory(BTreeMap::new()), None, String::new(), writable, start);
            vfs.volumes[i] = id;
            vfs.descriptors.push(Some(Descriptor {
                preopen: Some(path),
                ..Descriptor::new(Target::Node(id), true, writable)
            }));
        }
        vfs.mount(vfs.volumes[0], algorithm, start)?;
        vfs.mount(vfs.volumes[1], inputs, start)?;
        Ok(vfs)
    }

    fn mount(&mut self, volume: NodeId, files: &[InputFile], start: u64) -> VfsResult<()> {
        // Inode numbers must not depend on the order in which the host found the files.
        let mut sorted: Vec<_> = files.iter().collect();
        sorted.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        for file in sorted {
            let mut folder = volume;
            let (folders, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            for component in folders.split('/').filter(|part| !part.is_empty()) {
                folder = match self.child(folder, component)? {
                    Some(id) => id,
                    None => self.attach(folder, component, NodeKind::Directory(BTreeMap::new()), start)?,
                };
            }
            if self.child(folder, name)?.is_some() {
                return Err(VfsError::Exists);
            }
            self.attach(folder, name, NodeKind::Input(file.bytes.clone()), start)?;
        }
        Ok(())
    }

    /// A node.
    pub(in crate::sandbox) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    fn push(
        &mut self,
        kind: NodeKind,
        parent: Option<NodeId>,
        name: String,
        writable: bool,
        time: u64,
    ) -> NodeId {
        let id = self.free.pop().unwrap_or(NodeId(self.nodes.len() as u32));
        let parent = parent.unwrap_or(id);
        let node =
            Node { kind, parent, name, writable, modified: time, open: 0, linked: true, listing: None };
        match self.nodes.get_mut(id.0 as usize) {
            Some(place) => *place = node,
            None => self.nodes.push(node),
        }
        id
    }

    fn attach(&mut self, folder: NodeId, name: &str, kind: NodeKind, time: u64) -> VfsResult<NodeId> {
        let writable = self.node(folder).writable;
        let id = self.push(kind, Some(folder), name.to_string(), writable, time);
        self.children_mut(folder)?.insert(name.to_string(), id);
        Ok(id)
    }

    fn children(&self, id: NodeId) -> VfsResult<&BTreeMap<String, NodeId>> {
        match &self.node(id).kind {
            NodeKind::Directory(children) => Ok(children),
            _ => Err(VfsError::NotDirectory),
        }
    }

    fn children_mut(&mut self, id: NodeId) -> VfsResult<&mut BTreeMap<String, NodeId>> {
        let node = self.node_mut(id);
        node.listing = None;
        match &mut node.kind {
            NodeKind::Directory(children) => Ok(children),
            _ => Err(VfsError::NotDirectory),
        }
    }

    fn child(&self, folder: NodeId, name: &str) -> VfsResult<Option<NodeId>> {
        Ok(self.children(folder)?.get(name).copied())
    }

    /// Walks a path from an open folder.
    ///
    /// # Errors
    /// `Escape` when it leaves the folder, `NotFound` when a folder on the way is missing.
    pub(in crate::sandbox) fn walk(&self, from: NodeId, path: &str) -> VfsResult<Found> {
        let parts = parts(path)?;
        let mut trail = vec![from];
        let mut rest = parts.components.iter().peekable();
        while let Some(component) = rest.next() {
            let here = *trail.last().unwrap_or(&from);
            if *component == ".." {
                // One step above the start is outside, even if a later component would lead back in.
                self.children(here)?;
                trail.pop();
                if trail.is_empty() {
                    return Err(VfsError::Escape);
                }
                continue;
            }
            match self.child(here, component)? {
                Some(id) => trail.push(id),
                None if rest.peek().is_none() => {
                    return Ok(Found::Free { folder: here, name: (*component).to_string() });
                }
                None => return Err(VfsError::NotFound),
            }
        }
        let id = *trail.last().unwrap_or(&from);
        if parts.directory && !self.node(id).is_directory() {
            return Err(VfsError::NotDirectory);
        }
        Ok(Found::There(id))
    }

    /// Walks to something that must be there.
    pub(in crate::sandbox) fn find(&self, from: NodeId, path: &str) -> VfsResult<NodeId> {
        match self.walk(from, path)? {
            Found::There(id) => Ok(id),
            Found::Free { .. } => Err(VfsError::NotFound),
        }
    }

    /// Makes an empty file or folder under a free name.
    ///
    /// # Errors
    /// `ReadOnly`, `NameTooLong`, `NotFound` in a removed folder, `OutputLimit` when no more files were ordered.
    pub(in crate::sandbox) fn create(
        &mut self,
        folder: NodeId,
        name: &str,
        directory: bool,
        time: u64,
    ) -> VfsResult<NodeId> {
        let parent = self.node(folder);
        if !parent.writable {
            return Err(VfsError::ReadOnly);
        }
        if !parent.linked {
            return Err(VfsError::NotFound);
        }
        if self.path_length(folder) + 1 + name.len() > PATH_BYTES_MAX {
            return Err(VfsError::NameTooLong);
        }
        if self.files >= self.files_limit {
            return Err(VfsError::OutputLimit);
        }
        self.files += 1;
        self.node_mut(folder).modified = time;
        let kind =
            if directory { NodeKind::Directory(BTreeMap::new()) } else { NodeKind::Output(Vec::new()) };
        self.attach(folder, name, kind, time)
    }

    /// Bytes of a folder's path below its volume.
    fn path_length(&self, mut id: NodeId) -> usize {
        let mut length = 0;
        while !self.volumes.contains(&id) {
            length += 1 + self.node(id).name.len();
            id = self.node(id).parent;
        }
        length
    }

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
        if !bytes.is_empty() && end > self.node(id).len() {
            self.resize(id, end, time)?;
        }
        let node = self.node_mut(id);
        node.modified = time;
        let NodeKind::Output(content) = &mut node.kind else { return Err(VfsError::IsDirectory) };
        // `resize` has made the file at least this long, and both numbers are below the output limit.
        if let Some(place) = content.get_mut(position as usize..end as usize) {
            place.copy_from_slice(bytes);
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
        if length > old {
            self.count(length - old)?;
        }
        let node = self.node_mut(id);
        let NodeKind::Output(content) = &mut node.kind else { return Err(VfsError::IsDirectory) };
        content.resize(length as usize, 0);
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

    fn count(&mut self, more: u64) -> VfsResult<()> {
        let bytes = self.bytes.checked_add(more).ok_or(VfsError::OutputLimit)?;
        if bytes > self.bytes_limit {
            return Err(VfsError::OutputLimit);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Files and folders that the guest has made.
    pub(in crate::sandbox) fn files(&self) -> u64 {
        self.files
    }

    /// Sets the time of the last change; the guest may do that for its own files.
    pub(in crate::sandbox) fn set_modified(&mut self, id: NodeId, time: u64) -> VfsResult<()> {
        let node = self.node_mut(id);
        if !node.writable {
            return Err(VfsError::ReadOnly);
        }
        node.modified = time;
        Ok(())
    }

    /// Removes a name. The bytes are given back once nothing holds the file open.
    ///
    /// # Errors
    /// `IsDirectory`/`NotDirectory` for the wrong sort, `NotEmpty`, `ReadOnly`, `Invalid` for a volume itself.
    pub(in crate::sandbox) fn remove(&mut self, from: NodeId, path: &str, directory: bool) -> VfsResult<()> {
        let id = self.find(from, path)?;
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

    fn unlink(&mut self, id: NodeId) -> VfsResult<()> {
        let (parent, name) = (self.node(id).parent, self.node(id).name.clone());
        self.children_mut(parent)?.remove(&name);
        self.node_mut(id).linked = false;
        self.files = self.files.saturating_sub(1);
        self.forget(id);
        Ok(())
    }

    /// Gives back the bytes of a file that has neither a name nor a descriptor.
    fn forget(&mut self, id: NodeId) {
        let node = self.node_mut(id);
        if node.linked || node.open > 0 {
            return;
        }
        let freed = node.len();
        node.kind = NodeKind::Output(Vec::new());
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
        let id = self.find(from, old)?;
        let target = self.walk(to, new)?;
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
        self.node_mut(id).parent = folder;
        self.node_mut(id).name = name;
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

    /// The listing of a folder: `.`, `..`, then its entries in byte order.
    pub(in crate::sandbox) fn list(&mut self, id: NodeId) -> VfsResult<Listing> {
        if let Some(listing) = &self.node(id).listing {
            return Ok(listing.clone());
        }
        // `..` of a volume shows the volume itself: nothing above it exists.
        let dots = [(".", id), ("..", self.node(id).parent)];
        let children = self.children(id)?.iter().map(|(name, id)| (name.as_str(), *id));
        let entry = |(name, id): (&str, NodeId)| Entry {
            name: name.to_string(),
            inode: id.inode(),
            directory: self.node(id).is_directory(),
        };
        let listing: Listing = dots.into_iter().chain(children).map(entry).collect();
        self.node_mut(id).listing = Some(listing.clone());
        Ok(listing)
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

    /// Files with their content and folders below `/data/outputs`, in byte order of their paths. Empties the volume.
    pub(in crate::sandbox) fn take_outputs(&mut self) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
        let (mut files, mut folders) = (BTreeMap::new(), Vec::new());
        let mut stack = vec![(String::new(), self.volumes[2])];
        while let Some((prefix, id)) = stack.pop() {
            let children = match self.children(id) {
                Ok(children) => children.clone(),
                Err(_) => continue,
            };
            for (name, child) in children {
                let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
                match &mut self.node_mut(child).kind {
                    NodeKind::Output(content) => {
                        files.insert(path, std::mem::take(content));
                    }
                    NodeKind::Input(_) => {}
                    NodeKind::Directory(_) => {
                        folders.push(path.clone());
                        stack.push((path, child));
                    }
                }
            }
        }
        folders.sort();
        (files, folders)
    }
}
