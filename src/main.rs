//! The `brizo` program: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    brizo::cli::Cli::parse().run()
}
