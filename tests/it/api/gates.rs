//! What is asked before something is looked into, taken in or given out; and places that are few.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::refused;
use crate::cli::{json, said};
use crate::guests::guest;
use crate::world::{Consumer, Fault, World, eventually, inside};

/// A connection to the provider on which this much was sent, and no more is.
fn half_sent(url: &str, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn upload_head(id: &str) -> String {
    format!(
        "POST /api/v1/brizo/services/computing/upload?serviceAgreementId={id}&signedChecksum=0x{} HTTP/1.1\r\nhost: x\r\n\
         content-type: application/octet-stream\r\ncontent-length: 1000\r\n\r\n",
        "11".repeat(65)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_looked_into_after_its_size_and_its_signature() {
    let world = World::start().await;
    let (consumer, stranger) = (world.consumer(), world.stranger());
    let id = consumer.agree().await;
    // Nothing of it is a module, which is told to nobody but whoever signed these bytes.
    let nonsense = b"no module".to_vec();
    let theirs = stranger.signed_checksum(id, &nonsense);
    refused(consumer.upload_signed(id, &nonsense, &theirs).await, 422, "checksum_mismatch");
    refused(consumer.upload(id, &nonsense).await, 422, "module_not_wasm");
    // The policy takes 1,000,000 bytes, and the length is looked at before the signature.
    let large = vec![0; 1_600_001];
    refused(consumer.upload_signed(id, &large, &theirs).await, 413, "module_too_large");
    assert!(consumer.chain.upload_checksum(id).await.unwrap().is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_who_is_not_listed_gets_no_agreement() {
    let world = World::start().await;
    let (listed, other) = (world.stranger(), world.consumer());
    let manifest = std::fs::read_to_string(inside(&world, "policy/manifest.toml")).unwrap();
    let only = format!("addresses = [\"{}\"]", listed.key.address());
    std::fs::write(inside(&world, "policy/manifest.toml"), manifest.replace("any = true", &only)).unwrap();
    let data = crate::guests::repository("examples/data");
    let published = world.brizo(&[
        "publish",
        data.to_str().unwrap(),
        "--policy",
        "policy",
        "--name",
        "P",
        "--format",
        "json",
    ]);
    assert!(published.status.success(), "{}", said(&published));
    let did = json(&published)["did"].as_str().unwrap().parse().unwrap();
    let under = |consumer: Consumer| Consumer { did, ..consumer };
    let (listed, other) = (under(listed), under(other));
    let id = other.new_id();
    refused(other.post("initialize", &other.agreement_body(id).await).await, 403, "not_listed");
    assert!(other.chain.agreement(id).await.unwrap().is_none(), "nothing is on chain");
    listed.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_result_is_given_out_before_the_grant() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    eventually("granted", async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap()).await;
    eventually("nothing waits", async || {
        let health = reqwest::get(format!("{}/healthz", world.provider.url)).await.unwrap();
        health.text().await.unwrap().contains("\"waitingSteps\":0")
    })
    .await;
    // The registration is let through, the grant is lost.
    world.proxy.set(Fault::LoseTransaction(2));
    let args = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];
    let job = consumer.order(id, &module, &args, 200_000_000).await;
    consumer.wait_for(job, "publishing").await;
    eventually("the grant is lost", async || world.proxy.is_down()).await;
    // The chain can be asked again, but has no grant; mining stands still, so the next try comes to nothing for now.
    world.anvil.mine_at_once(false).await;
    world.proxy.set(Fault::None);
    let parts = ["receipt", "outputs", "outputs/groups.csv", "logs", "logs/stdout", "archive"];
    for part in parts {
        refused(consumer.client.get(&format!("/api/v1/jobs/{job}/{part}")).await, 409, "access_not_granted");
    }
    for path in ["computeResult?index=0&", "computeStreamableLogs?"] {
        let path = format!("/api/services/{path}jobId={job}");
        refused(consumer.client.get(&path).await, 409, "access_not_granted");
    }
    world.anvil.mine_at_once(true).await;
    consumer.wait_for(job, "settled").await;
    for part in parts {
        consumer.client.get(&format!("/api/v1/jobs/{job}/{part}")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifth_upload_waits_for_a_place_and_a_field_stands_once() {
    let world = World::start().await;
    let consumer = world.consumer();
    let id = consumer.agree().await;
    let twice =
        format!("/api/v1/brizo/services/computing/upload?serviceAgreementId={id}&serviceAgreementId={id}");
    refused(consumer.client.post(&twice, "application/octet-stream", vec![]).await, 400, "bad_query");
    let head = upload_head(&id.to_string());
    let held: Vec<_> = (0..4).map(|_| half_sent(&world.provider.url, &head)).collect();
    let module = guest("column_stats");
    eventually("all places are taken", async || {
        let answer = consumer.upload(id, &module).await;
        answer.is_err_and(|error| error.code() == Some("busy"))
    })
    .await;
    let url = format!("{}/api/v1/brizo/services/computing/upload", world.provider.url);
    let answer = reqwest::Client::new().post(url).json(&json!({})).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "2"));
    drop(held);
    eventually("there is a place again", async || consumer.upload(id, &module).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_never_finished_does_not_keep_the_provider_from_ending() {
    let mut world = World::start().await;
    let mut held = half_sent(&world.provider.url, &upload_head(&"0".repeat(64)));
    assert_eq!(reqwest::get(format!("{}/healthz", world.provider.url)).await.unwrap().status(), 200);
    assert!(world.provider.terminate().success(), "{}", world.log());
    // The connection was open until then, and is not now.
    assert!(matches!(held.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_data_set_ends_its_job_at_the_first_attempt_in_general_words() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let bytes = std::fs::read(crate::guests::repository("examples/data/penguins.csv")).unwrap();
    let name = hex::encode(brizo_receipt::content_digest(&bytes));
    let blob = inside(&world, &format!("state/blobs/{}/{}", &name[..2], &name[2..]));
    let mut damaged = bytes.clone();
    damaged[0] ^= 1;
    std::fs::write(&blob, damaged).unwrap();
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    let status = consumer.wait_for(job, "aborted").await;
    assert_eq!(
        (status["end"].as_str(), status["status"].as_u64()),
        (Some("data_failed"), Some(31)),
        "{status}"
    );
    let history = consumer.client.get_json(&format!("/api/v1/jobs/{job}/history")).await.unwrap().to_string();
    assert!(history.contains("attempt 1") && !history.contains("attempt 2"), "{history}");
    // What exactly is damaged is the provider's to know.
    assert!(world.log().contains(&name), "{}", world.log());
    for told in [status.to_string(), history] {
        assert!(!told.contains(&name) && !told.contains("changed") && !told.contains("blob"), "{told}");
    }
    assert!(status["problem"].as_str().is_some_and(|text| !text.is_empty()), "{status}");
}
