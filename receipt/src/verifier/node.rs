//! What a verifier asks of the network, as traits: the library itself opens no connection.

use std::fmt;

use serde_json::{Value, json};

use crate::log::{Fetch, FetchError};

/// Most bytes of a node's answer that are read. The largest one asked for is a block's header or a page of events.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Most characters of somebody else's text that are shown.
const TEXT_CHARS_MAX: usize = 300;

/// Why the network gave no answer that can be used. It says nothing about the receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// Nobody answers.
    #[error("{url} does not answer: {why}")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// What the network says.
        why: String,
    },
    /// It answers that there is nothing.
    #[error("there is nothing at {0}")]
    Missing(String),
    /// It answers with more than there can be.
    #[error("{url} answers with more than {most} bytes")]
    TooLong {
        /// Who was asked.
        url: String,
        /// How many there can be.
        most: usize,
    },
    /// It answers, and refuses.
    #[error("{url} refuses: {why}")]
    Refused {
        /// Who was asked.
        url: String,
        /// What it says.
        why: String,
    },
    /// It answers what makes no sense for what was asked.
    #[error("the answer cannot be used: {0}")]
    Odd(String),
}

/// One HTTP request at a time. An implementation follows no redirect, waits for a bounded time, and reads no more than
/// `max_bytes`.
pub trait Transport {
    /// The body that is served at a URL.
    ///
    /// # Errors
    /// [`NodeError::Unreachable`]; [`NodeError::Missing`] for the status 404; [`NodeError::Refused`] for any other but 200;
    /// [`NodeError::TooLong`].
    fn get(&self, url: &str, max_bytes: usize) -> Result<Vec<u8>, NodeError>;

    /// The answer to a JSON body that is posted to a URL.
    ///
    /// # Errors
    /// As of [`get`](Self::get).
    fn post(&self, url: &str, body: &[u8], max_bytes: usize) -> Result<Vec<u8>, NodeError>;
}

/// An Ethereum node that the caller trusts.
pub trait Node {
    /// The result of one JSON-RPC call.
    ///
    /// # Errors
    /// [`NodeError`].
    fn call(&self, method: &str, params: Value) -> Result<Value, NodeError>;
}

/// A node that is reached by JSON-RPC over HTTP.
pub struct JsonRpc<'a> {
    transport: &'a dyn Transport,
    url: String,
}

/// A log that is reached over HTTP.
pub struct Files<'a> {
    transport: &'a dyn Transport,
    base: String,
}

impl<'a> JsonRpc<'a> {
    /// The node at this URL.
    #[must_use]
    pub fn new(transport: &'a dyn Transport, url: &str) -> Self {
        Self { transport, url: url.into() }
    }
}

impl<'a> Files<'a> {
    /// The files below this URL.
    #[must_use]
    pub fn new(transport: &'a dyn Transport, base: &str) -> Self {
        Self { transport, base: base.trim_end_matches('/').into() }
    }
}

impl Node for JsonRpc<'_> {
    fn call(&self, method: &str, params: Value) -> Result<Value, NodeError> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let answer = self.transport.post(&self.url, body.as_bytes(), ANSWER_BYTES_MAX)?;
        let odd = |why: String| NodeError::Odd(format!("{method}: {why}"));
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|e| odd(e.to_string()))?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            let message = error["message"].as_str().unwrap_or("an error without a message");
            return Err(NodeError::Refused {
                url: self.url.clone(),
                why: format!("{method}: {}", plain(message)),
            });
        }
        if answer["id"] != 1 {
            return Err(odd("it is the answer to another question".into()));
        }
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(odd("there is neither a result nor an error".into())),
        }
    }
}

impl Fetch for Files<'_> {
    fn fetch(&self, path: &str, max: usize) -> Result<Vec<u8>, FetchError> {
        let got = self.transport.get(&format!("{}/{path}", self.base), max);
        got.map_err(|error| match error {
            NodeError::Missing(url) => FetchError::Missing(url),
            NodeError::TooLong { url: path, most } => FetchError::TooLong { path, most },
            other => FetchError::Failed(other.to_string()),
        })
    }
}

impl fmt::Debug for JsonRpc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonRpc({})", self.url)
    }
}

impl fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files({})", self.base)
    }
}

/// A whole output with text of strangers in it, without what could lead a terminal astray: of the control characters
/// only line ends are left.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// Text of somebody else in a form that cannot lead a terminal astray: no control characters, and not endless.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = chars.by_ref().take(TEXT_CHARS_MAX).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers everything with one text.
    struct Says(&'static str);

    impl Transport for Says {
        fn get(&self, _: &str, _: usize) -> Result<Vec<u8>, NodeError> {
            Ok(self.0.into())
        }

        fn post(&self, _: &str, _: &[u8], _: usize) -> Result<Vec<u8>, NodeError> {
            Ok(self.0.into())
        }
    }

    #[test]
    fn an_answer_is_a_result_an_error_or_odd() {
        let ask = |text| JsonRpc::new(&Says(text), "http://node").call("eth_chainId", json!([]));
        assert_eq!(ask(r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#), Ok(json!("0x1")));
        assert_eq!(ask(r#"{"jsonrpc":"2.0","id":1,"result":null}"#), Ok(Value::Null));
        let refused =
            ask(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no \u001b[2J"}}"#).unwrap_err();
        assert_eq!(refused.to_string(), "http://node refuses: eth_chainId: no  [2J");
        for text in ["", "[]", "{}", r#"{"id":1}"#, r#"{"id":2,"result":"0x1"}"#, "<html>"] {
            assert!(matches!(ask(text), Err(NodeError::Odd(_))), "{text}");
        }
    }

    #[test]
    fn text_of_others_is_cut_and_tamed() {
        assert_eq!(plain("a\nb\x07c"), "a b c");
        assert_eq!(plain(&"x".repeat(1000)).chars().count(), TEXT_CHARS_MAX + 1);
    }
}
