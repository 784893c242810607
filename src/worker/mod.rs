//! The worker: claims jobs and runs them, listens to the chain, does what the outbox owes it, and publishes the log. It meets `api` in the
//! store only; the `Nudge` between them saves waiting and carries no information.

mod execute;
mod gate;
mod housekeeping;
mod journal;
mod listen;
mod machine;
mod publish;
mod queue;
mod run;
mod settle;
mod stages;
mod watching;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use brizo_receipt::{B256, SecretKey};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::chain::Chain;
use crate::clock::Clock;
use crate::container::Containers;
use crate::data::BlobStore;
use crate::log::Log;
use crate::nudge::{Nudge, Topic};
use crate::sandbox::Engine;
use crate::store::{Lease, Store};

pub use gate::Gate;
pub use journal::ChainRows;
pub use machine::memory_to_use;
pub use publish::LogRows;

/// Seconds a worker may be silent before its job goes to another one.
const LEASE_S: u64 = 30;

/// Who a worker is.
const OWNER: &str = "worker";

/// How a worker holds its jobs.
const LEASE: Lease = Lease { owner: Cow::Borrowed(OWNER), seconds: LEASE_S };

/// Settings of a worker.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Jobs that run at the same time.
    pub concurrency: usize,
    /// How often the store and the chain are looked at when nothing wakes the loops.
    pub poll_interval: Duration,
    /// Seconds between two anchors of the log on chain; 0 for none.
    pub anchor_every_s: u64,
    /// Seconds after its end for which a job is kept; 0 for ever.
    pub keep_jobs_s: u64,
}

/// Everything the loops need. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The store.
    pub store: Store,
    /// The chain, with the publisher's key.
    pub chain: Chain,
    /// The sandbox.
    pub engine: Engine,
    /// The containers.
    pub containers: Containers,
    /// Modules, inputs and outputs.
    pub blobs: BlobStore,
    /// Blobs that no row names but the configuration does: those of the runtimes.
    pub pinned: Arc<HashSet<B256>>,
    /// The publisher's key, for attestations.
    pub key: SecretKey,
    /// The transparency log.
    pub log: Arc<Log>,
    /// Whether jobs may begin.
    pub gate: Gate,
    /// The clock.
    pub clock: Clock,
    /// Base URL under which outputs are served.
    pub public_url: String,
    /// Settings.
    pub options: Options,
    /// Shared with the API.
    pub nudge: Nudge,
}

impl Worker {
    /// Runs all loops until `stop` turns true. Jobs that run then may go on until `cut` turns true, and are given back to
    /// the queue if they have not ended by then.
    pub async fn work(self, stop: watch::Receiver<bool>, cut: watch::Receiver<bool>) {
        let mut loops = JoinSet::new();
        loops.spawn(self.clone().run_queue(stop.clone(), cut));
        loops.spawn(self.clone().listen(stop.clone()));
        loops.spawn(self.clone().publish_log(stop.clone()));
        loops.spawn(self.clone().anchor_log(stop.clone()));
        loops.spawn(self.clone().keep_house(stop.clone()));
        loops.spawn(self.settle(stop));
        join(loops).await;
    }

    /// Waits for a nudge about a topic, the poll interval, or the end. Returns false at the end.
    async fn pause(&mut self, topic: Topic, stop: &mut watch::Receiver<bool>) -> bool {
        if *stop.borrow() {
            return false;
        }
        tokio::select! {
            () = self.nudge.next(topic) => {}
            () = tokio::time::sleep(self.options.poll_interval) => {}
            _ = stop.changed() => {}
        }
        !*stop.borrow()
    }
}

async fn join(mut loops: JoinSet<()>) {
    while let Some(ended) = loops.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a loop of the worker died");
        }
    }
}
