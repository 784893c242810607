//! The program of a local run: a module, or a bundle with the runtime that it runs on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use brizo_receipt::{Entry, EntryKind, Key, Manifest};
use clap::Args;

use super::format::read;
use super::spec::LocalInputs;
use crate::config::read_runtime;
use crate::container::Image;
use crate::job::{RUNTIME_FOLDER, Runtime, Start};
use crate::sandbox::InputFile;

/// The options that name a runtime.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct OnRuntime {
    /// Description of the runtime (runtime.toml) on which the algorithm, a script or a folder of them, is run.
    #[arg(long)]
    pub(super) runtime: Option<PathBuf>,
    /// The file of the algorithm's folder that is started. [default: the script itself, or what the runtime says]
    #[arg(long, requires = "runtime")]
    pub(super) main: Option<String>,
}

/// A program, read.
#[derive(Debug)]
pub(super) struct Program {
    /// The bytes that are compiled; none where there is an image.
    pub(super) module: Vec<u8>,
    /// The image of the container.
    pub(super) image: Option<Image>,
    /// How it is started.
    pub(super) start: Start,
    /// What is mounted at `/data/algorithm`.
    pub(super) bundle: Bundle,
}

/// Files for `/data/algorithm`.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// All files, the runtime's too.
    pub(super) manifest: Manifest,
    /// The same.
    pub(super) files: Vec<InputFile>,
    /// The consumer's own, which are what is uploaded.
    pub(super) own: Vec<InputFile>,
    /// The file to start, where one was named.
    pub(super) main: Option<String>,
    _folder: Option<LocalInputs>,
}

impl Program {
    /// Reads a module; with a runtime, its module, and the algorithm as the bundle.
    pub(super) fn load(algorithm: &Path, on: &OnRuntime) -> Result<Self> {
        let Some(path) = &on.runtime else {
            if algorithm.is_dir() {
                bail!("{} is a folder: name the runtime that runs it with --runtime", algorithm.display());
            }
            return Ok(Self {
                module: read(algorithm)?,
                image: None,
                start: Start::default(),
                bundle: Bundle::default(),
            });
        };
        let runtime = read_runtime(path)?;
        let mut bundle = Bundle::read(algorithm)?;
        bundle.unnamed(&runtime);
        bundle.main = on.main.clone().or(bundle.main);
        let main = bundle.main.clone();
        runtime.check_bundle(bundle.own.iter().map(|file| file.path.as_str()), main.as_deref())?;
        let beside = path.parent().unwrap_or(Path::new("."));
        bundle.add(&runtime, beside)?;
        let image = runtime.image_digest().map(|digest| Image { digest, pull: runtime.pull.clone() });
        Ok(Self {
            module: if image.is_some() { Vec::new() } else { read(&beside.join(&runtime.module))? },
            image,
            start: runtime.start(main.as_deref()),
            bundle,
        })
    }
}

impl Bundle {
    /// One script, which is then the one to start, or every file of a folder.
    pub(super) fn read(algorithm: &Path) -> Result<Self> {
        if algorithm.is_dir() {
            let folder = LocalInputs::take(Some(algorithm))?;
            let own = folder.files.clone();
            return Ok(Self { own, _folder: Some(folder), ..Self::default() });
        }
        let name = algorithm.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} is no name of a script", algorithm.display()))?;
        let own = vec![InputFile { path: name.into(), bytes: Arc::new(read(algorithm)?) }];
        Ok(Self { own, main: Some(name.into()), ..Self::default() })
    }

    /// Puts the runtime's files beside the consumer's.
    fn add(&mut self, runtime: &Runtime, beside: &Path) -> Result<()> {
        self.files = self.own.clone();
        for (path, file) in &runtime.files {
            let bytes = Arc::new(read(&beside.join(file))?);
            self.files.push(InputFile { path: format!("{RUNTIME_FOLDER}/{path}"), bytes });
        }
        let entry = |file: &InputFile| Entry::of(EntryKind::File, &file.path, (*file.bytes).as_ref());
        self.manifest = Manifest::new(self.files.iter().map(entry).collect())?;
        Ok(())
    }

    /// Whether the script is one that is named by itself, which an image without a `main` does not start.
    fn unnamed(&mut self, runtime: &Runtime) {
        if runtime.image.is_some() && runtime.main.is_empty() {
            self.main = None;
        }
    }

    /// The leaves as a receipt lists them.
    pub(super) fn leaves(&self, run_key: &Key) -> Vec<brizo_receipt::B256> {
        self.manifest.leaves(run_key)
    }
}
