//! `cargo xtask`: one command for everything that is done to the repository. It needs nothing but cargo.

mod background;
mod command;
mod containers;
mod contracts;
mod demo;
mod deny;
mod fuzz;
mod guests;
mod http;
mod json;
mod languages;
mod python;
mod recipes;
mod test;
mod toolchains;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask VERB

  tools                            node, npm, and from npm solc, anvil and forge
  guests                           the example algorithms, in every language, as wasm in examples/target/guests
  containers                       an engine, and parts of images, for the tests of containers
  contracts [--check]              contracts/abi from contracts/src, or whether it is stale
  test [--quick] [FILTER]          every check, in order; the first that fails ends it
                                   --quick: without the contracts' own checks, other formats' tools and cargo-deny
                                   FILTER: only the Rust tests whose name contains it
  ci                               the same as test
  demo [--release] [--brizo FILE]  one paid job from end to end, on a chain of its own, in demo/
                                   --brizo: a binary that is there already, instead of building it
  bench [NAME]                     every bench of benches/, or one; BRIZO_BENCH_STRICT=1 holds what is promised
  fuzz [TARGET] [--seconds N]      random input under libFuzzer, every target or one, 60 s each; fuzz/README.md
  help                             this

BRIZO_ANVIL names another anvil than npm's; BRIZO_WASM_TOOLCHAIN is `rustup` or `debian`;
BRIZO_LANGUAGES is a list of the languages beside Rust to build (`C,Go`), or `none`.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&root(), &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("\nxtask: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(root: &Path, args: &[&str]) -> Result<(), String> {
    match args {
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        ["tools"] => tools::ready(root).map(drop),
        ["guests"] => guests::build_all(root).map(drop),
        ["containers"] => containers::ready(root).map(|note| note.iter().for_each(|note| println!("{note}"))),
        ["contracts"] => tools::ready(root).and_then(|_| contracts::artifacts(root, false)),
        ["contracts", "--check"] => tools::ready(root).and_then(|_| contracts::artifacts(root, true)),
        ["test" | "ci", rest @ ..] => test::run_all(root, &test_choice(rest)?),
        ["demo", rest @ ..] => demo::run(root, &demo_options(rest)?),
        ["fuzz", rest @ ..] => fuzz::run_targets(root, &fuzz::Choice::of(rest)?),
        ["bench", name @ ..] if name.len() < 2 => guests::bench(root, name.first().copied()),
        _ => Err(unknown(args)),
    }
}

fn test_choice(mut args: &[&str]) -> Result<test::Choice, String> {
    let mut choice = test::Choice::default();
    while let [first, rest @ ..] = args {
        match *first {
            "--quick" => choice.quick = true,
            filter if !filter.starts_with('-') && choice.filter.is_none() => {
                choice.filter = Some(filter.to_owned());
            }
            _ => return Err(unknown(args)),
        }
        args = rest;
    }
    Ok(choice)
}

fn demo_options(mut args: &[&str]) -> Result<demo::Options, String> {
    let mut options = demo::Options::default();
    while let [first, rest @ ..] = args {
        args = match (*first, rest) {
            ("--release", rest) => {
                options.release = true;
                rest
            }
            ("--brizo", [file, rest @ ..]) => {
                options.brizo = Some(PathBuf::from(file));
                rest
            }
            _ => return Err(unknown(args)),
        };
    }
    Ok(options)
}

fn unknown(args: &[&str]) -> String {
    format!("`{}` is not known here; `cargo xtask help` lists what is", args.join(" "))
}

/// The repository's folder, wherever cargo was called.
fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_and_quick_come_in_any_order() {
        for args in [["--quick", "store"], ["store", "--quick"]] {
            let choice = test_choice(&args).unwrap();
            assert!(choice.quick);
            assert_eq!(choice.filter.as_deref(), Some("store"));
        }
        assert!(test_choice(&["one", "two"]).is_err());
        assert!(test_choice(&["--slow"]).is_err());
    }

    #[test]
    fn a_binary_can_be_named() {
        let options = demo_options(&["--brizo", "b", "--release"]).unwrap();
        assert!(options.release);
        assert_eq!(options.brizo, Some(PathBuf::from("b")));
        assert!(demo_options(&["--brizo"]).is_err());
    }

    #[test]
    fn an_unknown_verb_is_named() {
        assert!(dispatch(Path::new("/nowhere"), &["dance"]).unwrap_err().contains("`dance`"));
    }
}
