//! Traces for OpenTelemetry: spans of jobs and of requests, said from anywhere like log lines. While nobody collects
//! them a span is nothing. Attributes are ids, numbers and words of ours: never a parameter, a payload or a path.
//!
//! The ids of a job's trace and of its first span follow from the job's id. So everything that is done for a job stands in
//! one trace, whichever process does it, and no row has to carry an id.

use std::borrow::Cow;
use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::clock::wall_time;
use crate::ids::JobId;
use crate::metrics;

/// Spans that may wait for the collector; more are dropped and counted.
pub const WAITING_MAX: usize = 2_048;
/// Part of these places, one in so many, that is kept for jobs: requests come from anybody and in any number.
const KEPT_FOR_JOBS: usize = 4;

static TRACER: OnceLock<Tracer> = OnceLock::new();

tokio::task_local! {
    static REQUEST: Place;
}

/// Where a span hangs: a trace and a span in it (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The trace.
    pub trace: [u8; 16],
    /// The span.
    pub span: [u8; 8],
    /// Whether whoever made it keeps the trace.
    pub sampled: bool,
}

impl Place {
    /// The first span of a job.
    #[must_use]
    pub fn of_job(id: JobId) -> Self {
        let derived = blake3::derive_key("brizo 2026-11-21 trace of a job", id.to_string().as_bytes());
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&derived[..16]);
        span.copy_from_slice(&derived[16..24]);
        Self { trace, span, sampled: true }
    }

    /// What a `traceparent` header says: version 00, and later ones as far as they begin like it.
    #[must_use]
    pub fn of_header(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(5, '-');
        let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let more = parts.next().is_some();
        if version == "ff" || (version == "00" && more) {
            return None;
        }
        let [_] = lower_hex::<1>(version)?;
        let [flags] = lower_hex(flags)?;
        let place = Self { trace: lower_hex(trace)?, span: lower_hex(span)?, sampled: flags & 1 == 1 };
        (place.trace != [0; 16] && place.span != [0; 8]).then_some(place)
    }
}

fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let lower = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// What is told of a span.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its trace and itself.
    pub place: Place,
    /// The span above it.
    pub parent: Option<[u8; 8]>,
    /// Whether that one is somebody else's.
    pub parent_is_remote: bool,
    /// Whether it answers a request; otherwise it is work of the provider's own.
    pub of_request: bool,
    /// What was done.
    pub name: Cow<'static, str>,
    /// When it began, by the system's clock.
    pub began: SystemTime,
    /// How long it took, by a clock that nobody sets.
    pub took: Duration,
    /// Facts about it.
    pub attributes: Vec<(&'static str, Value)>,
    /// A span of another trace that brought it.
    pub link: Option<Place>,
    /// Why it failed, in a word.
    pub failed: Option<&'static str>,
}

/// Says where spans go, and which share of the traces is kept.
#[derive(Debug)]
struct Tracer {
    queue: Sender<Ended>,
    ratio: f64,
}

impl Tracer {
    fn new(ratio: f64, waiting_max: usize) -> (Self, Receiver<Ended>) {
        let (queue, spans) = channel(waiting_max.max(1));
        (Self { queue, ratio }, spans)
    }

    /// Whether a trace is among those that are kept. It depends on nothing but its id, so all who ask agree.
    fn keeps(&self, trace: [u8; 16]) -> bool {
        let [.., a, b, c, d, e, f, g, h] = trace;
        // 53 bits: what a float can hold.
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 11;
        (number as f64) < self.ratio * (1u64 << 53) as f64
    }

    fn span_of_job(&self, id: JobId, name: &'static str, first: bool) -> Span {
        let root = Place::of_job(id);
        if !self.keeps(root.trace) {
            return Span(None);
        }
        let (place, parent) = match first {
            true => (root, None),
            false => (Place { span: random(), ..root }, Some(root.span)),
        };
        let mut span = self.begin(name.into(), false, place, parent);
        span.set("brizo.job", id.to_string());
        span.set("brizo.agreement", id.agreement.to_string());
        span
    }

    fn span_of_request(&self, name: String, caller: Option<Place>) -> Span {
        let place = match caller {
            // The caller has decided; the rates and the share of the queue bound what that can cost.
            Some(caller) => Place { span: random(), ..caller },
            None => {
                let trace = random();
                Place { trace, span: random(), sampled: self.keeps(trace) }
            }
        };
        if !place.sampled {
            return Span(None);
        }
        self.begin(name.into(), true, place, caller.map(|caller| caller.span))
    }

    fn begin(
        &self,
        name: Cow<'static, str>,
        of_request: bool,
        place: Place,
        parent: Option<[u8; 8]>,
    ) -> Span {
        let span = Ended {
            place,
            parent,
            parent_is_remote: of_request && parent.is_some(),
            of_request,
            name,
            began: wall_time(),
            took: Duration::ZERO,
            attributes: Vec::new(),
            link: None,
            failed: None,
        };
        Span(Some(Box::new(Open { span, began: Instant::now(), queue: self.queue.clone() })))
    }
}

#[derive(Debug)]
struct Open {
    span: Ended,
    began: Instant,
    queue: Sender<Ended>,
}

/// Something that takes time. It is told when it is ended, and not at all when it is dropped.
#[derive(Debug)]
#[must_use = "a span that is not ended is not told"]
pub struct Span(Option<Box<Open>>);

impl Span {
    /// Adds an attribute.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.0 {
            open.span.attributes.push((key, value.into()));
        }
    }

    /// It went wrong; `why` is a word of ours, because what exactly went wrong may hold what is nobody's business.
    pub fn fail(&mut self, why: &'static str) {
        if let Some(open) = &mut self.0 {
            open.span.failed = Some(why);
        }
    }

    /// Where things hang that belong to it; `None` where it is not kept.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.0.as_ref().map(|open| open.span.place)
    }

    /// It is over.
    pub fn end(self) {
        let Some(open) = self.0 else { return };
        let Open { mut span, began, queue } = *open;
        span.took = began.elapsed();
        let kept = if span.of_request { queue.max_capacity() / KEPT_FOR_JOBS } else { 0 };
        if queue.capacity() <= kept || queue.try_send(span).is_err() {
            metrics::spans("dropped", 1);
        }
    }
}

/// Begins to keep spans of a share of `ratio` of the traces. At most [`WAITING_MAX`] wait in what is given back. `None` when
/// that was done before in this process.
#[must_use]
pub fn open(ratio: f64) -> Option<Receiver<Ended>> {
    let (tracer, spans) = Tracer::new(ratio, WAITING_MAX);
    TRACER.set(tracer).ok().map(|()| spans)
}

/// The first span of a job: its order. It says which request brought it.
pub fn order(id: JobId) -> Span {
    let mut span = TRACER.get().map_or(Span(None), |tracer| tracer.span_of_job(id, "order", true));
    if let Some(open) = &mut span.0 {
        // Outside of a request there is nothing to link to.
        open.span.link = REQUEST.try_with(|request| *request).ok();
    }
    span
}

/// Another span of a job.
pub fn of_job(id: JobId, name: &'static str) -> Span {
    TRACER.get().map_or(Span(None), |tracer| tracer.span_of_job(id, name, false))
}

/// The span of a request, below what its `traceparent` says.
pub fn of_request(method: &str, route: &str, traceparent: Option<&str>) -> Span {
    let Some(tracer) = TRACER.get() else { return Span(None) };
    // A method may be any word; those that there are come from us.
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let method = known.into_iter().find(|known| *known == method).unwrap_or("_OTHER");
    let mut span =
        tracer.span_of_request(format!("{method} {route}"), traceparent.and_then(Place::of_header));
    span.set("http.request.method", method.to_owned());
    span.set("http.route", route.to_owned());
    span
}

/// Does what a request asks for, so that [`order`] can name the request.
pub async fn within<T>(place: Option<Place>, work: impl Future<Output = T>) -> T {
    match place {
        Some(place) => REQUEST.scope(place, work).await,
        None => work.await,
    }
}

/// Random bytes; of no use for secrets, because without a source of randomness they are the time.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        let nanos = wall_time().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_nanos());
        for (byte, other) in bytes.iter_mut().zip(nanos.to_le_bytes()) {
            *byte = other;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "08a429b8529856d59867503f8056903a680935a76950bb9649785cc97869a43d-0";

    #[test]
    fn a_header_is_read_strictly() {
        let place = Place::of_header("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(hex::encode(place.trace), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((hex::encode(place.span), place.sampled), ("b7ad6b7169203331".into(), true));
        let not = Place::of_header("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02").unwrap();
        assert!(!not.sampled);
        // A later version may say more.
        assert!(Place::of_header("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x").is_some());
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-01",
        ] {
            assert_eq!(Place::of_header(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans_of_a_job_share_a_trace_in_every_process() {
        let id: JobId = JOB.parse().unwrap();
        let (one, mut spans) = Tracer::new(1.0, 8);
        let (other, mut later) = Tracer::new(1.0, 8);
        one.span_of_job(id, "order", true).end();
        other.span_of_job(id, "run", false).end();
        let (first, second) = (spans.try_recv().unwrap(), later.try_recv().unwrap());
        assert_eq!(first.place.trace, second.place.trace);
        assert_eq!((first.parent, second.parent), (None, Some(first.place.span)));
        assert_ne!(second.place.span, first.place.span);
        let next = JobId { run_index: 1, ..id };
        assert_ne!(Place::of_job(next).trace, first.place.trace);
    }

    #[test]
    fn a_share_of_the_traces_is_kept_and_a_callers_word_counts() {
        let id: JobId = JOB.parse().unwrap();
        let (none, _spans) = Tracer::new(0.0, 8);
        assert!(none.span_of_job(id, "run", false).place().is_none());
        let (half, _spans) = Tracer::new(0.5, 8);
        let kept = |tracer: &Tracer| {
            (0..1_000)
                .filter(|run| tracer.keeps(Place::of_job(JobId { run_index: *run, ..id }).trace))
                .count()
        };
        assert!((400..600).contains(&kept(&half)), "{}", kept(&half));
        let (all, _spans) = Tracer::new(1.0, 8);
        assert_eq!(kept(&all), 1_000);
        let given = |flags| {
            Place::of_header(&format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"))
        };
        let place = none.span_of_request("GET /".into(), given("01")).place().unwrap();
        assert_eq!(hex::encode(place.trace), "0af7651916cd43dd8448eb211c80319c");
        assert!(all.span_of_request("GET /".into(), given("00")).place().is_none());
    }

    #[test]
    fn a_full_queue_drops_requests_before_jobs_and_never_waits() {
        let id: JobId = JOB.parse().unwrap();
        let (tracer, mut spans) = Tracer::new(1.0, 8);
        for _ in 0..20 {
            tracer.span_of_request("GET /".into(), None).end();
        }
        assert_eq!(spans.len(), 6, "a quarter is the jobs'");
        for _ in 0..20 {
            tracer.span_of_job(id, "run", false).end();
        }
        assert_eq!(spans.len(), 8);
        assert_eq!(spans.try_recv().unwrap().name, "GET /");
        // What is not ended is not told, and nobody has to be there to listen.
        drop(tracer.span_of_job(id, "run", false));
        assert_eq!(spans.len(), 7);
        drop(spans);
        tracer.span_of_job(id, "run", false).end();
    }
}
