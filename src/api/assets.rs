//! `GET /api/v1/assets` and `GET /api/v1/assets/{did}`: what this provider holds, as DDOs. Public.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::ApiState;
use super::problem::Problem;

/// What this provider holds.
#[utoipa::path(get, path = "/api/v1/assets", tag = "assets", responses((status = 200, body = Object), Problem))]
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
    let names = state.store.with(|store| store.dataset_names()).await?;
    let assets: Vec<_> = names.iter().map(|(did, name)| json!({ "did": did, "name": name })).collect();
    Ok(Json(json!({ "assets": assets })))
}

/// The DDO, byte for byte as its digest was registered on chain.
#[utoipa::path(get, path = "/api/v1/assets/{did}", tag = "assets", params(("did" = String, Path)),
    responses((status = 200, body = Object), Problem))]
pub(super) async fn ddo(
    State(state): State<ApiState>,
    Path(did): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let row = state.dataset(did.parse()?).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], row.ddo))
}
