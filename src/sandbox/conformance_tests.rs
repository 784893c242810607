//! WASI preview 1 conformance: the public suite (WebAssembly/wasi-testsuite, branch `prod/testsuite-base`) against a table
//! of what is expected to fail and why. `BRIZO_WASI_TESTSUITE` names the unpacked branch.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use brizo_receipt::{B256, Invocation, Status};
use serde::Deserialize;

use super::vfs::Vfs;
use super::{Control, Engine, Limits, Order, inspect};

/// The three suites, each with the number of its tests.
const SUITES: [(&str, usize); 3] = [("assemblyscript", 12), ("c", 14), ("rust", 46)];

/// Tests that fail, each with its reason; `docs/SPECIFICATION.md` has the same table.
const EXPECTED_FAILURES: [(&str, &str); 7] = [
    ("rust/nofollow_errors", SYMBOLIC),
    ("rust/path_exists", SYMBOLIC),
    ("rust/path_link", HARD),
    ("rust/path_symlink_trailing_slashes", SYMBOLIC),
    ("rust/readlink", SYMBOLIC),
    ("rust/symlink_create", SYMBOLIC),
    ("rust/symlink_filestat", SYMBOLIC),
];

const SYMBOLIC: &str = "makes a symbolic link; an output is a file or a folder, so there are none";
const HARD: &str = "makes a hard link; an output has one name, so there are none";

const CLOCK_START: u64 = 1_700_000_000_000_000_000;

/// What stands in the file beside a test.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Spec {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    root: Option<String>,
    exit_code: u32,
    stdout: Option<String>,
    stderr: Option<String>,
}

/// Content of a folder, by path: folders above what is in them, and files.
#[derive(Default)]
struct Tree {
    folders: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    fn read(&mut self, folder: &Path, prefix: &str) {
        for entry in sorted(folder) {
            let path = format!("{prefix}{}", entry.file_name().unwrap().to_str().unwrap());
            if entry.is_dir() {
                self.folders.push(path.clone());
                self.read(&entry, &format!("{path}/"));
            } else {
                self.files.insert(path, fs::read(&entry).unwrap());
            }
        }
    }
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Runs one test; says what is not as its file wants it.
fn run(engine: &Engine, module: &Path) -> Result<(), String> {
    let spec = match fs::read_to_string(module.with_extension("json")) {
        Ok(text) => serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", module.display())),
        Err(_) => Spec::default(),
    };
    let vfs = match &spec.root {
        None => Vfs::of_streams(CLOCK_START),
        Some(root) => {
            let mut tree = Tree::default();
            tree.read(&module.with_file_name(root), "");
            Vfs::of_one_volume("/", &tree.folders, &tree.files, CLOCK_START)
        }
    };
    let name = module.file_name().unwrap().to_str().unwrap().to_string();
    let order = Order {
        invocation: Invocation {
            args: std::iter::once(name).chain(spec.args).collect(),
            env: spec.env.into_iter().collect(),
        },
        algorithm: vec![],
        inputs: vec![],
        limits: Limits {
            fuel: 1 << 40,
            memory_bytes: 1 << 30,
            stack: 1 << 20,
            output_bytes: 0,
            output_files: 0,
        },
        random_seed: B256::repeat_byte(7),
        clock_start: CLOCK_START,
        clock_step: 1_000,
    };
    let bytes = fs::read(module).unwrap();
    let inspection = inspect(&bytes, u64::MAX).map_err(|refused| refused.to_string())?;
    let module = engine.compile(&bytes, &inspection).map_err(|e| e.to_string())?;
    let run = engine.run_on(vfs.unwrap(), &module, &order, &Control::default());
    let (ending, outputs) = run.map_err(|aborted| aborted.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let as_wanted = (ending.status, ending.exit_code) == (Status::Exit, spec.exit_code)
        && spec.stdout.is_none_or(|wanted| said(&outputs.stdout) == wanted)
        && spec.stderr.is_none_or(|wanted| said(&outputs.stderr) == wanted);
    if as_wanted {
        return Ok(());
    }
    Err(format!("{ending:?}\n{}{}", said(&outputs.stdout), said(&outputs.stderr)))
}

#[test]
fn the_suite_ends_as_the_table_says() {
    let Some(folder) = std::env::var_os("BRIZO_WASI_TESTSUITE") else {
        println!(
            "SKIPPED: BRIZO_WASI_TESTSUITE does not name a checkout of wasi-testsuite, prod/testsuite-base"
        );
        return;
    };
    let engine = Engine::new(None).unwrap();
    let only = std::env::var("BRIZO_WASI_TEST").ok();
    let mut failures = BTreeMap::new();
    for (suite, tests) in SUITES {
        let folder = Path::new(&folder).join(format!("tests/{suite}/testsuite/wasm32-wasip1"));
        let modules: Vec<_> = sorted(&folder)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "wasm"))
            .collect();
        assert_eq!(modules.len(), tests, "another version of the suite {suite}");
        for module in modules {
            let name = format!("{suite}/{}", module.file_stem().unwrap().to_str().unwrap());
            if only.as_ref().is_some_and(|only| !name.contains(only)) {
                continue;
            }
            if let Err(why) = run(&engine, &module) {
                println!("{name}: {why}");
                failures.insert(name, why);
            }
        }
    }
    for (name, why) in EXPECTED_FAILURES.iter().filter(|(name, _)| failures.contains_key(*name)) {
        println!("expected: {name} {why}");
    }
    let expected: BTreeSet<_> = EXPECTED_FAILURES.iter().map(|(name, _)| (*name).to_string()).collect();
    let failed: BTreeSet<_> = failures.into_keys().collect();
    if only.is_none() {
        assert_eq!(failed, expected, "left: what failed; right: what the table expects to fail");
    }
}

#[test]
fn the_table_is_the_published_one() {
    let specification = include_str!("../../docs/SPECIFICATION.md");
    for (name, why) in EXPECTED_FAILURES {
        assert!(specification.contains(&format!("| `{name}` | {why} |\n")), "{name}");
    }
    for (suite, tests) in SUITES {
        let prefix = format!("{suite}/");
        let failing = EXPECTED_FAILURES.iter().filter(|(name, _)| name.starts_with(&prefix)).count();
        let row = format!("| {suite} | {tests} | {} | {failing} |\n", tests - failing);
        assert!(specification.contains(&row), "{row}");
    }
}
