//! `…/services/compute` as Brizo 0.9 had it, and Ocean's `/api/services/…`: other words for the same agreements, orders and
//! jobs. Requests are signed like all others, or as in those days where the publisher has switched that on (`older.rs`).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use brizo_receipt::{Address, EntryKind, keccak256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::access::{UNKNOWN_JOB, authorize};
use super::exec::order;
use super::jobs::{delete_job, stop_job};
use super::named::About;
use super::older::Older;
use super::orders;
use super::outputs::{check_granted, outputs};
use super::problem::Problem;
use super::ranged::Download;
use super::state::unknown_agreement;
use super::upload::take_beside_order;
use crate::ids::{AgreementId, JobId};
use crate::job::Right;
use crate::store::JobRow;

/// Which jobs: one, or all of an agreement.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    #[serde(default)]
    job_id: Option<String>,
    #[serde(default, alias = "agreementId")]
    service_agreement_id: Option<String>,
}

impl Which {
    fn about(&self) -> About<'_> {
        About::Jobs { job: self.job_id.as_deref(), agreement: self.service_agreement_id.as_deref() }
    }
}

/// Which output of a job: by its number in the list of files that may leave.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct WhichResult {
    job_id: String,
    #[serde(default)]
    index: Option<usize>,
}

/// A job, in the words of the operator service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OldStatus {
    owner: String,
    agreement_id: String,
    job_id: String,
    date_created: String,
    date_finished: Option<String>,
    status: u16,
    status_text: &'static str,
    algorithm_log_url: Option<String>,
    results_urls: Vec<String>,
    results_did: Option<String>,
}

/// Starts a run: the fields of `exec`, and with them the algorithm, where it was not uploaded before.
#[utoipa::path(post, path = "/api/services/compute", tag = "compatibility",
    request_body(content = Object, description = "the fields of exec; `algorithmDid`, or `algorithmMeta.rawcode` (base64), with `signedChecksum`"),
    params(("Idempotency-Key" = Option<String>, Header)), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Vec<OldStatus>), Problem))]
pub(super) async fn start(
    State(state): State<ApiState>,
    headers: HeaderMap,
    older: Older,
) -> Result<impl IntoResponse, Problem> {
    let mut caller = older.for_order(&state).await?;
    let sent = keccak256(&caller.body);
    let (rest, algorithm) = split(&caller.body)?;
    caller.body = rest.into();
    let again = orders::begin(&state, &headers, &caller, sent).await?;
    if let Some(algorithm) = algorithm {
        take_beside_order(&state, caller.address, &algorithm).await?;
    }
    let ordered = order(&state, &caller, again).await?;
    let job = authorize(&state, caller.address, &ordered.job.to_string(), Right::Status).await?;
    Ok((StatusCode::OK, ordered.headers(), Json(vec![old_status(&state, &job).await?])))
}

/// Takes the algorithm out of the body: what is left is an order, what is taken out is an upload.
fn split(body: &[u8]) -> Result<(Vec<u8>, Option<Value>), Problem> {
    let bad = |why: String| {
        Problem::bad_request("bad_body", why)
            .hint("send the fields of exec; docs/API.md says what may stand beside them")
    };
    let mut order: Value =
        serde_json::from_slice(body).map_err(|e| bad(format!("the body is not what start takes: {e}")))?;
    let fields = order.as_object_mut().ok_or_else(|| bad("the body is no object".into()))?;
    // What the operator service was told about publishing results is the owner's policy here.
    fields.shift_remove("output");
    let did = fields.shift_remove("algorithmDid").or_else(|| fields.shift_remove("algorithmDID"));
    let code = fields.shift_remove("algorithmMeta").map(|mut meta| meta["rawcode"].take());
    let checksum = fields.shift_remove("signedChecksum");
    let agreement = fields.get("serviceAgreementId").or_else(|| fields.get("serviceId")).cloned();
    let mut upload = serde_json::Map::new();
    match (did.filter(|did| !did.is_null()), code.filter(|code| !code.is_null())) {
        (None, None) => return Ok((order.to_string().into_bytes(), None)),
        (Some(did), None) => upload.insert("did".into(), did),
        (None, Some(code)) => upload.insert("binary".into(), code),
        (Some(_), Some(_)) => return Err(bad("algorithmDid and algorithmMeta exclude each other".into())),
    };
    upload.insert("serviceAgreementId".into(), agreement.unwrap_or_default());
    upload.insert("signedChecksum".into(), checksum.unwrap_or_default());
    Ok((order.to_string().into_bytes(), Some(upload.into())))
}

/// Jobs of the caller: one, those of an agreement, or the newest.
#[utoipa::path(get, path = "/api/services/compute", tag = "compatibility", params(Which),
    security(("signed" = []), ("signedIn" = [])), responses((status = 200, body = Vec<OldStatus>), Problem))]
pub(super) async fn status(
    State(state): State<ApiState>,
    query: Result<Query<Which>, QueryRejection>,
    older: Older,
) -> Result<Json<Vec<OldStatus>>, Problem> {
    let jobs = which(&state, query, older, Right::Status).await?;
    old_statuses(&state, &jobs).await
}

/// Stops a job, or all of an agreement that can still be stopped.
#[utoipa::path(put, path = "/api/services/compute", tag = "compatibility", params(Which),
    security(("signed" = []), ("signedIn" = [])), responses((status = 200, body = Vec<OldStatus>), Problem))]
pub(super) async fn stop(
    State(state): State<ApiState>,
    query: Result<Query<Which>, QueryRejection>,
    older: Older,
) -> Result<Json<Vec<OldStatus>>, Problem> {
    let mut stopped = Vec::new();
    let jobs = which(&state, query, older, Right::Stop).await?;
    let one = jobs.len() == 1;
    for job in jobs {
        // Of several, those that are over stay as they are.
        stopped.push(if one || !(job.state.is_final() || job.state.has_claim()) {
            stop_job(&state, job).await?
        } else {
            job
        });
    }
    old_statuses(&state, &stopped).await
}

/// Forgets jobs that are over.
#[utoipa::path(delete, path = "/api/services/compute", tag = "compatibility", params(Which),
    security(("signed" = []), ("signedIn" = [])), responses((status = 200, body = Vec<OldStatus>), Problem))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    query: Result<Query<Which>, QueryRejection>,
    older: Older,
) -> Result<Json<Vec<OldStatus>>, Problem> {
    let jobs = which(&state, query, older, Right::Delete).await?;
    let answer = old_statuses(&state, &jobs).await?;
    for job in jobs {
        delete_job(&state, job).await?;
    }
    Ok(answer)
}

/// A file that may leave, by its number.
#[utoipa::path(get, path = "/api/services/computeResult", tag = "compatibility", params(WhichResult),
    security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 206), (status = 304), Problem))]
pub(super) async fn result(
    State(state): State<ApiState>,
    query: Result<Query<WhichResult>, QueryRejection>,
    headers: HeaderMap,
    older: Older,
) -> Result<impl IntoResponse, Problem> {
    let Query(which) = query.map_err(|e| bad_query(e.body_text()))?;
    let caller = older.about(&state, About::Result { job: &which.job_id, index: which.index }).await?;
    let index = which.index.unwrap_or_default();
    let job = authorize(&state, caller.address, &which.job_id, Right::Outputs).await?;
    check_granted(&state, &job).await?;
    let outputs = outputs(&state, &job).await?;
    let mut files = outputs.iter().filter(|one| one.kind == EntryKind::File && one.withheld.is_none());
    let file = files.nth(index).ok_or_else(|| {
        Problem::not_found("output_not_found", format!("the job left no file number {index} that may leave"))
            .hint("count from 0 in GET /api/v1/jobs/{id}/outputs")
    })?;
    Download { who: caller.address, digest: file.digest, kind: "application/octet-stream" }
        .answer(&state, &headers)
        .await
}

/// Standard output, once it may leave.
#[utoipa::path(get, path = "/api/services/computeStreamableLogs", tag = "compatibility", params(Which),
    security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = String, content_type = "text/plain; charset=utf-8"), (status = 206), (status = 304), Problem))]
pub(super) async fn log(
    State(state): State<ApiState>,
    query: Result<Query<Which>, QueryRejection>,
    headers: HeaderMap,
    older: Older,
) -> Result<impl IntoResponse, Problem> {
    let Query(which) = query.map_err(|e| bad_query(e.body_text()))?;
    let caller = older.about(&state, which.about()).await?;
    let id = which.job_id.ok_or_else(|| bad_query("jobId is missing".into()))?;
    let job = authorize(&state, caller.address, &id, Right::Logs).await?;
    let digest = super::outputs::find(&state, &job, EntryKind::Stream, "stdout").await?;
    Download { who: caller.address, digest, kind: "text/plain; charset=utf-8" }.answer(&state, &headers).await
}

fn bad_query(why: String) -> Problem {
    Problem::bad_request("bad_query", why).hint("name jobId, or serviceAgreementId, each once")
}

/// The jobs that are meant; every one of them is asked of the one function.
async fn which(
    state: &ApiState,
    query: Result<Query<Which>, QueryRejection>,
    older: Older,
    right: Right,
) -> Result<Vec<JobRow>, Problem> {
    let Query(mut which) = query.map_err(|e| bad_query(e.body_text()))?;
    // What the query does not say may stand in the body.
    if which.job_id.is_none() && which.service_agreement_id.is_none() && !older.body.is_empty() {
        which = serde_json::from_slice(&older.body).map_err(|e| bad_query(e.to_string()))?;
    }
    let caller = older.about(state, which.about()).await?;
    if let Some(id) = which.job_id {
        return Ok(vec![authorize(state, caller.address, &id, right).await?]);
    }
    if let Some(id) = which.service_agreement_id {
        return of_agreement(state, caller.address, id.parse()?, right).await;
    }
    let ids: Vec<JobId> = match right {
        Right::Status => {
            let address = caller.address;
            let page = state.store.with(move |store| store.jobs_page(address, None, 100)).await?;
            page.jobs.iter().map(|job| job.id).collect()
        }
        _ => return Err(bad_query("neither jobId nor serviceAgreementId is given".into())),
    };
    let mut jobs = Vec::new();
    for id in ids {
        jobs.push(authorize(state, caller.address, &id.to_string(), right).await?);
    }
    Ok(jobs)
}

/// The jobs of an agreement that the caller may know of. To who is nothing to it an agreement looks like none.
async fn of_agreement(
    state: &ApiState,
    caller: Address,
    id: AgreementId,
    right: Right,
) -> Result<Vec<JobRow>, Problem> {
    let agreement = state.agreement(id).await?;
    let mut jobs = Vec::new();
    for run_index in 0..agreement.runs {
        match authorize(state, caller, &JobId { agreement: id, run_index }.to_string(), right).await {
            Ok(job) => jobs.push(job),
            // Deleted, or of no concern to the caller.
            Err(problem) if problem.code() == UNKNOWN_JOB => {}
            Err(problem) => return Err(problem),
        }
    }
    let knows = [agreement.consumer, state.chain.sender()].contains(&caller);
    if jobs.is_empty() && !knows { Err(unknown_agreement(id)) } else { Ok(jobs) }
}

async fn old_statuses(state: &ApiState, jobs: &[JobRow]) -> Result<Json<Vec<OldStatus>>, Problem> {
    let mut found = Vec::new();
    for job in jobs {
        found.push(old_status(state, job).await?);
    }
    Ok(Json(found))
}

async fn old_status(state: &ApiState, job: &JobRow) -> Result<OldStatus, Problem> {
    let ocean = job.state.ocean(job.end);
    let id = job.id;
    let events = state.store.with(move |store| store.history(id)).await?;
    let finished = events.last().filter(|_| job.state.is_final()).map(|event| event.at_s.to_string());
    let base = format!("{}/api/v1/jobs/{id}", state.shared.public_url);
    let shown = job.state.has_claim();
    let derived = shown.then(|| state.chain.deployment().derived_did(id.agreement, id.run_index));
    Ok(OldStatus {
        owner: job.consumer.to_string(),
        agreement_id: id.agreement.to_string(),
        job_id: id.to_string(),
        date_created: job.created_s.to_string(),
        date_finished: finished,
        status: ocean.number,
        status_text: ocean.text,
        algorithm_log_url: shown.then(|| format!("{base}/logs")),
        results_urls: if shown { vec![format!("{base}/outputs")] } else { Vec::new() },
        results_did: derived.map(|did| did.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_with_its_algorithm_becomes_an_order_and_an_upload() {
        let body = br#"{"serviceAgreementId":"ab","algorithmMeta":{"rawcode":"AGFzbQ=="},"signedChecksum":"0x1","output":{},"args":[]}"#;
        let (order, upload) = split(body).unwrap();
        assert_eq!(order, br#"{"serviceAgreementId":"ab","args":[]}"#);
        let expected =
            serde_json::json!({ "binary": "AGFzbQ==", "serviceAgreementId": "ab", "signedChecksum": "0x1" });
        assert_eq!(upload, Some(expected));
        for did in ["algorithmDid", "algorithmDID"] {
            let (_, upload) = split(format!("{{\"{did}\":\"did:op:1\"}}").as_bytes()).unwrap();
            assert_eq!(upload.unwrap()["did"], "did:op:1");
        }
        let (_, upload) = split(br#"{"serviceId":"ab","algorithmDid":"did:op:1"}"#).unwrap();
        assert_eq!(upload.unwrap()["serviceAgreementId"], "ab", "exec takes either name");
        assert_eq!(split(b"{\"args\":[]}").unwrap().1, None);
        assert!(split(b"[]").is_err() && split(b"{").is_err());
        assert!(split(br#"{"algorithmDid":"a","algorithmMeta":{"rawcode":"b"}}"#).is_err());
    }
}
