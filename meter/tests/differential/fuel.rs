//! Counts: against the engine's meter, at the edge of the limit, and on traps.

use brizo_meter::{Options, SLICE};

use super::engines::{DEPTH, plain, wasmi, wasmtime};
use super::{UNIFORM, metered, wat};

const LIMIT: i64 = 1_000_000;

/// Programs with every kind of control flow; each ends well.
fn programs() -> Vec<(&'static str, String)> {
    let program = |body: &str| {
        format!(
            "(module (memory (export \"memory\") 1) (table 4 funcref) (elem (i32.const 0) $double $fib)
               (data $d \"0123456789\")
               (func $double (param i32) (result i32) (i32.add (local.get 0) (local.get 0)))
               (func $fib (param i32) (result i32)
                 (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0)) (else
                   (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                            (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
               (func $early (param i32) (result i32)
                 (block (br_if 0 (i32.eqz (local.get 0))) (return (i32.const 7)))
                 (i32.store (i32.const 64) (local.get 0)) (i32.const 9))
               (func $two (param i32) (result i32 i64)
                 (if (local.get 0) (then (return (i32.const 1) (i64.const 2))))
                 (call $double (i32.const 3)) (i64.const 4))
               (func (export \"_start\") (local $i i32) {body}))"
        )
    };
    vec![
        ("nothing", program("")),
        ("straight", program("(i32.store (i32.const 0) (i32.add (i32.const 1) (i32.const 2)))")),
        ("leaf call", program("(i32.store (i32.const 0) (call $double (i32.const 21)))")),
        ("recursion", program("(i32.store (i32.const 0) (call $fib (i32.const 12)))")),
        (
            "early exit",
            program(
                "(i32.store (i32.const 0) (i32.add (call $early (i32.const 0)) (call $early (i32.const 1))))",
            ),
        ),
        (
            "two results",
            program(
                "(drop (call $two (i32.const 0))) (drop (call $two (i32.const 1))) (i32.store (i32.const 0)) (i32.store (i32.const 4))",
            ),
        ),
        (
            "indirect",
            program(
                "(i32.store (i32.const 0) (call_indirect (param i32) (result i32) (i32.const 10) (i32.const 1)))",
            ),
        ),
        (
            "loop",
            program(
                "(loop $l (i32.store (local.get $i) (local.get $i)) (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))",
            ),
        ),
        (
            "nested loops",
            program(
                "(local $j i32) (loop $a (local.set $j (i32.const 0)) (loop $b (br_if $b (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 3))) (i32.const 50)))) (br_if $a (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20))))",
            ),
        ),
        (
            "if in loop",
            program(
                "(loop $l (if (i32.and (local.get $i) (i32.const 1)) (then (i32.store (i32.const 8) (local.get $i))) (else (drop (i32.mul (local.get $i) (i32.const 3))))) (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))",
            ),
        ),
        (
            "if without else",
            program(
                "(loop $l (if (i32.and (local.get $i) (i32.const 1)) (then (i32.store (i32.const 8) (local.get $i)))) (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))",
            ),
        ),
        (
            "table of branches",
            program(
                "(loop $l (block $a (block $b (block $c (br_table $a $b $c (i32.rem_u (local.get $i) (i32.const 5)))) (i32.store (i32.const 16) (i32.const 1))) (i32.store (i32.const 20) (i32.const 2))) (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))",
            ),
        ),
        (
            "block with a value",
            program(
                "(i32.store (i32.const 0) (block $b (result i32) (drop (br_if $b (i32.const 5) (local.get $i))) (i32.const 6)))",
            ),
        ),
        (
            "bulk",
            program(
                "(memory.fill (i32.const 0) (i32.const 7) (i32.const 300)) (memory.copy (i32.const 400) (i32.const 0) (i32.const 200)) (memory.init $d (i32.const 700) (i32.const 2) (i32.const 5)) (table.copy (i32.const 2) (i32.const 0) (i32.const 2))",
            ),
        ),
        (
            "growth",
            program("(drop (memory.grow (i32.const 3))) (drop (table.grow (ref.null func) (i32.const 5)))"),
        ),
        (
            "dead code",
            program(
                "(block $b (br $b) (i32.store (i32.const 0) (i32.const 1))) (if (i32.const 1) (then (return) (i32.store (i32.const 0) (i32.const 2))))",
            ),
        ),
        (
            "select and globals",
            program("(i32.store (i32.const 0) (select (i32.const 1) (i32.const 2) (local.get $i)))"),
        ),
    ]
}

#[test]
fn it_counts_what_the_engine_counts() {
    for (name, text) in programs() {
        let module = wat(&text);
        let (used, memory) = plain(&module, "_start", LIMIT as u64);
        let used = used.unwrap_or_else(|e| panic!("{name}: {e:#}"));
        let rewritten = metered(&module, &UNIFORM);
        for (engine, end) in [("wasmtime", wasmtime(&rewritten, LIMIT)), ("wasmi", wasmi(&rewritten, LIMIT))]
        {
            assert!(!end.trapped, "{name} in {engine}: {end:?}");
            assert_eq!((LIMIT - end.fuel) as u64, used, "{name} in {engine}");
            assert_eq!(end.depth, DEPTH, "{name} in {engine}: depth was not given back");
            assert!(end.memory == memory, "{name} in {engine}: other memory");
        }
    }
}

/// What is used between a call and a place where an exception may arrive is paid, whichever way one comes there.
#[test]
fn ways_that_meet_an_exception_are_paid() {
    let spin = |turns: u32| {
        format!(
            "(local.set $i (i32.const 0)) (loop $s (br_if $s (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {turns}))))"
        )
    };
    let tries = [
        format!("(block $h (try_table (catch_all $h) (call $quiet)) {})", spin(1000)),
        format!("(block $h (try_table (catch_all $h) (call $quiet) {}))", spin(1000)),
        format!("(block $h (try_table (catch_all $h) (call $quiet) {} (br $h)))", spin(1000)),
        format!("(block $h (try_table (catch_all $h) {} (call $loud)) {})", spin(1000), spin(10)),
        format!("(block $h (try_table (catch_all $h) {} (throw $t)) {})", spin(1000), spin(10)),
        format!(
            "(loop $a (block $h (try_table (catch_all $h) (call $quiet)) {}) (br_if $a (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 9))))",
            spin(100)
        ),
    ];
    for body in tries {
        let turns = if body.contains("$a") { 9 } else { 1 };
        let module = wat(&format!(
            "(module (memory (export \"memory\") 1) (tag $t) (func $quiet) (func $loud (throw $t))
               (func (export \"_start\") (local $i i32) (local $j i32) {body}))"
        ));
        let (used, _) = plain(&module, "_start", LIMIT as u64);
        // The engine's meter takes one for a `try_table`, ours nothing.
        let used = used.unwrap_or_else(|e| panic!("{body}: {e:#}")) - turns;
        let end = wasmtime(&metered(&module, &UNIFORM), LIMIT);
        assert!(!end.trapped, "{body}: {end:?}");
        assert_eq!((LIMIT - end.fuel) as u64, used, "{body}");
    }
}

#[test]
fn the_limit_is_exact() {
    for (name, text) in programs() {
        let rewritten = metered(&wat(&text), &UNIFORM);
        let used = LIMIT - wasmtime(&rewritten, LIMIT).fuel;
        assert_eq!(wasmtime(&rewritten, used).fuel, 0, "{name}");
        for limit in [used - 1, used / 2, 1] {
            if limit < 0 || limit >= used {
                continue;
            }
            let (one, other) = (wasmtime(&rewritten, limit), wasmi(&rewritten, limit));
            assert!(one.fuel < 0, "{name} with {limit} of {used}: {one:?}");
            assert_eq!(one, other, "{name} with {limit} of {used}");
        }
    }
}

/// Without loops and recursion, functions that call one function twice do 2⁴⁰ calls: looks on entry have to end that.
#[test]
fn a_tower_of_calls_is_seen_in_time() {
    let mut functions = String::from("(func $f0 (drop (i32.add (i32.const 1) (i32.const 2))))");
    for floor in 1..=40 {
        functions += &format!("(func $f{floor} (call $f{below}) (call $f{below}))", below = floor - 1);
    }
    let text =
        format!("(module (memory (export \"memory\") 1) {functions} (func (export \"_start\") (call $f40)))");
    let rewritten = metered(&wat(&text), &UNIFORM);
    let (one, other) = (wasmtime(&rewritten, LIMIT), wasmi(&rewritten, LIMIT));
    assert_eq!(one, other);
    // Two calls of what may use 10,000 unseen, and the callers' own operators.
    assert!(one.trapped && (-21_000..0).contains(&one.fuel), "{} left", one.fuel);
}

/// Setting up a memory takes an engine longer than such a module runs.
#[test]
fn a_module_in_which_nobody_looks_has_no_floor() {
    let leaf = "(func $leaf (param i32) (result i32) (i32.add (local.get 0) (local.get 0)))";
    for (body, looks) in [
        ("", false),
        ("(i32.store (i32.const 0) (call $leaf (i32.const 21)))", false),
        ("(i32.store (i32.const 0) (i32.const 21)) unreachable", false),
        ("(loop)", true),
        ("(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))", true),
        ("(call $start)", true),
    ] {
        let module = format!(
            "(module (memory (export \"memory\") 1) {leaf} (func $start (export \"_start\") {body}))"
        );
        let rewritten = metered(&wat(&module), &UNIFORM);
        let (mut memories, mut floors) = (0, 0);
        for payload in wasmparser::Parser::new(0).parse_all(&rewritten) {
            match payload.unwrap() {
                wasmparser::Payload::MemorySection(section) => memories = section.count(),
                wasmparser::Payload::ExportSection(exports) => {
                    let names = exports.into_iter().map(|export| export.unwrap().name);
                    floors = names.filter(|name| *name == brizo_meter::FLOOR).count();
                }
                _ => {}
            }
        }
        assert_eq!((memories, floors), (1 + u32::from(looks), usize::from(looks)), "{body}");
        for limit in [0, 3, LIMIT] {
            assert_eq!(wasmtime(&rewritten, limit), wasmi(&rewritten, limit), "{body}");
        }
    }
}

/// Whoever keeps what was written asks for the number; so what is written may not change under one.
#[test]
fn other_code_has_another_revision() {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let modules = programs().into_iter().map(|(_, text)| wat(&text));
    let modules = modules.chain(super::nan::bodies().into_iter().map(|body| super::nan::module(&body)));
    let modules = modules
        .chain(super::turns::counted().into_iter().map(|body| super::turns::function(&body)))
        .chain(loops_that_call());
    let hash = modules.fold(0xcbf2_9ce4_8422_2325, |hash, module| {
        let written = brizo_meter::rewrite(&module, super::features(), &brizo_meter::Options::PROFILE);
        written.unwrap().iter().fold(hash, fnv)
    });
    let known = (8, 1_623_697_076_932_157_477);
    assert_eq!((brizo_meter::REVISION, hash), known, "a change of what comes out raises REVISION by one");
}

/// An entry that finds less than the floor puts on record what the first rules do not; worked out by hand.
#[test]
fn an_entry_that_passes_the_floor_puts_its_fuel_on_record() {
    // $g can use 20 and 1,001 × 10 unseen, so it looks on its entry: two branches of 10 and entering for 10 each.
    let divisions = "(drop (i32.div_u (i32.const 1) (i32.const 1)))".repeat(1_001);
    let module = metered(
        &wat(&format!(
            "(module (memory (export \"memory\") 1)
               (func $g (if (i32.const 0) (then {divisions} (return))) unreachable)
               (func (export \"_start\") (call $g)))"
        )),
        &Options::PROFILE,
    );
    for (above, used) in [(25, 40), (39, 40), (40, 20), (1_000, 20)] {
        let limit = SLICE + above;
        let (one, other) = (wasmtime(&module, limit), wasmi(&module, limit));
        assert_eq!(one, other, "{above} above the floor");
        assert_eq!((one.trapped, limit - one.fuel), (true, used), "{above} above the floor");
    }
}

/// Nothing loops and nothing recurs, and each call uses little: the look is where a call comes back.
#[test]
fn a_long_row_of_calls_is_seen_in_time() {
    const CALLS: usize = 1_000;
    let work = "(drop (i32.div_u (i32.const 1) (i32.const 1)))".repeat(900);
    let plain = "(call $g)".repeat(CALLS);
    let by_table = "(call_indirect (type $f) (i32.const 0))".repeat(CALLS);
    let caught = "(block $h (try_table (catch $t $h) (call $throws)))".repeat(CALLS);
    let throwing = format!("(func $throws {work} (if (i32.load (i32.const 0)) (then (return))) (throw $t))");
    for (row, tag, throws) in [(plain, "", ""), (by_table, "", ""), (caught, "(tag $t)", &*throwing)] {
        let module = metered(
            &wat(&format!(
                "(module (type $f (func)) (memory (export \"memory\") 1) (table 1 funcref) (elem (i32.const 0) $g) {tag}
                   (func $g (type $f) {work}) {throws}
                   (func $row {row})
                   (func (export \"_start\") (call $row)))"
            )),
            &Options::PROFILE,
        );
        let plenty = 1_000 * LIMIT;
        let all = plenty - wasmtime(&module, plenty).fuel;
        assert!(all > 9_000 * CALLS as i64, "{all} in all");
        let one = wasmtime(&module, LIMIT);
        // wasmi has no exceptions.
        assert!(!throws.is_empty() || one == wasmi(&module, LIMIT));
        // One call of either function costs some 9,000, and throwing 20,000 besides.
        assert!(one.trapped && (-30_000..0).contains(&one.fuel), "{} left of {all}", one.fuel);
    }
}

/// The same module with so many types besides that there is no room for one more function.
fn crowded(module: &[u8]) -> Vec<u8> {
    use wasm_encoder::Encode as _;
    let mut out = wasm_encoder::Module::new();
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        let Some((id, range)) = payload.unwrap().as_section() else { continue };
        let mut data = module[range].to_vec();
        if id == 1 {
            let mut reader = wasmparser::BinaryReader::new(&data, 0);
            let count = reader.read_var_u32().unwrap();
            let own = data.split_off(reader.original_position());
            data.clear();
            999_997u32.encode(&mut data);
            data.extend(own);
            (count..999_997).for_each(|_| data.extend([0x60, 0, 0]));
        }
        out.section(&wasm_encoder::RawSection { id, data: &data });
    }
    out.finish()
}

fn functions_of(module: &[u8]) -> u32 {
    let sections = wasmparser::Parser::new(0).parse_all(module);
    sections
        .filter_map(|payload| match payload.unwrap() {
            wasmparser::Payload::FunctionSection(section) => Some(section.count()),
            _ => None,
        })
        .sum()
}

/// How often the last function is called, which is the one of the looks where there is one besides the entry.
fn calls_of_last_function(module: &[u8]) -> usize {
    let last = functions_of(module) - 1;
    let is_call = |operator: &wasmparser::Operator<'_>| matches!(operator, wasmparser::Operator::Call { function_index } if *function_index == last);
    let bodies = wasmparser::Parser::new(0).parse_all(module).filter_map(|payload| match payload.unwrap() {
        wasmparser::Payload::CodeSectionEntry(body) => Some(body.get_operators_reader().unwrap()),
        _ => None,
    });
    bodies.map(|operators| operators.into_iter().filter(|op| is_call(op.as_ref().unwrap())).count()).sum()
}

/// Programs with loops that call, each of which traps behind several slices.
fn loops_that_call() -> Vec<Vec<u8>> {
    let turn = "(local.set $i (i32.add (local.get $i) (i32.const 1)))";
    let spin = "(local.set $j (i32.const 0)) (loop $s (br_if $s (i32.lt_u (local.tee $j (i32.add (local.get $j) (local.get $one))) (i32.const 3000))))";
    let trap = |turns: u32| format!("(if (i32.eq (local.get $i) (i32.const {turns})) (then unreachable))");
    let odd = "(i32.and (local.get $i) (i32.const 1))";
    let more = "(i32.and (local.get $i) (i32.const 7))";
    let bodies = [
        format!("(loop $l (call $quiet) {turn} {} (br $l))", trap(20_000)),
        format!(
            "(loop $l {turn} {} (block $b (call $quiet) (br_if $b {odd}) (call $quiet)) (br $l))",
            trap(20_000)
        ),
        format!("(loop $l (call $quiet) {spin} {turn} {} (br $l))", trap(50)),
        format!("(loop $l (loop $m (call $quiet) {turn} (br_if $m {more})) {spin} {} (br $l))", trap(400)),
    ];
    let module = |body| {
        wat(&format!(
            "(module (memory (export \"memory\") 1) (func $quiet)
               (func (export \"_start\") (local $i i32) (local $j i32) (local $one i32) (local.set $one (i32.const 1)) {body}))"
        ))
    };
    bodies.iter().map(module).collect()
}

/// What a look does that finds too little is a function of its own in loops that call, and written out where there is no room for
/// one: both are the same to the unit, on traps, too.
#[test]
fn looks_in_loops_that_call_do_what_others_do() {
    for (at, module) in loops_that_call().into_iter().enumerate() {
        let (aside, inline) = (metered(&module, &UNIFORM), metered(&crowded(&module), &UNIFORM));
        assert_eq!(functions_of(&aside), functions_of(&inline) + 1, "{at}");
        assert_ne!(calls_of_last_function(&aside), 0, "{at}: it is called");
        for limit in [10 * LIMIT, 200_001, 100] {
            let end = wasmtime(&aside, limit);
            assert_eq!(end, wasmtime(&inline, limit), "{at}: {limit}");
            assert_eq!(end, wasmi(&aside, limit), "{at}: {limit}");
        }
        let end = wasmtime(&aside, 10 * LIMIT);
        assert!(end.trapped && end.fuel > 0 && 10 * LIMIT - end.fuel > 2 * SLICE, "{at}: {end:?}");
    }
}

/// It is called for a loop that calls, and for those around it, but not where the end of a block or an arm passes the call by, for
/// a loop in which only something is called that never comes back, or for a loop within.
#[test]
fn looks_are_put_aside_for_loops_that_call() {
    let turn = "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (local.get $one))) (i32.const 9)))";
    let inner = "(loop $m (br_if $m (i32.lt_u (local.tee $i (i32.add (local.get $i) (local.get $one))) (i32.const 9))))";
    for (body, times) in [
        (format!("(loop $l (call $quiet) {turn})"), 1),
        (format!("(loop $l (call_indirect (i32.const 0)) {turn})"), 1),
        (format!("(loop $l {turn})"), 0),
        (format!("(call $quiet) (loop $l {turn}) (call $quiet)"), 0),
        (format!("(loop $l (if (local.get $one) (then (call $quiet) unreachable)) {turn})"), 0),
        // What the end of a block or an arm passes by does not count; what the end of a turn does, counts.
        (format!("(loop $l (if (local.get $one) (then (call $quiet))) {turn})"), 0),
        (format!("(loop $l (if (local.get $one) (then) (else (call $quiet))) {turn})"), 0),
        (format!("(loop $l (block $b (br_if $b (local.get $one)) (call $quiet)) {turn})"), 0),
        (
            format!(
                "(loop $l (if (local.get $one) (then (loop $m (call $quiet) (br_if $m (local.get $i))))) {turn})"
            ),
            1,
        ),
        (format!("(loop $l (block $b (call $quiet) (br_if $b (local.get $one)) (call $quiet)) {turn})"), 1),
        (format!("(loop $l (if (local.get $one) (then)) (call $quiet) {turn})"), 1),
        (format!("(loop $l (if (local.get $one) (then (br $l)) (else (call $quiet))) {turn})"), 1),
        (format!("(loop $l (br_if $l (local.get $i)) (call $quiet) {turn})"), 1),
        (format!("(loop $l (call $quiet) (br_if $l (local.get $i)) {turn})"), 1),
        (
            format!(
                "(loop $l (block $b (loop $m (call $quiet) (br_if $b (local.get $one)) (br_if $m (local.get $i)))) {turn})"
            ),
            1,
        ),
        (format!("(loop $l {}(call $quiet){} {turn})", "(block ".repeat(100), ")".repeat(100)), 1),
        (format!("(block $out (loop $l (br_if $out (local.get $one)) (call $quiet) {turn}))"), 1),
        (format!("(loop $l (call $quiet) {inner} {turn})"), 1),
        (format!("(loop $l {inner} (call $quiet) {turn})"), 1),
        (format!("(loop $l (loop $m (call $quiet) (br_if $m (local.get $i))) {turn})"), 2),
        (format!("(loop $l (loop $m (call $quiet) (br_if $m (local.get $i))) {inner} {turn})"), 2),
        (format!("(loop $l {turn}) (loop $l (call $quiet) {turn})"), 1),
        (format!("(block (br 0) (loop $l (call $quiet) {turn})) (loop $l {turn})"), 0),
        // An engine writes down all handlers for each call in a function that catches.
        (format!("(loop $l (block $h (try_table (catch_all $h) (call $quiet))) {turn})"), 0),
    ] {
        let module = metered(
            &wat(&format!(
                "(module (memory (export \"memory\") 1) (table 1 funcref) (elem (i32.const 0) $quiet) (func $quiet)
                   (func (export \"_start\") (local $i i32) (local $one i32) (local.set $one (i32.const 1)) {body}))"
            )),
            &UNIFORM,
        );
        assert_eq!(calls_of_last_function(&module), times, "{body}");
    }
}

/// What is appended counts, too: a module with as many globals as there can be has no room for two more.
#[test]
fn a_module_without_room_for_what_is_appended_is_refused() {
    let module = |count: u32| {
        let mut globals = wasm_encoder::GlobalSection::new();
        let ty =
            wasm_encoder::GlobalType { val_type: wasm_encoder::ValType::I32, mutable: true, shared: false };
        (0..count).for_each(|_| {
            globals.global(ty, &wasm_encoder::ConstExpr::i32_const(0));
        });
        let mut module = wasm_encoder::Module::new();
        module.section(&globals);
        brizo_meter::rewrite(&module.finish(), super::features(), &UNIFORM)
    };
    assert!(module(999_998).is_ok());
    assert!(matches!(module(999_999), Err(brizo_meter::Error::TooLarge)));
}
