//! The tree: volumes, walking, making and listing. Content, names and open descriptors each have their own file.

mod content;
mod names;
mod table;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::path::{PATH_BYTES_MAX, parts};
use super::{Descriptor, Entry, Listed, Listing, Node, NodeId, NodeKind, Target, VfsError, VfsResult};
use crate::job::RUNTIME_FOLDER;
use crate::sandbox::written::Storage;
use crate::sandbox::{InputFile, Written};

const ROOT: NodeId = NodeId(0);
/// Entries of listings of folders that have changed since, which walks may hold together.
const LISTED_MAX: usize = 250_000;

/// The volumes, in the order of their descriptors from 3 on.
const VOLUMES: [(&str, bool); 3] =
    [("/data/algorithm", false), ("/data/inputs", false), ("/data/outputs", true)];

/// The first descriptors: what they lead to, whether it can be read, whether written.
const STREAMS: [(Target, bool, bool); 3] =
    [(Target::Stdin, true, false), (Target::Stdout, false, true), (Target::Stderr, false, true)];

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
    storage: Storage,
    /// Entries of all listings that somebody holds.
    listed: Arc<AtomicUsize>,
    /// Whether the host failed to keep or to read what was written: then there is no claim.
    failed: AtomicBool,
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
    /// A file system without volumes.
    pub(in crate::sandbox) fn empty() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
            descriptors: Vec::new(),
            volumes: [ROOT; 3],
            stdout: Vec::new(),
            stderr: Vec::new(),
            storage: Storage::default(),
            listed: Arc::default(),
            failed: AtomicBool::new(false),
            bytes: 0,
            bytes_limit: 0,
            files: 0,
            files_limit: 0,
        }
    }

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
        let mut vfs = Self { bytes_limit, files_limit, ..Self::empty() };
        // Streams, volumes and a root, made at once: starting a run is mostly making things.
        vfs.descriptors.reserve_exact(STREAMS.len() + VOLUMES.len() + 1);
        vfs.nodes.reserve(VOLUMES.len() + algorithm.len() + inputs.len());
        for (target, readable, writable) in STREAMS {
            vfs.descriptors.push(Some(Descriptor::new(target, readable, writable)));
        }
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
        if let Some(id) = vfs.child(vfs.volumes[0], RUNTIME_FOLDER)?
            && vfs.node(id).is_directory()
        {
            // Interpreters look for their libraries where they were built to.
            let root = Descriptor { preopen: Some("/"), ..Descriptor::new(Target::Node(id), true, false) };
            vfs.descriptors.push(Some(root));
        }
        Ok(vfs)
    }

    /// Keeps what is beyond some memory in a nameless file in this folder.
    #[must_use]
    pub(in crate::sandbox) fn with_scratch(mut self, folder: Option<PathBuf>) -> Self {
        self.storage = Storage::new(folder);
        self
    }

    /// Whether the host failed to keep or to read what was written.
    pub(in crate::sandbox) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// As much of a part of a file as there is.
    ///
    /// # Errors
    /// `HostDisk`; the run is over then.
    pub(in crate::sandbox) fn part(
        &self,
        id: NodeId,
        position: u64,
        length: u64,
    ) -> VfsResult<Cow<'_, [u8]>> {
        self.node(id).part(position, length).inspect_err(|_| self.failed.store(true, Ordering::Relaxed))
    }

    /// Fills `to` from a place in a file, whatever keeps it: nothing of it is held beside. `to` must not reach beyond the end.
    ///
    /// # Errors
    /// `HostDisk`; the run is over then.
    pub(in crate::sandbox) fn fill(&self, id: NodeId, position: u64, to: &mut [u8]) -> VfsResult<()> {
        self.node(id).fill(position, to).inspect_err(|_| self.failed.store(true, Ordering::Relaxed))
    }

    /// The three streams and no open volume, for tests.
    #[cfg(test)]
    pub(in crate::sandbox) fn of_streams(start: u64) -> VfsResult<Self> {
        let mut vfs = Self::new(&[], &[], start, 1 << 24, 1 << 12)?;
        vfs.descriptors.truncate(3);
        Ok(vfs)
    }

    /// One writable volume with files in it, for tests that bring their own tree.
    ///
    /// # Errors
    /// As for the content's operations.
    #[cfg(test)]
    pub(in crate::sandbox) fn of_one_volume(
        path: &'static str,
        folders: &[String],
        files: &BTreeMap<String, Vec<u8>>,
        start: u64,
    ) -> VfsResult<Self> {
        let mut vfs = Self::of_streams(start)?;
        let id = vfs.volumes[2];
        let preopen = Descriptor { preopen: Some(path), ..Descriptor::new(Target::Node(id), true, true) };
        vfs.descriptors.push(Some(preopen));
        let place = |vfs: &Self, path: &str| match vfs.walk(id, path)? {
            Found::Free { folder, name } => Ok((folder, name)),
            Found::There(_) => Err(VfsError::Exists),
        };
        for path in folders {
            let (folder, name) = place(&vfs, path)?;
            vfs.create(folder, &name, true, start)?;
        }
        for (path, content) in files {
            let (folder, name) = place(&vfs, path)?;
            let file = vfs.create(folder, &name, false, start)?;
            vfs.write(file, 0, content, start)?;
        }
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
        let node = Node {
            kind,
            parent,
            name,
            writable,
            accessed: time,
            modified: time,
            open: 0,
            linked: true,
            listing: None,
        };
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
        let kind = if directory {
            NodeKind::Directory(BTreeMap::new())
        } else {
            NodeKind::Output(Written::default())
        };
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

    /// Bytes that count against the limit: files, removed files that are still open, and both streams.
    #[cfg(any(test, fuzzing))]
    pub(in crate::sandbox) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Files and folders that the guest has made.
    pub(in crate::sandbox) fn files(&self) -> u64 {
        self.files
    }

    /// Asks whether the guest may change a file or folder.
    ///
    /// # Errors
    /// `ReadOnly`.
    pub(in crate::sandbox) fn check_writable(&self, id: NodeId) -> VfsResult<()> {
        if self.node(id).writable { Ok(()) } else { Err(VfsError::ReadOnly) }
    }

    /// Sets the times of access and of the last change, where given; the guest may do that for its own files.
    ///
    /// # Errors
    /// `ReadOnly`.
    pub(in crate::sandbox) fn set_times(
        &mut self,
        id: NodeId,
        accessed: Option<u64>,
        modified: Option<u64>,
    ) -> VfsResult<()> {
        self.check_writable(id)?;
        let node = self.node_mut(id);
        node.accessed = accessed.unwrap_or(node.accessed);
        node.modified = modified.unwrap_or(node.modified);
        Ok(())
    }

    /// The listing of a folder: `.`, `..`, then its entries in byte order.
    ///
    /// # Errors
    /// `NotDirectory`; `TooManyOpen` when too many listings of folders that have changed since are held.
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
        // Folders keep their own listings, of which all together have three entries for each node at most.
        if self.listed.load(Ordering::Relaxed) > LISTED_MAX + 3 * self.nodes.len() {
            return Err(VfsError::TooManyOpen);
        }
        let listing = Listed::new(dots.into_iter().chain(children).map(entry).collect(), &self.listed);
        self.node_mut(id).listing = Some(listing.clone());
        Ok(listing)
    }

    /// Files with their content and folders below `/data/outputs`, in byte order of their paths. Empties the volume.
    pub(in crate::sandbox) fn take_outputs(&mut self) -> (BTreeMap<String, Written>, Vec<String>) {
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
