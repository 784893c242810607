//! `brizo new`: what it writes builds and runs, and it writes over nothing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::said;
use crate::world::brizo;

const EXPECTED: &str = "column,count,missing,mean\nheight_cm,8,1,173.28125\n";
const COLUMN: [&str; 2] = ["--column", "height_cm"];

/// A project that `brizo new` wrote, in a folder of its own.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(language: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = brizo(folder.path(), &["new", "mean-height", "--lang", language]);
        assert!(output.status.success(), "{}", said(&output));
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mean-height")
    }

    /// Runs a program in the project, without what the outer cargo set.
    fn command(&self, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO") || name.to_string_lossy().starts_with("RUST") {
                command.env_remove(name);
            }
        }
        // What is looked up by rustup and cargo themselves.
        for name in ["CARGO_HOME", "RUSTUP_HOME"] {
            std::env::var_os(name).map(|value| command.env(name, value));
        }
        command.env("PYTHONPATH", packages());
        command.args(args).current_dir(self.path()).output().unwrap_or_else(|e| panic!("{program}: {e}"))
    }

    fn succeeds(&self, program: &str, args: &[&str]) -> Output {
        let output = self.command(program, args);
        assert!(output.status.success(), "{program} {args:?}: {}", said(&output));
        output
    }

    /// Runs the module in the sandbox over the sample: how it ended, what was said, and the output.
    fn runs(&self, module: &str, args: &[&str]) -> (String, String, Option<String>) {
        let fixed = ["run", module, "--input", "data", "--output", "out", "--"];
        let output = brizo(&self.path(), &[&fixed, args].concat());
        let said = said(&output);
        let end = said
            .lines()
            .find_map(|line| line.strip_prefix("end        "))
            .unwrap_or_else(|| panic!("{said}"));
        let text = std::fs::read_to_string(self.path().join("out/mean.csv")).ok();
        std::fs::remove_dir_all(self.path().join("out")).unwrap();
        std::fs::remove_file(self.path().join("out.receipt.json")).unwrap();
        (end.to_string(), said.clone(), text)
    }

    fn runs_well(&self, module: &str) {
        let (end, said, text) = self.runs(module, &COLUMN);
        assert_eq!((end.as_str(), text.as_deref()), ("exit 0", Some(EXPECTED)), "{said}");
        assert!(said.contains("8 values in 1 files\n") && said.contains("brizo:progress 1.00\n"), "{said}");
    }
}

/// Says that something was not tried, past the harness, which keeps what passing tests print.
fn skipped(what: &str, why: &str) {
    let mut past = std::io::stderr();
    writeln!(past, "SKIPPED: {what}: {why}").unwrap();
}

/// Whether a program starts and ends well.
fn works(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .env("PYTHONPATH", packages())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// The Python whose packages `cargo xtask guests` has fetched.
const PYTHON: &str = "python3";

/// Where those packages are.
fn packages() -> String {
    let folder = |name| crate::guests::repository(&format!("examples/target/toolchains/{name}"));
    format!("{}:{}", folder("zig").display(), folder("componentize-py").display())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn every_language_is_written_whole_and_says_what_comes_next() {
    for (language, count, build) in [
        ("rust", 20, "cargo build --release --target wasm32-wasip1"),
        ("python", 10, ".venv/bin/componentize-py -d wit -w algorithm componentize app -o mean-height.wasm"),
        ("c", 6, "make"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = brizo(folder.path(), &["new", "mean-height", "--lang", language]);
        assert!(output.status.success(), "{}", said(&output));
        let files = files_below(&folder.path().join("mean-height"));
        assert_eq!(files.len(), count, "{files:?}");
        let readme = std::fs::read_to_string(folder.path().join("mean-height/README.md")).unwrap();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(!text.contains("@NAME@"), "{}", file.display());
        }
        let said = said(&output);
        let steps: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(steps[0], "cd mean-height");
        assert!(steps.contains(&build), "{said}");
        assert!(steps.last().unwrap().starts_with("brizo run "), "{said}");
        // README and program say the same, whatever stands between the words.
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for step in &steps[1..] {
            assert!(plain(&readme).contains(&plain(step)), "README of {language} lacks: {step}");
        }
    }
}

#[test]
fn nothing_is_written_over_and_bad_names_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let new = |name: &str| brizo(folder.path(), &["new", name, "--lang", "c"]);
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/main.c"), "mine").unwrap();
    std::fs::write(folder.path().join("file"), "mine").unwrap();
    for (name, reason) in [
        ("full", "error: full is not empty; name a new or an empty folder"),
        ("file", "error: file: "),
        ("Mean", "error: \"Mean\" is no name for an algorithm: begin with a small letter"),
        ("mean.wasm", "is no name for an algorithm"),
        ("..", "error: \"..\" is no name for an algorithm"),
        ("test", "error: the name \"test\" means something else to cargo or rustc"),
    ] {
        let output = new(name);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(said(&output).contains(reason), "{name}: {}", said(&output));
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("full/main.c")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    assert_eq!(brizo(folder.path(), &["new", "x", "--lang", "cobol"]).status.code(), Some(2));
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(new("empty").status.success());
    assert!(new("deep/er/mean").status.success());
}

#[test]
fn a_rust_project_is_tested_built_and_run_without_a_network() {
    let project = Project::new("rust");
    let tested = project.succeeds("cargo", &["test", "--offline", "--quiet"]);
    assert!(said(&tested).contains("2 passed"), "{}", said(&tested));
    let targets = Command::new("rustup").args(["target", "list", "--installed"]).output();
    if !targets
        .is_ok_and(|list| String::from_utf8_lossy(&list.stdout).lines().any(|it| it == "wasm32-wasip1"))
    {
        return skipped("a new Rust project as a module", "rustup has no target wasm32-wasip1");
    }
    let build = ["build", "--offline", "--quiet", "--release", "--target", "wasm32-wasip1"];
    let built = project.succeeds("cargo", &build);
    assert!(built.stderr.is_empty(), "{}", said(&built));
    let module = "target/wasm32-wasip1/release/mean-height.wasm";
    project.runs_well(module);
    let bytes = std::fs::read(project.path().join(module)).unwrap();
    let local = project.folder.path().to_str().unwrap().as_bytes();
    assert!(
        !bytes.windows(local.len()).any(|part| part == local),
        "the module names the folder it was built in"
    );

    for (args, end, line) in [
        (&["--colum", "x"][..], "exit 2", "error: --colum is not known here; known: --column, --min-count\n"),
        (
            &["--column", "x"],
            "exit 3",
            "error: sample.csv has no column \"x\"; its columns are: plot, height_cm\n",
        ),
    ] {
        let (ended, said, text) = project.runs(module, args);
        assert_eq!((ended.as_str(), text), (end, None), "{said}");
        assert!(said.contains(line), "{said}");
    }

    // WebAssembly has no unwinding; the SDK still says what happened, and ends with a code of its own.
    let source = project.path().join("src/main.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    let panics = text.replace(
        "    if count < min_count {\n",
        "    if count > 7 { panic!(\"{count} is too many\") }\n    if count < min_count {\n",
    );
    assert_ne!(panics, text);
    std::fs::write(&source, panics).unwrap();
    project.succeeds("cargo", &build);
    let (ended, said, _) = project.runs(module, &COLUMN);
    assert_eq!(ended, "exit 101", "{said}");
    assert!(said.contains("panic: src/main.rs:") && said.contains(": 8 is too many\n"), "{said}");
}

#[test]
fn a_c_project_is_tested_built_and_run() {
    let project = Project::new("c");
    if !works("make", &["--version"]) {
        return skipped("a new C project", "there is no make");
    }
    match works("cc", &["--version"]) {
        true => drop(project.succeeds("make", &["test"])),
        false => skipped("the tests of a new C project", "there is no cc"),
    }
    if !works(PYTHON, &["-m", "ziglang", "version"]) {
        return skipped("a new C project as a module", "there is no ziglang; `cargo xtask guests` says why");
    }
    project.succeeds("make", &[&format!("PYTHON={PYTHON}")]);
    project.runs_well("mean-height.wasm");
    let (ended, said, text) = project.runs("mean-height.wasm", &["--column", "x"]);
    assert_eq!((ended.as_str(), text), ("exit 3", None), "{said}");
    assert!(said.contains("error: sample.csv has no column \"x\"\n"), "{said}");
}

#[test]
fn a_python_project_is_tested_built_and_run() {
    let project = Project::new("python");
    if !works(PYTHON, &["--version"]) {
        return skipped("a new Python project", "there is no python3");
    }
    let tested = project.succeeds(PYTHON, &["-m", "unittest"]);
    assert!(said(&tested).contains("Ran 3 tests"), "{}", said(&tested));
    let tool = crate::guests::repository("examples/target/toolchains/componentize-py/bin/componentize-py");
    let tool = tool.to_str().unwrap();
    if !works(tool, &["--version"]) {
        let why = "there is no componentize-py; `cargo xtask guests` says why";
        return skipped("a new Python project as a component", why);
    }
    let build = ["-q", "-d", "wit", "-w", "algorithm", "componentize", "app", "-o", "mean-height.wasm"];
    project.succeeds(tool, &build);
    let checked = brizo(&project.path(), &["check", "mean-height.wasm"]);
    assert!(checked.status.success(), "{}", said(&checked));
    project.runs_well("mean-height.wasm");
    let (ended, said, text) = project.runs("mean-height.wasm", &["--column", "x"]);
    assert_eq!((ended.as_str(), text), ("exit 1", None), "{said}");
    assert!(said.contains("error: sample.csv has no column 'x'"), "{said}");
}
