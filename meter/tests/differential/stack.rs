//! Frames: whatever can go round is counted and ends, whatever cannot is taken beforehand, and all of it is given back.

use brizo_meter::SLICE;

use super::engines::{DEPTH, wasmi, wasmtime};
use super::{UNIFORM, metered, wat};

const LIMIT: i64 = 1 << 40;

fn program(functions: &str, body: &str) -> Vec<u8> {
    metered(
        &wat(&format!(
            "(module (type $f (func (param i32) (result i32))) (type $other (func (param i64) (result i32)))
               (memory (export \"memory\") 1) (table 4 funcref) {functions}
               (func (export \"_start\") {body}))"
        )),
        &UNIFORM,
    )
}

/// Every way in which a function can come back to itself.
#[test]
fn endless_recursion_meets_the_counted_stack_however_it_goes_round() {
    let cases = [
        ("itself", "(func $a (param i32) (result i32) (call $a (local.get 0)))", "(drop (call $a (i32.const 0)))"),
        (
            "two in turn",
            "(func $a (param i32) (result i32) (call $b (local.get 0))) (func $b (param i32) (result i32) (call $a (local.get 0)))",
            "(drop (call $a (i32.const 0)))",
        ),
        (
            "element segment",
            "(elem (i32.const 0) $a) (func $a (param i32) (result i32) (call_indirect (type $f) (local.get 0) (i32.const 0)))",
            "(drop (call $a (i32.const 0)))",
        ),
        (
            "element expression and a function between",
            "(elem (table 0) (i32.const 0) funcref (ref.func $a)) (func $a (param i32) (result i32) (call $b (local.get 0)))
             (func $b (param i32) (result i32) (call_indirect (type $f) (local.get 0) (i32.const 0)))",
            "(drop (call $a (i32.const 0)))",
        ),
        (
            "ref.func in the code",
            "(elem declare func $a) (func $a (param i32) (result i32) (call_indirect (type $f) (local.get 0) (i32.const 1)))",
            "(table.set (i32.const 1) (ref.func $a)) (drop (call $a (i32.const 0)))",
        ),
        (
            "a global",
            "(global $g funcref (ref.func $a)) (func $a (param i32) (result i32) (call_indirect (type $f) (local.get 0) (i32.const 1)))",
            "(table.set (i32.const 1) (global.get $g)) (drop (call $a (i32.const 0)))",
        ),
        (
            "two types in turn",
            "(elem (i32.const 0) $a $b)
             (func $a (param i32) (result i32) (call_indirect (type $other) (i64.const 0) (i32.const 1)))
             (func $b (param i64) (result i32) (call_indirect (type $f) (i32.const 0) (i32.const 0)))",
            "(drop (call $a (i32.const 0)))",
        ),
    ];
    for (name, functions, body) in cases {
        let module = program(functions, body);
        for (engine, end) in [("wasmtime", wasmtime(&module, LIMIT)), ("wasmi", wasmi(&module, LIMIT))] {
            assert!(end.trapped && end.depth < 0 && end.fuel >= 0, "{name} in {engine}: {} left", end.depth);
        }
    }
}

/// A chain that takes 64 + 8 × (1 parameter + the operands) units a link, and more for its wide links.
fn chain(links: usize, locals: usize) -> Vec<u8> {
    let mut functions = String::from("(func $c0 (param i32) (result i32) (local.get 0))");
    for link in 1..=links {
        let locals = "(local i64)".repeat(locals);
        functions +=
            &format!("(func $c{link} (param i32) (result i32) {locals} (call $c{} (local.get 0)))", link - 1);
    }
    program(&functions, &format!("(drop (call $c{links} (i32.const 0)))"))
}

#[test]
fn frames_that_cannot_come_twice_are_taken_beforehand_and_given_back() {
    // The last link, the program, and so many links between: 1,000 and more units each.
    let fits = wasmtime(&chain(900, 125), LIMIT);
    assert_eq!((fits.trapped, fits.depth), (false, DEPTH));
    let end = wasmtime(&chain(1_000, 125), LIMIT);
    assert!(end.trapped && end.depth < 0, "{} left", end.depth);
    // Nothing of the program has run.
    assert_eq!(end.fuel, LIMIT);
    // 64, eight for each of 127 slots, nothing for two operators.
    let each = 64 + 8 * 127;
    assert_eq!(end.depth, DEPTH - (1_000 * each + (64 + 16) + (64 + 8)));
}

#[test]
fn a_trap_in_a_loop_is_a_slice_behind_at_most() {
    for turns in [1, 1_000, 100_000, 1_000_000] {
        let module = program(
            "",
            &format!(
                "(local $i i32) (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
                   (if (i32.eq (local.get $i) (i32.const {turns})) (then (unreachable))) (br $l))"
            ),
        );
        let (one, other) = (wasmtime(&module, LIMIT), wasmi(&module, LIMIT));
        assert_eq!(one, other, "{turns} turns");
        // A turn is nine operators, the last one without its branch back.
        let (used, recorded) = (9 * turns, LIMIT - one.fuel);
        assert!(one.trapped && recorded <= used + 9 && used - recorded <= SLICE + 9, "{recorded} of {used}");
    }
}

/// Exceptions leave functions without their ends: nothing that was charged may be lost, nor any frame.
#[test]
fn a_caught_exception_loses_no_charge_and_no_frame() {
    let module = |turns: i64| {
        metered(
            &wat(&format!(
                "(module (memory (export \"memory\") 1) (tag $t (param i32))
                   (func $throws (param i32) (result i32)
                     (if (local.get 0) (then (throw $t (local.get 0)))) (i32.const 1))
                   (func $round (param i32) (result i32)
                     (if (i32.eqz (local.get 0)) (then (return (call $throws (i32.const 5)))))
                     (i32.add (i32.const 1) (call $round (i32.sub (local.get 0) (i32.const 1)))))
                   (func $catches (param i32) (result i32)
                     (block $h (result i32)
                       (return (try_table (result i32) (catch $t $h) (call $round (local.get 0))))))
                   (func $own (result i32)
                     (block $h (result i32) (try_table (catch $t $h) (throw $t (i32.const 3))) (unreachable)))
                   (func (export \"_start\") (local $i i64)
                     (loop $l (i32.store (i32.const 0) (i32.add (call $catches (i32.const 7)) (call $own)))
                       (br_if $l (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const {turns}))))))"
            )),
            &UNIFORM,
        )
    };
    let used = |turns| {
        let end = wasmtime(&module(turns), LIMIT);
        assert_eq!((end.trapped, end.depth, end.memory[0]), (false, DEPTH, 8), "{turns} turns");
        LIMIT - end.fuel
    };
    let (one, two) = (used(1), used(2));
    // Counted by hand: $round seven times 9 and once 6, $throws 5, $catches 3, $own 3, and the loop itself 13.
    let turn = 7 * 9 + 6 + 5 + 3 + 3 + 13;
    assert_eq!(two - one, turn);
    assert_eq!(used(1_000), one + 999 * turn);
}

/// The function that catches is still running: what the exception left is given back where it arrives, and not at the end.
#[test]
fn frames_that_exceptions_left_do_not_pile_up_in_the_function_that_catches() {
    // Eight frames of more than 64 units are left on each turn, many times what there is in all.
    let turns = DEPTH / 64;
    let module = program(
        "(tag $t (param i32))
         (func $round (param i32) (result i32)
           (if (i32.eqz (local.get 0)) (then (throw $t (i32.const 5))))
           (i32.add (i32.const 1) (call $round (i32.sub (local.get 0) (i32.const 1)))))
         (func $catches (param i64) (result i32) (local $sum i32)
           (loop $l
             (local.set $sum (i32.add (local.get $sum)
               (block $h (result i32) (try_table (result i32) (catch $t $h) (call $round (i32.const 7))))))
             (br_if $l (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
           (local.get $sum))",
        &format!("(i32.store (i32.const 0) (call $catches (i64.const {turns})))"),
    );
    let end = wasmtime(&module, LIMIT);
    let sum = i32::from_le_bytes(*end.memory.first_chunk().unwrap());
    assert_eq!((end.trapped, end.depth, i64::from(sum)), (false, DEPTH, 5 * turns));
}
