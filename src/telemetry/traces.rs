//! Traces on their way to a collector, as OTLP over HTTP. A collector that is not there costs nothing but the spans: they
//! wait in a bounded queue, and what does not fit is dropped and counted (`brizo_trace_spans` among the numbers).

use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{Collector, Untaken};
use crate::config::TelemetryConfig;
use crate::trace::Ended;
use crate::{metrics, trace};

use super::otlp;

/// Spans of one request to the collector.
const BATCH_MAX: usize = 512;
/// How long spans are gathered for one request.
const GATHER: Duration = Duration::from_millis(500);
/// Longest wait between two tries.
const WAIT_MAX_S: u64 = 30;
/// How long the end of the program waits for the last spans.
const END_MAX: Duration = Duration::from_secs(3);

/// The telling of traces, while it goes on.
#[derive(Debug)]
pub struct Traces {
    stop: watch::Sender<bool>,
    telling: JoinHandle<()>,
}

/// Begins to tell traces, if the configuration or the variables of OpenTelemetry name a collector. Must be called inside an
/// async runtime, once.
///
/// # Errors
/// A sentence, where what is named cannot be meant.
pub fn traces(config: &TelemetryConfig) -> Result<Option<Traces>, String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let Some(url) = endpoint(config, variable) else { return Ok(None) };
    if !(0.0..=1.0).contains(&config.sample_ratio) {
        return Err("telemetry.sample_ratio is not from 0 to 1".into());
    }
    let collector =
        Collector::new(&url, &headers(variable)?).map_err(|why| format!("the collector of traces: {why}"))?;
    let resource = resource(config.service_name.clone(), variable)?;
    let Some(spans) = trace::open(config.sample_ratio) else { return Ok(None) };
    let (stop, stopped) = watch::channel(false);
    let teller = Teller { collector, resource };
    tracing::info!(ratio = config.sample_ratio, "traces are told to a collector");
    Ok(Some(Traces { stop, telling: tokio::spawn(teller.tell(spans, stopped)) }))
}

/// Hands the collector a message without any span: whether it is there and takes what it is sent. `None` where none is named.
///
/// # Errors
/// A sentence in the answer, without what may be secret.
pub async fn try_collector(config: &TelemetryConfig) -> Option<Result<(), String>> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let url = endpoint(config, variable)?;
    let collector = headers(variable).and_then(|headers| Collector::new(&url, &headers));
    Some(match collector {
        Err(why) => Err(why),
        Ok(collector) => collector.post(otlp::NOTHING.to_vec()).await.map_err(|untaken| match untaken {
            Untaken::Later(why) | Untaken::Never(why) => why,
        }),
    })
}

impl Traces {
    /// Tells what is left, for some seconds at most.
    pub async fn end(self) {
        // Nobody listens any more if the telling has died; then there is nothing to wait for.
        let _ = self.stop.send(true);
        if tokio::time::timeout(END_MAX, self.telling).await.is_err() {
            tracing::warn!("the collector of traces did not take the last spans");
        }
    }
}

/// Where traces go; `None` for nowhere.
fn endpoint(config: &TelemetryConfig, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    if variable("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    let below = |base: String| format!("{}/v1/traces", base.trim_end_matches('/'));
    config
        .endpoint
        .clone()
        .map(below)
        .or_else(|| variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
        .or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(below))
}

/// The headers that the collector wants.
fn headers(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, String> {
    let own = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
    let name = if variable(own).is_some() { own } else { "OTEL_EXPORTER_OTLP_HEADERS" };
    pairs(name, &variable(name).unwrap_or_default())
}

/// Who tells.
fn resource(
    name: Option<String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, String> {
    let attributes = "OTEL_RESOURCE_ATTRIBUTES";
    let mut all = pairs(attributes, &variable(attributes).unwrap_or_default())?;
    let given = name.or_else(|| variable("OTEL_SERVICE_NAME"));
    let there = all.iter().any(|(key, _)| key == "service.name");
    if let Some(name) = given.or_else(|| (!there).then(|| "brizo".to_owned())) {
        all.retain(|(key, _)| key != "service.name");
        all.push(("service.name".into(), name));
    }
    all.retain(|(key, _)| key != "service.version");
    all.push(("service.version".into(), env!("CARGO_PKG_VERSION").into()));
    Ok(all)
}

/// What a variable of OpenTelemetry holds: `name=value,…` with the values percent-encoded.
fn pairs(variable: &str, text: &str) -> Result<Vec<(String, String)>, String> {
    let one = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned()))
    };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    // The text itself is not repeated: it may be a secret.
    pairs.map(|pair| one(pair).ok_or_else(|| format!("{variable} does not hold name=value,…"))).collect()
}

struct Teller {
    collector: Collector,
    resource: Vec<(String, String)>,
}

impl Teller {
    /// Tells spans until `stop`, and then those that are left.
    async fn tell(self, mut spans: Receiver<Ended>, mut stop: watch::Receiver<bool>) {
        let (mut batch, mut failures) = (Vec::new(), 0u32);
        while !*stop.borrow() {
            tokio::select! {
                () = gather(&mut spans, &mut batch) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            failures = match self.hand_over(&mut batch).await {
                true => 0,
                false => failures.saturating_add(1),
            };
            if failures > 0 {
                let wait = Duration::from_secs(2u64.saturating_pow(failures - 1).min(WAIT_MAX_S));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = stop.wait_for(|stop| *stop) => break,
                }
            }
        }
        spans.close();
        loop {
            let room = BATCH_MAX - batch.len().min(BATCH_MAX);
            if room > 0 {
                spans.recv_many(&mut batch, room).await;
            }
            if batch.is_empty() {
                return;
            }
            if !self.hand_over(&mut batch).await {
                return metrics::spans("dropped", batch.len() + spans.len());
            }
        }
    }

    /// Hands a batch over and empties it; false where it should be tried again.
    async fn hand_over(&self, batch: &mut Vec<Ended>) -> bool {
        let fate = match self.collector.post(otlp::message(&self.resource, batch)).await {
            Ok(()) => "sent",
            Err(Untaken::Later(why)) => {
                // The waits between two tries keep this line rare.
                tracing::warn!(error = why, "the collector of traces takes nothing");
                return false;
            }
            Err(Untaken::Never(why)) => {
                tracing::warn!(error = why, spans = batch.len(), "the collector of traces refuses spans");
                "refused"
            }
        };
        metrics::spans(fate, batch.len());
        batch.clear();
        true
    }
}

/// Waits for a span, and then a little for more, unless the batch is as large as it may be.
async fn gather(spans: &mut Receiver<Ended>, batch: &mut Vec<Ended>) {
    if batch.is_empty() {
        spans.recv_many(batch, BATCH_MAX).await;
    }
    let more = async {
        while batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            spans.recv_many(batch, room).await;
        }
    };
    // That the time is over is how this usually ends.
    let _ = tokio::time::timeout(GATHER, more).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(given: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        |name| given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_file_wins_over_the_usual_variables() {
        let mut config = TelemetryConfig::default();
        assert_eq!(endpoint(&config, variables(&[])), None);
        let general = variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/")]);
        assert_eq!(endpoint(&config, general).unwrap(), "http://a:4318/v1/traces");
        let both: &[_] = &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b/x"),
        ];
        assert_eq!(endpoint(&config, variables(both)).unwrap(), "http://b/x");
        config.endpoint = Some("http://c/below/".into());
        assert_eq!(endpoint(&config, variables(both)).unwrap(), "http://c/below/v1/traces");
        assert_eq!(endpoint(&config, variables(&[("OTEL_SDK_DISABLED", "TRUE")])), None);
    }

    #[test]
    fn headers_are_decoded_and_never_repeated() {
        let given =
            variables(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret, x-scope = 7,")]);
        let read = headers(given).unwrap();
        assert_eq!(read[0], ("authorization".into(), "Bearer s3cret".into()));
        assert_eq!(read[1], ("x-scope".into(), "7".into()));
        let own = &[("OTEL_EXPORTER_OTLP_HEADERS", "a=1"), ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2")];
        assert_eq!(headers(variables(own)).unwrap(), [("b".to_owned(), "2".to_owned())]);
        let error = headers(variables(&[("OTEL_EXPORTER_OTLP_HEADERS", "s3cret")])).unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
        let error = Collector::new("http://x", &[("a".into(), "s3\ncret".into())]).unwrap_err();
        assert!(!error.contains("cret"), "{error}");
        assert!(Collector::new("ftp://x", &[]).is_err() && Collector::new("collector:4318", &[]).is_err());
    }
    #[test]
    fn who_tells_is_said_by_file_and_variables() {
        let named = |name: Option<&str>, given| {
            let all = resource(name.map(str::to_owned), variables(given)).unwrap();
            all.into_iter().find(|(key, _)| key == "service.name").unwrap().1
        };
        let given: &[_] = &[("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment.name=x%20y")];
        assert_eq!(named(None, &[]), "brizo");
        assert_eq!(named(None, given), "a");
        let both: &[_] = &[("OTEL_RESOURCE_ATTRIBUTES", "service.name=a"), ("OTEL_SERVICE_NAME", "b")];
        assert_eq!(named(None, both), "b");
        assert_eq!(named(Some("c"), both), "c");
        let all = resource(None, variables(given)).unwrap();
        assert!(all.contains(&("deployment.environment.name".into(), "x y".into())), "{all:?}");
    }
}
