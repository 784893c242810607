//! The architecture as a test: modules name only lower layers, outside crates have one home, files and functions stay
//! small. It reads text, so it sees what a reader sees.

use std::fs;
use std::path::{Path, PathBuf};

use crate::guests::repository;

/// Layers, lowest first. Modules of one layer do not name each other.
const LAYERS: [&[&str]; 9] = [
    &["ids", "money", "clock", "failpoint", "signed_request", "metrics", "redact"],
    &["policy", "trace", "nudge"],
    &["job"],
    &["store", "chain", "sandbox", "data", "log"],
    &["container"],
    &["api", "worker"],
    &["config", "client"],
    &["app", "telemetry"],
    &["cli", "main", "lib"],
];

/// Outside crates and the only modules that may name them. Crates of plain values (serde, hex, `alloy_primitives`) are
/// free.
const HOMES: [(&str, &[&str]); 38] = [
    ("bollard", &["container"]),
    ("wasmtime", &["sandbox"]),
    ("wasmi", &["sandbox"]),
    ("wasmparser", &["sandbox"]),
    ("rusqlite", &["store"]),
    ("refinery", &["store"]),
    ("alloy", &["chain"]),
    ("tower", &["chain"]),
    ("axum", &["api", "app"]),
    ("tower_http", &["api"]),
    ("base64", &["api", "log"]),
    ("ed25519_dalek", &["log"]),
    ("signed_note", &["log"]),
    ("tlog_tiles", &["log"]),
    ("reqwest", &["client"]),
    ("object_store", &["client"]),
    ("http_body_util", &["client"]),
    ("cedar_policy", &["policy"]),
    ("globset", &["policy"]),
    ("toml", &["policy", "config"]),
    ("serde_saphyr", &["config"]),
    ("cap_std", &["data"]),
    ("memmap2", &["data"]),
    ("tar", &["data", "container"]),
    ("zip", &["data"]),
    ("futures_util", &["api", "client", "container"]),
    ("time", &["clock"]),
    ("utoipa", &["api"]),
    ("clap", &["cli", "main"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("tempfile", &["cli", "sandbox"]),
    ("tracing_subscriber", &["telemetry"]),
    ("prometheus_client", &["metrics"]),
    ("percent_encoding", &["telemetry"]),
    ("rustix", &["container", "data", "sandbox"]),
    ("strsim", &["config"]),
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// A product file: its module, its path, its lines without tests.
struct Source {
    module: String,
    path: String,
    lines: Vec<String>,
}

fn sources(folder: &str) -> Vec<Source> {
    let root = repository(folder);
    let mut sources = Vec::new();
    for path in rust_files(&root) {
        let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_string();
        // Whole files of tests stand beside what they test.
        if relative.ends_with("tests.rs") || relative.ends_with("cases.rs") {
            continue;
        }
        let module = relative.split('/').next().unwrap().trim_end_matches(".rs").to_string();
        let text = fs::read_to_string(&path).unwrap();
        let product = text.split("\n#[cfg(test)]\n").next().unwrap();
        let lines = product.lines().map(String::from).collect();
        sources.push(Source { module, path: format!("{folder}/{relative}"), lines });
    }
    assert!(!sources.is_empty(), "no sources in {folder}");
    sources
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn layer_of(module: &str) -> usize {
    let found = LAYERS.iter().position(|modules| modules.contains(&module));
    found.unwrap_or_else(|| {
        panic!("module {module} has no layer; give it one in tests/it/layers.rs and docs/ARCHITECTURE.md")
    })
}

/// Words that follow `crate::` (or begin a path) in code, not in comments.
fn names_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(prefix).map(move |(at, _)| {
        let rest = &code[at + prefix.len()..];
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
    })
}

/// Whether a line of code names an outside crate at the start of a path.
fn names_crate(line: &str, name: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    }) || code.contains(&format!("use {name};"))
}

fn check(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn modules_name_only_lower_layers() {
    let mut broken = Vec::new();
    for source in sources("src") {
        for (number, line) in source.lines.iter().enumerate() {
            for named in names_after(line, "crate::").filter(|named| *named != source.module) {
                // Items of the crate root are none of the modules.
                if named.is_empty() || named.starts_with(char::is_uppercase) {
                    continue;
                }
                if layer_of(named) >= layer_of(&source.module) {
                    broken.push(format!("{}:{}: {} names {named}", source.path, number + 1, source.module));
                }
            }
        }
    }
    check(&broken);
}

#[test]
fn outside_crates_have_one_home() {
    let mut broken = Vec::new();
    for source in sources("src") {
        for (number, line) in source.lines.iter().enumerate() {
            for (name, homes) in HOMES {
                if names_crate(line, name) && !homes.contains(&source.module.as_str()) {
                    broken.push(format!("{}:{}: {name} belongs to {homes:?}", source.path, number + 1));
                }
            }
        }
    }
    check(&broken);
}

#[test]
fn the_receipt_crate_knows_no_outside_thing() {
    let manifest = fs::read_to_string(repository("receipt/Cargo.toml")).unwrap();
    for name in ["wasmtime", "tokio", "axum", "rusqlite", "reqwest", "brizo ="] {
        assert!(!manifest.contains(name), "receipt/Cargo.toml names {name}");
    }
    let mut broken = Vec::new();
    for source in sources("receipt/src") {
        for (number, line) in source.lines.iter().enumerate() {
            if ["std::fs", "std::net", "std::time", "std::env", "std::process"]
                .iter()
                .any(|word| line.contains(word))
            {
                broken.push(format!("{}:{}: {line}", source.path, number + 1));
            }
            let homes = [
                ("base64", &["log", "export"][..]),
                ("ed25519_dalek", &["log", "export"]),
                ("sha2", &["log", "export"]),
                ("tlog_tiles", &["log"]),
            ];
            for (name, modules) in homes {
                if names_crate(line, name) && !modules.contains(&source.module.as_str()) {
                    broken.push(format!("{}:{}: belongs to {modules:?}", source.path, number + 1));
                }
            }
        }
    }
    check(&broken);
}

/// Crates that `brizo-verify` is made of, build-time ones included; fewer is better, more is a decision.
const VERIFIER_CRATES_MAX: usize = 130;

#[test]
fn the_verifier_is_made_of_little() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "brizo-receipt",
            "--features",
            "cli",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--locked", "--offline"])
        .current_dir(repository("."))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: std::collections::BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, rest)| (name, rest.split(' ').next().unwrap()))
        .collect();
    assert!(crates.iter().any(|(name, _)| *name == "ureq"), "cargo tree says something else: {tree}");
    for (name, version) in &crates {
        for heavy in
            ["tokio", "axum", "hyper", "wasmtime", "rusqlite", "reqwest", "alloy", "clap", "openssl-sys"]
        {
            assert_ne!(*name, heavy, "brizo-verify is made of {name} {version}");
        }
    }
    assert!(crates.len() <= VERIFIER_CRATES_MAX, "brizo-verify is made of {} crates", crates.len());
}

#[test]
fn files_and_functions_are_small_and_say_what_they_are() {
    let mut broken = Vec::new();
    for source in
        ["src", "receipt/src", "receipt/cli", "guest-sdk/src", "xtask/src", "benches", "examples/kernels/src"]
            .into_iter()
            .flat_map(sources)
    {
        let lines = source.lines.len();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.path));
        }
        if !source.lines.first().is_some_and(|line| line.starts_with("//! ")) {
            broken.push(format!("{}: does not begin with a //! line", source.path));
        }
        for (name, length) in functions(&source.lines) {
            if length > FUNCTION_LINES_MAX {
                broken.push(format!(
                    "{}: {name} has {length} lines, at most {FUNCTION_LINES_MAX}",
                    source.path
                ));
            }
        }
    }
    check(&broken);
}

/// Name and length of each function: from its signature to the closing brace at the same depth.
fn functions(lines: &[String]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let Some(at) = code.find("fn ").filter(|at| *at == 0 || code[..*at].ends_with(' ')) else { continue };
        if code.starts_with("//") || code[..at].contains(['"', '(', '=']) && !code.starts_with("pub(") {
            continue;
        }
        let end = lines[start..].iter().position(|line| *line == format!("{}}}", " ".repeat(indent)));
        if let Some(length) = end {
            found.push((code[at + 3..].split(['(', '<']).next().unwrap().to_string(), length + 1));
        }
    }
    found
}

#[test]
fn every_module_is_on_the_map() {
    let map = fs::read_to_string(repository("docs/ARCHITECTURE.md")).unwrap();
    for module in
        LAYERS.iter().flat_map(|modules| modules.iter()).filter(|module| !["main", "lib"].contains(module))
    {
        assert!(map.contains(&format!("`{module}`")), "docs/ARCHITECTURE.md does not name `{module}`");
    }
}

#[test]
fn the_rules_catch_what_they_forbid() {
    assert!(names_crate("use wasmtime::Engine;", "wasmtime"));
    assert!(names_crate("    let x = reqwest::get(url);", "reqwest"));
    assert!(!names_crate("use alloy::transports::http::reqwest::Client;", "reqwest"));
    assert!(!names_crate("use alloy_primitives::B256;", "alloy"));
    assert!(!names_crate("// see wasmtime::Engine", "wasmtime"));
    assert_eq!(
        names_after("use crate::store::Store; crate::Exit", "crate::").collect::<Vec<_>>(),
        ["store", "Exit"]
    );
    let long: Vec<String> = std::iter::once("    pub(crate) fn long() {".to_string())
        .chain((0..80).map(|_| "        x();".to_string()))
        .chain(std::iter::once("    }".to_string()))
        .collect();
    assert_eq!(functions(&long), [("long".to_string(), 82)]);
}
