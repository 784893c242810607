//! The queue's loop: takes jobs while there are places for them, and starts each by itself.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::{LEASE_S, Worker};
use crate::nudge::Topic;
use crate::store::Claimed;

/// Jobs that are being committed while as many others run as may run.
const COMMITS_MAX: usize = 16;

impl Worker {
    /// Runs jobs until `stop`, and those that run then until `cut`; nothing else of a worker.
    pub async fn run_queue(mut self, mut stop: watch::Receiver<bool>, cut: watch::Receiver<bool>) {
        let concurrency = self.options.concurrency.max(1);
        let places = Arc::new(Semaphore::new(concurrency));
        let mut at_work = JoinSet::new();
        while !*stop.borrow() {
            while let Some(ended) = at_work.try_join_next() {
                report(ended);
            }
            // A place is free before its job is committed; what waits for the disk is bounded by itself.
            if at_work.len() >= concurrency.saturating_add(COMMITS_MAX) {
                if let Some(ended) = at_work.join_next().await {
                    report(ended);
                }
                continue;
            }
            let place = tokio::select! {
                place = places.clone().acquire_owned() => place,
                _ = stop.changed() => continue,
            };
            // The semaphore is never closed.
            let Ok(place) = place else { break };
            match self.take().await {
                Ok(Some(claimed)) => {
                    at_work.spawn(self.clone().work_at(claimed, place, cut.clone()));
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(error = %format!("{error:#}"), "the queue cannot be worked on");
                }
            }
            drop(place);
            self.pause(Topic::Queue, &mut stop).await;
        }
        while let Some(ended) = at_work.join_next().await {
            report(ended);
        }
    }

    /// Takes the job whose turn it is, if there is one and jobs may begin.
    async fn take(&self) -> anyhow::Result<Option<Claimed>> {
        if !self.gate.is_open() {
            return Ok(None);
        }
        let now_s = self.clock.now_s();
        let claimed = self.store.with(move |store| store.claim_job("worker", now_s, LEASE_S)).await?;
        if let Some(claimed) = &claimed {
            tracing::info!(job = %claimed.id, attempt = claimed.attempt, "job claimed");
        }
        Ok(claimed)
    }

    /// Brings a job to its commit point or its end.
    async fn work_at(self, claimed: Claimed, place: OwnedSemaphorePermit, cut: watch::Receiver<bool>) {
        let id = claimed.id;
        let span = tracing::info_span!("run", job = %id, agreement = %id.agreement);
        match self.run(&claimed, place, cut).instrument(span).await {
            Ok(()) => {}
            Err(failure) => {
                if let Err(error) = self.give_up(claimed, failure).await {
                    // Its lease runs out, and it is taken up again.
                    tracing::error!(job = %id, error = %format!("{error:#}"), "the job cannot be given up");
                }
            }
        }
        self.nudge.now();
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a job's task died; the job is taken up again when its lease has run out");
    }
}
