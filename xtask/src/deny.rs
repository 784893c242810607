//! cargo-deny: licences, bans, sources and, where its database can be had, advisories.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::{ask, clean, clean_in, run};

const VERSION: &str = "0.20.2";

/// The database is 15 MB; a network that swallows packets would otherwise hold up everything.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// Checks the tree against deny.toml. What was left out comes back as a sentence.
pub(crate) fn check(root: &Path) -> Result<Option<String>, String> {
    let deny = ready(root)?;
    // The lock file names crates for other systems too; offline, cargo-deny cannot ask for what they are.
    run(&mut clean_in(root, "cargo", &["fetch", "--locked", "--quiet"]), None)
        .map_err(|cause| format!("the crates in Cargo.lock cannot be fetched ({cause})"))?;
    run(&mut clean_in(root, &deny, &["--offline", "check", "bans", "licenses", "sources"]), None)
        .map_err(|cause| format!("a dependency breaks a rule of deny.toml ({cause}); it is named above"))?;
    advisories(root, &deny)
}

/// With an old database a clean answer would say nothing, so it is fetched or nothing is claimed.
fn advisories(root: &Path, deny: &Path) -> Result<Option<String>, String> {
    let mut fetch = clean_in(root, deny, &["fetch", "db"]);
    // git, which it starts, gives up by itself as well: killing cargo-deny would leave it waiting.
    fetch.env("GIT_HTTP_LOW_SPEED_LIMIT", "1000").env("GIT_HTTP_LOW_SPEED_TIME", "30");
    if let Err(cause) = run(&mut fetch, Some(FETCH_LIMIT)) {
        println!("deny: {cause}");
        let skipped = "SKIPPED: advisories (the database cannot be fetched here)";
        println!("{skipped}");
        return Ok(Some(skipped.to_owned()));
    }
    run(&mut clean_in(root, deny, &["--offline", "check", "advisories"]), None)
        .map_err(|cause| {
            format!(
                "a dependency has an advisory ({cause}); update it, or except it in deny.toml with the reason"
            )
        })
        .map(|()| None)
}

/// Ours in .tools, else the machine's, else it is built once into .tools.
fn ready(root: &Path) -> Result<PathBuf, String> {
    let ours = root.join(format!(".tools/bin/cargo-deny{}", std::env::consts::EXE_SUFFIX));
    for path in [ours.as_path(), Path::new("cargo-deny")] {
        if let Some(version) = ask(clean(&path.to_string_lossy()).arg("--version")) {
            println!("deny: {version}");
            return Ok(path.to_owned());
        }
    }
    println!("deny: building cargo-deny {VERSION} into .tools (about 3 minutes of processor time, once)");
    let args = ["install", "cargo-deny", "--locked", "--quiet", "--version", VERSION, "--root", ".tools"];
    run(&mut clean_in(root, "cargo", &args), None).map_err(|cause| {
        format!("cargo-deny cannot be built ({cause}); run `cargo install cargo-deny --locked --version {VERSION}`")
    })?;
    Ok(ours)
}
