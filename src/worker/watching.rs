//! Watching over a job's work: its lease is kept alive, and it is stopped when it takes too long, when the lease is lost, and
//! when the provider goes down.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::queue::Handed;
use super::run::Failure;
use super::stages::{Stage, Stages};
use super::{LEASE_S, Worker};
use crate::job::State;
use crate::nudge::{Nudge, Topic};
use crate::store::{Claimed, Error as StoreError};

/// A stage that is over sooner is not written down: for a small job that would be a good part of its time.
const BLINK: Duration = Duration::from_millis(10);

/// How often the work is looked at after that.
const LOOK: Duration = Duration::from_millis(100);

/// How often a lease is renewed: it outlives two renewals that fail.
const BEAT: Duration = Duration::from_secs(LEASE_S / 3);

/// How long work that was told to stop is waited for; after that its thread is left alone, and its job goes on without it.
const ABANDON_AFTER: Duration = Duration::from_secs(30);

/// What is known of a work that goes on.
struct Watched<'a> {
    worker: &'a Worker,
    claimed: &'a Claimed,
    stages: &'a Stages,
    /// The state that was written down, and when.
    kept: Option<(State, Instant)>,
    /// Since when it is known that another worker has the job, or nobody any more.
    lost: Option<Instant>,
    /// What others say of jobs.
    nudge: Nudge,
    /// Which stage took too long, and when that was seen.
    late: Option<(Stage, Instant)>,
}

impl Worker {
    /// Waits for a job's work, which ends with the next job, if it has claimed one.
    pub(super) async fn watch(
        &self,
        claimed: &Claimed,
        stages: &Stages,
        mut work: JoinHandle<Result<Option<Handed>, Failure>>,
        mut cut: watch::Receiver<bool>,
    ) -> Result<Option<Handed>, Failure> {
        let _watch = self.store.watch(claimed);
        let nudge = self.nudge.clone();
        let mut watched =
            Watched { worker: self, claimed, stages, kept: None, lost: None, nudge, late: None };
        let mut look = interval_at(Instant::now() + BLINK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut cutting = *cut.borrow();
        if cutting {
            stages.stop();
        }
        loop {
            tokio::select! {
                ended = &mut work => return watched.end(ended?),
                _ = look.tick() => watched.look().await?,
                changed = cut.changed(), if !cutting => {
                    // A closed channel means that nobody can ask for a stop any more, which is one.
                    cutting = changed.is_err() || *cut.borrow();
                    if cutting {
                        stages.stop();
                    }
                }
            }
        }
    }
}

impl Watched<'_> {
    fn end(&self, ended: Result<Option<Handed>, Failure>) -> Result<Option<Handed>, Failure> {
        match (ended, self.late) {
            // A commit that went through was of this attempt all the same, and so is what it claimed.
            (Ok(handed), _) => Ok(handed),
            _ if self.lost.is_some() => Err(Failure::Lost),
            (Err(Failure::Stopped), Some((stage, _))) => Err(too_long(stage)),
            (ended, _) => ended,
        }
    }

    /// Fails when the work is to be left alone.
    async fn look(&mut self) -> Result<(), Failure> {
        let stage = self.stages.now();
        if self.late.is_none() && stage.is_late() {
            self.late = Some((stage, Instant::now()));
            self.stages.stop();
        }
        let since = self.lost.into_iter().chain(self.late.map(|(_, since)| since)).min();
        if since.is_some_and(|since| since.elapsed() >= ABANDON_AFTER) {
            // Its attempt is fenced: whatever it still does, it commits nothing.
            self.stages.abandon();
            return Err(match self.late {
                Some((late, _)) if self.lost.is_none() => too_long(late),
                _ => Failure::Lost,
            });
        }
        if self.lost.is_none() {
            let is_kept = |(state, when): (State, Instant)| state == stage.state && when.elapsed() < BEAT;
            if !self.kept.is_some_and(is_kept) {
                self.keep(stage).await;
            } else if self.nudge.heard(Topic::Jobs) {
                self.see_whether_it_is_ours().await;
            }
        }
        Ok(())
    }

    /// Renews the lease, and moves the job to its state.
    async fn keep(&mut self, stage: Stage) {
        // From before the wait for the database, so that after a long one the next beat comes at once.
        let began = Instant::now();
        let (claimed, clock) = (self.claimed.clone(), self.worker.clock.clone());
        let kept = self
            .worker
            .store
            .with(move |store| {
                store.keep_lease(&claimed, stage.state, stage.until_s, || clock.now_s(), LEASE_S)
            })
            .await;
        match kept {
            Ok(()) => {}
            Err(StoreError::LeaseLost(_)) => self.lose(),
            // The lease outlives two heartbeats; the next one may succeed.
            Err(error) => tracing::warn!(job = %self.claimed.id, %error, "heartbeat failed"),
        }
        self.kept = Some((stage.state, began));
    }

    /// Something happened to some job. A stop has given back this one's memory already, so it is not found at the next beat
    /// only.
    async fn see_whether_it_is_ours(&mut self) {
        let claimed = self.claimed.clone();
        // What cannot be read is found at the next beat.
        if let Ok(false) = self.worker.store.read(move |store| store.is_ours(&claimed)).await {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.lost = Some(Instant::now());
        self.stages.stop();
    }
}

fn too_long(stage: Stage) -> Failure {
    Failure::Host(format!("it took more than {} s to be {}", stage.limit_s, stage.state.word()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlives_two_beats_that_fail() {
        assert_eq!((LEASE_S, BEAT), (30, Duration::from_secs(10)));
    }
}
