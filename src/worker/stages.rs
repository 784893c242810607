//! Where a job's work is. The work goes through its stages in one thread, because handing a small job from thread to thread
//! takes longer than the job; whoever watches over it from another looks here, and tells it here to stop.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::run::Failure;
use crate::job::State;
use crate::sandbox::Control;

/// What a job's work does now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    /// The job's state meanwhile.
    pub(super) state: State,
    /// How many seconds this may take.
    pub(super) limit_s: u64,
    /// When it has to be over, in seconds since 1970.
    pub(super) until_s: u64,
    began: Instant,
}

impl Stage {
    /// A stage that begins now, `now_s` seconds after the beginning of 1970.
    pub(super) fn new(state: State, limit_s: u64, now_s: u64) -> Self {
        Self { state, limit_s, until_s: now_s.saturating_add(limit_s), began: Instant::now() }
    }

    /// Whether it takes too long.
    pub(super) fn is_late(&self) -> bool {
        self.began.elapsed() > Duration::from_secs(self.limit_s)
    }
}

/// The stages of one job's work.
#[derive(Debug)]
pub(super) struct Stages {
    inner: Mutex<Inner>,
    /// Turns true when no more jobs may begin.
    stop: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Inner {
    stage: Stage,
    control: Control,
    stopped: bool,
    /// The place among those that run, until the guest has ended, or until its commit where that is soon over.
    place: Option<OwnedSemaphorePermit>,
}

impl Stages {
    /// Begins with a stage that `control` stops.
    pub(super) fn new(
        stage: Stage,
        control: Control,
        place: OwnedSemaphorePermit,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { inner: Mutex::new(Inner { stage, control, stopped: false, place: Some(place) }), stop }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics between two changes that belong together.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The work goes on to another stage, which `control` stops.
    ///
    /// # Errors
    /// [`Failure::Stopped`] if it was told to stop before.
    pub(super) fn enter(&self, stage: Stage, control: &Control) -> Result<(), Failure> {
        let mut inner = self.lock();
        if inner.stopped {
            return Err(Failure::Stopped);
        }
        (inner.stage, inner.control) = (stage, control.clone());
        Ok(())
    }

    /// The guest has ended well; what remains is not stopped any more, and leaves its place to another one unless it `keeps` it.
    pub(super) fn finish(&self, stage: Stage, keeps: bool) {
        let mut inner = self.lock();
        (inner.stage, inner.control) = (stage, Control::default());
        if !keeps {
            inner.place = None;
        }
    }

    /// The job's place, for the next one. None where it was left alone meanwhile.
    pub(super) fn take_place(&self) -> Option<OwnedSemaphorePermit> {
        self.lock().place.take()
    }

    /// Whether no more jobs may begin.
    pub(super) fn is_last(&self) -> bool {
        is_over(&self.stop)
    }

    /// The stage now.
    pub(super) fn now(&self) -> Stage {
        self.lock().stage
    }

    /// Tells the work to stop.
    pub(super) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopped = true;
        inner.control.stop();
    }

    /// The work does not listen: its thread is left alone, and its place goes to another one.
    pub(super) fn abandon(&self) {
        self.lock().place = None;
    }
}

/// Whether the word to stop was given, or can be given no more.
pub(super) fn is_over(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    fn stages(places: &Arc<Semaphore>, control: &Control) -> Stages {
        let stage = Stage::new(State::Preparing, 60, 1_000);
        let (_, stop) = watch::channel(false);
        Stages::new(stage, control.clone(), places.clone().try_acquire_owned().unwrap(), stop)
    }

    #[test]
    fn what_was_told_to_stop_enters_no_other_stage_and_its_control_is_raised() {
        let places = Arc::new(Semaphore::new(1));
        let (first, second) = (Control::default(), Control::default());
        let stages = stages(&places, &first);
        let running = Stage::new(State::Running, 5, 1_000);
        assert!(stages.enter(running, &second).is_ok());
        assert_eq!((stages.now().state, stages.now().until_s), (State::Running, 1_005));
        stages.stop();
        assert!(first.raised().is_none(), "that stage is over");
        assert!(second.raised().is_some());
        assert!(matches!(stages.enter(running, &first), Err(Failure::Stopped)));
    }

    #[test]
    fn the_place_is_free_once_the_guest_has_ended_or_is_left_alone() {
        let places = Arc::new(Semaphore::new(1));
        let finished = stages(&places, &Control::default());
        assert_eq!(places.available_permits(), 0);
        finished.finish(Stage::new(State::Running, 5, 1_000), false);
        assert_eq!(places.available_permits(), 1);
        let kept = stages(&places, &Control::default());
        kept.finish(Stage::new(State::Running, 5, 1_000), true);
        assert_eq!(places.available_permits(), 0);
        drop(kept.take_place().unwrap());
        assert_eq!(places.available_permits(), 1);
        let left_alone = stages(&places, &Control::default());
        left_alone.abandon();
        left_alone.finish(Stage::new(State::Running, 5, 1_000), true);
        assert!(left_alone.take_place().is_none());
        assert_eq!(places.available_permits(), 1);
    }

    #[test]
    fn it_is_the_last_once_the_word_was_given_or_nobody_can_give_it() {
        let (tell, stop) = watch::channel(false);
        assert!(!is_over(&stop));
        tell.send(true).unwrap();
        assert!(is_over(&stop));
        let (tell, stop) = watch::channel(false);
        drop(tell);
        assert!(is_over(&stop));
    }

    #[test]
    fn a_stage_is_late_after_its_seconds() {
        let stage = Stage::new(State::Running, u64::MAX, 1_000);
        assert!(!stage.is_late() && stage.until_s == u64::MAX);
        let began = Instant::now().checked_sub(Duration::from_secs(6)).unwrap();
        assert!(Stage { began, limit_s: 5, ..stage }.is_late());
        assert!(!Stage { began, limit_s: 7, ..stage }.is_late());
    }
}
