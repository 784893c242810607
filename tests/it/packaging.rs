//! What operators install: the unit for systemd, the Dockerfile, and the configuration they begin with.

use std::process::Command;

use crate::guests::repository;
use crate::world::brizo;

fn packaging(name: &str) -> String {
    std::fs::read_to_string(repository(&format!("packaging/{name}"))).unwrap()
}

#[test]
fn systemd_takes_every_line_of_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("brizo.service");
    // The program is not installed here, and systemd looks for it.
    std::fs::write(&path, packaging("brizo.service").replace("/usr/bin/brizo", "/bin/true")).unwrap();
    let Ok(verified) = Command::new("systemd-analyze").arg("verify").arg(&path).output() else {
        eprintln!("SKIPPED systemd_takes_every_line_of_the_unit: systemd-analyze is not here");
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("brizo.service")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
    // From 0 to 10, where 10 is no hardening at all.
    let rated = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
}

#[test]
fn the_verbs_in_unit_and_image_are_there() {
    let mut found = 0;
    for line in packaging("brizo.service").lines() {
        let Some((_, command)) = line.split_once("=/usr/bin/brizo ") else { continue };
        let verbs: Vec<_> = command.split(' ').take_while(|word| !word.starts_with(['-', '/'])).collect();
        let help = brizo(&repository("."), &[&verbs[..], &["--help"]].concat());
        assert!(help.status.success(), "{command}");
        found += 1;
    }
    assert_eq!(found, 2);
    assert!(packaging("Dockerfile").contains("CMD [\"serve\", \"--config\", \"/etc/brizo/brizo.toml\"]"));
}

#[test]
fn the_image_is_built_with_the_compiler_that_the_manifest_asks_for() {
    let manifest = std::fs::read_to_string(repository("Cargo.toml")).unwrap();
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let from = format!("FROM rust:{}-slim-bookworm", version.trim_matches('"'));
    assert!(packaging("Dockerfile").contains(&from), "{from}");
}

#[test]
fn the_example_is_printed_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let printed = brizo(folder.path(), &["config", "example"]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap().trim_end(), packaging("brizo.toml").trim_end());
    std::fs::write(folder.path().join("brizo.toml"), packaging("brizo.toml")).unwrap();
    let shown = brizo(folder.path(), &["config", "show"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("fuel = 1000000000000") && shown.contains("verify_rate = 1.0"), "{shown}");
}
