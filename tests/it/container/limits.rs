//! Every limit is met by a guest that goes beyond it, and each end is told from the others.

use brizo::container::SECOND;
use brizo_receipt::{Status, TrapCode};

use super::{LIMITS, engine_or_skip, order, run, text};

#[tokio::test]
async fn a_guest_that_takes_too_much_memory_is_killed() {
    let engine = engine_or_skip!();
    let (ending, _) = run(engine, &order("tail /dev/zero")).await;
    assert_eq!((ending.status, ending.exit_code), (Status::MemoryLimit, 0));
    assert_eq!(ending.trap, Some(TrapCode::Killed));
    // A program that goes on after one of its children was killed is not over.
    let (ending, _) = run(engine, &order("tail /dev/zero; exit 0")).await;
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0));
}

#[tokio::test]
async fn memory_file_systems_count_as_memory() {
    let engine = engine_or_skip!();
    for folder in ["/tmp", "/dev/shm"] {
        let script =
            format!("for i in 1 2 3; do dd if=/dev/zero of={folder}/$i bs=64k count=1024; done; exit 9");
        let mut order = order(&script);
        // So that no file is refused for its length.
        order.limits.output_bytes = 100 << 20;
        order.limits.memory_bytes = 32 << 20;
        let (ending, outputs) = run(engine, &order).await;
        let held = ending.status == Status::MemoryLimit || text(&outputs.stderr).contains("No space left");
        assert!(held, "{folder}: {ending:?} {}", text(&outputs.stderr));
    }
}

#[tokio::test]
async fn the_kernel_refuses_what_is_too_much_output() {
    let engine = engine_or_skip!();
    // In many files, because one alone meets the limit of a file's length.
    let script = "for i in 1 2 3 4 5; do dd if=/dev/zero of=$i bs=64k count=8 || exit 5; done";
    let (ending, outputs) = run(engine, &order(script)).await;
    assert_eq!((ending.status, ending.exit_code), (Status::OutputLimit, 0));
    assert!(text(&outputs.stderr).contains("No space left on device"), "{}", text(&outputs.stderr));
    let written: u64 = outputs.files.values().map(brizo::sandbox::Written::len).sum();
    assert!(written <= 1 << 20 && written > 400_000, "{written}");
    assert!(ending.output_bytes <= LIMITS.output_bytes);
}

#[tokio::test]
async fn one_file_is_not_longer_than_all_may_be() {
    let engine = engine_or_skip!();
    // A hole takes no memory, so only the limit of a file's length can refuse it.
    let script = "dd if=/dev/zero of=hole bs=1 count=1 seek=500000000; echo ended $?";
    let (ending, outputs) = run(engine, &order(script)).await;
    assert_eq!(ending.status, Status::Exit);
    assert!(!text(&outputs.stdout).contains("ended 0"), "{}", text(&outputs.stdout));
    assert!(outputs.files.get("hole").is_none_or(brizo::sandbox::Written::is_empty));
}

#[tokio::test]
async fn holes_count_as_what_they_say() {
    let engine = engine_or_skip!();
    let script = "for i in 1 2 3; do dd if=/dev/zero of=$i bs=1 count=1 seek=600000; done";
    let (ending, outputs) = run(engine, &order(script)).await;
    assert_eq!(ending.status, Status::OutputLimit);
    assert_eq!(outputs.files.keys().collect::<Vec<_>>(), ["1"], "in order of path, what fits");
    assert!(ending.output_bytes <= LIMITS.output_bytes);
}

#[tokio::test]
async fn files_are_counted() {
    let engine = engine_or_skip!();
    let script = "i=0; while [ $i -lt 30 ]; do echo x > f$i || exit 3; i=$((i+1)); done";
    let (ending, outputs) = run(engine, &order(script)).await;
    assert_eq!((ending.status, ending.exit_code), (Status::OutputLimit, 0));
    assert_eq!(outputs.files.len() as u64, LIMITS.output_files);
}

#[tokio::test]
async fn streams_count_as_output() {
    let engine = engine_or_skip!();
    let (ending, outputs) = run(engine, &order("yes")).await;
    assert_eq!((ending.status, ending.exit_code), (Status::OutputLimit, 0));
    assert_eq!(outputs.stdout.len() as u64, LIMITS.output_bytes);
    // Together with a file they are too long, though neither is alone.
    let script = "dd if=/dev/zero of=file bs=1k count=1000; dd if=/dev/zero bs=1k count=100";
    let (ending, outputs) = run(engine, &order(script)).await;
    assert_eq!(ending.status, Status::OutputLimit);
    assert!(
        outputs.stdout.len() == 102_400 && outputs.files.is_empty(),
        "what was printed says why: {ending:?}"
    );
}

#[tokio::test]
async fn a_guest_that_takes_too_long_is_ended() {
    let engine = engine_or_skip!();
    let mut order = order("trap '' TERM; echo before; while true; do true; done");
    order.limits.fuel = 5 * SECOND;
    let (ending, outputs) = run(engine, &order).await;
    assert_eq!((ending.status, ending.exit_code), (Status::OutOfFuel, 0));
    assert_eq!(ending.fuel_used, 5 * SECOND, "the whole time that was ordered");
    assert_eq!(text(&outputs.stdout), "before\n");
}

#[tokio::test]
async fn a_guest_may_clean_up_when_its_time_is_up() {
    let engine = engine_or_skip!();
    let mut order = order("trap 'echo clean > clean; exit 0' TERM; while true; do true; done");
    order.limits.fuel = 5 * SECOND;
    let (ending, outputs) = run(engine, &order).await;
    assert_eq!(ending.status, Status::OutOfFuel, "an end that was asked for is not its own");
    assert_eq!(*outputs.files["clean"].bytes().unwrap(), *b"clean\n");
}

#[tokio::test]
async fn codes_of_exits_and_signals_are_kept() {
    let engine = engine_or_skip!();
    for (script, code) in
        [("exit 255", 255), ("kill -ABRT $$; sleep 9", 0), ("sh -c 'kill -9 $$'; exit $?", 137)]
    {
        let (ending, _) = run(engine, &order(script)).await;
        assert_eq!(ending.status, Status::Exit, "{script}");
        // The first process takes no signal that it did not ask for, so the second script goes on.
        assert!(ending.exit_code == code, "{script}: {ending:?}");
        assert!(ending.fuel_used >= SECOND && ending.fuel_used.is_multiple_of(SECOND), "{ending:?}");
    }
}
