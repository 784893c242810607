//! Logs: one line per event on standard error, for people or as JSON. Never a key, a nonce, a payload or an output.

mod otlp;
mod traces;

use tracing_subscriber::EnvFilter;

pub use traces::{Traces, traces, try_collector};

/// Spans that hold the whole URL of a node, with the key in it, below their warnings; no level may show them.
const NODES: [&str; 1] = ["alloy_transport_http=warn"];

/// Starts logging. `RUST_LOG` overrides the level; `BRIZO_LOG=json` writes JSON lines.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("brizo=info,warn"));
    let filter = NODES.iter().filter_map(|quiet| quiet.parse().ok()).fold(filter, EnvFilter::add_directive);
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let builder = builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // Starting twice (in tests) is no error: the first one counts.
    let _ = match std::env::var("BRIZO_LOG").as_deref() {
        Ok("json") => builder.json().try_init(),
        _ => builder.try_init(),
    };
}
