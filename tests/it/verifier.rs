//! The second verifier, `tests/verifier/`, against `tests/vectors/`, and the scripts that made those vectors. They need `python3`.

use std::process::{Command, Output};

fn python(arguments: &[&str]) -> Output {
    let mut command = Command::new("python3");
    // Without -B it would leave folders of compiled code in the repository.
    command.arg("-B").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
        .output()
        .expect("python3, version 3.11 or newer, must be installed to hold the format by a second reader")
}

#[track_caller]
fn assert_succeeds(arguments: &[&str]) -> String {
    let output = python(arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn the_second_verifier_agrees_on_every_vector() {
    let said = assert_succeeds(&["-m", "tests.verifier", "vectors", "tests/vectors"]);
    let cases = said
        .lines()
        .last()
        .and_then(|line| line.split(' ').next())
        .and_then(|number| number.parse::<usize>().ok());
    // Fewer than this mean that the walk missed them.
    assert!(cases.is_some_and(|cases| cases >= 800), "{said}");
}

#[test]
fn the_vectors_are_what_their_scripts_make() {
    for script in ["make_disclosure", "make_log", "make_profiles", "make_verdict"] {
        assert_succeeds(&["-m", &format!("tests.vectors.{script}"), "--check"]);
    }
}
