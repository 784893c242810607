//! Who may do what: every endpoint about a job with every kind of caller, and how often anybody may ask.

use brizo_receipt::SecretKey;
use serde_json::{Value, json};

use crate::guests::guest;
use crate::world::{Consumer, Settings, World, inside};

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

/// Status and code of an answer; no code where it is no problem.
async fn answer(caller: Option<&Consumer>, url: &str, method: &str, path: &str) -> (u16, String) {
    let response = match caller {
        Some(caller) => caller.send(method, path, &[], b"").await,
        None => {
            let request = reqwest::Client::new().request(method.parse().unwrap(), format!("{url}{path}"));
            request.send().await.unwrap()
        }
    };
    let (status, kind) = (response.status().as_u16(), response.headers().get("content-type").cloned());
    if kind.is_some_and(|kind| kind == "application/problem+json") {
        let problem: Value = response.json().await.unwrap();
        return (status, problem["code"].as_str().unwrap().to_string());
    }
    (status, String::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_with_every_caller() {
    let world = World::start().await;
    let (owner, publisher, other) = (world.consumer(), world.publisher_as_caller(), world.stranger());
    let (viewer, auditor) = (world.somebody(key(0x61)), world.somebody(key(0x62)));
    let module = guest("column_stats");
    let id = owner.pay_for(&module).await;
    let mut body = owner.order_body(id, &module, &["--file", "penguins.csv"]).await;
    body["additionalViewers"] = json!([viewer.key.address()]);
    // Who is both may see more, whatever the order of the names.
    body["auditors"] = json!([auditor.key.address(), viewer.key.address()]);
    let job = owner.exec_when_granted(&body).await["jobId"].as_str().unwrap().to_string();
    owner.wait_for(job.parse().unwrap(), "settled").await;

    const YES: (u16, &str) = (200, "");
    const HIDDEN: (u16, &str) = (404, "job_not_found");
    const NO: (u16, &str) = (403, "not_permitted");
    const NOBODY: (u16, &str) = (401, "signature_missing");
    const GONE: (u16, &str) = (204, "");
    const LATE: (u16, &str) = (409, "job_too_late_to_stop");
    // Method, path below the job; then owner, viewer, auditor, publisher, another consumer, nobody.
    let table = [
        ("GET", "", [YES, YES, YES, YES, HIDDEN, NOBODY]),
        ("GET", "?wait=1", [YES, YES, YES, YES, HIDDEN, NOBODY]),
        ("GET", "/history", [YES, YES, YES, YES, HIDDEN, NOBODY]),
        ("GET", "/events", [YES, YES, YES, YES, HIDDEN, NOBODY]),
        ("GET", "/receipt", [YES, YES, YES, YES, HIDDEN, NOBODY]),
        ("GET", "/outputs", [YES, YES, NO, NO, HIDDEN, NOBODY]),
        ("GET", "/outputs/column-stats.csv", [YES, YES, NO, NO, HIDDEN, NOBODY]),
        ("GET", "/archive", [YES, YES, NO, NO, HIDDEN, NOBODY]),
        ("GET", "/archive?format=tar", [YES, YES, NO, NO, HIDDEN, NOBODY]),
        ("GET", "/logs", [YES, YES, NO, NO, HIDDEN, NOBODY]),
        ("GET", "/logs?follow=1", [YES, YES, NO, NO, HIDDEN, NOBODY]),
        ("GET", "/logs/stdout", [YES, YES, NO, NO, HIDDEN, NOBODY]),
        ("POST", "/stop", [LATE, NO, NO, NO, HIDDEN, NOBODY]),
    ];
    let callers = [Some(&owner), Some(&viewer), Some(&auditor), Some(&publisher), Some(&other), None];
    for (method, path, expected) in table {
        let path = format!("/api/v1/jobs/{job}{path}");
        for (number, (caller, (status, code))) in callers.iter().zip(expected).enumerate() {
            let found = answer(*caller, &owner.url, method, &path).await;
            assert_eq!(found, (status, code.to_string()), "{method} {path}, caller {number}");
        }
    }

    // Whoever is named sees the job in their list; nobody else does.
    for (caller, jobs) in [(&owner, 1), (&viewer, 1), (&auditor, 1), (&other, 0)] {
        let list = caller.client.get_json("/api/v1/jobs").await.unwrap();
        assert_eq!(list["jobs"].as_array().unwrap().len(), jobs, "{list}");
    }

    for (caller, expected) in callers.iter().zip([GONE, NO, NO, NO, HIDDEN, NOBODY]).rev() {
        let found = answer(*caller, &owner.url, "DELETE", &format!("/api/v1/jobs/{job}")).await;
        assert_eq!(found, (expected.0, expected.1.to_string()), "DELETE");
    }
    for caller in [&owner, &viewer] {
        let found = answer(Some(caller), &owner.url, "GET", &format!("/api/v1/jobs/{job}")).await;
        assert_eq!(found, (404, "job_not_found".to_string()), "what is deleted is gone");
    }

    // An agreement is between two.
    let path = format!("/api/v1/agreements/{id}");
    let found: [u16; 6] = {
        let mut found = [0; 6];
        for (found, caller) in found.iter_mut().zip(callers) {
            *found = answer(caller, &owner.url, "GET", &path).await.0;
        }
        found
    };
    assert_eq!(found, [200, 404, 404, 200, 404, 401]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_waits_and_nobody_else_does() {
    let lines =
        "requests_per_second = 1\nrequests_at_once = 5\nanonymous_per_second = 1\nanonymous_at_once = 30";
    let world = World::with(Settings { api: Some(lines), ..Settings::default() }).await;
    let (one, other) = (world.somebody(key(0x63)), world.somebody(key(0x64)));
    let mut refused = 0;
    for _ in 0..20 {
        let response = one.send("GET", "/api/v1/jobs", &[], b"").await;
        if response.status() == 429 {
            refused += 1;
            assert_eq!(response.headers()["retry-after"], "1");
            let problem: Value = response.json().await.unwrap();
            assert_eq!(problem["code"], "rate_limited");
        }
    }
    assert!(refused > 0, "twenty requests at once, five may be sent");
    assert_eq!(other.send("GET", "/api/v1/jobs", &[], b"").await.status(), 200);
    // Without a key, the network address counts; watching the provider does not.
    let get = async |path: &str| reqwest::get(format!("{}{path}", one.url)).await.unwrap().status().as_u16();
    let mut answers = Vec::new();
    for _ in 0..60 {
        answers.push(get("/api/v1/jobs").await);
    }
    assert!(answers.contains(&401) && answers.contains(&429), "{answers:?}");
    assert_eq!(get("/healthz").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_everybody_knows_is_refused_on_a_real_chain() {
    let world = World::start().await;
    let path = inside(&world, "deployment.json");
    let mut deployment: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let name = if deployment.get("chain_id").is_some() { "chain_id" } else { "chainId" };
    deployment[name] = json!(1);
    std::fs::write(&path, deployment.to_string()).unwrap();
    let output = world.brizo(&["serve", "--config", "brizo.toml"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("everybody knows this secret key"), "{said}");
}
