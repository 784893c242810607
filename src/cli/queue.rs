//! `brizo queue`: the jobs that wait, are worked on or were put aside, for the publisher. Works on the database, beside a
//! provider that serves and without one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Exit;
use super::format::Format;
use crate::clock::Clock;
use crate::config::Config;
use crate::ids::JobId;
use crate::job::State;
use crate::store::{QueuedJob, Store};

/// Look at the jobs that wait, run or were put aside, and decide about those that were put aside.
///
/// A job is put aside (quarantined) when the provider ended with it again and again, or when its order cannot be read. It
/// then waits for the publisher: `retry` or `end`. Until its agreement's deadline; then it is ended by itself.
#[derive(Debug, Subcommand)]
pub(super) enum Queue {
    /// List them, the oldest first.
    List {
        /// Where the provider is.
        #[command(flatten)]
        place: Place,
    },
    /// Let a job that was put aside wait for a worker again, with a clean slate.
    Retry {
        /// The job: an agreement id, a dash, and the run's number.
        job: JobId,
        /// Where the provider is.
        #[command(flatten)]
        place: Place,
    },
    /// End a job that was put aside. Nothing is charged; its consumer takes the refund after the deadline.
    End {
        /// The job: an agreement id, a dash, and the run's number.
        job: JobId,
        /// Where the provider is.
        #[command(flatten)]
        place: Place,
    },
}

/// Where the provider is, and how to print.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// Configuration file of the provider.
    #[arg(long, default_value = "brizo.toml")]
    config: PathBuf,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Queue {
    pub(super) fn run(self) -> Result<Exit> {
        let now_s = Clock::system().now_s();
        match self {
            Self::List { place } => list(&open(&place.config)?, place.format, now_s)?,
            Self::Retry { job, place } => {
                let store = find(&place.config, job)?;
                store.requeue(job, now_s)?;
                decided(place.format, job, State::Queued, "it waits for a worker again")?;
            }
            Self::End { job, place } => {
                let store = find(&place.config, job)?;
                store.end_quarantined(job, now_s)?;
                decided(place.format, job, State::Aborted, "it is ended; nothing is charged for it")?;
            }
        }
        Ok(Exit::OK)
    }
}

/// The store as this release knows it. One of another schema is left alone: it may be another release that serves it.
fn open(config: &Path) -> Result<Store> {
    let config = Config::load(config)?;
    let database = config.data_dir.join("brizo.db");
    if !database.is_file() {
        bail!("{} is not there; is data_dir right?", database.display());
    }
    let (schema, newest) = Store::schema(&database).with_context(|| format!("{}", database.display()))?;
    if schema != newest {
        bail!(
            "{}: the schema is version {schema}, this program knows {newest}; use the release that serves it",
            database.display()
        );
    }
    let store = Store::open(&database).with_context(|| format!("{}", database.display()))?;
    Ok(store.with_rules(config.queue_rules()))
}

/// The store, if the job is one of those that were put aside.
fn find(config: &Path, id: JobId) -> Result<Store> {
    let store = open(config)?;
    match store.queue()?.into_iter().find(|job| job.id == id) {
        Some(job) if job.state == State::Quarantined => Ok(store),
        Some(job) => bail!(
            "job {id} is {}; it comes to its end by itself, and only a job that was put aside is decided about",
            job.state.word()
        ),
        None => bail!(
            "job {id} neither waits nor runs nor was it put aside; `brizo queue list` has those that do"
        ),
    }
}

fn list(store: &Store, format: Format, now_s: u64) -> Result<()> {
    let jobs = store.queue()?;
    let document = json!({ "jobs": jobs.iter().map(document).collect::<Vec<_>>() });
    format.print(&document, || {
        if jobs.is_empty() {
            return "no job waits, runs or is put aside".into();
        }
        let mut text: String = jobs.iter().map(|job| line(job, now_s)).collect();
        if jobs.iter().any(|job| job.state == State::Quarantined) {
            text += "\nnext: brizo queue retry JOB, or brizo queue end JOB, for those that are quarantined";
        }
        text
    })
}

fn document(job: &QueuedJob) -> Value {
    json!({
        "jobId": job.id,
        "state": job.state.word(),
        "since": job.since_s,
        "orderedAt": job.created_s,
        "consumer": job.consumer,
        "priority": job.priority,
        "memoryBytes": job.memory_bytes.to_string(),
        "attempts": job.attempt,
        "hostFailures": job.failures,
        "endedWorkers": job.crashes,
        "problem": job.problem,
    })
}

/// Two lines: what stands in the row, and why it is there.
fn line(job: &QueuedJob, now_s: u64) -> String {
    let why = job.problem.as_deref().map(|problem| format!("  {problem}\n")).unwrap_or_default();
    format!(
        "{}  {:<11}  for {:>6} s  attempts {}  consumer {}\n{why}",
        job.id,
        job.state.word(),
        now_s.saturating_sub(job.since_s),
        job.attempt,
        job.consumer
    )
}

fn decided(format: Format, job: JobId, state: State, text: &str) -> Result<()> {
    format.print(&json!({ "jobId": job, "state": state.word() }), || {
        format!("{job}: {text}\nnext: brizo queue list")
    })
}
