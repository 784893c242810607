//! Traces: what a collector is told of a job's whole life and of requests, and what one that is not there changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::guests::guest;
use crate::world::{Provider, World, eventually, free_port};

const ARGS: [&str; 6] = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];

/// What a collector has taken.
#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    services: BTreeSet<String>,
    headers: BTreeSet<String>,
    messages: usize,
}

/// A span as the standard writes it (opentelemetry-proto, JSON): every field that we may send, and no other.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Span {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    #[serde(rename = "flags")]
    _flags: u32,
    name: String,
    #[serde(rename = "kind")]
    _kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Value>,
    #[serde(default)]
    links: Vec<Value>,
    #[serde(default)]
    status: Value,
}

impl Span {
    fn began(&self) -> u128 {
        self.start_time_unix_nano.parse().unwrap()
    }
}

/// A collector: takes what decodes, and answers with a status of the test's choice.
#[derive(Clone)]
struct Collector {
    url: String,
    taken: Arc<Mutex<Taken>>,
    status: Arc<Mutex<StatusCode>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let it = Self { url, taken: Arc::default(), status: Arc::new(Mutex::new(StatusCode::OK)) };
        let routes =
            axum::Router::new().route("/v1/traces", axum::routing::post(take)).with_state(it.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        it
    }

    fn spans(&self) -> Vec<Span> {
        self.taken.lock().unwrap().spans.clone()
    }

    fn named(&self, name: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    async fn has(&self, name: &str) {
        eventually(name, async || !self.named(name).is_empty()).await;
    }
}

async fn take(State(it): State<Collector>, headers: HeaderMap, body: String) -> StatusCode {
    let status = *it.status.lock().unwrap();
    let mut taken = it.taken.lock().unwrap();
    taken.messages += 1;
    if !status.is_success() {
        return status;
    }
    assert_eq!(headers["content-type"], "application/json");
    taken.headers.extend(headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()));
    let message: Value = serde_json::from_str(&body).unwrap();
    for group in message["resourceSpans"].as_array().unwrap() {
        taken
            .services
            .insert(text(group["resource"]["attributes"].as_array().unwrap(), "service.name").unwrap());
        for scope in group["scopeSpans"].as_array().unwrap() {
            let spans: Vec<Span> = serde_json::from_value(scope["spans"].clone()).unwrap();
            taken.spans.extend(spans);
        }
    }
    status
}

fn text(attributes: &[Value], key: &str) -> Option<String> {
    let value = &attributes.iter().find(|pair| pair["key"] == key)?["value"];
    value.get("stringValue").or(value.get("intValue")).unwrap().as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_one_trace_across_a_restart() {
    let mut world = World::start().await;
    let collector = Collector::start().await;
    world.provider.kill();
    let variables = [("BRIZO_TELEMETRY_ENDPOINT", collector.url.as_str())];
    world.provider = Provider::start_in(world.folder.path(), &variables).await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    for name in ["upload", "authorize"] {
        collector.has(name).await;
    }
    // Killed hard, and what the next process does is in the same trace.
    world.provider.kill();
    let secret = [
        ("BRIZO_TELEMETRY_ENDPOINT", collector.url.as_str()),
        ("BRIZO_TELEMETRY_SERVICE_NAME", "penguins"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20k3y-of-the-collector"),
        ("RUST_LOG", "trace"),
    ];
    world.provider = Provider::start_in(world.folder.path(), &secret).await;
    let order = consumer.order_body(id, &module, &ARGS).await;
    consumer.exec_when_granted(&order).await;
    let job = brizo::ids::JobId { agreement: id, run_index: 0 };
    consumer.wait_for(job, "settled").await;
    collector.has("release").await;

    let root = collector.named("order").pop().unwrap();
    let of_job =
        collector.spans().into_iter().filter(|span| span.trace_id == root.trace_id).collect::<Vec<_>>();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for span in &of_job {
        *names.entry(&span.name).or_default() += 1;
        assert_eq!(text(&span.attributes, "brizo.job"), Some(job.to_string()), "{span:?}");
        assert_eq!(text(&span.attributes, "brizo.agreement"), Some(id.to_string()));
        assert!(span.began() > 0 && span.end_time_unix_nano.parse::<u128>().unwrap() >= span.began());
        assert!(span.status.is_null(), "{span:?}");
        let parent = if span.name == "order" { "" } else { &root.span_id };
        assert_eq!(span.parent_span_id, parent, "{}", span.name);
    }
    let stages = ["authorize", "commit", "grant", "order", "prepare", "register", "release", "run", "upload"];
    assert_eq!(names.keys().copied().collect::<Vec<_>>(), stages);
    for stage in ["order", "prepare", "run", "commit", "upload"] {
        assert_eq!(names[stage], 1, "{stage}");
    }
    let begun = |name: &str| of_job.iter().find(|span| span.name == name).unwrap().began();
    for pair in ["upload", "order", "prepare", "run", "commit", "register", "grant", "release"].windows(2) {
        assert!(begun(pair[0]) < begun(pair[1]), "{pair:?}");
    }
    // The order names the request that brought it, which is in a trace of its own.
    let link = &root.links[0];
    assert_ne!(link["traceId"], root.trace_id);
    eventually("the request", async || {
        collector
            .named("POST /api/v1/brizo/services/computing/exec")
            .iter()
            .any(|it| link["spanId"] == it.span_id)
    })
    .await;

    let taken = collector.taken.lock().unwrap();
    assert_eq!(taken.services, BTreeSet::from(["brizo".to_owned(), "penguins".to_owned()]));
    assert_eq!(taken.headers, BTreeSet::from(["Bearer k3y-of-the-collector".to_owned()]));
    let told = format!("{:?}", taken.spans);
    for secret in ["species", "penguins.csv", "groups.csv", order["runKey"].as_str().unwrap()] {
        assert!(!told.contains(secret), "{secret}");
    }
    assert!(!world.log().contains("k3y-of-the-collector"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_hangs_below_what_its_traceparent_names() {
    let mut world = World::start().await;
    let collector = Collector::start().await;
    world.provider.kill();
    // No trace is kept but those that a caller asks for.
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), ("BRIZO_TELEMETRY_SAMPLE_RATIO", "0.0")];
    world.provider = Provider::start_in(world.folder.path(), &variables).await;
    let get = async |path: &str, traceparent: &str| {
        let request = reqwest::Client::new().get(format!("{}{path}", world.provider.url));
        request.header("traceparent", traceparent).send().await.unwrap().status().as_u16()
    };
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    assert_eq!(get("/healthz", "no such thing").await, 200);
    assert_eq!(get("/healthz", &format!("00-{trace}-{parent}-00")).await, 200);
    let missing = "/api/v1/jobs/s3cret-of-the-caller";
    assert_eq!(get(missing, &format!("00-{trace}-{parent}-01")).await, 401);
    collector.has("GET /api/v1/jobs/{id}").await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!((spans[0].trace_id.as_str(), spans[0].parent_span_id.as_str()), (trace, parent));
    assert_eq!(text(&spans[0].attributes, "http.response.status_code").unwrap(), "401");
    assert!(!format!("{spans:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_fails_changes_nothing() {
    let mut world = World::start().await;
    let collector = Collector::start().await;
    let numbers = format!("127.0.0.1:{}", free_port());
    *collector.status.lock().unwrap() = StatusCode::SERVICE_UNAVAILABLE;
    world.provider.kill();
    let variables =
        [("BRIZO_TELEMETRY_ENDPOINT", collector.url.as_str()), ("BRIZO_METRICS_LISTEN", numbers.as_str())];
    world.provider = Provider::start_in(world.folder.path(), &variables).await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let job = consumer.order(consumer.pay_for(&module).await, &module, &ARGS, 200_000_000).await;
    let status = consumer.wait_for(job, "settled").await;
    assert_eq!(status["end"].as_str(), Some("finished"), "{status}");
    eventually("it was asked", async || collector.taken.lock().unwrap().messages > 0).await;
    let count = async |fate: &str| -> u64 {
        let text = reqwest::get(format!("http://{numbers}/metrics")).await.unwrap().text().await.unwrap();
        let line = format!("brizo_trace_spans_total{{fate=\"{fate}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
    };
    assert_eq!(count("sent").await, 0);
    let doctor = crate::cli::said(&world.brizo_with(&["doctor"], &variables));
    assert!(doctor.contains("does not take them: status 503") && doctor.contains("0 failed"), "{doctor}");
    // What waited is told once it can be; what is refused for good is not tried again.
    *collector.status.lock().unwrap() = StatusCode::OK;
    collector.has("order").await;
    eventually("counted", async || count("sent").await > 0).await;
    let doctor = crate::cli::said(&world.brizo_with(&["doctor"], &variables));
    assert!(doctor.contains("the collector takes them"), "{doctor}");
    *collector.status.lock().unwrap() = StatusCode::BAD_REQUEST;
    let ask = async || drop(reqwest::get(format!("{}/healthz", world.provider.url)).await.unwrap());
    ask().await;
    eventually("refused", async || count("refused").await > 0).await;
    *collector.status.lock().unwrap() = StatusCode::SERVICE_UNAVAILABLE;
    ask().await;
    assert!(world.provider.terminate().success(), "{}", world.log());

    // One that is nowhere does not keep the provider from ending either.
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let variables = [("BRIZO_TELEMETRY_ENDPOINT", nowhere.as_str())];
    world.provider = Provider::start_in(world.folder.path(), &variables).await;
    let job = consumer.order(consumer.pay_for(&module).await, &module, &ARGS, 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    assert!(world.provider.terminate().success(), "{}", world.log());
    assert!(world.log().contains("the collector of traces takes nothing"), "{}", world.log());
}
