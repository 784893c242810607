//! A job that somebody follows: read once, and its logs verified once, for all who follow it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use brizo_receipt::EntryKind;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::ApiState;
use super::outputs::{check_granted, outputs};
use super::problem::Problem;
use super::ranged::verified;
use crate::data::Mapped;
use crate::nudge::Follower;
use crate::store::{Event, JobRow};

/// A job that nobody told of anything is looked at all the same, in case its news was lost.
pub(super) const LOOK_ANYWAY: Duration = Duration::from_secs(2);

/// One stream of a finished run.
pub(super) struct Stream {
    pub(super) name: String,
    /// Its verified bytes; none where they may not leave.
    pub(super) bytes: Option<Mapped>,
}

/// What is known of the job, for all who follow it.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) job: JobRow,
    /// Its whole history, with the numbers of the lines.
    pub(super) lines: Arc<Vec<(u64, Event)>>,
    /// The logs, or why there will be none; nothing yet while that is open, or while nobody asks.
    pub(super) logs: Option<Result<Arc<Vec<Stream>>, Value>>,
    /// Whether this provider has seen access granted on chain.
    pub(super) granted: bool,
    /// Why nothing more is known.
    pub(super) problem: Option<Value>,
    /// The newest ticket that had been given out before this look began.
    pub(super) ticket: u64,
}

/// Whoever follows holds one of these; when the last has gone, the job is looked at no more.
pub(super) struct Hub {
    seen: watch::Sender<Option<Arc<Seen>>>,
    news: Arc<Notify>,
    logs_wanted: AtomicBool,
    tickets: AtomicU64,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

impl Hub {
    /// Begins to look at a job.
    pub(super) fn open(state: &ApiState, job: JobRow) -> Arc<Self> {
        let hub = Arc::new(Self {
            seen: watch::Sender::new(None),
            news: Arc::default(),
            logs_wanted: AtomicBool::new(false),
            tickets: AtomicU64::new(0),
        });
        let first = Seen { job, lines: Arc::default(), logs: None, granted: false, problem: None, ticket: 0 };
        let follower = state.nudge.follow(first.job.id);
        tokio::spawn(look_on(state.clone(), Arc::downgrade(&hub), first, follower));
        hub
    }

    /// Something happened to the job.
    pub(super) fn tell(&self) {
        self.news.notify_one();
    }

    /// Asks for a look that begins after this call; what is seen then has the ticket that this returns, or a later one.
    pub(super) fn ask(&self) -> u64 {
        let ticket = self.tickets.fetch_add(1, Ordering::SeqCst) + 1;
        self.tell();
        ticket
    }

    /// From now on the logs are looked for as well.
    pub(super) fn want_logs(&self) {
        if !self.logs_wanted.swap(true, Ordering::SeqCst) {
            self.tell();
        }
    }

    /// What is seen: nothing before the first look.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Arc<Seen>>> {
        self.seen.subscribe()
    }
}

async fn look_on(state: ApiState, hub: Weak<Hub>, mut seen: Seen, mut follower: Follower) {
    let mut stop = state.shared.pulse.stop();
    loop {
        let Some(there) = hub.upgrade() else { return };
        let wanted = there.logs_wanted.load(Ordering::SeqCst);
        // A job that is over changes no more.
        let all =
            seen.job.state.is_final() && (seen.logs.is_some() || !wanted) && there.seen.borrow().is_some();
        let ticket = there.tickets.load(Ordering::SeqCst);
        let looked = if all { Ok(()) } else { look(&state, &mut seen, wanted).await };
        match looked {
            Ok(()) => seen.ticket = ticket,
            // What is known is then as old as it was.
            Err(problem) => seen.problem = Some(problem.document()),
        }
        there.seen.send_replace(Some(Arc::new(seen.clone())));
        let news = there.news.clone();
        drop(there);
        tokio::select! {
            () = news.notified() => {}
            () = follower.told() => {}
            () = tokio::time::sleep(LOOK_ANYWAY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        seen.problem = None;
    }
}

/// One look at the database; at the chain only when the provider itself has seen access granted there, or nothing more comes.
async fn look(state: &ApiState, seen: &mut Seen, logs_wanted: bool) -> Result<(), Problem> {
    let (id, last) = (seen.job.id, seen.lines.last().map_or(0, |line| line.0));
    // The state is read first: its line is then among those that are read after it.
    let (job, lines, granted) = state
        .store
        .read(move |store| Ok((store.job(id)?, store.history_after(id, last)?, store.grant_is_done(id)?)))
        .await?;
    if let Some(job) = job {
        seen.job = job;
    }
    if !lines.is_empty() {
        Arc::make_mut(&mut seen.lines).extend(lines);
    }
    seen.granted = granted;
    let over = seen.job.state.is_final();
    if logs_wanted && seen.logs.is_none() && (over || granted) {
        match streams(state, &seen.job).await {
            Err(_) if !over => {}
            read => seen.logs = Some(read.map(Arc::new).map_err(|problem| problem.document())),
        }
    }
    Ok(())
}

async fn streams(state: &ApiState, job: &JobRow) -> Result<Vec<Stream>, Problem> {
    check_granted(state, job).await?;
    let mut streams = Vec::new();
    for output in outputs(state, job).await? {
        if output.kind == EntryKind::Stream {
            let bytes = match output.withheld {
                None => Some(verified(state, None, output.digest).await?),
                Some(_) => None,
            };
            streams.push(Stream { name: output.path, bytes });
        }
    }
    Ok(streams)
}
