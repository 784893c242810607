//! The little HTTP that the demo speaks with the chain and the provider, both on this machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::json::Json;

const LIMIT: Duration = Duration::from_secs(5);

/// As many ports as asked for that nobody listens on. All are held at once, so that they differ.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let no_port = |cause: std::io::Error| format!("there is no free port on 127.0.0.1 ({cause})");
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(no_port)?;
        *port = listener.local_addr().map_err(no_port)?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// The status of a GET.
pub(crate) fn status(port: u16, path: &str) -> Result<u16, String> {
    let answer = exchange(port, &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n"))?;
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| format!("127.0.0.1:{port} does not speak HTTP"))
}

/// A JSON-RPC call; `params` is JSON. The answer is its `result`.
pub(crate) fn call(port: u16, method: &str, params: &str) -> Result<Json, String> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let answer = exchange(
        port,
        &format!(
            "POST / HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )?;
    let (_, text) = answer.split_once("\r\n\r\n").ok_or("the chain's answer has no body")?;
    let answer = Json::parse(text)?;
    match answer.get("result") {
        Some(result) => Ok(result.clone()),
        None => Err(format!("the chain refuses {method}: {text}")),
    }
}

/// HTTP 1.0 ends an answer by closing, and never sends it in chunks.
fn exchange(port: u16, request: &str) -> Result<String, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answered = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    answered().map_err(|cause| format!("{address} does not answer ({cause})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers once, and gives back what it was asked.
    fn answer_once(answer: &'static str) -> (u16, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        (port, server)
    }

    #[test]
    fn a_call_gives_its_result() {
        let (port, server) =
            answer_once("HTTP/1.0 200 OK\r\nContent-Length: 18\r\n\r\n{\"result\":\"0x7a69\"}");
        assert_eq!(call(port, "eth_chainId", "[]"), Ok(Json::Text("0x7a69".to_owned())));
        assert!(server.join().unwrap().ends_with(r#""method":"eth_chainId","params":[]}"#));
    }

    #[test]
    fn a_refused_call_is_an_error() {
        let (port, _server) =
            answer_once("HTTP/1.0 200 OK\r\n\r\n{\"error\":{\"message\":\"no such method\"}}");
        assert!(call(port, "eth_x", "[]").unwrap_err().contains("no such method"));
    }

    #[test]
    fn a_status_is_read() {
        let (port, _server) = answer_once("HTTP/1.0 503 Service Unavailable\r\n\r\n");
        assert_eq!(status(port, "/healthz"), Ok(503));
    }

    #[test]
    fn free_ports_differ() {
        let [one, other] = free_ports().unwrap();
        assert_ne!(one, other);
    }
}
