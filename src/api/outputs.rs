//! `GET /api/v1/jobs/{id}/logs`, `…/outputs` and `…/outputs/{path}`: what the policy lets out, once access is granted on
//! chain. Logs are outputs too. Of what is withheld a consumer learns how many there are, and no more.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use brizo_receipt::EntryKind;
use serde_json::{Value, json};

use super::ApiState;
use super::auth::{Caller, authorize};
use super::jobs::not_finished;
use super::problem::Problem;
use crate::store::{JobRow, OutputRow};

pub(super) async fn list(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let job = authorize(&state, &caller, &id).await?;
    check_granted(&state, &job).await?;
    let outputs = outputs(&state, &job).await?;
    let shown: Vec<_> = outputs.iter().filter(|output| output.withheld.is_none()).map(entry).collect();
    let withheld = outputs.len() - shown.len();
    Ok(Json(json!({ "jobId": job.id, "outputs": shown, "withheld": withheld })))
}

/// Standard output and standard error, one after the other, as far as they may leave.
pub(super) async fn logs(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let job = authorize(&state, &caller, &id).await?;
    check_granted(&state, &job).await?;
    let mut answer = json!({ "jobId": job.id });
    for output in outputs(&state, &job).await?.iter().filter(|output| output.kind == EntryKind::Stream) {
        answer[&output.path] = match &output.withheld {
            None => json!(String::from_utf8_lossy(&read(&state, output).await?)),
            // That it is there is no secret; a rule's reason can quote its size.
            Some(_) => json!({ "withheld": true }),
        };
    }
    Ok(Json(answer))
}

pub(super) async fn download(
    State(state): State<ApiState>,
    Path((id, path)): Path<(String, String)>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let job = authorize(&state, &caller, &id).await?;
    check_granted(&state, &job).await?;
    let outputs = outputs(&state, &job).await?;
    let output = outputs
        .iter()
        .find(|output| output.kind == EntryKind::File && output.path == path && output.withheld.is_none())
        .ok_or_else(|| {
            // The same answer for what is withheld, so that nobody can try names.
            Problem::not_found("output_not_found", format!("the job left no file {path:?} that may leave"))
                .hint("GET …/outputs lists the files")
        })?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], read(&state, output).await?))
}

async fn outputs(state: &ApiState, job: &JobRow) -> Result<Vec<OutputRow>, Problem> {
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
    let derived = state.chain.derived_did(job.id.agreement, job.id.run_index).await?;
    if state.chain.access_granted(job.consumer, derived).await? {
        return Ok(());
    }
    Err(Problem::conflict("access_not_granted", "access to the outputs is not yet granted on chain")
        .hint("ask again when the job is settled"))
}

async fn read(state: &ApiState, output: &OutputRow) -> Result<Bytes, Problem> {
    let (blobs, digest) = (state.blobs.clone(), output.digest);
    let mapped = tokio::task::spawn_blocking(move || blobs.map(digest)).await??;
    Ok(Bytes::copy_from_slice((*mapped).as_ref()))
}

fn entry(output: &OutputRow) -> Value {
    json!({
        "kind": output.kind,
        "path": output.path,
        "size": output.size.to_string(),
        "digest": output.digest,
    })
}
