//! Following jobs: one look at the database for all who wait, and waiting for a job to be in another state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::ApiState;
use super::problem::Problem;
use crate::store::JobRow;

/// How often the database is asked for something new while anybody follows; the worker's nudge makes it sooner.
const BEAT: Duration = Duration::from_millis(100);
/// The longest that an answer can be waited for, in seconds.
pub(super) const WAIT_MAX_S: u64 = 60;

/// Tells all who follow jobs that something happened to some job.
#[derive(Debug)]
pub(super) struct Pulse {
    newest: watch::Sender<u64>,
    beating: Arc<AtomicBool>,
    stop: watch::Receiver<bool>,
}

impl Pulse {
    pub(super) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { newest: watch::Sender::new(0), beating: Arc::default(), stop }
    }

    /// Changes whenever something happens to a job; nothing that happens after this call is missed.
    pub(super) fn subscribe(&self, state: &ApiState) -> watch::Receiver<u64> {
        let receiver = self.newest.subscribe();
        if !self.beating.swap(true, Ordering::SeqCst) {
            tokio::spawn(beat(state.clone()));
        }
        receiver
    }

    /// Turns true when the provider ends.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }
}

/// Looks as long as anybody follows.
async fn beat(state: ApiState) {
    let pulse = &state.shared.pulse;
    loop {
        match state.store.with(|store| store.newest_event()).await {
            Ok(newest) => {
                pulse.newest.send_if_modified(|known| std::mem::replace(known, newest) != newest);
            }
            // Whoever follows reads again at the next beat, and is told then what the database says.
            Err(error) => tracing::warn!(%error, "what happens to jobs cannot be followed now"),
        }
        if pulse.newest.receiver_count() == 0 {
            pulse.beating.store(false, Ordering::SeqCst);
            // Somebody may have come between the two lines; then one of the two goes on.
            if pulse.newest.receiver_count() == 0 || pulse.beating.swap(true, Ordering::SeqCst) {
                return;
            }
        }
        tokio::select! {
            () = state.nudge.wait() => {}
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

/// A place for somebody who follows.
pub(super) fn place(state: &ApiState) -> Result<OwnedSemaphorePermit, Problem> {
    state.shared.followers.clone().try_acquire_owned().map_err(|_| {
        Problem::busy("too many requests follow jobs").hint("ask for the status again in a few seconds")
    })
}

/// Waits until a job is in another state than `known`, is over, or the time is up; returns it as it is then.
pub(super) async fn wait(
    state: &ApiState,
    mut job: JobRow,
    known: &str,
    wait_s: u64,
) -> Result<JobRow, Problem> {
    let _place = place(state)?;
    let end = Instant::now() + Duration::from_secs(wait_s.min(WAIT_MAX_S));
    let mut changes = state.shared.pulse.subscribe(state);
    let mut stop = state.shared.pulse.stop();
    loop {
        let id = job.id;
        // It may be gone by now; then what is known of it is the answer.
        if let Some(now) = state.store.with(move |store| store.job(id)).await? {
            job = now;
        }
        if job.state.is_final() || job.state.word() != known {
            return Ok(job);
        }
        tokio::select! {
            _ = changes.changed() => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(job),
            () = tokio::time::sleep_until(end) => return Ok(job),
        }
    }
}
