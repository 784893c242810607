//! Bundles as one file: a tar archive in a canonical form, so that the same files always give the same digest.

use std::collections::BTreeSet;
use std::io::Read;

use brizo_receipt::check_path;

/// Files that a bundle may have.
pub const FILES_MAX: usize = 10_000;

/// Why bytes are no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BadArchive {
    /// They cannot be read as an archive.
    #[error("this is not a tar archive: {0}")]
    Unreadable(#[from] std::io::Error),
    /// Something in it is neither file nor folder.
    #[error("{0:?} is neither a file nor a folder")]
    Kind(String),
    /// A path that no manifest takes.
    #[error("{0:?} cannot be a path in a bundle: {1}")]
    Path(String, String),
    /// Two files have one path, or a file lies below another.
    #[error("{0:?} stands twice, or a file is a folder as well")]
    Twice(String),
    /// There are too many files, or none.
    #[error("it has {0} files; a bundle has 1 to {FILES_MAX}")]
    Count(usize),
}

/// Packs files, given by path, into the canonical archive: in byte order of their paths, without times, owners, folders.
///
/// # Errors
/// [`BadArchive`] when a path is too long for the format.
pub fn pack<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>, BadArchive> {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, bytes)?;
    }
    Ok(archive.into_inner()?)
}

/// Files of an archive by path, in byte order. It need not be in canonical form; folders are passed over.
///
/// # Errors
/// [`BadArchive`] for the first thing that a bundle cannot have.
pub fn unpack(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, BadArchive> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory => continue,
            tar::EntryType::Regular => {}
            _ => return Err(BadArchive::Kind(path)),
        }
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        check_path(&path).map_err(|e| BadArchive::Path(path.clone(), e.to_string()))?;
        if files.len() >= FILES_MAX {
            return Err(BadArchive::Count(files.len() + 1));
        }
        // The length stands in the archive and is believed only as far as there are bytes.
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.push((path, content));
    }
    if files.is_empty() {
        return Err(BadArchive::Count(0));
    }
    files.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    check_apart(&files)?;
    Ok(files)
}

/// No path is that of another file, or of a folder in which another lies.
fn check_apart(files: &[(String, Vec<u8>)]) -> Result<(), BadArchive> {
    let mut seen = BTreeSet::new();
    if let Some((path, _)) = files.iter().find(|(path, _)| !seen.insert(path.as_str())) {
        return Err(BadArchive::Twice(path.clone()));
    }
    for (path, _) in files {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        if let Some(folder) = folders.into_iter().find(|folder| seen.contains(folder)) {
            return Err(BadArchive::Twice(folder.into()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(entries: &[(tar::EntryType, &str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (kind, path, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            // Written past the library's own checks, as a hostile archive would be.
            let name = &mut header.as_mut_bytes()[..path.len()];
            name.copy_from_slice(path.as_bytes());
            header.set_cksum();
            archive.append(&header, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn what_is_packed_comes_back_and_the_order_does_not_count() {
        let long = format!("{}/x.py", "d".repeat(180));
        let files = [("main.py", &b"print(1)\n"[..]), ("a/b.py", b""), (&long, &[7; 600])];
        let packed = pack(files).unwrap();
        let back = unpack(&packed).unwrap();
        assert_eq!(
            back.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["a/b.py", &long, "main.py"]
        );
        assert_eq!(back[1].1, [7; 600]);
        let mut shuffled = files;
        shuffled.reverse();
        assert_eq!(pack(shuffled).unwrap(), packed);
    }

    #[test]
    fn hostile_archives_are_refused() {
        use tar::EntryType::{Directory, Link, Regular, Symlink};
        let refused = |entries: &[_]| unpack(&raw(entries)).unwrap_err();
        assert!(matches!(refused(&[(Regular, "../x", b"1")]), BadArchive::Path(..)));
        assert!(matches!(refused(&[(Regular, "/etc/passwd", b"1")]), BadArchive::Path(..)));
        assert!(matches!(refused(&[(Symlink, "x", b"")]), BadArchive::Kind(_)));
        assert!(matches!(refused(&[(Link, "x", b"")]), BadArchive::Kind(_)));
        assert!(matches!(refused(&[(Regular, "x", b"1"), (Regular, "x", b"2")]), BadArchive::Twice(_)));
        assert!(matches!(refused(&[(Regular, "x", b"1"), (Regular, "x/y", b"2")]), BadArchive::Twice(_)));
        assert!(matches!(refused(&[(Directory, "x/", b"")]), BadArchive::Count(0)));
        assert!(matches!(unpack(b"").unwrap_err(), BadArchive::Count(0)));
        assert!(matches!(unpack(&[7; 2000]).unwrap_err(), BadArchive::Unreadable(_)));
        let whole = raw(&[(Regular, "x", &[1; 2000])]);
        assert!(matches!(unpack(&whole[..1500]).unwrap_err(), BadArchive::Unreadable(_)), "cut off");
    }
}
