//! Compiled modules on disk. An artefact is native code, so it is loaded only if we wrote it: each carries a keyed digest
//! whose key never leaves the cache's folder.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Error;

const KEY_FILE: &str = "cache.key";

/// A private folder of compiled modules.
#[derive(Clone)]
pub struct ArtefactCache {
    folder: PathBuf,
    key: [u8; 32],
    /// Artefacts that this process has verified, as they were then.
    verified: Arc<Mutex<HashMap<String, Identity>>>,
}

/// What changes whenever somebody writes to a file, without looking inside: device, inode, length, times of the last
/// change of content and of the file as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity([u64; 3], [i64; 4]);

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
        Some(Self([file.dev(), file.ino(), file.len()], times))
    }
}

impl std::fmt::Debug for ArtefactCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ArtefactCache({})", self.folder.display())
    }
}

impl ArtefactCache {
    /// Opens or makes a cache folder, readable by its owner only.
    ///
    /// # Errors
    /// [`Error::Cache`] when the folder or its key cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Cache { path: folder.to_path_buf(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        remove_leftovers(folder).map_err(failed)?;
        let path = folder.join(KEY_FILE);
        let mut fresh = [0u8; 32];
        getrandom::fill(&mut fresh).map_err(|e| failed(std::io::Error::other(e.to_string())))?;
        // Written aside and linked into place, so that of two processes starting at once both see one whole key.
        let aside = write_aside(folder, &fresh).map_err(failed)?;
        match fs::hard_link(&aside, &path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(failed(e)),
            _ => fs::remove_file(&aside).map_err(failed)?,
        }
        let bytes = fs::read(&path).map_err(failed)?;
        let key = bytes.try_into().map_err(|_| {
            failed(std::io::Error::new(
                ErrorKind::InvalidData,
                format!("{KEY_FILE} has not 32 bytes; remove the folder"),
            ))
        })?;
        Ok(Self { folder: folder.to_path_buf(), key, verified: Arc::default() })
    }

    /// The folder: private, and large enough for compiled modules.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of an artefact that is there and is ours. Anything else counts as absent. What was verified once is only
    /// looked at from outside: artefacts of large modules have hundreds of megabytes.
    pub(super) fn get(&self, name: &str) -> Option<PathBuf> {
        let (artefact, mark) = self.paths(name);
        let identity = Identity::of(&artefact)?;
        // Nothing that holds the lock can panic between two changes that belong together.
        let verified = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified().get(name) == Some(&identity) {
            return Some(artefact);
        }
        let stated = fs::read(mark).ok()?;
        let mut hasher = self.hasher(name);
        hasher.update_mmap_rayon(&artefact).ok()?;
        if stated != hasher.finalize().as_bytes() {
            return None;
        }
        verified().insert(name.to_string(), identity);
        Some(artefact)
    }

    /// Keeps an artefact; returns its file.
    ///
    /// # Errors
    /// [`Error::Cache`] when it cannot be written. Nothing half-written is ever taken for an artefact.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        let (artefact, mark) = self.paths(name);
        let failed = |source| Error::Cache { path: artefact.clone(), source };
        for (path, bytes) in [(&artefact, bytes), (&mark, &self.mark(name, bytes)[..])] {
            let aside = write_aside(&self.folder, bytes).map_err(failed)?;
            fs::rename(aside, path).map_err(failed)?;
        }
        Ok(artefact)
    }

    fn paths(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.folder.join(format!("{name}.cwasm")), self.folder.join(format!("{name}.mark")))
    }

    fn mark(&self, name: &str, bytes: &[u8]) -> Vec<u8> {
        self.hasher(name).update_rayon(bytes).finalize().as_bytes().to_vec()
    }

    /// For a keyed digest over name and bytes, so that an artefact cannot be moved to another module's name either.
    fn hasher(&self, name: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher
    }
}

/// Removes what a process left that was killed while it wrote. What is younger than a day may still be written.
fn remove_leftovers(folder: &Path) -> std::io::Result<()> {
    const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let age = entry.metadata().and_then(|file| file.modified()).ok().and_then(|at| at.elapsed().ok());
        let aside = entry.path().extension().is_some_and(|extension| extension == "tmp");
        // Another process may be first.
        if aside && age.is_some_and(|age| age > DAY) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Writes a new private file beside the others and returns its path. Of what cannot be written nothing stays.
fn write_aside(folder: &Path, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let mut name = [0u8; 8];
    getrandom::fill(&mut name).map_err(|e| std::io::Error::other(e.to_string()))?;
    let path = folder.join(format!("{}.tmp", hex::encode(name)));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    if let Err(error) = file.write_all(bytes) {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_put_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtefactCache::open(folder.path()).unwrap();
        assert_eq!(cache.get("a"), None);
        let path = cache.put("a", b"native code").unwrap();
        assert_eq!(cache.get("a"), Some(path.clone()));
        assert!(ArtefactCache::open(folder.path()).unwrap().get("a").is_some(), "the key is kept");

        fs::write(&path, b"native c0de").unwrap();
        assert_eq!(cache.get("a"), None, "a changed artefact is not ours");

        cache.put("a", b"native code").unwrap();
        assert!(cache.get("a").is_some());
        // Renamed into place, as an honest writer does, with the same length.
        fs::write(folder.path().join("aside"), b"native c0de").unwrap();
        fs::rename(folder.path().join("aside"), &path).unwrap();
        assert_eq!(cache.get("a"), None, "what was verified once is not trusted when it has changed");
    }

    #[test]
    fn what_was_left_half_written_goes_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let (old, young) = (folder.path().join("old.tmp"), folder.path().join("young.tmp"));
        let file = fs::File::create(&old).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        fs::write(&young, "").unwrap();
        ArtefactCache::open(folder.path()).unwrap();
        assert!(!old.exists() && young.exists());
    }

    #[test]
    fn an_artefact_does_not_answer_to_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtefactCache::open(folder.path()).unwrap();
        cache.put("a", b"native code").unwrap();
        for ending in ["cwasm", "mark"] {
            fs::copy(folder.path().join(format!("a.{ending}")), folder.path().join(format!("b.{ending}")))
                .unwrap();
        }
        assert_eq!(cache.get("b"), None);
    }

    #[test]
    fn an_artefact_from_another_cache_is_refused() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        ArtefactCache::open(theirs.path()).unwrap().put("a", b"evil").unwrap();
        let cache = ArtefactCache::open(ours.path()).unwrap();
        for ending in ["cwasm", "mark"] {
            let name = format!("a.{ending}");
            fs::copy(theirs.path().join(&name), ours.path().join(&name)).unwrap();
        }
        assert_eq!(cache.get("a"), None);
    }
}
