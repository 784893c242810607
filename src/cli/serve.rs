//! `brizo serve`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::Exit;
use crate::app;

/// Serve data sets: HTTP API, worker, chain listener and settlement, in one process.
///
/// Ends on SIGTERM or Ctrl-C; jobs that run then go back to the queue and start again next time. Killing it hard loses
/// nothing either: what was committed is settled after the next start.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Configuration file (`brizo config example` prints one).
    #[arg(long, default_value = "brizo.toml")]
    config: PathBuf,
}

impl Serve {
    pub(super) async fn run(self) -> Result<Exit> {
        crate::failpoint::check().map_err(anyhow::Error::msg)?;
        let parts = app::open_to_serve(&self.config)?;
        let traces = crate::telemetry::traces(&parts.config.telemetry).map_err(anyhow::Error::msg)?;
        let served = app::serve(parts).await;
        if let Some(traces) = traces {
            traces.end().await;
        }
        served.map(|()| Exit::OK)
    }
}
