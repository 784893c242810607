//! Following jobs: one look at the database for all who wait, and waiting for a job to be in another state.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::ApiState;
use super::outputs::check_granted;
use super::problem::Problem;
use crate::ids::JobId;
use crate::nudge::Topic;
use crate::store::JobRow;

/// How often the database is asked for something new while anybody follows; the worker's nudge makes it sooner.
const BEAT: Duration = Duration::from_millis(100);
/// How often everybody looks, whether there is something new or not: numbers of deleted lines are given again, so that a
/// new one can look like an old one.
const ALL_EVERY: Duration = Duration::from_secs(5);
/// The longest that an answer can be waited for, in seconds.
pub(super) const WAIT_MAX_S: u64 = 60;

/// Tells those who follow a job that something happened to it.
#[derive(Debug)]
pub(super) struct Pulse {
    followed: Mutex<Followed>,
    stop: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct Followed {
    jobs: HashMap<JobId, watch::Sender<()>>,
    beating: bool,
}

impl Followed {
    /// Wakes those who follow one of these jobs, or everybody.
    fn wake(&self, changed: &Changed) {
        for (_, followers) in self.jobs.iter().filter(|(job, _)| changed.is(job)) {
            followers.send_replace(());
        }
    }
}

/// What a look has found.
enum Changed {
    All,
    Jobs(HashSet<String>),
}

impl Changed {
    fn is(&self, job: &JobId) -> bool {
        match self {
            Self::All => true,
            // Most looks find nothing, and a job's name is longer than that.
            Self::Jobs(jobs) => !jobs.is_empty() && jobs.contains(&job.to_string()),
        }
    }
}

impl Pulse {
    pub(super) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { followed: Mutex::default(), stop }
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        // Nothing that holds the lock can panic between two changes that belong together.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes whenever something happens to the job, and now and then; nothing that happens after this call is missed.
    pub(super) fn subscribe(&self, state: &ApiState, job: JobId) -> watch::Receiver<()> {
        let mut followed = self.followed();
        let receiver = followed.jobs.entry(job).or_insert_with(|| watch::Sender::new(())).subscribe();
        if !std::mem::replace(&mut followed.beating, true) {
            tokio::spawn(beat(state.clone()));
        }
        receiver
    }

    /// Turns true when the provider ends.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Forgets jobs that nobody follows any more. Returns whether there are others.
    fn is_followed(&self) -> bool {
        let mut followed = self.followed();
        followed.jobs.retain(|_, followers| followers.receiver_count() > 0);
        followed.beating = !followed.jobs.is_empty();
        followed.beating
    }
}

/// Looks as long as anybody follows.
async fn beat(state: ApiState) {
    let pulse = &state.shared.pulse;
    let mut nudge = state.nudge.clone();
    let (mut known, mut all_at) = (None, Instant::now());
    loop {
        // Whoever came before the first look has seen what was there then, or is woken by it.
        let all = Instant::now() >= all_at;
        match state.store.with(move |store| store.happened_after(known)).await {
            Ok((newest, jobs)) => {
                let changed = if all { Changed::All } else { Changed::Jobs(jobs) };
                pulse.followed().wake(&changed);
                known = Some(newest);
                if all {
                    all_at = Instant::now() + ALL_EVERY;
                }
            }
            // Whoever follows reads again at the next beat, and is told then what the database says.
            Err(error) => tracing::warn!(%error, "what happens to jobs cannot be followed now"),
        }
        if !pulse.is_followed() {
            return;
        }
        tokio::select! {
            () = nudge.next(Topic::Jobs) => {}
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

/// What somebody waits for.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Another state than this word.
    Other(String),
    /// A receipt that may be given out.
    Receipt,
}

impl Wanted {
    async fn is_met(&self, state: &ApiState, job: &JobRow) -> bool {
        match self {
            Self::Other(known) => job.state.word() != known,
            Self::Receipt => job.state.has_claim() && check_granted(state, job).await.is_ok(),
        }
    }
}

/// Waits until a job is as it is wanted, is over, or the time is up; returns it as it is then.
pub(super) async fn wait(
    state: &ApiState,
    mut job: JobRow,
    wait_s: u64,
    wanted: Wanted,
) -> Result<JobRow, Problem> {
    let _place = place(state)?;
    let end = Instant::now() + Duration::from_secs(wait_s.min(WAIT_MAX_S));
    let mut changes = state.shared.pulse.subscribe(state, job.id);
    let mut stop = state.shared.pulse.stop();
    loop {
        let id = job.id;
        // It may be gone by now; then what is known of it is the answer.
        if let Some(now) = state.store.with(move |store| store.job(id)).await? {
            job = now;
        }
        if job.state.is_final() || wanted.is_met(state, &job).await {
            return Ok(job);
        }
        tokio::select! {
            _ = changes.changed() => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(job),
            () = tokio::time::sleep_until(end) => return Ok(job),
        }
    }
}
