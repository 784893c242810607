//! HTTP to a collector of traces: one POST at a time, a bounded time, no redirect followed, and no word of its answer read.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a collector did not take something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untaken {
    /// It may take it later.
    Later(String),
    /// It never will.
    Never(String),
}

/// A place that takes traces.
#[derive(Debug, Clone)]
pub struct Collector {
    http: reqwest::Client,
    url: reqwest::Url,
}

impl Collector {
    /// A connection to nothing yet. `headers` go with each request; their values are secrets.
    ///
    /// # Errors
    /// A sentence without any value, where URL or headers are none.
    pub fn new(url: &str, headers: &[(String, String)]) -> Result<Self, String> {
        let url: reqwest::Url = url.parse().map_err(|e| format!("not a URL: {e}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the URL does not begin with http:// or https://".into());
        }
        let mut all = HeaderMap::new();
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| "a header's name is none")?;
            let mut value =
                HeaderValue::try_from(value.as_str()).map_err(|_| format!("the value of {name} is none"))?;
            value.set_sensitive(true);
            all.insert(name, value);
        }
        let no_redirects = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(no_redirects).default_headers(all);
        let http = http.build().map_err(|e| e.without_url().to_string())?;
        Ok(Self { http, url })
    }

    /// Hands over a message.
    ///
    /// # Errors
    /// [`Untaken`], without the URL, in which a key may stand.
    pub async fn post(&self, body: Vec<u8>) -> Result<(), Untaken> {
        let sent = self.http.post(self.url.clone()).body(body).send().await;
        let answer =
            sent.map_err(|e| Untaken::Later(format!("{:#}", anyhow::Error::from(e.without_url()))))?;
        let status = answer.status().as_u16();
        match status {
            200..=299 => Ok(()),
            // What OTLP calls retryable, and a timeout of a proxy.
            408 | 429 | 502 | 503 | 504 => Err(Untaken::Later(format!("status {status}"))),
            _ => Err(Untaken::Never(format!("status {status}"))),
        }
    }
}
