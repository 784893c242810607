//! Who is asking: a signed request, or a token of somebody who has signed in.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use brizo_receipt::{Address, B256, keccak256};

use super::ApiState;
use super::body::Body;
use super::problem::Problem;
use super::sign_in::unknown_token;
use crate::signed_request::{Authorization, EXPIRY_MAX_S, RequestToSign};

/// An authenticated caller, and the body that was signed.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) address: Address,
    pub(super) body: Bytes,
    /// Whether whoever stands between could not have changed the body: it is signed, or came with a token of the caller's.
    pub(super) bound: bool,
}

impl FromRequest<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let claim = Claim::from_request_parts(&mut parts, state).await?;
        // Read only for somebody who has signed something.
        let Body(body) = Body::from_request(Request::from_parts(parts, body), state).await?;
        let address = claim.check(state, keccak256(&body)).await?;
        Ok(Self { address, body, bound: true })
    }
}

/// What the header says, before the body is there to be checked with it. Good for nothing until [`Claim::check`].
#[derive(Debug)]
pub(super) struct Claim {
    method: String,
    path: String,
    says: Says,
}

#[derive(Debug)]
enum Says {
    Signed(Authorization),
    SignedIn(Address),
}

impl FromRequestParts<ApiState> for Claim {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        // Nested routes see a shortened URI; what the caller signed is the one that was sent.
        let sent = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        let path = sent.path_and_query().map_or("/", |path| path.as_str()).to_string();
        let method = parts.method.as_str().to_string();
        if let Some(token) = bearer(&parts.headers) {
            let who = state.shared.sessions.who(token, state.clock.now_s()).ok_or_else(unknown_token)?;
            return Ok(Self { method, path, says: Says::SignedIn(who) });
        }
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let header = header.ok_or_else(|| {
            Problem::unauthorized("signature_missing", "this request must be signed")
                .hint("send `Authorization: Brizo address=…,nonce=…,expiry=…,signature=…` (docs/API.md)")
        })?;
        let authorization = Authorization::parse(header).map_err(|why| {
            Problem::unauthorized("signature_malformed", why).hint("docs/API.md shows the header's form")
        })?;
        check_expiry(authorization.expiry_s, state.clock.now_s())?;
        Ok(Self { method, path, says: Says::Signed(authorization) })
    }
}

impl Claim {
    /// Proves the caller before the body is read. Returns what keccak-256 of the body must then be, if it was signed.
    pub(super) async fn prove(self, state: &ApiState) -> Result<(Address, Option<B256>), Problem> {
        let hash = match &self.says {
            Says::SignedIn(_) => return Ok((self.check(state, B256::ZERO).await?, None)),
            Says::Signed(authorization) => authorization.body_hash,
        };
        let hash = hash.ok_or_else(|| {
            Problem::unauthorized("body_hash_missing", "the header does not say what body was signed")
                .hint("add `body=<keccak-256 of the body>` to the header: long bodies are read for proven callers only")
        })?;
        Ok((self.check(state, hash).await?, Some(hash)))
    }

    /// Proves the caller with the body's keccak-256, counts the request, and uses up its nonce.
    pub(super) async fn check(self, state: &ApiState, body_hash: B256) -> Result<Address, Problem> {
        let now_s = state.clock.now_s();
        let authorization = match self.says {
            Says::SignedIn(address) => {
                state.shared.limits.caller(address, now_s)?;
                return Ok(address);
            }
            Says::Signed(authorization) => authorization,
        };
        // Again, by the time at which the nonce is looked up: a body may come late, and expired nonces are forgotten.
        check_expiry(authorization.expiry_s, now_s)?;
        let request = RequestToSign {
            method: &self.method,
            path: &self.path,
            body: &[],
            provider: state.chain.sender(),
            nonce: authorization.nonce,
            expiry_s: authorization.expiry_s,
        };
        authorization.check(request.digest_over(body_hash, &state.domain())).map_err(|why| {
            Problem::unauthorized("bad_signature", why)
                .hint("sign exactly what is sent, for this provider and chain")
        })?;
        let (address, nonce, expiry_s) = (authorization.address, authorization.nonce, authorization.expiry_s);
        state.shared.limits.caller(address, now_s)?;
        if !state.store.use_nonce(address, nonce, expiry_s, now_s).await? {
            return Err(Problem::unauthorized("nonce_used", "this signed request was used before")
                .hint("sign each request with a fresh random nonce"));
        }
        Ok(address)
    }
}

/// The token of `Authorization: Bearer <token>`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn check_expiry(expiry_s: u64, now_s: u64) -> Result<(), Problem> {
    if expiry_s < now_s {
        return Err(Problem::unauthorized(
            "request_expired",
            format!("the request expired at {expiry_s}, it is {now_s}"),
        )
        .hint("sign it again; check the clock of your machine"));
    }
    if expiry_s > now_s.saturating_add(EXPIRY_MAX_S) {
        return Err(Problem::unauthorized(
            "expiry_too_far",
            format!("the request counts until {expiry_s}, more than {EXPIRY_MAX_S} s ahead"),
        )
        .hint("choose an expiry within five minutes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_until_its_expiry_and_that_is_near() {
        let now_s = 1_000_000;
        let code = |expiry_s| check_expiry(expiry_s, now_s).map_err(|problem| problem.code());
        assert_eq!((code(now_s), code(now_s + 300)), (Ok(()), Ok(())));
        assert_eq!(code(now_s - 1), Err("request_expired"));
        assert_eq!((code(now_s + 301), code(u64::MAX)), (Err("expiry_too_far"), Err("expiry_too_far")));
    }
}
