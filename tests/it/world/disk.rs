//! A small disk of its own for a provider's folder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system in memory; goes when it is dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Whether this process may mount one. Says so where not, because a test is then left out.
    pub(crate) fn can_be_had(test: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let can = Self::try_mount(folder.path(), 1 << 20).is_some();
        if !can {
            eprintln!("SKIPPED {test}: mounting a small disk needs root");
        }
        can
    }

    pub(crate) fn mount(folder: &Path, bytes: u64) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self::try_mount(folder, bytes).unwrap()
    }

    fn try_mount(folder: &Path, bytes: u64) -> Option<Self> {
        let option = format!("size={bytes},mode=700");
        let mount = ["-t", "tmpfs", "-o", &option, "brizo-test"];
        let mounted = Command::new("mount").args(mount).arg(folder).output().ok()?;
        mounted.status.success().then(|| Self(folder.to_path_buf()))
    }

    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.0).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Takes all room but so many bytes, with a file of nothing.
    pub(crate) fn fill_but(&self, bytes: u64) {
        let df = Command::new("df").args(["--output=avail", "--block-size=1"]).arg(&self.0).output().unwrap();
        let free: u64 = String::from_utf8(df.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap();
        let filler = vec![0u8; free.saturating_sub(bytes).try_into().unwrap()];
        match std::fs::write(self.0.join("filler"), filler) {
            // Somebody else was faster with the last bytes; full is full.
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {}
            done => done.unwrap(),
        }
    }

    pub(crate) fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what is still open in it goes with its process.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}
