//! The file system under random use: no operation panics, and what is counted is what is there.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::sandbox::InputFile;

const BYTES_MAX: u64 = 4_000;
const FILES_MAX: u64 = 12;

fn vfs() -> Vfs {
    let input = |path: &str| InputFile { path: path.into(), bytes: Arc::new(b"input".to_vec()) };
    Vfs::new(&[], &[input("a.csv"), input("sub/b.csv")], 7, BYTES_MAX, FILES_MAX).unwrap()
}

/// Something a guest may do; numbers are descriptors, paths or sizes.
#[derive(Debug, Clone)]
enum Act {
    Open(u32, String),
    Create(u32, String, bool),
    Write(u32, u64, usize),
    Resize(u32, u64),
    Remove(u32, String, bool),
    Rename(u32, String, u32, String),
    Close(u32),
    Renumber(u32, u32),
    List(u32),
    Print(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let path = "(\\.\\./|\\./|[abc]/){0,3}([abc]|\\.|\\.\\.|a\\.csv|sub)/?";
    let fd = 0u32..9;
    prop_oneof![
        (fd.clone(), path).prop_map(|(fd, path)| Act::Open(fd, path)),
        (fd.clone(), path, any::<bool>()).prop_map(|(fd, path, folder)| Act::Create(fd, path, folder)),
        (fd.clone(), prop_oneof![0u64..3000, Just(u64::MAX), Just(1 << 40)], 0usize..1500)
            .prop_map(|(fd, at, length)| Act::Write(fd, at, length)),
        (fd.clone(), prop_oneof![0u64..5000, Just(u64::MAX)]).prop_map(|(fd, size)| Act::Resize(fd, size)),
        (fd.clone(), path, any::<bool>()).prop_map(|(fd, path, folder)| Act::Remove(fd, path, folder)),
        (fd.clone(), path, fd.clone(), path).prop_map(|(from, old, to, new)| Act::Rename(from, old, to, new)),
        fd.clone().prop_map(Act::Close),
        (fd.clone(), fd.clone()).prop_map(|(from, to)| Act::Renumber(from, to)),
        fd.prop_map(Act::List),
        (0usize..800).prop_map(Act::Print),
    ]
}

fn node(vfs: &Vfs, fd: u32) -> VfsResult<NodeId> {
    match vfs.descriptor(fd)?.target {
        Target::Node(id) => Ok(id),
        _ => Err(VfsError::BadDescriptor),
    }
}

fn perform(vfs: &mut Vfs, act: Act) -> VfsResult<()> {
    match act {
        Act::Open(fd, path) => {
            let id = vfs.find(node(vfs, fd)?, &path)?;
            vfs.open(id, true, true, false).map(|_| ())
        }
        Act::Create(fd, path, folder) => match vfs.walk(node(vfs, fd)?, &path)? {
            Found::There(_) => Err(VfsError::Exists),
            Found::Free { folder: parent, name } => {
                let id = vfs.create(parent, &name, folder, 9)?;
                vfs.open(id, true, true, false).map(|_| ())
            }
        },
        Act::Write(fd, at, length) => vfs.write(node(vfs, fd)?, at, &vec![1; length], 9),
        Act::Resize(fd, size) => vfs.resize(node(vfs, fd)?, size, 9),
        Act::Remove(fd, path, folder) => vfs.remove(node(vfs, fd)?, &path, folder),
        Act::Rename(from, old, to, new) => vfs.rename((node(vfs, from)?, &old), (node(vfs, to)?, &new), 9),
        Act::Close(fd) => vfs.close(fd),
        Act::Renumber(from, to) => vfs.renumber(from, to),
        Act::List(fd) => vfs.list(node(vfs, fd)?).map(|_| ()),
        Act::Print(length) => vfs.append(Target::Stdout, &vec![1; length]),
    }
}

proptest! {
    #[test]
    fn any_sequence_of_acts_keeps_the_books(acts in proptest::collection::vec(act(), 1..120)) {
        let mut vfs = vfs();
        for act in acts {
            // Any refusal is fine; a panic or a wrong count is not.
            let _ = perform(&mut vfs, act);
            prop_assert!(vfs.files() <= FILES_MAX);
        }
        // With everything closed, only what has a name still counts.
        for fd in 0..200 {
            let _ = vfs.close(fd);
        }
        let (counted, files) = (vfs.bytes(), vfs.files());
        let stdout = vfs.stdout.len() as u64;
        let (outputs, folders) = vfs.take_outputs();
        let there: u64 = outputs.values().map(|bytes| bytes.len()).sum();
        prop_assert_eq!(counted, there + stdout);
        prop_assert_eq!(files, (outputs.len() + folders.len()) as u64);
        prop_assert!(counted <= BYTES_MAX);
        for path in outputs.keys().chain(&folders) {
            prop_assert!(brizo_receipt::check_path(path).is_ok(), "{}", path);
        }
    }
}

#[test]
fn a_folder_cannot_be_moved_into_itself() {
    let mut vfs = vfs();
    let outputs = node(&vfs, 5).unwrap();
    let a = vfs.create(outputs, "a", true, 9).unwrap();
    vfs.create(a, "b", true, 9).unwrap();
    assert_eq!(vfs.rename((outputs, "a"), (outputs, "a/b/c"), 9), Err(VfsError::Invalid));
    assert_eq!(vfs.rename((outputs, "a"), (outputs, "c"), 9), Ok(()));
    assert!(vfs.find(outputs, "c/b").is_ok());
}

#[test]
fn removed_names_give_their_numbers_back_only_when_closed() {
    let mut vfs = vfs();
    let outputs = node(&vfs, 5).unwrap();
    let first = vfs.create(outputs, "a", false, 9).unwrap();
    let fd = vfs.open(first, true, true, false).unwrap();
    vfs.write(first, 0, b"abc", 9).unwrap();
    vfs.remove(outputs, "a", false).unwrap();
    let second = vfs.create(outputs, "a", false, 9).unwrap();
    assert_ne!(first, second, "still open under its old number");
    assert_eq!((&*vfs.part(first, 0, 9).unwrap(), vfs.bytes()), (&b"abc"[..], 3));
    vfs.close(fd).unwrap();
    assert_eq!(vfs.bytes(), 0);
    assert_eq!(vfs.create(outputs, "b", false, 9).unwrap(), first, "the number is given again");
}

#[test]
fn what_was_removed_has_no_name_to_act_on() {
    let mut vfs = vfs();
    let outputs = node(&vfs, 5).unwrap();
    let a = vfs.create(outputs, "a", true, 9).unwrap();
    let fd = vfs.open(a, true, false, false).unwrap();
    vfs.remove(outputs, "a", true).unwrap();
    for path in [".", "./", ".."] {
        assert!(vfs.rename((a, path), (outputs, "z"), 9).is_err(), "{path}");
        assert!(vfs.rename((outputs, "a.csv"), (a, path), 9).is_err(), "{path}");
        assert!(vfs.remove(a, path, true).is_err(), "{path}");
    }
    assert_eq!(vfs.create(a, "b", false, 9), Err(VfsError::NotFound));
    assert_eq!(vfs.files(), 0);
    vfs.close(fd).unwrap();
    assert_eq!(vfs.create(outputs, "b", true, 9).unwrap(), a, "given again once");
    assert_ne!(vfs.create(outputs, "c", true, 9).unwrap(), a, "and only once");
}

#[test]
fn a_shrunk_file_holds_no_more_memory_than_it_counts() {
    let mut vfs = vfs();
    let outputs = node(&vfs, 5).unwrap();
    let file = vfs.create(outputs, "a", false, 9).unwrap();
    vfs.resize(file, BYTES_MAX, 9).unwrap();
    vfs.resize(file, 0, 9).unwrap();
    let NodeKind::Output(content) = &vfs.node(file).kind else { panic!("a file") };
    assert!(content.held() <= 4096, "{}", content.held());
}

#[test]
fn a_listing_outlives_the_changes_to_its_folder() {
    let mut vfs = vfs();
    let outputs = node(&vfs, 5).unwrap();
    for name in ["c", "a", "b"] {
        vfs.create(outputs, name, false, 9).unwrap();
    }
    let listing = vfs.list(outputs).unwrap();
    vfs.remove(outputs, "a", false).unwrap();
    let names: Vec<_> = listing.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, [".", "..", "a", "b", "c"]);
    assert_eq!(vfs.list(outputs).unwrap().len(), 4);
}

#[test]
fn listings_of_what_has_changed_are_held_up_to_a_limit() {
    let mut vfs = Vfs::new(&[], &[], 0, 0, 10_000).unwrap();
    let outputs = node(&vfs, 5).unwrap();
    for n in 0..9_999 {
        vfs.create(outputs, &n.to_string(), false, 9).unwrap();
    }
    let mut held = Vec::new();
    let refused = loop {
        vfs.create(outputs, "x", false, 9).unwrap();
        vfs.remove(outputs, "x", false).unwrap();
        match vfs.list(outputs) {
            Ok(listing) => held.push(listing),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, VfsError::TooManyOpen);
    assert!((20..40).contains(&held.len()), "{} listings of 10,001 entries", held.len());
    held.truncate(5);
    assert_eq!(vfs.list(outputs).unwrap().len(), 10_001, "what is let go is free again");
}

#[test]
fn a_moved_folder_shows_its_new_parent() {
    let mut vfs = vfs();
    let outputs = node(&vfs, 5).unwrap();
    let [from, to, moved] = ["a", "b", "a/c"].map(|path| match vfs.walk(outputs, path).unwrap() {
        Found::Free { folder, name } => vfs.create(folder, &name, true, 9).unwrap(),
        Found::There(_) => panic!("{path} is there"),
    });
    assert_eq!(vfs.list(moved).unwrap()[1].inode, from.inode());
    vfs.rename((from, "c"), (to, "c"), 9).unwrap();
    assert_eq!(vfs.list(moved).unwrap()[1].inode, to.inode());
}

#[test]
fn a_file_is_not_moved_to_a_folders_name() {
    let mut vfs = vfs();
    let outputs = node(&vfs, 5).unwrap();
    vfs.create(outputs, "a", false, 9).unwrap();
    for path in ["b/", "b/."] {
        assert_eq!(vfs.rename((outputs, "a"), (outputs, path), 9), Err(VfsError::NotDirectory), "{path}");
    }
    assert_eq!(vfs.rename((outputs, "a"), (outputs, "b"), 9), Ok(()));
}

#[test]
fn a_refused_write_changes_nothing() {
    let mut vfs = vfs();
    let folder = node(&vfs, 5).unwrap();
    let before = vfs.node(folder).modified;
    for bytes in [&b""[..], b"abc"] {
        assert_eq!(vfs.write(folder, 0, bytes, 9), Err(VfsError::IsDirectory));
    }
    assert_eq!(vfs.node(folder).modified, before);
}
