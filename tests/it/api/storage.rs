//! A disk that is full, or can only be read: nothing is lost, nothing new is taken, and it goes on by itself.

use super::refused;
use crate::cli::said;
use crate::guests::guest;
use crate::world::{Disk, FUEL_MAX, MINTED, Provider, Settings, World, eventually};

/// Of the disk in these tests.
const DISK_BYTES: u64 = 96 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_is_new_and_loses_nothing() {
    if !Disk::can_be_had("a_full_disk_refuses_what_is_new_and_loses_nothing") {
        return;
    }
    let mut world = World::with(Settings { disk_bytes: Some(DISK_BYTES), ..Settings::default() }).await;
    // A place is free all the time, so that somebody looks whether a job may begin.
    world.provider.kill();
    world.provider = Provider::start_in(world.folder.path(), &[("BRIZO_CONCURRENCY", "4")]).await;
    let disk = world.disk.as_ref().unwrap();
    let consumer = world.consumer();
    let module = guest("hostile");
    let (id, paid) = (consumer.pay_for(&module).await, consumer.pay_for(&module).await);
    let (first, second) = (consumer.pay_for(&module).await, consumer.pay_for(&module).await);
    let first = consumer.order(first, &module, &["loop"], FUEL_MAX).await;
    let second = consumer.order(second, &module, &["loop"], FUEL_MAX).await;
    // Once both run nothing is compiled any more, whose scratch files would make room again.
    consumer.wait_for(first, "running").await;
    consumer.wait_for(second, "running").await;
    // It ends by itself, but not before the disk is full, and leaves what it has printed.
    let job = consumer.order(id, &module, &["loop", "to be kept"], 60_000_000_000).await;
    consumer.wait_for(job, "running").await;

    // The disk fills up to the last byte while the job runs, so that its end cannot be written down.
    disk.fill_but(0);
    let new = consumer.new_id();
    let body = consumer.agreement_body(new).await;
    refused(consumer.post("initialize", &body).await, 507, "storage_full");
    refused(consumer.upload(paid, &module).await, 507, "storage_full");
    let order = consumer.order_body(paid, &module, &["trap"]).await;
    refused(consumer.post("exec", &order).await, 507, "storage_full");
    let url = format!("{}/api/v1/brizo/services/computing/initialize", world.provider.url);
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "60");
    eventually("not ready", async || {
        let answer = reqwest::get(format!("{}/readyz", world.provider.url)).await.unwrap();
        answer.status() == 503 && answer.text().await.unwrap().contains("bytes are free")
    })
    .await;
    eventually("the free place stays free", async || {
        world.log().contains("no job is begun until the disk has room")
    })
    .await;
    // What takes away or adds nothing works: stopping, in new words and in old ones, and signing in.
    let stopped = consumer.send("POST", &format!("/api/v1/jobs/{first}/stop"), &[], b"").await;
    assert_eq!(stopped.status(), 200, "{}", stopped.text().await.unwrap());
    let stopped = consumer.send("PUT", &format!("/api/services/compute?jobId={second}"), &[], b"").await;
    assert_eq!(stopped.status(), 200, "{}", stopped.text().await.unwrap());
    for waited in [first, second] {
        assert_eq!(consumer.status(waited).await["end"], "stopped");
    }
    let token = crate::api::sign_in::token(&consumer).await;
    let path = format!("{}/api/v1/jobs/{first}", world.provider.url);
    assert_eq!(reqwest::Client::new().get(path).bearer_auth(token).send().await.unwrap().status(), 200);
    // What is there already is still told.
    assert_eq!(reqwest::get(format!("{}/api/v1/assets", world.provider.url)).await.unwrap().status(), 200);

    eventually("the end could not be written", async || {
        world.log().lines().any(|line| line.contains("job not run") && line.contains(&job.to_string()))
    })
    .await;

    // Room again: nobody has to do anything.
    disk.free();
    let status = consumer.wait_for(job, "settled").await;
    assert_eq!(status["end"].as_str(), Some("out_of_fuel"), "{status}");
    let history = consumer.client.get_json(&format!("/api/v1/jobs/{job}/history")).await.unwrap();
    assert!(history.to_string().contains("attempt 2"), "{history}");
    consumer.post("initialize", &body).await.unwrap();
    let second = consumer.exec_when_granted(&order).await;
    let second: brizo::ids::JobId = second["jobId"].as_str().unwrap().parse().unwrap();
    consumer.wait_for(second, "settled").await;
    let [publisher, rest, escrow] = world.balances().await;
    // What was locked for the two that were stopped waits for the refund.
    assert_eq!((publisher + rest + escrow, escrow), (MINTED, 2_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_can_only_be_read_stops_the_start_with_words() {
    if !Disk::can_be_had("a_disk_that_can_only_be_read_stops_the_start_with_words") {
        return;
    }
    let mut world = World::with(Settings { disk_bytes: Some(DISK_BYTES), ..Settings::default() }).await;
    world.provider.kill();
    let disk = world.disk.as_ref().unwrap();
    disk.remount("ro");
    let output = world.brizo(&["serve", "--config", "brizo.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the disk can only be read"), "{}", said(&output));
    disk.remount("rw");
    world.provider = Provider::start(world.folder.path()).await;
    let answer = reqwest::get(format!("{}/api/v1/assets", world.provider.url)).await.unwrap();
    assert!(answer.text().await.unwrap().contains(&world.did.to_string()));
}
