//! What a run costs before anybody signs: `POST /api/v1/quotes`, and Ocean's `computeEnvironments` and `initializeCompute`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ApiState;
use super::body::Body;
use super::initialize::offer;
use super::problem::Problem;
use crate::ids::Did;
use crate::job::ComputeOffer;
use crate::sandbox::{Kind, profile_digest_for, profile_name_for};

/// What is to be run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct QuoteRequest {
    /// The data set.
    did: String,
    /// Fuel that the run will use at most; the policy's ceiling if absent.
    #[serde(default)]
    fuel: Option<u64>,
    /// Bytes of output at most; the policy's ceiling if absent.
    #[serde(default)]
    output_bytes: Option<u64>,
}

/// What a run costs. Sums are in the token's smallest unit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Quote {
    #[schema(value_type = String)]
    did: Did,
    /// The token; the zero address is the chain's own coin.
    token: String,
    /// What the run costs if it uses that much, and not more than this if it uses less.
    due: String,
    /// What has to be locked; what is not due comes back in the same transaction.
    lock: String,
    base: String,
    fuel_per_million: String,
    output_per_million: String,
    /// Seconds from the agreement on in which the run must be granted.
    grant_timeout_s: u64,
    /// Runs that one payment is good for.
    runs: u64,
}

/// Ocean's request, as far as it says something here; the rest of it is about other systems.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct InitializeCompute {
    datasets: Vec<OceanAsset>,
    #[serde(default)]
    fuel: Option<u64>,
    #[serde(default)]
    output_bytes: Option<u64>,
}

/// An asset as Ocean names it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OceanAsset {
    document_id: String,
}

/// What a run over a data set costs.
#[utoipa::path(post, path = "/api/v1/quotes", tag = "agreements", request_body = QuoteRequest,
    responses((status = 200, body = Quote), Problem))]
pub(super) async fn quote(State(state): State<ApiState>, Body(body): Body) -> Result<Json<Quote>, Problem> {
    let request: QuoteRequest = serde_json::from_slice(&body).map_err(|e| bad(e.to_string()))?;
    let (quote, _) = quoted(&state, &request.did, request.fuel, request.output_bytes).await?;
    Ok(Json(quote))
}

/// The same in Ocean's words: what to pay, where to, and for which data set.
#[utoipa::path(post, path = "/api/services/initializeCompute", tag = "compatibility", request_body = InitializeCompute,
    responses((status = 200, body = Object), Problem))]
pub(super) async fn initialize_compute(
    State(state): State<ApiState>,
    Body(body): Body,
) -> Result<Json<Value>, Problem> {
    let request: InitializeCompute = serde_json::from_slice(&body).map_err(|e| bad(e.to_string()))?;
    let [asset] = request.datasets.as_slice() else {
        return Err(bad("a run is over exactly one data set".into()));
    };
    let (quote, offer) = quoted(&state, &asset.document_id, request.fuel, request.output_bytes).await?;
    let deployment = state.chain.deployment();
    Ok(Json(json!({
        "datasets": [{ "documentId": quote.did, "serviceId": crate::job::SERVICE_DEFINITION_ID, "quote": quote }],
        "payment": {
            "chainId": deployment.chain_id,
            "escrowAddress": deployment.payment_conditions,
            "payee": offer.publisher,
            "token": offer.terms.token,
            "amount": offer.terms.price.to_string(),
            "minLockSeconds": offer.grant_timeout_s,
        },
    })))
}

/// Where jobs run, in Ocean's words.
#[utoipa::path(get, path = "/api/services/computeEnvironments", tag = "compatibility",
    responses((status = 200, body = Vec<Object>), Problem))]
pub(super) async fn environments(State(state): State<ApiState>) -> Json<Value> {
    let node = &state.node;
    let resource = |id: &str, kind: &str, max: u64| json!({ "id": id, "type": kind, "min": 0, "max": max });
    let environment = |kind: Kind| {
        json!({
            "id": profile_name_for(kind),
            "description": "deterministic WebAssembly; runs are metered in fuel and have receipts that can be re-executed",
            "consumerAddress": state.chain.sender(),
            "chainId": state.chain.deployment().chain_id,
            "platform": { "architecture": "wasm32", "os": "wasi" },
            "profile": profile_digest_for(kind),
            "resources": [
                resource("fuel", "fuel", node.fuel),
                resource("ram", "ram", node.memory_bytes),
                resource("disk", "disk", node.output_bytes),
            ],
            "free": false,
        })
    };
    Json(Kind::ALL.map(environment).to_vec().into())
}

async fn quoted(
    state: &ApiState,
    did: &str,
    fuel: Option<u64>,
    output_bytes: Option<u64>,
) -> Result<(Quote, ComputeOffer), Problem> {
    let dataset = state.dataset(did.parse()?).await?;
    let policy = super::state::policy(&dataset)?;
    let (offer, manifest) = (offer(&dataset)?, policy.manifest());
    let most = &manifest.ceilings;
    let (fuel, bytes) = (fuel.unwrap_or(most.fuel), output_bytes.unwrap_or(most.output_bytes));
    if fuel > most.fuel || bytes > most.output_bytes {
        return Err(Problem::forbidden(
            "ceiling_exceeded",
            format!("a run may use {} fuel and leave {} bytes at most", most.fuel, most.output_bytes),
        )
        .hint("ask for less; the DDO has the ceilings"));
    }
    let terms = &offer.terms;
    let quote = Quote {
        did: dataset.did,
        token: terms.token.to_string(),
        due: terms.due(fuel, bytes).to_string(),
        lock: terms.price.to_string(),
        base: terms.base.to_string(),
        fuel_per_million: terms.fuel_price.to_string(),
        output_per_million: terms.output_price.to_string(),
        grant_timeout_s: offer.grant_timeout_s,
        runs: manifest.runs_per_agreement,
    };
    Ok((quote, offer))
}

fn bad(why: String) -> Problem {
    Problem::bad_request("bad_body", why).hint("docs/API.md shows what a quote needs")
}
