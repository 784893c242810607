//! Many who follow one job at the same time: each is told everything, in order, and nobody else has to wait for them.
//!
//! 200 of them; `BRIZO_FOLLOWERS=1000` for more.

use std::time::Instant;

use serde_json::Value;

use super::sign_in::token;
use crate::guests::wat;
use crate::world::{Settings, World, eventually};

/// KiB that one follower may cost while nothing happens, and at most while the logs are sent; 20 and 70 were seen.
const RESTING_KIB: u64 = 64;
const SENDING_KIB: u64 = 256;

/// What `counts-aloud` prints.
fn lines() -> String {
    (0..20_000).map(|number| format!("{number:08}\n")).collect()
}

/// Somebody who follows the logs of a job.
struct Follower {
    response: reqwest::Response,
    unread: Vec<u8>,
    /// Bytes of the log that came.
    log: usize,
}

impl Follower {
    async fn come(http: &reqwest::Client, url: &str, token: &str) -> Self {
        let response = http.get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut follower = Self { response, unread: Vec::new(), log: 0 };
        assert_eq!(follower.next().await.unwrap().0, "status", "the first is where the job is");
        follower
    }

    /// Name and data of the next event; `None` when the answer is over.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                // What keeps the connection alive is a comment.
                if let (Some(name), Some(data)) = (field("event:"), field("data:")) {
                    return Some((name.into(), serde_json::from_str(data).unwrap()));
                }
                continue;
            }
            self.unread.extend(self.response.chunk().await.unwrap()?);
        }
    }

    /// Reads to the end; everything must come, each byte in its place.
    async fn read_all(mut self, expected: &str) {
        let mut names = Vec::new();
        while let Some((name, data)) = self.next().await {
            if name == "log" && data["stream"] == "stdout" {
                let text = data["text"].as_str().unwrap();
                assert_eq!(data["from"], self.log, "in order, and without a gap");
                assert_eq!(text, &expected[self.log..self.log + text.len()]);
                self.log += text.len();
            }
            names.push(name);
        }
        assert_eq!(self.log, expected.len(), "{names:?}");
        assert_eq!(names.last().map(String::as_str), Some("end"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_follows_the_logs_of_one_job() {
    let count: usize = std::env::var("BRIZO_FOLLOWERS").map_or(200, |text| text.parse().unwrap());
    let api = "followers_per_caller = 2000\nrequests_per_second = 0\nanonymous_per_second = 0";
    let world = World::with(Settings { api: Some(api), ..Settings::default() }).await;
    let (consumer, module, expected) = (world.consumer(), wat("counts-aloud"), lines());
    let innocent = {
        let id = consumer.pay_for(&module).await;
        let job = consumer.order(id, &module, &[], 200_000_000).await;
        consumer.wait_for(job, "settled").await;
        job
    };
    let id = consumer.pay_for(&module).await;
    let chain = world.publisher_chain();
    eventually("granted", async || chain.permitted(id, consumer.key.address()).await.unwrap()).await;
    eventually("nothing waits", async || !chain.has_pending().await.unwrap()).await;
    // Without blocks access is not granted, so all are there before the logs may come.
    world.anvil.mine_at_once(false).await;
    let job = consumer.order(id, &module, &[], 200_000_000).await;
    consumer.wait_for(job, "publishing").await;

    let (token, http) = (token(&consumer).await, reqwest::Client::new());
    let url = format!("{}/api/v1/jobs/{job}/logs?follow=1", consumer.url);
    let before = world.provider.memory_kib();
    world.provider.forget_peak();
    let mut followers = Vec::new();
    for _ in 0..count {
        followers.push(Follower::come(&http, &url, &token).await);
    }
    let resting = world.provider.memory_kib().saturating_sub(before) / count as u64;
    let asked = Instant::now();
    assert_eq!(consumer.status(innocent).await["state"], "settled");
    let logs = consumer.client.get_json(&format!("/api/v1/jobs/{innocent}/logs")).await.unwrap();
    assert_eq!(logs["stdout"].as_str(), Some(&*expected));
    let among = asked.elapsed();

    world.anvil.mine_at_once(true).await;
    let began = Instant::now();
    let reading: Vec<_> = followers
        .into_iter()
        .map(|follower| {
            let expected = expected.clone();
            tokio::spawn(async move { follower.read_all(&expected).await })
        })
        .collect();
    // Others are answered while all of them are told.
    assert_eq!(consumer.status(innocent).await["state"], "settled");
    for one in reading {
        one.await.unwrap();
    }
    let peak = world.provider.memory_peak_kib().saturating_sub(before) / count as u64;
    println!(
        "{count} followers: {resting} KiB each at rest, {peak} KiB at most; others answered in {among:?} among them, all told after {:?}",
        began.elapsed()
    );
    assert!(resting <= RESTING_KIB && peak <= SENDING_KIB, "{resting} and {peak} KiB");
    // Logs are told from the grant on, which is before the release.
    consumer.wait_for(job, "settled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_too_much_is_refused_and_may_come_again() {
    let api = "followers_per_caller = 2\nfollowers_max = 3";
    let world = World::with(Settings { api: Some(api), ..Settings::default() }).await;
    let (consumer, publisher) = (world.consumer(), world.publisher_as_caller());
    let module = crate::guests::guest("hostile");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["loop"], crate::world::FUEL_MAX).await;
    let path = format!("/api/v1/jobs/{job}/events");
    let held = [consumer.send("GET", &path, &[], b"").await, consumer.send("GET", &path, &[], b"").await];
    let refused = async |path: &str| {
        let answer = consumer.send("GET", path, &[], b"").await;
        assert!(answer.headers().contains_key("retry-after"));
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["code"].clone())
    };
    assert_eq!(refused(&path).await, (429, "too_many_followers".into()));
    assert_eq!(
        refused(&format!("/api/v1/jobs/{job}?wait=60&known=running")).await,
        (429, "too_many_followers".into())
    );
    let other = publisher.send("GET", &path, &[], b"").await;
    assert_eq!(other.status(), 200, "another caller has places of their own");
    let full = publisher.send("GET", &path, &[], b"").await;
    assert_eq!((full.status().as_u16(), full.headers()["retry-after"].to_str().unwrap()), (503, "2"));
    drop(held);
    eventually("a place is free again", async || consumer.send("GET", &path, &[], b"").await.status() == 200)
        .await;
    let stopped = consumer.send("POST", &format!("/api/v1/jobs/{job}/stop"), &[], b"").await;
    assert_eq!(stopped.status(), 200);
}
