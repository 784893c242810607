//! `brizo check --twice`: repeatable or not, and what the result hangs on.

use super::{json, said};
use crate::guests::{component, guest_path, repository, wat_text};
use crate::world::brizo;

/// A guest that writes eight bytes, which `fill` puts at 64, to its standard output.
fn guest(imports: &str, fill: &str) -> Vec<u8> {
    wat_text(&format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  {imports}
  (memory (export "memory") 1)
  (func (export "_start")
    {fill}
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 8))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#
    ))
}

const RANDOM: (&str, &str) = (
    r#"(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#,
    "(drop (call $random (i32.const 64) (i32.const 8)))",
);
const CLOCK: (&str, &str) = (
    r#"(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))"#,
    "(drop (call $clock (i32.const 0) (i64.const 1) (i32.const 64)))",
);

#[test]
fn authors_are_told_what_the_result_depends_on() {
    let folder = tempfile::tempdir().unwrap();
    let both = (
        format!("{}{}", RANDOM.0, CLOCK.0),
        format!(
            "{}(global.set $n (i64.load (i32.const 64))){}(i64.store (i32.const 64) (i64.xor (global.get $n) (i64.load (i32.const 64))))",
            RANDOM.1, CLOCK.1
        ),
    );
    // Looks at the clock often enough for a longer loop, and writes none of it.
    let fuel = (
        CLOCK.0,
        "(drop (call $clock (i32.const 1) (i64.const 1) (i32.const 64)))
         (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 64)))
         (if (i64.gt_u (i64.load (i32.const 64)) (i64.const 1000000000000000000)) (then
           (drop (i64.div_u (i64.const 7) (i64.load (i32.const 64))))))
         (i64.store (i32.const 64) (i64.const 0))",
    );
    let cases: [(&str, Vec<u8>, &str, &[&str]); 5] = [
        (
            "neither",
            guest("", ""),
            "repeatable; the result does not depend on the random seed or the clock",
            &[],
        ),
        (
            "random",
            guest(RANDOM.0, RANDOM.1),
            "repeatable; the result depends on the random seed",
            &["the random seed"],
        ),
        ("clock", guest(CLOCK.0, CLOCK.1), "repeatable; the result depends on the clock", &["the clock"]),
        (
            "both",
            guest(&format!("{} (global $n (mut i64) (i64.const 0))", both.0), &both.1),
            "repeatable; the result depends on the random seed and the clock",
            &["the random seed", "the clock"],
        ),
        (
            "fuel",
            guest(fuel.0, fuel.1),
            "repeatable; the result does not depend on the random seed or the clock; the fuel, and only it, depends on the clock",
            &[],
        ),
    ];
    for (name, module, sentence, depends) in cases {
        std::fs::write(folder.path().join("guest.wasm"), module).unwrap();
        let checked = brizo(folder.path(), &["check", "guest.wasm", "--twice", "--format", "json"]);
        assert_eq!(checked.status.code(), Some(0), "{name}: {}", said(&checked));
        let twice = &json(&checked)["twice"];
        assert_eq!(twice["verdict"], sentence, "{name}");
        assert_eq!(twice["resultDependsOn"], serde_json::json!(depends), "{name}");
        let runs = twice["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 4, "{runs:?}");
        assert!(runs.iter().all(|run| run["differences"] == serde_json::json!([])), "{runs:?}");
        assert!(json(&checked)["digest"].is_string(), "what the gate says is still there");
    }
}

#[test]
fn a_real_program_is_tried_over_mock_data() {
    let folder = tempfile::tempdir().unwrap();
    let data = repository("examples/data");
    let module = guest_path("column_stats");
    let args = [
        "check",
        module.to_str().unwrap(),
        "--twice",
        "--input",
        data.to_str().unwrap(),
        "--",
        "--file",
        "penguins.csv",
    ];
    let checked = brizo(folder.path(), &args);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    assert!(said(&checked).contains("may run under brizo-wasm/1"), "{}", said(&checked));
    assert!(
        said(&checked).contains("in the portable interpreter instead of machine code: the same"),
        "{}",
        said(&checked)
    );
    assert!(said(&checked).contains("first run           exit 0"), "{}", said(&checked));
    if let Some(bytes) = component("column_stats") {
        std::fs::write(folder.path().join("component.wasm"), bytes).unwrap();
        let args = [
            "check",
            "component.wasm",
            "--twice",
            "--input",
            data.to_str().unwrap(),
            "--",
            "--file",
            "penguins.csv",
        ];
        let checked = brizo(folder.path(), &args);
        assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    }
}

/// A run that traps or uses up its fuel is as repeatable as any; what the gate refuses is not run.
#[test]
fn bad_ends_are_ends_and_refusals_stay_refusals() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = guest_path("hostile");
    for (attack, end) in [("trap-div0", "trap: integer division by zero"), ("loop", "out of fuel")] {
        let args = [
            "check",
            hostile.to_str().unwrap(),
            "--twice",
            "--fuel",
            "10_000_000",
            "--format",
            "json",
            "--",
            attack,
        ];
        let checked = brizo(folder.path(), &args);
        assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
        assert_eq!(json(&checked)["twice"]["end"], end);
    }
    std::fs::write(folder.path().join("bad.wasm"), crate::guests::wat("import-env")).unwrap();
    let refused = brizo(folder.path(), &["check", "bad.wasm", "--twice"]);
    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    let alone = brizo(folder.path(), &["check", "bad.wasm", "--fuel", "5"]);
    assert_eq!(alone.status.code(), Some(2), "{}", said(&alone));
}
