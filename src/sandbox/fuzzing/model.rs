//! A plain file system to compare with: a table of whole paths, counted anew each time. Slow, and short enough to be read.

use std::collections::BTreeMap;

use crate::sandbox::vfs::{Target, VfsError, VfsResult};

const PATH_BYTES_MAX: usize = 4096;
const NAME_BYTES_MAX: usize = 255;
const DESCRIPTORS_MAX: u32 = 1024;

/// The only volume that can be written.
const OUTPUTS: &str = "/outputs";

/// A file or folder, by the order of creation.
pub(super) type Id = u64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Folder,
    File(Vec<u8>),
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) content: Content,
    pub(super) accessed: u64,
    pub(super) modified: u64,
    writable: bool,
}

/// What a descriptor leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    Stream(Target),
    /// Something that was opened, or a volume.
    Object(Id),
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    There(Id),
    Free { folder: Id, name: String },
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) objects: BTreeMap<Id, Object>,
    /// Absolute paths, `/outputs/a/b`.
    names: BTreeMap<String, Id>,
    pub(super) open: BTreeMap<u32, Open>,
    pub(super) streams: [Vec<u8>; 2],
    next: Id,
    bytes_limit: u64,
    files_limit: u64,
}

impl Model {
    pub(super) fn new(inputs: &[(&str, &[u8])], start: u64, bytes_limit: u64, files_limit: u64) -> Self {
        let mut model = Self {
            objects: BTreeMap::new(),
            names: BTreeMap::new(),
            open: BTreeMap::new(),
            streams: [Vec::new(), Vec::new()],
            next: 0,
            bytes_limit,
            files_limit,
        };
        for (fd, stream) in (0..).zip([Target::Stdin, Target::Stdout, Target::Stderr]) {
            model.open.insert(fd, Open::Stream(stream));
        }
        for (fd, volume) in (3..).zip(["/algorithm", "/inputs", OUTPUTS]) {
            let id = model.add(volume, Content::Folder, volume == OUTPUTS, start);
            model.open.insert(fd, Open::Object(id));
        }
        for (path, content) in inputs {
            let path = format!("/inputs/{path}");
            let folder = above(&path);
            if !model.names.contains_key(folder) {
                model.add(folder, Content::Folder, false, start);
            }
            model.add(&path, Content::File(content.to_vec()), false, start);
        }
        model
    }

    fn add(&mut self, path: &str, content: Content, writable: bool, time: u64) -> Id {
        self.next += 1;
        self.objects.insert(self.next, Object { content, accessed: time, modified: time, writable });
        self.names.insert(path.to_owned(), self.next);
        self.next
    }

    /// The path of something that has one.
    pub(super) fn path(&self, id: Id) -> Option<&str> {
        self.names.iter().find(|(_, named)| **named == id).map(|(path, _)| path.as_str())
    }

    fn is_folder(&self, id: Id) -> bool {
        self.objects[&id].content == Content::Folder
    }

    pub(super) fn length(&self, id: Id) -> u64 {
        match &self.objects[&id].content {
            Content::Folder => 0,
            Content::File(bytes) => bytes.len() as u64,
        }
    }

    /// Everything below a path, with the slash in front.
    fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, Id)> {
        let inside = move |(name, id): (&'a String, &Id)| {
            name.strip_prefix(path).filter(|rest| rest.starts_with('/')).map(|rest| (rest, *id))
        };
        self.names.iter().filter_map(inside)
    }

    /// Bytes that count: of what has a name or is open, and of the streams.
    pub(super) fn bytes(&self) -> u64 {
        let files = self.objects.iter().filter(|(_, object)| object.writable).map(|(id, _)| self.length(*id));
        files.sum::<u64>() + self.streams.iter().map(|stream| stream.len() as u64).sum::<u64>()
    }

    /// Files and folders that were made and have a name.
    pub(super) fn files(&self) -> u64 {
        self.below(OUTPUTS).count() as u64
    }

    /// What neither has a name nor is open is gone.
    fn sweep(&mut self) {
        let (names, open) = (&self.names, &self.open);
        self.objects.retain(|id, _| {
            names.values().any(|named| named == id) || open.values().any(|open| *open == Open::Object(*id))
        });
    }

    /// Follows a path from a folder, by its text.
    pub(super) fn walk(&self, from: Id, path: &str) -> VfsResult<Place> {
        let parts = components(path)?;
        let means_folder = path.ends_with('/') || matches!(path.rsplit('/').next(), Some("." | ".."));
        let (mut here, mut depth) = (from, 0);
        for (index, part) in parts.iter().enumerate() {
            if !self.is_folder(here) {
                return Err(VfsError::NotDirectory);
            }
            if *part == ".." {
                if depth == 0 {
                    return Err(VfsError::Escape);
                }
                depth -= 1;
                here = self.names[above(self.path(here).unwrap())];
                continue;
            }
            let found = self.path(here).and_then(|path| self.names.get(&format!("{path}/{part}")));
            match found {
                Some(id) => (here, depth) = (*id, depth + 1),
                None if index + 1 == parts.len() => {
                    return Ok(Place::Free { folder: here, name: (*part).to_owned() });
                }
                None => return Err(VfsError::NotFound),
            }
        }
        if means_folder && !self.is_folder(here) {
            Err(VfsError::NotDirectory)
        } else {
            Ok(Place::There(here))
        }
    }

    fn writable(&self, id: Id) -> VfsResult<()> {
        if self.objects[&id].writable { Ok(()) } else { Err(VfsError::ReadOnly) }
    }

    pub(super) fn create(&mut self, folder: Id, name: &str, directory: bool, time: u64) -> VfsResult<Id> {
        self.writable(folder)?;
        let path = self.path(folder).ok_or(VfsError::NotFound)?;
        let path = format!("{path}/{name}");
        if path.len() - OUTPUTS.len() > PATH_BYTES_MAX {
            return Err(VfsError::NameTooLong);
        }
        if self.files() >= self.files_limit {
            return Err(VfsError::OutputLimit);
        }
        self.objects.get_mut(&folder).unwrap().modified = time;
        let content = if directory { Content::Folder } else { Content::File(Vec::new()) };
        Ok(self.add(&path, content, true, time))
    }

    /// Gives a file new content, if there is room for it.
    fn replace(&mut self, id: Id, time: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let object = self.objects.get_mut(&id).unwrap();
        if let Content::File(bytes) = &mut object.content {
            change(bytes);
        }
        object.modified = time;
    }

    fn room(&self, id: Id, length: u64) -> VfsResult<()> {
        let after = u128::from(self.bytes()) + u128::from(length.saturating_sub(self.length(id)));
        if after > u128::from(self.bytes_limit) { Err(VfsError::OutputLimit) } else { Ok(()) }
    }

    pub(super) fn write(&mut self, id: Id, at: u64, bytes: &[u8], time: u64) -> VfsResult<()> {
        self.writable(id)?;
        let end = at.checked_add(bytes.len() as u64).ok_or(VfsError::OutputLimit)?;
        if self.is_folder(id) {
            return Err(VfsError::IsDirectory);
        }
        let reached = if bytes.is_empty() { 0 } else { end };
        self.room(id, reached)?;
        self.replace(id, time, |content| {
            if reached > content.len() as u64 {
                content.resize(reached as usize, 0);
            }
            for (place, byte) in content.iter_mut().skip(at.min(usize::MAX as u64) as usize).zip(bytes) {
                *place = *byte;
            }
        });
        Ok(())
    }

    pub(super) fn resize(&mut self, id: Id, length: u64, time: u64) -> VfsResult<()> {
        self.writable(id)?;
        if self.is_folder(id) {
            return Err(VfsError::IsDirectory);
        }
        self.room(id, length)?;
        self.replace(id, time, |content| content.resize(length as usize, 0));
        Ok(())
    }

    pub(super) fn append(&mut self, stream: usize, bytes: &[u8]) -> VfsResult<()> {
        if self.bytes() + bytes.len() as u64 > self.bytes_limit {
            return Err(VfsError::OutputLimit);
        }
        self.streams[stream].extend_from_slice(bytes);
        Ok(())
    }

    /// Something with a name of its own, which `.` and `..` are not.
    fn named(&self, from: Id, path: &str) -> VfsResult<Id> {
        if matches!(path.trim_end_matches('/').rsplit('/').next(), Some("." | "..")) {
            return Err(VfsError::Invalid);
        }
        match self.walk(from, path)? {
            Place::There(id) => Ok(id),
            Place::Free { .. } => Err(VfsError::NotFound),
        }
    }

    fn is_empty(&self, id: Id) -> bool {
        self.below(self.path(id).unwrap()).next().is_none()
    }

    pub(super) fn remove(&mut self, from: Id, path: &str, directory: bool) -> VfsResult<()> {
        let id = self.named(from, path)?;
        self.writable(id)?;
        match (self.is_folder(id), directory) {
            (true, false) => return Err(VfsError::IsDirectory),
            (false, true) => return Err(VfsError::NotDirectory),
            (true, true) if !self.is_empty(id) => return Err(VfsError::NotEmpty),
            _ => {}
        }
        self.names.retain(|_, named| *named != id);
        self.sweep();
        Ok(())
    }

    pub(super) fn rename(&mut self, old: (Id, &str), new: (Id, &str), time: u64) -> VfsResult<()> {
        let id = self.named(old.0, old.1)?;
        let (folder, name, there) = match self.walk(new.0, new.1)? {
            Place::There(there) => {
                self.named(new.0, new.1)?;
                let path = self.path(there).unwrap();
                let name = path.rsplit('/').next().unwrap().to_owned();
                (self.names[above(path)], name, Some(there))
            }
            Place::Free { .. } if !self.is_folder(id) && promises(new.1) => {
                return Err(VfsError::NotDirectory);
            }
            Place::Free { folder, name } => (folder, name, None),
        };
        self.writable(id)?;
        if there == Some(id) {
            return Ok(());
        }
        match there.map(|there| (self.is_folder(id), self.is_folder(there), self.is_empty(there))) {
            Some((true, true, false)) => return Err(VfsError::NotEmpty),
            Some((true, false, _)) => return Err(VfsError::NotDirectory),
            Some((false, true, _)) => return Err(VfsError::IsDirectory),
            _ => {}
        }
        self.writable(folder)?;
        let from = self.path(id).unwrap().to_owned();
        let to = format!("{}/{name}", self.path(folder).ok_or(VfsError::NotFound)?);
        if to.starts_with(&format!("{from}/")) {
            return Err(VfsError::Invalid);
        }
        let longest = self.below(&from).map(|(rest, _)| rest.len()).max().unwrap_or(0);
        if to.len() + longest - OUTPUTS.len() > PATH_BYTES_MAX {
            return Err(VfsError::NameTooLong);
        }
        self.names.remove(&to);
        let moved: Vec<_> = self.below(&from).map(|(rest, id)| (rest.to_owned(), id)).collect();
        for (rest, id) in moved.into_iter().chain([(String::new(), id)]) {
            self.names.remove(&format!("{from}{rest}"));
            self.names.insert(format!("{to}{rest}"), id);
        }
        self.objects.get_mut(&folder).unwrap().modified = time;
        self.sweep();
        Ok(())
    }

    pub(super) fn set_times(
        &mut self,
        id: Id,
        accessed: Option<u64>,
        modified: Option<u64>,
    ) -> VfsResult<()> {
        self.writable(id)?;
        let object = self.objects.get_mut(&id).unwrap();
        object.accessed = accessed.unwrap_or(object.accessed);
        object.modified = modified.unwrap_or(object.modified);
        Ok(())
    }

    pub(super) fn open(&mut self, id: Id) -> VfsResult<u32> {
        let free = (0..DESCRIPTORS_MAX).find(|fd| !self.open.contains_key(fd));
        let fd = free.ok_or(VfsError::TooManyOpen)?;
        self.open.insert(fd, Open::Object(id));
        Ok(fd)
    }

    pub(super) fn close(&mut self, fd: u32) -> VfsResult<()> {
        self.open.remove(&fd).ok_or(VfsError::BadDescriptor)?;
        self.sweep();
        Ok(())
    }

    pub(super) fn renumber(&mut self, from: u32, to: u32) -> VfsResult<()> {
        if !self.open.contains_key(&to) {
            return Err(VfsError::BadDescriptor);
        }
        let open = self.open.remove(&from).ok_or(VfsError::BadDescriptor)?;
        self.open.insert(to, open);
        self.sweep();
        Ok(())
    }

    /// Names and what they lead to, in byte order; what `..` shows is not known once a folder has no path.
    pub(super) fn list(&self, id: Id) -> VfsResult<Vec<(String, Option<Id>)>> {
        if !self.is_folder(id) {
            return Err(VfsError::NotDirectory);
        }
        let path = self.path(id);
        let parent = path.and_then(|path| {
            if above(path).is_empty() { Some(id) } else { self.names.get(above(path)).copied() }
        });
        let mut listing = vec![(".".to_owned(), Some(id)), ("..".to_owned(), parent)];
        let inside = path.into_iter().flat_map(|path| self.below(path));
        let mut children: Vec<_> = inside
            .filter(|(rest, _)| !rest[1..].contains('/'))
            .map(|(rest, id)| (rest[1..].to_owned(), Some(id)))
            .collect();
        children.sort();
        listing.extend(children);
        Ok(listing)
    }

    /// Files and folders below the volume of outputs.
    pub(super) fn outputs(&self) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
        let (mut files, mut folders) = (BTreeMap::new(), Vec::new());
        for (rest, id) in self.below(OUTPUTS) {
            match &self.objects[&id].content {
                Content::Folder => folders.push(rest[1..].to_owned()),
                Content::File(bytes) => {
                    files.insert(rest[1..].to_owned(), bytes.clone());
                }
            }
        }
        folders.sort();
        (files, folders)
    }
}

/// The path of the folder that something lies in; empty for a volume.
fn above(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

/// Whether a path says by its end that it means a folder.
fn promises(path: &str) -> bool {
    path.ends_with('/') || path.ends_with("/.")
}

fn components(path: &str) -> VfsResult<Vec<&str>> {
    match path {
        "" => return Err(VfsError::NotFound),
        _ if path.len() > PATH_BYTES_MAX => return Err(VfsError::NameTooLong),
        _ if path.starts_with('/') => return Err(VfsError::Escape),
        _ if path.contains('\0') || path.contains('\\') => return Err(VfsError::IllegalBytes),
        _ => {}
    }
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.iter().any(|part| part.len() > NAME_BYTES_MAX) { Err(VfsError::NameTooLong) } else { Ok(parts) }
}
