//! Checks that are written in Python: the second verifier of receipts, and other formats' own tools on what is exported.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::command::{ask, clean, clean_in, run};
use crate::toolchains::{python_with_pip, remove, size};

/// The oldest Python that the scripts are written for.
const AT_LEAST: (u32, u32) = (3, 11);

/// About 40 packages, 80 MB together.
const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// Both take seconds; a script that hangs must not hold up everything.
const RUN_LIMIT: Duration = Duration::from_secs(600);

/// Written last, so half an installation does not count. It holds the pins that were installed.
const STAMP: &str = ".pins";

/// Goes through `tests/vectors` with the verifier that was written from docs/RECEIPT.md alone, in another language.
pub(crate) fn second_verifier(root: &Path) -> Result<Option<String>, String> {
    if let Some(skipped) = no_python() {
        return Ok(Some(skipped));
    }
    let args = ["-m", "tests.verifier", "vectors", "tests/vectors"];
    run(&mut clean_in(root, "python3", &args), Some(RUN_LIMIT)).map(|()| None).map_err(|cause| {
        format!("the second verifier does not agree with tests/vectors ({cause}); see above")
    })
}

/// Exports receipts with the brizo that the tests have built, and has public tools read them.
pub(crate) fn interop(root: &Path) -> Result<Option<String>, String> {
    if let Some(skipped) = no_python() {
        return Ok(Some(skipped));
    }
    let brizo = root.join(format!("target/debug/brizo{}", std::env::consts::EXE_SUFFIX));
    if !brizo.is_file() {
        return Err(format!("{} is missing; `cargo test --workspace` builds it", brizo.display()));
    }
    let packages = match packages(root) {
        Ok(packages) => packages,
        Err(cause) => {
            let skipped = format!("SKIPPED: {cause}");
            println!("{skipped}");
            return Ok(Some(skipped));
        }
    };
    let mut check = clean_in(root, "python3", &["tests/interop/check.py", "--brizo"]);
    // Only these packages: whatever else the machine has is not what was pinned.
    check
        .arg(brizo)
        .env("PYTHONPATH", packages)
        .env("PYTHONNOUSERSITE", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    run(&mut check, Some(RUN_LIMIT))
        .map(|()| None)
        .map_err(|cause| format!("a public tool does not take what `brizo receipt export` wrote ({cause})"))
}

/// Why a Python check cannot be made here, if it cannot.
fn no_python() -> Option<String> {
    let found = ask(clean("python3").arg("--version")).unwrap_or_default();
    if number(&found).is_some_and(|number| number >= AT_LEAST) {
        return None;
    }
    let (major, minor) = AT_LEAST;
    let found = if found.is_empty() { "none was found" } else { &found };
    let skipped = format!("SKIPPED: needs Python {major}.{minor} or later; {found}");
    println!("{skipped}");
    Some(skipped)
}

/// `Python 3.11.7` is (3, 11).
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix("Python ")?.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// The folder of the pinned packages, after they were fetched where they are missing or others.
fn packages(root: &Path) -> Result<PathBuf, String> {
    let requirements = root.join("tests/interop/requirements.txt");
    let pins = fs::read(&requirements)
        .map_err(|cause| format!("cannot read {}: {cause}", requirements.display()))?;
    let folder = root.join("target/interop");
    if fs::read(folder.join(STAMP)).is_ok_and(|installed| installed == pins) {
        return Ok(folder);
    }
    remove(&folder)?;
    python_with_pip()?;
    let started = Instant::now();
    let mut install = clean("python3");
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        // The list is complete; what it does not name is not fetched.
        .args([
            "--only-binary",
            ":all:",
            "--no-deps",
            "--no-compile",
            "--root-user-action",
            "ignore",
            "--target",
        ])
        .arg(&folder)
        .arg("--requirement")
        .arg(&requirements);
    run(&mut install, Some(FETCH_LIMIT))
        .map_err(|cause| format!("the packages of tests/interop cannot be fetched here ({cause})"))?;
    fs::write(folder.join(STAMP), pins)
        .map_err(|cause| format!("cannot write into {}: {cause}", folder.display()))?;
    println!("interop: {} MB of packages in {} s", size(&folder) >> 20, started.elapsed().as_secs());
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(number("Python 3.11.7"), Some((3, 11)));
        assert!(number("Python 3.9.2") < Some(AT_LEAST));
        assert!(number("Python 3.12.0rc1") > Some(AT_LEAST));
        assert_eq!(number("nonsense"), None);
    }

    #[test]
    fn every_package_is_pinned_to_one_version() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop/requirements.txt");
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() > 30);
        let pinned = |line: &&str| line.split_once("==").is_some_and(|(_, version)| !version.contains('*'));
        assert_eq!(lines.iter().find(|line| !pinned(line)), None);
    }
}
