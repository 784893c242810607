//! The public WebAssembly test suite (WebAssembly/testsuite), each module once as it came and once rewritten: values, traps
//! and memories must be the same. `BRIZO_WASM_TESTSUITE` names the unpacked suite; none of it is kept here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at what is wrong")]

mod script;
mod tally;
mod values;
mod world;

use std::path::{Path, PathBuf};

use tally::Tally;

/// What the sandbox admits, and exceptions, which the rewriting knows too.
fn features() -> wasmparser::WasmFeatures {
    use wasmparser::WasmFeatures;
    WasmFeatures::WASM2 | WasmFeatures::EXTENDED_CONST | WasmFeatures::EXCEPTIONS
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|ending| ending == "wast") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn run_all(folder: &Path) {
    let only = std::env::var("BRIZO_WASM_TEST").ok();
    let mut all = Tally::default();
    for path in scripts(folder) {
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        if only.as_ref().is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        // A function of this name is an interpreter's, and the gate lets it in with one type only; scripts use any.
        let text = text.replace("\"run\"", "\"was run\"");
        let tally = script::run(&name, &text);
        println!("{}", tally.row(&name));
        all.add(tally);
    }
    all.print();
    assert!(all.differences.is_empty(), "{} differences, listed above", all.differences.len());
    if only.is_none() {
        assert!(all.equal > 20_000, "only {} assertions ran: is this the whole suite?", all.equal);
    }
}

#[test]
fn rewriting_changes_no_behaviour_that_the_suite_sees() {
    let Some(folder) = std::env::var_os("BRIZO_WASM_TESTSUITE") else {
        println!("SKIPPED: BRIZO_WASM_TESTSUITE does not name a checkout of WebAssembly/testsuite");
        return;
    };
    // Endless recursion needs room until the meter ends it.
    let run = move || run_all(Path::new(&folder));
    let thread = std::thread::Builder::new().stack_size(world::NATIVE_STACK + (16 << 20)).spawn(run).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn an_import_that_no_engine_reads_is_not_rewritten() {
    // The validator has no feature for them.
    let text = "(module (type $f (func)) (import \"a\" \"f\" (func (exact (type $f)))))";
    let module = wat::parse_str(text).unwrap();
    let refused = brizo_meter::rewrite(&module, features(), &brizo_meter::Options::PROFILE).unwrap_err();
    assert!(matches!(refused, brizo_meter::Error::Unsupported(_)), "{refused}");
}
