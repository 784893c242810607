//! Who is asking, and may they see this job? `Caller` proves a signed request; `authorize` is the one decision.

use axum::body::Bytes;
use axum::extract::{FromRequest, OriginalUri, Request};
use axum::http::{Method, Uri, header};
use brizo_receipt::Address;

use super::ApiState;
use super::body::Body;
use super::problem::Problem;
use crate::ids::JobId;
use crate::signed_request::{Authorization, EXPIRY_MAX_S, RequestToSign};
use crate::store::JobRow;

/// An authenticated caller, and the body that was signed.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) address: Address,
    pub(super) body: Bytes,
}

impl FromRequest<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        // Nested routes see a shortened URI; what the caller signed is the one that was sent.
        let sent = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
        let (method, uri) = (request.method().clone(), sent.clone());
        let header = request.headers().get(header::AUTHORIZATION).cloned();
        let header = header.as_ref().and_then(|value| value.to_str().ok()).ok_or_else(|| {
            Problem::unauthorized("signature_missing", "this request must be signed")
                .hint("send `Authorization: Brizo address=…,nonce=…,expiry=…,signature=…` (docs/API.md)")
        })?;
        // Read only for somebody who has signed something.
        let Body(body) = Body::from_request(request, state).await?;
        let address = check(state, &method, &uri, header, &body).await?;
        Ok(Self { address, body })
    }
}

async fn check(
    state: &ApiState,
    method: &Method,
    uri: &Uri,
    header: &str,
    body: &[u8],
) -> Result<Address, Problem> {
    let authorization = Authorization::parse(header).map_err(|why| {
        Problem::unauthorized("signature_malformed", why).hint("docs/API.md shows the header's form")
    })?;
    let now_s = state.clock.now_s();
    if authorization.expiry_s < now_s {
        return Err(Problem::unauthorized(
            "request_expired",
            format!("the request expired at {}, it is {now_s}", authorization.expiry_s),
        )
        .hint("sign it again; check the clock of your machine"));
    }
    if authorization.expiry_s > now_s + EXPIRY_MAX_S {
        return Err(Problem::unauthorized(
            "expiry_too_far",
            format!("the request counts until {}, more than {EXPIRY_MAX_S} s ahead", authorization.expiry_s),
        )
        .hint("choose an expiry within five minutes"));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = RequestToSign {
        method: method.as_str(),
        path,
        body,
        provider: state.chain.sender(),
        nonce: authorization.nonce,
        expiry_s: authorization.expiry_s,
    };
    authorization.check(request.digest(&state.domain())).map_err(|why| {
        Problem::unauthorized("bad_signature", why)
            .hint("sign exactly what is sent, for this provider and chain")
    })?;
    let (address, nonce, expiry_s) = (authorization.address, authorization.nonce, authorization.expiry_s);
    let fresh = state.store.with(move |store| store.use_nonce(address, nonce, expiry_s, now_s)).await?;
    if !fresh {
        return Err(Problem::unauthorized("nonce_used", "this signed request was used before")
            .hint("sign each request with a fresh random nonce"));
    }
    Ok(address)
}

/// The one decision about a job: its status, logs, outputs, receipt and history are for its consumer only.
/// A job of somebody else looks like none at all, so that ids tell nothing.
pub(super) async fn authorize(state: &ApiState, caller: &Caller, id: &str) -> Result<JobRow, Problem> {
    let id: JobId = id.parse()?;
    let found = state.store.with(move |store| store.job(id)).await?;
    found.filter(|job| job.consumer == caller.address).ok_or_else(|| {
        Problem::not_found("job_not_found", format!("there is no job {id} of {}", caller.address))
            .hint("GET /api/v1/jobs lists your jobs")
    })
}
