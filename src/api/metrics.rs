//! Counting requests, the address with the numbers, and the gate before everything that writes.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::problem::Problem;
use super::{ApiState, ready};
use crate::data::NoRoom;
use crate::metrics::{self, CONTENT_TYPE, Gauges};
use crate::trace;

/// `GET /metrics` and nothing else, for an address that consumers do not reach.
pub fn metrics_router(state: ApiState) -> Router {
    Router::new().route("/metrics", get(numbers)).with_state(state)
}

async fn numbers(State(state): State<ApiState>) -> Result<impl IntoResponse, Problem> {
    let depths = state.store.with(|store| store.depths()).await?;
    let asked = async {
        state.chain.check().await.ok()?;
        ready::behind(&state).await.ok()
    };
    // A node that hangs must not hide the other numbers, nor that it hangs.
    let chain = tokio::time::timeout(ready::NODE_LIMIT, asked).await.ok().flatten();
    let room = &state.health.room;
    let now = Gauges {
        jobs: depths.jobs.iter().map(|(state, count)| (state.word(), *count)).collect(),
        owed: depths.owed.iter().map(|(step, count)| (step.word(), *count)).collect(),
        owed_tries: depths.owed_tries,
        chain,
        disk_free_bytes: room.free_bytes().ok(),
        taking_work: room.check().is_ok(),
        log_entries: depths.log_entries,
    };
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics::text(&now)))
}

/// Counts requests by route, never by what a caller wrote: paths can carry names of outputs. Each is a span too, below the
/// one that its `traceparent` names.
pub(super) async fn count(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = route(&request).to_owned();
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let mut span = trace::of_request(method.as_str(), &path, traceparent);
    let response = trace::within(span.place(), next.run(request)).await;
    let status = response.status();
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.fail("server_error");
    }
    span.end();
    metrics::http(method.as_str(), &path, status.as_u16(), began.elapsed());
    response
}

/// The route of a request.
pub(super) fn route<B>(request: &axum::http::Request<B>) -> &str {
    request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str)
}

/// Requests that take something away, or nothing in: a full disk must not keep them. `PUT` is how older clients stop.
const ADDS_NOTHING: [(Method, &str); 7] = [
    (Method::POST, "/api/v1/jobs/{id}/stop"),
    (Method::POST, "/api/v1/auth/sign-in"),
    (Method::POST, "/api/v1/quotes"),
    (Method::POST, "/api/services/initializeCompute"),
    (Method::PUT, "/api/services/compute"),
    (Method::PUT, "/api/v1/brizo/services/compute"),
    (Method::PUT, "/api/v1/brizo/services/computing"),
];

/// Refuses requests that would add something while the disk has no room for it, before their bodies are read.
pub(super) async fn only_with_room(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let adds_nothing =
        ADDS_NOTHING.iter().any(|(method, path)| method == request.method() && *path == route(&request));
    if !writes || adds_nothing {
        return next.run(request).await;
    }
    match state.health.room.check() {
        Ok(()) => next.run(request).await,
        Err(NoRoom::Full { .. }) => Problem::storage_full().into_response(),
        Err(_) => Problem::storage_unavailable().into_response(),
    }
}
