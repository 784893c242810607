//! The queue's loop: takes jobs while there are places for them, and starts each by itself.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument as _;

use super::run::Failure;
use super::stages::Stages;
use super::{LEASE_S, Worker};
use crate::job::State;
use crate::nudge::Topic;
use crate::sandbox::Control;
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
            match self.begin(place).await {
                Ok(Some(begun)) => {
                    at_work.spawn(self.clone().see_through(begun, cut.clone()));
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(error = %format!("{error:#}"), "the queue cannot be worked on");
                }
            }
            self.pause(Topic::Queue, &mut stop).await;
        }
        while let Some(ended) = at_work.join_next().await {
            report(ended);
        }
    }

    /// Takes the job whose turn it is, if there is one and jobs may begin. The thread that takes it goes on with its work.
    async fn begin(&self, place: OwnedSemaphorePermit) -> anyhow::Result<Option<Begun>> {
        if !self.gate.is_open() {
            return Ok(None);
        }
        let (tell, told) = oneshot::channel();
        let worker = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let control = Control::default();
            let claimed = match worker.store.claim_job("worker", worker.clock.now_s(), LEASE_S) {
                Ok(Some(claimed)) => claimed,
                none => {
                    let _ = tell.send(none.map(|_| None));
                    return Ok(());
                }
            };
            let stage = worker.stage(State::Preparing, worker.store.rules().prepare_s);
            let stages = Arc::new(Stages::new(stage, control.clone(), place));
            let id = claimed.id;
            let _span = tracing::info_span!("run", job = %id, agreement = %id.agreement).entered();
            tracing::info!(attempt = claimed.attempt, "job claimed");
            // Nobody listens when the queue's loop has died; the lease then runs out.
            if tell.send(Ok(Some((claimed.clone(), stages.clone())))).is_err() {
                return Err(Failure::Stopped);
            }
            worker.run(&claimed, &stages, &control)
        });
        // Nothing is told when the thread has died.
        let told = told.await.context("the claim of a job died")?;
        Ok(told?.map(|(claimed, stages)| Begun { claimed, stages, work }))
    }

    /// Watches over a job until its commit point or its end.
    async fn see_through(self, begun: Begun, cut: watch::Receiver<bool>) {
        let Begun { claimed, stages, work } = begun;
        let id = claimed.id;
        let span = tracing::info_span!("run", job = %id, agreement = %id.agreement);
        if let Err(failure) = self.watch(&claimed, &stages, work, cut).instrument(span).await {
            if let Err(error) = self.give_up(claimed, failure).await {
                // Its lease runs out, and it is taken up again.
                tracing::error!(job = %id, error = %format!("{error:#}"), "the job cannot be given up");
            }
            self.nudge.now();
        }
    }
}

/// A job that is being worked on.
struct Begun {
    claimed: Claimed,
    stages: Arc<Stages>,
    work: JoinHandle<Result<(), Failure>>,
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a job's task died; the job is taken up again when its lease has run out");
    }
}
