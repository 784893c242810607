//! The chain is reorganised under a running provider: what was seen there is taken back, and money follows the new chain.

use brizo::chain::Chain;
use serde_json::json;

use crate::guests::guest;
use crate::world::{Fault, World, eventually, inside};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_a_reorganisation_takes_back_is_waited_for_again() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.agree().await;
    consumer.upload(id, &module).await.unwrap();
    let locked = consumer.lock(id).await;
    eventually("granted", async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap()).await;
    eventually("recorded", async || world.log().contains("step=\"authorize\"")).await;
    let newest = consumer.chain.block_number().await.unwrap();
    // Back to before the lock; other, empty blocks take the place.
    world.anvil.ask("anvil_reorg", json!([newest - locked.block + 1, []])).await;
    world.anvil.ask("evm_mine", json!([])).await;
    assert!(consumer.chain.locked(id).await.unwrap().is_zero(), "the payment is gone");
    eventually("noticed", async || world.log().contains("its payment is not in the chain for now")).await;
    let order = consumer.order_body(id, &module, &["--file", "penguins.csv"]).await;
    let refused = consumer.post("exec", &order).await.unwrap_err();
    assert!(refused.to_string().contains("lock"), "{refused}");

    consumer.lock(id).await;
    eventually("granted again", async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap())
        .await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    let committed = consumer.chain.committed(id, 0).await.unwrap().unwrap();
    assert_eq!(committed.publisher, world.publisher());
}

/// Our own transaction is taken back, and the payment is not: it is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_a_reorganisation_takes_back_is_sent_again() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.pay_for(&module).await;
    let granted = async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap();
    eventually("granted", granted).await;
    let newest = consumer.chain.block_number().await.unwrap();
    let store = brizo::store::Store::open(&inside(&world, "state/brizo.db")).unwrap();
    eventually("the block is read", async || store.cursor().unwrap() >= Some(newest)).await;
    eventually("and the step is done", async || store.waiting_steps().unwrap() == 0).await;
    // The provider hears of it once the test has looked.
    world.proxy.set(Fault::Down);
    world.anvil.ask("anvil_reorg", json!([1, []])).await;
    world.anvil.ask("evm_mine", json!([])).await;
    assert!(
        !granted().await && !consumer.chain.locked(id).await.unwrap().is_zero(),
        "only the newest block is gone"
    );
    world.proxy.set(Fault::None);
    eventually("granted again", granted).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    consumer.wait_for(job, "settled").await;
}

/// Events are read on from where an earlier process stopped, whatever happened in between.
#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_provider_was_down_is_read_later() {
    let mut world = World::start().await;
    let consumer = world.consumer();
    let module = guest("group_aggregate");
    let id = consumer.agree().await;
    consumer.upload(id, &module).await.unwrap();
    let terms = consumer.offer().await.terms;
    world.provider.kill();
    consumer.chain.approve_token(terms.token, terms.price).await.unwrap();
    consumer.chain.lock_payment(id, world.did, &terms).await.unwrap();
    world.kill_and_restart().await;
    eventually("granted", async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap()).await;
    // A reader of its own, from the first block on, sees the same.
    let reader: Chain = consumer.chain.clone();
    let (mut after, mut seen) = (world.deployment.block, Vec::new());
    while let Some(read) = reader.locked_since(after, world.publisher()).await.unwrap() {
        after = read.to;
        seen.extend(read.locked.iter().map(|(id, _)| *id));
        assert_eq!(reader.block_hash(read.to).await.unwrap(), Some(read.hash));
    }
    assert_eq!(seen, [id.0]);
}
