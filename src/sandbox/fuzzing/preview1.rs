//! Random calls of preview 1 from inside a module, in both engines: one ending, one set of outputs, and no limit broken.

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use arbitrary::{Arbitrary, Result, Unstructured};
use brizo_receipt::{B256, Invocation, Status, check_path};

use super::modules::engine;
use crate::sandbox::preview1::{MODULE, parameters};
use crate::sandbox::second_engine::{self, Prepared};
use crate::sandbox::{Control, InputFile, Limits, Module, Order, inspect};

const CALLS_MAX: usize = 120;
/// Number of the function, then nine arguments of eight bytes.
const CALL_BYTES: usize = 80;
const ARGUMENTS: usize = 9;

/// Where things lie in the first page: paths, buffers (pointer and length), subscriptions, room for answers.
const PATHS_AT: u32 = 1024;
const PATH_BYTES: u32 = 32;
const BUFFERS_AT: u32 = 4096;
const SUBSCRIPTIONS_AT: u32 = 5120;
const ANSWERS_AT: u32 = 8192;
/// The second page has the calls.
const CALLS_AT: u32 = 65_536;
const MEMORY_BYTES: u32 = 131_072;

const PATHS: [&str; 16] = [
    "a",
    "b",
    "a/b",
    "c/",
    ".",
    "..",
    "a/..",
    "../a",
    "/a",
    "deep",
    "deep/er/a.txt",
    "b.csv",
    "n\0",
    "\u{ff}",
    "a/./b/",
    "",
];

/// The module that performs the calls which its input file lists, and exits with a digest of its memory.
fn guest() -> String {
    let mut text = String::from("(module ");
    let functions = parameters();
    for (name, params, answers) in &functions {
        let types: Vec<_> = params.iter().map(|(_, ty)| *ty).collect();
        let result = if *answers { "(result i32)" } else { "" };
        let _ = write!(
            text,
            r#"(import "{MODULE}" "{name}" (func ${name} (param {}) {result}))"#,
            types.join(" ")
        );
    }
    text.push_str(r#"(memory (export "memory") 2) (data (i32.const 0) "program")"#);
    // Buffers in front of the program, then what the calls are given to work with.
    let _ = write!(text, r#"(data (i32.const 16) "{}")"#, words(&[CALLS_AT, MEMORY_BYTES - CALLS_AT]));
    for (at, path) in (PATHS_AT..).step_by(PATH_BYTES as usize).zip(PATHS) {
        let _ = write!(text, r#"(data (i32.const {at}) "{}")"#, escaped(path.as_bytes()));
    }
    let buffers = [ANSWERS_AT, 5, 0, 0, 9000, 300, 20_000, 1, 65_000, 4_000, PATHS_AT, 64];
    let _ = write!(text, r#"(data (i32.const {BUFFERS_AT}) "{}")"#, words(&buffers));
    text.push_str(
        "(func $perform (param $at i32) (result i32) (local $answer i32)
           (block $done ",
    );
    for (number, (name, params, answers)) in functions.iter().enumerate() {
        let _ = write!(
            text,
            "(if (i32.eq (i32.load8_u (local.get $at)) (i32.const {number})) (then (call ${name} "
        );
        for (index, (_, ty)) in params.iter().enumerate() {
            let _ = write!(text, "({ty}.load offset={} (local.get $at))", 8 + 8 * index);
        }
        text.push_str(if *answers { ") (local.set $answer) (br $done)))" } else { ") (br $done)))" });
    }
    text.push_str(") (local.get $answer))");
    let _ = write!(text, r#"(func (export "_start") {PROGRAM}))"#);
    text
}

/// Reads the calls, performs them, digests memory. Positions are locals, so calls that write over calls end nothing early.
const PROGRAM: &str = "
  (local $at i32) (local $end i32) (local $digest i64)
  (drop (call $path_open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 0) (i64.const 2) (i64.const 0)
    (i32.const 0) (i32.const 32)))
  (drop (call $fd_read (i32.load (i32.const 32)) (i32.const 16) (i32.const 1) (i32.const 36)))
  (local.set $at (i32.const 65536))
  (local.set $end (i32.add (local.get $at) (i32.load (i32.const 36))))
  (block $out (loop $next
    (br_if $out (i32.gt_u (i32.add (local.get $at) (i32.const 80)) (local.get $end)))
    (local.set $digest (i64.mul (i64.const 0x100000001b3)
      (i64.xor (local.get $digest) (i64.extend_i32_u (call $perform (local.get $at))))))
    (local.set $at (i32.add (local.get $at) (i32.const 80)))
    (br $next)))
  (local.set $at (i32.const 0))
  (loop $fold
    (local.set $digest (i64.mul (i64.const 0x100000001b3) (i64.xor (local.get $digest) (i64.load (local.get $at)))))
    (local.set $digest (i64.xor (local.get $digest) (i64.shr_u (local.get $digest) (i64.const 29))))
    (br_if $fold (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 24576))))
  (call $proc_exit (i32.wrap_i64 (local.get $digest)))";

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

fn words(words: &[u32]) -> String {
    words.iter().map(|word| escaped(&word.to_le_bytes())).collect()
}

/// The guest for both engines.
fn prepared() -> &'static (Module, Prepared) {
    static PREPARED: OnceLock<(Module, Prepared)> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let module = wat::parse_str(guest()).unwrap();
        let inspection = inspect(&module, u64::MAX).unwrap();
        (engine().compile(&module, &inspection).unwrap(), second_engine::prepare(&module).unwrap())
    })
}

fn any_number(u: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match u.int_in_range(0..=9)? {
        0 => u64::MAX,
        1 => u64::from(MEMORY_BYTES) - u.int_in_range(0..=64)?,
        2 => u64::arbitrary(u)?,
        3 => u64::from(u32::MAX) - u.int_in_range(0..=16)?,
        4 => 1 << u.int_in_range(0..=63)?,
        _ => u.int_in_range(0..=64)?,
    })
}

/// An argument that its function can do something with; a path's length goes with the path before it.
fn likely(u: &mut Unstructured<'_>, name: &str, path: &mut usize) -> Result<u64> {
    let at = |start: u32, step: u32, count: u32, u: &mut Unstructured<'_>| {
        Ok(u64::from(start + step * u.int_in_range(0..=count)?))
    };
    match name {
        "fd" | "from" | "to" => u.int_in_range(0..=10),
        "path" | "old" | "new" => {
            *path = u.choose_index(PATHS.len())?;
            Ok(u64::from(PATHS_AT) + *path as u64 * u64::from(PATH_BYTES))
        }
        "length" | "old_length" | "new_length" if *path < PATHS.len() => Ok(PATHS[*path].len() as u64),
        "buffers" => at(BUFFERS_AT, 8, 5, u),
        "count" => u.int_in_range(0..=4),
        "subscriptions" => at(SUBSCRIPTIONS_AT, 48, 4, u),
        "out" | "out_flags" | "events" | "buffer" | "pointer" | "pointers" | "bytes" => {
            at(ANSWERS_AT, 8, 400, u)
        }
        "oflags" | "fdflags" | "flags" | "advice" | "whence" | "clock" => u.int_in_range(0..=16),
        "rights" | "base" | "inheriting" => u.choose(&[0, 2, 64, 66, u64::MAX, (1 << 30) - 1]).copied(),
        _ => u.int_in_range(0..=300),
    }
}

/// The input file: calls one after the other.
fn calls(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let functions = parameters();
    let mut program = Vec::new();
    for _ in 0..CALLS_MAX {
        if u.is_empty() {
            break;
        }
        let number = u.choose_index(functions.len())?;
        let (name, params, _) = &functions[number];
        // Most sequences should go on for a while.
        if *name == "proc_exit" && u.ratio(7, 8)? {
            continue;
        }
        let (mut call, mut path) = (vec![number as u64], usize::MAX);
        for (name, _) in params {
            call.push(if u.ratio(1, 24)? { any_number(u)? } else { likely(u, name, &mut path)? });
        }
        call.resize(1 + ARGUMENTS, 0);
        program.extend(call.iter().flat_map(|number| number.to_le_bytes()));
    }
    debug_assert!(program.len() <= CALLS_MAX * CALL_BYTES);
    Ok(program)
}

fn order(u: &mut Unstructured<'_>) -> Result<Order> {
    let limits = Limits {
        fuel: if u.ratio(1, 8)? { u.int_in_range(0..=400_000)? } else { 1 << 32 },
        memory_bytes: 1 << 20,
        stack: 1 << 16,
        output_bytes: u.int_in_range(0..=20_000)?,
        output_files: u.int_in_range(0..=10)?,
    };
    let file = |path: &str, bytes: Vec<u8>| InputFile { path: path.into(), bytes: Arc::new(bytes) };
    Ok(Order {
        invocation: Invocation {
            args: vec!["guest".into(), String::new()],
            env: vec![("A".into(), "b".into())],
        },
        algorithm: vec![],
        random_seed: B256::repeat_byte(u8::arbitrary(u)?),
        clock_start: if u.ratio(1, 16)? { u64::arbitrary(u)? } else { 946_684_800_000_000_000 },
        clock_step: if u.ratio(1, 16)? { u64::arbitrary(u)? } else { 1_000 },
        limits,
        inputs: vec![
            file("b.csv", b"k,v\nx,1\ny,2.5\n".to_vec()),
            file("deep/er/a.txt", b"hello".to_vec()),
            file("program", calls(u)?),
        ],
    })
}

/// Runs random calls.
pub fn preview1(data: &[u8]) -> bool {
    let Ok(order) = order(&mut Unstructured::new(data)) else { return false };
    let (module, second) = prepared();
    let first = engine().run(module, &order, &Control::default()).unwrap();
    let other = second.run(&order).unwrap();
    assert_eq!(first, other, "left: wasmtime, right: wasmi");
    let (ending, outputs) = first.unwrap();
    let limits = order.limits;
    assert!(ending.fuel_used <= limits.fuel, "{ending:?}");
    assert!(outputs.bytes() <= limits.output_bytes && outputs.bytes() == ending.output_bytes, "{ending:?}");
    assert!((outputs.files.len() + outputs.folders.len()) as u64 <= limits.output_files, "{outputs:?}");
    for path in outputs.files.keys().chain(&outputs.folders) {
        assert!(check_path(path).is_ok(), "{path:?} cannot stand in a manifest");
    }
    assert!(outputs.manifest().is_ok());
    ending.status == Status::Exit
}
