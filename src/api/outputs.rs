//! `GET /api/v1/jobs/{id}/outputs`, `…/outputs/{path}` and `…/logs/{stream}`: what the policy lets out, once access is granted on
//! chain. Logs are outputs too. Of what is withheld a consumer learns how many there are, and no more.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use brizo_receipt::{B256, EntryKind};

use super::ApiState;
use super::access::authorize;
use super::auth::Caller;
use super::jobs::not_finished;
use super::problem::Problem;
use super::ranged::Download;
use super::schema::{Output, OutputList};
use crate::job::Right;
use crate::store::{JobRow, OutputRow};

/// Code of the answer while the chain does not show the grant.
pub(super) const NOT_GRANTED: &str = "access_not_granted";

/// What may leave of a job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/outputs", tag = "jobs", params(("id" = String, Path, description = "`<agreement id>-<run number>`")), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = OutputList), Problem))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<OutputList>, Problem> {
    let job = authorize(&state, caller.address, &id, Right::Outputs).await?;
    check_granted(&state, &job).await?;
    let outputs = outputs(&state, &job).await?;
    let shown: Vec<_> = outputs.iter().filter(|output| output.withheld.is_none()).map(Output::of).collect();
    let withheld = outputs.len() - shown.len();
    Ok(Json(OutputList { job_id: job.id, outputs: shown, withheld }))
}

/// One stream as it is, whole or from a place on.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/logs/{stream}", tag = "jobs",
    params(("id" = String, Path, description = "`<agreement id>-<run number>`"), ("stream" = String, Path, description = "stdout or stderr"), ("Range" = Option<String>, Header)), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = String, content_type = "text/plain; charset=utf-8"), (status = 206), (status = 304), Problem))]
pub(super) async fn stream(
    State(state): State<ApiState>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let job = authorize(&state, caller.address, &id, Right::Logs).await?;
    let digest = find(&state, &job, EntryKind::Stream, &name).await?;
    Download { who: caller.address, digest, kind: "text/plain; charset=utf-8" }.answer(&state, &headers).await
}

/// A file that may leave, whole or from a place on.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/outputs/{path}", tag = "jobs",
    params(("id" = String, Path, description = "`<agreement id>-<run number>`"), ("path" = String, Path, description = "as the list has it"), ("Range" = Option<String>, Header)), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 206), (status = 304), Problem))]
pub(super) async fn download(
    State(state): State<ApiState>,
    Path((id, path)): Path<(String, String)>,
    headers: HeaderMap,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let job = authorize(&state, caller.address, &id, Right::Outputs).await?;
    let digest = find(&state, &job, EntryKind::File, &path).await?;
    Download { who: caller.address, digest, kind: "application/octet-stream" }.answer(&state, &headers).await
}

pub(super) async fn find(
    state: &ApiState,
    job: &JobRow,
    kind: EntryKind,
    path: &str,
) -> Result<B256, Problem> {
    check_granted(state, job).await?;
    let outputs = outputs(state, job).await?;
    let found =
        outputs.iter().find(|output| output.kind == kind && output.path == path && output.withheld.is_none());
    found.map(|output| output.digest).ok_or_else(|| {
        // The same answer for what is withheld, so that nobody can try names.
        Problem::not_found(
            "output_not_found",
            format!("the job left no {} {path:?} that may leave", noun(kind)),
        )
        .hint("GET …/outputs lists the files")
    })
}

fn noun(kind: EntryKind) -> &'static str {
    if kind == EntryKind::Stream { "stream" } else { "file" }
}

pub(super) async fn outputs(state: &ApiState, job: &JobRow) -> Result<Vec<OutputRow>, Problem> {
    if !job.state.has_claim() {
        return Err(not_finished(job));
    }
    let id = job.id;
    Ok(state.store.with(move |store| store.outputs(id)).await?)
}

/// The grant on chain is the permission: AccessConditions says whether this consumer may have the derived asset.
pub(super) async fn check_granted(state: &ApiState, job: &JobRow) -> Result<(), Problem> {
    if !job.state.has_claim() {
        return Err(not_finished(job));
    }
    let derived = state.chain.deployment().derived_did(job.id.agreement, job.id.run_index);
    if state.chain.access_granted(job.consumer, derived).await? {
        return Ok(());
    }
    Err(Problem::conflict(NOT_GRANTED, "access to the outputs is not yet granted on chain")
        .hint("ask again when the job is settled"))
}
