//! The queue's loop: takes jobs while there are places for them, and starts each by itself. A place that finds nothing to do is
//! offered to the store, and a job that ends hands its place to the next one, so that most jobs need no look at the queue.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tracing::Instrument as _;

use super::run::Failure;
use super::stages::{Stages, is_over};
use super::{LEASE, LEASE_S, OWNER, Worker};
use crate::job::State;
use crate::nudge::Topic;
use crate::sandbox::Control;
use crate::store::{Claimed, Offer};

/// Jobs that are being committed while as many others run as may run. They share turns of the disk, so more of them cost little.
const COMMITS_MAX: usize = 64;

/// What one look for a job ends with.
type Look = anyhow::Result<Option<Begun>>;

/// A job with the place that it was claimed for.
pub(super) struct Handed {
    pub(super) claimed: Claimed,
    pub(super) place: OwnedSemaphorePermit,
}

/// A job that is being worked on.
struct Begun {
    claimed: Claimed,
    stages: Arc<Stages>,
    work: JoinHandle<Result<Option<Handed>, Failure>>,
}

/// A place that waits in the store for a job.
struct Offered {
    number: u64,
    told: oneshot::Receiver<Begun>,
}

/// What was heard of the queue.
#[derive(Debug, Clone, Copy)]
struct News {
    /// Whether there may be a job that nobody takes yet.
    may_wait: bool,
    /// How often something was heard.
    number: u64,
}

impl News {
    fn hear(&mut self) {
        self.may_wait = true;
        self.number += 1;
    }

    /// A look that began at this number has found nothing. What was heard since then may be of something that it did not see.
    fn looked_in_vain(&mut self, began: u64) {
        self.may_wait = began != self.number;
    }
}

/// What the loop knows.
struct Queue {
    worker: Worker,
    places: Arc<Semaphore>,
    /// Looks go on side by side: each waits for the database, and one after the other they would be the queue's speed.
    looks: JoinSet<(u64, Look)>,
    at_work: JoinSet<()>,
    offered: Option<Offered>,
    news: News,
    /// Whether a place may be offered; not while the disk is full.
    may_offer: bool,
    stop: watch::Receiver<bool>,
    cut: watch::Receiver<bool>,
}

impl Worker {
    /// Runs jobs until `stop`, and those that run then until `cut`; nothing else of a worker.
    pub async fn run_queue(self, stop: watch::Receiver<bool>, cut: watch::Receiver<bool>) {
        let queue = Queue {
            places: Arc::new(Semaphore::new(self.options.concurrency.max(1))),
            worker: self,
            looks: JoinSet::new(),
            at_work: JoinSet::new(),
            offered: None,
            news: News { may_wait: true, number: 0 },
            may_offer: true,
            stop,
            cut,
        };
        queue.run().await;
    }
}

impl Queue {
    async fn run(mut self) {
        let mut nudge = self.worker.nudge.clone();
        let mut stop = self.stop.clone();
        let most = self.worker.options.concurrency.max(1).saturating_add(COMMITS_MAX);
        while !*stop.borrow() {
            // A place is free before its job is committed; what waits for the disk is bounded by itself.
            let has_room = self.looks.len() + self.at_work.len() < most;
            let wants_place = self.news.may_wait || (self.may_offer && self.offered.is_none());
            let poll = tokio::time::sleep(self.worker.options.poll_interval);
            tokio::select! {
                Some(look) = self.looks.join_next() => self.looked(look),
                Some(ended) = self.at_work.join_next() => report(ended),
                told = answer(&mut self.offered) => self.told(told),
                // The semaphore is never closed.
                Ok(place) = self.places.clone().acquire_owned(), if wants_place && has_room => self.use_place(place).await,
                () = nudge.next(Topic::Queue) => self.look_again(),
                () = poll => self.look_again(),
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        self.end().await;
    }

    /// There may be something new to do.
    fn look_again(&mut self) {
        // An offer that somebody is about to answer is waited for.
        if self.offered.as_ref().is_some_and(|offered| self.worker.store.withdraw(offered.number)) {
            self.offered = None;
        }
        self.may_offer = true;
        self.news.hear();
    }

    /// Looks for a job with a free place, or offers it.
    async fn use_place(&mut self, place: OwnedSemaphorePermit) {
        if !self.worker.gate.is_open() {
            (self.news.may_wait, self.may_offer) = (false, false);
            return;
        }
        self.news.may_wait = self.news.may_wait && self.worker.has_more_than(self.looks.len()).await;
        if self.news.may_wait {
            let (worker, began, stop) = (self.worker.clone(), self.news.number, self.stop.clone());
            self.looks.spawn(async move { (began, worker.look(place, stop).await) });
        } else if self.offered.is_none() {
            self.offered = Some(self.worker.offer(place, self.stop.clone()));
        }
    }

    fn looked(&mut self, look: Result<(u64, Look), JoinError>) {
        let (began, look) = look.unwrap_or_else(|error| (self.news.number, Err(error.into())));
        match look {
            Ok(Some(begun)) => {
                self.see_through(begun);
                self.news.may_wait = true;
            }
            Ok(None) => self.news.looked_in_vain(began),
            Err(error) => {
                tracing::error!(error = %format!("{error:#}"), "the queue cannot be worked on");
                self.news.looked_in_vain(began);
            }
        }
    }

    fn told(&mut self, told: Option<Begun>) {
        self.offered = None;
        match told {
            Some(begun) => self.see_through(begun),
            // What came was not for this place, or came to nothing.
            None => self.news.hear(),
        }
    }

    fn see_through(&mut self, begun: Begun) {
        let worker = self.worker.clone();
        self.at_work.spawn(worker.see_through(begun, self.stop.clone(), self.cut.clone()));
    }

    async fn end(mut self) {
        self.look_again();
        if self.offered.is_some() {
            let told = answer(&mut self.offered).await;
            self.told(told);
        }
        while let Some(look) = self.looks.join_next().await {
            self.looked(look);
        }
        while let Some(ended) = self.at_work.join_next().await {
            report(ended);
        }
    }
}

impl Drop for Queue {
    /// An offer that nobody listens to any more would be given a job that nobody watches over.
    fn drop(&mut self) {
        if let Some(offered) = &self.offered {
            let _ = self.worker.store.withdraw(offered.number);
        }
    }
}

impl Worker {
    /// Whether more jobs may begin than are being looked for.
    async fn has_more_than(&self, looks: usize) -> bool {
        let (now_s, looks) = (self.clock.now_s(), looks as u64);
        let waiting = self.store.read(move |store| store.waiting_jobs(now_s, looks + 1)).await;
        waiting.map(|waiting| waiting > looks).unwrap_or_else(|error| {
            tracing::error!(%error, "the queue cannot be looked at");
            false
        })
    }

    /// Offers a place to whichever job comes next. Its work begins where it was claimed, and the loop is told.
    fn offer(&self, place: OwnedSemaphorePermit, stop: watch::Receiver<bool>) -> Offered {
        let (tell, told) = oneshot::channel();
        let (worker, runtime) = (self.clone(), Handle::current());
        // The loop waits for the answer even at the end; whoever comes after it has died finds the lease run out.
        let take =
            Box::new(move |claimed| drop(tell.send(worker.begin(Handed { claimed, place }, stop, &runtime))));
        Offered { number: self.store.offer(Offer { lease: LEASE, take }), told }
    }

    /// Takes the job whose turn it is, if there is one. The thread that takes it goes on with its work.
    async fn look(self, place: OwnedSemaphorePermit, stop: watch::Receiver<bool>) -> Look {
        let (tell, told) = oneshot::channel();
        let work = tokio::task::spawn_blocking(move || {
            match self.store.claim_job(OWNER, self.clock.now_s(), LEASE_S) {
                Ok(Some(claimed)) => {
                    let (stages, control) = self.stages(place, stop);
                    // Nobody listens when the queue's loop has died; the lease then runs out.
                    if tell.send(Ok(Some((claimed.clone(), stages.clone())))).is_err() {
                        return Err(Failure::Stopped);
                    }
                    self.work_on(&claimed, &stages, &control)
                }
                none => {
                    let _ = tell.send(none.map(|_| None));
                    Ok(None)
                }
            }
        });
        // Nothing is told when the thread has died.
        let told = told.await.context("the claim of a job died")?;
        Ok(told?.map(|(claimed, stages)| Begun { claimed, stages, work }))
    }

    /// Starts a job that was claimed.
    fn begin(&self, handed: Handed, stop: watch::Receiver<bool>, runtime: &Handle) -> Begun {
        let Handed { claimed, place } = handed;
        let (stages, control) = self.stages(place, stop);
        let (worker, job, its_stages) = (self.clone(), claimed.clone(), stages.clone());
        let work = runtime.spawn_blocking(move || worker.work_on(&job, &its_stages, &control));
        Begun { claimed, stages, work }
    }

    fn stages(&self, place: OwnedSemaphorePermit, stop: watch::Receiver<bool>) -> (Arc<Stages>, Control) {
        let control = Control::default();
        let stage = self.stage(State::Preparing, self.store.rules().prepare_s);
        (Arc::new(Stages::new(stage, control.clone(), place, stop)), control)
    }

    fn work_on(
        &self,
        claimed: &Claimed,
        stages: &Stages,
        control: &Control,
    ) -> Result<Option<Handed>, Failure> {
        let id = claimed.id;
        let _span = tracing::info_span!("run", job = %id, agreement = %id.agreement).entered();
        tracing::info!(attempt = claimed.attempt, "job claimed");
        self.run(claimed, stages, control)
    }

    /// Watches over a job until its commit point or its end, and over those that come to its place.
    async fn see_through(self, mut begun: Begun, stop: watch::Receiver<bool>, cut: watch::Receiver<bool>) {
        loop {
            let Begun { claimed, stages, work } = begun;
            let id = claimed.id;
            let span = tracing::info_span!("run", job = %id, agreement = %id.agreement);
            let next = match self.watch(&claimed, &stages, work, cut.clone()).instrument(span).await {
                Ok(next) => next,
                Err(failure) => {
                    self.let_go(claimed, failure).await;
                    None
                }
            };
            begun = match next {
                None => return,
                Some(handed) if is_over(&stop) => return self.hand_back(handed).await,
                Some(handed) => self.begin(handed, stop.clone(), &Handle::current()),
            };
        }
    }

    /// Gives back a job that was claimed when no more may begin.
    async fn hand_back(&self, handed: Handed) {
        self.let_go(handed.claimed, Failure::Stopped).await;
    }

    async fn let_go(&self, claimed: Claimed, failure: Failure) {
        let id = claimed.id;
        if let Err(error) = self.give_up(claimed, failure).await {
            // Its lease runs out, and it is taken up again.
            tracing::error!(job = %id, error = %format!("{error:#}"), "the job cannot be given up");
        }
        self.nudge.now();
    }
}

/// What came of an offer; for ever pending without one. Nothing when it was turned down.
async fn answer(offered: &mut Option<Offered>) -> Option<Begun> {
    match offered {
        Some(offered) => (&mut offered.told).await.ok(),
        None => std::future::pending().await,
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a job's task died; the job is taken up again when its lease has run out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_in_vain_ends_the_looking_but_not_for_what_came_meanwhile() {
        let mut news = News { may_wait: true, number: 0 };
        news.looked_in_vain(news.number);
        assert!(!news.may_wait);
        news.hear();
        let began = news.number;
        news.hear();
        news.looked_in_vain(began);
        assert!(news.may_wait, "an order came while it looked");
        news.looked_in_vain(news.number);
        assert!(!news.may_wait, "and it does not look for ever");
    }
}
