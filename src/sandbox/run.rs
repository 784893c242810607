//! One run: order in, ending and outputs out. Runs on the calling thread; whoever calls chooses the thread.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use brizo_receipt::{B256, Invocation, JobSpec};
use wasmtime::Store;

use crate::job::STACK_LIMIT_MAX;

use super::clock::VirtualClock;
use super::ending::{RunResult, ending, sort_of};
use super::engine::{Code, ReadyCore};
use super::interrupt::Interrupt;
use super::meter::{Counters, Left};
use super::random::SeededRandom;
use super::state::{State, Stop};
use super::vfs::Vfs;
use super::{Aborted, Engine, Error, Module, watchdog};

/// Bytes that the host maps for the guest to read.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A file below a read-only volume.
#[derive(Clone)]
pub struct InputFile {
    /// Path below the volume, as in manifests.
    pub path: String,
    /// Content.
    pub bytes: Bytes,
}

impl std::fmt::Debug for InputFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InputFile({}, {} bytes)", self.path, (*self.bytes).as_ref().len())
    }
}

/// What a run may use. All of it stands in the job spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Fuel.
    pub fuel: u64,
    /// Linear memory in bytes.
    pub memory_bytes: u64,
    /// Units of stack for calls.
    pub stack: u64,
    /// Output files and streams together, in bytes.
    pub output_bytes: u64,
    /// Files and folders in `/data/outputs`.
    pub output_files: u64,
}

/// Everything a run depends on, besides the module.
#[derive(Debug, Clone)]
pub struct Order {
    /// Arguments and environment.
    pub invocation: Invocation,
    /// Files below `/data/algorithm`.
    pub algorithm: Vec<InputFile>,
    /// Files below `/data/inputs`.
    pub inputs: Vec<InputFile>,
    /// Limits.
    pub limits: Limits,
    /// Seed of the random numbers.
    pub random_seed: B256,
    /// First reading of the wall clock, nanoseconds since 1970-01-01 UTC.
    pub clock_start: u64,
    /// Nanoseconds per reading.
    pub clock_step: u64,
}

impl Order {
    /// The order that a job spec stands for.
    #[must_use]
    pub fn of(
        spec: &JobSpec,
        invocation: Invocation,
        algorithm: Vec<InputFile>,
        inputs: Vec<InputFile>,
    ) -> Self {
        Self {
            invocation,
            algorithm,
            inputs,
            limits: Limits {
                fuel: spec.fuel_limit,
                memory_bytes: spec.memory_limit,
                stack: spec.stack_limit,
                output_bytes: spec.output_limit,
                output_files: spec.files_limit,
            },
            random_seed: spec.random_seed,
            clock_start: spec.clock_start,
            clock_step: spec.clock_step,
        }
    }
}

/// The host's hold on a run from another thread.
#[derive(Debug, Clone, Default)]
pub struct Control {
    pub(super) interrupt: Arc<Interrupt>,
    /// Wall-clock ceiling; reaching it aborts the run without a claim.
    pub wall_clock_max: Option<Duration>,
}

impl Control {
    /// Control with a wall-clock ceiling.
    #[must_use]
    pub fn with_wall_clock(max: Duration) -> Self {
        Self { wall_clock_max: Some(max), ..Self::default() }
    }

    /// Why the run is to end, if somebody wants it to.
    #[must_use]
    pub fn raised(&self) -> Option<Aborted> {
        self.interrupt.raised()
    }

    /// Ends the run: within a slice of fuel (65,536 units) and what lies between two looks.
    pub fn stop(&self) {
        self.interrupt.raise(Aborted::Stopped);
    }
}

impl Engine {
    /// Runs a module.
    ///
    /// # Errors
    /// [`Error::Inputs`] when two input paths collide. Everything that the guest can cause is a [`RunResult`].
    pub fn run(&self, module: &Module, order: &Order, control: &Control) -> Result<RunResult, Error> {
        Ok(self.run_on(volumes_of(order)?.with_scratch(self.scratch.clone()), module, order, control))
    }

    /// Runs a module over a given file system.
    pub(super) fn run_on(&self, vfs: Vfs, module: &Module, order: &Order, control: &Control) -> RunResult {
        match &module.code {
            Code::Core(ready) => self.run_core(vfs, ready, order, control),
            Code::Component(ready) => self.components.run(vfs, ready, order, control),
        }
    }

    fn run_core(&self, vfs: Vfs, ready: &ReadyCore, order: &Order, control: &Control) -> RunResult {
        let ReadyCore { startup, .. } = *ready;
        let fuel = order.limits.fuel;
        let mut store = Store::new(&self.wasmtime, state_of(order, vfs));
        store.limiter(|state| &mut state.memory_limiter);
        #[cfg(target_os = "linux")]
        super::stack::prepare(&mut store);
        let interrupt = &control.interrupt;
        let _watched = watchdog::watch(control.wall_clock_max, interrupt)?;
        let (result, left) = match fuel.checked_sub(startup) {
            Some(rest) => {
                self.execute(&mut store, ready, Limits { fuel: rest, ..order.limits }, interrupt)?
            }
            None => (Err(Stop::OutOfFuel.into()), Left::of(0, 0)),
        };
        // Whatever the guest did, a run that was asked to end makes no claim.
        if let Some(reason) = interrupt.raised() {
            return Err(reason);
        }
        if store.data().vfs.failed() {
            return Err(Aborted::HostDisk);
        }
        let mut state = store.into_data();
        let sort = sort_of(&result, state.memory_limiter.refused())?;
        Ok(ending(sort, fuel, left, &mut state))
    }

    /// Instantiates and runs; gives what is left besides. The outer error is the host's, the inner one what the engine says of
    /// the guest.
    fn execute(
        &self,
        store: &mut Store<State>,
        ready: &ReadyCore,
        limits: Limits,
        interrupt: &Arc<Interrupt>,
    ) -> Result<(wasmtime::Result<i32>, Left), Aborted> {
        let limits = Left::of(limits.fuel, limits.stack.min(STACK_LIMIT_MAX));
        let instance = match block_on(ready.pre.instantiate_async(&mut *store)) {
            Ok(instance) => instance,
            // Nothing has run, and only setting up is paid.
            Err(error) => return Ok((Err(error), limits)),
        };
        let exports = &ready.exports;
        let (own, interruptible) = (Arc::clone(interrupt), self.interruptible);
        let _armed = Counters::start(store, &instance, exports, limits, own, interruptible)?;
        let program = exports.program(store, &instance)?;
        let result = block_on(program.call_async(&mut *store, (limits.fuel, limits.depth)));
        let fuel = store.data_mut().counters.take().map_or(0, |counters| counters.left(store));
        // What has ended well has given back what it took.
        let depth = if result.is_ok() { limits.depth } else { exports.depth(store, &instance) };
        Ok((result, Left { fuel, depth }))
    }
}

/// The three volumes that an order fills.
pub(super) fn volumes_of(order: &Order) -> Result<Vfs, Error> {
    let limits = order.limits;
    Vfs::new(&order.algorithm, &order.inputs, order.clock_start, limits.output_bytes, limits.output_files)
        .map_err(|e| Error::Inputs(format!("{e:?}")))
}

/// What a run begins with, whichever engine runs it.
pub(super) fn state_of(order: &Order, vfs: Vfs) -> State {
    let clock = VirtualClock::new(order.clock_start, order.clock_step);
    let random = SeededRandom::new(order.random_seed);
    State::new(vfs, clock, random, order.limits.memory_bytes, &order.invocation)
}

/// Polls to the end. The engine's futures only switch stacks; they never wait.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Polls to the end; it is pending only where the engine hands control back, and then a request to end is looked for.
pub(super) fn block_on_unless<F: Future>(interrupt: &Interrupt, future: F) -> Result<F::Output, Aborted> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Some(reason) = interrupt.raised() {
            return Err(reason);
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
    }
}
