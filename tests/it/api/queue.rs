//! `brizo queue`, beside a provider that serves.

use brizo::ids::JobId;
use serde_json::Value;

use crate::cli::{json, said};
use crate::guests::guest;
use crate::world::{Consumer, Provider, Settings, World, eventually, free_port};

/// Starts the provider anew: one end with a job is enough to put it aside, and the numbers are told at this address.
async fn start(world: &mut World, numbers: &str) {
    let variables = [("BRIZO_QUEUE_QUARANTINE_AFTER", "1"), ("BRIZO_METRICS_LISTEN", numbers)];
    world.provider.kill();
    world.provider = Provider::start_in(world.folder.path(), &variables).await;
}

fn listed(world: &World, job: JobId) -> Option<Value> {
    let output = world.brizo(&["queue", "list", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let jobs = json(&output)["jobs"].as_array().unwrap().clone();
    jobs.into_iter().find(|listed| listed["jobId"] == job.to_string())
}

/// A job with which the provider was killed, and which was therefore put aside.
async fn put_aside(world: &mut World, consumer: &Consumer, numbers: &str) -> JobId {
    let module = guest("hostile");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["loop"], crate::world::FUEL_MAX).await;
    consumer.wait_for(job, "running").await;
    assert_eq!(listed(world, job).unwrap()["state"], "running");
    let refused = world.brizo(&["queue", "retry", &job.to_string()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("is running"), "{}", said(&refused));
    start(world, numbers).await;
    consumer.wait_for(job, "quarantined").await;
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_put_aside_is_seen_tried_again_and_ended() {
    let mut world = World::with(Settings { wall_clock_s: Some(10), ..Settings::default() }).await;
    let numbers = format!("127.0.0.1:{}", free_port());
    start(&mut world, &numbers).await;
    let consumer = world.consumer();
    let empty = world.brizo(&["queue", "list"]);
    assert!(said(&empty).contains("no job waits"), "{}", said(&empty));

    let job = put_aside(&mut world, &consumer, &numbers).await;
    let row = listed(&world, job).unwrap();
    assert_eq!((row["state"].as_str(), row["attempts"].as_u64()), (Some("quarantined"), Some(1)), "{row}");
    assert_eq!(
        row["consumer"].as_str().map(str::to_lowercase),
        Some(consumer.key.address().to_string().to_lowercase())
    );
    assert!(row["problem"].as_str().unwrap().contains("the worker ended 1 times"), "{row}");
    assert!(row["since"].as_u64().unwrap() >= row["orderedAt"].as_u64().unwrap(), "{row}");
    let table = said(&world.brizo(&["queue", "list"]));
    assert!(table.contains("quarantined") && table.contains("next: brizo queue retry"), "{table}");
    let doctor = said(&world.brizo(&["doctor"]));
    assert!(doctor.contains("1 jobs were put aside") && doctor.contains("0 failed"), "{doctor}");
    let told = reqwest::get(format!("http://{numbers}/metrics")).await.unwrap().text().await.unwrap();
    assert!(told.contains("brizo_jobs{state=\"quarantined\"} 1"), "{told}");
    // The provider that serves takes it up again, and this time it comes to an end of its own.
    let retried = world.brizo(&["queue", "retry", &job.to_string(), "--format", "yaml"]);
    assert_eq!(retried.status.code(), Some(0), "{}", said(&retried));
    assert!(said(&retried).contains("state: \"queued\""), "{}", said(&retried));
    let status = consumer.wait_for(job, "aborted").await;
    assert_eq!(status["end"].as_str(), Some("timed_out"), "{status}");

    let second = put_aside(&mut world, &consumer, &numbers).await;
    let ended = world.brizo(&["queue", "end", &second.to_string()]);
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    let status = consumer.wait_for(second, "aborted").await;
    assert_eq!(status["end"].as_str(), Some("host_failed"), "{status}");
    eventually("both are gone", async || listed(&world, job).is_none() && listed(&world, second).is_none())
        .await;
    for verb in ["retry", "end"] {
        let refused = world.brizo(&["queue", verb, &second.to_string()]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains("brizo queue list"), "{}", said(&refused));
    }
    assert_eq!(world.brizo(&["queue", "end", "no-job"]).status.code(), Some(2));
}

#[test]
fn a_folder_without_a_provider_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = "data_dir = \"state\"\nlisten = \"127.0.0.1:1\"\npublic_url = \"http://x\"\nrpc = \"http://x\"\n\
                  deployment = \"d\"\nkey_file = \"k\"\n";
    std::fs::write(folder.path().join("brizo.toml"), config).unwrap();
    let output = crate::world::brizo(folder.path(), &["queue", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("is data_dir right?"), "{}", said(&output));
    assert!(!folder.path().join("state").exists(), "nothing is made by looking");
}
