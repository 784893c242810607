//! Failpoints: places around a write where a test has the process killed, or the write fail, before or after it was done.
//!
//! `BRIZO_FAILPOINT=commit=kill-after` names the place and what happens; `#2` behind it means the second time. They are
//! there in builds with debug assertions only. A release refuses to start when the variable is set, so that nobody
//! believes to be testing what is not there.

/// The variable.
pub const VARIABLE: &str = "BRIZO_FAILPOINT";

/// A write that did not work, or was said not to, because a test wanted it so.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the failpoint {0} was met")]
pub struct Met(pub String);

impl From<Met> for std::io::Error {
    fn from(met: Met) -> Self {
        Self::other(met)
    }
}

/// Checks the variable: in a release it must not be set, elsewhere it must name something.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn check() -> Result<(), String> {
    match std::env::var(VARIABLE) {
        Err(_) => Ok(()),
        Ok(_) if !cfg!(debug_assertions) => {
            Err(format!("{VARIABLE} is set, and this build has no failpoints; unset it"))
        }
        Ok(text) => {
            debug::parse(&text).map(drop).ok_or_else(|| format!("{VARIABLE}={text:?} names no failpoint"))
        }
    }
}

/// Whether this place is the one that a test has named.
#[must_use]
pub fn is_armed(place: &str) -> bool {
    cfg!(debug_assertions) && debug::is_armed(place)
}

/// Runs a write between its two places.
///
/// # Errors
/// What the write returns, or [`Met`].
pub fn around<T, E: From<Met>>(place: &'static str, write: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let armed = cfg!(debug_assertions) && debug::reaches(place);
    if !armed {
        return write();
    }
    debug::meet(place, false)?;
    let done = write()?;
    debug::meet(place, true)?;
    Ok(done)
}

/// As [`around`], for a write that is awaited.
///
/// # Errors
/// As there.
pub async fn around_async<T, E: From<Met>>(
    place: &'static str,
    write: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let armed = cfg!(debug_assertions) && debug::reaches(place);
    if !armed {
        return write.await;
    }
    debug::meet(place, false)?;
    let done = write.await?;
    debug::meet(place, true)?;
    Ok(done)
}

mod debug {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Met, VARIABLE};

    /// What was asked for.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Armed {
        pub(super) place: String,
        pub(super) kill: bool,
        pub(super) after: bool,
        pub(super) time: u32,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    /// How often the place was reached.
    static TIMES: AtomicU32 = AtomicU32::new(0);

    fn armed() -> Option<&'static Armed> {
        ARMED.get_or_init(|| std::env::var(VARIABLE).ok().and_then(|text| parse(&text))).as_ref()
    }

    pub(super) fn parse(text: &str) -> Option<Armed> {
        let (place, what) = text.split_once('=')?;
        let (what, time) = what.split_once('#').unwrap_or((what, "1"));
        let (kill, after) = match what {
            "kill-before" => (true, false),
            "kill-after" => (true, true),
            "fail-before" => (false, false),
            "fail-after" => (false, true),
            _ => return None,
        };
        Some(Armed { place: place.into(), kill, after, time: time.parse().ok()? })
    }

    pub(super) fn is_armed(place: &str) -> bool {
        armed().is_some_and(|armed| armed.place == place)
    }

    /// Counts, and says whether this is the time.
    pub(super) fn reaches(place: &str) -> bool {
        armed().is_some_and(|armed| {
            armed.place == place && TIMES.fetch_add(1, Ordering::SeqCst) + 1 == armed.time
        })
    }

    pub(super) fn meet(place: &str, after: bool) -> Result<(), Met> {
        let Some(armed) = armed().filter(|armed| armed.after == after) else { return Ok(()) };
        if armed.kill {
            // As a kill does it: nothing is said, and nothing is tidied.
            std::process::abort();
        }
        Err(Met(place.into()))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_failpoint_is_read_strictly() {
            let armed = parse("commit=kill-after#2").unwrap();
            assert_eq!(armed, Armed { place: "commit".into(), kill: true, after: true, time: 2 });
            assert_eq!(parse("log=fail-before").unwrap().time, 1);
            for bad in ["commit", "commit=explode", "commit=kill-after#x"] {
                assert!(parse(bad).is_none(), "{bad}");
            }
        }
    }
}
