//! `cargo xtask test`: every check there is, in order; the first that fails ends it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::command::{ask, capture, clean, clean_in, run};
use crate::tools::{self, ANVIL_VARIABLE};
use crate::{containers, contracts, deny, guests, python};

/// What to leave out.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// Only tests whose name contains this, and none of the checks beside them.
    pub(crate) filter: Option<String>,
    /// Without the contracts' own checks, other formats' tools and cargo-deny.
    pub(crate) quick: bool,
}

/// What the steps hand to each other.
struct Bench<'a> {
    root: &'a Path,
    filter: Option<&'a str>,
    anvil: Option<PathBuf>,
    forge: Option<PathBuf>,
}

/// Ends well with nothing to add, or with a sentence for the table.
type Check = fn(&mut Bench<'_>) -> Result<Option<String>, String>;

/// When a step is left out.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Never: tests, and what they need.
    Tests,
    /// With a filter.
    Style,
    /// With a filter, and when it has to be quick.
    Slow,
}

const STEPS: [(&str, Part, Check); 14] = [
    ("tools", Part::Tests, make_tools),
    ("guests", Part::Tests, |bench| guests::build_all(bench.root)),
    ("containers", Part::Tests, |bench| containers::ready(bench.root)),
    ("format", Part::Style, format),
    ("clippy", Part::Style, clippy),
    ("contracts: artefacts", Part::Slow, |bench| contracts::artifacts(bench.root, true).map(|()| None)),
    ("contracts: forge", Part::Slow, forge),
    ("tests", Part::Tests, workspace_tests),
    ("tests of brizo-verify", Part::Tests, verifier_tests),
    ("second verifier", Part::Style, |bench| python::second_verifier(bench.root)),
    ("interop", Part::Slow, |bench| python::interop(bench.root)),
    ("tests of the examples", Part::Tests, example_tests),
    ("receipts in a browser", Part::Slow, receipt_in_a_browser),
    ("dependencies", Part::Slow, |bench| deny::check(bench.root)),
];

/// Runs what was chosen, and closes with a table.
pub(crate) fn run_all(root: &Path, choice: &Choice) -> Result<(), String> {
    let filter = choice.filter.as_deref();
    let mut bench = Bench { root, filter, anvil: None, forge: None };
    let mut table = Vec::new();
    let chosen = |part| match part {
        Part::Tests => true,
        Part::Style => filter.is_none(),
        Part::Slow => filter.is_none() && !choice.quick,
    };
    let result = STEPS.into_iter().try_for_each(|(name, part, check)| {
        if !chosen(part) {
            table.push((name, None, "left out".to_owned()));
            return Ok(());
        }
        println!("\n== {name} ==");
        let started = Instant::now();
        let outcome = check(&mut bench);
        let word = match &outcome {
            Ok(note) => note.clone().unwrap_or_else(|| "ok".to_owned()),
            Err(_) => "FAILED".to_owned(),
        };
        table.push((name, Some(started.elapsed()), word));
        outcome.map(|_| ())
    });
    print_table(&table);
    result
}

fn print_table(table: &[(&str, Option<Duration>, String)]) {
    println!();
    for (name, took, word) in table {
        let seconds = took.map_or("-".to_owned(), |took| format!("{:.1} s", took.as_secs_f64()));
        println!("{name:<24}{seconds:>10}  {word}");
    }
    let total: Duration = table.iter().filter_map(|(_, took, _)| *took).sum();
    println!("{:<24}{:>10}", "together", format!("{:.1} s", total.as_secs_f64()));
}

fn make_tools(bench: &mut Bench<'_>) -> Result<Option<String>, String> {
    let found = tools::ready(bench.root)?;
    (bench.anvil, bench.forge) = (Some(found.anvil), Some(found.forge));
    Ok(None)
}

fn format(bench: &mut Bench<'_>) -> Result<Option<String>, String> {
    for folder in [bench.root.to_owned(), bench.root.join("examples")] {
        cargo(&folder, &["fmt", "--all", "--check"])
            .map_err(|cause| format!("{cause}; run `cargo fmt --all` in {}", folder.display()))?;
    }
    Ok(None)
}

fn clippy(bench: &mut Bench<'_>) -> Result<Option<String>, String> {
    cargo(bench.root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    let small = ["clippy", "--package", "brizo-receipt", "--features", "cli", "--all-targets", "--locked"];
    cargo(bench.root, &[&small[..], &["--", "-D", "warnings"]].concat())?;
    Ok(None)
}

fn forge(bench: &mut Bench<'_>) -> Result<Option<String>, String> {
    let forge = bench.forge.as_deref().ok_or("forge was not made ready")?;
    contracts::test(bench.root, forge).map(|()| None)
}

fn workspace_tests(bench: &mut Bench<'_>) -> Result<Option<String>, String> {
    let mut test = clean_in(bench.root, "cargo", &["test", "--workspace", "--locked"]);
    if let Some(anvil) = &bench.anvil {
        test.env(ANVIL_VARIABLE, anvil);
    }
    run(test.args(bench.filter), None)
        .map_err(|cause| format!("a test failed ({cause}); it is named above"))?;
    Ok(None)
}

/// Apart, because with its HTTP client in the same build every other program would get its TLS, too.
fn verifier_tests(bench: &mut Bench<'_>) -> Result<Option<String>, String> {
    let small = ["test", "--package", "brizo-receipt", "--features", "cli", "--test", "program", "--locked"];
    run(clean_in(bench.root, "cargo", &small).args(bench.filter), None)
        .map_err(|cause| format!("a test of brizo-verify failed ({cause}); it is named above"))?;
    Ok(None)
}

fn example_tests(bench: &mut Bench<'_>) -> Result<Option<String>, String> {
    let mut test = clean_in(&bench.root.join("examples"), "cargo", &["test", "--locked"]);
    run(test.args(bench.filter), None)
        .map_err(|cause| format!("a test in examples/ failed ({cause}); it is named above"))?;
    Ok(None)
}

/// The crate of receipts must stay one that a web page can have: WebAssembly without a system, so without its random
/// numbers either. The target that has no system is checked where it is installed; that of the guests always is.
fn receipt_in_a_browser(bench: &mut Bench<'_>) -> Result<Option<String>, String> {
    const BARE: &str = "wasm32-unknown-unknown";
    let package = ["-p", "brizo-receipt", "--locked", "--target"];
    let tree = ["tree", "--edges", "normal", "--prefix", "none"];
    let mut tree = clean_in(bench.root, "cargo", &[&tree[..], &package, &[BARE]].concat());
    let (status, crates) = capture(&mut tree, Duration::from_secs(120))?;
    if !status.success() || crates.lines().any(|line| line.starts_with("getrandom ")) {
        return Err(format!(
            "brizo-receipt needs random numbers of the system ({status}); cargo tree -i getrandom says why"
        ));
    }
    let library = ask(clean("rustc").args(["--print", "target-libdir", "--target", BARE]));
    let installed = library.is_some_and(|folder| Path::new(&folder).is_dir());
    let target = if installed { BARE } else { "wasm32-wasip1" };
    cargo(bench.root, &[&["check"], &package[..], &[target]].concat())?;
    Ok((!installed).then(|| "ok, for wasm32-wasip1".to_owned()))
}

fn cargo(folder: &Path, args: &[&str]) -> Result<(), String> {
    run(&mut clean_in(folder, "cargo", args), None)
        .map_err(|cause| format!("cargo {} does not pass ({cause})", args.join(" ")))
}
