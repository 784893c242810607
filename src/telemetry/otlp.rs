//! Spans as OTLP has them, in its JSON form (opentelemetry-proto, `trace.proto`, `ExportTraceServiceRequest`): ids in hex,
//! numbers of 64 bits as text, kinds and codes as numbers.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value as Json, json};

use crate::trace::{Ended, Value};

/// `Span.kind`: work of one's own, and the answer to a request.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
/// `Status.code` of something that failed.
const ERROR: u8 = 2;
/// `Span.flags`: sampled; whether it is known that the parent is remote; and that it is.
const FLAGS: [u32; 3] = [0x001, 0x100, 0x200];

/// A message that tells nothing, which every collector takes.
pub(super) const NOTHING: &[u8] = b"{\"resourceSpans\":[]}";

/// The body of one request to a collector.
pub(super) fn message(resource: &[(String, String)], spans: &[Ended]) -> Vec<u8> {
    let resource: Vec<_> =
        resource.iter().map(|(key, text)| attribute(key, json!({ "stringValue": text }))).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{
            "scope": { "name": "brizo", "version": env!("CARGO_PKG_VERSION") },
            "spans": spans.iter().map(span).collect::<Vec<_>>(),
        }],
    }] })
    .to_string()
    .into_bytes()
}

fn span(span: &Ended) -> Json {
    let began = span.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let [sampled, known, remote] = FLAGS;
    let mut fields = Map::new();
    let mut put = |key: &str, value: Json| fields.insert(key.to_owned(), value);
    put("traceId", hex::encode(span.place.trace).into());
    put("spanId", hex::encode(span.place.span).into());
    if let Some(parent) = span.parent {
        put("parentSpanId", hex::encode(parent).into());
    }
    put("flags", (sampled | known | if span.parent_is_remote { remote } else { 0 }).into());
    put("name", span.name.as_ref().into());
    put("kind", if span.of_request { SERVER } else { INTERNAL }.into());
    put("startTimeUnixNano", began.as_nanos().to_string().into());
    put("endTimeUnixNano", (began + span.took).as_nanos().to_string().into());
    let attributes = span.attributes.iter().map(|(key, value)| {
        attribute(
            key,
            match value {
                Value::Text(text) => json!({ "stringValue": text }),
                Value::Number(number) => json!({ "intValue": number.to_string() }),
            },
        )
    });
    put("attributes", attributes.collect());
    if let Some(link) = span.link {
        let link = json!({ "traceId": hex::encode(link.trace), "spanId": hex::encode(link.span), "flags": sampled | known });
        put("links", json!([link]));
    }
    if let Some(why) = span.failed {
        put("status", json!({ "code": ERROR, "message": why }));
    }
    fields.into()
}

fn attribute(key: &str, value: Json) -> Json {
    json!({ "key": key, "value": value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Place;

    #[test]
    fn a_span_has_the_form_of_the_standard() {
        let place = Place { trace: [0xab; 16], span: [0xcd; 8], sampled: true };
        let ended = Ended {
            place,
            parent: Some([1; 8]),
            parent_is_remote: true,
            of_request: true,
            name: "GET /".into(),
            began: SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 5),
            took: Duration::from_nanos(7),
            attributes: vec![("a", "x".to_owned().into()), ("n", (-3).into())],
            link: Some(Place { trace: [2; 16], span: [3; 8], sampled: true }),
            failed: Some("host"),
        };
        let bytes = message(&[("service.name".into(), "brizo".into())], &[ended]);
        let found: Json = serde_json::from_slice(&bytes).unwrap();
        let expected = json!({ "resourceSpans": [{
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "brizo" } }] },
            "scopeSpans": [{
                "scope": { "name": "brizo", "version": env!("CARGO_PKG_VERSION") },
                "spans": [{
                    "traceId": "abababababababababababababababab", "spanId": "cdcdcdcdcdcdcdcd",
                    "parentSpanId": "0101010101010101", "flags": 0x301, "name": "GET /", "kind": 2,
                    "startTimeUnixNano": "1800000000000000005", "endTimeUnixNano": "1800000000000000012",
                    "attributes": [
                        { "key": "a", "value": { "stringValue": "x" } },
                        { "key": "n", "value": { "intValue": "-3" } },
                    ],
                    "links": [{ "traceId": "02020202020202020202020202020202", "spanId": "0303030303030303", "flags": 0x101 }],
                    "status": { "code": 2, "message": "host" },
                }],
            }],
        }] });
        assert_eq!(found, expected);
    }
}
