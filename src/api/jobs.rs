//! `GET /api/v1/jobs`, `…/{id}`, `…/{id}/history`, `…/{id}/receipt`, `POST …/{id}/stop`, and the state of an agreement.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::access::authorize;
use super::auth::Caller;
use super::follow::{Wanted, wait};
use super::outputs::check_granted;
use super::problem::Problem;
use super::schema::{Agreement, History, JobList, Status};
use super::state::unknown_agreement;
use crate::ids::AgreementId;
use crate::job::{End, Right};
use crate::metrics;
use crate::store::{JobRow, PageAt, Stopped};

/// Jobs of a page, where the caller does not say, and at most.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 100;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Jobs of a page.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// That of the page before.
    #[serde(default)]
    next_token: Option<String>,
}

/// The caller's jobs and those that name the caller, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(PageQuery), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = JobList), Problem))]
pub(super) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<PageQuery>, QueryRejection>,
    caller: Caller,
) -> Result<Json<JobList>, Problem> {
    let bad = |why: String| {
        Problem::bad_request("bad_query", why)
            .hint("limit is 1 to 100; next_token is that of the page before, unchanged")
    };
    let Query(query) = query.map_err(|e| bad(e.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(bad(format!("a page cannot have {limit} jobs")));
    }
    let after = match query.next_token.as_deref().map(page_at) {
        Some(None) => return Err(bad("next_token was not given out here".into())),
        after => after.flatten(),
    };
    let page = state.store.with(move |store| store.jobs_page(caller.address, after, limit)).await?;
    Ok(Json(JobList {
        jobs: page.jobs.iter().map(Status::of).collect(),
        next_token: page.next.map(|at| format!("{}.{}", at.created_s, at.job)),
    }))
}

fn page_at(token: &str) -> Option<PageAt> {
    let (created_s, job) = token.split_once('.')?;
    Some(PageAt {
        created_s: created_s.parse().ok().filter(|s| *s <= i64::MAX as u64)?,
        job: job.parse().ok()?,
    })
}

/// How long to wait for something new.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Seconds.
    #[serde(default)]
    #[param(value_type = u64, maximum = 65535)]
    wait: u16,
    /// The state that the caller has seen.
    #[serde(default)]
    known: Option<String>,
}

/// How long to wait for a receipt.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReceiptQuery {
    /// Seconds.
    #[serde(default)]
    #[param(value_type = u64, maximum = 65535)]
    wait: u16,
}

/// The status; with `?wait=` as soon as the state is another one than `known` (or than now), the job is over, or the
/// seconds are.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "`<agreement id>-<run number>`"), WaitQuery), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Status), Problem))]
pub(super) async fn status(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    query: Result<Query<WaitQuery>, QueryRejection>,
    caller: Caller,
) -> Result<Json<Status>, Problem> {
    let Query(query) = query.map_err(|e| {
        Problem::bad_request("bad_query", e.body_text())
            .hint("wait is a number of seconds, known a job's state")
    })?;
    let mut job = authorize(&state, caller.address, &id, Right::Status).await?;
    if query.wait > 0 {
        let known = query.known.unwrap_or_else(|| job.state.word().to_string());
        (job, _) = wait(&state, caller.address, job, query.wait.into(), Wanted::Other(known)).await?;
    }
    Ok(Json(Status::of(&job)))
}

/// Ends a job before its commit. Nothing is charged for it, and there is no receipt; what was locked can be taken back
/// after the deadline.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/stop", tag = "jobs", params(("id" = String, Path, description = "`<agreement id>-<run number>`")), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Status), Problem))]
pub(super) async fn stop(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Status>, Problem> {
    let job = authorize(&state, caller.address, &id, Right::Stop).await?;
    Ok(Json(Status::of(&stop_job(&state, job).await?)))
}

/// Stops a job that was authorised; stopping it twice is no error.
pub(super) async fn stop_job(state: &ApiState, job: JobRow) -> Result<JobRow, Problem> {
    let (id, now_s) = (job.id, state.clock.now_s());
    let stopped = state.store.with(move |store| store.stop_job(id, now_s)).await?;
    state.nudge.now();
    let job = state.store.with(move |store| store.job(id)).await?.unwrap_or(job);
    if stopped == Stopped::TooLate && job.end != Some(End::Stopped) {
        return Err(Problem::conflict("job_too_late_to_stop", format!("the job is {}", job.state.word()))
            .hint("a run that has its claim is published and paid; look at its status"));
    }
    if stopped == Stopped::Now {
        metrics::job_ended(End::Stopped.word());
        tracing::info!(job = %id, "job stopped by its consumer");
    }
    Ok(job)
}

/// Forgets a job that is over: its receipt, outputs, logs and history. Its entries in the transparency log stay, which are
/// digests.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "`<agreement id>-<run number>`")),
    security(("signed" = []), ("signedIn" = [])), responses((status = 204), Problem))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let job = authorize(&state, caller.address, &id, Right::Delete).await?;
    delete_job(&state, job).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a job that was authorised. Its blobs go with the next sweep.
pub(super) async fn delete_job(state: &ApiState, job: JobRow) -> Result<(), Problem> {
    let id = job.id;
    state.store.with(move |store| store.delete_job(id)).await?;
    tracing::info!(job = %id, "job deleted by its consumer");
    Ok(())
}

/// What happened to a job, oldest first.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/history", tag = "jobs", params(("id" = String, Path, description = "`<agreement id>-<run number>`")), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = History), Problem))]
pub(super) async fn history(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<History>, Problem> {
    let job = authorize(&state, caller.address, &id, Right::History).await?;
    let events = state.store.with(move |store| store.history(job.id)).await?;
    Ok(Json(History { job_id: job.id, history: events }))
}

/// The receipt, once access is granted on chain; with `?wait=` as soon as it is, the job is over, or the seconds are.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/receipt", tag = "jobs", params(("id" = String, Path, description = "`<agreement id>-<run number>`"), ReceiptQuery), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Object), Problem))]
pub(super) async fn receipt(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    query: Result<Query<ReceiptQuery>, QueryRejection>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let wait_s = wait_s(query)?;
    let mut job = authorize(&state, caller.address, &id, Right::Receipt).await?;
    let mut granted = false;
    if wait_s > 0 {
        (job, granted) = wait(&state, caller.address, job, wait_s, Wanted::Receipt).await?;
    }
    if !granted {
        check_granted(&state, &job).await?;
    }
    let text = receipt_text(&state, &job).await?;
    state.store.settle().await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}

/// How long a receipt is to be waited for.
pub(super) fn wait_s(query: Result<Query<ReceiptQuery>, QueryRejection>) -> Result<u64, Problem> {
    Ok(query.map_err(bad_wait)?.0.wait.into())
}

pub(super) fn bad_wait(rejection: QueryRejection) -> Problem {
    Problem::bad_request("bad_query", rejection.body_text()).hint("wait is a number of seconds")
}

/// A receipt that may be given out, with its place in the log, where it has one already; once the store has settled.
pub(super) async fn receipt_text(state: &ApiState, job: &JobRow) -> Result<String, Problem> {
    let id = job.id;
    let read = state.store.read_untold(move |store| Ok((store.receipt(id)?, store.log_position(id)?)));
    let (receipt, position) = read.await?;
    let receipt = receipt.ok_or_else(|| not_finished(job))?;
    super::log::with_member(state, id, receipt, position).await
}

/// Where an agreement stands, for its consumer and its publisher.
#[utoipa::path(get, path = "/api/v1/agreements/{id}", tag = "agreements",
    params(("id" = String, Path, description = "64 hex digits")), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Agreement), Problem))]
pub(super) async fn agreement(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Agreement>, Problem> {
    let id: AgreementId = id.parse()?;
    // An agreement of somebody else looks like none at all, and is not touched.
    if ![state.agreement(id).await?.consumer, state.chain.sender()].contains(&caller.address) {
        return Err(unknown_agreement(id));
    }
    let row = state.fresh_agreement(id).await?;
    Ok(Json(Agreement {
        service_agreement_id: row.id,
        did: row.did,
        uploaded: row.upload.is_some(),
        locked: row.locked,
        granted: state.chain.permitted(id, row.consumer).await?,
        grant_deadline: row.grant_deadline_s,
        runs: row.runs,
    }))
}

/// The answer while there is no claim yet, or never will be.
pub(super) fn not_finished(job: &JobRow) -> Problem {
    let state = job.state.word();
    if job.state.is_final() {
        let why = job.end.map_or("the provider could not run it", crate::job::End::explanation);
        return Problem::conflict(
            "job_without_claim",
            format!("the job ended {state} without a claim: {why}"),
        )
        .hint("nothing is charged; take the refund after the deadline (refundPayment)");
    }
    Problem::conflict("job_not_finished", format!("the job is {state}")).hint("ask again when it is settled")
}
