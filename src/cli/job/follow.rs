//! Watching a job: progress, status, logs.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::file::Saved;
use super::prepare::Session;
use crate::cli::Exit;
use crate::cli::format::{Format, print_bytes, print_text};
use crate::client::Error as ClientError;
use crate::clock::time_text;
use crate::job::State;

const PAUSE: Duration = Duration::from_millis(200);
/// How often, and at which distance, a provider that does not answer is asked again.
const AWAY_MAX: u32 = 60;
const AWAY_PAUSE: Duration = Duration::from_secs(1);

/// Waits until nothing will happen to the job any more; returns its status document.
pub(super) async fn wait(session: &Session, saved: &Saved) -> Result<Value> {
    let path = format!("/api/v1/jobs/{}", saved.job_id());
    let bar = session.bar(None);
    bar.enable_steady_tick(Duration::from_millis(100));
    let (mut shown, mut away) = (String::new(), 0);
    loop {
        let status = match session.client.get_json(&path).await {
            Err(ClientError::Unreachable { .. }) if away < AWAY_MAX => {
                if away == 0 {
                    bar.suspend(|| {
                        session.step("waiting", "the provider does not answer; trying again for a minute")
                    });
                }
                away += 1;
                tokio::time::sleep(AWAY_PAUSE).await;
                continue;
            }
            Err(error @ ClientError::Unreachable { .. }) => {
                return Err(anyhow::Error::from(error)
                    .context("the job goes on at the provider; run the same command again to fetch it"));
            }
            other => other.map_err(|error| of_job(session, error))?,
        };
        away = 0;
        let text = status["statusText"].as_str().unwrap_or_default().to_string();
        if text != shown {
            bar.suspend(|| session.step("status", &text));
            bar.set_message(harmless(&text));
            shown = text;
        }
        let state = status["state"].as_str().and_then(State::from_word);
        if state.is_some_and(State::is_final) {
            bar.finish_and_clear();
            return Ok(status);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What an error means for who has a job file in hand.
pub(super) fn of_job(session: &Session, error: ClientError) -> anyhow::Error {
    let has_none = error.code() == Some("job_not_found");
    let error = anyhow::Error::from(error);
    if !has_none {
        return error;
    }
    error.context(format!(
        "the provider has no job of this job file: none was ordered yet, it was deleted, or another key ordered it; \
         `brizo job run {}` orders it or says what is wrong",
        session.file.path.display()
    ))
}

pub(super) async fn print_status(session: &Session, saved: &Saved, format: Format) -> Result<Exit> {
    let asked = session.client.get_json(&format!("/api/v1/jobs/{}", saved.job_id())).await;
    let status = asked.map_err(|error| of_job(session, error))?;
    format.print(&status, || {
        let lines = status
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null() && !value.is_object());
        let text = |key: &str, value: &Value| match value.as_u64().filter(|_| key.starts_with("date")) {
            Some(seconds) => time_text(seconds),
            None => value.to_string().trim_matches('"').to_owned(),
        };
        lines.map(|(key, value)| format!("{key:<14} {}\n", text(key, value))).collect()
    })?;
    Ok(Exit::OK)
}

/// Text without the control characters by which a log could take over a terminal.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

pub(super) async fn print_logs(session: &Session, saved: &Saved) -> Result<Exit> {
    let asked = session.client.get_long_json(&format!("/api/v1/jobs/{}/logs", saved.job_id())).await;
    let logs = asked.map_err(|error| of_job(session, error))?;
    for stream in ["stdout", "stderr"] {
        match &logs[stream] {
            Value::String(text) if stream == "stdout" => print_text(&harmless(text))?,
            Value::String(text) => print_bytes(&mut std::io::stderr().lock(), harmless(text).as_bytes())?,
            _ => eprintln!("[{stream} is withheld by the data owner's policy]"),
        }
    }
    Ok(Exit::OK)
}
