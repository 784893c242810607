//! Following jobs: places for those who do, one look at the database for all of them together, and waiting for a job to be in
//! another state.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use brizo_receipt::Address;
use tokio::sync::watch;
use tokio::time::Instant;

use super::ApiState;
use super::access::unknown;
use super::exec::Ordered;
use super::followed::{Hub, LOOK_ANYWAY};
use super::jobs::receipt_text;
use super::outputs::{NOT_GRANTED, check_granted};
use super::problem::Problem;
use crate::ids::JobId;
use crate::nudge::Topic;
use crate::store::JobRow;

/// How often the database is asked for something new while anybody follows; the worker's nudge makes it sooner.
const BEAT: Duration = Duration::from_millis(100);
/// The longest that an answer can be waited for, in seconds.
pub(super) const WAIT_MAX_S: u64 = 60;

/// Tells all who follow a job that something happened to it.
#[derive(Debug)]
pub(super) struct Pulse {
    hubs: Mutex<HashMap<JobId, Weak<Hub>>>,
    beating: AtomicBool,
    stop: watch::Receiver<bool>,
}

impl Pulse {
    pub(super) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { hubs: Mutex::default(), beating: AtomicBool::new(false), stop }
    }

    /// Follows a job: nothing that happens to it after this call is missed.
    pub(super) fn follow(&self, state: &ApiState, job: &JobRow) -> Arc<Hub> {
        let mut hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hub) = hubs.get(&job.id).and_then(Weak::upgrade) {
            return hub;
        }
        let hub = Hub::open(state, job.clone());
        hubs.retain(|_, hub| hub.strong_count() > 0);
        hubs.insert(job.id, Arc::downgrade(&hub));
        drop(hubs);
        if !self.beating.swap(true, Ordering::SeqCst) {
            tokio::spawn(beat(state.clone()));
        }
        hub
    }

    /// Turns true when the provider ends.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Tells those who follow one of these jobs.
    fn tell(&self, jobs: &[JobId]) {
        let hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        for hub in jobs.iter().filter_map(|id| hubs.get(id)?.upgrade()) {
            hub.tell();
        }
    }

    fn tell_all(&self) {
        let hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.values().filter_map(Weak::upgrade).for_each(|hub| hub.tell());
    }

    fn nobody(&self) -> bool {
        let hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.values().all(|hub| hub.strong_count() == 0)
    }
}

/// Looks as long as anybody follows.
async fn beat(state: ApiState) {
    let (pulse, mut known) = (&state.shared.pulse, None);
    let mut nudge = state.nudge.clone();
    loop {
        // What happened before the first look may have come after a hub's own, so that all are told then.
        let news = state.store.read(move |store| {
            let newest = store.newest_event()?;
            let jobs = match known {
                Some(known) if known < newest => store.jobs_after(known)?,
                _ => HashSet::new(),
            };
            Ok((newest, jobs.into_iter().collect::<Vec<_>>()))
        });
        match news.await {
            Ok((newest, jobs)) => match known.replace(newest) {
                Some(_) => pulse.tell(&jobs),
                None => pulse.tell_all(),
            },
            // Whoever follows reads again soon, and is told then what the database says.
            Err(error) => tracing::warn!(%error, "what happens to jobs cannot be followed now"),
        }
        if pulse.nobody() {
            pulse.beating.store(false, Ordering::SeqCst);
            // Somebody may have come between the two lines; then one of the two goes on.
            if pulse.nobody() || pulse.beating.swap(true, Ordering::SeqCst) {
                return;
            }
        }
        tokio::select! {
            () = nudge.next(Topic::Jobs) => {}
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

/// Places for those who follow: so many in all, and so many for each caller.
#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    each: usize,
    taken: Mutex<HashMap<Address, usize>>,
}

/// A place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    who: Address,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(all: u32, each: u32) -> Arc<Self> {
        Arc::new(Self { all: all as usize, each: each as usize, taken: Mutex::default() })
    }

    /// A place for somebody who follows.
    pub(super) fn take(self: &Arc<Self>, who: Address) -> Result<Place, Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let hint = "ask for the status again in a few seconds, or close what is no longer read";
        if taken.get(&who).copied().unwrap_or_default() >= self.each {
            let text = format!("{} requests of this caller follow jobs already", self.each);
            return Err(Problem::too_many("too_many_followers", text, 2).hint(hint));
        }
        // As many entries as callers with a place, so this sum is of few numbers.
        if taken.values().sum::<usize>() >= self.all {
            return Err(Problem::busy("too many requests follow jobs").hint(hint));
        }
        *taken.entry(who).or_default() += 1;
        Ok(Place { who, places: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.who);
            }
        }
    }
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

/// Waits until a job is as it is wanted, is over, or the time is up; returns it as it is then, and whether that is as wanted.
pub(super) async fn wait(
    state: &ApiState,
    caller: Address,
    mut job: JobRow,
    wait_s: u64,
    wanted: Wanted,
) -> Result<(JobRow, bool), Problem> {
    let _place = state.shared.followers.take(caller)?;
    let end = Instant::now() + Duration::from_secs(wait_s.min(WAIT_MAX_S));
    let hub = state.shared.pulse.follow(state, &job);
    let (mut seen, mut stop) = (hub.watch(), state.shared.pulse.stop());
    // What others were told before may be older than the row that this caller was authorised by.
    let ticket = hub.ask();
    let (mut granted, mut looked_at) = (false, None);
    loop {
        if let Some(now) = seen.borrow_and_update().as_ref().filter(|now| now.ticket >= ticket) {
            (job, granted) = (now.job.clone(), now.granted);
        }
        // The chain is asked when something may have changed there, not at each look.
        let is_new = looked_at.replace((job.state, granted)) != Some((job.state, granted));
        let is_met = is_new && wanted.is_met(state, &job).await;
        if is_met || job.state.is_final() {
            return Ok((job, is_met));
        }
        tokio::select! {
            changed = seen.changed() => if changed.is_err() { return Ok((job, false)) },
            _ = stop.wait_for(|stop| *stop) => return Ok((job, false)),
            () = tokio::time::sleep_until(end) => return Ok((job, false)),
        }
    }
}

/// A job that was waited for, and its receipt, if it may be given out.
pub(super) type Waited = (JobRow, Option<String>);

/// Waits for the receipt of a job that the caller has just ordered, as [`wait`] does for that of any; most are over in a moment and
/// followed by nobody else, so the database is asked from here. Nobody may be told of the answer before the store has settled.
pub(super) async fn receipt_of_order(
    state: &ApiState,
    caller: Address,
    ordered: &mut Ordered,
    wait_s: u64,
) -> Result<Waited, Problem> {
    let _place = state.shared.followers.take(caller)?;
    let mut stop = state.shared.pulse.stop();
    let over = async {
        let time = tokio::time::sleep(Duration::from_secs(wait_s.min(WAIT_MAX_S)));
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = time => {}
        }
    };
    let mut over = std::pin::pin!(over);
    let (id, mut looked_at) = (ordered.job, None);
    // Of a new order all that happens will be heard.
    let (mut looks, mut is_over) = (ordered.before, false);
    loop {
        if !looks {
            tokio::select! {
                biased;
                () = &mut over => is_over = true,
                () = ordered.told() => {}
                () = tokio::time::sleep(LOOK_ANYWAY) => {}
            }
        }
        looks = false;
        let look = state.store.read_untold(move |store| Ok((store.job(id)?, store.grant_is_done(id)?)));
        let (Some(job), granted) = look.await? else { return Err(unknown(id, caller)) };
        if is_over || (job.state.is_final() && !job.state.has_claim()) {
            return Ok((job, None));
        }
        // The chain is asked when something may have changed there, or when it did not answer.
        let seen = Some((job.state, granted));
        if job.state.has_claim() && looked_at != seen {
            let answer = tokio::select! {
                biased;
                () = &mut over => return Ok((job, None)),
                answer = check_granted(state, &job) => answer,
            };
            match answer {
                Ok(()) => {
                    let receipt = receipt_text(state, &job).await?;
                    return Ok((job, Some(receipt)));
                }
                Err(problem) => looked_at = seen.filter(|_| problem.code() == NOT_GRANTED),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_for_each_and_for_all_and_come_back() {
        use axum::response::IntoResponse;
        let places = Places::new(3, 2);
        let (one, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let held: Vec<_> = [one, one, other].map(|who| places.take(who).unwrap()).into();
        let status = |who| places.take(who).unwrap_err().into_response();
        for (who, code) in [(one, 429), (other, 503)] {
            let answer = status(who);
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["retry-after"]),
                (code, &"2".parse().unwrap())
            );
        }
        drop(held);
        assert!(places.taken.lock().unwrap().is_empty(), "nobody is remembered");
        assert!(places.take(one).is_ok());
    }
}
