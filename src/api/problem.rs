//! Errors as `application/problem+json` (RFC 9457) with a stable `code` and a hint that says how to mend it. The only
//! place where something becomes an HTTP status.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::chain::Error as ChainError;
use crate::data::Error as DataError;
use crate::failpoint::Met;
use crate::ids::BadId;
use crate::job::{BadInvocation, Refusal, Sort};
use crate::sandbox::Refused;
use crate::store::Error as StoreError;

/// An answer that is not what the caller wanted.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    text: String,
    hint: String,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// The stable code.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into(), hint: String::new(), retry_after_s: None }
    }

    pub(super) fn bad_request(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, text)
    }

    pub(super) fn unauthorized(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, text)
    }

    pub(super) fn forbidden(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, text)
    }

    pub(super) fn not_found(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, text)
    }

    pub(super) fn conflict(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, text)
    }

    pub(super) fn method_not_allowed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
    }

    pub(super) fn too_many(code: &'static str, text: impl Into<String>, after_s: u32) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, text).retry_after(after_s)
    }

    pub(super) fn unsupported_type(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text)
    }

    pub(super) fn range_not_satisfiable(text: impl Into<String>) -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", text)
    }

    pub(super) fn busy(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text).retry_after(2)
    }

    /// The disk has no room for anything new.
    pub(super) fn storage_full() -> Self {
        let text = "the provider's disk has no room for anything new now; nothing was taken in";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", text)
            .hint("try again later; what was accepted before goes on")
            .retry_after(60)
    }

    /// The disk takes no writes.
    pub(super) fn storage_unavailable() -> Self {
        let text = "the provider's disk takes no writes now; nothing was taken in";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", text)
            .hint("try again later; what was accepted before is kept")
            .retry_after(60)
    }

    /// A write failed for want of room, or because the disk takes none: said to the caller, and to the log with its cause.
    fn storage(full: bool, error: &anyhow::Error) -> Self {
        tracing::error!(error = %format!("{error:#}"), "a write failed");
        if full { Self::storage_full() } else { Self::storage_unavailable() }
    }

    pub(super) fn body_too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text)
    }

    pub(super) fn too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "module_too_large", text)
    }

    pub(super) fn unprocessable(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, text)
    }

    /// Our fault. The caller learns that it is, and nothing of the inside; the log has the rest.
    pub(super) fn internal(what: &'static str, error: &anyhow::Error) -> Self {
        tracing::error!(error = %format!("{error:#}"), "{what}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            format!("{what}; this is the provider's fault"),
        )
        .hint("try again later, and tell the publisher if it stays")
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl Problem {
    /// The document, as RFC 9457 has it.
    pub(super) fn document(&self) -> Value {
        json!({
            "type": format!("urn:brizo:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.text,
            "hint": self.hint,
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.document();
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Makes a problem of an error that the framework answered, a path that is not UTF-8 for instance.
pub(super) async fn as_problem(response: Response) -> Response {
    let status = response.status();
    // The framework answers in plain text; what is JSON is an answer of ours, a problem or a readiness.
    let is_ours = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/");
    if !(status.is_client_error() || status.is_server_error())
        || response.headers().get(header::CONTENT_TYPE).is_some_and(is_ours)
    {
        return response;
    }
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        _ => "bad_request",
    };
    Problem::new(status, code, "the request cannot be read")
        .hint("check the path's escapes, the headers and the body against docs/API.md")
        .into_response()
}

impl From<BadId> for Problem {
    fn from(error: BadId) -> Self {
        Self::bad_request("bad_identifier", error.to_string())
            .hint("check the identifier for cut-off or odd characters")
    }
}

impl From<BadInvocation> for Problem {
    fn from(error: BadInvocation) -> Self {
        Self::unprocessable("bad_invocation", error.to_string()).hint("change the arguments or variables")
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let problem = match refused.code {
            "module_too_large" => Self::too_large(refused.text),
            code => Self::unprocessable(code, refused.text),
        };
        problem.hint(refused.hint)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.sort {
            Sort::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Sort::Forbidden => StatusCode::FORBIDDEN,
            Sort::Conflict | Sort::Later => StatusCode::CONFLICT,
            Sort::Payment => StatusCode::PAYMENT_REQUIRED,
        };
        let problem = Self::new(status, refusal.code, refusal.text).hint(refusal.hint);
        if refusal.sort == Sort::Later { problem.retry_after(1) } else { problem }
    }
}

impl From<ChainError> for Problem {
    fn from(error: ChainError) -> Self {
        let code = error.code();
        match error {
            ChainError::Unreachable(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code, "the provider cannot reach the chain now")
                    .hint("nothing was changed; try again in a few seconds")
                    .retry_after(5)
            }
            ChainError::Refused(why) => Self::unprocessable(code, format!("the contract refused: {why}"))
                .hint("compare what was signed with the asset's DDO and with the state on chain"),
            ChainError::Rejected(_) | ChainError::Mismatch(_) | ChainError::Journal(_) => {
                tracing::error!(%error, "the chain does not take the provider's transactions");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    code,
                    "the provider's transaction was not taken by the chain",
                )
                .hint("this is the provider's to mend; try again later")
                .retry_after(30)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists(what) => Self::conflict("exists", format!("{what} exists already"))
                .hint("look at what is there, or choose a new id"),
            full @ StoreError::QueueFull { own, .. } => {
                let (status, code) = match own {
                    true => (StatusCode::TOO_MANY_REQUESTS, "too_many_waiting"),
                    false => (StatusCode::SERVICE_UNAVAILABLE, "queue_full"),
                };
                Self::new(status, code, full.to_string())
                    .hint("nothing was changed or charged; send the same order again later")
                    .retry_after(10)
            }
            StoreError::WrongState { job, state } => {
                Self::conflict("job_not_over", format!("job {job} is {state}"))
                    .hint("ask again when it is over, or stop it first")
            }
            other if other.is_full() || other.is_unwritable() => {
                Self::storage(other.is_full(), &other.into())
            }
            other => Self::internal("the database failed", &other.into()),
        }
    }
}

impl From<Met> for Problem {
    fn from(met: Met) -> Self {
        StoreError::from(met).into()
    }
}

impl From<DataError> for Problem {
    fn from(error: DataError) -> Self {
        if error.is_full() || error.is_unwritable() {
            return Self::storage(error.is_full(), &error.into());
        }
        Self::internal("stored bytes cannot be read or written", &error.into())
    }
}

impl From<tokio::task::JoinError> for Problem {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal("a task died", &error.into())
    }
}
