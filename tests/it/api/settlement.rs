//! Settlement: at once and not at a timer, and many agreements at the same time.
//!
//! 8 agreements; `BRIZO_SETTLEMENTS=1000` for more.

use brizo::ids::JobId;

use super::crash_table::check_all;
use crate::guests::guest;
use crate::world::{Provider, Settings, World, eventually};

/// The provider looks by itself once an hour, so everything that happens was told to happen.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_for_a_timer() {
    let world = World::with(Settings { poll_interval_ms: Some(3_600_000), ..Settings::default() }).await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    check_all(&world, &consumer, &[job]).await;
}

/// While blocks are not made, the steps of one agreement keep nobody else's waiting, and the provider ends when it is asked.
#[tokio::test(flavor = "multi_thread")]
async fn agreements_are_settled_side_by_side() {
    let mut world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let ids = [consumer.pay_for(&module).await, consumer.pay_for(&module).await];
    let permitted = async |id| consumer.chain.permitted(id, consumer.key.address()).await.unwrap();
    eventually("granted", async || permitted(ids[0]).await && permitted(ids[1]).await).await;
    let chain = world.publisher_chain();
    eventually("nothing waits", async || !chain.has_pending().await.unwrap()).await;
    world.anvil.mine_at_once(false).await;
    let mut jobs = Vec::new();
    for id in ids {
        jobs.push(consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await);
    }
    eventually("both register", async || {
        let waiting = world.anvil.ask("txpool_status", serde_json::json!([])).await["pending"].clone();
        u64::from_str_radix(waiting.as_str().unwrap().trim_start_matches("0x"), 16).unwrap() == 2
    })
    .await;
    assert!(world.provider.terminate().success(), "nothing is waited for");
    world.anvil.mine_at_once(true).await;
    world.provider = Provider::start(world.folder.path()).await;
    check_all(&world, &consumer, &jobs).await;
}

/// All are ordered before the first is waited for, so that their settlements are under way together.
#[tokio::test(flavor = "multi_thread")]
async fn many_agreements_are_settled_once_each() {
    let count = std::env::var("BRIZO_SETTLEMENTS").map_or(8, |text| text.parse().unwrap());
    let world = World::with(Settings { waiting_max: Some(count), ..Settings::default() }).await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let mut jobs: Vec<JobId> = Vec::new();
    for _ in 0..count {
        let id = consumer.pay_for(&module).await;
        jobs.push(consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await);
    }
    check_all(&world, &consumer, &jobs).await;
}
