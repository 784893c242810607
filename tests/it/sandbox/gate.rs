//! What `inspect` refuses, with its words.

use brizo::sandbox::inspect;

use crate::guests::{guest, wat};

#[test]
fn every_forbidden_module_is_refused_by_name() {
    let table = [
        ("import-env", "import_not_allowed", "`env.secret`"),
        ("threads", "feature_not_allowed", "threads"),
        ("memory64", "feature_not_allowed", "memory64"),
        ("no-start", "export_missing", "`_start`"),
        ("relaxed-simd", "feature_not_allowed", "relaxed-simd"),
        ("two-memories", "feature_not_allowed", "multi-memory"),
    ];
    for (name, code, word) in table {
        let refused = inspect(&wat(name), u64::MAX).expect_err(name);
        assert_eq!(refused.code, code, "{name}: {refused}");
        assert!(refused.text.contains(word), "{name}: {refused}");
        assert!(!refused.hint.is_empty());
    }
}

#[test]
fn a_module_that_would_surprise_at_the_start_is_refused() {
    let start = "(memory (export \"memory\") 1) (func (export \"_start\"))";
    let wasi = "(import \"wasi_snapshot_preview1\" \"fd_close\" (func (param i64) (result i64)))";
    let exact = "(type $close (func (param i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"fd_close\" (func (exact (type $close))))";
    let locals = "(local i32)".repeat(4_000);
    let body = "(drop (i32.const 1))".repeat(10_000);
    let table = [
        (format!("(module {wasi} {start})"), "import_type_mismatch"),
        (
            "(module (memory (export \"memory\") 1) (func (export \"_start\") (param i32)))".into(),
            "start_type_mismatch",
        ),
        // The validator lets these pass under any features; the engine cannot read them.
        (format!("(module {exact} {start})"), "import_not_allowed"),
        (format!("(module (table 600000 funcref) (table 600000 funcref) {start})"), "tables_too_large"),
        (format!("(module {start} (func {locals} {body}))"), "function_too_large"),
    ];
    for (text, code) in table {
        let refused = inspect(&crate::guests::wat_text(&text), u64::MAX).expect_err(code);
        assert_eq!(refused.code, code, "{refused}");
    }
}

#[test]
fn what_is_not_a_module_is_refused() {
    let table: [(&[u8], &str); 5] = [
        (b"", "module_not_wasm"),
        (b"#!/bin/sh\n", "module_not_wasm"),
        (b"\0asm\x02\0\0\0", "module_not_wasm"),
        (b"\0asm\x0d\0\x01\0", "export_missing"),
        (b"\0asm\x01\0\0\0\x01\xff", "module_invalid"),
    ];
    for (bytes, code) in table {
        assert_eq!(inspect(bytes, 1000).expect_err(code).code, code, "{bytes:?}");
    }
    let good = guest("column_stats");
    assert_eq!(inspect(&good[..good.len() - 100], u64::MAX).unwrap_err().code, "module_invalid");
    let too_large = inspect(&good, 1000).unwrap_err();
    assert_eq!(too_large.code, "module_too_large");
    assert!(too_large.text.contains(&good.len().to_string()) && too_large.text.contains("1000"));
}

#[test]
fn sockets_are_linked_to_refuse_and_listed() {
    let inspection = inspect(&wat("import-sock"), u64::MAX).unwrap();
    assert_eq!(inspection.refused_imports().collect::<Vec<_>>(), ["wasi_snapshot_preview1.sock_accept"]);
    let (ending, _) = super::run(&wat("import-sock"), &super::order(&[]));
    assert_eq!(ending.exit_code, 0, "importing them unused does no harm");
    let (ending, _) = super::run(&wat("import-sock-call"), &super::order(&[]));
    assert_eq!(ending.exit_code, 57, "a call answers ENOTSOCK");
}

#[test]
fn the_examples_pass_and_import_no_sockets() {
    for name in ["column_stats", "group_aggregate", "hostile"] {
        let inspection = inspect(&guest(name), u64::MAX).unwrap();
        assert_eq!(inspection.refused_imports().count(), 0, "{name}");
    }
}
