//! `GET /api/v1/jobs/{id}/logs`, `…/outputs` and `…/outputs/{path}`: what the policy lets out, once access is granted on
//! chain. Logs are outputs too.

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
    Ok(Json(json!({ "jobId": job.id, "outputs": outputs.iter().map(entry).collect::<Vec<_>>() })))
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
            Some(refusal) => json!({ "withheld": withheld(refusal) }),
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
        .find(|output| output.kind == EntryKind::File && output.path == path)
        .ok_or_else(|| {
            Problem::not_found("output_not_found", format!("the job left no file {path:?}"))
                .hint("GET …/outputs lists the files")
        })?;
    if let Some(refusal) = &output.withheld {
        return Err(Problem::forbidden("output_withheld", format!("the data owner's policy keeps {path:?}"))
            .hint(withheld(refusal)["text"].as_str().unwrap_or_default()));
    }
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
    let mut entry = json!({ "kind": output.kind, "path": output.path });
    match &output.withheld {
        Some(refusal) => entry["withheld"] = withheld(refusal),
        None => {
            entry["size"] = json!(output.size.to_string());
            entry["digest"] = json!(output.digest);
        }
    }
    entry
}

fn withheld(refusal: &str) -> Value {
    serde_json::from_str(refusal).unwrap_or(Value::Null)
}
