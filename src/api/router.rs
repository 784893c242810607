//! The table of endpoints.

use std::any::Any;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

use super::problem::Problem;
use super::{
    ApiState, algorithms, archive, assets, compute, events, exec, health, initialize, jobs, limits, log,
    metrics, mock, openapi, outputs, quotes, sign_in, upload, verdicts,
};

/// Bytes of a request body: what initialize and exec need, with room for the longest arguments in the longest spelling.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of an upload (base64 adds a third). The policy's own ceiling is checked later.
pub(super) const UPLOAD_BYTES_MAX: usize = 192 << 20;

/// All endpoints. Methods that an endpoint does not have answer 405 with `Allow`.
pub fn router(state: ApiState) -> Router {
    let services = Router::new()
        .route("/initialize", post(initialize::initialize))
        .route("/upload", post(upload::upload).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)))
        .route("/exec", post(exec::exec));
    // Brizo 0.9 and Ocean had one resource for all that can be done with a job.
    let old = post(compute::start).put(compute::stop).get(compute::status).delete(compute::delete);
    Router::new()
        // The seeds spell it both ways.
        .nest("/api/v1/brizo/services/computing", services.clone())
        .nest("/api/v1/brizo/services/compute", services)
        // Ocean's words for the same.
        .route("/api/services/computeEnvironments", get(quotes::environments))
        .route("/api/services/initializeCompute", post(quotes::initialize_compute))
        .route("/api/services/compute", old.clone())
        .route("/api/v1/brizo/services/compute", old.clone())
        .route("/api/v1/brizo/services/computing", old)
        .route("/api/services/computeResult", get(compute::result))
        .route("/api/services/computeStreamableLogs", get(compute::log))
        .route("/api/v1/quotes", post(quotes::quote))
        .route("/api/v1/assets", get(assets::list))
        .route("/api/v1/assets/{did}", get(assets::ddo))
        .route("/api/v1/assets/{did}/mock", get(mock::mock))
        .route("/api/v1/agreements/{id}", get(jobs::agreement))
        .route("/api/v1/jobs", get(jobs::list).post(exec::create))
        .route("/api/v1/jobs/{id}", get(jobs::status).delete(jobs::delete))
        .route("/api/v1/jobs/{id}/history", get(jobs::history))
        .route("/api/v1/jobs/{id}/receipt", get(jobs::receipt))
        .route("/api/v1/jobs/{id}/stop", post(jobs::stop))
        .route("/api/v1/jobs/{id}/events", get(events::events))
        .route("/api/v1/jobs/{id}/logs", get(events::logs))
        .route("/api/v1/jobs/{id}/logs/{stream}", get(outputs::stream))
        .route("/api/v1/jobs/{id}/archive", get(archive::archive))
        .route("/api/v1/jobs/{id}/outputs", get(outputs::list))
        .route("/api/v1/jobs/{id}/outputs/{*path}", get(outputs::download))
        .route("/api/v1/jobs/{id}/verdicts", post(verdicts::submit))
        // PUT and PATCH write as they read; what is added behind their layer keeps the limit of all others.
        .route(
            "/api/v1/algorithms/{digest}",
            put(algorithms::put)
                .patch(algorithms::patch)
                .layer(DefaultBodyLimit::disable())
                .get(algorithms::received),
        )
        .route("/api/v1/auth/nonce", get(sign_in::nonce))
        .route("/api/v1/auth/sign-in", post(sign_in::sign_in).delete(sign_in::sign_out))
        .route("/log/checkpoint", get(log::checkpoint))
        .route("/log/key", get(log::key))
        .route("/log/{*path}", get(log::tile))
        .route("/api/v1/environments", get(health::environments))
        .route("/api/v1/openapi.json", get(openapi::openapi))
        .route("/api/v1/docs", get(openapi::docs))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/", get(health::about))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(state.clone(), limits::anonymous))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(map_response(super::problem::as_problem))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), metrics::only_with_room))
        .layer(from_fn(metrics::count))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(state)
}

/// Log lines of a request bear its route, never what a caller wrote: queries carry signatures, paths names of outputs.
fn span(request: &Request) -> tracing::Span {
    tracing::debug_span!("http", method = %request.method(), route = metrics::route(request))
}

async fn unknown(uri: axum::http::Uri) -> Problem {
    Problem::not_found("no_such_endpoint", format!("there is nothing at {}", uri.path()))
        .hint("docs/API.md lists the endpoints")
}

async fn not_allowed(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    Problem::method_not_allowed(format!("{} does not take {method}", uri.path()))
        .hint("the Allow header names the methods it takes")
}

/// A bug of ours becomes an answer and a log line, not a dropped connection.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::internal("a handler failed", &anyhow::anyhow!("panic")).into_response()
}
