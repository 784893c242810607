//! `GET /log/…`: the transparency log as files (RECEIPT.md §14.4), for anybody, and its proof in a receipt.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use brizo_receipt::log::{LogMember, TILE_WIDTH, TilePath};

use super::ApiState;
use super::problem::Problem;
use crate::ids::JobId;

const TEXT: &str = "text/plain; charset=utf-8";

/// A file that never changes under its name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A file that does not change, but goes when a full one takes its place.
const FOR_A_WHILE: &str = "public, max-age=3600";

/// The newest checkpoint of the transparency log.
#[utoipa::path(get, path = "/log/checkpoint", tag = "log",
    responses((status = 200, body = String, content_type = "text/plain; charset=utf-8"), Problem))]
pub(super) async fn checkpoint(State(state): State<ApiState>) -> impl IntoResponse {
    let note = state.log.published().note;
    ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-store")], note)
}

/// The key that checkpoints are checked with.
#[utoipa::path(get, path = "/log/key", tag = "log",
    responses((status = 200, body = String, content_type = "text/plain; charset=utf-8"), Problem))]
pub(super) async fn key(State(state): State<ApiState>) -> impl IntoResponse {
    let line = format!("{}\n", state.log.key());
    ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, FOR_A_WHILE)], line)
}

/// A tile or a bundle. Nothing else of the folder can be named: the path is parsed, not joined.
#[utoipa::path(get, path = "/log/{path}", tag = "log", params(("path" = String, Path, description = "c2sp.org/tlog-tiles")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), Problem))]
pub(super) async fn tile(
    State(state): State<ApiState>,
    Path(path): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let missing = |what: &str| {
        Problem::not_found("no_such_tile", format!("the log has no file {what}"))
            .hint("checkpoint says how large the log is; c2sp.org/tlog-tiles says which files that makes")
    };
    let parsed = TilePath::parse(&path).ok_or_else(|| missing(&path))?;
    let log = state.log.clone();
    let found = tokio::task::spawn_blocking(move || log.tile(parsed)).await?;
    let found = found.map_err(|e| Problem::internal("the log cannot be read", &e.into()))?;
    let bytes = found.ok_or_else(|| missing(&path))?;
    let cache = if parsed.width == TILE_WIDTH { FOR_EVER } else { FOR_A_WHILE };
    Ok(([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, cache)], bytes))
}

/// A receipt's text, with its place in the log, where it has one already.
pub(super) async fn with_member(
    state: &ApiState,
    id: JobId,
    receipt: String,
    position: Option<(u64, u64)>,
) -> Result<String, Problem> {
    Ok(match member(state, id, position).await? {
        Some(member) => member.added_to(&receipt).unwrap_or(receipt),
        None => receipt,
    })
}

/// The proof that a job's receipt is in the log; `None` until a checkpoint covers it. A receipt is not kept back because
/// its proof cannot be made.
pub(super) async fn member(
    state: &ApiState,
    id: JobId,
    position: Option<(u64, u64)>,
) -> Result<Option<LogMember>, Problem> {
    let log = state.log.clone();
    let covered = position.filter(|(index, _)| *index < log.published().tree.size);
    let Some((index, logged_at)) = covered else { return Ok(None) };
    let made = tokio::task::spawn_blocking(move || log.member(index, logged_at)).await?;
    Ok(made.unwrap_or_else(|error| {
        tracing::error!(%error, job = %id, "a receipt's proof cannot be made");
        None
    }))
}
