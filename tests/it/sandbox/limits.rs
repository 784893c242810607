//! Each limit, obeyed at its edge and violated one beyond it.

use brizo::sandbox::{Aborted, Control};
use brizo_receipt::Status;

use super::{order, run, run_with, text};
use crate::guests::{guest, repository, wat_text};

fn column_stats_fuel() -> u64 {
    run(&guest("column_stats"), &order(&[])).0.fuel_used
}

#[test]
fn fuel_is_exact_at_its_edge() {
    let needed = column_stats_fuel();
    let mut enough = order(&[]);
    enough.limits.fuel = needed;
    let (ending, _) = run(&guest("column_stats"), &enough);
    assert_eq!((ending.status, ending.fuel_used), (Status::Exit, needed));
    for limit in [needed - 1, needed / 2, 1] {
        let mut short = order(&[]);
        short.limits.fuel = limit;
        let (ending, _) = run(&guest("column_stats"), &short);
        assert_eq!((ending.status, ending.fuel_used), (Status::OutOfFuel, limit));
    }
}

#[test]
fn straight_line_code_does_not_escape_the_meter() {
    // Fuel is looked at only at loop heads and calls: 1000 operators in a row would pass a limit of 100.
    let body = "(drop (i32.add (i32.const 1) (i32.const 2)))".repeat(1000);
    let module =
        wat_text(&format!("(module (memory (export \"memory\") 1) (func (export \"_start\") {body}))"));
    let mut short = order(&[]);
    short.limits.fuel = 20_100;
    assert_eq!(run(&module, &short).0.status, Status::OutOfFuel);
}

#[test]
fn output_bytes_are_exact_at_their_edge() {
    let (free, outputs) = run(&guest("column_stats"), &order(&[]));
    let written = free.output_bytes;
    assert_eq!(
        written,
        outputs.files.values().map(brizo::sandbox::Written::len).sum::<u64>()
            + outputs.stdout.len() as u64
            + outputs.stderr.len() as u64
    );
    let mut enough = order(&[]);
    enough.limits.output_bytes = written;
    assert_eq!(run(&guest("column_stats"), &enough).0.status, Status::Exit);
    enough.limits.output_bytes = written - 1;
    assert_eq!(run(&guest("column_stats"), &enough).0.status, Status::OutputLimit);
}

#[test]
fn output_files_are_exact_at_their_edge() {
    let mut two = order(&[]);
    two.limits.output_files = 2;
    let (ending, outputs) = run(&guest("column_stats"), &two);
    assert_eq!((ending.status, outputs.files.len()), (Status::Exit, 2));
    two.limits.output_files = 1;
    assert_eq!(run(&guest("column_stats"), &two).0.status, Status::OutputLimit);
}

#[test]
fn memory_that_is_missing_at_the_start_is_the_memory_limit() {
    let module = wat_text("(module (memory (export \"memory\") 10) (func (export \"_start\")))");
    let mut small = order(&[]);
    small.limits.memory_bytes = 10 * 65_536;
    assert_eq!(run(&module, &small).0.status, Status::Exit);
    small.limits.memory_bytes -= 1;
    assert_eq!(run(&module, &small).0.status, Status::MemoryLimit);
}

#[test]
fn growth_beyond_what_memory_can_be_is_the_guests_affair() {
    let module = wat_text(
        "(module (memory (export \"memory\") 1 100) (func (export \"_start\")
            (if (i32.ne (memory.grow (i32.const 65535)) (i32.const -1)) (then unreachable))
            (if (i32.ne (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable))
            (if (i32.ne (memory.grow (i32.const 99)) (i32.const 1)) (then unreachable))))",
    );
    assert_eq!(run(&module, &order(&[])).0.status, Status::Exit);
}

#[test]
fn only_growth_that_the_order_forbids_makes_a_trap_the_memory_limit() {
    let module = |grow: &str| {
        wat_text(&format!(
            "(module (memory (export \"memory\") 1 2000) (func (export \"_start\")
                (drop (memory.grow (i32.const {grow}))) unreachable))"
        ))
    };
    // 64 MiB are 1024 pages; the module itself allows 2000; no memory has 65,537.
    for (grow, status) in [
        ("1023", Status::Trap),
        ("1024", Status::MemoryLimit),
        ("1999", Status::MemoryLimit),
        ("2000", Status::Trap),
        ("65536", Status::Trap),
    ] {
        assert_eq!(run(&module(grow), &order(&[])).0.status, status, "{grow}");
    }
}

#[test]
fn a_stopped_run_makes_no_claim() {
    let control = Control::default();
    control.stop();
    let result = run_with(&guest("hostile"), &order(&["loop"]), &control);
    assert_eq!(result.unwrap_err(), Aborted::Stopped);
    let control = Control::with_wall_clock(std::time::Duration::ZERO);
    let result = run_with(&guest("hostile"), &order(&["loop"]), &control);
    assert_eq!(result.unwrap_err(), Aborted::WallClock);
}

#[test]
fn a_running_guest_is_stopped_wherever_it_is() {
    let loops = "(loop $l (br $l))";
    let touches = "(loop $l (i32.store (i32.const 8) (i32.const 1)) (br $l))";
    let calls = "(loop $l (call $leaf) (br $l))";
    let forks = "(call $fork (i32.const 100))";
    // Its turns are paid for many at once, but never for more than a slice.
    let counts = "(local $i i64) (loop $l (br_if $l
       (i64.ne (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const 0x4000000000000000))))";
    for body in [loops, touches, calls, forks, counts] {
        let module = wat_text(&format!(
            "(module (memory (export \"memory\") 1) (func $leaf)
               (func $fork (param i32) (if (local.get 0) (then
                 (call $fork (i32.sub (local.get 0) (i32.const 1)))
                 (call $fork (i32.sub (local.get 0) (i32.const 1))))))
               (func (export \"_start\") {body}))"
        ));
        let mut endless = order(&[]);
        endless.limits.fuel = i64::MAX as u64;
        let control = Control::with_wall_clock(std::time::Duration::from_millis(5));
        assert_eq!(run_with(&module, &endless, &control).unwrap_err(), Aborted::WallClock, "{body}");
    }
    // The page of the floor is whole again for whoever gets it next.
    assert_eq!(run(&guest("column_stats"), &order(&[])).0.status, Status::Exit);
}

#[test]
fn calls_are_counted_to_the_unit() {
    // A function of two values and a few operators takes 64 units, 8 for each value and an eighth per operator.
    let module = wat_text(
        "(module (memory (export \"memory\") 1)
           (func $down (param i32) (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))))
           (func (export \"_start\") (call $down (i32.const 1000))))",
    );
    let mut deep = order(&[]);
    let ends = |order: &brizo::sandbox::Order| run(&module, order).0;
    assert_eq!(ends(&deep).status, Status::Exit);
    // Find the exact need by halving, then look at both of its sides.
    let (mut low, mut high) = (1, deep.limits.stack);
    while low < high {
        deep.limits.stack = (low + high) / 2;
        match ends(&deep).status {
            Status::Exit => high = deep.limits.stack,
            _ => low = deep.limits.stack + 1,
        }
    }
    assert!((64_000..200_000).contains(&high), "{high}");
    deep.limits.stack = high - 1;
    let ending = ends(&deep);
    assert_eq!((ending.status, ending.exit_code, ending.trap), (Status::StackLimit, 0, None));
    assert!(ending.fuel_used < deep.limits.fuel, "what was not used is not charged");
    deep.limits.stack = high;
    assert_eq!(ends(&deep).status, Status::Exit);
}

#[test]
fn the_examples_write_what_was_checked_by_hand() {
    let expected =
        |name: &str| std::fs::read_to_string(repository(&format!("examples/expected/{name}"))).unwrap();
    let (ending, outputs) = run(&guest("column_stats"), &order(&["--file", "penguins.csv"]));
    assert_eq!(ending.exit_code, 0, "{}", text(&outputs.stderr));
    for name in ["column-stats.csv", "column-stats.json"] {
        assert_eq!(text(&outputs.files[name].bytes().unwrap()), expected(name));
    }
    let (ending, outputs) =
        run(&guest("group_aggregate"), &order(&["--by", "species", "--value", "body_mass_g"]));
    assert_eq!(ending.exit_code, 0, "{}", text(&outputs.stderr));
    assert_eq!(text(&outputs.files["groups.csv"].bytes().unwrap()), expected("groups.csv"));
}
