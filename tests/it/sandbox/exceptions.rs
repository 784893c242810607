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
