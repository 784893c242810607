//! What a transaction offers for its gas (EIP-1559), and what a repetition must offer to take its place.

use alloy::providers::{DynProvider, Provider};
use serde::{Deserialize, Serialize};

use super::Result;

/// Both sums in wei for a unit of gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// The most that is paid, base fee and tip together.
    pub max: u128,
    /// The tip.
    pub priority: u128,
}

/// So many times what is usual is enough for anybody.
const AMPLE: u128 = 4;
/// Less than this is not worth a limit: one gwei.
const USUAL_MIN: u128 = 1_000_000_000;

impl Fees {
    /// What the last blocks suggest, within `cap`.
    pub(super) async fn estimate(provider: &DynProvider, cap: Option<u128>) -> Result<Self> {
        let found = provider.estimate_eip1559_fees().await?;
        Ok(Self { max: found.max_fee_per_gas, priority: found.max_priority_fee_per_gas }.within(cap))
    }

    fn within(self, cap: Option<u128>) -> Self {
        let max = cap.map_or(self.max, |cap| self.max.min(cap));
        Self { max, priority: self.priority.min(max) }
    }

    /// What a repetition offers: what is usual `now`, and at least an eighth more than before, because nodes refuse a
    /// replacement that offers less than a tenth more. `None` when that is above `cap`, or when four times what is usual is
    /// offered already: what waits then waits for something else than money, and a tip is paid in full.
    pub(super) fn bumped(self, now: Self, cap: Option<u128>) -> Option<Self> {
        let ample = |sum: u128, usual: u128| sum >= usual.max(USUAL_MIN).saturating_mul(AMPLE);
        if ample(self.max, now.max) && ample(self.priority, now.priority) {
            return None;
        }
        let more = |sum: u128| sum.saturating_add(sum / 8).saturating_add(1);
        let least = Self { max: more(self.max), priority: more(self.priority) };
        if cap.is_some_and(|cap| least.max > cap) {
            return None;
        }
        let wanted = Self { max: least.max.max(now.max), priority: least.priority.max(now.priority) };
        Some(wanted.within(cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_offers_enough_and_never_more_than_the_cap() {
        const GWEI: u128 = USUAL_MIN;
        let fees = |max, priority| Fees { max, priority };
        for (old, now, cap, new) in [
            (fees(80, 8), fees(10, 1), None, Some(fees(91, 10))),
            (fees(80, 8), fees(200, 20), None, Some(fees(200, 20))),
            (fees(80, 8), fees(200, 20), Some(150), Some(fees(150, 20))),
            (fees(80, 8), fees(200, 20), Some(91), Some(fees(91, 20))),
            (fees(80, 8), fees(200, 20), Some(90), None),
            (fees(0, 0), fees(0, 0), None, Some(fees(1, 1))),
            (fees(u128::MAX, 1), fees(0, 0), None, Some(fees(u128::MAX, 2))),
            (fees(8, 8), fees(0, 0), Some(10), Some(fees(10, 10))),
            (fees(40 * GWEI, 8 * GWEI), fees(10 * GWEI, 2 * GWEI), None, None),
            (fees(40 * GWEI, 4 * GWEI), fees(10 * GWEI, 1), None, None),
            (
                fees(40 * GWEI, 8 * GWEI - 8),
                fees(10 * GWEI, 2 * GWEI),
                None,
                Some(fees(45 * GWEI + 1, 9 * GWEI - 8)),
            ),
            (
                fees(40 * GWEI - 8, 8 * GWEI),
                fees(10 * GWEI, 2 * GWEI),
                None,
                Some(fees(45 * GWEI - 8, 9 * GWEI + 1)),
            ),
        ] {
            assert_eq!(old.bumped(now, cap), new, "{old:?} {now:?} {cap:?}");
        }
    }
}
