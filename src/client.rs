//! A consumer's connection to a provider: signed HTTP requests, and problems as errors with code and hint.

mod bucket;
mod collector;
mod large;
mod sending;
mod tries;
mod web;

use std::time::Duration;

use brizo_receipt::{Address, B256, BYTES_MAX as RECEIPT_BYTES_MAX, Domain, SecretKey};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub use bucket::{Bucket, Object};
pub use collector::{Collector, Untaken};
pub use large::Wanted;
pub use sending::PIECE_BYTES;
pub use web::Web;

use tries::Tries;

use crate::clock::Clock;
use crate::redact::without_secrets;
use crate::signed_request::RequestToSign;

/// Bytes of an answer that is read: a long list has few MiB. What grows with a run's outputs, a receipt or logs, may have as
/// many as a receipt.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How long a signed request counts, in seconds.
const EXPIRY_S: u64 = 60;

/// What a provider answers instead of what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The provider cannot be reached.
    #[error("the provider at {url} does not answer: {text}")]
    Unreachable {
        /// Base URL.
        url: String,
        /// What the network says.
        text: String,
    },
    /// A URL or bucket that a data set is taken from gives nothing.
    #[error("{url} cannot be read: {text}")]
    Source {
        /// The place, without what gives access to it.
        url: String,
        /// What the network or the server says.
        text: String,
    },
    /// The provider refused.
    #[error("the provider refused ({status} {code}): {text}{}", hint_line(.hint))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable code.
        code: String,
        /// Sentence.
        text: String,
        /// How to mend it.
        hint: String,
    },
    /// The answer is not what the API promises.
    #[error("the provider's answer cannot be understood: {0}")]
    Odd(String),
    /// A file is longer than it can be.
    #[error("{path} has more than the {most} bytes it can have")]
    TooLong {
        /// The file, below the base URL.
        path: String,
        /// How many bytes it can have.
        most: usize,
    },
    /// A file is not the one that the receipt names.
    #[error("what the provider serves is not what its receipt names: {0}; nothing of it was kept")]
    Other(String),
    /// What is fetched cannot be written here.
    #[error("{path}: {text}")]
    Disk {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        text: String,
    },
}

fn hint_line(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!("\n  hint: {hint}") }
}

impl Error {
    /// The provider's code, if it refused.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether asking again a little later may help.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Refused { status: 429 | 503, .. })
    }
}

#[derive(Debug, Deserialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(default)]
    hint: String,
}

impl Problem {
    fn refusal(self, status: u16) -> Error {
        Error::Refused { status, code: self.code, text: self.detail, hint: self.hint }
    }
}

/// An order that was taken.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ordered {
    /// The job.
    pub job_id: String,
    /// Where it stands, in Ocean's number.
    pub status: u16,
    /// The same in words.
    pub status_text: String,
    /// The receipt as the provider has sent it, if it was waited for and may be given out.
    pub receipt: Option<Box<RawValue>>,
}

/// A connection to one provider.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// For files of any length.
    large: reqwest::Client,
    base: String,
    key: SecretKey,
    provider: Address,
    domain: Domain,
    clock: Clock,
}

impl Client {
    /// A client that signs with `key` for `provider` under `domain`.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when this machine's HTTP stack cannot be set up.
    pub fn new(base: &str, key: SecretKey, provider: Address, domain: Domain) -> Result<Self, Error> {
        Ok(Self {
            http: http(base)?,
            large: patient().map_err(|e| unreachable(base, e))?,
            base: base.trim_end_matches('/').into(),
            key,
            provider,
            domain,
            clock: Clock::system(),
        })
    }

    /// A signed GET; returns the body, which may have as many bytes as a receipt.
    ///
    /// # Errors
    /// [`Error`]; [`Error::TooLong`] for a larger one, of which no more is read.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.get_at_most(path, RECEIPT_BYTES_MAX).await
    }

    async fn get_at_most(&self, path: &str, most: usize) -> Result<Vec<u8>, Error> {
        let request = self.http.get(format!("{}{path}", self.base));
        let header = self.sign("GET", path, b"")?;
        send(&self.base, path, request.header("authorization", header), most).await
    }

    /// A signed GET of a JSON document.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get_json(&self, path: &str) -> Result<Value, Error> {
        json(&self.get_at_most(path, ANSWER_BYTES_MAX).await?)
    }

    /// A signed GET of a JSON document that grows with what a run has printed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get_long_json(&self, path: &str) -> Result<Value, Error> {
        json(&self.get(path).await?)
    }

    /// A POST of a body, signed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn post(&self, path: &str, kind: &str, body: Vec<u8>) -> Result<Value, Error> {
        let header = self.sign("POST", path, &body)?;
        let request = self.http.post(format!("{}{path}", self.base)).header("authorization", header);
        let request = request.header("content-type", kind.to_string()).body(body);
        json(&send(&self.base, path, request, ANSWER_BYTES_MAX).await?)
    }

    /// Orders a run, and waits for its receipt for so many seconds; with 0, only until the order is taken.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn order(&self, order: Vec<u8>, wait_s: u64) -> Result<Ordered, Error> {
        let path = format!("/api/v1/jobs?wait={wait_s}");
        let header = self.sign("POST", &path, &order)?;
        let request = self.http.post(format!("{}{path}", self.base)).header("authorization", header);
        let request = request.header("content-type", "application/json").body(order);
        let answer = send(&self.base, &path, request, RECEIPT_BYTES_MAX + ANSWER_BYTES_MAX).await?;
        serde_json::from_slice(&answer).map_err(|e| Error::Odd(format!("it answers an order with: {e}")))
    }

    fn sign(&self, method: &str, path: &str, body: &[u8]) -> Result<String, Error> {
        let mut nonce = B256::ZERO;
        getrandom::fill(nonce.as_mut_slice()).map_err(|e| Error::Odd(format!("no random numbers: {e}")))?;
        let expiry_s = self.clock.now_s() + EXPIRY_S;
        let request = RequestToSign { method, path, body, provider: self.provider, nonce, expiry_s };
        request.header(&self.key, &self.domain).map_err(|e| Error::Odd(e.to_string()))
    }
}

/// How long a server may take to accept a connection for a download, and to send the next piece.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// An unsigned GET, for what is public.
///
/// # Errors
/// [`Error`].
pub async fn fetch(base: &str, path: &str) -> Result<Vec<u8>, Error> {
    let base = base.trim_end_matches('/');
    send(base, path, http(base)?.get(format!("{base}{path}")), ANSWER_BYTES_MAX).await
}

/// Writes what a URL gives, of any length, in pieces. Redirects are followed.
///
/// # Errors
/// [`Error`]; what was written is then not whole.
pub async fn download(url: &str, to: &mut impl std::io::Write) -> Result<u64, Error> {
    let failed = |text: String| Error::Source { url: without_secrets(url), text };
    let unreachable = |e: reqwest::Error| failed(format!("{:#}", anyhow::Error::from(e.without_url())));
    let mut response = patient().map_err(unreachable)?.get(url).send().await.map_err(unreachable)?;
    if response.status().as_u16() != 200 {
        return Err(failed(format!("it answers with status {}", response.status().as_u16())));
    }
    let mut length = 0;
    while let Some(piece) = response.chunk().await.map_err(unreachable)? {
        to.write_all(&piece).map_err(|e| failed(format!("what it gives cannot be written here: {e}")))?;
        length += piece.len() as u64;
    }
    Ok(length)
}

/// Public files below a URL, by unsigned GETs over connections that are kept.
#[derive(Debug, Clone)]
pub struct Files {
    http: reqwest::Client,
    base: String,
}

impl Files {
    /// Files below `base`.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when this machine's HTTP stack cannot be set up.
    pub fn new(base: &str) -> Result<Self, Error> {
        Ok(Self { http: http(base)?, base: base.trim_end_matches('/').into() })
    }

    /// A file of at most `max` bytes; `None` when there is none.
    ///
    /// # Errors
    /// [`Error`]; [`Error::TooLong`] for a larger one, of which no more is read.
    pub async fn get(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, Error> {
        let failed = |e: reqwest::Error| unreachable(&self.base, e);
        let mut response = self.http.get(format!("{}/{path}", self.base)).send().await.map_err(failed)?;
        match response.status() {
            status if status.as_u16() == 404 => return Ok(None),
            status if !status.is_success() => return Err(Error::Odd(format!("{path}: status {status}"))),
            _ => {}
        }
        body(&self.base, path, &mut response, max).await.map(Some)
    }
}

/// No limit for the whole: nobody knows how long a file takes. A server that says nothing for a minute is gone.
fn patient() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().connect_timeout(CONNECT_LIMIT).read_timeout(SILENCE_LIMIT).build()
}

fn unreachable(base: &str, error: reqwest::Error) -> Error {
    Error::Unreachable { url: without_secrets(base), text: format!("{:#}", anyhow::Error::from(error)) }
}

fn http(base: &str) -> Result<reqwest::Client, Error> {
    let built = reqwest::Client::builder().timeout(Duration::from_secs(120)).build();
    built.map_err(|e| Error::Unreachable { url: without_secrets(base), text: e.to_string() })
}

async fn send(
    base: &str,
    path: &str,
    request: reqwest::RequestBuilder,
    most: usize,
) -> Result<Vec<u8>, Error> {
    let mut response = request.send().await.map_err(|e| unreachable(base, e))?;
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    body(base, path, &mut response, most).await
}

/// The body of an answer, of which no more is read than it may have.
async fn body(
    base: &str,
    path: &str,
    response: &mut reqwest::Response,
    most: usize,
) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|e| unreachable(base, e))? {
        if body.len() + piece.len() > most {
            return Err(Error::TooLong { path: path.into(), most });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// A problem document has no more bytes than this.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// What a provider answers instead of what was asked for. No more of it is read than a problem document can have.
async fn refusal(mut response: reqwest::Response) -> Error {
    let (status, mut body) = (response.status(), Vec::new());
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > PROBLEM_BYTES_MAX {
            break;
        }
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => problem.refusal(status.as_u16()),
        Err(_) => Error::Odd(format!("status {status} without a problem document")),
    }
}

fn json(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|e| Error::Odd(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_gives_access_to_a_source_is_not_shown() {
        // Nothing listens on port 1.
        let error =
            download("http://me:secret@127.0.0.1:1/c.csv?key=secret", &mut Vec::new()).await.unwrap_err();
        assert!(matches!(&error, Error::Source { url, .. } if url == "http://127.0.0.1:1/c.csv"));
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
