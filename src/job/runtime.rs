//! Runtimes: interpreters that a publisher approves, and how a consumer's bundle of files is run on one.
//!
//! A runtime is a module, files of its own, and a short description. Nothing of the description stands in a receipt:
//! what follows from it does, as arguments and variables in the invocation, and as files in the bundle's manifest.

use std::collections::BTreeMap;

use brizo_receipt::{B256, Entry, EntryKind, check_path};
use serde::{Deserialize, Serialize};

use super::RUNTIME_FOLDER;
use crate::policy::parse_image;

/// Where a guest finds the bundle.
pub const ALGORITHM: &str = "/data/algorithm";
/// What is written beside a runtime's module, as TOML. Files are named relative to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// What people call it.
    pub name: String,
    /// The module; absent with an image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub module: String,
    /// The image, `sha256:…`, instead of a module: then bundles run in containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Where it may be pulled from, `registry/name@sha256:…`, for runs without a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<String>,
    /// First argument: what the interpreter takes for its own path; in an image the program.
    pub program: String,
    /// The file of a bundle that is started, unless another one is named. With an image it may be empty: then the image is
    /// the algorithm, and the bundle only lies beside it.
    #[serde(default)]
    pub main: String,
    /// Variables that the interpreter needs.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Its own files: path from `/` on as the interpreter sees it, and the file it is.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// How a program is started, apart from what the consumer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Arguments before the two folders.
    pub args: Vec<String>,
    /// Variables, which the consumer cannot set.
    pub env: Vec<(String, String)>,
}

impl Default for Start {
    /// A module or component that is itself the algorithm.
    fn default() -> Self {
        Self { args: vec!["algorithm".into()], env: Vec::new() }
    }
}

/// A runtime that a provider has. It tells consumers so, who need all of it to sign an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installed {
    /// BLAKE3 of its module: what policies approve and specs name.
    pub module: B256,
    /// Linear memory that it needs at the start, in bytes.
    pub memory_bytes_min: u64,
    /// Its description.
    pub runtime: Runtime,
    /// Its files as they stand in a bundle's manifest, `.runtime/…`.
    pub files: Vec<Entry>,
}

/// What the provider keeps of a bundle that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleFacts {
    /// BLAKE3 of the archive: what policies approve as the algorithm.
    pub archive: B256,
    /// All files, the runtime's too.
    pub files: Vec<Entry>,
    /// How it is started.
    pub start: Start,
}

impl Installed {
    /// A bundle of these files on this runtime.
    ///
    /// # Errors
    /// [`BadRuntime`] for the first path that does not fit.
    pub fn bundle<'a>(
        &self,
        archive: B256,
        own: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
        main: Option<&str>,
    ) -> Result<BundleFacts, BadRuntime> {
        self.runtime.check_bundle(own.clone().map(|(path, _)| path), main)?;
        let own = own.map(|(path, bytes)| Entry::of(EntryKind::File, path, bytes));
        let files = own.chain(self.files.iter().cloned()).collect();
        Ok(BundleFacts { archive, files, start: self.runtime.start(main) })
    }
}

/// Why a description of a runtime, or a bundle, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRuntime {
    /// A path that no manifest takes.
    #[error("{0:?} cannot be a path in a bundle: {1}")]
    Path(String, String),
    /// What runs the bundle is not named, or not well.
    #[error("the description of the runtime is not right: {0}")]
    Program(String),
    /// The file to start is not there.
    #[error("the bundle has no file {0:?} to start; name the file with `main`")]
    NoMain(String),
    /// A bundle reaches into the runtime's folder.
    #[error("{0:?} lies in `{RUNTIME_FOLDER}`, which belongs to the runtime; choose another name")]
    Reserved(String),
}

impl Runtime {
    /// Checks the paths of a description.
    ///
    /// # Errors
    /// [`BadRuntime`] with the path.
    pub fn check(&self) -> Result<(), BadRuntime> {
        if self.image.is_some() != self.module.is_empty() {
            return Err(BadRuntime::Program("it names either `module` or `image`".into()));
        }
        if let Some(image) = &self.image {
            parse_image(image).map_err(BadRuntime::Program)?;
        }
        let main = (self.image.is_none() || !self.main.is_empty()).then_some(&self.main);
        self.files.keys().chain(main).try_for_each(|path| checked(path))
    }

    /// The image's digest, where there is an image.
    #[must_use]
    pub fn image_digest(&self) -> Option<B256> {
        self.image.as_deref().and_then(|image| parse_image(image).ok())
    }

    /// How a bundle is started on it: `main` is a path in the bundle, the description's own where none is named.
    #[must_use]
    pub fn start(&self, main: Option<&str>) -> Start {
        let main = Some(main.unwrap_or(&self.main)).filter(|main| !main.is_empty());
        let main = main.map(|main| format!("{ALGORITHM}/{main}"));
        let env = self.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Start { args: std::iter::once(self.program.clone()).chain(main).collect(), env }
    }

    /// Checks the paths of a bundle: none is the runtime's, and the file to start is among them.
    ///
    /// # Errors
    /// [`BadRuntime`] with the path.
    pub fn check_bundle<'a>(
        &self,
        paths: impl Iterator<Item = &'a str> + Clone,
        main: Option<&str>,
    ) -> Result<(), BadRuntime> {
        let main = main.unwrap_or(&self.main);
        let none = main.is_empty() && self.image.is_some();
        if !none {
            checked(main)?;
        }
        if let Some(path) = paths.clone().find(|path| path.split('/').next() == Some(RUNTIME_FOLDER)) {
            return Err(BadRuntime::Reserved(path.into()));
        }
        match none || paths.into_iter().any(|path| path == main) {
            true => Ok(()),
            false => Err(BadRuntime::NoMain(main.into())),
        }
    }
}

fn checked(path: &str) -> Result<(), BadRuntime> {
    check_path(path).map_err(|e| BadRuntime::Path(path.into(), e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        name = "snake"
        module = "snake.wasm"
        program = "/usr/bin/snake"
        main = "main.sn"
        [env]
        SNAKEHOME = "/data/algorithm/.runtime"
        [files]
        "lib/all.zip" = "all.zip"
    "#;

    fn parse(text: &str) -> Result<Runtime, String> {
        let runtime: Runtime = toml::from_str(text).map_err(|e| e.to_string())?;
        runtime.check().map_err(|e| e.to_string())?;
        Ok(runtime)
    }

    #[test]
    fn the_bundles_file_follows_the_program() {
        let runtime = parse(TEXT).unwrap();
        assert_eq!(runtime.start(None).args, ["/usr/bin/snake", "/data/algorithm/main.sn"]);
        assert_eq!(runtime.start(Some("b/c.sn")).args[1], "/data/algorithm/b/c.sn");
        assert_eq!(runtime.start(None).env, [("SNAKEHOME".into(), "/data/algorithm/.runtime".into())]);
    }

    #[test]
    fn descriptions_are_read_strictly() {
        for (from, to) in [
            ("name =", "nmae ="),
            ("\"main.sn\"", "\"../main.sn\""),
            ("\"lib/all.zip\"", "\"/lib/all.zip\""),
            ("program = \"/usr/bin/snake\"", ""),
        ] {
            assert!(parse(&TEXT.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn an_image_stands_in_the_place_of_a_module() {
        let id = format!("sha256:{}", "ab".repeat(32));
        let text = TEXT.replace("module = \"snake.wasm\"", &format!("image = \"{id}\""));
        let runtime = parse(&text).unwrap();
        assert_eq!(runtime.image_digest(), Some(B256::repeat_byte(0xab)));
        let alone = parse(&text.replace("main = \"main.sn\"", "")).unwrap();
        assert_eq!(alone.start(None).args, ["/usr/bin/snake"]);
        assert_eq!(alone.check_bundle(["any"].into_iter(), None), Ok(()));
        assert_eq!(alone.check_bundle(["any"].into_iter(), Some("x")), Err(BadRuntime::NoMain("x".into())));
        for bad in [
            &text.replace("sha256:ab", "sha256:AB"),
            &text.replace("sha256:", ""),
            &TEXT.replace("main =", "image ="),
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&TEXT.replace("main = \"main.sn\"", "")).is_err(), "a module needs one");
    }

    #[test]
    fn bundles_have_their_main_and_leave_the_runtime_alone() {
        let runtime = parse(TEXT).unwrap();
        let check = |paths: &[&str], main| runtime.check_bundle(paths.iter().copied(), main);
        assert_eq!(check(&["a", "main.sn"], None), Ok(()));
        assert_eq!(check(&["a"], Some("a")), Ok(()));
        assert_eq!(check(&["a"], None), Err(BadRuntime::NoMain("main.sn".into())));
        assert_eq!(
            check(&["main.sn", ".runtime/lib/all.zip"], None),
            Err(BadRuntime::Reserved(".runtime/lib/all.zip".into()))
        );
        assert!(matches!(check(&["main.sn"], Some("..")), Err(BadRuntime::Path(..))));
    }
}
