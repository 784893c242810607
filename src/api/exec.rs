//! `POST …/services/computing/exec`: orders the run. The consumer signs the whole job spec; the provider admits or refuses.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use brizo_receipt::{Address, B256, JobSpec, Key, Signature, keccak256};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;

use super::ApiState;
use super::auth::Caller;
use super::follow::{Waited, receipt_of_order};
use super::initialize::signature;
use super::jobs::{ReceiptQuery, bad_wait, wait_s};
use super::older::Older;
use super::orders;
use super::problem::Problem;
use super::schema::{Accepted, Links, Order};
use super::state::policy;
use crate::container;
use crate::ids::{AgreementId, JobId};
use crate::job::{self, Admission, AgreementFacts, DatasetFacts, State as JobState};
use crate::nudge::{Follower, Topic};
use crate::sandbox::{Kind, profile_digest_for};
use crate::store::{AgreementRow, Error as StoreError, NewJob};
use crate::trace;

/// The seeds' fields (the address also under its older names), and the order itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    #[serde(alias = "serviceId")]
    service_agreement_id: String,
    #[serde(default)]
    #[expect(dead_code, reason = "the seeds send it; the agreement already says which service it is about")]
    service_definition_id: Option<String>,
    #[serde(alias = "address", alias = "pubKey")]
    consumer_address: Address,
    spec: JobSpec,
    spec_signature: String,
    run_key: B256,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<(String, String)>,
    /// Who may see what the consumer sees.
    #[serde(default)]
    additional_viewers: Vec<Address>,
    /// Who may see status, history and receipt.
    #[serde(default)]
    auditors: Vec<Address>,
}

/// How long an order waits for its receipt. Texts of older clients may stand beside it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OrderQuery {
    /// Seconds.
    #[serde(default)]
    #[param(value_type = u64, maximum = 65535)]
    wait: u16,
}

/// Orders a run: the consumer signs the whole job spec.
#[utoipa::path(post, path = "/api/v1/brizo/services/computing/exec", tag = "seeds", request_body = Order,
    params(("Idempotency-Key" = Option<String>, Header), OrderQuery), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, description = "with `?wait=`: the job ended without a claim, or its receipt is here", body = Accepted),
        (status = 202, body = Accepted), Problem))]
pub(super) async fn exec(
    State(state): State<ApiState>,
    headers: HeaderMap,
    query: Result<Query<OrderQuery>, QueryRejection>,
    older: Older,
) -> Result<Response, Problem> {
    let wait_s = query.map_err(bad_wait)?.0.wait.into();
    let caller = older.for_order(&state).await?;
    // A text can be sent again by whoever has seen it, and does not ask for a receipt.
    let wait_s = if caller.bound { wait_s } else { 0 };
    accept(&state, &headers, &caller, wait_s).await
}

/// The same order among the native resources.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = Order,
    params(("Idempotency-Key" = Option<String>, Header), ReceiptQuery), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, description = "with `?wait=`: the job ended without a claim, or its receipt is here", body = Accepted),
        (status = 202, body = Accepted), Problem))]
pub(super) async fn create(
    State(state): State<ApiState>,
    headers: HeaderMap,
    query: Result<Query<ReceiptQuery>, QueryRejection>,
    caller: Caller,
) -> Result<Response, Problem> {
    accept(&state, &headers, &caller, wait_s(query)?).await
}

async fn accept(
    state: &ApiState,
    headers: &HeaderMap,
    caller: &Caller,
    wait_s: u64,
) -> Result<Response, Problem> {
    let again = orders::begin(state, headers, caller, keccak256(&caller.body)).await?;
    let mut ordered = order_untold(state, caller, again, wait_s > 0).await?;
    let waited = match wait_s {
        0 => None,
        // Where nobody may wait now the order is taken all the same, and that is what has to be said.
        _ => receipt_of_order(state, caller.address, &mut ordered, wait_s).await.ok(),
    };
    state.store.settle().await?;
    let is_over = waited
        .as_ref()
        .is_some_and(|(job, receipt)| receipt.is_some() || (job.state.is_final() && !job.state.has_claim()));
    let status = if is_over { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, ordered.headers(), Json(ordered.document(waited))).into_response())
}

/// An order that was taken, now or before.
pub(super) struct Ordered {
    pub(super) job: JobId,
    /// Whether an earlier request with the same idempotency key had ordered it.
    pub(super) before: bool,
    /// Hears what happens to it, where that was wanted.
    follower: Option<Follower>,
}

impl Ordered {
    /// Waits until something has happened to the job; for ever where it is not followed.
    pub(super) async fn told(&mut self) {
        match &mut self.follower {
            Some(follower) => follower.told().await,
            None => std::future::pending().await,
        }
    }

    /// Where the job is, and whether this answer was given before.
    pub(super) fn headers(&self) -> [(HeaderName, String); 2] {
        let place = format!("/api/v1/jobs/{}", self.job);
        [
            (header::LOCATION, place),
            (HeaderName::from_static("idempotency-replayed"), self.before.to_string()),
        ]
    }

    fn document(&self, waited: Option<Waited>) -> Accepted {
        let (ocean, receipt) = match waited {
            // It is JSON, because we have written it.
            Some((job, receipt)) => {
                (job.state.ocean(job.end), receipt.and_then(|text| RawValue::from_string(text).ok()))
            }
            None => (JobState::Queued.ocean(None), None),
        };
        let base = format!("/api/v1/jobs/{}", self.job);
        let links = Links {
            events: format!("{base}/events"),
            history: format!("{base}/history"),
            logs: format!("{base}/logs"),
            outputs: format!("{base}/outputs"),
            receipt: format!("{base}/receipt"),
            status: base,
        };
        Accepted { job_id: self.job, status: ocean.number, status_text: ocean.text, links, receipt }
    }
}

/// The body, which must be made for whoever signed the request.
fn read(caller: &Caller) -> Result<(Fields, AgreementId), Problem> {
    let fields: Fields = serde_json::from_slice(&caller.body).map_err(|e| {
        Problem::bad_request("bad_body", format!("the body is not what exec takes: {e}"))
            .hint("docs/API.md shows an order; `brizo job run` makes one")
    })?;
    let id: AgreementId = fields.service_agreement_id.parse()?;
    if fields.consumer_address != caller.address {
        return Err(Problem::forbidden(
            "not_your_agreement",
            format!(
                "the request is signed by {}, it is made for {}",
                caller.address, fields.consumer_address
            ),
        )
        .hint("sign the request with the consumer's key"));
    }
    Ok((fields, id))
}

/// Whether the body is an order under an agreement of the caller's.
pub(super) async fn is_own_order(state: &ApiState, caller: &Caller) -> Result<bool, Problem> {
    let Ok((_, id)) = read(caller) else { return Ok(false) };
    let found = state.store.read(move |store| store.agreement(id)).await?;
    Ok(found.is_some_and(|agreement| agreement.consumer == caller.address))
}

/// Takes an order in, whichever endpoint it came to. With `again`, an order that was taken before is no error.
pub(super) async fn order(state: &ApiState, caller: &Caller, again: bool) -> Result<Ordered, Problem> {
    let ordered = order_untold(state, caller, again, false).await?;
    state.store.settle().await?;
    Ok(ordered)
}

/// As [`order`], but nobody may be told of it before the store has settled. With `follows`, the job is followed from before the
/// order is taken.
async fn order_untold(
    state: &ApiState,
    caller: &Caller,
    again: bool,
    follows: bool,
) -> Result<Ordered, Problem> {
    let (fields, id) = read(caller)?;
    let signature = signature(&fields.spec_signature)?;
    let parties = orders::parties(&fields.additional_viewers, &fields.auditors)?;
    if !caller.bound && !parties.is_empty() {
        return Err(Problem::forbidden(
            "viewers_not_signed",
            "a signed text does not say whom the order names, so it can name nobody",
        )
        .hint("sign the request with the header of docs/API.md, which binds the body"));
    }
    let agreement = state.fresh_agreement(id).await?;
    // Before any work is done for a stranger; the checks ask it again.
    if agreement.consumer != caller.address {
        return Err(Problem::forbidden(
            "not_your_agreement",
            format!("agreement {id} was signed by another consumer"),
        )
        .hint("sign the request with the key that signed the agreement"));
    }
    let new = new_job(fields, signature, &agreement)?;
    let ordered_before = || orders::ordered_before(state, &new);
    if again && let Some(job) = ordered_before().await? {
        return Ok(Ordered { job, before: true, follower: follows.then(|| state.nudge.follow(job)) });
    }
    let mut span = trace::order(JobId { agreement: id, run_index: new.spec.run_index });
    let decision = admit(state, caller.address, &agreement, &new, &signature).await?;
    let now_s = state.clock.now_s();
    let job_id = JobId { agreement: id, run_index: new.spec.run_index };
    let follower = follows.then(|| state.nudge.follow(job_id));
    let inserted = {
        let (new, nudge) = (new.clone(), state.nudge.clone());
        state.store.write_untold(move |store| {
            let admitted = store.admit_job(&new, &parties, &decision, now_s)?;
            // Here, because a caller who goes away takes what comes after this with them.
            let topics: &[Topic] =
                if admitted.is_taken { &[Topic::Log] } else { &[Topic::Queue, Topic::Log] };
            nudge.about(topics);
            Ok(admitted)
        })
    };
    match inserted.await {
        // Two orders at once: the other one was first.
        Err(StoreError::Exists(_)) => match ordered_before().await? {
            Some(job) if again => return Ok(Ordered { job, before: true, follower }),
            _ => {
                return Err(Problem::conflict(
                    "job_exists",
                    format!("the run of agreement {id} is ordered already"),
                )
                .hint("look at the job with `brizo job status`"));
            }
        },
        other => drop(other?),
    }
    span.set("brizo.consumer", caller.address.to_string());
    span.end();
    tracing::info!(job = %job_id, "job admitted");
    Ok(Ordered { job: job_id, before: false, follower })
}

fn new_job(fields: Fields, signature: Signature, agreement: &AgreementRow) -> Result<NewJob, Problem> {
    Ok(NewJob {
        invocation: job::invocation(
            &agreement.upload.as_ref().map(|upload| upload.start()).unwrap_or_default(),
            &fields.args,
            &fields.env,
            &[agreement.did.to_string()],
            agreement.algorithm_did.map(|did| did.to_string()).as_deref(),
        )?,
        spec: fields.spec,
        signature,
        run_key: Key::new(fields.run_key.0),
    })
}

/// Whether the first run of an agreement is paid, which only matters to later ones. The chain's word: our row may be deleted.
async fn first_settled(state: &ApiState, agreement: &AgreementRow, run_index: u64) -> Result<bool, Problem> {
    if run_index == 0 {
        return Ok(false);
    }
    Ok(state.chain.agreement(agreement.id).await?.is_some_and(|agreement| agreement.fulfilled))
}

/// Asks the chain for permission and the checks for the rest. Returns the decision in words; a refusal is logged.
async fn admit(
    state: &ApiState,
    caller: Address,
    agreement: &AgreementRow,
    new: &NewJob,
    signature: &Signature,
) -> Result<String, Problem> {
    let dataset = state.dataset(agreement.did).await?;
    let policy = policy(&dataset)?;
    let facts = AgreementFacts {
        id: agreement.id,
        did: agreement.did,
        consumer: agreement.consumer,
        upload: agreement.upload.clone(),
        locked: agreement.locked,
        // The chain's word, not ours: a refund or a cancellation takes the permission away.
        granted: state.chain.permitted(agreement.id, caller).await?,
        grant_deadline_s: agreement.grant_deadline_s,
        next_run: agreement.runs,
        first_settled: first_settled(state, agreement, new.spec.run_index).await?,
    };
    // An algorithm that is not there is refused by its own check.
    let component = facts.upload.as_ref().is_some_and(|upload| upload.component);
    let profile = match (policy.manifest().images.is_empty(), component) {
        (false, _) => container::profile_digest(),
        (true, true) => profile_digest_for(Kind::Component),
        (true, false) => profile_digest_for(Kind::Core),
    };
    let admission = Admission {
        caller,
        spec: &new.spec,
        signature,
        domain: &state.domain(),
        run_key: &new.run_key,
        invocation: &new.invocation,
        profile,
        agreement: &facts,
        dataset: &DatasetFacts { did: dataset.did, inputs_root: job::inputs_root(dataset.root) },
        policy: &policy,
        node: &state.node,
        now_s: state.clock.now_s(),
    };
    match job::admit(&admission) {
        Ok(()) => Ok(format!("permitted: {} computes on {}", caller, dataset.did)),
        Err(refusal) => {
            if refusal.is_decision() {
                let (spec, why) = (new.spec.clone(), format!("{}: {}", refusal.code, refusal.text));
                let now_s = state.clock.now_s();
                state.store.with(move |store| store.log_refusal(&spec, &why, now_s)).await?;
                state.nudge.about(&[Topic::Log]);
            }
            Err(refusal.into())
        }
    }
}
