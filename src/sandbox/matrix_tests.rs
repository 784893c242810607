//! The same jobs on every engine there is, with every kind of memory, alone and together: one ending, one set of outputs.

use std::sync::Arc;

use brizo_receipt::{B256, Invocation, Status, TrapCode};

use super::second_engine::run_on_wasmi;
use super::{
    Allocation, ArtefactCache, Backend, Control, Ending, Engine, InputFile, Limits, Order, Outputs, Settings,
    inspect,
};

fn order(args: &[&str]) -> Order {
    let args =
        ["guest", "/data/inputs", "/data/outputs"].iter().chain(args).map(ToString::to_string).collect();
    let file = |path: &str, text: &str| InputFile { path: path.into(), bytes: Arc::new(text.to_owned()) };
    Order {
        invocation: Invocation { args, env: vec![("LANG".into(), "C".into())] },
        algorithm: vec![],
        inputs: vec![file("b.csv", "k,v\nx,1\ny,2.5\nx,4\n"), file("deep/er/a.txt", "hello")],
        limits: Limits {
            fuel: 50_000_000,
            memory_bytes: 64 << 16,
            stack: 1 << 16,
            output_bytes: 4_000,
            output_files: 20,
        },
        random_seed: B256::repeat_byte(7),
        clock_start: 946_684_800_000_000_000,
        clock_step: 1_000,
    }
}

/// A module with `body` as its program, and some things to call. If it calls none of those that take their time, they are
/// left out, so that nobody looks whether fuel is left.
fn module(body: &str) -> Vec<u8> {
    let things = r#"(elem (i32.const 0) $recurse $loops)
          (func $recurse (call $recurse))
          (func $descend (param i32)
            (if (local.get 0) (then (call $descend (i32.sub (local.get 0) (i32.const 1))))))
          (func $loops (local $i i32)
            (loop $l (i32.store (i32.const 16) (local.get $i))
              (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000)))))"#;
    let calls = ["$recurse", "$descend", "$loops", "call_indirect"].iter().any(|thing| body.contains(thing));
    let things = if calls { things } else { "" };
    let text = format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (type $nothing (func)) (type $number (func (result i32)))
          (table 3 funcref)
          (data (i32.const 0) "\10\00\00\00\40\00\00\00")
          (func $say (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
          {things}
          (func (export "_start") {body}))"#
    );
    wat::parse_str(text).unwrap()
}

macro_rules! ten_times {
    ($text:expr) => {
        concat!($text, $text, $text, $text, $text, $text, $text, $text, $text, $text)
    };
}

/// Two hundred calls, which take more than 50 million units, and no loop.
const DEAR: &str = concat!(
    ten_times!(ten_times!("(drop (call $random (i32.const 0) (i32.const 65536)))")),
    ten_times!(ten_times!("(drop (call $random (i32.const 0) (i32.const 65536)))"))
);

/// Programs and how they must end.
fn programs() -> Vec<(&'static str, &'static str, Status, Option<TrapCode>)> {
    use Status::{Exit, MemoryLimit, OutOfFuel, OutputLimit, StackLimit, Trap};
    vec![
        ("prints", "call $say", Exit, None),
        ("exits", "(call $exit (i32.const 42))", Exit, None),
        (
            "arithmetic with NaNs",
            "(f64.store (i32.const 16) (f64.div (f64.const 0) (f64.const 0)))
             (f64.store (i32.const 24) (f64.neg (f64.sub (f64.const inf) (f64.const inf))))
             (f32.store (i32.const 32) (f32.sqrt (f32.const -1)))
             (f64.store (i32.const 40) (f64.add (f64.const nan:0x4000000000001) (f64.const 1)))
             (f64.store (i32.const 48) (f64.const -nan:0x4000000000001))
             (v128.store (i32.const 56) (f32x4.div (v128.const i64x2 0 0) (v128.const i64x2 0 0)))
             (f64.store (i32.const 72) (f64.copysign (f64.const 1) (f64.mul (f64.const inf) (f64.const 0))))
             call $say",
            Exit,
            None,
        ),
        (
            "clock and random",
            "(drop (call $random (i32.const 16) (i32.const 40)))
             (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 56)))
             (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 64)))
             call $say",
            Exit,
            None,
        ),
        ("deep recursion", "(call $descend (i32.const 500)) call $say", Exit, None),
        ("too deep recursion", "call $say (call $descend (i32.const 5000))", StackLimit, None),
        ("endless recursion", "call $recurse", StackLimit, None),
        (
            "memory to the limit",
            "(if (i32.eq (memory.grow (i32.const 63)) (i32.const -1)) (then unreachable))
             (i32.store (i32.const 4194300) (i32.const 1)) call $say",
            Exit,
            None,
        ),
        (
            "memory beyond",
            "(drop (memory.grow (i32.const 64))) unreachable",
            MemoryLimit,
            Some(TrapCode::Unreachable),
        ),
        ("a trap after a loop", "call $loops unreachable", Trap, Some(TrapCode::Unreachable)),
        (
            "a load outside",
            "call $loops (drop (i32.load (i32.const 65533)))",
            Trap,
            Some(TrapCode::MemoryOutOfBounds),
        ),
        (
            "a load far outside",
            "(drop (i64.load offset=4294967295 (i32.const -1)))",
            Trap,
            Some(TrapCode::MemoryOutOfBounds),
        ),
        (
            "division by zero",
            "(drop (i32.div_s (i32.const 1) (i32.const 0)))",
            Trap,
            Some(TrapCode::DivisionByZero),
        ),
        (
            "division that overflows",
            "(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))",
            Trap,
            Some(TrapCode::IntegerOverflow),
        ),
        (
            "conversion that overflows",
            "(drop (i32.trunc_f32_s (f32.const 1e30)))",
            Trap,
            Some(TrapCode::IntegerOverflow),
        ),
        (
            "conversion of a NaN",
            "(drop (i32.trunc_f32_s (f32.const nan)))",
            Trap,
            Some(TrapCode::BadConversion),
        ),
        (
            "an empty entry",
            "(call_indirect (type $nothing) (i32.const 2))",
            Trap,
            Some(TrapCode::IndirectCallToNull),
        ),
        (
            "another type",
            "(drop (call_indirect (type $number) (i32.const 0)))",
            Trap,
            Some(TrapCode::BadSignature),
        ),
        (
            "outside the table",
            "(call_indirect (type $nothing) (i32.const 3))",
            Trap,
            Some(TrapCode::TableOutOfBounds),
        ),
        (
            "a bad pointer",
            "(drop (call $write (i32.const 1) (i32.const 65533) (i32.const 1) (i32.const 8)))",
            Trap,
            Some(TrapCode::BadPointer),
        ),
        ("more in host calls than there is", DEAR, OutOfFuel, None),
        ("a long loop", "(loop call $loops br 0)", OutOfFuel, None),
        (
            "a loop of host calls",
            "(loop (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 56))) br 0)",
            OutOfFuel,
            None,
        ),
        (
            "bulk work",
            "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) br 0)",
            OutOfFuel,
            None,
        ),
        ("big outputs", "(loop call $say br 0)", OutputLimit, None),
    ]
}

/// Every way to run a module, by name.
fn ways() -> Vec<(&'static str, Engine)> {
    let with = |allocation, backend| {
        Engine::with_settings(Settings { allocation, backend, ..Settings::default() }).unwrap()
    };
    vec![
        ("pooled", with(Allocation::Pooled, Backend::Native)),
        ("on demand", with(Allocation::OnDemand, Backend::Native)),
        ("Pulley", with(Allocation::OnDemand, Backend::Pulley)),
    ]
}

fn run(engine: &Engine, module: &[u8], order: &Order) -> (Ending, Outputs) {
    let compiled = engine.compile(module, &inspect(module, u64::MAX).unwrap()).unwrap();
    engine.run(&compiled, order, &Control::default()).unwrap().unwrap()
}

#[test]
fn every_engine_gives_one_ending() {
    let ways = ways();
    let mut without_floor = 0;
    for (name, body, status, trap) in programs() {
        let (module, order) = (module(body), order(&[]));
        without_floor += usize::from(!has_floor(&module));
        let expected = run_on_wasmi(&module, &order).unwrap().unwrap();
        assert_eq!((expected.0.status, expected.0.trap), (status, trap), "{name}: {expected:?}");
        for (way, engine) in &ways {
            assert_eq!(run(engine, &module, &order), expected, "{name}, {way}");
        }
    }
    assert!(without_floor > 10, "{without_floor}");
}

/// Whether some function of the rewritten module looks whether fuel is left.
fn has_floor(module: &[u8]) -> bool {
    let rewritten = brizo_meter::rewrite(module, inspect::features(), &super::meter::OPTIONS).unwrap();
    wasmparser::Parser::new(0).parse_all(&rewritten).any(|payload| match payload.unwrap() {
        wasmparser::Payload::ExportSection(exports) => {
            exports.into_iter().any(|export| export.unwrap().name == brizo_meter::FLOOR)
        }
        _ => false,
    })
}

#[test]
fn real_programs_give_one_ending() {
    let guest = |name: &str| {
        let path = format!("{}/examples/target/guests/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(&path).unwrap_or_else(|_| panic!("{path} is not built; run `cargo xtask guests`"))
    };
    let (hostile, groups) = (guest("hostile"), guest("group_aggregate"));
    let hostile_jobs =
        ["list", "clock-random", "nan", "flood-files", "deep-dirs", "grow-memory", "recurse", "big-args"];
    let mut jobs: Vec<_> = hostile_jobs.iter().map(|job| (&hostile, order(&[job]))).collect();
    jobs.push((&groups, order(&["--by", "k", "--value", "v"])));
    let ways = ways();
    for (module, order) in jobs {
        let name = &order.invocation.args[3];
        let expected = run_on_wasmi(module, &order).unwrap().unwrap();
        for (way, engine) in &ways {
            assert_eq!(run(engine, module, &order), expected, "{name}, {way}");
        }
    }
}

#[test]
fn a_cached_module_and_a_crowd_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (module, order) = (module("call $loops call $say (call $descend (i32.const 100))"), order(&[]));
    let expected = run_on_wasmi(&module, &order).unwrap().unwrap();
    for cached in [false, true] {
        let cache = Some(ArtefactCache::open(folder.path()).unwrap());
        let engine = Engine::with_settings(Settings { cache, ..Settings::default() }).unwrap();
        let compiled = engine.compile(&module, &inspect(&module, u64::MAX).unwrap()).unwrap();
        assert_eq!(compiled.cached, cached);
        let one = || engine.run(&compiled, &order, &Control::default()).unwrap().unwrap();
        std::thread::scope(|scope| {
            let crowd: Vec<_> = (0..16).map(|_| scope.spawn(one)).collect();
            for run in crowd {
                assert_eq!(run.join().unwrap(), expected);
            }
        });
    }
}
