//! What `inspect` refuses of components, with its words.

use brizo::sandbox::{Kind, inspect};

use super::command;
use crate::guests::wat_text;

const NOTHING: &str = "(func (export \"run\") (result i32) i32.const 0)";

fn refused(component: &[u8]) -> (&'static str, String) {
    let refused = inspect(component, u64::MAX).unwrap_err();
    (refused.code, refused.text)
}

#[test]
fn a_command_passes_and_is_known_as_a_component() {
    let inspection = inspect(&command("", "", NOTHING), u64::MAX).unwrap();
    assert_eq!(
        (inspection.kind, inspection.imports.len(), inspection.memory_bytes_min),
        (Kind::Component, 0, 0)
    );
}

#[test]
fn examples_pass_without_refused_imports() {
    for name in ["column_stats", "group_aggregate", "hostile"] {
        let Some(bytes) = crate::guests::component(name) else { return };
        let inspection = inspect(&bytes, u64::MAX).unwrap();
        assert_eq!(inspection.refused_imports().count(), 0, "{name}");
        assert!(
            inspection.imports.iter().any(|import| import.name.starts_with("wasi:filesystem/types@0.2."))
        );
        assert!(inspection.memory_bytes_min > 0);
    }
}

#[test]
fn what_is_not_in_the_world_is_refused_by_name() {
    let table = [
        ("(import \"wasi:keyvalue/store@0.2.0\" (instance))", "wasi:keyvalue/store@0.2.0"),
        ("(import \"wasi:cli/environment@0.3.0\" (instance))", "wasi:cli/environment@0.3.0"),
        ("(import \"wasi:cli/environment@0.2.13\" (instance))", "wasi:cli/environment@0.2.13"),
        ("(import \"secret\" (func))", "secret"),
    ];
    for (import, name) in table {
        let (code, text) = refused(&command(import, "", NOTHING));
        assert_eq!(code, "import_not_allowed", "{text}");
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn an_import_with_other_types_is_refused_before_it_is_compiled() {
    let imports = [
        "(import \"wasi:random/random@0.2.0\" (instance (export \"get-random-u64\" (func (result string)))))",
        "(import \"wasi:random/random@0.2.0\" (instance (export \"get-random-bits\" (func (result u64)))))",
        "(import \"wasi:sockets/udp@0.2.0\" (instance (export \"udp-socket\" (func))))",
    ];
    for import in imports {
        let (code, text) = refused(&command(import, "", NOTHING));
        assert_eq!(code, "import_type_mismatch", "{text}");
    }
    let right =
        "(import \"wasi:random/random@0.2.3\" (instance (export \"get-random-u64\" (func (result u64)))))";
    assert_eq!(
        inspect(&command(right, "", NOTHING), u64::MAX).unwrap().imports[0].name,
        "wasi:random/random@0.2.3"
    );
}

#[test]
fn sockets_and_http_are_listed_as_refused() {
    let import = "(import \"wasi:sockets/tcp-create-socket@0.2.0\" (instance))
        (import \"wasi:http/types@0.2.4\" (instance))";
    let inspection = inspect(&command(import, "", NOTHING), u64::MAX).unwrap();
    let names: Vec<_> = inspection.refused_imports().collect();
    assert_eq!(names, ["wasi:sockets/tcp-create-socket@0.2.0", "wasi:http/types@0.2.4"]);
}

#[test]
fn a_component_must_be_a_command() {
    for text in [
        "(component)",
        "(component (instance $i) (export \"wasi:cli/run@0.2.0\" (instance $i)))",
        "(component (import \"wasi:cli/run@0.2.0\" (instance $i)) (export \"wasi:cli/other@0.2.0\" (instance $i)))",
    ] {
        let (code, text) = refused(&wat_text(text));
        assert!(["export_missing", "import_not_allowed"].contains(&code), "{text}");
    }
    let wrong = "(component (core module $m (func (export \"run\"))) (core instance $i (instantiate $m))
        (func $run (canon lift (core func $i \"run\"))) (instance $r (export \"run\" (func $run)))
        (export \"wasi:cli/run@0.2.0\" (instance $r)))";
    assert_eq!(refused(&wat_text(wrong)).0, "export_missing", "run must return a result");
}

#[test]
fn features_beyond_the_profile_are_refused_inside_too() {
    let table = [
        ("(memory i64 1)", "memory64"),
        ("(memory 1 1 shared)", "threads"),
        ("(memory 1) (memory 1)", "multi-memory"),
    ];
    for (core, feature) in table {
        let (code, text) = refused(&command("", "", &format!("{core} {NOTHING}")));
        assert_eq!(code, "feature_not_allowed", "{text}");
        assert!(text.contains(feature), "{text}");
    }
    let asynchronous = "(component (core module $m (func (export \"run\") (result i32) i32.const 0))
        (core instance $i (instantiate $m)) (func $run async (result (result)) (canon lift (core func $i \"run\")))
        (instance $r (export \"run\" (func $run))) (export \"wasi:cli/run@0.2.0\" (instance $r)))";
    let (code, text) = refused(&wat_text(asynchronous));
    assert_eq!(code, "feature_not_allowed", "{text}");
    assert!(text.contains("async"), "{text}");
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| {
        let more = format!("{}{}", "(component ".repeat(levels), ")".repeat(levels));
        command(&more, "", NOTHING)
    };
    assert!(inspect(&nested(7), u64::MAX).is_ok());
    assert_eq!(refused(&nested(8)).0, "component_too_complex");
    assert_eq!(refused(&nested(99)).0, "component_too_complex");
}

/// Each level instantiates the one below ten times: six lines are a million instances.
#[test]
fn instances_are_counted_with_what_they_multiply() {
    let mut text = "(component $c0 (core module $e) (core instance (instantiate $e)))".to_string();
    for level in 1..=6 {
        let ten = "(instance (instantiate $b))".repeat(10);
        text += &format!("(component $c{level} (alias outer 1 $c{} (component $b)) {ten})", level - 1);
    }
    let (code, said) = refused(&command(&format!("{text} (instance (instantiate $c6))"), "", NOTHING));
    assert_eq!(code, "component_too_complex");
    assert!(said.contains("instances"), "{said}");
    let few = command(&format!("{text} (instance (instantiate $c2))"), "", NOTHING);
    assert!(inspect(&few, u64::MAX).is_ok(), "111 instances are few");
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let passed = "(component $user (import \"c\" (component $c)) (instance (instantiate $c)))";
    let (code, text) = refused(&command(passed, "", NOTHING));
    assert_eq!(code, "component_too_complex");
    assert!(text.contains("imported component"), "{text}");
}

#[test]
fn many_modules_large_tables_and_heavy_functions_are_refused() {
    assert_eq!(refused(&command(&"(core module)".repeat(256), "", NOTHING)).0, "component_too_complex");
    let table = |entries: u32| {
        format!(
            "(core module $t{entries} (table {entries} funcref)) (core instance (instantiate $t{entries}))"
        )
    };
    let tables = command(&(table(600_000) + &table(600_001)), "", NOTHING);
    assert_eq!(refused(&tables).0, "tables_too_large");
    let heavy = format!("(func (local {}) {})", "i32 ".repeat(40_000), "(drop (i32.const 1))".repeat(1_000));
    let one = format!("(core module {heavy})");
    assert_eq!(refused(&command(&one, "", NOTHING)).0, "function_too_large");
}

#[test]
fn a_cut_component_is_invalid() {
    let whole = command("", "", NOTHING);
    assert_eq!(refused(&whole[..whole.len() - 3]).0, "module_invalid");
    assert_eq!(inspect(&whole, 10).unwrap_err().code, "module_too_large");
}
