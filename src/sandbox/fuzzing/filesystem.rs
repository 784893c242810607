//! The file system against the plain one: random operations, and after each the same answer and the same content.

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Arbitrary, Result, Unstructured};

use super::model::{Content, Id, Model, Open, Place};
use crate::sandbox::vfs::{Found, NodeId, Target, Vfs, VfsError, VfsResult};
use crate::sandbox::{InputFile, Written};

const ACTS_MAX: usize = 200;
const START: u64 = 7;
const INPUTS: [(&str, &[u8]); 2] = [("a.csv", b"input"), ("sub/b.csv", b"more")];
/// What paths are made of.
const PARTS: [&str; 12] = ["a", "b", "c", "sub", "a.csv", ".", "..", "", "\u{e9}", "a\\b", "n\0", "b.csv"];

/// Something a guest may do; numbers are descriptors, sizes or times.
#[derive(Debug)]
enum Act {
    Open(u32, String),
    Create(u32, String, bool),
    Write(u32, u64, usize),
    Resize(u32, u64),
    Remove(u32, String, bool),
    Rename(u32, String, u32, String),
    Times(u32, Option<u64>, Option<u64>),
    Close(u32),
    Renumber(u32, u32),
    List(u32),
    Print(bool, usize),
    OpenAll,
    CheckRoom(u32, u64),
}

fn path(u: &mut Unstructured<'_>) -> Result<String> {
    let mut path = String::new();
    for _ in 0..u.int_in_range(1..=4)? {
        match u.int_in_range(0..=19)? {
            18 => path.push_str(&"x".repeat(u.int_in_range(200..=257)?)),
            19 => path.push_str(&format!("{}/", "y".repeat(200)).repeat(u.int_in_range(15..=21)?)),
            other => path.push_str(PARTS.get(other).copied().unwrap_or("a")),
        }
        if u.ratio(3, 4)? {
            path.push('/');
        }
    }
    if u.ratio(2, 3)? {
        path.truncate(path.trim_end_matches('/').len());
    }
    Ok(path)
}

fn size(u: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match u.int_in_range(0..=7)? {
        0 => u64::MAX,
        1 => u64::arbitrary(u)?,
        2 => 1 << 40,
        _ => u.int_in_range(0..=5000)?,
    })
}

fn act(u: &mut Unstructured<'_>) -> Result<Act> {
    let fd = |u: &mut Unstructured<'_>| u.int_in_range(0..=10u32);
    Ok(match u.int_in_range(0..=15)? {
        0 | 1 => Act::Open(fd(u)?, path(u)?),
        2 | 3 => Act::Create(fd(u)?, path(u)?, bool::arbitrary(u)?),
        4 => Act::Write(fd(u)?, size(u)?, u.int_in_range(0..=1500)?),
        5 => Act::Resize(fd(u)?, size(u)?),
        6 => Act::Remove(fd(u)?, path(u)?, bool::arbitrary(u)?),
        7 | 8 => Act::Rename(fd(u)?, path(u)?, fd(u)?, path(u)?),
        9 => Act::Times(fd(u)?, Option::arbitrary(u)?, Option::arbitrary(u)?),
        10 => Act::Close(fd(u)?),
        11 => Act::Renumber(fd(u)?, fd(u)?),
        12 | 13 => Act::List(fd(u)?),
        14 => Act::Print(bool::arbitrary(u)?, u.int_in_range(0..=800)?),
        _ if u.ratio(1, 8)? => Act::OpenAll,
        _ => Act::CheckRoom(fd(u)?, size(u)?),
    })
}

/// Both file systems, and which number of one is which of the other.
struct Pair {
    vfs: Vfs,
    model: Model,
    numbers: BTreeMap<Id, NodeId>,
    bytes_limit: u64,
}

/// Runs random operations.
pub fn filesystem(data: &[u8]) -> bool {
    let mut u = Unstructured::new(data);
    let (Ok(bytes_limit), Ok(files_limit)) = (u.int_in_range(0..=4000), u.int_in_range(0..=12)) else {
        return false;
    };
    let (mut pair, mut done) = (Pair::new(bytes_limit, files_limit), 0);
    for time in 1..=ACTS_MAX as u64 {
        if u.is_empty() {
            break;
        }
        let Ok(act) = act(&mut u) else { break };
        let said = format!("{act:?}");
        let (real, wanted) = pair.perform(act, START + time);
        done += usize::from(real.is_ok());
        assert_eq!(real, wanted, "left: the file system, right: the model, after {said}");
        pair.compare(&said);
    }
    pair.end();
    done > 5
}

impl Pair {
    fn new(bytes_limit: u64, files_limit: u64) -> Self {
        let input =
            |(path, bytes): (&str, &[u8])| InputFile { path: path.into(), bytes: Arc::new(bytes.to_vec()) };
        let vfs = Vfs::new(&[], &INPUTS.map(input), START, bytes_limit, files_limit).unwrap();
        let model = Model::new(&INPUTS, START, bytes_limit, files_limit);
        let mut pair = Self { vfs, model, numbers: BTreeMap::new(), bytes_limit };
        let volumes: Vec<_> = (3..6).filter_map(|fd| pair.both(fd).ok()).collect();
        pair.numbers.extend(volumes.iter().map(|(real, id)| (*id, *real)));
        for path in ["a.csv", "sub", "sub/b.csv"] {
            let (real, id) = volumes[1];
            let Ok(Place::There(id)) = pair.model.walk(id, path) else { panic!("no {path}") };
            pair.numbers.insert(id, pair.vfs.find(real, path).unwrap());
        }
        pair
    }

    /// What is behind a descriptor in both.
    fn both(&self, fd: u32) -> VfsResult<(NodeId, Id)> {
        let real = match self.vfs.descriptor(fd)?.target {
            Target::Node(id) => id,
            _ => return Err(VfsError::BadDescriptor),
        };
        match self.model.open.get(&fd) {
            Some(Open::Object(id)) => Ok((real, *id)),
            other => panic!("descriptor {fd} is {real:?} and {other:?}"),
        }
    }

    /// Walks in both, which must lead to the same place.
    fn walk(&self, fd: u32, path: &str) -> VfsResult<(Found, Place)> {
        let (real, id) = self.both(fd)?;
        match (self.vfs.walk(real, path), self.model.walk(id, path)) {
            (Ok(found), Ok(place)) => {
                match (&found, &place) {
                    (Found::There(real), Place::There(id)) => assert_eq!(*real, self.numbers[id], "{path}"),
                    (Found::Free { folder: real, name }, Place::Free { folder, name: wanted }) => {
                        assert_eq!((*real, name), (self.numbers[folder], wanted), "{path}");
                    }
                    _ => panic!("{path:?} leads to {found:?} and {place:?}"),
                }
                Ok((found, place))
            }
            (one, other) => {
                let one = one.map(|_| ());
                assert_eq!(one, other.map(|_| ()), "{path:?}");
                Err(one.unwrap_err())
            }
        }
    }

    fn open(&mut self, real: NodeId, id: Id) -> (VfsResult<u64>, VfsResult<u64>) {
        let opened = self.vfs.open(real, true, true, false);
        (opened.map(u64::from), self.model.open(id).map(u64::from))
    }

    /// Does the same in both.
    fn perform(&mut self, act: Act, time: u64) -> (VfsResult<u64>, VfsResult<u64>) {
        match self.attempt(act, time) {
            Ok((real, wanted)) => (real, wanted),
            // It ended before the two could differ.
            Err(error) => (Err(error), Err(error)),
        }
    }

    fn attempt(&mut self, act: Act, time: u64) -> VfsResult<(VfsResult<u64>, VfsResult<u64>)> {
        let nothing = |(real, wanted): (VfsResult<()>, VfsResult<()>)| (real.map(|()| 0), wanted.map(|()| 0));
        Ok(match act {
            Act::Open(fd, path) => match self.walk(fd, &path)? {
                (Found::There(real), Place::There(id)) => self.open(real, id),
                _ => return Err(VfsError::NotFound),
            },
            Act::Create(fd, path, folder) => match self.walk(fd, &path)? {
                (Found::Free { folder: real, name }, Place::Free { folder: id, .. }) => {
                    let made = self.vfs.create(real, &name, folder, time);
                    match (made, self.model.create(id, &name, folder, time)) {
                        (Ok(real), Ok(id)) => {
                            self.forget();
                            let twice = self.numbers.values().any(|used| *used == real);
                            assert!(!twice, "{real:?} is given twice");
                            self.numbers.insert(id, real);
                            self.open(real, id)
                        }
                        (real, wanted) => (real.map(|_| 0), wanted.map(|_| 0)),
                    }
                }
                _ => return Err(VfsError::Exists),
            },
            Act::Write(fd, at, length) => {
                let ((real, id), bytes) = (self.both(fd)?, vec![time as u8; length]);
                nothing((self.vfs.write(real, at, &bytes, time), self.model.write(id, at, &bytes, time)))
            }
            Act::Resize(fd, length) => {
                let (real, id) = self.both(fd)?;
                nothing((self.vfs.resize(real, length, time), self.model.resize(id, length, time)))
            }
            Act::Remove(fd, path, folder) => {
                let (real, id) = self.both(fd)?;
                nothing((self.vfs.remove(real, &path, folder), self.model.remove(id, &path, folder)))
            }
            Act::Rename(from, old, to, new) => {
                let ((real, id), (real_to, id_to)) = (self.both(from)?, self.both(to)?);
                let done = self.vfs.rename((real, &old), (real_to, &new), time);
                nothing((done, self.model.rename((id, &old), (id_to, &new), time)))
            }
            Act::Times(fd, accessed, modified) => {
                let (real, id) = self.both(fd)?;
                let done = self.vfs.set_times(real, accessed, modified);
                nothing((done, self.model.set_times(id, accessed, modified)))
            }
            Act::Close(fd) => nothing((self.vfs.close(fd), self.model.close(fd))),
            Act::Renumber(from, to) => nothing((self.vfs.renumber(from, to), self.model.renumber(from, to))),
            Act::List(fd) => self.list(fd)?,
            Act::Print(err, length) => {
                let (stream, bytes) =
                    (if err { Target::Stderr } else { Target::Stdout }, vec![time as u8; length]);
                nothing((self.vfs.append(stream, &bytes), self.model.append(usize::from(err), &bytes)))
            }
            Act::OpenAll => self.open_all()?,
            Act::CheckRoom(fd, end) => {
                let (real, id) = self.both(fd)?;
                let more = end.saturating_sub(self.model.length(id));
                let fits = more <= self.bytes_limit - self.model.bytes();
                let wanted = if fits { Ok(()) } else { Err(VfsError::OutputLimit) };
                nothing((self.vfs.check_room(real, end), wanted))
            }
        })
    }

    /// Opens the volume until one of them refuses.
    fn open_all(&mut self) -> VfsResult<(VfsResult<u64>, VfsResult<u64>)> {
        let (real, id) = self.both(5)?;
        loop {
            let opened = self.open(real, id);
            if opened.0.is_err() || opened.0 != opened.1 {
                return Ok(opened);
            }
        }
    }

    fn list(&mut self, fd: u32) -> VfsResult<(VfsResult<u64>, VfsResult<u64>)> {
        let (real, id) = self.both(fd)?;
        let (real, wanted) = (self.vfs.list(real), self.model.list(id));
        if let (Ok(real), Ok(wanted)) = (&real, &wanted) {
            let real_names: Vec<_> = real.iter().map(|entry| entry.name.as_str()).collect();
            let names: Vec<_> = wanted.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(real_names, names);
            for (entry, (name, id)) in real.iter().zip(wanted) {
                let Some(id) = id else { continue };
                let folder = self.model.objects[id].content == Content::Folder;
                assert_eq!((entry.inode, entry.directory), (self.numbers[id].inode(), folder), "{name}");
            }
        }
        Ok((real.map(|listing| listing.len() as u64), wanted.map(|listing| listing.len() as u64)))
    }

    /// Numbers of what is gone may be given again.
    fn forget(&mut self) {
        let objects = &self.model.objects;
        self.numbers.retain(|id, _| objects.contains_key(id));
    }

    /// Everything that can be seen without changing anything.
    fn compare(&mut self, said: &str) {
        self.forget();
        assert_eq!(
            (self.vfs.bytes(), self.vfs.files()),
            (self.model.bytes(), self.model.files()),
            "after {said}"
        );
        assert_eq!([&self.vfs.stdout, &self.vfs.stderr], [&self.model.streams[0], &self.model.streams[1]]);
        for (id, object) in &self.model.objects {
            let node = self.vfs.node(self.numbers[id]);
            let bytes = match &object.content {
                Content::Folder => &[][..],
                Content::File(bytes) => bytes,
            };
            assert_eq!(node.is_directory(), object.content == Content::Folder, "after {said}");
            assert!(
                node.len() == bytes.len() as u64
                    && *self.vfs.part(self.numbers[id], 0, u64::MAX).unwrap() == *bytes,
                "other content after {said}"
            );
            let times = (node.accessed, node.modified);
            assert_eq!(
                times,
                (object.accessed, object.modified),
                "times of {:?} after {said}",
                self.model.path(*id)
            );
        }
        for fd in (0..16).chain([1022, 1023, 1024, u32::MAX]) {
            match (self.vfs.descriptor(fd).map(|descriptor| descriptor.target), self.model.open.get(&fd)) {
                (Ok(Target::Node(real)), Some(Open::Object(id))) => {
                    assert_eq!(real, self.numbers[id], "{fd}")
                }
                (Ok(target), Some(Open::Stream(wanted))) => assert_eq!(target, *wanted, "{fd}"),
                (Err(VfsError::BadDescriptor), None) => {}
                (real, wanted) => panic!("descriptor {fd} is {real:?} and {wanted:?} after {said}"),
            }
        }
    }

    /// What a run leaves behind.
    fn end(mut self) {
        for fd in 0..1024 {
            assert_eq!(self.vfs.close(fd), self.model.close(fd), "{fd}");
        }
        self.compare("everything is closed");
        let (files, folders) = self.model.outputs();
        let left = files.iter().map(|(path, bytes)| (path.clone(), Written::from(bytes.clone()))).collect();
        assert_eq!(self.vfs.take_outputs(), (left, folders.clone()));
        assert!(self.model.bytes() <= self.bytes_limit);
        for path in files.keys().chain(&folders) {
            assert!(brizo_receipt::check_path(path).is_ok(), "{path:?} cannot stand in a manifest");
        }
    }
}
