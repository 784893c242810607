//! Following a job, stopping it, ordering twice, and turning pages.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::refused;
use crate::guests::guest;
use crate::world::{Consumer, World, eventually};

/// The events of an answer that ends: name, number and data of each.
async fn events(
    consumer: &Consumer,
    path: &str,
    headers: &[(&str, &str)],
) -> Vec<(String, Option<u64>, Value)> {
    let response = consumer.send("GET", path, headers, b"").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_string())
    };
    let blocks = text.split("\n\n").filter(|block| block.contains("data:"));
    let event = |block: &str| {
        let data = serde_json::from_str(&field(block, "data:").unwrap()).unwrap();
        (field(block, "event:").unwrap(), field(block, "id:").map(|id| id.parse().unwrap()), data)
    };
    blocks.map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_followed_to_its_end() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    let base = format!("/api/v1/jobs/{job}");
    // All at the same time, from before the run on.
    let (events_path, logs_path) = (format!("{base}/events"), format!("{base}/logs?follow=1"));
    let (happened, logs, waited) =
        tokio::join!(events(&consumer, &events_path, &[]), events(&consumer, &logs_path, &[]), async {
            let mut state = "queued".to_string();
            let mut seen = Vec::new();
            while state != "settled" {
                let status =
                    consumer.client.get_json(&format!("{base}?wait=30&known={state}")).await.unwrap();
                assert_ne!(status["state"], state.as_str(), "an answer before anything happened");
                state = status["state"].as_str().unwrap().to_string();
                seen.push(state.clone());
            }
            seen
        },);
    assert!(!waited.is_empty());
    let lines: Vec<_> = happened.iter().filter(|(name, ..)| name == "history").collect();
    let history = consumer.client.get_json(&format!("{base}/history")).await.unwrap();
    let told: Vec<_> = lines.iter().map(|(.., data)| data.clone()).collect();
    assert_eq!(&told, history["history"].as_array().unwrap(), "each line once, in order");
    let last = &happened[happened.len() - 2..];
    assert_eq!((&*last[0].0, &last[0].2["state"]), ("status", &Value::from("settled")));
    assert_eq!(&*last[1].0, "end");

    // Who comes back is told only what is new.
    let (middle, rest) = (lines[1].1.unwrap(), &told[2..]);
    let resumed =
        events(&consumer, &format!("{base}/events"), &[("last-event-id", &middle.to_string())]).await;
    let again: Vec<_> =
        resumed.iter().filter(|(name, ..)| name == "history").map(|(.., data)| data.clone()).collect();
    assert_eq!(again, rest);

    let far = u64::MAX.to_string();
    let none = events(&consumer, &format!("{base}/events"), &[("last-event-id", &far)]).await;
    let names: Vec<_> = none.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["status", "end"], "a number that SQLite does not have is no failure of the server");

    let document = consumer.client.get_json(&format!("{base}/logs")).await.unwrap();
    let text: String = logs
        .iter()
        .filter(|(name, _, data)| name == "log" && data["stream"] == "stdout")
        .map(|(.., data)| data["text"].as_str().unwrap())
        .collect();
    assert_eq!(Some(&*text), document["stdout"].as_str());
    assert!(logs.iter().any(|(name, _, data)| name == "withheld" && data["stream"] == "stderr"), "{logs:?}");
    assert_eq!(logs.last().unwrap().0, "end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_stops_a_job() {
    let world = World::start().await;
    let consumer = world.consumer();
    let job = consumer.running_job().await;
    let path = format!("/api/v1/jobs/{job}/stop");
    let stopped: Value = consumer.send("POST", &path, &[], b"").await.json().await.unwrap();
    assert_eq!(
        (stopped["state"].as_str(), stopped["end"].as_str()),
        (Some("aborted"), Some("stopped")),
        "{stopped}"
    );
    // Not at its next beat only, which is up to ten seconds away.
    let let_go = eventually("the worker lets go of it", async || world.log().contains("the lease was lost"));
    tokio::time::timeout(Duration::from_secs(8), let_go).await.unwrap();
    assert_eq!(consumer.send("POST", &path, &[], b"").await.status(), 200, "twice is no error");
    refused(consumer.client.get(&format!("/api/v1/jobs/{job}/receipt")).await, 409, "job_without_claim");
    assert_eq!(consumer.chain.committed(job.agreement, 0).await.unwrap(), None);
    // The worker is free again, and nothing of the stopped run was committed in the meantime.
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let next = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    consumer.wait_for(next, "settled").await;
    assert_eq!(consumer.status(job).await["end"], "stopped");
}

/// The guest has fuel for many seconds; nothing but the stop ends it so soon.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_stopped_and_deleted_at_once_runs_no_more() {
    let world = World::start().await;
    let consumer = world.consumer();
    let job = consumer.running_job().await;
    let path = format!("/api/v1/jobs/{job}");
    assert_eq!(consumer.send("POST", &format!("{path}/stop"), &[], b"").await.status(), 200);
    assert_eq!(consumer.send("DELETE", &path, &[], b"").await.status(), 204);
    eventually("the worker lets go of it", async || world.log().contains("the lease was lost")).await;
    assert!(!world.log().contains("heartbeat failed"), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_waits_for_its_receipt() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let body = consumer.order_body(id, &module, &["--file", "penguins.csv"]).await;
    let body = serde_json::to_vec(&body).unwrap();
    let order = async |path: &str| {
        let answer = consumer.send("POST", path, &[("idempotency-key", "once")], &body).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let mut answer = order("/api/v1/jobs?wait=60").await;
    while answer.1["code"] == "computation_not_granted" {
        answer = order("/api/v1/jobs?wait=60").await;
    }
    let (status, document) = answer;
    assert_eq!(status, 200, "{document}");
    let job = document["jobId"].as_str().unwrap();
    let receipt = brizo_receipt::Receipt::parse(document["receipt"].to_string().as_bytes()).unwrap();
    let fetched = consumer.client.get(&format!("/api/v1/jobs/{job}/receipt")).await.unwrap();
    let fetched = brizo_receipt::Receipt::parse(&fetched).unwrap();
    assert_eq!((receipt.claim_hash, &receipt.attestation), (fetched.claim_hash, &fetched.attestation));
    assert_eq!(receipt.claim.outcome.status, 0);
    // Sent again it is the same job, with or without waiting.
    for (path, status, has_receipt) in
        [("/api/v1/jobs?wait=60", 200, true), ("/api/v1/brizo/services/computing/exec", 202, false)]
    {
        let (answered, again) = order(path).await;
        assert_eq!((answered, &again["jobId"]), (status, &document["jobId"]), "{again}");
        assert_eq!(again["receipt"].is_object(), has_receipt, "{path}: {again}");
    }
    let (status, problem) = order("/api/v1/jobs?wait=long").await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("bad_query")));
}

/// Nothing is given out for a job that goes on, or that ended without a claim; the order is taken in either case.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_waits_in_vain() {
    let world = World::start().await;
    let consumer = world.consumer();
    let running = consumer.running_job().await;
    let module = guest("hostile");
    let body =
        consumer.order_with(running.agreement, &module, &["loop"], crate::world::FUEL_MAX, |_| {}).await;
    let body = serde_json::to_vec(&body).unwrap();
    let order = async |path: &str| {
        let answer = consumer.send("POST", path, &[("idempotency-key", "once")], &body).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, document) = order("/api/v1/jobs?wait=60").await;
    assert_eq!((status, document["code"].as_str()), (409, Some("job_exists")), "{document}");
    let (status, document) = order("/api/v1/jobs?wait=1").await;
    assert_eq!((status, document["receipt"].is_null()), (202, true), "{document}");
    assert_eq!(document["jobId"], running.to_string());
    let stop = async {
        let path = format!("/api/v1/jobs/{running}/stop");
        assert_eq!(consumer.send("POST", &path, &[], b"").await.status(), 200);
    };
    let ((status, document), ()) = tokio::join!(order("/api/v1/jobs?wait=60"), stop);
    assert_eq!((status, document["receipt"].is_null()), (200, true), "{document}");
    assert_eq!(document["status"], 41, "{document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_sent_twice_is_one() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let good = consumer.order_body(id, &module, &["--file", "penguins.csv"]).await;
    let body = serde_json::to_vec(&good).unwrap();
    let order = async |key: &str, body: &[u8]| {
        let response = consumer.send("POST", "/api/v1/jobs", &[("idempotency-key", key)], body).await;
        let replayed =
            response.headers().get("idempotency-replayed").map(|it| it.to_str().unwrap().to_string());
        (response.status(), replayed, response.json::<Value>().await.unwrap())
    };
    // Refusals are no answers to keep: what was too early is taken later, under the same key.
    let mut first = order("k-1", &body).await;
    while first.2["code"] == "computation_not_granted" {
        first = order("k-1", &body).await;
    }
    let job = first.2["jobId"].clone();
    assert_eq!((first.0, first.1.as_deref()), (StatusCode::ACCEPTED, Some("false")), "{}", first.2);
    let again = order("k-1", &body).await;
    assert_eq!((again.0, again.1.as_deref(), &again.2["jobId"]), (StatusCode::ACCEPTED, Some("true"), &job));
    let mut other = good.clone();
    other["args"] = serde_json::json!(["--file", "other.csv"]);
    let reused = order("k-1", &serde_json::to_vec(&other).unwrap()).await;
    assert_eq!((reused.0.as_u16(), reused.2["code"].as_str()), (422, Some("idempotency_key_reused")));
    // What is no order of the caller's is not remembered under its key.
    let no_order = order("k-2", b"{}").await;
    assert_eq!((no_order.0.as_u16(), no_order.2["code"].as_str()), (400, Some("bad_body")));
    let new_key = order("k-2", &body).await;
    assert_eq!((new_key.0.as_u16(), new_key.2["code"].as_str()), (409, Some("job_exists")));
    // Another consumer's key of the same name is another key: it tells nothing of this one and takes nothing from it.
    let other = world.somebody(brizo_receipt::SecretKey::from_bytes(&[9; 32]).unwrap());
    other.agree().await;
    let mut answers = Vec::new();
    for key in ["k-1", "k-never"] {
        let sent = other.send("POST", "/api/v1/jobs", &[("idempotency-key", key)], &body).await;
        assert!(sent.headers().get("idempotency-replayed").is_none());
        answers.push((sent.status().as_u16(), sent.json::<Value>().await.unwrap()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].1["code"], "not_your_agreement");
    assert_eq!(order("k-1", &body).await.1.as_deref(), Some("true"));
    let odd = order("two words", &body).await;
    assert_eq!((odd.0.as_u16(), odd.2["code"].as_str()), (400, Some("bad_idempotency_key")));
    assert_eq!(consumer.client.get_json("/api/v1/jobs").await.unwrap()["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_each_job_once() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let mut ordered = Vec::new();
    for _ in 0..3 {
        let id = consumer.pay_for(&module).await;
        ordered.push(consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await.to_string());
    }
    let mut found = Vec::new();
    let mut path = "/api/v1/jobs?limit=2".to_string();
    loop {
        let page = consumer.client.get_json(&path).await.unwrap();
        let jobs = page["jobs"].as_array().unwrap();
        found.extend(jobs.iter().map(|job| job["jobId"].as_str().unwrap().to_string()));
        match page["nextToken"].as_str() {
            Some(token) => path = format!("/api/v1/jobs?limit=2&next_token={token}"),
            None => break,
        }
        assert_eq!(jobs.len(), 2);
    }
    ordered.sort();
    found.sort();
    assert_eq!(found, ordered);
    for query in ["limit=0", "limit=101", "limit=x", "next_token=x", "page=2"] {
        refused(consumer.client.get(&format!("/api/v1/jobs?{query}")).await, 400, "bad_query");
    }
}
