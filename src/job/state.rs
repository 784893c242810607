//! States of a job and how it ended; with Ocean's numbers and texts, which clients of the older systems know.

use brizo_receipt::log::Event;
use brizo_receipt::{Outcome, Status};

/// Where a job is. The order is the order of a life; nothing goes back but a lost lease (`Preparing`, `Running` → `Queued` or
/// `Quarantined`) and a job that its publisher gives another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Admitted and recorded; waits for a worker.
    Queued,
    /// Put aside: the worker ended too often while it was at this job. Its time runs on.
    Quarantined,
    /// A worker verifies the inputs and compiles the module.
    Preparing,
    /// The guest runs.
    Running,
    /// The claim is committed; the chain is being told.
    Publishing,
    /// The payment is released and the receipt hash is on chain. Final.
    Settled,
    /// The host could not run it; no claim, no charge. Final.
    Aborted,
    /// There is a claim, but the chain refuses the settlement for good (for instance after the deadline). Final.
    Unsettled,
}

/// How a job ended. One word for each cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Exit code 0.
    Finished,
    /// Another exit code.
    Failed,
    /// A trap.
    Trapped,
    /// The fuel was used up.
    OutOfFuel,
    /// A trap after memory had been refused.
    MemoryLimit,
    /// Calls deeper than counted.
    StackLimit,
    /// More output than ordered.
    OutputLimit,
    /// The host's wall-clock ceiling; aborted.
    TimedOut,
    /// The stored inputs were damaged; aborted.
    DataFailed,
    /// The module could not be compiled; aborted.
    AlgorithmFailed,
    /// Another failure of the host; aborted.
    HostFailed,
    /// Its consumer stopped it; aborted.
    Stopped,
}

/// A status as Ocean's clients expect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OceanStatus {
    /// Ocean's number.
    pub number: u16,
    /// Ocean's text.
    pub text: &'static str,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $type {
            /// The word in SQL and JSON.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// From the word in SQL.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words!(State {
    Queued = "queued",
    Quarantined = "quarantined",
    Preparing = "preparing",
    Running = "running",
    Publishing = "publishing",
    Settled = "settled",
    Aborted = "aborted",
    Unsettled = "unsettled",
});

words!(End {
    Finished = "finished",
    Failed = "failed",
    Trapped = "trapped",
    OutOfFuel = "out_of_fuel",
    MemoryLimit = "memory_limit",
    StackLimit = "stack_limit",
    OutputLimit = "output_limit",
    TimedOut = "timed_out",
    DataFailed = "data_failed",
    AlgorithmFailed = "algorithm_failed",
    HostFailed = "host_failed",
    Stopped = "stopped",
});

impl End {
    /// What a job that ended without a claim means, for its consumer: nothing of the provider's inside.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::TimedOut => "the run, or its waiting, took longer than the provider allows",
            Self::Stopped => "its consumer stopped it",
            Self::DataFailed => "the provider's copy of the data set is damaged",
            Self::AlgorithmFailed => {
                "the module cannot be compiled by this provider, or not within its limits of time and memory, or the program cannot be started in its image, or the algorithm is another one than was ordered"
            }
            Self::HostFailed => {
                "the provider could not run it (endless recursion in the algorithm also ends like this)"
            }
            _ => "the run ended by itself",
        }
    }

    /// What the transparency log says of a run that ended like this without a claim.
    #[must_use]
    pub fn log_event(self) -> Event {
        match self {
            Self::TimedOut => Event::TimedOut,
            Self::Stopped => Event::Stopped,
            Self::AlgorithmFailed => Event::RefusedBeforeRun,
            _ => Event::HostFailed,
        }
    }

    /// The end that an outcome stands for; `None` for a number that no profile defines.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Option<Self> {
        Some(match Status::from_number(outcome.status)? {
            Status::Exit if outcome.exit_code == 0 => Self::Finished,
            Status::Exit => Self::Failed,
            Status::Trap => Self::Trapped,
            Status::OutOfFuel => Self::OutOfFuel,
            Status::MemoryLimit => Self::MemoryLimit,
            Status::StackLimit => Self::StackLimit,
            Status::OutputLimit => Self::OutputLimit,
        })
    }
}

impl State {
    /// Whether nothing will happen to the job any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Aborted | Self::Unsettled)
    }

    /// Whether there is a claim, and with it a receipt.
    #[must_use]
    pub fn has_claim(self) -> bool {
        matches!(self, Self::Publishing | Self::Settled | Self::Unsettled)
    }

    /// Number and text as Ocean's operator and node give them.
    #[must_use]
    pub fn ocean(self, end: Option<End>) -> OceanStatus {
        let (number, text) = match (self, end) {
            (Self::Queued | Self::Quarantined, _) => (1, "Warming up"),
            (Self::Preparing, _) => (20, "Configuring volumes"),
            (Self::Running, _) => (40, "Running algorithm"),
            (Self::Publishing, _) => (60, "Publishing results"),
            (Self::Unsettled, _) => (62, "Results upload failed"),
            (_, Some(End::DataFailed)) => (31, "Data provisioning failed"),
            (_, Some(End::AlgorithmFailed)) => (32, "Algorithm provisioning failed"),
            (_, Some(End::OutputLimit)) => (42, "Disk quota exceeded"),
            (Self::Settled, Some(End::Finished)) => (70, "Job finished"),
            (Self::Settled | Self::Aborted, _) => (41, "Algorithm failed"),
        };
        OceanStatus { number, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        for state in
            ["queued", "quarantined", "preparing", "running", "publishing", "settled", "aborted", "unsettled"]
        {
            assert_eq!(State::from_word(state).unwrap().word(), state);
        }
        assert_eq!(State::from_word("paused"), None);
        assert_eq!(End::from_word("out_of_fuel"), Some(End::OutOfFuel));
    }

    #[test]
    fn states_have_the_numbers_of_the_operator_service() {
        for (state, end, number) in [
            (State::Queued, None, 1),
            (State::Quarantined, None, 1),
            (State::Preparing, None, 20),
            (State::Aborted, Some(End::DataFailed), 31),
            (State::Aborted, Some(End::AlgorithmFailed), 32),
            (State::Running, None, 40),
            (State::Publishing, Some(End::Finished), 60),
            (State::Unsettled, Some(End::Finished), 62),
            (State::Settled, Some(End::OutputLimit), 42),
            (State::Aborted, Some(End::Stopped), 41),
        ] {
            assert_eq!(state.ocean(end).number, number, "{state:?} {end:?}");
        }
    }

    #[test]
    fn a_failure_never_looks_like_success() {
        // Ocean's engine reported failed algorithms as finished (70); here each cause keeps its own end.
        for end in
            [End::Failed, End::Trapped, End::OutOfFuel, End::MemoryLimit, End::OutputLimit, End::HostFailed]
        {
            assert_ne!(State::Settled.ocean(Some(end)).number, 70, "{end:?}");
        }
        assert_eq!(State::Settled.ocean(Some(End::Finished)).number, 70);
    }
}
