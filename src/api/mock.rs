//! `GET /api/v1/assets/{did}/mock`: files to develop against, where the publisher gives some. Public.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;

use super::ApiState;
use super::problem::Problem;
use super::ranged::mapped_body;

/// Files to develop against, where the publisher gives some.
#[utoipa::path(get, path = "/api/v1/assets/{did}/mock", tag = "assets", params(("did" = String, Path)),
    responses((status = 200, body = [u8], content_type = "application/x-tar"), Problem))]
pub(super) async fn mock(
    State(state): State<ApiState>,
    Path(did): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let dataset = state.dataset(did.parse()?).await?;
    let (mocks, name) = (state.mocks.clone(), hex::encode(dataset.did.0));
    let archive = tokio::task::spawn_blocking(move || mocks.read(&name)).await??;
    let archive = archive.ok_or_else(|| {
        Problem::not_found("mock_not_found", "the publisher gives no mock data for this data set")
            .hint("ask the publisher, or write your own after the description in the DDO")
    })?;
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], mapped_body(archive)))
}
