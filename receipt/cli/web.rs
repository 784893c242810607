//! HTTP with a bounded time, a bounded answer, and no redirect followed.

use std::time::Duration;

use brizo_receipt::verifier::{NodeError, Transport, plain};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The network, as far as it was named on the command line.
pub(crate) struct Web(ureq::Agent);

impl Web {
    pub(crate) fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("brizo-verify/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.into())
    }
}

impl Transport for Web {
    fn get(&self, url: &str, max_bytes: usize) -> Result<Vec<u8>, NodeError> {
        body(url, self.0.get(url).call(), max_bytes)
    }

    fn post(&self, url: &str, json: &[u8], max_bytes: usize) -> Result<Vec<u8>, NodeError> {
        let request = self.0.post(url).header("content-type", "application/json");
        body(url, request.send(json), max_bytes)
    }
}

type Answer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn body(url: &str, answer: Answer, max_bytes: usize) -> Result<Vec<u8>, NodeError> {
    let unreachable = |e: ureq::Error| NodeError::Unreachable { url: url.into(), why: plain(&e.to_string()) };
    let refused = |why: String| NodeError::Refused { url: url.into(), why };
    let mut answer = answer.map_err(unreachable)?;
    let status = answer.status().as_u16();
    if status == 404 {
        return Err(NodeError::Missing(url.into()));
    }
    if status != 200 {
        return Err(refused(format!("status {status}")));
    }
    let too_much = || NodeError::TooLong { url: url.into(), most: max_bytes };
    // The library refuses at the limit already, so it is given room for one byte more.
    match answer.body_mut().with_config().limit(max_bytes as u64 + 1).read_to_vec() {
        Ok(bytes) if bytes.len() <= max_bytes => Ok(bytes),
        Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => Err(too_much()),
        Err(error) => Err(unreachable(error)),
    }
}
