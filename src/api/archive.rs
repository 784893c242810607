//! `GET /api/v1/jobs/{id}/archive?format=zip|tar`: every output that may leave, in one download.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse;
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
use crate::data::{BlobStore, Format, Item, collect};
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

/// Every file and folder that may leave, in one download.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/archive", tag = "jobs", params(("id" = String, Path, description = "`<agreement id>-<run number>`"), Wanted), security(("signed" = []), ("signedIn" = [])),
    responses((status = 200, content((Vec<u8> = "application/zip"), (Vec<u8> = "application/x-tar"))), Problem))]
pub(super) async fn archive(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    query: Result<Query<Wanted>, QueryRejection>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    let Query(wanted) =
        query.map_err(|e| Problem::bad_request("bad_query", e.body_text()).hint("format is zip or tar"))?;
    let job = authorize(&state, caller.address, &id, Right::Outputs).await?;
    check_granted(&state, &job).await?;
    let outputs: Vec<_> = outputs(&state, &job)
        .await?
        .into_iter()
        .filter(|output| output.withheld.is_none() && output.kind != EntryKind::Stream)
        .collect();
    let place = state.shared.archives.now(caller.address).ok_or_else(|| {
        Problem::busy("all places for archives are taken, or all of yours")
            .hint("try again, or download the files one by one")
    })?;
    let (format, kind, ending) = match wanted.format {
        WantedFormat::Zip => (Format::Zip, "application/zip", "zip"),
        WantedFormat::Tar => (Format::Tar, "application/x-tar", "tar"),
    };
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let blobs = state.blobs.clone();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut pipe = Pipe { sender, chunk: Vec::with_capacity(CHUNK_BYTES) };
        let items = outputs.iter().map(|output| item(&blobs, output));
        let ended = collect(format, &mut pipe, items).and_then(|()| pipe.flush());
        if ended.is_ok() {
            // An empty chunk says that this is all; a body that ends without it has been broken off.
            let end = tokio::time::timeout(PATIENCE, pipe.sender.send(Ok(Bytes::new())));
            let _ = tokio::runtime::Handle::current().block_on(end);
        }
        if let Err(error) = ended {
            // The head of the answer is sent: breaking off is how the reader learns of it. A reader who has gone is no error.
            tracing::warn!(job = %job.id, %error, "an archive was not finished");
            let _ = pipe.sender.try_send(Err(error));
        }
    });
    let body = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Ok(end)) if end.is_empty() => None,
            Some(chunk) => Some((chunk, Some(receiver))),
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
        }
    });
    let name = format!("attachment; filename=\"{}.{ending}\"", job.id);
    Ok((
        [(header::CONTENT_TYPE, kind.to_string()), (header::CONTENT_DISPOSITION, name)],
        Body::from_stream(body),
    ))
}

fn item(blobs: &BlobStore, output: &OutputRow) -> io::Result<Item> {
    let bytes = match output.kind {
        EntryKind::Directory => None,
        _ => Some(blobs.open_verified(output.digest).map_err(io::Error::other)?),
    };
    Ok(Item { path: output.path.clone(), bytes })
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
