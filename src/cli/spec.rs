//! The part of a job spec that `run`, `job run` and `replay` share: inputs from a folder, outputs into one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use brizo_receipt::{Key, Manifest};

use crate::data::{BlobStore, ingest};
use crate::sandbox::{ArtefactCache, Engine, InputFile, Inspection, Module, inspect};

/// A local folder, taken in as a data set.
#[derive(Debug)]
pub(super) struct LocalInputs {
    pub(super) manifest: Manifest,
    pub(super) files: Vec<InputFile>,
    /// Keeps the bytes until the run is over.
    _folder: tempfile::TempDir,
}

impl LocalInputs {
    /// Takes in a folder; none gives an empty data set.
    pub(super) fn take(folder: Option<&Path>) -> Result<Self> {
        let place = tempfile::tempdir().context("a temporary folder for the inputs")?;
        let Some(folder) = folder else {
            return Ok(Self { manifest: Manifest::default(), files: Vec::new(), _folder: place });
        };
        let blobs = BlobStore::open(place.path())?;
        let manifest = ingest(folder, &blobs)?;
        let mut files = Vec::new();
        for entry in manifest.entries() {
            files.push(InputFile { path: entry.path.clone(), bytes: blobs.map(entry.digest)? });
        }
        Ok(Self { manifest, files, _folder: place })
    }

    /// The data set as a receipt lists it.
    pub(super) fn mount(&self, key: &Key) -> brizo_receipt::Mount {
        crate::job::mount(None, &self.manifest, key)
    }
}

/// Inspects and compiles a module, with the user's cache of compiled modules.
pub(super) fn compile(bytes: &[u8], with_cache: bool) -> Result<(Engine, Inspection, Module)> {
    let inspection = inspect(bytes, u64::MAX)?;
    let cache = match (with_cache, cache_folder()) {
        (true, Some(folder)) => ArtefactCache::open(&folder).ok(),
        _ => None,
    };
    let engine = Engine::new(cache)?;
    let module = engine.compile(bytes, &inspection)?;
    Ok((engine, inspection, module))
}

fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("brizo").join("compiled"))
}

/// Checks before a run that its outputs can be put into a folder: it is new or empty.
pub(super) fn check_output_folder(folder: &Path) -> Result<()> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            bail!("{} is not empty; name a new folder, so that no earlier output is lost", folder.display())
        }
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("{}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Writes files below a folder that is new or empty, all or none: into a fresh folder beside it first, then renamed.
pub(super) fn write_outputs(
    folder: &Path,
    files: &BTreeMap<String, Vec<u8>>,
    folders: &[String],
) -> Result<()> {
    let beside = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(beside).with_context(|| format!("{}", beside.display()))?;
    let aside = tempfile::Builder::new().prefix(".brizo-outputs-").tempdir_in(beside)?;
    for path in folders {
        brizo_receipt::check_path(path)?;
        fs::create_dir_all(aside.path().join(path))?;
    }
    for (path, bytes) in files {
        // The paths come from a guest or a provider: nothing may lead out of the folder.
        brizo_receipt::check_path(path)?;
        let place = aside.path().join(path);
        fs::create_dir_all(place.parent().unwrap_or(beside))?;
        fs::write(&place, bytes).with_context(|| format!("{}", place.display()))?;
    }
    if folder.exists() {
        // Only an empty folder can be removed like this.
        fs::remove_dir(folder).with_context(|| format!("{}", folder.display()))?;
    }
    fs::rename(aside.keep(), folder).with_context(|| format!("{}", folder.display()))
}

/// Reads every file below a folder, by path.
pub(super) fn read_outputs(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![(folder.to_path_buf(), String::new())];
    while let Some((place, prefix)) = pending.pop() {
        for entry in fs::read_dir(&place).with_context(|| format!("{}", place.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if entry.file_type()?.is_dir() {
                pending.push((entry.path(), path));
            } else {
                files.insert(path, fs::read(entry.path())?);
            }
        }
    }
    Ok(files)
}
