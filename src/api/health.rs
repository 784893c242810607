//! `GET /healthz`, `GET /readyz`, `GET /` and `GET /api/v1/environments`: is it alive, what is it, what does it run.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use brizo_receipt::B256;
use serde_json::{Value, json};

use super::ApiState;
use super::problem::Problem;
use super::ready;
use crate::container::{self, PROFILE_NAME};
use crate::sandbox::{Kind, profile_digest_for, profile_document_for, profile_name_for};

/// Alive means that the database answers. A chain that is down is no reason to start the process again.
#[utoipa::path(get, path = "/healthz", tag = "about", responses((status = 200, body = Object), Problem))]
pub(super) async fn healthz(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
    let waiting = state.store.with(|store| store.waiting_steps()).await?;
    Ok(Json(json!({ "status": "ok", "waitingSteps": waiting })))
}

/// Ready means that a job that came now would be run and settled: every check is good.
#[utoipa::path(get, path = "/readyz", tag = "about",
    responses((status = 200, body = Object), (status = 503, body = Object)))]
pub(super) async fn readyz(State(state): State<ApiState>) -> (StatusCode, Json<Value>) {
    let checks = ready::checks(&state).await;
    let (status, word) = match checks.iter().all(|check| check.ok) {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    (status, Json(json!({ "status": word, "checks": checks })))
}

/// Version, addresses and chain of this provider.
#[utoipa::path(get, path = "/", tag = "about", responses((status = 200, body = Object), Problem))]
pub(super) async fn about(State(state): State<ApiState>) -> Json<Value> {
    let deployment = state.chain.deployment();
    Json(json!({
        "software": "brizo",
        "version": env!("CARGO_PKG_VERSION"),
        "providerAddress": state.chain.sender(),
        "chainId": deployment.chain_id,
        "contracts": {
            "ServiceAgreement": deployment.service_agreement,
            "ComputeConditions": deployment.compute_conditions,
            "PaymentConditions": deployment.payment_conditions,
            "AccessConditions": deployment.access_conditions,
            "DIDRegistry": deployment.did_registry,
        },
    }))
}

/// What runs here: profiles, ceilings, runtimes, and the log.
#[utoipa::path(get, path = "/api/v1/environments", tag = "about", responses((status = 200, body = Object), Problem))]
pub(super) async fn environments(State(state): State<ApiState>) -> Json<Value> {
    Json(json!({
        "environments": environments_of(&state),
        "runtimes": *state.runtimes,
        "log": { "key": state.log.key().to_string(), "path": "/log" },
    }))
}

/// Modules of either kind, and containers where a runtime is an image.
fn environments_of(state: &ApiState) -> Vec<Value> {
    let of = |kind| (profile_name_for(kind), "wasm", profile_digest_for(kind), profile_document_for(kind));
    let images = state.runtimes.iter().any(|one| one.runtime.image.is_some());
    let container = (PROFILE_NAME, "container", container::profile_digest(), container::profile_document());
    let all = Kind::ALL.map(of).into_iter().chain(images.then_some(container));
    all.map(|environment| described(state, environment)).collect()
}

fn described(state: &ApiState, (id, flavour, profile, document): (&str, &str, B256, String)) -> Value {
    let document: Value = serde_json::from_str(&document).unwrap_or(Value::Null);
    json!({
        "id": id,
        "flavour": flavour,
        "profile": profile,
        "document": document,
        "ceilings": {
            "fuel": state.node.fuel.to_string(),
            "memoryBytes": state.node.memory_bytes.to_string(),
            "outputBytes": state.node.output_bytes.to_string(),
            "outputFiles": state.node.output_files.to_string(),
        },
    })
}
