//! Exceptions: caught ones are control flow, others are ends that another machine reproduces.

use brizo_receipt::{Status, TrapCode};

use super::{order, run};
use crate::guests::wat_text;
use brizo::sandbox::inspect;

/// A program whose `_start` has this body.
fn program(body: &str) -> Vec<u8> {
    wat_text(&format!(
        "(module (memory (export \"memory\") 1) (tag $oops (param i32))
           (func $throw (param i32) (throw $oops (local.get 0)))
           (func (export \"_start\") (local $i i32) {body}))"
    ))
}

#[test]
fn what_nothing_catches_is_a_trap_of_its_own() {
    let end = |body: &str| {
        let (ending, _) = run(&program(body), &order(&[]));
        (ending.status, ending.trap)
    };
    assert_eq!(end("(call $throw (i32.const 1))"), (Status::Trap, Some(TrapCode::UncaughtException)));
    assert_eq!(end("(throw_ref (ref.null exn))"), (Status::Trap, Some(TrapCode::NullReference)));
    let caught = "(drop (block $h (result i32) (try_table (catch $oops $h) (call $throw (i32.const 1))) (unreachable)))";
    assert_eq!(end(caught), (Status::Exit, None));
}

#[test]
fn throwing_for_long_takes_fuel_and_no_memory() {
    // Each exception lies in memory of the engine's until nobody holds it; a million of them at once would be 32 MB.
    let body = "(loop $again
        (drop (block $h (result i32) (try_table (catch $oops $h) (call $throw (local.get $i))) (unreachable)))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 300000))))";
    let mut order = order(&[]);
    order.limits.memory_bytes = 1 << 16;
    order.limits.fuel = 20_000_000_000;
    let (ending, _) = run(&program(body), &order);
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0));
    assert!(ending.fuel_used > 300_000 * 100, "throwing is work: {}", ending.fuel_used);
}

#[test]
fn tables_of_exceptions_are_refused() {
    let module = wat_text(
        "(module (memory (export \"memory\") 1) (table 1 (ref null exn)) (func (export \"_start\")))",
    );
    assert_eq!(inspect(&module, u64::MAX).unwrap_err().code, "feature_not_allowed");
}

#[test]
fn the_head_of_a_loop_can_be_the_handler() {
    let turns = |turns: u32| {
        let body = format!(
            "(loop $again (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (if (i32.le_u (local.get $i) (i32.const {turns}))
                 (then (try_table (catch_all $again) (call $throw (local.get $i))))))"
        );
        let (ending, _) = run(&program(&body), &order(&[]));
        assert_eq!(ending.status, Status::Exit);
        ending.fuel_used
    };
    // The head 12 with its `if`, the call 10, entering the function 10, the throw 20,000.
    assert_eq!(turns(2) - turns(1), 20_032);
    assert_eq!(turns(500) - turns(1), 499 * 20_032);
}

#[test]
fn frames_that_an_exception_left_are_given_back_at_the_head_of_a_loop() {
    let module = wat_text(
        "(module (memory (export \"memory\") 1) (tag $oops)
           (func $down (param i32)
             (if (i32.eqz (local.get 0)) (then (throw $oops)))
             (call $down (i32.sub (local.get 0) (i32.const 1))))
           (func $handles (param $depth i32) (local $i i32)
             (loop $again (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (if (i32.le_u (local.get $i) (i32.const 1000))
                 (then (try_table (catch_all $again) (call $down (local.get $depth))))))
             (if (local.get $depth) (then (call $handles (i32.const 0)))))
           (func (export \"_start\") (call $handles (i32.const 100))))",
    );
    // Room for some 150 frames at a time; 100,000 are left behind by exceptions.
    let mut order = order(&[]);
    order.limits.stack = 150 * 80;
    assert_eq!(run(&module, &order).0.status, Status::Exit);
}
