//! The hostile guest's menu, served through a component.

use brizo::sandbox::{Aborted, Control};
use brizo_receipt::{Status, TrapCode};

use super::super::{LIMITS, order, run, run_with, text};
use super::{command, hostile};

#[test]
fn every_escape_is_refused() {
    for attack in ["escape-dotdot", "escape-absolute", "escape-symlink", "write-input"] {
        let Some(result) = hostile(&[attack], |_| {}) else { return };
        let (ending, outputs) = result.unwrap();
        let said = text(&outputs.stdout) + &text(&outputs.stderr);
        assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0), "{attack}: {said}");
        assert!(said.contains("refused") && !said.contains("escaped!"), "{attack}: {said}");
    }
}

#[test]
fn endless_work_runs_out_of_fuel_and_pays_for_all_of_it() {
    for attack in ["loop", "loop-host-calls", "readdir-storm"] {
        let Some(result) = hostile(&[attack], |order| order.limits.fuel = 50_000_000) else { return };
        let (ending, _) = result.unwrap();
        assert_eq!((ending.status, ending.fuel_used), (Status::OutOfFuel, 50_000_000), "{attack}");
    }
}

#[test]
fn every_flood_meets_the_output_limit() {
    for attack in ["flood-output", "flood-files", "flood-stdout", "deep-dirs", "sparse"] {
        let Some(result) = hostile(&[attack], |order| order.limits.fuel = 2_000_000_000) else { return };
        let (ending, outputs) = result.unwrap();
        let said = text(&outputs.stdout);
        let held =
            ending.status == Status::OutputLimit || (ending.status == Status::Exit && ending.exit_code == 0);
        assert!(held, "{attack}: {ending:?} {said}");
        assert_eq!(outputs.bytes(), ending.output_bytes, "{attack}: what is counted is what is there");
        assert!(ending.output_bytes <= LIMITS.output_bytes, "{attack}");
        assert!(outputs.files.len() + outputs.folders.len() <= 100, "{attack} left too many files");
    }
}

#[test]
fn memory_is_refused_at_the_limit_and_the_end_says_so() {
    let Some(result) = hostile(&["grow-memory"], |_| {}) else { return };
    let (ending, outputs) = result.unwrap();
    assert_eq!(ending.status, Status::MemoryLimit, "{}", text(&outputs.stdout));
    let (ending, _) = hostile(&["grow-and-handle"], |_| {}).unwrap().unwrap();
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0), "a guest may live with the refusal");
}

#[test]
fn traps_keep_their_cause_and_cost_the_limit() {
    let table = [
        ("trap-unreachable", TrapCode::Unreachable),
        ("trap-div0", TrapCode::DivisionByZero),
        ("trap-oob", TrapCode::MemoryOutOfBounds),
    ];
    for (attack, trap) in table {
        let Some(result) = hostile(&[attack], |_| {}) else { return };
        let (ending, outputs) = result.unwrap();
        let expected = (Status::Trap, Some(trap), LIMITS.fuel);
        assert_eq!(
            (ending.status, ending.trap, ending.fuel_used),
            expected,
            "{attack}: {}",
            text(&outputs.stdout)
        );
    }
}

#[test]
fn endless_recursion_makes_no_claim() {
    let Some(result) = hostile(&["recurse"], |order| order.limits.fuel = 20_000_000_000) else { return };
    assert_eq!(result.unwrap_err(), Aborted::NativeStack);
}

#[test]
fn memories_share_the_limit() {
    let two = |first: u32, second: u32| {
        command(
            &format!("(core module $other (memory {first})) (core instance (instantiate $other))"),
            "",
            &format!("(memory {second}) (func (export \"run\") (result i32) i32.const 0)"),
        )
    };
    let mut order = order(&[]);
    order.limits.memory_bytes = 10 << 16;
    assert_eq!(run(&two(4, 6), &order).0.status, Status::Exit);
    assert_eq!(run(&two(4, 7), &order).0.status, Status::MemoryLimit, "each alone would fit");
}

#[test]
fn a_start_function_is_metered() {
    let endless = command(
        "",
        "",
        "(func $spin (loop $l br $l)) (start $spin) (func (export \"run\") (result i32) i32.const 0)",
    );
    let (ending, _) = run(&endless, &order(&[]));
    assert_eq!((ending.status, ending.fuel_used), (Status::OutOfFuel, LIMITS.fuel));
    let writes = |bytes: usize| {
        let data = "x".repeat(bytes);
        command(
            "",
            "",
            &format!(
                "(memory 1) (data (i32.const 0) \"{data}\") (func (export \"run\") (result i32) i32.const 0)"
            ),
        )
    };
    let (small, large) = (run(&writes(10), &order(&[])).0, run(&writes(1010), &order(&[])).0);
    assert_eq!(large.fuel_used - small.fuel_used, 1000, "a data segment costs its bytes");
}

#[test]
fn a_stop_is_heeded() {
    let endless = command("", "", "(func (export \"run\") (result i32) (loop $l br $l) unreachable)");
    let mut long = order(&[]);
    long.limits.fuel = u64::MAX / 2;
    let control = Control::default();
    control.stop();
    assert_eq!(run_with(&endless, &long, &control).unwrap_err(), Aborted::Stopped);
}

/// A call of the host restarts the interval after which the engine looks by itself.
#[test]
fn a_guest_that_calls_the_host_all_the_time_is_stopped_too() {
    let endless = command(
        "(import \"wasi:random/random@0.2.0\" (instance $random (export \"get-random-u64\" (func (result u64)))))
         (core func $next (canon lower (func $random \"get-random-u64\")))",
        "(with \"host\" (instance (export \"next\" (func $next))))",
        "(import \"host\" \"next\" (func $next (result i64)))
         (func (export \"run\") (result i32) (loop $l (drop (call $next)) (br $l)) unreachable)",
    );
    let mut long = order(&[]);
    long.limits.fuel = u64::MAX / 2;
    let control = Control::with_wall_clock(std::time::Duration::from_millis(20));
    assert_eq!(run_with(&endless, &long, &control).unwrap_err(), Aborted::WallClock);
}

#[test]
fn the_result_of_run_is_the_exit_code() {
    for code in [0u32, 1] {
        let component = command("", "", &format!("(func (export \"run\") (result i32) i32.const {code})"));
        let (ending, _) = run(&component, &order(&[]));
        assert_eq!((ending.status, ending.exit_code), (Status::Exit, code));
    }
    let broken = command("", "", "(func (export \"run\") (result i32) i32.const 7)");
    let (ending, _) = run(&broken, &order(&[]));
    assert_eq!((ending.status, ending.trap), (Status::Trap, Some(TrapCode::BadPointer)), "7 is no result");
}
