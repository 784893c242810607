//! Text signatures of older gateways: taken where the publisher says so, at the older endpoints only, and never in place of
//! what an order decides.

use brizo_receipt::keccak256;
use reqwest::Method;
use serde_json::{Value, json};

use crate::guests::{guest, repository};
use crate::world::{Consumer, Settings, World, eventually, hex0x};

const ARGS: [&str; 6] = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];

/// `personal_sign` over these texts, one behind the other.
fn signed(who: &Consumer, parts: &[&str]) -> String {
    let text = parts.concat();
    hex0x(&who.key.sign(keccak256(format!("\x19Ethereum Signed Message:\n{}{text}", text.len()))).unwrap().0)
}

/// A request without any header, as older clients send it.
async fn send(url: &str, method: Method, path: &str, body: &str) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, format!("{url}{path}")).body(body.to_owned());
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn refused(answer: &(u16, Value), status: u16, code: &str) {
    assert_eq!((answer.0, answer.1["code"].as_str()), (status, Some(code)), "{}", answer.1);
    assert!(answer.1["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{}", answer.1);
}

async fn with_texts() -> World {
    World::with(Settings { api: Some("legacy_signatures = true"), ..Settings::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_count_only_where_they_are_switched_on() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await.to_string();
    let owner = consumer.key.address().to_string();
    let signature = signed(&consumer, &[&owner, &job]);
    let query = format!("consumerAddress={owner}&jobId={job}&signature={signature}");
    for path in
        ["/api/services/compute", "/api/services/computeStreamableLogs", "/api/services/computeResult"]
    {
        refused(
            &send(&consumer.url, Method::GET, &format!("{path}?{query}"), "").await,
            401,
            "signature_missing",
        );
    }
    let mut body = consumer.order_body(id, &module, &["--file", "penguins.csv"]).await;
    body["signature"] = json!(signed(&consumer, &[&owner, &id.to_string()]));
    let exec = "/api/v1/brizo/services/computing/exec";
    refused(&send(&consumer.url, Method::POST, exec, &body.to_string()).await, 401, "signature_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_started_looked_at_and_fetched_with_texts() {
    let world = with_texts().await;
    let (consumer, stranger) = (world.consumer(), world.stranger());
    let (url, owner) = (&consumer.url, consumer.key.address().to_string());
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    let start = signed(&consumer, &[&owner, &id.to_string()]);
    let mut body = consumer.order_body(id, &module, &ARGS).await;
    // The text has the address as it is sent.
    body["consumerAddress"] = json!(owner);

    // Signed by another, over something else, or not at all.
    for (signature, status, code) in [
        (Some(signed(&stranger, &[&owner, &id.to_string()])), 401, "bad_signature"),
        (Some(signed(&consumer, &[&owner, &consumer.new_id().to_string()])), 401, "bad_signature"),
        (Some("0x12".into()), 400, "bad_signature_form"),
        (None, 401, "signature_missing"),
    ] {
        body["signature"] = json!(signature);
        let answer = send(url, Method::POST, "/api/services/compute", &body.to_string()).await;
        assert_eq!(answer.0 / 100, 4, "{}", answer.1);
        if code != "bad_signature_form" {
            refused(&answer, status, code);
        }
    }
    // Whom the order names is not in the text, so it can name nobody.
    body["signature"] = json!(start);
    body["additionalViewers"] = json!([stranger.key.address()]);
    let named = send(url, Method::POST, "/api/services/compute", &body.to_string()).await;
    refused(&named, 403, "viewers_not_signed");
    body.as_object_mut().unwrap().remove("additionalViewers");
    // What the text does not bind, the order's own signature does.
    let mut changed = body.clone();
    changed["spec"]["fuelLimit"] = json!("100000000");
    let answer = send(url, Method::POST, "/api/services/compute", &changed.to_string()).await;
    assert!(answer.0 >= 400 && answer.1["code"] != "bad_signature", "{}", answer.1);
    // A text that stands in the query and speaks of another agreement than the body does not count for the body's.
    let other = consumer.new_id().to_string();
    let elsewhere = signed(&consumer, &[&owner, &other]);
    let path = format!(
        "/api/services/compute?serviceAgreementId={other}&signature={elsewhere}&consumerAddress={owner}"
    );
    refused(&send(url, Method::POST, &path, &body.to_string()).await, 401, "bad_signature");

    // The text may stand in the query of an order.
    let path =
        format!("/api/v1/brizo/services/computing/exec?signature={start}&consumerAddress={owner}&wait=1");
    let answer = send(url, Method::POST, &path, &changed.to_string()).await;
    assert!(
        answer.0 >= 400 && answer.1["code"] != "bad_query" && answer.1["code"] != "bad_signature",
        "{}",
        answer.1
    );

    eventually("it is started", async || {
        let answer = send(url, Method::POST, "/api/services/compute", &body.to_string()).await;
        assert!(answer.0 == 200 || answer.1["code"] == "computation_not_granted", "{}", answer.1);
        answer.0 == 200
    })
    .await;
    let job = format!("{id}-0");
    consumer.wait_for(job.parse().unwrap(), "settled").await;

    let query = |signature: &str| format!("consumerAddress={owner}&jobId={job}&signature={signature}");
    let about_job = signed(&consumer, &[&owner, &job]);
    let (status, list) =
        send(url, Method::GET, &format!("/api/services/compute?{}", query(&about_job)), "").await;
    assert_eq!((status, list[0]["jobId"].as_str()), (200, Some(&*job)), "{list}");
    let both = signed(&consumer, &[&owner, &job, &id.to_string()]);
    let path = format!("/api/v1/brizo/services/compute?serviceAgreementId={id}&{}", query(&both));
    assert_eq!(send(url, Method::GET, &path, "").await.0, 200);
    let result = signed(&consumer, &[&owner, &job, "0"]);
    let path = format!("/api/services/computeResult?index=0&{}", query(&result));
    let (status, text) = send(url, Method::GET, &path, "").await;
    let groups = std::fs::read_to_string(repository("examples/expected/groups.csv")).unwrap();
    assert_eq!((status, text.as_str()), (200, Some(&*groups)));
    refused(&send(url, Method::GET, &path.replace("index=0", "index=1"), "").await, 401, "bad_signature");
    let path = format!("/api/services/computeStreamableLogs?{}", query(&about_job));
    assert_eq!(send(url, Method::GET, &path, "").await.0, 200);

    // Somebody else's good signature is still somebody else's.
    let theirs = stranger.key.address().to_string();
    let signature = signed(&stranger, &[&theirs, &job]);
    let path = format!("/api/services/compute?consumerAddress={theirs}&jobId={job}&signature={signature}");
    refused(&send(url, Method::GET, &path, "").await, 404, "job_not_found");
    // The native resources know nothing of texts.
    for path in ["", "/outputs", "/receipt", "/history", "/outputs/groups.csv"] {
        let path = format!("/api/v1/jobs/{job}{path}?{}", query(&about_job));
        refused(&send(url, Method::GET, &path, "").await, 401, "signature_missing");
    }
    refused(&send(url, Method::POST, "/api/v1/jobs", &body.to_string()).await, 401, "signature_missing");

    // Forgotten in the same way, with the fields in the body.
    let fields = json!({ "owner": owner, "jobId": job, "signature": about_job }).to_string();
    assert_eq!(send(url, Method::DELETE, "/api/services/compute", &fields).await.0, 200);
    refused(&send(url, Method::DELETE, "/api/services/compute", &fields).await, 404, "job_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_a_nonce_counts_once_and_near_its_time() {
    let world = with_texts().await;
    let consumer = world.consumer();
    let (url, owner) = (&consumer.url, consumer.key.address().to_string());
    let module = guest("hostile");
    let id = consumer.pay_for(&module).await.to_string();
    let ask = async |method: Method, nonce: Option<u64>| {
        let text = nonce.map(|nonce| nonce.to_string()).unwrap_or_default();
        let signature = signed(&consumer, &[&owner, &id, &text]);
        let more = nonce.map(|nonce| format!("&nonce={nonce}")).unwrap_or_default();
        let path = format!(
            "/api/services/compute?consumerAddress={owner}&serviceAgreementId={id}&signature={signature}{more}"
        );
        send(url, method, &path, "").await
    };
    let now_s = brizo::clock::Clock::system().now_s();
    let fresh = Some(now_s * 1_000 + 7);
    assert_eq!(ask(Method::GET, fresh).await.0, 200);
    refused(&ask(Method::GET, fresh).await, 401, "nonce_used");
    refused(&ask(Method::PUT, fresh).await, 401, "nonce_used");
    for far in [1, now_s - 1_000, (now_s + 1_000) * 1_000] {
        refused(&ask(Method::GET, Some(far)).await, 401, "nonce_out_of_time");
    }
    // Without one it can be repeated for ever, which docs/API.md says.
    for _ in 0..2 {
        assert_eq!(ask(Method::GET, None).await.0, 200);
    }

    // Nothing at all is no text.
    let bare = signed(&consumer, &[&owner]);
    let path = format!("/api/services/compute?consumerAddress={owner}&signature={bare}");
    refused(&send(url, Method::GET, &path, "").await, 401, "nonce_missing");
    let listed = (now_s * 1_000 + 9).to_string();
    let signature = signed(&consumer, &[&owner, &listed]);
    let path = format!("/api/services/compute?consumerAddress={owner}&nonce={listed}&signature={signature}");
    assert_eq!(send(url, Method::GET, &path, "").await.0, 200);
    refused(&send(url, Method::GET, &path, "").await, 401, "nonce_used");

    // The seeds' own exec, and stopping.
    let mut body =
        consumer.order_with(id.parse().unwrap(), &module, &["loop"], crate::world::FUEL_MAX, |_| {}).await;
    body["consumerAddress"] = json!(owner);
    body["signature"] = json!(signed(&consumer, &[&owner, &id]));
    eventually("it is ordered", async || {
        let exec = "/api/v1/brizo/services/computing/exec";
        let answer = send(url, Method::POST, exec, &body.to_string()).await;
        assert!(answer.0 == 202 || answer.1["code"] == "computation_not_granted", "{}", answer.1);
        answer.0 == 202
    })
    .await;
    let (status, list) = ask(Method::PUT, Some(now_s * 1_000 + 8)).await;
    assert_eq!(status, 200, "{list}");
    assert_eq!(consumer.status(format!("{id}-0").parse().unwrap()).await["end"], "stopped");
}

/// What a text says stays what it says when digits are taken from one field and put into the next: the same bytes are signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_does_not_count_again_with_its_fields_cut_elsewhere() {
    let world = with_texts().await;
    let consumer = world.consumer();
    let (url, owner) = (&consumer.url, consumer.key.address().to_string());
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    let (id, job) = (id.to_string(), job.to_string());
    let nonce = (brizo::clock::Clock::system().now_s() * 1_000 + 7).to_string();
    let ask = async |path: &str, fields: &str, signature: &str| {
        let path = format!("/api/services/{path}?consumerAddress={owner}&signature={signature}&{fields}");
        send(url, Method::GET, &path, "").await
    };

    let text = signed(&consumer, &[&owner, &job, &nonce]);
    for path in ["compute", "computeStreamableLogs"] {
        for (fields, code) in [
            // With no nonce it would count for ever.
            (format!("jobId={job}&serviceAgreementId={nonce}"), "bad_identifier"),
            (
                format!("jobId={job}&serviceAgreementId={}&nonce={}", &nonce[..1], &nonce[1..]),
                "bad_identifier",
            ),
            (format!("jobId={job}{nonce}"), "bad_identifier"),
            (format!("jobId={id}&serviceAgreementId=-0{nonce}"), "bad_identifier"),
        ] {
            refused(&ask(path, &fields, &text).await, 400, code);
        }
    }
    let both = signed(&consumer, &[&owner, &job, &id, &nonce]);
    let fields = format!("jobId={job}&serviceAgreementId={id}{nonce}");
    refused(&ask("compute", &fields, &both).await, 400, "bad_identifier");
    let other = consumer.new_id().to_string();
    let theirs = signed(&consumer, &[&owner, &job, &other]);
    let fields = format!("jobId={job}&serviceAgreementId={other}");
    refused(&ask("compute", &fields, &theirs).await, 400, "bad_query");

    let result = signed(&consumer, &[&owner, &job, "0", &nonce]);
    for fields in [
        format!("jobId={job}&index=0{nonce}"),
        format!("jobId={job}0&nonce={nonce}"),
        format!("jobId={job}&nonce=0{nonce}"),
        format!("jobId={job}0&index={nonce}"),
    ] {
        let answer = ask("computeResult", &fields, &result).await;
        assert_eq!(answer.0, 400, "{fields}: {}", answer.1);
    }
    // As they were meant, both count, and once.
    let fields = format!("jobId={job}&nonce={nonce}");
    assert_eq!(ask("compute", &fields, &text).await.0, 200);
    refused(&ask("compute", &fields, &text).await, 401, "nonce_used");
    let fields = format!("jobId={job}&index=0&nonce={nonce}");
    assert_eq!(ask("computeResult", &fields, &result).await.0, 200);
    refused(&ask("computeResult", &fields, &result).await, 401, "nonce_used");
}
