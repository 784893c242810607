//! The command line: one file per verb. `main` parses, dispatches and turns the result into an exit code.

mod agreement;
mod backup;
mod check;
mod compile_worker;
mod completions;
mod config;
mod container;
mod contracts;
mod doctor;
mod findings;
mod format;
mod job;
mod key;
mod log;
mod new;
mod policy;
mod profiles;
mod program;
mod publish;
mod queue;
mod ready;
mod receipt;
mod replay;
mod run;
mod serve;
mod spec;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// How long threads that are still at something are waited for at the end: nobody waits for what they do.
pub(crate) const THREADS_MAX: Duration = Duration::from_secs(2);

/// What a command wants the process to end with, besides success and plain failure (1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(u8);

/// An argument that means nothing, whatever the files say.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

impl Exit {
    pub(crate) const OK: Self = Self(0);
    /// What was looked at is not what it should be.
    pub(crate) const FAILED: Self = Self(1);
    /// The arguments do not fit each other.
    pub(crate) const USAGE: Self = Self(2);
    /// Neither success nor failure: something that is needed for a verdict is missing.
    pub(crate) const INCONCLUSIVE: Self = Self(3);
    /// The run made a claim, but it is not an exit with code 0.
    pub(crate) const JOB_FAILED: Self = Self(4);
    /// The gate, the policy or the provider said no.
    pub(crate) const REFUSED: Self = Self(5);
    pub(crate) const OPENING: Self = Self(17);
    pub(crate) const MISMATCH: Self = Self(20);
    /// A container was run again and left the same; that proves nothing, so it is no plain success.
    pub(crate) const SAME_OUTPUTS: Self = Self(21);
    /// A container was run again and left something else; that disproves nothing.
    pub(crate) const DIFFERENT_OUTPUTS: Self = Self(22);

    /// The code for an error: refusals of gate and provider, verdicts that are not possible, and plain failures.
    fn of_error(error: &anyhow::Error) -> Self {
        use crate::client::Error as ClientError;
        if let Some(error) = error.downcast_ref() {
            return Self::of_receipt(error);
        }
        let refused = error.is::<crate::sandbox::Refused>()
            || container::refused(error)
            || error.is::<Refused>()
            || matches!(error.downcast_ref(), Some(ClientError::Refused { status: 400..500, .. }));
        match refused {
            true => Self::REFUSED,
            false if error.is::<Usage>() => Self::USAGE,
            false if error.is::<replay::Inconclusive>() || error.is::<log::Unreachable>() => {
                Self::INCONCLUSIVE
            }
            false => Self(1),
        }
    }

    /// The code for a receipt that fails (docs/RECEIPT.md §10).
    pub(crate) fn of_receipt(error: &brizo_receipt::Error) -> Self {
        Self(brizo_receipt::verifier::exit_code(error))
    }

    /// The code for all tiers of a receipt together.
    fn of_report(report: &brizo_receipt::verifier::Report) -> Self {
        Self(report.exit_code())
    }

    /// The code for a disclosure or a verdict.
    fn of_checked(checked: &brizo_receipt::verifier::Checked) -> Self {
        Self(checked.exit_code)
    }
}

/// What the offer does not allow, found here before the provider is asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

/// Compute-to-data: run WebAssembly algorithms over data that does not leave, and prove what was run.
///
/// A publisher serves data (`publish`, `serve`, and to look after it `config`,
/// `doctor`, `queue`, `backup`); a consumer brings an algorithm (`check`, `run`, `job run`); an auditor
/// checks receipts (`verify`, `replay`, `receipt`) and a provider's log (`log audit`). `brizo new` and `brizo run` need no
/// server and no chain: begin there.
///
/// Exit codes: 0 success · 1 failure · 2 wrong usage · 3 inconclusive · 4 the algorithm did not end with exit code 0 ·
/// 5 refused by gate, policy or provider · 10–17, 23–28 a receipt or a log does not hold (docs/RECEIPT.md §10) · 20 a replay gives
/// another result · 21, 22 a container that was run again left the same, or something else (neither is a proof).
#[derive(Debug, Parser)]
#[command(name = "brizo", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Publish(publish::Publish),
    New(new::New),
    Run(run::Run),
    Check(check::Check),
    Verify(verify::Verify),
    Replay(replay::Replay),
    Doctor(doctor::Doctor),
    Backup(backup::Backup),
    #[command(subcommand)]
    Queue(queue::Queue),
    #[command(subcommand)]
    Config(config::ConfigVerb),
    #[command(subcommand)]
    Receipt(receipt::Receipt),
    #[command(subcommand)]
    Job(job::Job),
    #[command(subcommand)]
    Contracts(contracts::Contracts),
    #[command(subcommand)]
    Agreement(agreement::Agreement),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    Log(log::Log),
    Profile(check::Profile),
    Completions(completions::Completions),
    Man(completions::Man),
    CompileWorker(compile_worker::CompileWorker),
}

impl Cli {
    /// Runs the command; prints an error with its causes and returns the exit code.
    #[must_use]
    pub fn run(self) -> ExitCode {
        crate::telemetry::init();
        match self.dispatch() {
            Ok(exit) => ExitCode::from(exit.0),
            Err(error) => {
                eprintln!("error: {}", brizo_receipt::verifier::harmless(&format!("{error:#}")));
                ExitCode::from(Exit::of_error(&error).0)
            }
        }
    }

    fn dispatch(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::New(verb) => verb.run(),
            Command::Completions(verb) => verb.run(),
            Command::Man(verb) => verb.run(),
            Command::Run(verb) => verb.run(),
            Command::Check(verb) => verb.run(),
            Command::Profile(verb) => verb.run(),
            Command::Replay(verb) => verb.run(),
            Command::Config(verb) => verb.run(),
            Command::Backup(verb) => verb.run(),
            Command::Queue(verb) => verb.run(),
            Command::Doctor(verb) => block_on(verb.run()),
            Command::Receipt(verb) => verb.run(),
            Command::CompileWorker(verb) => verb.run(),
            Command::Policy(verb) => verb.run(),
            Command::Key(verb) => verb.run(),
            Command::Serve(verb) => block_on(verb.run()),
            Command::Publish(verb) => block_on(verb.run()),
            Command::Verify(verb) => verb.run(),
            Command::Log(verb) => block_on(verb.run()),
            Command::Job(verb) => block_on(verb.run()),
            Command::Contracts(verb) => block_on(verb.run()),
            Command::Agreement(verb) => block_on(verb.run()),
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // Dropped it would wait without end for a thread that compiles, hashes or waits for a disk.
    runtime.shutdown_timeout(THREADS_MAX);
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::time::Instant;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_thread_that_does_not_end_keeps_no_command_from_ending() {
        let began = Instant::now();
        let ended = block_on(async {
            tokio::task::spawn_blocking(|| std::thread::park_timeout(Duration::from_secs(30)));
            Ok(Exit::OK)
        });
        assert!(ended.is_ok() && began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
