//! The hostile guest's menu: each attack ends in its own way, sees nothing and costs the host nothing.

use brizo_receipt::{Status, TrapCode};

use super::{hostile, text};

/// Attacks that observe: they must end with exit 0 and say that they were refused. Exit 66 would be an escape.
#[test]
fn every_escape_is_refused() {
    for attack in ["escape-dotdot", "escape-absolute", "escape-symlink", "write-input"] {
        let (ending, outputs) = hostile(&[attack], |_| {}).unwrap();
        let said = text(&outputs.stdout) + &text(&outputs.stderr);
        assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0), "{attack}: {said}");
        assert!(said.contains("refused") && !said.contains("escaped!"), "{attack}: {said}");
        assert!(
            outputs.files.values().all(|bytes| !text(&bytes.bytes().unwrap()).contains("root:")),
            "{attack}"
        );
    }
}

#[test]
fn endless_work_runs_out_of_fuel_and_pays_for_all_of_it() {
    for attack in ["loop", "loop-host-calls", "readdir-storm"] {
        let (ending, _) = hostile(&[attack], |order| order.limits.fuel = 50_000_000).unwrap();
        assert_eq!((ending.status, ending.fuel_used), (Status::OutOfFuel, 50_000_000), "{attack}");
    }
}

#[test]
fn every_flood_meets_the_output_limit() {
    for attack in ["flood-output", "flood-files", "flood-stdout", "deep-dirs", "sparse"] {
        let (ending, outputs) = hostile(&[attack], |order| order.limits.fuel = 2_000_000_000).unwrap();
        let said = text(&outputs.stdout);
        // Two of them can handle what the file system answers; none may write more than was ordered.
        let held =
            ending.status == Status::OutputLimit || (ending.status == Status::Exit && ending.exit_code == 0);
        assert!(held, "{attack}: {ending:?} {said}");
        let files: u64 = outputs.files.values().map(brizo::sandbox::Written::len).sum();
        let bytes = files + (outputs.stdout.len() + outputs.stderr.len()) as u64;
        assert!(bytes <= super::LIMITS.output_bytes, "{attack} left {bytes} bytes");
        assert!(outputs.files.len() + outputs.folders.len() <= 100, "{attack} left too many files");
        assert_eq!(bytes, ending.output_bytes, "{attack}: what is counted is what is there");
    }
}

#[test]
fn memory_is_refused_at_the_limit_and_the_end_says_so() {
    let (ending, outputs) = hostile(&["grow-memory"], |_| {}).unwrap();
    assert_eq!(
        (ending.status, ending.trap),
        (Status::MemoryLimit, Some(TrapCode::Unreachable)),
        "{}",
        text(&outputs.stdout)
    );
    assert!(text(&outputs.stdout).contains("1024"), "64 MiB are 1024 pages: {}", text(&outputs.stdout));
    let (ending, _) = hostile(&["grow-and-handle"], |_| {}).unwrap();
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0), "a guest may live with the refusal");
}

#[test]
fn traps_keep_their_cause_and_cost_what_was_used() {
    let table = [
        ("trap-unreachable", TrapCode::Unreachable),
        ("trap-div0", TrapCode::DivisionByZero),
        ("trap-oob", TrapCode::MemoryOutOfBounds),
        ("bad-pointers", TrapCode::BadPointer),
    ];
    for (attack, trap) in table {
        let (ending, outputs) = hostile(&[attack], |_| {}).unwrap();
        assert_eq!(
            (ending.status, ending.trap),
            (Status::Trap, Some(trap)),
            "{attack}: {}",
            text(&outputs.stdout)
        );
        assert!((10_000..5_000_000).contains(&ending.fuel_used), "{attack}: {}", ending.fuel_used);
    }
}

#[test]
fn exit_codes_are_kept_whole() {
    for code in [0u32, 1, 42, 126, 255] {
        let (ending, _) = hostile(&["exit", &code.to_string()], |_| {}).unwrap();
        assert_eq!((ending.status, ending.exit_code), (Status::Exit, code));
    }
}

#[test]
fn endless_recursion_meets_the_counted_stack() {
    for stack in [1 << 10, 1 << 20, brizo::job::STACK_LIMIT_MAX] {
        let ends = || {
            hostile(&["recurse"], |order| {
                order.limits.fuel = 20_000_000_000;
                order.limits.stack = stack;
            })
        };
        let (ending, outputs) = ends().unwrap();
        assert_eq!((ending.status, ending.trap), (Status::StackLimit, None));
        assert_eq!(ends().unwrap(), (ending, outputs));
    }
}

#[test]
fn the_tree_shows_nothing_of_the_host() {
    let (ending, outputs) = hostile(&["list"], |_| {}).unwrap();
    assert_eq!(ending.exit_code, 0);
    let listing = text(&outputs.stdout);
    for word in ["root", "home", "tmp", "etc"] {
        assert!(!listing.contains(word), "{listing}");
    }
    assert!(listing.contains("penguins.csv"), "{listing}");
}
