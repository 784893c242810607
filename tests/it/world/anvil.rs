//! A chain on this machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::process::{free_port, wait_for_port};

/// A running anvil; ends when it is dropped.
pub(crate) struct Anvil {
    child: Child,
    url: String,
}

impl Anvil {
    pub(crate) fn start(timestamp_s: Option<u64>) -> Self {
        let time = timestamp_s.map(|at| ["--timestamp".to_string(), at.to_string()]);
        Self::spawn(&time.map(Vec::from).unwrap_or_default())
    }

    /// With another chain id than usual.
    pub(crate) fn start_as(chain_id: u64) -> Self {
        Self::spawn(&["--chain-id".to_string(), chain_id.to_string()])
    }

    fn spawn(args: &[String]) -> Self {
        let port = free_port();
        let mut command = Command::new(binary());
        command.args(["--silent", "--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        command.args(args);
        let child = command.spawn().unwrap();
        wait_for_port(port);
        let anvil = Self { child, url: format!("http://127.0.0.1:{port}") };
        wait_for_answer(port);
        anvil
    }

    /// Lets time pass on the chain.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.ask("evm_increaseTime", serde_json::json!([seconds])).await;
        self.ask("evm_mine", serde_json::json!([])).await;
    }

    /// Whether transactions are mined as they come. Turning it on mines what waits.
    pub(crate) async fn mine_at_once(&self, at_once: bool) {
        self.ask("evm_setAutomine", serde_json::json!([at_once])).await;
        if at_once {
            self.ask("evm_mine", serde_json::json!([])).await;
        }
    }

    /// Asks the chain itself; fails the test where it refuses.
    pub(crate) async fn ask(&self, method: &str, params: serde_json::Value) -> serde_json::Value {
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = reqwest::Client::new().post(&self.url).json(&body).send().await.unwrap();
        let mut answer: serde_json::Value = answer.json().await.unwrap();
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// Waits until it does not only listen, but answers.
fn wait_for_answer(port: u16) {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let ask = || -> std::io::Result<bool> {
        let mut line = TcpStream::connect(("127.0.0.1", port))?;
        line.write_all(request.as_bytes())?;
        let mut answer = String::new();
        line.read_to_string(&mut answer)?;
        Ok(answer.contains("\"result\""))
    };
    let end = Instant::now() + Duration::from_secs(60);
    while !ask().unwrap_or(false) {
        assert!(Instant::now() < end, "the chain on port {port} does not answer");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The platform package's binary itself: the wrapper script of npm leaves the real process behind when it is killed.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("BRIZO_ANVIL") {
        return path.into();
    }
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let path =
        crate::guests::repository(&format!("contracts/node_modules/@foundry-rs/anvil-{os}-{arch}/bin/anvil"));
    assert!(path.exists(), "{} is not there; run `cargo xtask tools`", path.display());
    path
}
