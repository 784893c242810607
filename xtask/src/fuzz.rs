//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer. It takes minutes to build, because everything below the
//! sandbox is compiled again with coverage counters; so `cargo xtask test` only runs the drivers over the corpus.

use std::path::{Path, PathBuf};

use crate::command::{ask, clean, clean_in, run};

const VERSION: &str = "0.13.2";

/// As in `src/sandbox/fuzzing/mod.rs`, and those of `receipt/src/fuzzing.rs`.
const TARGETS: [&str; 6] = ["filesystem", "inspect", "meter", "preview1", "receipt_parsers", "log_parsers"];

/// What to run, and how long each.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) targets: Vec<&'static str>,
    pub(crate) seconds: u32,
}

impl Choice {
    /// From the arguments of the verb.
    pub(crate) fn of(mut args: &[&str]) -> Result<Self, String> {
        let mut choice = Self { targets: TARGETS.to_vec(), seconds: 60 };
        while let [first, rest @ ..] = args {
            args = match (*first, rest) {
                ("--seconds", [number, rest @ ..]) => {
                    choice.seconds =
                        number.parse().map_err(|_| format!("--seconds is a number, not `{number}`"))?;
                    rest
                }
                (name, rest) => {
                    let known = TARGETS.into_iter().find(|target| *target == name);
                    let target = known.ok_or_else(|| {
                        format!("there is no target `{name}`; there are {}", TARGETS.join(", "))
                    })?;
                    choice.targets = vec![target];
                    rest
                }
            };
        }
        Ok(choice)
    }
}

/// Runs the targets one after the other; the first that finds something ends it, and libFuzzer says where the input is.
pub(crate) fn run_targets(root: &Path, choice: &Choice) -> Result<(), String> {
    let fuzz = ready(root)?;
    for target in &choice.targets {
        println!("\n== {target}, {} s ==", choice.seconds);
        let seconds = format!("-max_total_time={}", choice.seconds);
        // New inputs go to the first folder, which is not checked in; the second is only read.
        let (found, kept) = (format!("fuzz/found/{target}"), format!("fuzz/corpus/{target}"));
        std::fs::create_dir_all(root.join(&found)).map_err(|cause| format!("{found}: {cause}"))?;
        // Sanitizers need another compiler than the stable one; the code is safe Rust, so panics are what is looked for.
        let build =
            ["--sanitizer", "none", "--codegen-units", "16", "--fuzz-dir", "fuzz", target, &found, &kept];
        let options =
            ["--", "-max_len=8192", "-len_control=0", "-timeout=20", "-rss_limit_mb=4096", &seconds];
        let mut command = clean_in(root, &fuzz, &["fuzz", "run"]);
        run(command.args(build).args(options), None).map_err(|cause| {
            format!(
                "{target} found something ({cause}); the input is named above, and in fuzz/artifacts/{target}"
            )
        })?;
    }
    Ok(())
}

/// Ours in .tools, else the machine's, else it is built once into .tools.
fn ready(root: &Path) -> Result<PathBuf, String> {
    let ours = root.join(format!(".tools/bin/cargo-fuzz{}", std::env::consts::EXE_SUFFIX));
    for path in [ours.as_path(), Path::new("cargo-fuzz")] {
        if let Some(version) = ask(clean(&path.to_string_lossy()).args(["fuzz", "--version"])) {
            println!("fuzz: {version}");
            return Ok(path.to_owned());
        }
    }
    println!("fuzz: building cargo-fuzz {VERSION} into .tools (about 1 minute of processor time, once)");
    let args = ["install", "cargo-fuzz", "--locked", "--quiet", "--version", VERSION, "--root", ".tools"];
    run(&mut clean_in(root, "cargo", &args), None).map_err(|cause| {
        format!("cargo-fuzz cannot be built ({cause}); run `cargo install cargo-fuzz --locked --version {VERSION}`")
    })?;
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_a_time_are_chosen() {
        let choice = Choice::of(&["--seconds", "20", "meter"]).unwrap();
        assert_eq!((choice.targets, choice.seconds), (vec!["meter"], 20));
        assert_eq!(Choice::of(&[]).unwrap().targets, TARGETS);
        assert!(Choice::of(&["nothing"]).unwrap_err().contains("filesystem, inspect"));
        assert!(Choice::of(&["--seconds", "long"]).is_err());
    }

    #[test]
    fn every_target_has_a_file_and_a_corpus() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        for target in TARGETS {
            assert!(manifest.contains(&format!("fuzz_targets/{target}.rs")), "{target}");
            assert!(fuzz.join(format!("fuzz_targets/{target}.rs")).is_file(), "{target}");
            assert!(fuzz.join("corpus").join(target).is_dir(), "{target}");
        }
    }

    /// `fuzz` builds the sandbox by itself, by hand and seldom, so that nobody would notice what it lacks.
    #[test]
    fn fuzz_has_what_the_sandbox_needs_as_the_product_has_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let [ours, fuzz] =
            ["Cargo.toml", "fuzz/Cargo.toml"].map(|it| std::fs::read_to_string(root.join(it)).unwrap());
        let has = |line: &str| ours.lines().any(|other| other == line);
        let named = |name: &str| ours.lines().any(|line| line.starts_with(&format!("{name} = ")));
        let shared: Vec<_> = fuzz
            .lines()
            .skip_while(|line| *line != "[dependencies]")
            .take_while(|line| !line.starts_with("[["))
            .filter(|line| {
                line.split_once(" = ").is_some_and(|(name, _)| named(name) && !name.starts_with("brizo-"))
            })
            .collect();
        assert!(shared.len() > 10, "{shared:?}");
        for line in shared {
            assert!(has(line), "Cargo.toml has another line than this: {line}");
        }
        // The path is that of the crate that is built.
        let wit = "src/sandbox/component/wit";
        assert_eq!(
            root.join("fuzz").join(wit).canonicalize().unwrap(),
            root.join(wit).canonicalize().unwrap()
        );
    }
}
