//! The provider's clock: the one place that reads the time, so that tests can give it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The system's time to the nanosecond, for what is told to people and decides nothing: spans of traces.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this module is the one place that reads the system's clock")]
pub fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// A time in seconds since 1970-01-01 UTC, as people read it: `2026-11-22 21:40:29Z`.
#[must_use]
pub fn time_text(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok());
    let Some(at) = at else { return seconds.to_string() };
    let (date, (hour, minute, second)) = (at.date(), at.time().as_hms());
    let (month, day) = (u8::from(date.month()), date.day());
    format!("{}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z", date.year())
}

/// A time of RFC 3339, in seconds since 1970-01-01 UTC.
///
/// # Errors
/// A sentence that names the text.
pub fn time_s(text: &str) -> Result<u64, String> {
    let time =
        OffsetDateTime::parse(text, &Rfc3339).map_err(|_| format!("{text:?} is no time of RFC 3339"))?;
    u64::try_from(time.unix_timestamp()).map_err(|_| format!("{text:?} lies before 1970"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_people_read_them() {
        let (usual, early) = (1_795_383_629, 5);
        assert_eq!([usual, early].map(time_text), ["2026-11-22 21:40:29Z", "1970-01-01 00:00:05Z"]);
        assert_eq!(time_s("2026-11-22T21:40:29Z"), Ok(usual));
        assert_eq!(time_text(u64::MAX), u64::MAX.to_string());
    }
}
