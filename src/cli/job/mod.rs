//! `brizo job`: the consumer's verbs.

mod algorithm;
mod file;
mod follow;
mod look;
mod order;
mod prepare;
mod results;
mod written;

use std::path::PathBuf;

use anyhow::Result;
use brizo_receipt::Expectation;
use clap::Subcommand;

use super::Exit;
use super::format::Format;
use super::profiles::NewerProfiles;
use file::{JobFile, Saved};
use prepare::Session;

/// Shown below the help of `brizo job`; kept as it stands, so that it can be copied.
const JOB_FILE: &str = "\
A job file (TOML, or YAML with the same keys where its name ends with .yaml or .yml; paths are relative to it):

  provider = \"http://127.0.0.1:8030\"     # base URL of the provider
  rpc = \"http://127.0.0.1:8545\"          # an Ethereum node you trust
  deployment = \"deployment.json\"         # where the contracts are
  key_file = \"consumer.key\"              # your secret key (brizo key new)
  did = \"did:op:…\"                       # the data set
  algorithm = \"column_stats.wasm\"        # your module
  args = [\"--file\", \"penguins.csv\"]      # its arguments
  output = \"out\"                         # for outputs, receipt and run key; one folder, one job

  [limits]
  fuel = 400000000                       # `brizo run` prints how much a run uses
  memory_bytes = 67108864
  output_bytes = 1048576
  output_files = 16

  [payment]
  max_price = \"50000000000000000\"        # most you lock, in the smallest unit (wei)

Optional: a table [env] with variables for the guest; runtime = \"0x…\", the digest of one of the provider's runtimes
(/api/v1/environments), for an algorithm that is a script or a folder of them, and main = \"run.py\", the script to start.
In [payment], token = \"0x…\" is the ERC-20 that max_price counts (without it, ETH), and max_wait_s the seconds for which a provider
that does nothing may hold the payment (without it, 30 days); a data set with another token or longer is refused before you sign.
A table [deliver] names others: viewers = [\"0x…\"] may have what the run leaves, auditors = [\"0x…\"] the receipt; it counts when the
run is ordered, not later.
What belongs together may be grouped: algorithm = { path, digest, runtime, main, args, env }, where the digest (BLAKE3, `brizo
check` prints it) is compared before anything is signed; inputs = [{ did = \"did:op:…\" }]; resources, memory, outputBytes, files and
maxAmount are other names for limits, memory_bytes, output_bytes, output_files and max_price. Sizes may be texts like \"64MiB\".
Where provider, rpc or key_file is missing, NODE_URL, RPC and PRIVATE_KEY of the environment count.";

/// Order, watch and fetch runs at a provider. Every verb takes the same job file.
#[derive(Debug, Subcommand)]
#[command(after_help = JOB_FILE)]
pub(super) enum Job {
    /// Do everything: agree, upload, lock the payment, order, wait, fetch, and verify the receipt. After an interruption
    /// the same command goes on where it was.
    Run {
        /// Job file.
        file: PathBuf,
        #[command(flatten)]
        profiles: NewerProfiles,
        /// How to print the result; progress goes to standard error.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
        /// Show no progress on standard error; errors are shown all the same.
        #[arg(long, short)]
        quiet: bool,
    },
    /// Print what a run with this job file costs and may use, before anything is signed or paid.
    Describe {
        /// Job file.
        file: PathBuf,
        /// How to print the result.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Agree with the provider: sign the agreement and let the provider execute it on chain.
    Order {
        /// Job file.
        file: PathBuf,
    },
    /// Upload the algorithm under the agreement.
    Upload {
        /// Job file.
        file: PathBuf,
    },
    /// Lock the payment and order the run.
    Start {
        /// Job file.
        file: PathBuf,
    },
    /// Print where the job is.
    Status {
        /// Job file.
        file: PathBuf,
        /// How to print the result.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// List your jobs at the provider, and those that name you, the newest first.
    List {
        /// Job file.
        file: PathBuf,
        /// How to print the result.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Print what happened to the job, step by step.
    History {
        /// Job file.
        file: PathBuf,
        /// How to print the result.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Stop the job, where it has made no claim yet. Nothing is charged.
    Stop {
        /// Job file.
        file: PathBuf,
    },
    /// Print the job's standard output and error, as far as the data owner lets them out.
    Logs {
        /// Job file.
        file: PathBuf,
    },
    /// Wait for the job, fetch outputs and receipt, and verify them. A download that was broken off is taken up where it was.
    Get {
        /// Job file.
        file: PathBuf,
        #[command(flatten)]
        profiles: NewerProfiles,
        /// How to print the result.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
        /// Show no progress on standard error; errors are shown all the same.
        #[arg(long, short)]
        quiet: bool,
    },
    /// Take the payment back, when access was not granted before the deadline.
    Refund {
        /// Job file.
        file: PathBuf,
    },
}

impl Job {
    pub(super) async fn run(self) -> Result<Exit> {
        match self {
            Self::Run { file, profiles, format, quiet } => {
                let known = profiles.expectation()?;
                let session = Session::open(JobFile::load(&file)?).await?.quiet(quiet);
                run(session, (format, &known)).await
            }
            Self::Order { file } => {
                let session = Session::open(JobFile::load(&file)?).await?;
                let _agreed = order::agree(&session).await?;
                Ok(Exit::OK)
            }
            Self::Upload { file } => {
                let session = Session::open(JobFile::load(&file)?).await?;
                order::upload(&session, &Saved::load(&session.file)?).await?;
                Ok(Exit::OK)
            }
            Self::Start { file } => {
                let session = Session::open(JobFile::load(&file)?).await?;
                let saved = Saved::load(&session.file)?;
                let _held = session.file.hold()?;
                // Without it what is paid for could not be ordered.
                Saved::run_key(&session.file)?;
                order::lock(&session, &saved).await?;
                order::start(&session, &saved).await?;
                Ok(Exit::OK)
            }
            Self::Status { file, format } => {
                let session = Session::open(JobFile::load(&file)?).await?;
                follow::print_status(&session, &Saved::load(&session.file)?, format).await
            }
            Self::Describe { file, format } => {
                look::describe(&Session::open(JobFile::load(&file)?).await?, format).await
            }
            Self::List { file, format } => {
                look::list(&Session::open(JobFile::load(&file)?).await?, format).await
            }
            Self::History { file, format } => {
                let session = Session::open(JobFile::load(&file)?).await?;
                look::history(&session, &Saved::load(&session.file)?, format).await
            }
            Self::Stop { file } => {
                let session = Session::open(JobFile::load(&file)?).await?;
                look::stop(&session, &Saved::load(&session.file)?).await
            }
            Self::Logs { file } => {
                let session = Session::open(JobFile::load(&file)?).await?;
                follow::print_logs(&session, &Saved::load(&session.file)?).await
            }
            Self::Get { file, profiles, format, quiet } => {
                let known = profiles.expectation()?;
                let session = Session::open(JobFile::load(&file)?).await?.quiet(quiet);
                let saved = Saved::load(&session.file)?;
                let _held = session.file.hold()?;
                let status = follow::wait(&session, &saved).await?;
                results::fetch(&session, &saved, &status, None, (format, &known)).await
            }
            Self::Refund { file } => order::refund(&JobFile::load(&file)?).await,
        }
    }
}

async fn run(session: Session, printed: (Format, &Expectation)) -> Result<Exit> {
    let (_held, saved) = order::agree(&session).await?;
    order::upload(&session, &saved).await?;
    order::lock(&session, &saved).await?;
    let ordered = order::start(&session, &saved).await?;
    let status = follow::wait(&session, &saved).await?;
    results::fetch(&session, &saved, &status, Some(&ordered), printed).await
}
