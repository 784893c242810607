//! Rules of the queue, as the configuration gives them.

use std::collections::BTreeMap;

use brizo_receipt::Address;
use serde::{Deserialize, Serialize};

/// `[queue]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueRules {
    /// Jobs that may wait; more are refused with 503.
    pub waiting_max: u64,
    /// Jobs of one consumer that may wait; more are refused with 429.
    pub waiting_per_consumer_max: u64,
    /// Bytes that all jobs that are worked on may have together, by what they ordered of memory and output; 0 for three
    /// quarters of what this process may use.
    pub memory_bytes: u64,
    /// Attempts that may end with the worker before a job is put aside: it may be what ends it.
    pub quarantine_after: u32,
    /// Attempts that the host may fail before it gives a job up.
    pub failures_max: u32,
    /// Seconds for preparing a job, and again for committing it. Running has the policy's wall clock.
    pub prepare_s: u64,
    /// Seconds that jobs may still run after the provider was asked to end; then they go back to the queue.
    pub grace_s: u64,
    /// Priorities of consumers; 0 without one, higher goes first. Among equals consumers take turns.
    pub priorities: BTreeMap<Address, i32>,
}

impl Default for QueueRules {
    fn default() -> Self {
        Self {
            waiting_max: 1_000,
            waiting_per_consumer_max: 100,
            memory_bytes: 0,
            quarantine_after: 5,
            failures_max: 8,
            prepare_s: 1_800,
            grace_s: 20,
            priorities: BTreeMap::new(),
        }
    }
}

impl QueueRules {
    /// Seconds that a job rests after its n-th failure of the host (from 1): 1, 4, 16, 64, 256, then 300.
    #[must_use]
    pub fn rest_s(failures: u32) -> u64 {
        4u64.saturating_pow(failures.saturating_sub(1)).min(300)
    }

    /// The priority of a consumer's jobs.
    #[must_use]
    pub fn priority(&self, consumer: Address) -> i32 {
        self.priorities.get(&consumer).copied().unwrap_or_default()
    }
}

/// Smaller jobs that may go before one that waits for memory; after that it is waited for.
pub(super) const PASSED_MAX: u32 = 8;

/// Candidates that are looked at for one that fits.
pub(super) const CANDIDATES_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_five_minutes_and_the_defaults_are_those_that_are_written_down() {
        let rests: Vec<_> = (1..=7).map(QueueRules::rest_s).collect();
        assert_eq!(rests, [1, 4, 16, 64, 256, 300, 300]);
        assert_eq!(QueueRules::rest_s(u32::MAX), 300);
        let rules = QueueRules::default();
        assert_eq!((rules.quarantine_after, rules.failures_max), (5, 8));
    }
}
