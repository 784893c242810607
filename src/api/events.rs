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
use brizo_receipt::EntryKind;
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, Sender};
use utoipa::IntoParams;

use super::ApiState;
use super::access::authorize;
use super::auth::Caller;
use super::follow;
use super::outputs::{check_granted, outputs};
use super::problem::Problem;
use super::ranged::verified;
use super::schema::{ServerEvent, Status};
use crate::job::Right;
use crate::store::{JobRow, OutputRow};

/// Events that wait for a slow reader.
const EVENTS_AHEAD: usize = 8;
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
    follow(state, job, After { line: after, logs: false })
}

/// How the logs are wanted.
/// Bytes of both streams that are put into one document; larger ones are read as they are.
const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

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
            return Ok(follow(state, job, After { line: 0, logs: true })?.into_response());
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
                let mapped = verified(&state, output.digest).await?;
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
    job: JobRow,
    after: After,
) -> Result<Sse<axum::response::sse::KeepAliveStream<impl Stream<Item = Result<Event, Infallible>>>>, Problem>
{
    let place = follow::place(&state)?;
    let (sender, receiver) = mpsc::channel(EVENTS_AHEAD);
    tokio::spawn(async move {
        let _place = place;
        let mut stop = state.shared.pulse.stop();
        let told = tokio::select! {
            told = tell(&state, job, after, &sender) => told,
            () = sender.closed() => Ok(()),
            _ = stop.wait_for(|stop| *stop) => Ok(()),
        };
        if let Err(problem) = told {
            // The head of the answer is sent, so the problem is the last event.
            let _ = sender.send(Ok(event("problem", &problem.document()))).await;
        }
    });
    let events = stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await?;
        Some((event, receiver))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

/// Tells until the job is over, or the reader has gone.
async fn tell(state: &ApiState, mut job: JobRow, after: After, to: &Events) -> Result<(), Problem> {
    let mut changes = state.shared.pulse.subscribe(state, job.id);
    let (mut line, mut told) = (after.line, None);
    loop {
        let id = job.id;
        // The state is read first: its line is then among those that are read after it.
        let (now, lines) =
            state.store.with(move |store| Ok((store.job(id)?, store.history_after(id, line)?))).await?;
        job = now.unwrap_or(job);
        for (number, happened) in lines {
            line = number;
            let event = event("history", &json!(happened)).id(number.to_string());
            if !after.logs && to.send(Ok(event)).await.is_err() {
                return Ok(());
            }
        }
        if told != Some(job.state) {
            told = Some(job.state);
            if to.send(Ok(event("status", &json!(Status::of(&job))))).await.is_err() {
                return Ok(());
            }
        }
        if after.logs && job.state.has_claim() && check_granted(state, &job).await.is_ok() {
            return tell_logs(state, &job, to).await;
        }
        if job.state.is_final() {
            if after.logs {
                check_granted(state, &job).await?;
            }
            let _ = to.send(Ok(event("end", &json!({ "state": job.state.word() })))).await;
            return Ok(());
        }
        if changes.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// The logs in pieces, and the end.
async fn tell_logs(state: &ApiState, job: &JobRow, to: &Events) -> Result<(), Problem> {
    for output in streams(state, job).await? {
        if output.withheld.is_some() {
            let _ = to.send(Ok(event("withheld", &json!({ "stream": output.path })))).await;
            continue;
        }
        let (blobs, digest) = (state.blobs.clone(), output.digest);
        let mapped = tokio::task::spawn_blocking(move || blobs.map(digest)).await??;
        let bytes = (*mapped).as_ref();
        let mut at = 0;
        while at < bytes.len() {
            let end = cut(bytes, at);
            let text = String::from_utf8_lossy(&bytes[at..end]);
            let data = json!({ "stream": output.path, "from": at, "text": text });
            if to.send(Ok(event("log", &data))).await.is_err() {
                return Ok(());
            }
            at = end;
        }
    }
    let _ = to.send(Ok(event("end", &json!({ "state": job.state.word() })))).await;
    Ok(())
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
