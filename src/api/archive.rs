//! `GET /api/v1/jobs/{id}/archive?format=zip|tar`: every output that may leave, in one download.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use brizo_receipt::EntryKind;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::access::authorize;
use super::auth::Caller;
use super::outputs::{check_granted, outputs};
use super::problem::Problem;
use super::ranged::Tag;
use super::shares::Share;
use crate::data::{BlobStore, Entry, Item, Plan, zip};
use crate::ids::JobId;
use crate::job::Right;
use crate::store::OutputRow;

/// Chunks that wait for a slow reader.
const CHUNKS_AHEAD: usize = 4;
/// Bytes of a chunk: smaller writes are put together.
const CHUNK_BYTES: usize = 256 << 10;
/// How long a reader may take nothing: their place is then somebody else's.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which archive.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    #[serde(default)]
    #[param(inline, required = false)]
    format: WantedFormat,
}

#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WantedFormat {
    #[default]
    Zip,
    Tar,
}

/// Every file and folder that may leave, in one download; as tar also from a place on.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/archive", tag = "jobs",
    params(("id" = String, Path, description = "`<agreement id>-<run number>`"), Wanted, ("Range" = Option<String>, Header, description = "of a tar")), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, content((Vec<u8> = "application/zip"), (Vec<u8> = "application/x-tar"))), (status = 206), (status = 304), Problem))]
pub(super) async fn archive(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    query: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
    caller: Caller,
) -> Result<Response, Problem> {
    let Query(wanted) =
        query.map_err(|e| Problem::bad_request("bad_query", e.body_text()).hint("format is zip or tar"))?;
    let job = authorize(&state, caller.address, &id, Right::Outputs).await?;
    check_granted(&state, &job).await?;
    let outputs: Vec<_> = outputs(&state, &job)
        .await?
        .into_iter()
        .filter(|output| output.withheld.is_none() && output.kind != EntryKind::Stream)
        .collect();
    let (job, blobs) = (job.id, state.blobs.clone());
    match wanted.format {
        WantedFormat::Zip => {
            let write = move |pipe: &mut Pipe| zip(pipe, outputs.iter().map(|output| item(&blobs, output)));
            // Its list is at its end and counts what was written: there is no part of it without the whole.
            let head = [
                (header::CONTENT_TYPE, "application/zip".into()),
                (header::ACCEPT_RANGES, "none".into()),
                (header::CONTENT_DISPOSITION, disposition(job, "zip")),
            ];
            Ok((head, streamed(place(&state, &caller)?, job, write)).into_response())
        }
        WantedFormat::Tar => {
            let entries = outputs.iter().map(entry);
            let plan = Plan::new(entries)
                .map_err(|e| Problem::internal("the archive cannot be planned", &e.into()))?;
            let tag = Tag::of(plan.digest());
            if let Some(known) = tag.known(&headers) {
                return Ok(known);
            }
            let asked = match tag.asked(&headers, plan.length()) {
                Ok(asked) => asked,
                Err(outside) => return Ok(outside.into_response()),
            };
            let open = move |digest| blobs.open_verified(digest).map_err(io::Error::other);
            let write = move |pipe: &mut Pipe| plan.write(asked.from..asked.to, pipe, open);
            let body = streamed(place(&state, &caller)?, job, write);
            Ok(tag.answer(asked, "application/x-tar", &disposition(job, "tar"), body))
        }
    }
}

fn place(state: &ApiState, caller: &Caller) -> Result<Share, Problem> {
    state.shared.archives.now(caller.address).ok_or_else(|| {
        Problem::busy("all places for archives are taken, or all of yours")
            .hint("try again, or download the files one by one")
    })
}

fn disposition(job: JobId, ending: &str) -> String {
    format!("attachment; filename=\"{job}.{ending}\"")
}

/// A body that is written on a thread of its own, which holds the place until it is done.
fn streamed(
    place: Share,
    job: JobId,
    write: impl FnOnce(&mut Pipe) -> io::Result<()> + Send + 'static,
) -> Body {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut pipe = Pipe { sender, chunk: Vec::with_capacity(CHUNK_BYTES) };
        let ended = write(&mut pipe).and_then(|()| pipe.flush());
        if ended.is_ok() {
            // An empty chunk says that this is all; a body that ends without it has been broken off.
            let end = tokio::time::timeout(PATIENCE, pipe.sender.send(Ok(Bytes::new())));
            let _ = tokio::runtime::Handle::current().block_on(end);
        }
        if let Err(error) = ended {
            // The head of the answer is sent: breaking off is how the reader learns of it. A reader who has gone is no error.
            tracing::warn!(%job, %error, "an archive was not finished");
            let _ = pipe.sender.try_send(Err(error));
        }
    });
    Body::from_stream(stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Ok(end)) if end.is_empty() => None,
            Some(chunk) => Some((chunk, Some(receiver))),
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
        }
    }))
}

fn item(blobs: &BlobStore, output: &OutputRow) -> io::Result<Item> {
    let bytes = match output.kind {
        EntryKind::Directory => None,
        _ => Some(blobs.open_verified(output.digest).map_err(io::Error::other)?),
    };
    Ok(Item { path: output.path.clone(), bytes })
}

fn entry(output: &OutputRow) -> Entry {
    let content = (output.kind != EntryKind::Directory).then_some((output.size, output.digest));
    Entry { path: output.path.clone(), content }
}

/// The writing end of a body.
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    chunk: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        let sent = tokio::time::timeout(PATIENCE, self.sender.send(Ok(chunk.into())));
        match tokio::runtime::Handle::current().block_on(sent) {
            Ok(sent) => sent.map_err(|_| io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
