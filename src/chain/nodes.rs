//! Several nodes for one chain: a request goes to the first that works, in the order that the configuration names them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{Id, Request, RequestPacket, ResponsePacket, ResponsePayload};
use alloy::transports::http::{Http, reqwest as web};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use tower::Service;

use super::{Error, Result};

/// How long a node may take to answer one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a node that failed is asked last.
const REST: Duration = Duration::from_secs(15);

/// The nodes as alloy's transport. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Nodes {
    nodes: Arc<[Node]>,
    chain_id: Option<u64>,
}

struct Node {
    http: Http<web::Client>,
    /// Host and port: paths and users of such URLs are often keys.
    name: String,
    /// Whether its chain was compared with the deployment's.
    checked: AtomicBool,
    resting_until: Mutex<Option<Instant>>,
}

/// All nodes are on other chains than the deployment.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongChain(String);

/// Why a node was no help.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("is on chain {0}, not on {1}")]
    WrongChain(u64, u64),
    #[error("does not answer: {0}")]
    Silent(String),
    #[error("{0}")]
    Odd(&'static str),
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.nodes.iter().map(|node| &node.name)).finish()
    }
}

impl Nodes {
    /// Takes one URL, or several with commas between them. Asks nothing yet.
    ///
    /// With `chain_id`, a node of another chain is passed over: it would answer, and all of it would be wrong.
    pub(super) fn new(rpc: &str, chain_id: Option<u64>) -> Result<Self> {
        let client = web::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            // What a node is asked, and the key in its URL, are for that node only.
            .redirect(web::redirect::Policy::none())
            .build()
            .map_err(|e| Error::Unreachable(e.to_string()))?;
        let mut nodes = Vec::new();
        for text in rpc.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let url: web::Url =
                text.parse().map_err(|e| Error::Mismatch(format!("a node's address is no URL: {e}")))?;
            let Some(host) = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")) else {
                return Err(Error::Mismatch("a node's address is no http or https URL with a host".into()));
            };
            let name = url.port().map_or(host.to_string(), |port| format!("{host}:{port}"));
            let http = Http::with_client(client.clone(), url);
            nodes.push(Node { http, name, checked: AtomicBool::new(false), resting_until: Mutex::default() });
        }
        if nodes.is_empty() {
            return Err(Error::Mismatch("no node is named; give the URL of an Ethereum node".into()));
        }
        Ok(Self { nodes: nodes.into(), chain_id })
    }

    /// A client over these nodes.
    pub(super) fn client(self) -> RpcClient {
        let local = self.nodes.iter().all(|node| {
            let host = node.name.rsplit_once(':').map_or(node.name.as_str(), |(host, _)| host);
            matches!(host, "localhost" | "127.0.0.1" | "[::1]")
        });
        RpcClient::new(self, local)
    }

    async fn ask(self, request: RequestPacket) -> std::result::Result<ResponsePacket, TransportError> {
        let now = Instant::now();
        let (rested, resting): (Vec<&Node>, Vec<&Node>) =
            self.nodes.iter().partition(|node| !node.rests(now));
        let mut problems = Vec::new();
        let mut wrong = true;
        // Those that failed a moment ago are asked last, and asked still: they may be all there is.
        for node in rested.into_iter().chain(resting) {
            match node.ask(request.clone(), self.chain_id).await {
                Ok(answer) => return Ok(answer),
                Err(problem) => {
                    node.rest();
                    wrong &= matches!(problem, Problem::WrongChain(..));
                    problems.push(format!("{} {problem}", node.name));
                }
            }
        }
        let text = problems.join("; ");
        Err(if wrong {
            TransportErrorKind::custom(WrongChain(text))
        } else {
            TransportErrorKind::custom_str(&text)
        })
    }
}

impl Node {
    fn rests(&self, now: Instant) -> bool {
        self.resting_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| until > now)
    }

    fn rest(&self) {
        *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }

    async fn ask(
        &self,
        request: RequestPacket,
        chain_id: Option<u64>,
    ) -> std::result::Result<ResponsePacket, Problem> {
        if let Some(expected) = chain_id.filter(|_| !self.checked.load(Ordering::Relaxed)) {
            let found = self.chain_id().await?;
            if found != expected {
                return Err(Problem::WrongChain(found, expected));
            }
            self.checked.store(true, Ordering::Relaxed);
        }
        self.call(request).await
    }

    async fn chain_id(&self) -> std::result::Result<u64, Problem> {
        let odd = Problem::Odd("does not say which chain it is on");
        let Ok(request) = Request::new("eth_chainId", Id::Number(0), ()).serialize() else { return Err(odd) };
        let ResponsePacket::Single(answer) = self.call(RequestPacket::Single(request)).await? else {
            return Err(odd);
        };
        let ResponsePayload::Success(text) = answer.payload else { return Err(odd) };
        let Ok(hex) = serde_json::from_str::<String>(text.get()) else { return Err(odd) };
        u64::from_str_radix(hex.trim_start_matches("0x"), 16).map_err(|_| odd)
    }

    async fn call(&self, request: RequestPacket) -> std::result::Result<ResponsePacket, Problem> {
        let answer = self.http.clone().call(request).await.map_err(|error| self.without_url(&error))?;
        // Providers answer so when a customer asks too often; the next node may have time.
        match answer.first_error_code() {
            Some(429 | -32005) => Err(Problem::Silent("it is asked too often".into())),
            _ => Ok(answer),
        }
    }

    /// The error without the node's URL, in which providers put their customers' keys.
    fn without_url(&self, error: &TransportError) -> Problem {
        let (mut text, url) = (error.to_string(), self.http.url());
        // What is behind it says more: refused, reset, too late.
        let mut cause = std::error::Error::source(error);
        while let Some(because) = cause {
            let because_text = because.to_string();
            if !text.contains(&because_text) {
                text = format!("{text}: {because_text}");
            }
            cause = because.source();
        }
        Problem::Silent(text.replace(url, &self.name).replace(url.trim_end_matches('/'), &self.name))
    }
}

impl Service<RequestPacket> for Nodes {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_keys_in_them_are_not_shown() {
        let nodes =
            Nodes::new("http://localhost:8545, https://user:secret@rpc.example/v3/KEY", None).unwrap();
        assert_eq!(format!("{nodes:?}"), r#"["localhost:8545", "rpc.example"]"#);
        for bad in ["", " , ", "localhost:8545", "ftp://host/x", "http://"] {
            let error = Nodes::new(bad, None).unwrap_err();
            assert!(matches!(error, Error::Mismatch(_)), "{bad:?}: {error}");
        }
    }
}
