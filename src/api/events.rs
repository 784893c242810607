//! `GET /api/v1/jobs/{id}/events` and `…/logs`: what happens to a job, and what it said, as they come (server-sent events).
//!
//! Logs are outputs: the policy decides about them when the run is over, so following them means being told of the job's
//! states until then, and then of the logs.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use brizo_receipt::{Address, EntryKind};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, Sender};
use utoipa::IntoParams;

use super::ApiState;
use super::access::authorize;
use super::auth::Caller;
use super::followed::{Hub, Stream as Log};
use super::outputs::{check_granted, outputs};
use super::problem::Problem;
use super::ranged::verified;
use super::schema::{ServerEvent, Status};
use crate::job::Right;
use crate::store::{JobRow, OutputRow};

/// Events that wait for a slow reader.
const EVENTS_AHEAD: usize = 2;
/// A comment is sent after this long without an event, so that nobody between takes the connection for dead.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// Bytes of a log in one event.
const LOG_CHUNK_BYTES: usize = 16 << 10;

/// What happens to a job: one `history` event for each line, a `status` event whenever the state changes and at the end.
/// `Last-Event-ID` goes on after a line.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "jobs",
    params(("id" = String, Path, description = "`<agreement id>-<run number>`"), ("Last-Event-ID" = Option<u64>, Header)), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, body = ServerEvent, content_type = "text/event-stream"), Problem))]
pub(super) async fn events(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let job = authorize(&state, caller.address, &id, Right::History).await?;
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
    follow(state, caller.address, job, After { line: after, logs: false })
}

/// Bytes of both streams that are put into one document; larger ones are read as they are.
const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

/// How the logs are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogsQuery {
    #[serde(default)]
    /// 1 or 0.
    follow: Option<String>,
}

/// Standard output and standard error as far as they may leave: as one document, or with `?follow=1` as events.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/logs", tag = "jobs", params(("id" = String, Path, description = "`<agreement id>-<run number>`"), LogsQuery), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, content((Object = "application/json"), (ServerEvent = "text/event-stream"))), Problem))]
pub(super) async fn logs(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    query: Result<Query<LogsQuery>, QueryRejection>,
    caller: Caller,
) -> Result<Response, Problem> {
    let bad = |why: String| Problem::bad_request("bad_query", why).hint("follow is 1 or 0");
    let Query(query) = query.map_err(|e| bad(e.body_text()))?;
    let job = authorize(&state, caller.address, &id, Right::Logs).await?;
    match query.follow.as_deref() {
        None | Some("0" | "false") => {}
        Some("" | "1" | "true") => {
            return Ok(follow(state, caller.address, job, After { line: 0, logs: true })?.into_response());
        }
        Some(other) => return Err(bad(format!("follow is {other:?}"))),
    }
    check_granted(&state, &job).await?;
    let mut answer = json!({ "jobId": job.id });
    let streams = streams(&state, &job).await?;
    let bytes = streams.iter().filter(|output| output.withheld.is_none()).map(|output| output.size);
    if bytes.fold(0u64, u64::saturating_add) > DOCUMENT_BYTES_MAX {
        return Err(Problem::body_too_large(format!(
            "the streams have more than {DOCUMENT_BYTES_MAX} bytes together"
        ))
        .hint("GET …/logs/stdout and …/logs/stderr give them as they are, in parts where asked for"));
    }
    for output in streams {
        answer[&output.path] = match &output.withheld {
            None => {
                let mapped = verified(&state, Some(caller.address), output.digest).await?;
                json!(String::from_utf8_lossy((*mapped).as_ref()))
            }
            // That it is there is no secret; a rule's reason can quote its size.
            Some(_) => json!({ "withheld": true }),
        };
    }
    Ok(Json(answer).into_response())
}

async fn streams(state: &ApiState, job: &JobRow) -> Result<Vec<OutputRow>, Problem> {
    let outputs = outputs(state, job).await?;
    Ok(outputs.into_iter().filter(|output| output.kind == EntryKind::Stream).collect())
}

/// Where following begins, and whether it ends with the logs.
#[derive(Debug, Clone, Copy)]
struct After {
    line: u64,
    logs: bool,
}

type Events = Sender<Result<Event, Infallible>>;

fn follow(
    state: ApiState,
    caller: Address,
    job: JobRow,
    after: After,
) -> Result<Sse<axum::response::sse::KeepAliveStream<impl Stream<Item = Result<Event, Infallible>>>>, Problem>
{
    let place = state.shared.followers.take(caller)?;
    let hub = state.shared.pulse.follow(&state, &job);
    if after.logs {
        hub.want_logs();
    }
    let (sender, receiver) = mpsc::channel(EVENTS_AHEAD);
    tokio::spawn(async move {
        let _place = place;
        let mut stop = state.shared.pulse.stop();
        let told = tokio::select! {
            told = tell(&hub, after, &sender) => told,
            () = sender.closed() => Ok(()),
            _ = stop.wait_for(|stop| *stop) => Ok(()),
        };
        if let Err(problem) = told {
            // The head of the answer is sent, so the problem is the last event.
            let _ = sender.send(Ok(event("problem", &problem))).await;
        }
    });
    let events = stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await?;
        Some((event, receiver))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

/// Tells until the job is over, or the reader has gone. Fails with the document of a problem.
async fn tell(hub: &Hub, after: After, to: &Events) -> Result<(), Value> {
    let mut changes = hub.watch();
    let (mut line, mut told) = (after.line, None);
    loop {
        let seen = changes.borrow_and_update().clone();
        if let Some(seen) = seen {
            for (number, happened) in seen.lines.iter().filter(|(number, _)| *number > line) {
                let event = event("history", &json!(happened)).id(number.to_string());
                if !after.logs && to.send(Ok(event)).await.is_err() {
                    return Ok(());
                }
            }
            line = seen.lines.last().map_or(line, |last| line.max(last.0));
            if told != Some(seen.job.state) {
                told = Some(seen.job.state);
                if to.send(Ok(event("status", &json!(Status::of(&seen.job))))).await.is_err() {
                    return Ok(());
                }
            }
            if let Some(problem) = &seen.problem {
                return Err(problem.clone());
            }
            let over = match (after.logs, &seen.logs) {
                (false, _) => seen.job.state.is_final(),
                (true, None) => false,
                (true, Some(Err(problem))) => return Err(problem.clone()),
                (true, Some(Ok(logs))) => tell_logs(logs, to).await,
            };
            if over {
                let _ = to.send(Ok(event("end", &json!({ "state": seen.job.state.word() })))).await;
                return Ok(());
            }
        }
        if to.is_closed() || changes.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// The logs in pieces; whether anybody took them.
async fn tell_logs(logs: &[Log], to: &Events) -> bool {
    for log in logs {
        let Some(bytes) = &log.bytes else {
            let _ = to.send(Ok(event("withheld", &json!({ "stream": log.name })))).await;
            continue;
        };
        let (bytes, mut at) = ((**bytes).as_ref(), 0);
        while at < bytes.len() {
            let end = cut(bytes, at);
            let text = String::from_utf8_lossy(&bytes[at..end]);
            let data = json!({ "stream": log.name, "from": at, "text": text });
            if to.send(Ok(event("log", &data))).await.is_err() {
                return false;
            }
            at = end;
        }
    }
    true
}

/// The end of a piece that begins at `at`: not within a character, where the text is UTF-8.
fn cut(bytes: &[u8], at: usize) -> usize {
    let end = bytes.len().min(at + LOG_CHUNK_BYTES);
    let begins_character = |end: &usize| bytes.get(*end).is_none_or(|byte| byte & 0xc0 != 0x80);
    (end.saturating_sub(3).max(at + 1)..=end).rev().find(begins_character).unwrap_or(end)
}

fn event(name: &str, data: &Value) -> Event {
    // JSON in one line: the escapes of JSON leave no line break in it.
    Event::default().event(name).data(data.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_log_split_no_character() {
        let text = "ä€😀".repeat(10_000);
        let bytes = text.as_bytes();
        let (mut at, mut found) = (0, String::new());
        while at < bytes.len() {
            let end = cut(bytes, at);
            assert!(end > at && end - at <= LOG_CHUNK_BYTES);
            found += std::str::from_utf8(&bytes[at..end]).unwrap();
            at = end;
        }
        assert_eq!(found, text);
        assert_eq!(cut(&[0x80; 100_000], 5), 5 + LOG_CHUNK_BYTES, "what is no text goes on all the same");
    }
}
