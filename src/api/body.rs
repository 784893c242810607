//! A request body whose rejection is a problem document like every other.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};

use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use super::ApiState;
use super::problem::Problem;

/// The whole body.
#[derive(Debug)]
pub(super) struct Body(pub(super) Bytes);

impl FromRequest<ApiState> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::body_too_large("the body is larger than this endpoint takes")
                    .hint("send less; docs/API.md names the limits")
            }
            _ => Problem::bad_request("bad_body", rejection.body_text()).hint("send the complete body"),
        })
    }
}

/// A place for an upload, taken before its body is read and given back when the answer is made.
#[derive(Debug)]
pub(super) struct UploadPlace {
    _permit: OwnedSemaphorePermit,
}

impl FromRequestParts<ApiState> for UploadPlace {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        match state.uploads.clone().try_acquire_owned() {
            Ok(permit) => Ok(Self { _permit: permit }),
            Err(_) => {
                Err(Problem::busy("all places for uploads are taken").hint("try again in a few seconds"))
            }
        }
    }
}
