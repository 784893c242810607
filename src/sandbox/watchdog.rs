//! The wall-clock ceiling: one thread for the whole process that raises interrupts when their time has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::ending::Aborted;
use super::interrupt::Interrupt;

/// When, and which of those that fall together.
type Slot = (Instant, u64);

#[derive(Debug, Default)]
struct Watchdog {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    number: u64,
    slots: BTreeMap<Slot, Arc<Interrupt>>,
    /// When the thread looks next, unless it is woken; often for a run that has ended since.
    looks_at: Option<Instant>,
}

/// A ceiling that is watched; forgotten when this goes.
#[derive(Debug)]
pub(super) struct Watched(Option<(&'static Watchdog, Slot)>);

/// Raises the interrupt when `after` has passed, as long as the result lives.
///
/// # Errors
/// [`Aborted::Engine`] when the thread cannot be started.
pub(super) fn watch(after: Option<Duration>, interrupt: &Arc<Interrupt>) -> Result<Watched, Aborted> {
    // A ceiling beyond what the clock can show is none.
    let Some(at) = after.and_then(|after| Instant::now().checked_add(after)) else {
        return Ok(Watched(None));
    };
    if after == Some(Duration::ZERO) {
        interrupt.raise(Aborted::WallClock);
        return Ok(Watched(None));
    }
    let watchdog = watchdog().ok_or(Aborted::Engine)?;
    let mut waiting = watchdog.waiting();
    waiting.number += 1;
    let slot = (at, waiting.number);
    waiting.slots.insert(slot, Arc::clone(interrupt));
    // Waking a thread takes longer than many a run.
    if waiting.looks_at.is_none_or(|looks_at| at < looks_at) {
        waiting.looks_at = Some(at);
        watchdog.changed.notify_one();
    }
    Ok(Watched(Some((watchdog, slot))))
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some((watchdog, slot)) = self.0 {
            watchdog.waiting().slots.remove(&slot);
        }
    }
}

fn watchdog() -> Option<&'static Watchdog> {
    static WATCHDOG: OnceLock<Option<&'static Watchdog>> = OnceLock::new();
    *WATCHDOG.get_or_init(|| {
        let watchdog: &'static Watchdog = Box::leak(Box::default());
        let thread = std::thread::Builder::new().name("brizo-watchdog".into());
        thread.spawn(move || watchdog.run()).is_ok().then_some(watchdog)
    })
}

impl Watchdog {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut waiting = self.waiting();
        loop {
            let now = Instant::now();
            while let Some(entry) = waiting.slots.first_entry().filter(|entry| entry.key().0 <= now) {
                entry.remove().raise(Aborted::WallClock);
            }
            waiting.looks_at = waiting.slots.first_key_value().map(|((at, _), _)| *at);
            waiting = match waiting.looks_at {
                Some(at) => {
                    let time = at.saturating_duration_since(now);
                    self.changed.wait_timeout(waiting, time).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
