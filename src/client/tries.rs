//! How often somebody is asked again that gives nothing new.

use std::time::Duration;

use super::Error;

/// How often in a row, and at which distance.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// Counts tries that brought nothing. What counts is the furthest that there ever was: who begins anew each time and breaks off
/// gives nothing, however many bytes that are.
#[derive(Debug, Default)]
pub(super) struct Tries {
    furthest: u64,
    idle: u32,
}

impl Tries {
    /// So many bytes are there.
    pub(super) fn came(&mut self, bytes: u64) {
        if bytes > self.furthest {
            (self.furthest, self.idle) = (bytes, 0);
        }
    }

    /// What was there is thrown away on purpose, and all of it counts again.
    pub(super) fn anew(&mut self) {
        *self = Self::default();
    }

    /// Whether it is asked again, and after which pause.
    fn next(&mut self) -> Option<Duration> {
        self.idle += 1;
        match self.idle {
            // The first try after something new comes at once.
            1 => Some(Duration::ZERO),
            idle if idle <= TRIES => Some(PAUSE),
            _ => None,
        }
    }

    /// Waits for the next try.
    ///
    /// # Errors
    /// The error that ended the last try, once there were too many.
    pub(super) async fn again(&mut self, error: Error) -> Result<(), Error> {
        match self.next() {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            None => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_begins_anew_each_time_gives_nothing() {
        let mut tries = Tries::default();
        let mut asked = 0;
        // More than the time before, every second time, and never more than once.
        for bytes in [5, 10].into_iter().cycle().take(1_000) {
            tries.came(bytes);
            if tries.next().is_none() {
                break;
            }
            asked += 1;
        }
        assert_eq!(asked, TRIES + 1, "once for the first five bytes");
        tries.came(11);
        assert_eq!([tries.next(), tries.next()], [Some(Duration::ZERO), Some(PAUSE)]);
        tries.anew();
        tries.came(1);
        assert_eq!(tries.next(), Some(Duration::ZERO));
    }

    #[test]
    fn something_new_each_time_is_gone_on_with_for_ever() {
        let mut tries = Tries::default();
        for bytes in 1..1_000 {
            tries.came(bytes);
            assert_eq!(tries.next(), Some(Duration::ZERO));
        }
    }
}
