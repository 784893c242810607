//! Downloads of stored bytes: whole or from a place on (RFC 9110 §14), in chunks, so that memory stays flat whatever their size.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use brizo_receipt::{Address, B256};
use futures_util::stream;

use super::ApiState;
use super::problem::Problem;
use super::shares::Shares;
use crate::data::{BlobStore, Error as DataError, Mapped};

/// What is read of the file at a time.
const CHUNK_BYTES: u64 = 256 << 10;

/// A stored blob, in memory, for this caller or for all who follow something. All of it is verified each time, so few are read
/// at the same time: the processors are for runs.
pub(super) async fn verified(
    state: &ApiState,
    who: Option<Address>,
    digest: B256,
) -> Result<Mapped, Problem> {
    reading(&state.shared.readers, who, &state.blobs, move |blobs| blobs.map(digest)).await
}

async fn reading<T: Send + 'static>(
    places: &Shares,
    who: Option<Address>,
    blobs: &BlobStore,
    read: impl FnOnce(BlobStore) -> Result<T, DataError> + Send + 'static,
) -> Result<T, Problem> {
    let place = places.wait(who).await?;
    let blobs = blobs.clone();
    let verify = move || {
        // Held here, because a caller who hangs up ends the request and not this.
        let _place = place;
        read(blobs)
    };
    Ok(tokio::task::spawn_blocking(verify).await??)
}

/// What is served.
pub(super) struct Download {
    /// To whom.
    pub(super) who: Address,
    pub(super) digest: B256,
    pub(super) kind: &'static str,
}

impl Download {
    /// The answer to a request with these headers.
    pub(super) async fn answer(self, state: &ApiState, headers: &HeaderMap) -> Result<Response, Problem> {
        let tag = Tag::of(self.digest);
        if let Some(known) = tag.known(headers) {
            return Ok(known);
        }
        let (who, digest) = (Some(self.who), self.digest);
        let open = move |blobs: BlobStore| blobs.open_verified(digest);
        let file = reading(&state.shared.readers, who, &state.blobs, open).await?;
        let asked = match tag.asked(headers, file.length()) {
            Ok(asked) => asked,
            Err(outside) => return Ok(outside.into_response()),
        };
        let read = move |from, to| file.read(from, to);
        Ok(tag.answer(asked, self.kind, "attachment", body(asked.from, asked.to, read)))
    }
}

/// What is downloaded, by its ETag.
pub(super) struct Tag(String);

/// Which bytes of it are sent, and how many it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) from: u64,
    /// The first one after them.
    pub(super) to: u64,
    length: u64,
    is_part: bool,
}

/// A range that has none of the bytes.
#[derive(Debug)]
pub(super) struct Outside {
    length: u64,
}

impl IntoResponse for Outside {
    fn into_response(self) -> Response {
        let length = self.length;
        let why = format!("there are {length} bytes, the range has none of them");
        let problem = Problem::range_not_satisfiable(why).hint("Content-Range says how many there are");
        let mut response = problem.into_response();
        response.headers_mut().insert(header::CONTENT_RANGE, text(&format!("bytes */{length}")));
        response
    }
}

impl Tag {
    /// For what has this digest, or is named by it as well as by one of its own.
    pub(super) fn of(digest: B256) -> Self {
        Self(format!("\"{}\"", hex::encode(digest)))
    }

    /// The answer to somebody who has it already.
    pub(super) fn known(&self, headers: &HeaderMap) -> Option<Response> {
        let etag = [(header::ETAG, self.0.clone())];
        matches(headers.get(header::IF_NONE_MATCH), &self.0)
            .then(|| (StatusCode::NOT_MODIFIED, etag).into_response())
    }

    /// What a request with these headers asks for.
    pub(super) fn asked(&self, headers: &HeaderMap, length: u64) -> Result<Asked, Outside> {
        // A range is of what the caller has the beginning of; if that is something else, they get the whole.
        let same = headers.get(header::IF_RANGE).is_none_or(|given| given.as_bytes() == self.0.as_bytes());
        let range = headers.get(header::RANGE).filter(|_| same).and_then(|value| value.to_str().ok());
        match range.map_or(Part::Whole, |range| Part::parse(range, length)) {
            Part::Whole => Ok(Asked { from: 0, to: length, length, is_part: false }),
            Part::Some { from, to } => Ok(Asked { from, to, length, is_part: true }),
            Part::Outside => Err(Outside { length }),
        }
    }

    /// The answer with these bytes.
    pub(super) fn answer(self, asked: Asked, kind: &'static str, disposition: &str, body: Body) -> Response {
        let Asked { from, to, length, is_part } = asked;
        let status = if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let mut response = (status, body).into_response();
        let answer = response.headers_mut();
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        answer.insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
        answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        answer.insert(header::ETAG, text(&self.0));
        // An output is a stranger's file: nobody's browser may take it for a page of this site.
        answer.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer.insert(header::CONTENT_DISPOSITION, text(disposition));
        if is_part {
            answer.insert(header::CONTENT_RANGE, text(&format!("bytes {from}-{}/{length}", to - 1)));
        }
        response
    }
}

fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

fn matches(given: Option<&HeaderValue>, etag: &str) -> bool {
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == etag)
}

/// Which bytes are asked for; `to` is the first one after them.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Some { from: u64, to: u64 },
    Outside,
}

impl Part {
    /// One range of bytes. Several, and what is no range, count as none: RFC 9110 lets a server answer with the whole.
    fn parse(text: &str, length: u64) -> Self {
        let Some((from, to)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Self::Whole;
        };
        let number = |digits: &str| -> Option<Option<u64>> {
            match digits {
                "" => Some(None),
                // A number that does not fit lies behind every end.
                _ if digits.bytes().all(|b| b.is_ascii_digit()) => {
                    Some(Some(digits.parse().unwrap_or(u64::MAX)))
                }
                _ => None,
            }
        };
        match (number(from.trim()), number(to.trim())) {
            (Some(Some(from)), Some(to)) => {
                let last = to.unwrap_or(u64::MAX);
                if last < from {
                    Self::Whole
                } else if from >= length {
                    Self::Outside
                } else {
                    Self::Some { from, to: last.saturating_add(1).min(length) }
                }
            }
            (Some(None), Some(Some(0))) => Self::Outside,
            (Some(None), Some(Some(_))) if length == 0 => Self::Outside,
            (Some(None), Some(Some(last))) => Self::Some { from: length.saturating_sub(last), to: length },
            _ => Self::Whole,
        }
    }
}

/// Mapped bytes as a body.
pub(super) fn mapped_body(mapped: Mapped) -> Body {
    let length = (*mapped).as_ref().len() as u64;
    body(0, length, move |from, to| Ok((*mapped).as_ref()[from as usize..to as usize].to_vec()))
}

/// Bytes from one place to another, in chunks: a slow reader holds one of them. Reading may wait for the disk, so it is not done on
/// the threads of the server.
fn body(
    from: u64,
    to: u64,
    read: impl Fn(u64, u64) -> std::io::Result<Vec<u8>> + Clone + Send + 'static,
) -> Body {
    Body::from_stream(stream::unfold(from, move |at| {
        let read = read.clone();
        async move {
            if at >= to {
                return None;
            }
            let end = to.min(at + CHUNK_BYTES);
            let chunk = tokio::task::spawn_blocking(move || read(at, end)).await;
            Some((chunk.map_err(std::io::Error::other).flatten().map(Bytes::from), end))
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readers_wait_for_a_place_and_give_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        let (digest, _) = blobs.put(&b"penguins"[..]).unwrap();
        let places = Shares::new(4, 2);
        let somebody = |number| places.now(Address::repeat_byte(number)).unwrap();
        let mut held: Vec<_> = (0..4).map(somebody).collect();
        let read =
            |digest| reading(&places, Some(Address::repeat_byte(9)), &blobs, move |blobs| blobs.map(digest));
        let mut fifth = std::pin::pin!(read(digest));
        let waits =
            std::future::poll_fn(|context| std::task::Poll::Ready(fifth.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        drop(held.pop());
        assert_eq!((*fifth.await.unwrap()).as_ref(), b"penguins");
        // Also when there is nothing to read.
        let missing = read(B256::ZERO).await.err().map(|problem| problem.code());
        assert!(missing.is_some(), "{missing:?}");
        held.push(somebody(9));
        assert!(places.now(Address::repeat_byte(10)).is_none(), "there are four");
    }

    #[test]
    fn ranges_are_those_of_the_standard() {
        let some = |from, to| Part::Some { from, to };
        for (text, part) in [
            ("bytes=0-0", some(0, 1)),
            ("bytes=2-", some(2, 10)),
            ("bytes=2-100", some(2, 10)),
            ("bytes=-3", some(7, 10)),
            ("bytes=-100", some(0, 10)),
            ("bytes=9-9", some(9, 10)),
            ("bytes=10-", Part::Outside),
            ("bytes=99999999999999999999-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=0-18446744073709551615", some(0, 10)),
            ("bytes=3-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("lines=0-1", Part::Whole),
        ] {
            assert_eq!(Part::parse(text, 10), part, "{text}");
        }
        assert_eq!(Part::parse("bytes=-1", 0), Part::Outside);
        assert_eq!(Part::parse("bytes=0-", 0), Part::Outside);
    }
}
