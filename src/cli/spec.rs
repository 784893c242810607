//! The part of a job spec that `run`, `job run` and `replay` share: inputs from a folder, outputs into one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use brizo_receipt::{Key, Manifest, content_digest};

use crate::data::{BlobStore, ingest};
use crate::sandbox::{
    ArtefactCache, Backend, ChildCompiler, Compiler, Engine, Error, InputFile, Inspection, Module, Progress,
    Settings, Written,
};

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
            files.push(InputFile { path: entry.path.clone(), bytes: blobs.map_as_it_is(entry.digest)? });
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
    let cache = match (with_cache, cache_folder()) {
        (true, Some(folder)) => ArtefactCache::open(&folder).ok(),
        _ => None,
    };
    let engine = engine(Backend::Native, cache)?;
    let (inspection, module) = compile_on(&engine, bytes)?;
    Ok((engine, inspection, module))
}

/// An engine that compiles as a provider's does.
pub(super) fn engine(backend: Backend, cache: Option<ArtefactCache>) -> Result<Engine> {
    Ok(Engine::with_settings(Settings {
        backend,
        cache,
        compiler: compiler()?,
        scratch: Some(std::env::temp_dir()),
        ..Settings::default()
    })?)
}

/// Inspects and compiles a module for an engine.
pub(super) fn compile_on(engine: &Engine, bytes: &[u8]) -> Result<(Inspection, Module)> {
    let inspection = engine.inspect(bytes, content_digest(bytes))?;
    let module = engine.compile(bytes, &inspection).map_err(|e| match e {
        // So that it is seen for what it is: a refusal by the gate.
        Error::TooCostly(refused) => refused.into(),
        other => anyhow::Error::from(other),
    })?;
    Ok((inspection, module))
}

/// The provider's way of compiling, with a provider's usual ceilings.
fn compiler() -> Result<Compiler> {
    let usual = ChildCompiler::of_this_program()?;
    Ok(Compiler::Child(ChildCompiler {
        cpu_seconds: ceiling("BRIZO_COMPILE_CPU_SECONDS", usual.cpu_seconds)?,
        memory_bytes: ceiling("BRIZO_COMPILE_MEMORY_BYTES", usual.memory_bytes)?,
        wall_clock: Duration::from_secs(ceiling("BRIZO_COMPILE_WALL_SECONDS", usual.wall_clock.as_secs())?),
        progress: Some(show_compilation),
        ..usual
    }))
}

/// For replays of what a provider with other ceilings has run.
fn ceiling(variable: &str, usual: u64) -> Result<u64> {
    let Some(text) = std::env::var_os(variable) else { return Ok(usual) };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.with_context(|| format!("{variable} is {}; it must be a whole number", text.display()))
}

/// A line that changes on a terminal; elsewhere lines after 1, 2, 4, 8 … seconds.
fn show_compilation(progress: Progress) {
    let seconds = progress.elapsed.as_secs();
    let processor = progress.processor.map(|time| format!(", processor time {} s", time.as_secs()));
    let line = format!("compiling: {seconds} s{}", processor.unwrap_or_default());
    let mut stderr = std::io::stderr().lock();
    // Nobody is there to be told that standard error is closed.
    let _ = match (stderr.is_terminal(), progress.over) {
        (true, false) => write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush()),
        (true, true) => write!(stderr, "\r\x1b[K").and_then(|()| stderr.flush()),
        (false, false) if seconds.is_power_of_two() => writeln!(stderr, "{line}"),
        (false, _) => Ok(()),
    };
}

fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("brizo").join("compiled"))
}

/// What begins the names of folders for outputs that are not complete yet.
const ASIDE: &str = ".brizo-outputs-";

/// Checks before a run that its outputs can be put into a folder: it is new or empty, and can be written. What an interrupted
/// command left there is removed.
pub(super) fn check_output_folder(folder: &Path) -> Result<()> {
    let named = || format!("{}", folder.display());
    let left = match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<std::io::Result<Vec<_>>>().with_context(named)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e).with_context(named),
    };
    // Nothing is removed where the answer is no.
    if left.iter().any(|entry| !is_left(&entry.path())) {
        bail!("{} is not empty; name a new folder, so that no earlier output is lost", named());
    }
    left.iter().try_for_each(|entry| fs::remove_dir_all(entry.path())).with_context(named)?;
    let there = folder.ancestors().find(|place| place.is_dir()).unwrap_or(Path::new("."));
    Aside::new(there).map(drop)
}

/// A folder for outputs that are not complete yet; gone again when it is dropped. It is locked as long as somebody writes there.
struct Aside {
    folder: tempfile::TempDir,
    _lock: fs::File,
}

impl Aside {
    fn new(place: &Path) -> Result<Self> {
        let made = || -> std::io::Result<Self> {
            let folder = tempfile::Builder::new().prefix(ASIDE).tempdir_in(place)?;
            let lock = fs::File::open(folder.path())?;
            // Where it cannot be locked nobody else can tell either.
            let _ = lock.try_lock();
            Ok(Self { folder, _lock: lock })
        };
        made().with_context(|| format!("{} cannot be written", place.display()))
    }
}

/// Whether this is such a folder, of a command that has ended before its time.
fn is_left(path: &Path) -> bool {
    let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ASIDE));
    is_ours && path.is_dir() && fs::File::open(path).is_ok_and(|folder| folder.try_lock().is_ok())
}

/// Writes files below a folder that is new or empty: into a fresh folder first, which then takes its place, so that all are there
/// or none. One that is there stays and is given what is in the fresh one, because a disk may be mounted on it, or it is the one
/// that we are in.
pub(super) fn write_outputs(
    folder: &Path,
    files: &BTreeMap<String, Written>,
    folders: &[String],
) -> Result<()> {
    if folder.is_dir() {
        check_output_folder(folder)?;
        let aside = Aside::new(folder)?;
        write_into(aside.folder.path(), files, folders)?;
        for entry in fs::read_dir(aside.folder.path())? {
            let entry = entry?;
            let place = folder.join(entry.file_name());
            fs::rename(entry.path(), &place).with_context(|| format!("{}", place.display()))?;
        }
        return Ok(());
    }
    let beside = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(beside).with_context(|| format!("{}", beside.display()))?;
    let aside = Aside::new(beside)?;
    write_into(aside.folder.path(), files, folders)?;
    fs::rename(aside.folder.keep(), folder).with_context(|| format!("{}", folder.display()))
}

fn write_into(aside: &Path, files: &BTreeMap<String, Written>, folders: &[String]) -> Result<()> {
    for path in folders {
        brizo_receipt::check_path(path)?;
        fs::create_dir_all(aside.join(path))?;
    }
    for (path, written) in files {
        // The paths come from a guest or a provider: nothing may lead out of the folder.
        brizo_receipt::check_path(path)?;
        let place = aside.join(path);
        fs::create_dir_all(place.parent().unwrap_or(aside))?;
        let copied =
            fs::File::create(&place).and_then(|mut to| std::io::copy(&mut written.reader(), &mut to));
        copied.with_context(|| format!("{}", place.display()))?;
    }
    Ok(())
}

/// Reads every file below a folder, by path.
pub(super) fn read_outputs(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![(folder.to_path_buf(), String::new())];
    while let Some((place, prefix)) = pending.pop() {
        for entry in fs::read_dir(&place).with_context(|| format!("{}", place.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            // A link may lead anywhere, and no receipt can name what is not UTF-8.
            let name = entry.file_name().into_string().ok().filter(|_| kind.is_dir() || kind.is_file());
            let name = name.with_context(|| {
                format!("{}: outputs are plain files with names in UTF-8", entry.path().display())
            })?;
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if kind.is_dir() {
                pending.push((entry.path(), path));
            } else {
                files.insert(path, fs::read(entry.path())?);
            }
        }
    }
    Ok(files)
}
