//! HTTP for a verifier, which is not async: a bounded time, a bounded answer, and no redirect followed.

use std::time::Duration;

use brizo_receipt::verifier::{NodeError, Transport, plain};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The network, for one request after the other. Must not be used inside an async runtime.
#[derive(Debug)]
pub struct Web {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
}

impl Web {
    /// A connection to nothing yet.
    ///
    /// # Errors
    /// When this machine's HTTP stack cannot be set up.
    pub fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let no_redirects = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(no_redirects).build()?;
        Ok(Self { runtime, http })
    }

    fn send(&self, url: &str, request: reqwest::RequestBuilder, most: usize) -> Result<Vec<u8>, NodeError> {
        self.runtime.block_on(async {
            let unreachable = |e: reqwest::Error| NodeError::Unreachable {
                url: url.into(),
                why: plain(&format!("{:#}", anyhow::Error::from(e.without_url()))),
            };
            let refused = |why: String| NodeError::Refused { url: url.into(), why };
            let mut response = request.send().await.map_err(unreachable)?;
            match response.status().as_u16() {
                200 => {}
                404 => return Err(NodeError::Missing(url.into())),
                status => return Err(refused(format!("status {status}"))),
            }
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(unreachable)? {
                if body.len() + piece.len() > most {
                    return Err(NodeError::TooLong { url: url.into(), most });
                }
                body.extend_from_slice(&piece);
            }
            Ok(body)
        })
    }
}

impl Transport for Web {
    fn get(&self, url: &str, max_bytes: usize) -> Result<Vec<u8>, NodeError> {
        self.send(url, self.http.get(url), max_bytes)
    }

    fn post(&self, url: &str, body: &[u8], max_bytes: usize) -> Result<Vec<u8>, NodeError> {
        let request = self.http.post(url).header("content-type", "application/json").body(body.to_vec());
        self.send(url, request, max_bytes)
    }
}
