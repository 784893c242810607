//! Numbers about this process and what it looks after, in the text format of Prometheus (OpenMetrics 1.0).
//!
//! Like log lines they are said from anywhere and carry no data, names of files, keys or callers. Labels come from short
//! fixed lists. Counters begin at 0 with the process; gauges are set when somebody asks.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

/// Labels of one series.
type Labels = Vec<(&'static str, String)>;
type Real = Gauge<f64, AtomicU64>;

/// Content type of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of times, in seconds: from a millisecond, about which a trivial job takes, to a day, when deadlines end.
const SECONDS: [f64; 14] =
    [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0, 300.0, 1_200.0, 3_600.0, 21_600.0, 86_400.0];

static NUMBERS: LazyLock<Numbers> = LazyLock::new(Numbers::new);

struct Numbers {
    registry: Registry,
    http: Family<Labels, Counter>,
    http_seconds: Family<Labels, Histogram, fn() -> Histogram>,
    ends: Family<Labels, Counter>,
    run_seconds: Histogram,
    fuel: Counter,
    settlement_seconds: Histogram,
    jobs: Family<Labels, Gauge>,
    owed: Family<Labels, Gauge>,
    owed_tries: Gauge,
    chain_up: Gauge,
    chain_age: Real,
    chain_unread: Gauge,
    disk_free: Gauge,
    taking_work: Gauge,
    log_entries: Gauge,
    spans: Family<Labels, Counter>,
}

fn times() -> Histogram {
    Histogram::new(SECONDS)
}

impl Numbers {
    fn new() -> Self {
        let it = Self {
            registry: Registry::default(),
            http: Family::default(),
            http_seconds: Family::new_with_constructor(times as fn() -> Histogram),
            ends: Family::default(),
            run_seconds: times(),
            fuel: Counter::default(),
            settlement_seconds: times(),
            jobs: Family::default(),
            owed: Family::default(),
            owed_tries: Gauge::default(),
            chain_up: Gauge::default(),
            chain_age: Real::default(),
            chain_unread: Gauge::default(),
            disk_free: Gauge::default(),
            taking_work: Gauge::default(),
            log_entries: Gauge::default(),
            spans: Family::default(),
        };
        it.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        let version = Family::<Labels, Gauge>::default();
        version.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION").into())]).set(1);
        registry.register("brizo_build", "The program", version);
        registry.register("brizo_http_requests", "Requests answered", self.http.clone());
        registry.register("brizo_job_ends", "Jobs that ended, by cause", self.ends.clone());
        registry.register("brizo_fuel_used", "Fuel used by runs with a claim", self.fuel.clone());
        registry.register("brizo_jobs", "Jobs that are not at their end, by state", self.jobs.clone());
        registry.register("brizo_owed_steps", "Transactions owed to the chain", self.owed.clone());
        let tries = self.owed_tries.clone();
        registry.register("brizo_owed_tries", "Most failed tries of a transaction that is owed", tries);
        registry.register("brizo_chain_up", "Whether the right chain answers", self.chain_up.clone());
        let unread = self.chain_unread.clone();
        registry.register("brizo_chain_unread_blocks", "Blocks that wait for the listener", unread);
        let taking = self.taking_work.clone();
        registry.register("brizo_taking_work", "Whether the disk has room for new work", taking);
        registry.register("brizo_log_entries", "Entries of the transparency log", self.log_entries.clone());
        registry.register("brizo_trace_spans", "Spans of traces, by what became of them", self.spans.clone());
        seconds(registry, "brizo_run", "Runs with a claim, from start to end", self.run_seconds.clone());
        let settlement = self.settlement_seconds.clone();
        seconds(
            registry,
            "brizo_settlement",
            "From the commit of a claim to the released payment",
            settlement,
        );
        seconds(registry, "brizo_chain_age", "Age of the newest block", self.chain_age.clone());
        seconds(registry, "brizo_http_request", "Answering", self.http_seconds.clone());
        let free = self.disk_free.clone();
        registry.register_with_unit("brizo_disk_free", "Room on the disk of data_dir", Unit::Bytes, free);
        self
    }
}

fn seconds(registry: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    registry.register_with_unit(name, help, Unit::Seconds, metric);
}

/// A request was answered. `path` is the route, never what a caller wrote.
pub fn http(method: &str, path: &str, status: u16, took: Duration) {
    let method = ["GET", "HEAD", "POST", "PUT", "DELETE"].into_iter().find(|known| *known == method);
    let labels = vec![
        ("method", method.unwrap_or("other").to_owned()),
        ("path", path.to_owned()),
        ("status", status.to_string()),
    ];
    NUMBERS.http.get_or_create(&labels).inc();
    NUMBERS.http_seconds.get_or_create(&vec![("path", path.to_owned())]).observe(took.as_secs_f64());
}

/// A job came to its end, or to its claim.
pub fn job_ended(end: &str) {
    NUMBERS.ends.get_or_create(&vec![("end", end.to_owned())]).inc();
}

/// A run ended with a claim.
pub fn ran(took: Duration, fuel: u64) {
    NUMBERS.run_seconds.observe(took.as_secs_f64());
    NUMBERS.fuel.inc_by(fuel);
}

/// A payment was released, so many seconds after the claim was committed.
pub fn settled(lag_s: u64) {
    NUMBERS.settlement_seconds.observe(lag_s as f64);
}

/// What became of spans: `sent`, `dropped` for want of room, or `refused` by the collector.
pub fn spans(fate: &'static str, count: usize) {
    NUMBERS.spans.get_or_create(&vec![("fate", fate.to_owned())]).inc_by(count as u64);
}

/// What is looked up when somebody asks for the numbers.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Jobs by state.
    pub jobs: Vec<(&'static str, u64)>,
    /// Transactions that are owed, by step.
    pub owed: Vec<(&'static str, u64)>,
    /// Most failed tries of one of them.
    pub owed_tries: u32,
    /// Age of the newest block in seconds, and blocks that wait; `None` where the chain does not answer.
    pub chain: Option<(u64, u64)>,
    /// Free bytes; `None` where the system does not say.
    pub disk_free_bytes: Option<u64>,
    /// Whether there is room for new work.
    pub taking_work: bool,
    /// Entries of the log.
    pub log_entries: u64,
}

/// Sets the gauges and writes everything. What cannot be known keeps its last value, and `brizo_chain_up` says so.
#[must_use]
pub fn text(now: &Gauges) -> String {
    let numbers = &*NUMBERS;
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    // Series of which nothing is left must say 0, not what was last.
    for (family, label, counts) in [(&numbers.jobs, "state", &now.jobs), (&numbers.owed, "step", &now.owed)] {
        for (name, count) in counts {
            family.get_or_create(&vec![(label, (*name).to_owned())]).set(whole(*count));
        }
    }
    numbers.owed_tries.set(now.owed_tries.into());
    numbers.chain_up.set(now.chain.is_some().into());
    if let Some((age_s, unread)) = now.chain {
        numbers.chain_age.set(age_s as f64);
        numbers.chain_unread.set(whole(unread));
    }
    if let Some(bytes) = now.disk_free_bytes {
        numbers.disk_free.set(whole(bytes));
    }
    numbers.taking_work.set(now.taking_work.into());
    numbers.log_entries.set(whole(now.log_entries));
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = encode(&mut text, &numbers.registry);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_said_is_written() {
        http("GET", "/api/v1/jobs/{id}", 200, Duration::from_millis(3));
        http("BREW", "unknown", 405, Duration::ZERO);
        job_ended("finished");
        ran(Duration::from_secs(2), 5_000);
        settled(7);
        spans("sent", 3);
        let mut now = Gauges { jobs: vec![("queued", 4)], chain: Some((3, 2)), ..Gauges::default() };
        now.disk_free_bytes = Some(1 << 40);
        let first = text(&now);
        for line in [
            "brizo_http_requests_total{method=\"GET\",path=\"/api/v1/jobs/{id}\",status=\"200\"} 1",
            "brizo_http_requests_total{method=\"other\",path=\"unknown\",status=\"405\"} 1",
            "brizo_http_request_seconds_count{path=\"unknown\"} 1",
            "brizo_job_ends_total{end=\"finished\"} 1",
            "brizo_run_seconds_sum 2.0",
            "brizo_fuel_used_total 5000",
            "brizo_trace_spans_total{fate=\"sent\"} 3",
            "brizo_settlement_seconds_bucket{le=\"20.0\"} 1",
            "brizo_jobs{state=\"queued\"} 4",
            "brizo_chain_up 1",
            "brizo_chain_age_seconds 3.0",
            "brizo_chain_unread_blocks 2",
            "brizo_disk_free_bytes 1099511627776",
        ] {
            assert!(first.lines().any(|found| found == line), "{line}:\n{first}");
        }
        assert!(first.ends_with("# EOF\n"));
        let second = text(&Gauges { jobs: vec![("queued", 0)], ..Gauges::default() });
        assert!(second.contains("brizo_jobs{state=\"queued\"} 0"), "{second}");
        assert!(second.contains("brizo_chain_up 0"), "{second}");
    }
}
