//! The words of Brizo 0.9 and of Ocean for the same agreements, orders and jobs.

use base64::Engine as _;
use serde_json::{Value, json};

use super::refused;
use crate::guests::{guest, repository};
use crate::world::{Consumer, World};

async fn send(who: &Consumer, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let response = who.send(method, path, &[], body).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_started_looked_at_and_fetched_in_old_words() {
    let world = World::start().await;
    let (consumer, stranger) = (world.consumer(), world.stranger());
    let module = guest("group_aggregate");

    let environments =
        brizo::client::fetch(&consumer.url, "/api/services/computeEnvironments").await.unwrap();
    let environments: Value = serde_json::from_slice(&environments).unwrap();
    assert_eq!(environments[0]["id"], "brizo-wasm/1", "{environments}");
    let ask =
        json!({ "datasets": [{ "documentId": world.did }], "fuel": 1_000_000, "outputBytes": 1_000_000 });
    let quote =
        consumer.client.post("/api/services/initializeCompute", "application/json", ask.to_string().into());
    let quote = quote.await.unwrap();
    let terms = consumer.offer().await.terms;
    assert_eq!(quote["payment"]["amount"], terms.price.to_string());
    assert_eq!(quote["datasets"][0]["quote"]["due"], terms.due(1_000_000, 1_000_000).to_string());
    let too_much = json!({ "did": world.did, "fuel": u64::MAX }).to_string();
    refused(
        consumer.client.post("/api/v1/quotes", "application/json", too_much.into()).await,
        403,
        "ceiling_exceeded",
    );

    // Agreement and payment are the seeds'; the algorithm comes with the order.
    let id = consumer.agree().await;
    consumer.lock(id).await;
    let args = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];
    let mut body = consumer.order_body(id, &module, &args).await;
    body["algorithmMeta"] = json!({ "rawcode": base64::engine::general_purpose::STANDARD.encode(&module) });
    body["signedChecksum"] = json!(consumer.signed_checksum(id, &module));
    body["output"] = json!({ "publishOutput": true });
    let (status, problem) =
        send(&stranger, "POST", "/api/services/compute", body.to_string().as_bytes()).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("agreement_not_found")), "{problem}");
    let mut started = send(&consumer, "POST", "/api/services/compute", body.to_string().as_bytes()).await;
    while started.1["code"] == "computation_not_granted" {
        started =
            send(&consumer, "POST", "/api/v1/brizo/services/compute", body.to_string().as_bytes()).await;
    }
    assert_eq!(started.0, 200, "{}", started.1);
    let job = format!("{id}-0");
    assert_eq!(
        (started.1[0]["jobId"].as_str(), started.1[0]["agreementId"].as_str()),
        (Some(&*job), Some(&*id.to_string()))
    );
    consumer.wait_for(job.parse().unwrap(), "settled").await;

    for query in [format!("jobId={job}"), format!("serviceAgreementId={id}"), String::new()] {
        for path in ["/api/services/compute", "/api/v1/brizo/services/computing"] {
            let (status, list) = send(&consumer, "GET", &format!("{path}?{query}"), b"").await;
            assert_eq!((status, list.as_array().map(Vec::len)), (200, Some(1)), "{query}: {list}");
            assert_eq!(
                (list[0]["status"].as_u64(), list[0]["statusText"].as_str()),
                (Some(70), Some("Job finished"))
            );
            assert!(list[0]["dateFinished"].is_string() && list[0]["resultsDid"].is_string(), "{list}");
        }
    }
    let groups = std::fs::read(repository("examples/expected/groups.csv")).unwrap();
    let result =
        consumer.client.get(&format!("/api/services/computeResult?jobId={job}&index=0")).await.unwrap();
    assert_eq!(result, groups);
    refused(
        consumer.client.get(&format!("/api/services/computeResult?jobId={job}&index=9")).await,
        404,
        "output_not_found",
    );
    assert!(consumer.client.get(&format!("/api/services/computeStreamableLogs?jobId={job}")).await.is_ok());

    // The one function decides here as well.
    for path in [
        format!("/api/services/compute?jobId={job}"),
        format!("/api/services/computeResult?jobId={job}"),
        format!("/api/services/computeStreamableLogs?jobId={job}"),
    ] {
        refused(stranger.client.get(&path).await, 404, "job_not_found");
    }
    let (status, problem) = send(&consumer, "PUT", &format!("/api/services/compute?jobId={job}"), b"").await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("job_too_late_to_stop")));
    agreements_look_like_none(&world, &job, &consumer.agree().await.to_string()).await;
}

/// To strangers, with and without jobs; not to consumer and publisher.
async fn agreements_look_like_none(world: &World, job: &str, empty: &str) {
    let (consumer, stranger, publisher) = (world.consumer(), world.stranger(), world.publisher_as_caller());
    let unknown = "ab".repeat(32);
    for (id, jobs) in [(job.trim_end_matches("-0"), 1), (empty, 0)] {
        let path = format!("/api/services/compute?serviceAgreementId={id}");
        for who in [&consumer, &publisher] {
            let (status, list) = send(who, "GET", &path, b"").await;
            assert_eq!((status, list.as_array().map(Vec::len)), (200, Some(jobs)), "{list}");
        }
        for method in ["GET", "PUT", "DELETE"] {
            let mut told = Vec::new();
            for id in [id, &unknown] {
                let path = format!("/api/services/compute?serviceAgreementId={id}");
                let (status, problem) = send(&stranger, method, &path, b"").await;
                told.push((status, problem.to_string().replace(id, "…")));
            }
            assert!(told[0] == told[1] && told[0].1.contains("agreement_not_found"), "{told:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_stopped_in_old_words() {
    let world = World::start().await;
    let consumer = world.consumer();
    let job = consumer.running_job().await;
    let body = json!({ "serviceAgreementId": job.agreement }).to_string();
    let (status, list) = send(&consumer, "PUT", "/api/v1/brizo/services/compute", body.as_bytes()).await;
    assert_eq!((status, list[0]["jobId"].as_str()), (200, Some(&*job.to_string())), "{list}");
    assert_eq!(consumer.status(job).await["end"], "stopped");
    let (status, problem) = send(&consumer, "PUT", "/api/services/compute", b"").await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("bad_query")));
}
