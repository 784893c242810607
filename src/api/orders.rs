//! What an order may bring besides the order: whom it names, and an `Idempotency-Key` with which it can be sent twice.

use axum::http::HeaderMap;
use brizo_receipt::{Address, B256};

use super::ApiState;
use super::auth::Caller;
use super::exec::is_own_order;
use super::problem::Problem;
use crate::ids::{AgreementId, JobId};
use crate::job::Role;
use crate::store::{Asked, NewJob};

/// Addresses that an order can name.
const PARTIES_MAX: usize = 32;
/// How long an idempotency key is remembered, in seconds.
const KEY_S: u64 = 86_400;
/// When to ask again after too many keys, in seconds.
const TOO_MANY_S: u32 = 600;
/// Characters of an idempotency key.
const KEY_CHARS_MAX: usize = 255;

/// Viewers and auditors as they are kept; who is both is a viewer, who may see more.
pub(super) fn parties(viewers: &[Address], auditors: &[Address]) -> Result<Vec<(Address, Role)>, Problem> {
    if viewers.len() + auditors.len() > PARTIES_MAX {
        return Err(Problem::bad_request(
            "too_many_viewers",
            format!("an order names at most {PARTIES_MAX} viewers and auditors together"),
        )
        .hint("name fewer; they can hand on what they see"));
    }
    let viewers = viewers.iter().map(|address| (*address, Role::Viewer));
    Ok(viewers.chain(auditors.iter().map(|address| (*address, Role::Auditor))).collect())
}

/// Looks at the request's `Idempotency-Key`. Returns whether the same request was sent before under it; `sent` is the
/// keccak-256 of its whole body, of which the caller's has the order.
pub(super) async fn begin(
    state: &ApiState,
    headers: &HeaderMap,
    caller: &Caller,
    sent: B256,
) -> Result<bool, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(false) };
    let good =
        |key: &&str| (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    let key = key.to_str().ok().filter(good).map(str::to_string).ok_or_else(|| {
        Problem::bad_request(
            "bad_idempotency_key",
            "an Idempotency-Key has 1 to 255 visible ASCII characters",
        )
        .hint("send a fresh UUID with each new order, and the same one when you send the order again")
    })?;
    // What is no order of the caller's is refused in a moment, and nothing is remembered for it.
    if !is_own_order(state, caller).await? {
        return Ok(false);
    }
    let (address, now_s) = (caller.address, state.clock.now_s());
    let asked =
        state.store.with(move |store| store.ask_once(address, &key, sent, now_s + KEY_S, now_s)).await?;
    match asked {
        Asked::First => Ok(false),
        Asked::Again => Ok(true),
        Asked::Otherwise => Err(Problem::unprocessable(
            "idempotency_key_reused",
            "this Idempotency-Key was sent with another body",
        )
        .hint("a new order needs a new key")),
        Asked::TooMany => Err(Problem::too_many(
            "too_many_idempotency_keys",
            "as many Idempotency-Keys of yours are remembered as may be",
            TOO_MANY_S,
        )
        .hint("each is forgotten after a day; without a key an order that was taken before is job_exists")),
    }
}

/// The job that this very order has become.
pub(super) async fn ordered_before(state: &ApiState, new: &NewJob) -> Result<Option<JobId>, Problem> {
    let id = JobId { agreement: AgreementId(new.spec.agreement_id), run_index: new.spec.run_index };
    let found = state.store.with(move |store| store.job(id)).await?;
    Ok(found.filter(|job| job.spec == new.spec && job.signature == new.signature).map(|job| job.id))
}
