//! Makes sure of the tools that cargo does not bring: node, npm, and from npm solc, anvil and forge.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::command::{APT_LIMIT, apt, ask, clean, clean_in, run};

/// `import.meta.dirname`, which contracts/tools/artifacts.mjs uses, came with this version.
const NODE_AT_LEAST: (u32, u32) = (20, 11);

/// The packages are 60 MB together.
const NPM_LIMIT: Duration = Duration::from_secs(600);

/// Another anvil than npm's.
pub(crate) const ANVIL_VARIABLE: &str = "BRIZO_ANVIL";

/// The programs themselves: npm's `.bin/anvil` is a script around one, which lives on when the script is killed.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) anvil: PathBuf,
    pub(crate) forge: PathBuf,
}

/// Installs what is missing.
pub(crate) fn ready(root: &Path) -> Result<Tools, String> {
    install(root)?;
    Ok(Tools { anvil: anvil_or(|| binary(root, "anvil"))?, forge: binary(root, "forge")? })
}

/// The same where only anvil is needed; then an anvil that is named makes node and npm unnecessary.
pub(crate) fn ready_anvil(root: &Path) -> Result<PathBuf, String> {
    anvil_or(|| install(root).and_then(|()| binary(root, "anvil")))
}

fn install(root: &Path) -> Result<(), String> {
    node()?;
    packages(&root.join("contracts"))
}

fn anvil_or(otherwise: impl FnOnce() -> Result<PathBuf, String>) -> Result<PathBuf, String> {
    let Some(named) = std::env::var_os(ANVIL_VARIABLE).map(PathBuf::from) else { return otherwise() };
    // Programs are started in other folders than this one.
    let path = named.canonicalize().map_err(|cause| {
        format!(
            "{ANVIL_VARIABLE} names {}, which cannot be used ({cause}); mend or unset it",
            named.display()
        )
    })?;
    say(&format!("anvil is {} ({ANVIL_VARIABLE})", path.display()));
    Ok(path)
}

/// Node and npm, from Debian where they are missing.
pub(crate) fn node() -> Result<(), String> {
    if version("node").is_none() || version("npm").is_none() {
        say("apt-get install nodejs npm");
        run(apt().args(["update", "-q"]), Some(APT_LIMIT))
            .and_then(|()| {
                run(
                    apt().args(["install", "-q", "-y", "--no-install-recommends", "nodejs", "npm"]),
                    Some(APT_LIMIT),
                )
            })
            .map_err(|cause| format!("node or npm is missing ({cause}); apt-get install nodejs npm"))?;
    }
    let found = version("node").ok_or("node does not start; apt-get install nodejs npm")?;
    if node_number(&found).is_none_or(|number| number < NODE_AT_LEAST) {
        let (major, minor) = NODE_AT_LEAST;
        return Err(format!(
            "node is {found}, and the contracts need {major}.{minor} or later; install one from https://nodejs.org"
        ));
    }
    say(&format!("node {found}, npm {}", version("npm").unwrap_or_default()));
    Ok(())
}

fn version(program: &str) -> Option<String> {
    ask(clean(program).arg("--version"))
}

/// `v20.20.2` is (20, 20).
fn node_number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// `npm ci` where the lock file is newer than what was installed from it.
fn packages(contracts: &Path) -> Result<(), String> {
    let wanted = changed(&contracts.join("package-lock.json"))
        .ok_or("contracts/package-lock.json is missing; check it out again")?;
    // npm writes this file last, so half an installation does not count.
    if changed(&contracts.join("node_modules/.package-lock.json"))
        .is_some_and(|installed| installed >= wanted)
    {
        say("contracts/node_modules is as package-lock.json says");
        return Ok(());
    }
    say("npm ci in contracts/");
    run(
        &mut clean_in(contracts, "npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"]),
        Some(NPM_LIMIT),
    )
    .map_err(|cause| format!("npm could not install contracts/node_modules: {cause}; its reason is above"))
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

fn binary(root: &Path, tool: &str) -> Result<PathBuf, String> {
    let platform = platform(OS, ARCH).ok_or_else(|| {
        format!(
            "npm has no {tool} for {OS} on {ARCH}; use Linux or macOS, on x86-64 or ARM \
             ({ANVIL_VARIABLE} can name an anvil from elsewhere, which is all that the demo needs)"
        )
    })?;
    let path = root.join(format!("contracts/node_modules/@foundry-rs/{tool}-{platform}/bin/{tool}"));
    if !path.is_file() {
        return Err(format!(
            "{} is missing although npm ran; remove contracts/node_modules and try again",
            path.display()
        ));
    }
    say(&format!("{tool} is {}", path.display()));
    Ok(path)
}

/// npm's name for a platform.
fn platform(os: &str, arch: &str) -> Option<&'static str> {
    match (os, arch) {
        ("linux", "x86_64") => Some("linux-amd64"),
        ("linux", "aarch64") => Some("linux-arm64"),
        ("macos", "x86_64") => Some("darwin-amd64"),
        ("macos", "aarch64") => Some("darwin-arm64"),
        _ => None,
    }
}

fn say(step: &str) {
    println!("tools: {step}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(node_number("v20.20.2"), Some((20, 20)));
        assert!(node_number("v20.9.0") < Some(NODE_AT_LEAST));
        assert!(node_number("v100.0.0") > Some(NODE_AT_LEAST));
        assert_eq!(node_number("nonsense"), None);
    }

    #[test]
    fn platforms_have_npms_names() {
        assert_eq!(platform("linux", "x86_64"), Some("linux-amd64"));
        assert_eq!(platform("macos", "aarch64"), Some("darwin-arm64"));
        assert_eq!(platform("linux", "riscv64"), None);
    }
}
