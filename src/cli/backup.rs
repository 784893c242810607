//! `brizo backup`: a copy of everything that must be kept, from which a provider can go on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use super::Exit;
use super::format::{Format, write};
use crate::app::MOCKS;
use crate::clock::Clock;
use crate::config::Config;
use crate::data::{BlobStore, Copied};
use crate::store::Store;

/// Secrets and documents of `data_dir` that are copied as they are.
const KEY_ENDING: &str = "key";
/// Written last: without it a backup is not whole.
const MARK: &str = "backup.json";

/// Copy database, blobs, keys and the log's checkpoint of a provider, also while it serves.
///
/// The copy is of one moment: every row's bytes are in it, each verified on the way. To restore, stop the provider, move
/// its data_dir away, and copy the backup to its place; docs/OPERATIONS.md says what to mind. Not in it: the
/// configuration, the deployment file and the publisher's key, which do not lie in data_dir and do not change. It holds
/// secrets: keep it as closed as data_dir.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Folder to write; must not exist.
    folder: PathBuf,
    /// Configuration file of the provider.
    #[arg(long, default_value = "brizo.toml")]
    config: PathBuf,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Backup {
    pub(super) fn run(self) -> Result<Exit> {
        let config = Config::load(&self.config)?;
        let from = config.data_dir;
        let database = from.join("brizo.db");
        if !database.is_file() {
            bail!("{} is not there; is data_dir right?", database.display());
        }
        make_private(&self.folder)?;
        // The checkpoint before the rows: a restored provider must have every row that was signed.
        copy_checkpoint(&from, &self.folder)?;
        // A backup before an upgrade is of the schema that the older release knows.
        let store = Store::open_as_it_is(&database).with_context(|| format!("{}", database.display()))?;
        let (blobs, copies) =
            (BlobStore::open(&from.join("blobs"))?, BlobStore::open(&self.folder.join("blobs"))?);
        // Most of the bytes first, then the rows, then what came meanwhile.
        let first = blobs.copy_to(&copies)?;
        let copy = self.folder.join("brizo.db");
        store.copy_to(&copy).with_context(|| format!("{}", copy.display()))?;
        make_private_file(&copy)?;
        let second = blobs.copy_to(&copies)?;
        copy_keys(&from, &self.folder)?;
        copy_mocks(&from, &self.folder)?;
        let schema = check(&copy, &copies)?;
        let copied = Copied { blobs: first.blobs + second.blobs, bytes: first.bytes + second.bytes };
        let document = json!({
            "folder": self.folder,
            "blobs": copied.blobs,
            "bytes": copied.bytes.to_string(),
            "schema": schema,
            "software": format!("brizo {}", env!("CARGO_PKG_VERSION")),
            "madeAt": Clock::system().now_s(),
        });
        write(&self.folder.join(MARK), serde_json::to_string_pretty(&document)? + "\n")?;
        sync(&self.folder)?;
        self.format.print(&document, || {
            format!(
                "backup  {}\nblobs   {} ({} bytes), each verified\nschema  {schema}\n\n\
                 to restore: stop the provider, move {} away, and copy the backup to its place",
                self.folder.display(),
                copied.blobs,
                copied.bytes,
                from.display()
            )
        })?;
        Ok(Exit::OK)
    }
}

fn make_private(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
    }
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    made.with_context(|| format!("{} (a backup is never written over)", folder.display()))
}

fn make_private_file(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let set = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    set.with_context(|| format!("{}", path.display()))
}

fn copy_checkpoint(from: &Path, to: &Path) -> Result<()> {
    let checkpoint = from.join("log/checkpoint");
    if !checkpoint.is_file() {
        return Ok(());
    }
    fs::create_dir(to.join("log"))?;
    let place = to.join("log/checkpoint");
    fs::copy(&checkpoint, &place).with_context(|| format!("{}", checkpoint.display()))?;
    sync(&place)
}

/// The log's key and the keys of data sets. A file keeps who may read it.
fn copy_keys(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("{}", from.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        if path.extension().is_some_and(|ending| ending == KEY_ENDING) {
            let place = to.join(name);
            fs::copy(&path, &place).with_context(|| format!("{}", path.display()))?;
            sync(&place)?;
        }
    }
    Ok(())
}

/// Mock data: public, small, and not in the store of blobs.
fn copy_mocks(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.join(MOCKS), to.join(MOCKS));
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir(&to)?;
    for entry in fs::read_dir(&from).with_context(|| format!("{}", from.display()))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|it| it == "tar")) {
            fs::copy(&path, to.join(name)).with_context(|| format!("{}", path.display()))?;
            sync(&to.join(name))?;
        }
    }
    sync(&to)
}

/// Looks whether the copy is whole, and whether every row's bytes are there. Returns the schema's version.
fn check(database: &Path, blobs: &BlobStore) -> Result<u32> {
    let seen = Store::examine(database).with_context(|| format!("{}", database.display()))?;
    if seen.integrity != "ok" {
        bail!("the copy of the database is damaged: {}", seen.integrity);
    }
    let needed = Store::open_as_it_is(database)?.blobs_needed()?;
    if let Some(missing) = needed.into_iter().find(|digest| !blobs.contains(*digest)) {
        bail!(
            "the blob {missing} is in no copy; if a job was deleted meanwhile, make the backup again, else the data \
             set or output is damaged"
        );
    }
    sync(database)?;
    Ok(seen.schema)
}

/// Has a file or a folder's names on disk.
fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).with_context(|| format!("{}", path.display()))
}
