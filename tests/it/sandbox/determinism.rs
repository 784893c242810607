//! The same order gives the same ending and the same bytes, whatever the host does.

use brizo::sandbox::{ArtefactCache, Control, Engine, inspect};
use brizo_receipt::Key;

use super::{hostile, input, order, run, text};
use crate::guests::guest;

#[test]
fn clock_random_and_floats_repeat_and_follow_the_spec() {
    for attack in ["clock-random", "nan", "list", "big-args"] {
        let first = hostile(&[attack], |_| {}).unwrap();
        let second = hostile(&[attack], |_| {}).unwrap();
        assert_eq!(first, second, "{attack}");
    }
    let (_, first) = hostile(&["clock-random"], |_| {}).unwrap();
    let (_, seed) = hostile(&["clock-random"], |order| order.random_seed.0[0] ^= 1).unwrap();
    let (_, later) = hostile(&["clock-random"], |order| order.clock_start += 1).unwrap();
    assert_ne!(text(&first.stdout), text(&seed.stdout));
    assert_ne!(text(&first.stdout), text(&later.stdout));
}

#[test]
fn no_nan_shows_its_payload() {
    let (_, outputs) = hostile(&["nan"], |_| {}).unwrap();
    let said = text(&outputs.stdout).to_lowercase();
    assert!(said.contains("7ff8000000000000"), "{said}");
    assert!(!said.contains("deadbeef\n"), "a payload came through arithmetic: {said}");
}

#[test]
fn the_order_in_which_inputs_are_found_does_not_show() {
    let names = ["b.csv", "sub/z.csv", "a.csv", "sub/a.csv"];
    let mut forward = order(&["list"]);
    forward.inputs = names.iter().map(|name| input(name, name.as_bytes())).collect();
    let mut backward = forward.clone();
    backward.inputs.reverse();
    assert_eq!(run(&guest("hostile"), &forward), run(&guest("hostile"), &backward));
}

#[test]
fn cached_and_fresh_compilation_give_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let module = guest("group_aggregate");
    let inspection = inspect(&module, u64::MAX).unwrap();
    let order = order(&["--by", "species", "--value", "body_mass_g"]);
    let mut results = Vec::new();
    for cached in [false, true] {
        let engine = Engine::new(Some(ArtefactCache::open(folder.path()).unwrap())).unwrap();
        let compiled = engine.compile(&module, &inspection).unwrap();
        assert_eq!(compiled.cached, cached);
        results.push(engine.run(&compiled, &order, &Control::default()).unwrap().unwrap());
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn what_lies_in_no_file_is_not_kept() {
    let module = guest("group_aggregate");
    let inspection = inspect(&module, u64::MAX).unwrap();
    let engine = Engine::new(None).unwrap();
    for _ in 0..2 {
        assert!(!engine.compile(&module, &inspection).unwrap().cached);
    }
}

#[test]
fn many_at_once_are_as_one_alone() {
    let alone = hostile(&["clock-random"], |_| {}).unwrap();
    let threads: Vec<_> =
        (0..8).map(|_| std::thread::spawn(|| hostile(&["clock-random"], |_| {}).unwrap())).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), alone);
    }
}

#[test]
fn outputs_have_one_root() {
    let (_, outputs) = run(&guest("column_stats"), &order(&[]));
    let root = |key| outputs.manifest().unwrap().root(&key);
    assert_eq!(root(Key::OPEN), root(Key::OPEN));
    assert_ne!(root(Key::OPEN), root(Key::new([1; 32])));
}
