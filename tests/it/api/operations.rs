//! What operators see: numbers, readiness, and log lines.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::guests::{guest, repository};
use crate::world::{Consumer, Fault, Provider, World, eventually, free_port, inside};

const ARGS: [&str; 6] = ["--by", "species", "--value", "body_mass_g", "--file", "penguins.csv"];

async fn get(url: &str) -> (u16, String) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn ready(world: &World) -> (u16, Value) {
    let (status, text) = get(&format!("{}/readyz", world.provider.url)).await;
    (status, serde_json::from_str(&text).unwrap())
}

/// Names of the checks that are bad now.
async fn bad(world: &World) -> Vec<String> {
    let (status, answer) = ready(world).await;
    let bad = answer["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false);
    let bad: Vec<_> = bad.map(|check| check["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(status, if bad.is_empty() { 200 } else { 503 }, "{answer}");
    bad
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_come_to_no_claim_are_counted_too() {
    let mut world = World::start().await;
    let address = format!("127.0.0.1:{}", free_port());
    world.provider.kill();
    let variables = [
        ("BRIZO_METRICS_LISTEN", address.as_str()),
        ("BRIZO_QUEUE_FAILURES_MAX", "1"),
        (brizo::failpoint::VARIABLE, "commit=fail-before"),
    ];
    world.provider = Provider::start_in(world.folder.path(), &variables).await;
    let consumer = world.consumer();
    let (module, hostile) = (guest("group_aggregate"), guest("hostile"));
    let id = consumer.pay_for(&module).await;
    let given_up = consumer.order(id, &module, &ARGS, 200_000_000).await;
    assert_eq!(consumer.wait_for(given_up, "aborted").await["end"], "host_failed");
    let id = consumer.pay_for(&hostile).await;
    let stopped = consumer.order(id, &hostile, &["loop"], crate::world::FUEL_MAX).await;
    consumer
        .client
        .post(&format!("/api/v1/jobs/{stopped}/stop"), "application/json", Vec::new())
        .await
        .unwrap();
    assert_eq!(consumer.wait_for(stopped, "aborted").await["end"], "stopped");
    let (_, text) = get(&format!("http://{address}/metrics")).await;
    for end in ["host_failed", "stopped"] {
        let line = format!("brizo_job_ends_total{{end=\"{end}\"}} 1");
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_told_on_an_address_of_their_own() {
    let mut world = World::start().await;
    let address = format!("127.0.0.1:{}", free_port());
    world.provider.kill();
    let variables = [("BRIZO_METRICS_LISTEN", address.as_str())];
    world.provider = Provider::start_in(world.folder.path(), &variables).await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &ARGS, 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    let lines = [
        "brizo_job_ends_total{end=\"finished\"} 1",
        "brizo_run_seconds_count 1",
        "brizo_settlement_seconds_count 1",
        "brizo_jobs{state=\"queued\"} 0",
        "brizo_owed_steps{step=\"release\"} 0",
        "brizo_chain_up 1",
        "brizo_taking_work 1",
        "brizo_log_entries 2",
    ];
    // Some of it is counted just after the job can be seen to be settled.
    eventually("all of it is counted", async || {
        let (status, text) = get(&format!("http://{address}/metrics")).await;
        assert_eq!(status, 200);
        lines.iter().all(|line| text.lines().any(|found| found == *line))
    })
    .await;
    let (_, text) = get(&format!("http://{address}/metrics")).await;
    let number = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    let receipt = consumer.client.get_json(&format!("/api/v1/jobs/{job}/receipt")).await.unwrap();
    let fuel = receipt["claim"]["outcome"]["fuelUsed"].to_string();
    assert_eq!(number("brizo_fuel_used_total").to_string(), fuel.trim_matches('"'));
    assert!(number("brizo_disk_free_bytes") > 0.0);
    // Routes, not what callers wrote.
    assert!(text.contains("path=\"/api/v1/jobs/{id}\",status=\"200\""), "{text}");
    assert!(!text.contains(&job.to_string()));
    // A node that says nothing hides no other number: whoever collects them gives up sooner than a request to a node.
    world.proxy.set(Fault::Silent);
    let asked =
        tokio::time::timeout(Duration::from_secs(15), get(&format!("http://{address}/metrics"))).await;
    let (_, text) = asked.expect("numbers come without the node");
    assert!(text.contains("brizo_chain_up 0") && text.contains("brizo_log_entries 2"), "{text}");
    world.proxy.set(Fault::None);
    // Nothing else is there, and the public address does not have it.
    assert_eq!(get(&format!("http://{address}/api/v1/assets")).await.0, 404);
    assert_eq!(get(&format!("{}/metrics", world.provider.url)).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_chain_and_being_alive_does_not() {
    let mut world = World::start().await;
    eventually("ready", async || bad(&world).await.is_empty()).await;
    world.proxy.set(Fault::Down);
    eventually("the chain is missed", async || bad(&world).await == ["chain"]).await;
    assert_eq!(get(&format!("{}/healthz", world.provider.url)).await.0, 200);
    world.proxy.set(Fault::None);
    eventually("ready again", async || bad(&world).await.is_empty()).await;

    // A payment that cannot be released is no small thing.
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    eventually("granted", async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap()).await;
    world.provider.kill();
    world.provider = Provider::start_in(world.folder.path(), &[("BRIZO_HEALTH_OWED_TRIES_MAX", "1")]).await;
    world.proxy.set(Fault::LoseTransaction(1));
    consumer.order(id, &module, &ARGS, 200_000_000).await;
    eventually("it is stuck", async || bad(&world).await == ["chain", "settlement"]).await;
    world.proxy.set(Fault::None);
    eventually("it is not", async || bad(&world).await.is_empty()).await;

    // A node that stands still answers as quickly as one that does not.
    world.provider.kill();
    world.provider = Provider::start_in(world.folder.path(), &[("BRIZO_HEALTH_CHAIN_AGE_MAX_S", "1")]).await;
    eventually("the chain stands still", async || bad(&world).await == ["chain"]).await;
}

/// What must not stand in any log line of a job's whole life.
async fn secrets(world: &World, consumer: &Consumer, order: &Value) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for file in ["provider.key", "consumer.key"] {
        secrets.insert(std::fs::read_to_string(inside(world, file)).unwrap());
    }
    for entry in std::fs::read_dir(inside(world, "state")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "key") {
            secrets.insert(std::fs::read_to_string(path).unwrap().lines().last().unwrap().trim().to_owned());
        }
    }
    for signed in [&order["runKey"], &order["specSignature"]] {
        secrets.insert(signed.as_str().unwrap().trim_start_matches("0x").to_owned());
    }
    for file in ["examples/data/penguins.csv", "examples/expected/groups.csv"] {
        let text = std::fs::read_to_string(repository(file)).unwrap();
        secrets.extend(text.lines().map(str::trim).filter(|line| line.len() > 8).map(str::to_owned));
    }
    let id = consumer.new_id();
    secrets.insert(consumer.signed_checksum(id, b"").get(..6).map(|_| "signedChecksum".to_owned()).unwrap());
    secrets.extend(["groups.csv", "k3y-of-the-node"].map(String::from));
    assert!(secrets.len() > 300 && secrets.iter().all(|secret| secret.len() > 7), "{}", secrets.len());
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_name_the_job_and_hold_no_secret_and_no_payload() {
    let mut world = World::start().await;
    world.provider.kill();
    std::fs::remove_file(inside(&world, "provider.log")).unwrap();
    let rpc = format!("{}/v3/k3y-of-the-node", world.proxy.url());
    let variables = [
        ("RUST_LOG", "brizo=trace,tower_http=trace,alloy_transport_http=trace,info"),
        ("BRIZO_LOG", "json"),
        ("BRIZO_RPC", &rpc),
    ];
    world.provider = Provider::start_in(world.folder.path(), &variables).await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    let order = consumer.order_body(id, &module, &ARGS).await;
    consumer.exec_when_granted(&order).await;
    let job = brizo::ids::JobId { agreement: id, run_index: 0 };
    consumer.wait_for(job, "settled").await;
    for part in ["outputs/groups.csv", "logs", "receipt", "history"] {
        consumer.client.get(&format!("/api/v1/jobs/{job}/{part}")).await.unwrap();
    }
    let secrets = secrets(&world, &consumer, &order).await;
    // And once where the node cannot be reached, which is when its address would be told.
    world.provider.kill();
    let away = [variables[0], variables[1], ("BRIZO_RPC", "http://127.0.0.1:1/v3/k3y-of-the-node")];
    world.provider = Provider::start_in(world.folder.path(), &away).await;
    eventually("the node is missed", async || world.log().contains("events cannot be read")).await;

    let log = world.log();
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} stands in the log");
    }
    assert!(!log.to_lowercase().contains("authorization"), "no header of a request");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let about = |message: &str| {
        let line = lines.iter().find(|line| line["fields"]["message"] == message);
        line.unwrap_or_else(|| panic!("no line {message:?}:\n{log}")).clone()
    };
    for message in ["job claimed", "job committed"] {
        let line = about(message);
        let within = line["span"]["job"].as_str().or(line["fields"]["job"].as_str());
        assert_eq!(within, Some(&*job.to_string()), "{line}");
    }
    assert_eq!(about("step done")["fields"]["agreement"].as_str(), Some(&*id.to_string()));
    assert!(log.contains("\"route\":\"/api/v1/jobs/{id}/outputs/{*path}\""), "{log}");
}
