//! `GET /api/v1/jobs`, `…/{id}`, `…/{id}/history`, `…/{id}/receipt`, and the state of an agreement.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::ApiState;
use super::auth::{Caller, authorize};
use super::outputs::check_granted;
use super::problem::Problem;
use super::state::unknown_agreement;
use crate::ids::AgreementId;
use crate::job::State as JobState;
use crate::store::JobRow;

pub(super) async fn list(State(state): State<ApiState>, caller: Caller) -> Result<Json<Value>, Problem> {
    let rows = state.store.with(move |store| store.jobs_of(caller.address)).await?;
    Ok(Json(json!({ "jobs": rows.iter().map(document).collect::<Vec<_>>() })))
}

pub(super) async fn status(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    Ok(Json(document(&authorize(&state, &caller, &id).await?)))
}

pub(super) async fn history(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let job = authorize(&state, &caller, &id).await?;
    let events = state.store.with(move |store| store.history(job.id)).await?;
    Ok(Json(json!({ "jobId": job.id, "history": events })))
}

pub(super) async fn receipt(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let job = authorize(&state, &caller, &id).await?;
    check_granted(&state, &job).await?;
    let receipt =
        state.store.with(move |store| store.receipt(job.id)).await?.ok_or_else(|| not_finished(&job))?;
    let receipt = match super::log::member(&state, job.id).await? {
        Some(member) => member.added_to(&receipt).unwrap_or(receipt),
        None => receipt,
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], receipt))
}

/// Where an agreement stands, for its consumer.
pub(super) async fn agreement(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let id: AgreementId = id.parse()?;
    // An agreement of somebody else looks like none at all, and is not touched.
    if state.agreement(id).await?.consumer != caller.address {
        return Err(unknown_agreement(id));
    }
    let row = state.fresh_agreement(id).await?;
    Ok(Json(json!({
        "serviceAgreementId": row.id,
        "did": row.did,
        "uploaded": row.upload.is_some(),
        "locked": row.locked,
        "granted": state.chain.permitted(id, row.consumer).await?,
        "grantDeadline": row.grant_deadline_s,
        "runs": row.runs,
    })))
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

/// What went wrong on the provider's side, in words that tell nothing of its inside.
fn problem(job: &JobRow) -> Option<&'static str> {
    match job.state {
        JobState::Aborted => {
            Some(job.end.map_or("the provider could not run it", crate::job::End::explanation))
        }
        JobState::Unsettled => Some("the contracts refuse the settlement"),
        _ => None,
    }
}

/// The status object: Ocean's fields, then ours.
pub(super) fn document(job: &JobRow) -> Value {
    let ocean = job.state.ocean(job.end);
    json!({
        "jobId": job.id,
        "agreementId": job.id.agreement,
        "owner": job.consumer,
        "status": ocean.number,
        "statusText": ocean.text,
        "state": job.state.word(),
        "end": job.end.map(crate::job::End::word),
        "problem": problem(job),
        "dateCreated": job.created_s,
        "receiptHash": job.receipt_hash,
        "outcome": job.outcome,
        "paid": job.paid.map(|sum| sum.to_string()),
        "refunded": job.refunded.map(|sum| sum.to_string()),
    })
}
