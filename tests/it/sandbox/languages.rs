//! The same algorithm in every language: the same bytes, the same fuel each time, the same refusals.
//!
//! A language whose module is not there is skipped, which `cargo xtask guests` has announced too.

use std::io::Write as _;

use brizo::sandbox::{Control, Ending, Module, Order, Outputs, inspect};

use super::{engine, input, order, text};
use crate::guests::repository;

/// Core modules for WASI preview 1. Rust is what the others are compared with.
const CORE: [&str; 5] = ["group_aggregate", "c", "cpp", "assemblyscript", "go"];

/// Components for WASI preview 2.
const COMPONENTS: [&str; 2] = ["javascript", "python"];

/// Quotation marks, empty lines, line ends of both kinds, names that only bytes sort rightly, numbers that only a
/// compensated sum adds rightly, and all ways to write one.
const AWKWARD: &str = "\u{feff}id,\"the \"\"group\"\"\",v\r\n\
    1,\"b,1\",1e100\n2,\"b,1\",1\n3,\"b,1\",-1e100\n\n\
    4,😀,0.1\n5,😀,0.2\n6,～,1e-5\n7,～,1.5e-9\r\n\
    8,\"two\nlines\",+5\n9,\"two\nlines\", .5 \n10,\"two\nlines\",5.\n\
    11,\"say \"\"so\"\"\",1e21\n12,\"say \"\"so\"\"\",123456789.125\n\
    13,zero,-0\n14,zero,-0.0\n15,NA,1\n16,,2\n17,z,NA\n18,z,\n19,alone,3\n\
    20,é,9007199254740991\n21,é,9e15\n22,é,1.7976931348623157e308";

fn load(name: &str) -> Option<Module> {
    let file = if name == "group_aggregate" { name.to_owned() } else { format!("{name}_group_aggregate") };
    let path = repository(&format!("examples/target/guests/{file}.wasm"));
    let Ok(bytes) = std::fs::read(&path) else {
        skip(name, &format!("{} is not there; `cargo xtask guests` says why", path.display()));
        return None;
    };
    match inspect(&bytes, u64::MAX) {
        Ok(inspection) => Some(engine().compile(&bytes, &inspection).unwrap()),
        Err(refused) => panic!("{name} is refused: {}", refused.text),
    }
}

/// Past the harness, which would keep what a passing test prints.
fn skip(name: &str, why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {name}: {why}\n").as_bytes()).unwrap();
}

fn run(module: &Module, order: &Order) -> (Ending, Outputs) {
    engine().run(module, order, &Control::default()).unwrap().unwrap()
}

/// Starting an interpreter is work, and this is no test of how much.
fn roomy(file: &str, content: &[u8], args: &[&str]) -> Order {
    let mut order = order(&[&["--file", file], args].concat());
    order.inputs = vec![input(file, content.to_vec())];
    order.limits.fuel = 5_000_000_000;
    order.limits.memory_bytes = 256 << 20;
    order
}

/// What came out, or the log of a run that did not end well.
fn groups(name: &str, module: &Module, order: &Order) -> String {
    let first = run(module, order);
    assert_eq!(first, run(module, order), "{name}: two runs differ");
    let (ending, outputs) = first;
    assert_eq!(ending.exit_code, 0, "{name}: {ending:?}, {}", text(&outputs.stderr));
    text(&outputs.files["groups.csv"].bytes().unwrap())
}

fn compare(names: &[&str]) {
    let penguins = std::fs::read(repository("examples/data/penguins.csv")).unwrap();
    let expected = std::fs::read_to_string(repository("examples/expected/groups.csv")).unwrap();
    let birds = roomy("penguins.csv", &penguins, &["--by", "species", "--value", "body_mass_g"]);
    let awkward = roomy(
        "awkward.csv",
        AWKWARD.as_bytes(),
        &["--by", "the \"group\"", "--value", "v", "--min-group", "2"],
    );
    let bad = roomy("bad.csv", b"g,v\na,1\na,secret\n", &["--by", "g", "--value", "v"]);
    let rust = groups("Rust", &load("group_aggregate").unwrap(), &awkward);
    assert_eq!(rust.lines().count(), 9, "a header, seven groups and a line end within a name: {rust}");
    for name in names {
        let Some(module) = load(name) else { continue };
        assert_eq!(groups(name, &module, &birds), expected, "{name}");
        assert_eq!(groups(name, &module, &awkward), rust, "{name}");
        let (ending, outputs) = run(&module, &bad);
        let log = text(&outputs.stderr);
        assert_eq!(ending.exit_code, 1, "{name}: {log}");
        assert!(
            log.contains("line 3: the column \"v\" holds something that is not a number"),
            "{name}: {log}"
        );
        assert!(!log.contains("secret"), "{name} shows a cell: {log}");
        assert!(outputs.files.is_empty(), "{name}");
    }
}

#[test]
fn core_modules_agree_to_the_byte() {
    compare(&CORE);
}

#[test]
fn components_agree_to_the_byte() {
    compare(&COMPONENTS);
}
