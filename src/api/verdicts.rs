//! `POST /api/v1/jobs/{id}/verdicts`: an auditor's verdict about a job's receipt, for the transparency log (RECEIPT.md §16).
//! Sent by the auditor who signed it, or handed on by the job's consumer or publisher.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use brizo_receipt::{Address, Profiles, SignedVerdict, VerdictExpectation};
use serde_json::json;

use super::ApiState;
use super::auth::Caller;
use super::jobs::not_finished;
use super::problem::Problem;
use crate::ids::JobId;
use crate::nudge::Topic;
use crate::store::{Bearer, JobRow, LoggedVerdict, VerdictAnswer};

/// What a stranger may leave in the database with one verdict, in bytes. A replay's evidence stays far below it.
const VERDICT_BYTES_MAX: usize = 256 << 10;

fn read(body: &[u8]) -> Result<SignedVerdict, Problem> {
    if body.len() > VERDICT_BYTES_MAX {
        let why = format!("{} bytes, a verdict for the log has at most {VERDICT_BYTES_MAX}", body.len());
        return Err(Problem::bad_request("bad_verdict", why).hint("shorten its evidence"));
    }
    SignedVerdict::parse(body).map_err(|e| {
        Problem::bad_request("bad_verdict", e.to_string()).hint("`brizo replay --verdict` writes a verdict")
    })
}

/// Of a run in a container nobody can say what should have come out of it (RECEIPT.md §18).
fn check_repeatable(job: &JobRow) -> Result<(), Problem> {
    match Profiles::is_attested_only(job.spec.profile) {
        Ok(true) => {
            let why = "the receipt is attested: nobody can recompute it, so there are no verdicts about it";
            Err(Problem::unprocessable("bad_verdict", why)
                .hint("verdicts are about runs under a profile that can be repeated"))
        }
        _ => Ok(()),
    }
}

/// In whose right a verdict comes.
fn bearer(job: &JobRow, publisher: Address, auditor: Address, sender: Address) -> Bearer {
    match sender {
        _ if [job.consumer, publisher].contains(&auditor) => Bearer::Party,
        sender if sender == job.consumer => Bearer::Consumer,
        sender if sender == publisher => Bearer::Publisher,
        _ => Bearer::Auditor,
    }
}

/// An auditor's verdict about a job's receipt, for the transparency log.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/verdicts", tag = "log", params(("id" = String, Path, description = "`<agreement id>-<run number>`")),
    request_body(content = Object, description = "docs/RECEIPT.md §16"), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Object), (status = 201, body = Object), Problem))]
pub(super) async fn submit(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let id: JobId = id.parse()?;
    let verdict = read(&caller.body)?;
    let about = &verdict.statement;
    let found = state.store.with(move |store| store.job(id)).await?;
    // Who knows the receipt hash knows of the job; to others it looks like none.
    let job = found
        .filter(|job| job.consumer == caller.address || job.receipt_hash == Some(about.claim_hash))
        .ok_or_else(|| {
            Problem::not_found(
                "job_not_found",
                format!("there is no job {id} with the receipt hash of the verdict"),
            )
            .hint("send the verdict to the job that its receipt is of")
        })?;
    let claim_hash = job.receipt_hash.ok_or_else(|| not_finished(&job))?;
    check_repeatable(&job)?;
    let publisher = state.chain.sender();
    if ![job.consumer, publisher, about.auditor].contains(&caller.address) {
        return Err(Problem::forbidden(
            "not_your_verdict",
            format!("the verdict is by {}, the request by {}", about.auditor, caller.address),
        )
        .hint("send it with the auditor's key, or have the job's consumer or its publisher hand it on"));
    }
    let expected = VerdictExpectation {
        claim_hash: Some(claim_hash),
        agreement_id: Some(job.id.agreement.0),
        auditor: None,
        domain: Some(state.domain()),
    };
    verdict.check(&expected).map_err(|e| {
        Problem::unprocessable("bad_verdict", e.to_string()).hint(
            "a verdict is about this job's receipt, under this deployment, with its auditor's signature",
        )
    })?;
    let logged = LoggedVerdict {
        claim_hash,
        auditor: about.auditor,
        digest: verdict.digest(),
        confirms: about.confirms(),
        text: verdict.to_text(),
    };
    let bearer = bearer(&job, publisher, about.auditor, caller.address);
    let now_s = state.clock.now_s();
    let answer = state.store.with(move |store| store.log_verdict(id, &logged, bearer, now_s)).await?;
    let status = match answer {
        VerdictAnswer::Logged => StatusCode::CREATED,
        VerdictAnswer::Known => StatusCode::OK,
        VerdictAnswer::TooMany => {
            return Err(Problem::conflict(
                "too_many_verdicts",
                "the log has enough verdicts about this receipt",
            )
            .hint(
                "have the job's consumer or its publisher hand it on, or publish it elsewhere: it needs no log to be checked",
            ));
        }
    };
    state.nudge.about(&[Topic::Log]);
    let answer = json!({ "jobId": id, "auditor": verdict.statement.auditor, "confirms": verdict.statement.confirms() });
    Ok((status, Json(answer)))
}
