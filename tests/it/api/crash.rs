//! Kill -9 at the points that matter; after the restart the job ends, and money has moved exactly once.

use brizo::ids::JobId;
use brizo_receipt::{Expectation, Receipt, check_signatures, check_structure};

use crate::guests::guest;
use crate::world::{Consumer, Fault, MINTED, World, eventually, inside};

/// The one assertion over the whole world: a settled job, a receipt that holds and is on chain, exact balances.
async fn check_world(world: &World, consumer: &Consumer, job: JobId) {
    let status = consumer.wait_for(job, "settled").await;
    let bytes = consumer.client.get(&format!("/api/v1/jobs/{job}/receipt")).await.unwrap();
    let receipt = Receipt::parse(&bytes).unwrap();
    let committed = consumer.chain.committed(job.agreement, 0).await.unwrap().unwrap();
    let expected = Expectation {
        claim_hash: Some(committed.receipt_hash),
        consumer: Some(consumer.key.address()),
        ..Expectation::default()
    };
    check_structure(&receipt, &expected).unwrap();
    check_signatures(&receipt, &expected).unwrap().unwrap();
    let outcome = &receipt.claim.outcome;
    let due: u64 = consumer.offer().await.terms.due(outcome.fuel_used, outcome.output_bytes).to();
    assert_eq!(world.balances().await, [due, MINTED - due, 0], "{status}");
    assert_eq!(status["paid"].as_str(), Some(&*due.to_string()), "{status}");
    assert_eq!(status["receiptHash"].as_str(), Some(&*receipt.claim_hash.to_string()));
}

/// An order of column statistics, ready and paid.
async fn ordered(consumer: &Consumer) -> JobId {
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await
}

/// A job that runs: long enough to be caught at it on any machine (a fast one takes three seconds), bounded by its fuel.
async fn caught_running(consumer: &Consumer) -> JobId {
    let module = guest("hostile");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["loop"], 60_000_000_000).await;
    consumer.wait_for(job, "running").await;
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_during_the_run() {
    let mut world = World::start().await;
    let consumer = world.consumer();
    let job = caught_running(&consumer).await;
    world.kill_and_restart().await;
    check_world(&world, &consumer, job).await;
    let history = consumer.client.get_json(&format!("/api/v1/jobs/{job}/history")).await.unwrap();
    assert!(history.to_string().contains("attempt 2"), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_during_the_run() {
    let mut world = World::start().await;
    let consumer = world.consumer();
    let job = caught_running(&consumer).await;
    assert!(world.provider.terminate().success(), "an orderly end");
    let queue = brizo::store::Store::open(&inside(&world, "state/brizo.db")).unwrap().queue().unwrap();
    let counted: Vec<_> = queue.iter().map(|row| (row.id, row.state, row.failures, row.crashes)).collect();
    assert_eq!(counted, [(job, brizo::job::State::Queued, 0, 0)], "it counts for nothing");
    world.provider = crate::world::Provider::start(world.folder.path()).await;
    check_world(&world, &consumer, job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_grace_a_run_ends_before_the_provider_does() {
    let mut world = World::with(crate::world::Settings { grace_s: 600, ..Default::default() }).await;
    let consumer = world.consumer();
    let job = caught_running(&consumer).await;
    assert!(world.provider.terminate().success(), "an orderly end");
    world.provider = crate::world::Provider::start(world.folder.path()).await;
    check_world(&world, &consumer, job).await;
    let history = consumer.client.get_json(&format!("/api/v1/jobs/{job}/history")).await.unwrap();
    assert!(!history.to_string().contains("attempt 2"), "{history}");
}

/// A full queue refuses with a time to come back, and takes the same order when there is room again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_loses_nothing() {
    let world = World::with(crate::world::Settings { waiting_max: Some(0), ..Default::default() }).await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    eventually("granted", async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap()).await;
    let body = consumer.order_with(id, &module, &["--file", "penguins.csv"], 200_000_000, |_| {}).await;
    let refused = consumer.post("exec", &body).await.unwrap_err();
    assert_eq!(refused.code(), Some("queue_full"), "{refused}");
    let mut world = world;
    let path = world.folder.path().join("brizo.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("waiting_max = 0", "waiting_max = 1")).unwrap();
    world.kill_and_restart().await;
    consumer.exec_when_granted(&body).await;
    check_world(&world, &consumer, JobId { agreement: id, run_index: 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_commit() {
    let mut world = World::start().await;
    let consumer = world.consumer();
    // Nothing of the settlement reaches the chain, so the job stays where the commit point left it.
    let job = settle_with(&world, &consumer, Fault::LoseTransaction(1), async || {}).await;
    consumer.wait_for(job, "publishing").await;
    world.provider.kill();
    assert!(consumer.chain.receipt_of(job.agreement, 0).await.unwrap().is_zero(), "nothing is on chain yet");
    world.proxy.set(Fault::None);
    world.provider = crate::world::Provider::start(world.folder.path()).await;
    check_world(&world, &consumer, job).await;
}

/// Each transaction of the settlement, lost on its way there or on its way back, and the provider killed right then.
#[tokio::test(flavor = "multi_thread")]
async fn killed_during_the_settlement() {
    for step in 1..=3 {
        for fault in [Fault::LoseTransaction(step), Fault::LoseAnswerOf(step)] {
            let mut world = World::start().await;
            let consumer = world.consumer();
            let job = settle_with(&world, &consumer, fault, async || {}).await;
            eventually("the fault struck", async || world.proxy.is_down()).await;
            world.provider.kill();
            world.proxy.set(Fault::None);
            world.provider = crate::world::Provider::start(world.folder.path()).await;
            check_world(&world, &consumer, job).await;
        }
    }
}

/// Orders a job while the computation is already granted, with a fault on the settlement's transactions.
async fn settle_with(world: &World, consumer: &Consumer, fault: Fault, then: impl AsyncFnOnce()) -> JobId {
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    eventually("granted", async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap()).await;
    // The provider sends nothing now until the job is committed.
    let idle = async || brizo::client::fetch(&world.provider.url, "/healthz").await.unwrap();
    eventually("nothing waits", async || {
        String::from_utf8(idle().await).unwrap().contains("\"waitingSteps\":0")
    })
    .await;
    world.proxy.set(fault);
    then().await;
    consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await
}

/// A transaction that waits to be mined is followed by the next process, and not sent a second time.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_transaction_waits_to_be_mined() {
    let mut world = World::start().await;
    let consumer = world.consumer();
    let job =
        settle_with(&world, &consumer, Fault::None, async || world.anvil.mine_at_once(false).await).await;
    consumer.wait_for(job, "publishing").await;
    let chain = world.publisher_chain();
    eventually("the first transaction waits", async || chain.has_pending().await.unwrap()).await;
    world.kill_and_restart().await;
    eventually("it is followed on", async || world.log().contains("transactions of an earlier process"))
        .await;
    world.anvil.mine_at_once(true).await;
    check_world(&world, &consumer, job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_provider_on_the_same_folder_is_refused() {
    let world = World::start().await;
    let output = world.brizo(&["serve", "--config", "brizo.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another `brizo serve` uses"));
    ordered(&world.consumer()).await;
}
