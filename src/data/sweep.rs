//! Sweeping: blobs that nothing names any more, and what a killed process left half-written.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use brizo_receipt::B256;

use super::{BlobStore, Error};

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl BlobStore {
    /// Removes blobs that are not `named` and were written before `before_s` (seconds since 1970-01-01 UTC). A blob is
    /// written before the row that names it, and writing one that is there already makes it young again; `before_s` must lie
    /// further back than anything takes from the one to the other.
    ///
    /// # Errors
    /// [`Error::Io`]; what was removed by then stays removed.
    pub fn sweep(&self, named: &HashSet<B256>, before_s: u64) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for shelf in entries(self.folder())? {
            let name = shelf.file_name();
            let Some(name) = name.to_str() else { continue };
            // `new` has blobs that are being written; other things beside the shelves are not ours to touch.
            let unfinished = name == "new";
            if !shelf.path().is_dir() || !(unfinished || is_hex(name, 2)) {
                continue;
            }
            for file in entries(&shelf.path())? {
                let digest = file.file_name().to_str().and_then(|rest| digest(name, rest));
                let wanted = match digest {
                    Some(digest) => named.contains(&digest),
                    None => !unfinished,
                };
                if !wanted {
                    remove_if_old(&file.path(), before_s, &mut swept)?;
                }
            }
        }
        Ok(swept)
    }
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, Error> {
    let failed = |source| Error::Io { path: folder.to_path_buf(), source };
    fs::read_dir(folder).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn digest(shelf: &str, rest: &str) -> Option<B256> {
    (is_hex(shelf, 2) && is_hex(rest, 62)).then(|| format!("{shelf}{rest}").parse().ok()).flatten()
}

fn remove_if_old(path: &Path, before_s: u64, swept: &mut Swept) -> Result<(), Error> {
    // Gone already is gone.
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    if u64::try_from(metadata.mtime()).unwrap_or_default() >= before_s {
        return Ok(());
    }
    fs::remove_file(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
    swept.files += 1;
    swept.bytes += metadata.len();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_and_unnamed_goes() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        let (named, _) = blobs.put(&b"named"[..]).unwrap();
        let (unnamed, _) = blobs.put(&b"unnamed"[..]).unwrap();
        fs::write(folder.path().join("new/half"), b"hal").unwrap();
        fs::write(folder.path().join("notes.txt"), b"not ours").unwrap();
        let names = HashSet::from([named]);
        assert_eq!(blobs.sweep(&names, 1_000_000_000).unwrap(), Swept::default(), "all is young");
        let swept = blobs.sweep(&names, u64::MAX).unwrap();
        assert_eq!(swept, Swept { files: 2, bytes: 10 });
        assert!(blobs.map(named).is_ok() && blobs.map(unnamed).is_err());
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn what_is_made_young_again_stays() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        // Of every length: the one without bytes is shared by all, and nobody writes it twice.
        let contents = [&b""[..], b"penguins"];
        let digests = contents.map(|content| blobs.put(content).unwrap().0);
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        let age = || {
            for digest in digests {
                fs::File::open(blobs.place(digest)).unwrap().set_modified(old).unwrap();
            }
        };
        age();
        for digest in digests {
            blobs.refresh(digest).unwrap();
        }
        assert_eq!(blobs.sweep(&HashSet::new(), 1_000_000_000).unwrap(), Swept::default());
        age();
        assert_eq!(blobs.sweep(&HashSet::new(), 1_000_000_000).unwrap().files, 2, "without that they go");
        assert!(matches!(blobs.refresh(digests[1]), Err(Error::Damaged { what: "missing", .. })));
    }
}
