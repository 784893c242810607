//! One program, two faces: what it reads, writes and says is the same.

use brizo::sandbox::{ArtefactCache, Control, Engine, Kind, inspect, profile_digest_for};
use brizo_receipt::Status;

use super::super::{hostile as core_hostile, input, order, run, text};
use super::hostile;
use crate::guests::{component, guest};

#[test]
fn both_faces_give_the_same_outputs() {
    let table: [(&str, &[&str]); 2] =
        [("column_stats", &[]), ("group_aggregate", &["--by", "species", "--value", "body_mass_g"])];
    for (name, args) in table {
        let Some(component) = component(name) else { return };
        let (core_ending, core_outputs) = run(&guest(name), &order(args));
        let (ending, outputs) = run(&component, &order(args));
        assert_eq!(outputs, core_outputs, "{name}: {}", text(&outputs.stderr));
        assert_eq!(
            (ending.status, ending.exit_code, ending.output_bytes),
            (core_ending.status, core_ending.exit_code, core_ending.output_bytes),
            "{name}"
        );
        assert!(!outputs.files.is_empty(), "{name} wrote nothing");
    }
}

/// What a guest can see of volumes, of arguments and of floats does not tell the faces apart.
#[test]
fn both_faces_show_the_same_world() {
    for attack in ["list", "nan", "big-args"] {
        let Some(result) = hostile(&[attack], |_| {}) else { return };
        let (ending, outputs) = result.unwrap();
        let (core_ending, core_outputs) = core_hostile(&[attack], |_| {}).unwrap();
        // `..` is not in a component's listings; its C library makes the line up, without an inode.
        let seen = |bytes: &[u8]| {
            let lines = text(bytes);
            lines.lines().filter(|line| !line.contains("/.. listed")).map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(seen(&outputs.stdout), seen(&core_outputs.stdout), "{attack}");
        assert_eq!(outputs.files, core_outputs.files, "{attack}");
        assert_eq!(ending.status, core_ending.status, "{attack}");
    }
}

#[test]
fn clock_and_random_repeat_and_follow_the_spec() {
    let run = |change: fn(&mut brizo::sandbox::Order)| hostile(&["clock-random"], change).map(Result::unwrap);
    let Some(first) = run(|_| {}) else { return };
    assert_eq!(Some(first.clone()), run(|_| {}));
    assert_eq!(first.0.status, Status::Exit, "{}", text(&first.1.stdout));
    for other in [run(|order| order.random_seed.0[0] ^= 1), run(|order| order.clock_start += 1)] {
        assert_ne!(text(&first.1.stdout), text(&other.unwrap().1.stdout));
    }
}

#[test]
fn the_order_in_which_inputs_are_found_does_not_show() {
    let Some(bytes) = component("hostile") else { return };
    let names = ["b.csv", "sub/z.csv", "a.csv", "sub/a.csv"];
    let mut forward = order(&["list"]);
    forward.inputs = names.iter().map(|name| input(name, name.as_bytes())).collect();
    let mut backward = forward.clone();
    backward.inputs.reverse();
    assert_eq!(run(&bytes, &forward), run(&bytes, &backward));
}

#[test]
fn cached_and_fresh_compilation_give_the_same_run() {
    let Some(bytes) = component("group_aggregate") else { return };
    let folder = tempfile::tempdir().unwrap();
    let inspection = inspect(&bytes, u64::MAX).unwrap();
    assert_eq!(inspection.kind, Kind::Component);
    let order = order(&["--by", "species", "--value", "body_mass_g"]);
    let mut results = Vec::new();
    for cached in [false, true] {
        let engine = Engine::new(Some(ArtefactCache::open(folder.path()).unwrap())).unwrap();
        let compiled = engine.compile(&bytes, &inspection).unwrap();
        assert_eq!(compiled.cached, cached);
        results.push(engine.run(&compiled, &order, &Control::default()).unwrap().unwrap());
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn fuel_and_outputs_are_exact_at_their_edge() {
    let Some(bytes) = component("column_stats") else { return };
    let (free, _) = run(&bytes, &order(&[]));
    let mut enough = order(&[]);
    enough.limits.fuel = free.fuel_used + 1;
    assert_eq!(run(&bytes, &enough).0, free);
    for limit in [free.fuel_used, free.fuel_used - 1, free.fuel_used / 2, 1] {
        let mut short = order(&[]);
        short.limits.fuel = limit;
        let (ending, _) = run(&bytes, &short);
        assert_eq!((ending.status, ending.fuel_used), (Status::OutOfFuel, limit));
    }
    let mut tight = order(&[]);
    tight.limits.output_bytes = free.output_bytes;
    assert_eq!(run(&bytes, &tight).0.status, Status::Exit);
    tight.limits.output_bytes -= 1;
    assert_eq!(run(&bytes, &tight).0.status, Status::OutputLimit);
}

#[test]
fn each_kind_has_its_own_profile() {
    assert_ne!(profile_digest_for(Kind::Core), profile_digest_for(Kind::Component));
}
