//! What belongs to one run: its file system, clock, random numbers and limits, and the ways in which the host ends it.

use brizo_receipt::Invocation;
use wasmtime::Memory;

use super::clock::VirtualClock;
use super::limits::MemoryLimiter;
use super::meter::Counters;
use super::random::SeededRandom;
use super::vfs::Vfs;

/// The data behind a store.
#[derive(Debug)]
pub(super) struct State {
    pub(super) vfs: Vfs,
    pub(super) clock: VirtualClock,
    pub(super) random: SeededRandom,
    pub(super) memory_limiter: MemoryLimiter,
    /// Arguments as they are copied into the guest, each ending in NUL.
    pub(super) args: Vec<Vec<u8>>,
    /// Variables as `NAME=value`, each ending in NUL.
    pub(super) env: Vec<Vec<u8>>,
    /// The guest's memory, looked up at the first host call.
    pub(super) memory: Option<Memory>,
    /// Where fuel and depth are counted, once the module is instantiated.
    pub(super) counters: Option<Counters>,
    /// A place on the stack of the thread, by which the guest's own is told from it.
    pub(super) outside: usize,
}

impl State {
    pub(super) fn new(
        vfs: Vfs,
        clock: VirtualClock,
        random: SeededRandom,
        memory_limit: u64,
        invocation: &Invocation,
    ) -> Self {
        let text = |text: &str| [text.as_bytes(), &[0]].concat();
        Self {
            vfs,
            clock,
            random,
            memory_limiter: MemoryLimiter::new(memory_limit),
            args: invocation.args.iter().map(|arg| text(arg)).collect(),
            env: invocation.env.iter().map(|(name, value)| text(&format!("{name}={value}"))).collect(),
            memory: None,
            counters: None,
            outside: 0,
        }
    }
}

/// Why a host function ends the run. Everything but [`Stop::Engine`] and [`Stop::Interrupted`] is a deterministic end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    #[error("the guest called proc_exit({0})")]
    Exit(u32),
    #[error("the guest ran out of fuel in a host call")]
    OutOfFuel,
    #[error("the guest wrote more than was ordered")]
    OutputLimit,
    #[error("the guest gave the host a pointer outside its memory")]
    BadPointer,
    #[error("the host asked the run to end")]
    Interrupted,
    #[error("the engine did not do what it promises")]
    Engine,
}

#[cfg(test)]
impl State {
    /// A state with nothing in it, for asking the linker what it has.
    pub(super) fn empty() -> Self {
        let random = SeededRandom::new(brizo_receipt::B256::ZERO);
        Self::new(Vfs::empty(), VirtualClock::new(0, 1), random, 0, &Invocation::default())
    }
}
