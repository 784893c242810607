//! `GET /api/v1/auth/nonce`, `POST` and `DELETE /api/v1/auth/sign-in`: wallets in browsers sign in with EIP-4361 and get a
//! short-lived token.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use brizo_receipt::{Address, B256, keccak256, recover};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::auth::bearer;
use super::body::Body;
use super::initialize::signature;
use super::problem::Problem;
use super::sessions::NONCE_S;
use crate::clock::time_s;

/// How far the clocks of a browser and of the provider may differ, in seconds.
const CLOCKS_DIFFER_S: u64 = 60;

/// A nonce for a message that signs in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Nonce {
    /// 32 hex digits; counts once.
    nonce: String,
    /// Seconds since 1970-01-01 UTC.
    expires: u64,
    /// What `Domain` of the message must be.
    domain: String,
    /// What `URI` of the message must begin with.
    uri: String,
    /// What `Chain ID` of the message must be.
    chain_id: u64,
}

/// A signed message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    /// The message, as EIP-4361 writes it.
    message: String,
    /// The wallet's `personal_sign` over it.
    signature: String,
}

/// A token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedIn {
    /// For `Authorization: Bearer <token>`.
    token: String,
    /// Until when it counts, in seconds since 1970-01-01 UTC.
    expires: u64,
    /// Who is signed in.
    #[schema(value_type = String)]
    address: Address,
}

/// What a message that signs in must name.
#[utoipa::path(get, path = "/api/v1/auth/nonce", tag = "sign-in", responses((status = 200, body = Nonce), Problem))]
pub(super) async fn nonce(State(state): State<ApiState>) -> Result<Json<Nonce>, Problem> {
    let now_s = state.clock.now_s();
    let nonce = state.shared.sessions.nonce(now_s)?;
    Ok(Json(Nonce {
        nonce,
        expires: now_s + NONCE_S,
        domain: state.shared.host().to_string(),
        uri: state.shared.public_url.clone(),
        chain_id: state.chain.deployment().chain_id,
    }))
}

/// Signs a wallet in with an EIP-4361 message; the answer is a token.
#[utoipa::path(post, path = "/api/v1/auth/sign-in", tag = "sign-in", request_body = SignIn,
    responses((status = 201, body = SignedIn), Problem))]
pub(super) async fn sign_in(
    State(state): State<ApiState>,
    Body(body): Body,
) -> Result<impl IntoResponse, Problem> {
    let request: SignIn = serde_json::from_slice(&body).map_err(|e| {
        Problem::bad_request("bad_body", format!("the body is not what sign-in takes: {e}"))
            .hint("send message and signature as JSON strings")
    })?;
    let signature = signature(&request.signature)?;
    let message = Message::parse(&request.message).map_err(bad)?;
    let now_s = state.clock.now_s();
    let here = Here {
        domain: state.shared.host(),
        uri: &state.shared.public_url,
        chain_id: state.chain.deployment().chain_id,
    };
    message.check(&here, now_s).map_err(bad)?;
    match recover(personal_digest(&request.message), &signature, "wallet") {
        Ok(signer) if signer == message.address => {}
        _ => return Err(bad(format!("the signature is not by {} over this message", message.address))),
    }
    // Only now: a message that is not signed uses up nobody's nonce.
    if !state.shared.sessions.use_nonce(message.nonce, now_s) {
        return Err(bad("the nonce was not given out here, was used, or is too old".into()));
    }
    state.shared.limits.caller(message.address, now_s)?;
    let expires = message.expires_s.unwrap_or(u64::MAX).min(now_s + state.shared.settings.sign_in_s);
    let token = state.shared.sessions.open(message.address, expires, now_s)?;
    Ok((StatusCode::CREATED, Json(SignedIn { token, expires, address: message.address })))
}

/// What a wallet's `personal_sign` signs (EIP-191).
pub(super) fn personal_digest(text: &str) -> B256 {
    let length = text.len().to_string();
    keccak256([b"\x19Ethereum Signed Message:\n", length.as_bytes(), text.as_bytes()].concat())
}

/// Ends the session of the token.
#[utoipa::path(delete, path = "/api/v1/auth/sign-in", tag = "sign-in", security(("signedIn" = [])),
    responses((status = 204), Problem))]
pub(super) async fn sign_out(
    State(state): State<ApiState>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let known = bearer(&headers).is_some_and(|token| state.shared.sessions.close(token));
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(unknown_token()) }
}

/// The answer to a token that is none.
pub(super) fn unknown_token() -> Problem {
    Problem::unauthorized("token_unknown", "this token was not given out here, or it has expired")
        .hint("sign in again: GET /api/v1/auth/nonce, then POST /api/v1/auth/sign-in")
}

fn bad(why: String) -> Problem {
    Problem::unauthorized("bad_sign_in", why)
        .hint("GET /api/v1/auth/nonce says what the EIP-4361 message must name; sign it with personal_sign")
}

/// What a message must name.
struct Here<'a> {
    domain: &'a str,
    uri: &'a str,
    chain_id: u64,
}

/// An EIP-4361 message, read strictly: fields in the order of the standard, nothing else.
#[derive(Debug, PartialEq, Eq)]
struct Message<'a> {
    domain: &'a str,
    address: Address,
    uri: &'a str,
    chain_id: u64,
    nonce: &'a str,
    issued_s: u64,
    expires_s: Option<u64>,
    not_before_s: Option<u64>,
}

impl<'a> Message<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        const ASKS: &str = " wants you to sign in with your Ethereum account:";
        let mut lines = text.split('\n');
        let mut next = || lines.next().ok_or_else(|| "the message is cut off".to_string());
        let domain = next()?.strip_suffix(ASKS).ok_or("the first line is not that of EIP-4361")?;
        // A scheme may stand before the domain.
        let domain = domain.split_once("://").map_or(domain, |(_, domain)| domain);
        let address = next()?.parse().map_err(|_| "the second line is no address")?;
        if !next()?.is_empty() {
            return Err("the third line is not empty".into());
        }
        // A statement in one line, with an empty line after it, or only the empty line.
        if !next()?.is_empty() && !next()?.is_empty() {
            return Err("no empty line follows the statement".into());
        }
        let rest: Vec<&'a str> = lines.collect();
        let mut fields = Fields(&rest);
        let uri = fields.must("URI")?;
        if fields.must("Version")? != "1" {
            return Err("the version is not 1".into());
        }
        let chain_id = fields.must("Chain ID")?.parse().map_err(|_| "Chain ID is no number")?;
        let message = Self {
            domain,
            address,
            uri,
            chain_id,
            nonce: fields.must("Nonce")?,
            issued_s: time_s(fields.must("Issued At")?)?,
            expires_s: fields.may("Expiration Time").map(time_s).transpose()?,
            not_before_s: fields.may("Not Before").map(time_s).transpose()?,
        };
        fields.may("Request ID");
        fields.resources();
        if fields.0.is_empty() { Ok(message) } else { Err(format!("{:?} is out of place", fields.0[0])) }
    }

    fn check(&self, here: &Here<'_>, now_s: u64) -> Result<(), String> {
        if self.domain != here.domain {
            return Err(format!("the message is for {}, this is {}", self.domain, here.domain));
        }
        let rest = self.uri.strip_prefix(here.uri).ok_or("the URI is not this provider's")?;
        if !(rest.is_empty() || rest.starts_with(['/', '?', '#'])) {
            return Err("the URI is not this provider's".into());
        }
        if self.chain_id != here.chain_id {
            return Err(format!(
                "the message is for chain {}, this is chain {}",
                self.chain_id, here.chain_id
            ));
        }
        if self.issued_s > now_s + CLOCKS_DIFFER_S || self.issued_s + NONCE_S + CLOCKS_DIFFER_S < now_s {
            return Err("the message was not issued now; check the clock of your machine".into());
        }
        if self.expires_s.is_some_and(|expires_s| expires_s <= now_s) {
            return Err("the message has expired".into());
        }
        if self.not_before_s.is_some_and(|from_s| from_s > now_s + CLOCKS_DIFFER_S) {
            return Err("the message does not count yet".into());
        }
        Ok(())
    }
}

/// The lines after the statement.
struct Fields<'a, 'b>(&'b [&'a str]);

impl<'a> Fields<'a, '_> {
    fn may(&mut self, name: &str) -> Option<&'a str> {
        let (first, rest) = self.0.split_first()?;
        let value = first.strip_prefix(name)?.strip_prefix(": ")?;
        self.0 = rest;
        Some(value)
    }

    fn must(&mut self, name: &str) -> Result<&'a str, String> {
        self.may(name).ok_or_else(|| format!("{name} is missing, or not where EIP-4361 has it"))
    }

    fn resources(&mut self) {
        if let Some((&"Resources:", rest)) = self.0.split_first() {
            let named = rest.iter().take_while(|line| line.starts_with("- ")).count();
            self.0 = &rest[named..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Here<'_> = Here { domain: "provider.example", uri: "https://provider.example", chain_id: 5 };
    /// 2021-09-30T16:25:24Z.
    const ISSUED_S: u64 = 1_633_019_124;

    fn text() -> String {
        "provider.example wants you to sign in with your Ethereum account:\n\
         0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n\nLook at my jobs\n\n\
         URI: https://provider.example/app\nVersion: 1\nChain ID: 5\nNonce: 32891756\n\
         Issued At: 2021-09-30T16:25:24Z\nExpiration Time: 2021-09-30T16:30:24Z\nRequest ID: 7\n\
         Resources:\n- https://provider.example/a"
            .to_string()
    }

    #[test]
    fn the_standards_own_form_is_read() {
        let text = text();
        let message = Message::parse(&text).unwrap();
        assert_eq!((message.nonce, message.chain_id, message.issued_s), ("32891756", 5, ISSUED_S));
        assert_eq!(message.check(&HERE, ISSUED_S + 10), Ok(()));
        let bare = text.replace("Look at my jobs\n\n", "\n");
        assert!(Message::parse(&bare).is_ok(), "without a statement there are two empty lines");
    }

    #[test]
    fn what_is_for_somewhere_else_or_another_time_is_refused() {
        let good = text();
        let refused = |from: &str, to: &str, now_s: u64| {
            let changed = good.replace(from, to);
            Message::parse(&changed).and_then(|message| message.check(&HERE, now_s)).is_err()
        };
        let now = ISSUED_S + 10;
        for (from, to) in [
            ("provider.example wants", "evil.example wants"),
            ("URI: https://provider.example/app", "URI: https://provider.example.evil/app"),
            ("Chain ID: 5", "Chain ID: 1"),
            ("Version: 1", "Version: 2"),
            ("Nonce: 32891756\n", ""),
            ("Request ID: 7", "Request ID: 7\nNonce: 1"),
            ("Issued At: 2021", "Issued At: 2031"),
            ("0xC02a", "0xC02"),
            ("Issued At: 2021-09-30T16:25:24Z", "Issued At: yesterday"),
        ] {
            assert!(refused(from, to, now), "{from} -> {to}");
        }
        assert!(!refused("x y z", "", now));
        assert!(refused("x y z", "", ISSUED_S + 301), "expired");
        assert!(refused("x y z", "", ISSUED_S - 1000), "not issued yet");
        for cut in 0..good.find("Issued At").unwrap() {
            assert!(Message::parse(&good[..cut]).is_err(), "cut at {cut}");
        }
    }
}
