//! What belongs to one run of a component: the same file system, clock and random numbers as for core modules, and the
//! table of resources.

use std::sync::Arc;

use brizo_receipt::Invocation;
use wasmtime::component::ResourceTable;

use super::limits::ComponentLimiter;
use crate::sandbox::clock::VirtualClock;
use crate::sandbox::interrupt::Interrupt;
use crate::sandbox::random::SeededRandom;
use crate::sandbox::vfs::Vfs;

/// Resources of the host that a component may hold at once.
pub(super) const RESOURCES_MAX: usize = 65_536;

/// The data behind a component's store.
#[derive(Debug)]
pub(super) struct State {
    pub(super) vfs: Vfs,
    pub(super) clock: VirtualClock,
    pub(super) random: SeededRandom,
    pub(super) limiter: ComponentLimiter,
    pub(super) table: ResourceTable,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    /// By which the run is asked to end.
    pub(super) interrupt: Arc<Interrupt>,
}

impl State {
    pub(super) fn new(
        vfs: Vfs,
        clock: VirtualClock,
        random: SeededRandom,
        memory_limit: u64,
        invocation: &Invocation,
        interrupt: Arc<Interrupt>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Self {
            vfs,
            clock,
            random,
            limiter: ComponentLimiter::new(memory_limit),
            table,
            args: invocation.args.clone(),
            env: invocation.env.clone(),
            interrupt,
        }
    }
}
