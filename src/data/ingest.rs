//! Ingest: a publisher's folder becomes blobs and a manifest. Names that lead outside are refused, not followed.

use std::fs::File;
use std::path::Path;

use brizo_receipt::{B256, Entry, EntryKind, Manifest, check_path};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType};

use super::known::Known;
use super::{BlobStore, Error};

/// Takes in every file below `folder`, or the one file that it is; returns the manifest of files (folders without files are left out).
///
/// # Errors
/// [`Error::Refused`] for a link that leaves the folder or leads to another folder, for devices, pipes and sockets, and
/// for names that cannot stand in a manifest; [`Error::Empty`] when there is no file. Blobs that were already taken in
/// stay in the store and are harmless.
pub fn ingest(folder: &Path, blobs: &BlobStore) -> Result<Manifest, Error> {
    if folder.is_file() {
        return ingest_file(folder, blobs);
    }
    let dir = Dir::open_ambient_dir(folder, ambient_authority())
        .map_err(|source| Error::Io { path: folder.to_path_buf(), source })?;
    let mut known = Known::open(blobs.folder());
    let mut entries = Vec::new();
    let mut pending = vec![(dir, String::new())];
    while let Some((dir, prefix)) = pending.pop() {
        for name in names(&dir, folder, &prefix)? {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let io = |source| Error::Io { path: folder.join(&path), source };
            let kind = dir.symlink_metadata(&name).map_err(io)?.file_type();
            check_kind(&dir, &name, &path, kind)?;
            if kind.is_dir() {
                pending.push((dir.open_dir(&name).map_err(io)?, path));
                continue;
            }
            check_path(&path).map_err(|_| Error::Refused {
                path: path.clone(),
                why: "has a name that other systems cannot hold (see docs/RECEIPT.md, paths); rename it",
            })?;
            let (digest, size) = take(dir.open(&name).map_err(io)?.into_std(), blobs, &mut known)?;
            entries.push(Entry { kind: EntryKind::File, path, size, digest });
        }
    }
    known.keep();
    if entries.is_empty() {
        return Err(Error::Empty(folder.to_path_buf()));
    }
    // Every path was checked, and a file system holds no name twice.
    Manifest::new(entries).map_err(|_| Error::Refused { path: String::new(), why: "holds a name twice" })
}

/// Takes in one file, under its own name. Whoever names it may follow a link to it.
fn ingest_file(path: &Path, blobs: &BlobStore) -> Result<Manifest, Error> {
    let refused = || Error::Refused {
        path: path.to_string_lossy().into_owned(),
        why: "has a name that other systems cannot hold (see docs/RECEIPT.md, paths); rename it",
    };
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(refused)?;
    check_path(name).map_err(|_| refused())?;
    let mut known = Known::open(blobs.folder());
    let file = File::open(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
    let (digest, size) = take(file, blobs, &mut known)?;
    known.keep();
    Manifest::new(vec![Entry { kind: EntryKind::File, path: name.into(), size, digest }])
        .map_err(|_| refused())
}

/// Takes in a file, unless it is what it was when it was taken in before.
fn take(file: File, blobs: &BlobStore, known: &mut Known) -> Result<(B256, u64), Error> {
    let Some((name, size)) = Known::name(&file) else { return blobs.put(file) };
    if let Some(digest) = known.digest(&name).filter(|digest| blobs.contains(*digest)) {
        return Ok((digest, size));
    }
    let (digest, size) = blobs.put(&file)?;
    // A file that changed while it was read is another one by now.
    if Known::name(&file).is_some_and(|(after, _)| after == name) {
        known.add(name, digest);
    }
    Ok((digest, size))
}

fn names(dir: &Dir, folder: &Path, prefix: &str) -> Result<Vec<String>, Error> {
    let io = |source| Error::Io { path: folder.join(prefix), source };
    let mut names = Vec::new();
    for entry in dir.entries().map_err(io)? {
        let name = entry.map_err(io)?.file_name().into_string().map_err(|name| Error::Refused {
            path: format!("{prefix}/{}", name.to_string_lossy()),
            why: "has a name that is not UTF-8; rename it",
        })?;
        names.push(name);
    }
    Ok(names)
}

fn check_kind(dir: &Dir, name: &str, path: &str, kind: FileType) -> Result<(), Error> {
    let refused = |why| Err(Error::Refused { path: path.to_string(), why });
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    if !kind.is_symlink() {
        return refused("is neither a file nor a folder; remove it");
    }
    // cap-std resolves the link and stops at the edge of the folder.
    match dir.metadata(name) {
        Ok(target) if target.is_file() => Ok(()),
        Ok(_) => refused("is a link to something that is not a file; put a copy in its place"),
        Err(_) => refused("is a link that leads outside of it, or nowhere; put a copy in its place"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn setup() -> (tempfile::TempDir, BlobStore) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("data/sub")).unwrap();
        fs::write(root.path().join("secret"), "outside").unwrap();
        fs::write(root.path().join("data/a.csv"), "1,2\n").unwrap();
        fs::write(root.path().join("data/sub/b.csv"), "3,4\n").unwrap();
        let blobs = BlobStore::open(&root.path().join("blobs")).unwrap();
        (root, blobs)
    }

    #[test]
    fn a_folder_becomes_a_manifest() {
        let (root, blobs) = setup();
        symlink("a.csv", root.path().join("data/link.csv")).unwrap();
        let manifest = ingest(&root.path().join("data"), &blobs).unwrap();
        let paths: Vec<_> = manifest.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["a.csv", "link.csv", "sub/b.csv"]);
        assert!(manifest.entries().iter().all(|entry| blobs.contains(entry.digest)));
    }

    #[test]
    fn a_file_is_read_again_when_it_changed_and_not_otherwise() {
        let (root, blobs) = setup();
        let path = root.path().join("data/a.csv");
        let mut known = Known::open(blobs.folder());
        let open = || File::open(&path).unwrap();
        // Written a moment ago: not to be believed, so nothing is remembered.
        let first = take(open(), &blobs, &mut known).unwrap();
        assert_eq!(Known::name(&open()), None);
        // As if it had been remembered: what counts is the name, and that the blob is there.
        let licence = concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE");
        let old = File::open(licence).unwrap();
        let (name, size) = Known::name(&old).expect("checked out more than three seconds ago");
        known.add(name.clone(), first.0);
        assert_eq!(take(old, &blobs, &mut known).unwrap(), (first.0, size), "not read");
        known.keep();
        let mut later = Known::open(blobs.folder());
        assert_eq!(later.digest(&name), Some(first.0));
        later.add(name.clone(), B256::repeat_byte(1));
        let read = take(File::open(licence).unwrap(), &blobs, &mut later).unwrap();
        assert_ne!(read.0, B256::repeat_byte(1), "the blob is gone, so the file is read");
        assert_eq!(later.digest(&name), Some(read.0));
    }

    #[test]
    fn links_that_leave_are_refused_by_name() {
        for target in ["../secret", "/etc/passwd", "sub/../../secret", "nowhere"] {
            let (root, blobs) = setup();
            symlink(target, root.path().join("data/sub/link.csv")).unwrap();
            let error = ingest(&root.path().join("data"), &blobs).unwrap_err();
            assert_eq!(error.code(), "data_refused", "{target}");
            assert!(error.to_string().contains("sub/link.csv"), "{error}");
        }
    }

    #[test]
    fn links_to_folders_are_refused() {
        let (root, blobs) = setup();
        symlink("sub", root.path().join("data/loop")).unwrap();
        assert!(ingest(&root.path().join("data"), &blobs).unwrap_err().to_string().contains("\"loop\""));
    }

    #[test]
    fn an_empty_folder_is_refused() {
        let (root, blobs) = setup();
        fs::create_dir(root.path().join("empty")).unwrap();
        assert_eq!(ingest(&root.path().join("empty"), &blobs).unwrap_err().code(), "data_empty");
    }
}
