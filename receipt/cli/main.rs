//! `brizo-verify`: checks receipts, disclosures and verdicts with few dependencies and no engine.

mod args;
mod files;
mod receipt;
mod screen;
mod statements;
mod web;

use std::process::ExitCode;

/// Why a command did not come to a result.
#[derive(Debug)]
enum Failure {
    /// It was called in a way that means nothing.
    Usage(String),
    /// A file cannot be read or is not what it should be.
    File(String),
    /// A document with exit codes of its own does not hold.
    Document(String, brizo_receipt::Error),
}

const HELP: &str = "\
brizo-verify RECEIPT [OPTIONS]
brizo-verify check-disclosure DISCLOSURE RECEIPT_HASH [--file FILE] [--profiles FILE] [--json]
brizo-verify check-verdict VERDICT [--receipt FILE [--profiles FILE]] [--auditor ADDRESS] [--json]

Checks a receipt tier by tier: structure, signature, on chain, log, opening. Says how far it got, and why no further.
Re-execution is `brizo replay`. It trusts nobody but the node and the log key that you name.

  --rpc URL           an Ethereum node you trust; with --deployment FILE: the tier `on chain`
  --deployment FILE   where the contracts are
  --log-key VKEY      the log's key (or a file with it): the tier `log`; without it, the key in a --ddo
  --log URL           where the log is, to compare its newest checkpoint
  --run-key FILE      the consumer's run key: opens arguments and variables
  --dataset-key FILE  the dataset key of a mount, once for each, in their order; with --run-key
  --outputs FOLDER    the delivered files: compares each with the receipt
  --ddo FILE|URL      the document of a mounted data set; may be given again
  --profiles FILE     a list of profiles that is newer than this program
  --expect HASH       the receipt hash you expect
  --job ID            the job you expect: its agreement, or AGREEMENT-RUN with the number of the run
  --provider ADDRESS  who should have signed as provider
  --consumer ADDRESS  who should have signed as consumer
  --explain[=full]    every step of the hashing; =full also all of long lists
  --json              for programs
  --version, --help

Exit codes (docs/RECEIPT.md section 10): 0 nothing failed, and all that was asked for was reached. 1 a file cannot be
read. 2 wrong usage. 3 asked for and not attempted. 10 not a receipt. 11 hash. 12 signature. 13 another receipt.
14 on chain. 15 log. 16 two pasts of a log. 17 opening, or a disclosure that leads nowhere. 23 another chain. 24 another
contract. 25 another job. 26 another signer than expected. 27 a revoked profile. 28 a statement about another receipt.";

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)).and_then(run) {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Usage(why)) => {
            screen::complain(&format!("error: {why}\n\n`brizo-verify --help` says what can be asked"));
            ExitCode::from(2)
        }
        Err(Failure::Document(place, error)) => {
            screen::complain(&format!("error: {place}: {error}"));
            ExitCode::from(brizo_receipt::verifier::exit_code(&error))
        }
        Err(Failure::File(why)) => {
            screen::complain(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: args::Command) -> Result<u8, Failure> {
    match command {
        args::Command::Help => say(HELP),
        args::Command::Version => say(concat!("brizo-verify ", env!("CARGO_PKG_VERSION"))),
        args::Command::Receipt(options) => receipt::run(&options),
        args::Command::Disclosure(options) => statements::disclosure(&options),
        args::Command::Verdict(options) => statements::verdict(&options),
    }
}

fn say(text: &str) -> Result<u8, Failure> {
    screen::show(text)?;
    Ok(0)
}
