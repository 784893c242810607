//! Who is asking, in the words of older gateways: `personal_sign` over plain text, where the publisher has switched it on
//! (`api.legacy_signatures`). Such a text binds neither body nor provider nor chain, so it counts at the older endpoints only,
//! docs/API.md says what that costs, and whatever an order decides has to be signed a second time inside it.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Query, Request};
use axum::http::{Uri, header};
use brizo_receipt::{Address, Signature, recover};
use serde_json::Value;

use super::ApiState;
use super::auth::Caller;
use super::body::Body;
use super::initialize::signature;
use super::named::About;
use super::problem::Problem;
use super::sign_in::personal_digest;
use crate::signed_request::EXPIRY_MAX_S;

/// Numbers from here on are milliseconds since 1970, below they are seconds: older clients write either.
const MILLISECONDS_FROM: u64 = 100_000_000_000;
/// Names under which older clients say who they are.
const ADDRESS: [&str; 4] = ["consumerAddress", "owner", "address", "pubKey"];

/// Somebody who asks in older words. A text is good for nothing until [`Older::about`].
#[derive(Debug)]
pub(super) struct Older {
    pub(super) body: Bytes,
    says: Says,
}

#[derive(Debug)]
enum Says {
    /// Proven already, as everywhere else.
    Proven(Caller),
    Text(Text),
}

/// What belongs to a text that was signed.
#[derive(Debug)]
struct Text {
    address: Address,
    /// As the client wrote it, which is how it was signed.
    written: String,
    signature: Signature,
    nonce: Option<String>,
}

impl FromRequest<ApiState> for Older {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        let text =
            state.shared.settings.legacy_signatures && !request.headers().contains_key(header::AUTHORIZATION);
        if !text {
            let caller = Caller::from_request(request, state).await?;
            return Ok(Self { body: caller.body.clone(), says: Says::Proven(caller) });
        }
        let uri = request.uri().clone();
        let Body(body) = Body::from_request(request, state).await?;
        let says = Says::Text(Text::read(&uri, &body)?);
        Ok(Self { body, says })
    }
}

impl Text {
    /// What stands in the query or, field by field, in the body.
    fn read(uri: &Uri, body: &[u8]) -> Result<Self, Problem> {
        let query =
            Query::<HashMap<String, String>>::try_from_uri(uri).map(|Query(map)| map).unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let field = |name: &str| query.get(name).cloned().or_else(|| in_body(&body, name));
        let missing = |what: &str| {
            Problem::unauthorized(
                "signature_missing",
                format!("this request must be signed: {what} is missing"),
            )
            .hint("send the header of docs/API.md, or signature and consumerAddress as older clients do")
        };
        let given = field("signature").ok_or_else(|| missing("signature"))?;
        let written =
            ADDRESS.iter().find_map(|name| field(name)).ok_or_else(|| missing("consumerAddress"))?;
        let address = written.parse().map_err(|_| {
            Problem::bad_request("bad_address", "consumerAddress is no address").hint("0x and 40 hex digits")
        })?;
        Ok(Self { address, written, signature: signature(&given)?, nonce: field("nonce") })
    }
}

/// A field of the body as text.
fn in_body(body: &Value, name: &str) -> Option<String> {
    match body.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Older {
    /// Proves the caller for what the request is about: a text must be the caller's address, what is named and the nonce, one
    /// behind the other. What is named has one form, because a text without separators would else be good for several things.
    pub(super) async fn about(self, state: &ApiState, about: About<'_>) -> Result<Caller, Problem> {
        about.check()?;
        let text = match self.says {
            Says::Proven(caller) => return Ok(caller),
            Says::Text(text) => text,
        };
        let named = about.text()?;
        if named.is_empty() && text.nonce.is_none() {
            return Err(Problem::unauthorized(
                "nonce_missing",
                "the text names no job, no agreement and no time",
            )
            .hint("name a jobId or serviceAgreementId, or sign the time in milliseconds as nonce"));
        }
        let nonce = text.nonce.as_deref().unwrap_or_default();
        let message = [text.written.as_str(), &named, nonce];
        let digest = personal_digest(&message.concat());
        match recover(digest, &text.signature, "caller") {
            Ok(signer) if signer == text.address => {}
            _ => {
                return Err(Problem::unauthorized(
                    "bad_signature",
                    format!("the signature is not by {} over what the request is about", text.address),
                )
                .hint("personal_sign consumerAddress, jobId, serviceAgreementId and nonce, one behind the other, as they are sent"));
            }
        }
        let now_s = state.clock.now_s();
        state.shared.limits.caller(text.address, now_s)?;
        if let Some(nonce) = &text.nonce {
            let until_s = counts_until(nonce, now_s)?;
            let (address, used) = (text.address, digest);
            if !state.store.use_nonce(address, used, until_s, now_s).await? {
                return Err(Problem::unauthorized("nonce_used", "this signed text was used before")
                    .hint("sign each request with the time in milliseconds as nonce"));
            }
        }
        Ok(Caller { address: text.address, body: self.body, bound: false })
    }

    /// The same for an order: the text is about the agreement that stands in the body. What belongs to the text is taken out
    /// of the body, and the rest is an order like any other.
    pub(super) async fn for_order(self, state: &ApiState) -> Result<Caller, Problem> {
        if let Says::Proven(caller) = self.says {
            return Ok(caller);
        }
        let mut body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let id = ["serviceAgreementId", "serviceId"].iter().find_map(|name| in_body(&body, name));
        let mut caller = self.about(state, About::Jobs { job: None, agreement: id.as_deref() }).await?;
        if let Some(fields) = body.as_object_mut() {
            for name in ["signature", "nonce"] {
                fields.shift_remove(name);
            }
            caller.body = body.to_string().into();
        }
        Ok(caller)
    }
}

/// Until when a nonce that is a time has to be remembered. Older clients take the time for it; another number could be
/// replayed for ever, and a number in two forms would be two nonces.
fn counts_until(nonce: &str, now_s: u64) -> Result<u64, Problem> {
    let odd = |why: String| {
        Problem::unauthorized("nonce_out_of_time", why)
            .hint("take the time in milliseconds since 1970 as nonce; check the clock of your machine")
    };
    let number: Option<u64> = nonce.parse().ok().filter(|number: &u64| number.to_string() == nonce);
    let number = number.ok_or_else(|| odd("the nonce is no plain number".into()))?;
    let at_s = if number >= MILLISECONDS_FROM { number / 1_000 } else { number };
    if at_s.abs_diff(now_s) > EXPIRY_MAX_S {
        return Err(odd(format!("the nonce is not within {EXPIRY_MAX_S} s of now, which is {now_s}")));
    }
    Ok(at_s + EXPIRY_MAX_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_a_time_near_now() {
        let now_s = 1_800_000_000;
        for near in ["1800000000", "1800000000999", "1799999700", "1800000300000"] {
            assert!(counts_until(near, now_s).is_ok_and(|until_s| until_s >= now_s), "{near}");
        }
        for far in ["1", "1799999699", "1800000301", "1800000301000", "18446744073709551615", "-1", "", "now"]
            .into_iter()
            .chain(["01800000000", "+1800000000", " 1800000000", "1800000000.0"])
        {
            assert!(counts_until(far, now_s).is_err(), "{far}");
        }
    }

    #[test]
    fn fields_stand_in_the_query_or_in_the_body() {
        let address = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";
        let signature = format!("0x{}1b", "11".repeat(64));
        let uri: Uri = format!("/x?signature={signature}&nonce=7").parse().unwrap();
        let body = format!("{{\"owner\":\"{address}\",\"nonce\":8}}");
        let text = Text::read(&uri, body.as_bytes()).unwrap();
        assert_eq!((text.written.as_str(), text.nonce.as_deref()), (address, Some("7")));
        let number =
            Text::read(&format!("/x?signature={signature}").parse().unwrap(), body.as_bytes()).unwrap();
        assert_eq!(number.nonce.as_deref(), Some("8"));
        for (uri, body) in
            [("/x", body.as_str()), ("/x?signature=0x1", &body), ("/x?consumerAddress=0x1", "")]
        {
            assert!(Text::read(&uri.parse().unwrap(), body.as_bytes()).is_err(), "{uri}");
        }
    }
}
