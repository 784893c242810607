//! What bad input gets: the right status, a stable code, a sentence and a hint; nothing is lost, nothing half-written.

use std::io::{Read, Write};
use std::net::TcpStream;

use brizo::ids::AgreementId;
use brizo_receipt::{B256, Signature};
use serde_json::{Value, json};

use super::refused;
use crate::guests::{guest, wat};
use crate::world::{Fault, Settings, World, eventually, inside};

const DAY_S: u64 = 86_400;

fn now_s() -> u64 {
    brizo::clock::Clock::system().now_s()
}

#[tokio::test(flavor = "multi_thread")]
async fn agreements() {
    let world = World::start().await;
    let consumer = world.consumer();
    let id = consumer.new_id();
    let good = consumer.agreement_body(id).await;
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let bad = "0".repeat(63) + "s";
    let table: [(Value, u16, &str); 9] = [
        (with("serviceAgreementId", json!(bad)), 400, "bad_identifier"),
        (with("serviceAgreementId", json!("0x12")), 400, "bad_identifier"),
        (with("did", json!("did:op:12")), 400, "bad_identifier"),
        (with("did", json!(format!("did:op:{}", "ab".repeat(32)))), 404, "asset_not_found"),
        (with("serviceDefinitionId", json!("7")), 400, "bad_service_definition"),
        (with("signature", json!("0x00")), 400, "signature_malformed"),
        (with("signature", json!(format!("0x{}", "11".repeat(65)))), 401, "bad_agreement_signature"),
        (with("consumerAddress", json!(world.publisher())), 401, "bad_agreement_signature"),
        (json!({ "did": world.did }), 400, "bad_body"),
    ];
    for (body, status, code) in table {
        refused(consumer.post("initialize", &body).await, status, code);
    }
    assert_eq!(consumer.chain.agreement(id).await.unwrap(), None, "nothing of that reached the chain");

    consumer.post("initialize", &good).await.unwrap();
    refused(consumer.post("initialize", &good).await, 409, "agreement_exists");
    let stranger = world.stranger();
    refused(stranger.post("initialize", &stranger.agreement_body(id).await).await, 409, "agreement_exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads() {
    let world = World::start().await;
    let consumer = world.consumer();
    let id = consumer.agree().await;
    let good = guest("column_stats");
    refused(consumer.upload(id, b"#!/bin/sh").await, 422, "module_not_wasm");
    refused(consumer.upload(id, &wat("import-env")).await, 422, "import_not_allowed");
    refused(consumer.upload(id, &wat("threads")).await, 422, "feature_not_allowed");
    refused(consumer.upload(id, &good[..good.len() / 2]).await, 422, "module_invalid");
    refused(consumer.upload(id, &vec![0; 1_600_001]).await, 413, "module_too_large");
    refused(consumer.upload(id, &wat("import-sock")).await, 403, "imports_refused");
    let unknown = AgreementId(B256::repeat_byte(1));
    refused(consumer.upload(unknown, &good).await, 404, "agreement_not_found");

    // Signed by another, for another agreement, over other bytes, or not at all.
    let by_stranger = world.stranger().signed_checksum(id, &good);
    refused(consumer.upload_signed(id, &good, &by_stranger).await, 422, "checksum_mismatch");
    let for_another = consumer.signed_checksum(unknown, &good);
    refused(consumer.upload_signed(id, &good, &for_another).await, 422, "checksum_mismatch");
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    refused(
        consumer.upload_signed(id, &good, &consumer.signed_checksum(id, &changed)).await,
        422,
        "checksum_mismatch",
    );
    refused(consumer.upload_signed(id, &good, "0x").await, 400, "signature_malformed");
    assert!(consumer.chain.upload_checksum(id).await.unwrap().is_zero(), "nothing of that reached the chain");

    consumer.upload(id, &good).await.unwrap();
    refused(consumer.upload(id, &guest("group_aggregate")).await, 409, "algorithm_exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.agree().await;
    let body = consumer.order_body(id, &module, &["--file", "penguins.csv"]).await;
    refused(consumer.post("exec", &body).await, 409, "algorithm_missing");
    consumer.upload(id, &module).await.unwrap();
    refused(consumer.post("exec", &body).await, 402, "payment_not_locked");

    let stranger = world.stranger();
    refused(stranger.post("exec", &body).await, 403, "not_your_agreement");
    let mut theirs = body.clone();
    theirs["consumerAddress"] = json!(stranger.key.address());
    refused(stranger.post("exec", &theirs).await, 403, "not_your_agreement");
    let mut forged = body.clone();
    forged["specSignature"] = json!(format!("0x{}", hex::encode(Signature([1; 65]).0)));
    refused(consumer.post("exec", &forged).await, 422, "bad_spec_signature");
    let more_fuel = consumer.order_with(id, &module, &[], crate::world::FUEL_MAX + 1, |_| {}).await;
    refused(consumer.post("exec", &more_fuel).await, 403, "ceiling_exceeded");
    let other_inputs = consumer.order_with(id, &module, &[], 1, |spec| spec.inputs_root = B256::ZERO).await;
    refused(consumer.post("exec", &other_inputs).await, 422, "spec_inputs");
    let mut other_args = body.clone();
    other_args["args"] = json!(["--file", "seattle-weather.csv"]);
    refused(consumer.post("exec", &other_args).await, 422, "spec_invocation");
    refused(consumer.post("exec", &json!({})).await, 400, "bad_body");
    let unknown = consumer.order_body(AgreementId(B256::repeat_byte(1)), &module, &[]).await;
    refused(consumer.post("exec", &unknown).await, 404, "agreement_not_found");

    consumer.lock(id).await;
    consumer.exec_when_granted(&body).await;
    refused(consumer.post("exec", &body).await, 409, "job_exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines() {
    // The chain's clock lies behind, so that a fresh agreement's deadline is over, or nearly, for the provider.
    for (behind_s, code) in [(2 * DAY_S, "deadline_passed"), (DAY_S - 100, "deadline_too_close")] {
        let world =
            World::with(Settings { chain_starts_s: Some(now_s() - behind_s), ..Settings::default() }).await;
        let consumer = world.consumer();
        let module = guest("column_stats");
        let id = consumer.pay_for(&module).await;
        let body = consumer.order_body(id, &module, &["--file", "penguins.csv"]).await;
        refused(consumer.post("exec", &body).await, 409, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_requests() {
    let world = World::start().await;
    let consumer = world.consumer();
    let request = |path: &'static str, expiry_s: u64, nonce: B256| brizo::signed_request::RequestToSign {
        method: "GET",
        path,
        body: b"",
        provider: world.publisher(),
        nonce,
        expiry_s,
    };
    let domain = world.deployment.domain();
    let get = async |header: String| {
        let url = format!("{}/api/v1/jobs", consumer.url);
        let answer = reqwest::Client::new().get(url).header("authorization", header).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap()["code"].as_str().unwrap_or_default().to_string(),
        )
    };
    let sign = |path, expiry_s, nonce| request(path, expiry_s, nonce).header(&consumer.key, &domain).unwrap();
    let (now, nonce) = (now_s(), B256::random());
    let good = sign("/api/v1/jobs", now + 60, nonce);
    assert_eq!(get(good.clone()).await, (200, String::new()));
    let table = [
        (good, "nonce_used"),
        (sign("/api/v1/jobs", now - 1, B256::random()), "request_expired"),
        (sign("/api/v1/jobs", now + 1000, B256::random()), "expiry_too_far"),
        (sign("/api/v1/jobs?all", now + 60, B256::random()), "bad_signature"),
        ("Bearer secret".to_string(), "token_unknown"),
        ("Basic secret".to_string(), "signature_malformed"),
    ];
    for (header, code) in table {
        assert_eq!(get(header).await, (401, code.to_string()));
    }
    let unsigned = reqwest::get(format!("{}/api/v1/jobs", consumer.url)).await.unwrap();
    assert_eq!(unsigned.headers()["content-type"], "application/problem+json");
    assert_eq!(unsigned.json::<Value>().await.unwrap()["code"], "signature_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_after_the_expiry_comes_too_late() {
    let world = World::start().await;
    let consumer = world.consumer();
    let (path, expiry_s) = ("/api/v1/jobs", now_s() + 2);
    let request = brizo::signed_request::RequestToSign {
        method: "POST",
        path,
        body: b"{}",
        provider: world.publisher(),
        nonce: B256::random(),
        expiry_s,
    };
    let header = request.header(&consumer.key, &world.deployment.domain()).unwrap();
    let mut stream = TcpStream::connect(world.provider.url.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {header}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    eventually("the request has expired", async || now_s() > expiry_s).await;
    stream.write_all(b"}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("request_expired"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests() {
    let world = World::start().await;
    let url = &world.provider.url;
    let exec = reqwest::get(format!("{url}/api/v1/brizo/services/computing/exec")).await.unwrap();
    assert_eq!((exec.status().as_u16(), exec.headers()["allow"].to_str().unwrap()), (405, "POST"));
    assert_eq!(exec.json::<Value>().await.unwrap()["code"], "method_not_allowed");
    let large = reqwest::Client::new().post(format!("{url}/api/v1/brizo/services/computing/initialize"));
    let large = large.body(vec![b' '; (1 << 20) + 1]).send().await.unwrap();
    assert_eq!(
        (large.status().as_u16(), large.json::<Value>().await.unwrap()["code"].as_str()),
        (413, Some("body_too_large"))
    );
    // Reading is no sending: a body that goes with it is not taken in for a header that anybody can make up.
    let made_up = format!(
        "Brizo address={},nonce={},expiry={},signature=0x{}",
        world.publisher(),
        B256::random(),
        now_s() + 60,
        "11".repeat(65)
    );
    let large = reqwest::Client::new().get(format!("{url}/api/v1/algorithms/{}", "ab".repeat(32)));
    let large = large.header("authorization", made_up).body(vec![b' '; (1 << 20) + 1]).send().await.unwrap();
    assert_eq!(
        (large.status().as_u16(), large.json::<Value>().await.unwrap()["code"].as_str()),
        (413, Some("body_too_large"))
    );
    let nowhere = reqwest::get(format!("{url}/api/v2")).await.unwrap();
    assert_eq!(
        (nowhere.status().as_u16(), nowhere.json::<Value>().await.unwrap()["code"].as_str()),
        (404, Some("no_such_endpoint"))
    );
    let no_text = reqwest::get(format!("{url}/api/v1/assets/%ff")).await.unwrap();
    assert_eq!(
        (no_text.status().as_u16(), no_text.json::<Value>().await.unwrap()["code"].as_str()),
        (400, Some("bad_request"))
    );
    let form = reqwest::Client::new().post(format!("{url}/api/v1/brizo/services/computing/upload"));
    let form =
        form.header("content-type", "multipart/form-data; boundary=x").body("--x--").send().await.unwrap();
    assert_eq!(
        (form.status().as_u16(), form.json::<Value>().await.unwrap()["code"].as_str()),
        (415, Some("unsupported_media_type"))
    );
    refused(world.consumer().client.get("/api/v1/jobs/xyz").await, 400, "bad_identifier");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_down_loses_nothing() {
    let world = World::start().await;
    let consumer = world.consumer();
    let id = consumer.new_id();
    let body = consumer.agreement_body(id).await;
    world.proxy.set(Fault::Down);
    refused(consumer.post("initialize", &body).await, 503, "chain_unavailable");
    refused(consumer.client.get(&format!("/api/v1/agreements/{id}")).await, 404, "agreement_not_found");
    world.proxy.set(Fault::None);
    consumer.post("initialize", &body).await.unwrap();
    let module = guest("column_stats");
    world.proxy.set(Fault::Down);
    refused(consumer.upload(id, &module).await, 503, "chain_unavailable");
    world.proxy.set(Fault::None);
    consumer.upload(id, &module).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_does_not_lose_the_agreement() {
    let world = World::start().await;
    let consumer = world.consumer();
    let id = consumer.new_id();
    let body = consumer.agreement_body(id).await;
    world.proxy.set(Fault::LoseAnswerOf(1));
    refused(consumer.post("initialize", &body).await, 503, "chain_unavailable");
    // Answered before it is mined: a lost answer says nothing of when the chain will show it.
    eventually("the transaction arrives", async || consumer.chain.agreement(id).await.unwrap().is_some())
        .await;
    world.proxy.set(Fault::None);
    let answer = consumer.post("initialize", &body).await.unwrap();
    assert!(answer["txHash"].is_null(), "found on chain, not sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_set_that_leads_outside_is_not_published() {
    let world = World::start().await;
    std::fs::create_dir(inside(&world, "evil")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", inside(&world, "evil/data.csv")).unwrap();
    let output = world.brizo(&["publish", "evil", "--policy", "policy", "--name", "Evil"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("data.csv") && said.contains("link that leads outside"), "{said}");
    let assets = brizo::client::fetch(&world.provider.url, "/api/v1/assets").await.unwrap();
    let assets: Value = serde_json::from_slice(&assets).unwrap();
    assert_eq!(assets["assets"].as_array().unwrap().len(), 1, "only the good one");
}
