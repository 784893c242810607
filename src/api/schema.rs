//! The documents that the API answers with, as types: what is sent and what `openapi.json` describes are the same.

use brizo_receipt::{Address, B256, EntryKind, Outcome};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::ids::{AgreementId, Did, JobId};
use crate::job::{End, State as JobState};
use crate::store::{Event, JobRow, OutputRow};

/// A job: Ocean's fields, then ours.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    /// `<agreement id>-<run number>`.
    #[schema(value_type = String)]
    job_id: JobId,
    #[schema(value_type = String)]
    agreement_id: AgreementId,
    /// The consumer.
    #[schema(value_type = String)]
    owner: Address,
    /// Ocean's number.
    status: u16,
    /// Ocean's text.
    status_text: &'static str,
    state: &'static str,
    /// How it ended.
    end: Option<&'static str>,
    /// What went wrong on the provider's side.
    problem: Option<&'static str>,
    /// Seconds since 1970-01-01 UTC.
    date_created: u64,
    #[schema(value_type = Option<String>)]
    receipt_hash: Option<B256>,
    /// What happened, as the receipt has it.
    #[schema(value_type = Option<Object>)]
    outcome: Option<Outcome>,
    /// In the token's smallest unit.
    paid: Option<String>,
    refunded: Option<String>,
}

impl Status {
    pub(super) fn of(job: &JobRow) -> Self {
        let ocean = job.state.ocean(job.end);
        Self {
            job_id: job.id,
            agreement_id: job.id.agreement,
            owner: job.consumer,
            status: ocean.number,
            status_text: ocean.text,
            state: job.state.word(),
            end: job.end.map(End::word),
            problem: problem(job),
            date_created: job.created_s,
            receipt_hash: job.receipt_hash,
            outcome: job.outcome.clone(),
            paid: job.paid.map(|sum| sum.to_string()),
            refunded: job.refunded.map(|sum| sum.to_string()),
        }
    }
}

/// What went wrong on the provider's side, in words that tell nothing of its inside.
fn problem(job: &JobRow) -> Option<&'static str> {
    match job.state {
        JobState::Aborted => Some(job.end.map_or("the provider could not run it", End::explanation)),
        JobState::Unsettled => Some("the contracts refuse the settlement"),
        _ => None,
    }
}

/// A page of jobs, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobList {
    pub(super) jobs: Vec<Status>,
    /// For the next page; null on the last one.
    pub(super) next_token: Option<String>,
}

/// What happened to a job, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    #[schema(value_type = String)]
    pub(super) job_id: JobId,
    #[schema(value_type = Vec<HistoryLine>)]
    pub(super) history: Vec<Event>,
}

/// A line of a history.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `store::Event`, which knows nothing of HTTP")]
pub(super) struct HistoryLine {
    /// Seconds since 1970-01-01 UTC.
    at_s: u64,
    text: String,
}

/// What may leave of a job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputList {
    #[schema(value_type = String)]
    pub(super) job_id: JobId,
    pub(super) outputs: Vec<Output>,
    /// How many files, folders and streams stay with the publisher.
    pub(super) withheld: usize,
}

/// An output that may leave.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Output {
    /// `file`, `directory` or `stream`.
    #[schema(value_type = String)]
    kind: EntryKind,
    path: String,
    /// Bytes.
    size: String,
    /// BLAKE3.
    #[schema(value_type = String)]
    digest: B256,
}

impl Output {
    pub(super) fn of(output: &OutputRow) -> Self {
        Self {
            kind: output.kind,
            path: output.path.clone(),
            size: output.size.to_string(),
            digest: output.digest,
        }
    }
}

/// Where an agreement stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agreement {
    #[schema(value_type = String)]
    pub(super) service_agreement_id: AgreementId,
    #[schema(value_type = String)]
    pub(super) did: Did,
    pub(super) uploaded: bool,
    pub(super) locked: bool,
    pub(super) granted: bool,
    /// Seconds since 1970-01-01 UTC.
    pub(super) grant_deadline: u64,
    /// Runs that were ordered.
    pub(super) runs: u64,
}

/// An order that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Accepted {
    #[schema(value_type = String)]
    pub(super) job_id: JobId,
    pub(super) status: u16,
    pub(super) status_text: &'static str,
    pub(super) links: Links,
    /// The receipt, where it was waited for and may be given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) receipt: Option<Box<RawValue>>,
}

/// Where everything about a job is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Links {
    pub(super) status: String,
    pub(super) events: String,
    pub(super) history: String,
    pub(super) logs: String,
    pub(super) outputs: String,
    pub(super) receipt: String,
}

/// A server-sent event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `events` sends")]
pub(super) struct ServerEvent {
    /// `history`, `status`, `log`, `withheld`, `problem` or `end`.
    event: String,
    /// A JSON document.
    data: String,
    /// Of a line of the history: its number.
    #[schema(required = false, value_type = String)]
    id: Option<String>,
}

/// Errors (RFC 9457). Branch on `code`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `problem::Problem`, which writes itself")]
pub(super) struct ProblemDocument {
    /// `urn:brizo:problem:<code>`.
    r#type: String,
    title: String,
    status: u16,
    /// Stable.
    code: String,
    /// What happened.
    detail: String,
    /// How to mend it.
    hint: String,
}

/// An order: what `exec` takes.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what `exec` reads, with its aliases left out")]
pub(super) struct Order {
    service_agreement_id: String,
    service_definition_id: Option<String>,
    consumer_address: String,
    /// The whole JobSpec (docs/RECEIPT.md §2.1).
    #[schema(value_type = Object)]
    spec: (),
    spec_signature: String,
    run_key: String,
    args: Option<Vec<String>>,
    env: Option<Vec<Vec<String>>>,
    additional_viewers: Option<Vec<String>>,
    auditors: Option<Vec<String>>,
}
