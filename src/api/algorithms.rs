//! `PUT`, `PATCH` and `GET /api/v1/algorithms/{digest}`: an algorithm's bytes, raw, whole or in pieces, to disk as they
//! come. An upload under an agreement then names the digest.

use alloy_primitives::Keccak256;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use brizo_receipt::{Address, B256};
use futures_util::StreamExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::auth::{Caller, Claim};
use super::body::UploadPlace;
use super::problem::Problem;
use super::router::UPLOAD_BYTES_MAX;
use crate::data::{BadUpload, Piece, Received};

/// What is put together before it is written.
const CHUNK_BYTES: usize = 1 << 20;
/// How much of it is here: the name that the IETF's draft of resumable uploads has for it.
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// How much of an algorithm is here, of the caller's.
#[utoipa::path(get, path = "/api/v1/algorithms/{digest}", tag = "algorithms",
    params(("digest" = String, Path, description = "BLAKE3, 64 hex digits")), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Sent), Problem))]
pub(super) async fn received(
    State(state): State<ApiState>,
    Path(digest): Path<String>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let digest = parse(&digest)?;
    let uploads = state.shared.uploads.clone();
    let found = tokio::task::spawn_blocking(move || uploads.received(caller.address, digest)).await??;
    Ok(answer(StatusCode::OK, digest, found))
}

/// All of it in one request.
#[utoipa::path(put, path = "/api/v1/algorithms/{digest}", tag = "algorithms",
    params(("digest" = String, Path, description = "BLAKE3, 64 hex digits")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), security(("signed" = []), ("signedIn" = [])),
    responses((status = 201, body = Sent), Problem))]
pub(super) async fn put(
    State(state): State<ApiState>,
    Path(digest): Path<String>,
    _place: UploadPlace,
    claim: Claim,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let digest = parse(&digest)?;
    check_kind(request.headers())?;
    let (owner, _) = take(&state, claim, digest, 0, request.into_body()).await?;
    let found = finish(&state, owner, digest).await?;
    Ok(answer(StatusCode::CREATED, digest, found))
}

/// A piece, which begins at `Upload-Offset`; the last one says `Upload-Complete: ?1`.
#[utoipa::path(patch, path = "/api/v1/algorithms/{digest}", tag = "algorithms",
    params(("digest" = String, Path, description = "BLAKE3, 64 hex digits"),
        ("Upload-Offset" = u64, Header), ("Upload-Complete" = String, Header, description = "?0 or ?1")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = Sent), (status = 201, body = Sent), Problem))]
pub(super) async fn patch(
    State(state): State<ApiState>,
    Path(digest): Path<String>,
    _place: UploadPlace,
    claim: Claim,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let digest = parse(&digest)?;
    check_kind(request.headers())?;
    let (from, last) = piece(request.headers())?;
    let (owner, bytes) = take(&state, claim, digest, from, request.into_body()).await?;
    if !last {
        return Ok(answer(StatusCode::OK, digest, Received { bytes, complete: false }));
    }
    let found = finish(&state, owner, digest).await?;
    Ok(answer(StatusCode::CREATED, digest, found))
}

/// Raw bytes, under one of the names that they have.
fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    const KINDS: [&str; 4] =
        ["application/octet-stream", "application/wasm", "application/x-tar", "application/partial-upload"];
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("?"));
    match kind {
        Some(kind) if !KINDS.contains(&kind) => {
            Err(Problem::unsupported_type(format!("{kind} is not taken here"))
                .hint("send the raw bytes as application/octet-stream, without base64 and without a form"))
        }
        _ => Ok(()),
    }
}

fn piece(headers: &HeaderMap) -> Result<(u64, bool), Problem> {
    let bad = |why: &str| {
        Problem::bad_request("bad_upload_headers", why)
            .hint("send Upload-Offset: <bytes that are there>, and Upload-Complete: ?1 with the last piece, ?0 with others")
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let digits = text("upload-offset").filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let from =
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| bad("Upload-Offset is no number"))?;
    match text("upload-complete") {
        Some("?1") => Ok((from, true)),
        Some("?0") => Ok((from, false)),
        _ => Err(bad("Upload-Complete is neither ?0 nor ?1")),
    }
}

/// Writes a body to disk as it comes, and keeps it if it is the one that was signed. Returns who sent it and what is here now.
async fn take(
    state: &ApiState,
    claim: Claim,
    digest: B256,
    from: u64,
    body: Body,
) -> Result<(Address, u64), Problem> {
    let (owner, signed) = claim.prove(state).await?;
    // A disk is not filled by strangers: who uploads has an agreement, which cost something.
    if !state.store.with(move |store| store.has_agreement(owner)).await? {
        return Err(Problem::forbidden(
            "no_agreement",
            format!("{owner} has no agreement with this provider"),
        )
        .hint("initialize an agreement first: an algorithm is uploaded for one"));
    }
    let (uploads, now_s) = (state.shared.uploads.clone(), state.clock.now_s());
    let begin = move || uploads.piece(owner, digest, from, now_s);
    let mut open = tokio::task::spawn_blocking(begin).await??;
    let mut hasher = Keccak256::new();
    let mut stream = body.into_data_stream();
    let (mut chunk, mut total) = (Vec::with_capacity(CHUNK_BYTES), from);
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(|e| {
            Problem::bad_request("bad_body", format!("the body broke off: {e}"))
                .hint("ask how much is here, and go on from there")
        })?;
        total += bytes.len() as u64;
        if total > UPLOAD_BYTES_MAX as u64 {
            return Err(Problem::body_too_large(format!(
                "an algorithm has at most {UPLOAD_BYTES_MAX} bytes"
            ))
            .hint("strip symbols, or ask the publisher"));
        }
        chunk.extend_from_slice(&bytes);
        if chunk.len() >= CHUNK_BYTES {
            (open, hasher, chunk) = write(open, hasher, chunk).await?;
        }
    }
    (open, hasher, _) = write(open, hasher, chunk).await?;
    if signed.is_some_and(|signed| signed != hasher.finalize()) {
        return Err(Problem::unauthorized("bad_signature", "the body is another one than was signed")
            .hint("sign exactly what is sent; nothing of it was kept"));
    }
    let there = tokio::task::spawn_blocking(move || open.keep()).await??;
    Ok((owner, there))
}

async fn write(
    mut open: Piece,
    mut hasher: Keccak256,
    mut chunk: Vec<u8>,
) -> Result<(Piece, Keccak256, Vec<u8>), Problem> {
    let written = tokio::task::spawn_blocking(move || {
        hasher.update(&chunk);
        open.write(&chunk)?;
        chunk.clear();
        Ok::<_, BadUpload>((open, hasher, chunk))
    });
    Ok(written.await??)
}

async fn finish(state: &ApiState, owner: Address, digest: B256) -> Result<Received, Problem> {
    let uploads = state.shared.uploads.clone();
    let bytes = tokio::task::spawn_blocking(move || uploads.finish(owner, digest)).await??;
    Ok(Received { bytes, complete: true })
}

/// BLAKE3, 64 hex digits, with or without `0x`.
fn parse(digest: &str) -> Result<B256, Problem> {
    let digits = digest.strip_prefix("0x").unwrap_or(digest);
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| {
        Problem::bad_request("bad_identifier", "a digest has 64 hex digits, with or without 0x")
            .hint("`brizo check` prints an algorithm's BLAKE3 digest")
    })?;
    Ok(bytes.into())
}

/// How much of an algorithm is here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sent {
    /// BLAKE3.
    #[schema(value_type = String)]
    digest: B256,
    /// Bytes.
    received: String,
    complete: bool,
}

fn answer(
    status: StatusCode,
    digest: B256,
    found: Received,
) -> (StatusCode, [(HeaderName, String); 1], Json<Sent>) {
    let received = found.bytes.to_string();
    (status, [(OFFSET, received.clone())], Json(Sent { digest, received, complete: found.complete }))
}

impl From<BadUpload> for Problem {
    fn from(error: BadUpload) -> Self {
        let text = error.to_string();
        match error {
            BadUpload::Offset(_) => Self::conflict("upload_offset", text)
                .hint("go on from there: GET /api/v1/algorithms/{digest} says how much is here"),
            BadUpload::Busy => Self::conflict("upload_busy", text).hint("one request at a time"),
            BadUpload::TooMuch(_) => Self::body_too_large(text)
                .hint("use what you uploaded, or wait: what is not used is forgotten after a day"),
            BadUpload::Other(_) => Self::unprocessable("digest_mismatch", text)
                .hint("nothing of it is kept; name the bytes by their BLAKE3, and send them again"),
            BadUpload::Missing => Self::not_found("upload_not_found", text)
                .hint("PUT the bytes to /api/v1/algorithms/{digest} first"),
            BadUpload::Data(error) => error.into(),
        }
    }
}
