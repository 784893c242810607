//! The virtual clock: time is a function of how often the guest looks at it.

/// A clock that moves by a fixed step at each reading, and by the slept time at each sleep.
#[derive(Debug)]
pub(super) struct VirtualClock {
    start: u64,
    step: u64,
    elapsed: u64,
}

impl VirtualClock {
    /// A clock whose first wall reading is `start` nanoseconds since 1970-01-01 UTC.
    pub(super) fn new(start: u64, step: u64) -> Self {
        Self { start, step, elapsed: 0 }
    }

    /// Reads the wall clock, in nanoseconds since 1970-01-01 UTC, and moves it on.
    pub(super) fn wall(&mut self) -> u64 {
        self.start.saturating_add(self.tick())
    }

    /// Reads the monotonic clock, in nanoseconds since the start of the run, and moves it on.
    pub(super) fn monotonic(&mut self) -> u64 {
        self.tick()
    }

    /// The wall clock without moving it; used for the times of files.
    pub(super) fn stamp(&self) -> u64 {
        self.start.saturating_add(self.elapsed)
    }

    /// Nanoseconds since the start of the run, without moving the clock.
    pub(super) fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// Wall time of the start, which all inputs carry as their times.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Smallest difference between two readings; never 0, which programs divide by.
    pub(super) fn resolution(&self) -> u64 {
        self.step.max(1)
    }

    /// Lets `nanoseconds` pass at once: nothing waits.
    pub(super) fn sleep(&mut self, nanoseconds: u64) {
        self.elapsed = self.elapsed.saturating_add(nanoseconds);
    }

    fn tick(&mut self) -> u64 {
        let now = self.elapsed;
        self.elapsed = now.saturating_add(self.step);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_share_one_counter() {
        let mut clock = VirtualClock::new(1_000, 10);
        assert_eq!((clock.wall(), clock.monotonic(), clock.wall()), (1_000, 10, 1_020));
        clock.sleep(500);
        assert_eq!((clock.stamp(), clock.wall()), (1_530, 1_530));
    }

    #[test]
    fn time_never_wraps() {
        let mut clock = VirtualClock::new(u64::MAX - 1, u64::MAX);
        clock.wall();
        assert_eq!((clock.wall(), clock.monotonic()), (u64::MAX, u64::MAX));
    }
}
