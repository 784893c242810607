//! Copying blobs to another store of blobs: each is verified on the way and on disk when it is there.

use std::fs;

use brizo_receipt::B256;

use super::{BlobStore, Error};

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl BlobStore {
    /// Copies every blob that the other store does not have. A blob that is taken away meanwhile is passed over: whoever
    /// asks for the copy knows which ones it cannot do without.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a blob that is not what its name says, [`Error::Io`].
    pub fn copy_to(&self, other: &Self) -> Result<Copied, Error> {
        let mut copied = Copied::default();
        for digest in self.digests()? {
            if other.contains(digest) {
                continue;
            }
            let file = match fs::File::open(self.place(digest)) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => return Err(Error::Io { path: self.place(digest), source }),
            };
            let (found, bytes) = other.put(file)?;
            if found != digest {
                return Err(Error::Damaged { digest, what: "changed" });
            }
            copied = Copied { blobs: copied.blobs + 1, bytes: copied.bytes + bytes };
        }
        Ok(copied)
    }

    /// Digests of all blobs that are there. What has no name of a blob is none.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn digests(&self) -> Result<Vec<B256>, Error> {
        let mut digests = Vec::new();
        for folder in self.names(self.folder())? {
            if folder.len() != 2 || !folder.bytes().all(|c| c.is_ascii_hexdigit()) {
                continue;
            }
            let names = self.names(&self.folder().join(&folder))?;
            digests.extend(names.iter().filter_map(|name| format!("0x{folder}{name}").parse::<B256>().ok()));
        }
        digests.sort();
        Ok(digests)
    }

    fn names(&self, folder: &std::path::Path) -> Result<Vec<String>, Error> {
        let failed = |source| Error::Io { path: folder.to_path_buf(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            // Names of blobs are hexadecimal; another one is not ours.
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_copied_once_and_verified() {
        let folder = tempfile::tempdir().unwrap();
        let one = BlobStore::open(&folder.path().join("one")).unwrap();
        let two = BlobStore::open(&folder.path().join("two")).unwrap();
        let (first, _) = one.put(&b"first"[..]).unwrap();
        let (second, _) = one.put(&b"second!"[..]).unwrap();
        assert_eq!(one.copy_to(&two).unwrap(), Copied { blobs: 2, bytes: 12 });
        assert_eq!(one.copy_to(&two).unwrap(), Copied::default());
        let mut expected = [first, second];
        expected.sort();
        assert_eq!(two.digests().unwrap(), expected);
        assert_eq!((*two.map(first).unwrap()).as_ref(), b"first");

        let (third, _) = one.put(&b"third"[..]).unwrap();
        fs::write(one.place(third), b"THIRD").unwrap();
        let error = one.copy_to(&two).unwrap_err();
        assert!(matches!(error, Error::Damaged { digest, what: "changed" } if digest == third), "{error}");
        assert!(!two.contains(third));
    }
}
