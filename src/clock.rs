//! The provider's clock: the one place that reads the time, so that tests can give it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's time to the nanosecond, for what is told to people and decides nothing: spans of traces.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this module is the one place that reads the system's clock")]
pub fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// A source of the time, in whole seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until [`Clock::set`].
    #[must_use]
    pub fn fixed(now_s: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(now_s))))
    }

    /// Moves a fixed clock; does nothing to the system's.
    pub fn set(&self, now_s: u64) {
        if let Some(time) = &self.0 {
            time.store(now_s, Ordering::SeqCst);
        }
    }

    /// Seconds since 1970-01-01 UTC.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    pub fn now_s(&self) -> u64 {
        match &self.0 {
            Some(time) => time.load(Ordering::SeqCst),
            // A clock set before 1970 counts as 1970: every deadline then lies ahead and nothing is refunded early.
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        }
    }
}
