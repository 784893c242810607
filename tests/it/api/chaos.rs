//! Chaos: the provider is killed hard at random moments while jobs come in. Nothing is lost, and money moves once.
//!
//! 30 cycles; `BRIZO_CHAOS_CYCLES=500` for more, and `BRIZO_CHAOS_SEED` repeats the moments of a run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::crash_table::{check_all, order_stubbornly};
use crate::guests::guest;
use crate::world::{Consumer, World, persist};

/// Longest life of a provider between two kills: as long as a job takes from its agreement to its settlement. Where a busy
/// machine gets nothing done in it, the next life may be twice as long.
const LIFE_MS: u64 = 900;

/// Numbers that look random and repeat (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// One job after the other, from agreement to order, until it is enough.
async fn order_on(consumer: &Consumer, enough: &AtomicBool, done: &AtomicU64) -> Vec<brizo::ids::JobId> {
    let module = guest("column_stats");
    let mut jobs = Vec::new();
    while !enough.load(Ordering::SeqCst) {
        let id = consumer.new_id();
        let body = consumer.agreement_body(id).await;
        persist("an agreement", async || consumer.post("initialize", &body).await).await;
        done.fetch_add(1, Ordering::SeqCst);
        persist("an upload", async || consumer.upload(id, &module).await).await;
        done.fetch_add(1, Ordering::SeqCst);
        consumer.lock(id).await;
        jobs.push(order_stubbornly(consumer, id, &module).await);
        done.fetch_add(1, Ordering::SeqCst);
    }
    jobs
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments() {
    let cycles = number("BRIZO_CHAOS_CYCLES").unwrap_or(30);
    let seed = number("BRIZO_CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("BRIZO_CHAOS_SEED={seed}");
    let mut world = World::start().await;
    let (consumer, enough, done) = (world.consumer(), AtomicBool::new(false), AtomicU64::new(0));
    let (mut dice, mut life_ms, mut seen) = (Dice(seed), LIFE_MS, 0);
    let killing = async {
        for _ in 0..cycles {
            // The moment is the test: nothing waits for this time to have passed.
            let moment = Duration::from_millis(dice.below(life_ms));
            tokio::time::timeout(moment, std::future::pending::<()>()).await.unwrap_err();
            world.kill_and_restart().await;
            let now = done.load(Ordering::SeqCst);
            life_ms = if now > seen { LIFE_MS } else { 2 * life_ms };
            seen = now;
        }
        enough.store(true, Ordering::SeqCst);
    };
    let (jobs, ()) = tokio::join!(order_on(&consumer, &enough, &done), killing);
    assert!(!jobs.is_empty(), "seed {seed}: no job got through");
    println!("{} jobs, {cycles} kills", jobs.len());
    check_all(&world, &consumer, &jobs).await;
}
