//! Every write of a job's life × (not done, done but not known) × (the process is killed, the write fails): after a
//! restart one assertion over the whole world.

use brizo::ids::{AgreementId, JobId};
use brizo_receipt::{Expectation, Receipt, check_signatures, check_structure};

use crate::guests::guest;
use crate::world::{Consumer, MINTED, Provider, World, eventually, persist};

/// The places, in the order of a life; a number behind `#` means that time in this process. The disk is turned again and again.
const PLACES: [&str; 15] = [
    "disk#3",
    "disk#4",
    "admit",
    "claim",
    "claim-besides",
    "blob",
    "blob#2",
    "commit",
    "log",
    "register",
    "grant",
    "release",
    "settle",
    "step",
    "step#3",
];
const WAYS: [&str; 4] = ["kill-before", "kill-after", "fail-before", "fail-after"];

/// What must be true of the whole world once these jobs are settled, and no other was ever ordered.
pub(super) async fn check_all(world: &World, consumer: &Consumer, jobs: &[JobId]) {
    let (mut paid, terms) = (0, consumer.offer().await.terms);
    for job in jobs {
        let status = consumer.wait_for(*job, "settled").await;
        let path = format!("/api/v1/jobs/{job}");
        let receipt =
            async || Receipt::parse(&consumer.client.get(&format!("{path}/receipt")).await.unwrap()).unwrap();
        eventually("the receipt's entry is in the log", async || receipt().await.log.is_some()).await;
        let receipt = receipt().await;
        let committed = consumer.chain.committed(job.agreement, job.run_index).await.unwrap().unwrap();
        let expected = Expectation {
            claim_hash: Some(committed.receipt_hash),
            consumer: Some(consumer.key.address()),
            ..Expectation::default()
        };
        check_structure(&receipt, &expected).unwrap();
        check_signatures(&receipt, &expected).unwrap().unwrap();
        let outcome = &receipt.claim.outcome;
        let due: u64 = terms.due(outcome.fuel_used, outcome.output_bytes).to();
        assert_eq!(status["paid"].as_str(), Some(&*due.to_string()), "{status}");
        paid += due;
        let history = consumer.client.get_json(&format!("{path}/history")).await.unwrap().to_string();
        for once in ["admitted", "receipt", "settled: "] {
            assert_eq!(history.matches(once).count(), 1, "{once} once: {history}");
        }
        let outputs = consumer.client.get_json(&format!("{path}/outputs")).await.unwrap();
        for output in outputs["outputs"].as_array().unwrap().iter().filter(|output| output["kind"] == "file")
        {
            let path = format!("{path}/outputs/{}", output["path"].as_str().unwrap());
            let bytes = consumer.client.get(&path).await.unwrap();
            let digest = brizo_receipt::content_digest(&bytes).to_string();
            assert_eq!(output["digest"].as_str(), Some(&*digest), "{path}");
        }
    }
    assert_eq!(world.balances().await, [paid, MINTED - paid, 0], "publisher, consumer, escrow");
    let note = brizo::client::fetch(&world.provider.url, "/log/checkpoint").await.unwrap();
    let entries = String::from_utf8(note).unwrap().lines().nth(1).unwrap().parse::<usize>().unwrap();
    assert_eq!(entries, 2 * jobs.len(), "permission and receipt of each job, once");
}

/// Orders a paid job, whatever happens to the provider meanwhile.
pub(super) async fn order_stubbornly(consumer: &Consumer, id: AgreementId, module: &[u8]) -> JobId {
    let args = ["--file", "penguins.csv"];
    let body = consumer.order_with(id, module, &args, 200_000_000, |_| {}).await;
    persist("the order is taken", async || match consumer.post("exec", &body).await {
        Err(error) if error.code() != Some("job_exists") => Err(error),
        _ => Ok(()),
    })
    .await;
    JobId { agreement: id, run_index: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_failed_and_failed_but_done() {
    let mut world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let mut jobs = Vec::new();
    for place in PLACES {
        let (place, time) = place.split_once('#').unwrap_or((place, "1"));
        for way in WAYS {
            let id = consumer.pay_for(&module).await;
            let granted = async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap();
            eventually("granted", granted).await;
            // Nothing of an earlier job is left to reach the place first.
            let idle = async || {
                let health = brizo::client::fetch(&world.provider.url, "/healthz").await.unwrap();
                String::from_utf8(health).unwrap().contains("\"waitingSteps\":0")
            };
            eventually("nothing waits", idle).await;
            world.provider.kill();
            let failpoint = format!("{place}={way}#{time}");
            let met = world.log().matches(&format!("the failpoint {place} was met")).count();
            let says_before = world.log().matches("the disk did not take its log").count();
            world.provider = Provider::start_with(world.folder.path(), Some(&failpoint));
            let job = JobId { agreement: id, run_index: 0 };
            // What only failed is mended without a restart; what was killed is ordered again after it. What the disk did not
            // take cannot be relied on, so the provider ends by itself.
            let restarting = async {
                if way.starts_with("kill") || place == "disk" {
                    let provider = std::sync::Mutex::new(&mut world.provider);
                    eventually(&failpoint, async || provider.lock().unwrap().has_ended()).await;
                    let says = "the disk did not take its log (the failpoint disk was met)";
                    assert_eq!(world.log().matches(says).count() > says_before, way.starts_with("fail"));
                } else {
                    let failed = format!("the failpoint {place} was met");
                    eventually(&failpoint, async || world.log().matches(&failed).count() > met).await;
                    eventually(&failpoint, async || has_settled(&consumer, job).await).await;
                    world.provider.kill();
                }
                world.provider = Provider::start(world.folder.path()).await;
            };
            let (ordered, ()) = tokio::join!(order_stubbornly(&consumer, id, &module), restarting);
            consumer.wait_for(ordered, "settled").await;
            jobs.push(ordered);
        }
    }
    check_all(&world, &consumer, &jobs).await;
}

async fn has_settled(consumer: &Consumer, job: JobId) -> bool {
    let status = consumer.client.get_json(&format!("/api/v1/jobs/{job}")).await;
    status.is_ok_and(|status| status["state"] == "settled")
}

#[test]
fn a_failpoint_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_brizo"))
        .args(["serve", "--config", "brizo.toml"])
        .env(brizo::failpoint::VARIABLE, "commit=explode")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("names no failpoint"), "{text}");
}
