//! A faulty line between provider and chain: passes requests on, refuses them, or loses the answers to transactions.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// What the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing wrong.
    None,
    /// No request gets through.
    Down,
    /// Requests are taken, and never answered.
    Silent,
    /// The n-th transaction from now (counted from 1) reaches the chain, but its answer, and everything after it, is lost.
    LoseAnswerOf(u32),
    /// The n-th transaction from now does not reach the chain, nor does anything after it.
    LoseTransaction(u32),
    /// The next transaction is refused by the node, which then is gone.
    RefuseTransaction,
}

/// The line.
pub(crate) struct Proxy {
    url: String,
    fault: Arc<Mutex<Fault>>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Line {
    target: String,
    http: reqwest::Client,
    fault: Arc<Mutex<Fault>>,
}

impl Proxy {
    pub(crate) async fn start(target: &str) -> Self {
        let fault = Arc::new(Mutex::new(Fault::None));
        let line = Line { target: target.to_string(), http: reqwest::Client::new(), fault: fault.clone() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(line);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, fault, server }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Whether the fault has struck: from then on the line is down.
    pub(crate) fn is_down(&self) -> bool {
        *self.fault.lock().unwrap() == Fault::Down
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(State(line): State<Line>, body: Bytes) -> Response {
    let transaction = body.windows(22).any(|window| window == b"eth_sendRawTransaction");
    let fault = next(&line, transaction);
    if fault == Fault::Silent {
        return std::future::pending().await;
    }
    if matches!(fault, Fault::Down | Fault::LoseTransaction(_)) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    if fault == Fault::RefuseTransaction {
        let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let error =
            serde_json::json!({ "code": -32000, "message": "insufficient funds for gas * price + value" });
        let answer = serde_json::json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error });
        return axum::Json(answer).into_response();
    }
    let request = line.http.post(&line.target).header("content-type", "application/json").body(body);
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let bytes = answer.bytes().await.unwrap();
    if matches!(fault, Fault::LoseAnswerOf(_)) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    ([("content-type", "application/json")], bytes).into_response()
}

/// What happens to this request; counts transactions down, and takes the line down when the count is reached.
fn next(line: &Line, transaction: bool) -> Fault {
    let mut fault = line.fault.lock().unwrap();
    let now = *fault;
    match now {
        Fault::LoseAnswerOf(1) | Fault::LoseTransaction(1) | Fault::RefuseTransaction if transaction => {
            *fault = Fault::Down;
        }
        Fault::LoseAnswerOf(n) if transaction => *fault = Fault::LoseAnswerOf(n - 1),
        Fault::LoseTransaction(n) if transaction => *fault = Fault::LoseTransaction(n - 1),
        _ => {}
    }
    match (now, transaction) {
        (Fault::Down | Fault::Silent, _)
        | (Fault::LoseAnswerOf(1) | Fault::LoseTransaction(1) | Fault::RefuseTransaction, true) => now,
        _ => Fault::None,
    }
}
