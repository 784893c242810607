//! One run: order in, ending and outputs out. Runs on the calling thread; whoever calls chooses the thread.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use brizo_receipt::{B256, Entry, EntryKind, Invocation, JobSpec, Manifest, Outcome, Status, TrapCode};
use wasmtime::{Store, Trap};

use crate::job::STACK_LIMIT_MAX;

use super::clock::VirtualClock;
use super::interrupt::Interrupt;
use super::limits::HostMemory;
use super::meter::{Cells, Left};
use super::random::SeededRandom;
use super::state::{State, Stop};
use super::vfs::Vfs;
use super::{Engine, Error, Module, meter, watchdog};

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
    pub fn of(spec: &JobSpec, invocation: Invocation, inputs: Vec<InputFile>) -> Self {
        Self {
            invocation,
            algorithm: Vec::new(),
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
    interrupt: Arc<Interrupt>,
    /// Wall-clock ceiling; reaching it aborts the run without a claim.
    pub wall_clock_max: Option<Duration>,
}

impl Control {
    /// Control with a wall-clock ceiling.
    #[must_use]
    pub fn with_wall_clock(max: Duration) -> Self {
        Self { wall_clock_max: Some(max), ..Self::default() }
    }

    /// Ends the run at its next loop head or call.
    pub fn stop(&self) {
        self.interrupt.raise(Aborted::Stopped);
    }
}

/// How a run ended, deterministically.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The sort of end.
    pub status: Status,
    /// The guest's exit code; 0 unless the status is [`Status::Exit`].
    pub exit_code: u32,
    /// The trap, if there was one.
    pub trap: Option<TrapCode>,
    /// Fuel charged, by the profile's rules.
    pub fuel_used: u64,
    /// Bytes of outputs and streams.
    pub output_bytes: u64,
}

impl Ending {
    /// The outcome as it stands in a claim.
    #[must_use]
    pub fn outcome(&self, outputs_root: B256) -> Outcome {
        Outcome {
            status: self.status as u8,
            exit_code: self.exit_code,
            trap_code: self.trap.map_or(0, |trap| trap as u32),
            fuel_used: self.fuel_used,
            output_bytes: self.output_bytes,
            outputs_root,
        }
    }
}

/// What the guest left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Files by path below `/data/outputs`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Folders by path, sorted.
    pub folders: Vec<String>,
    /// Captured standard output.
    pub stdout: Vec<u8>,
    /// Captured standard error.
    pub stderr: Vec<u8>,
}

/// Why the host ended a run. No claim is made, nothing is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Aborted {
    /// Somebody asked for it.
    #[error("the run was stopped")]
    Stopped,
    /// The wall-clock ceiling was reached.
    #[error("the run reached the host's wall-clock ceiling")]
    WallClock,
    /// The native stack was exhausted, at a depth that another host might not share.
    #[error(
        "the guest exhausted the native call stack (endless recursion?); this depth cannot be reproduced elsewhere"
    )]
    NativeStack,
    /// The host ran out of memory.
    #[error("the host had no memory left for the guest")]
    HostMemory,
    /// The engine failed in a way that the profile does not know.
    #[error("the engine failed")]
    Engine,
}

impl Aborted {
    /// Stable machine-readable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Stopped => "run_stopped",
            Self::WallClock => "run_timed_out",
            Self::NativeStack => "run_native_stack",
            Self::HostMemory => "run_host_memory",
            Self::Engine => "run_engine_failure",
        }
    }
}

/// A run that has a claim, or was aborted.
pub type RunResult = Result<(Ending, Outputs), Aborted>;

impl Outputs {
    /// Bytes of all files and both streams.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let files: usize = self.files.values().map(Vec::len).sum();
        (files + self.stdout.len() + self.stderr.len()) as u64
    }

    /// The manifest over files, folders and both streams.
    ///
    /// # Errors
    /// Never for what the sandbox returns: its file system takes only paths that manifests take.
    pub fn manifest(&self) -> brizo_receipt::Result<Manifest> {
        let files = self.files.iter().map(|(path, bytes)| Entry::of(EntryKind::File, path, bytes));
        let folders = self.folders.iter().map(|path| Entry::of(EntryKind::Directory, path, &[]));
        let streams = [("stdout", &self.stdout), ("stderr", &self.stderr)];
        let streams = streams.into_iter().map(|(name, bytes)| Entry::of(EntryKind::Stream, name, bytes));
        Manifest::new(files.chain(folders).chain(streams).collect())
    }
}

impl Engine {
    /// Runs a module.
    ///
    /// # Errors
    /// [`Error::Inputs`] when two input paths collide. Everything that the guest can cause is a [`RunResult`].
    pub fn run(&self, module: &Module, order: &Order, control: &Control) -> Result<RunResult, Error> {
        Ok(self.run_on(volumes_of(order)?, module, order, control))
    }

    /// Runs a module over a given file system.
    pub(super) fn run_on(&self, vfs: Vfs, module: &Module, order: &Order, control: &Control) -> RunResult {
        let fuel = order.limits.fuel;
        let mut store = Store::new(&self.wasmtime, state_of(order, vfs));
        store.limiter(|state| &mut state.memory_limiter);
        let interrupt = &control.interrupt;
        let _watched = watchdog::watch(control.wall_clock_max, interrupt)?;
        let result = self.execute(&mut store, module, order.limits, interrupt)?;
        // Whatever the guest did, a run that was asked to end makes no claim.
        if let Some(reason) = interrupt.raised() {
            return Err(reason);
        }
        // Without cells nothing has run, and only setting up is paid.
        let untouched = Left::of(fuel.saturating_sub(module.startup), 0);
        let left = store.data().cells.as_ref().map_or(untouched, |cells| cells.left(&store));
        let mut state = store.into_data();
        let sort = sort_of(&result, state.memory_limiter.refused())?;
        Ok(ending(sort, fuel, left, &mut state))
    }

    /// Instantiates and runs. The outer error is the host's, the inner one what the engine says of the guest.
    fn execute(
        &self,
        store: &mut Store<State>,
        module: &Module,
        limits: Limits,
        interrupt: &Arc<Interrupt>,
    ) -> Result<wasmtime::Result<()>, Aborted> {
        let Some(fuel) = limits.fuel.checked_sub(module.startup) else {
            return Ok(Err(Stop::OutOfFuel.into()));
        };
        let left = Left::of(fuel, limits.stack.min(STACK_LIMIT_MAX));
        let instance = match block_on(module.pre.instantiate_async(&mut *store)) {
            Ok(instance) => instance,
            Err(error) => return Ok(Err(error)),
        };
        let _armed = Cells::start(store, &instance, left, Arc::clone(interrupt), self.interruptible)?;
        let program = match instance.get_typed_func::<(), ()>(&mut *store, meter::PROGRAM) {
            Ok(program) => program,
            Err(error) => return Ok(Err(error)),
        };
        Ok(block_on(program.call_async(store, ())))
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

/// The ending by the profile's rules, and the outputs, which are taken out of the state.
pub(super) fn ending(sort: Sort, fuel_limit: u64, left: Left, state: &mut State) -> (Ending, Outputs) {
    let refused_memory = state.memory_limiter.refused();
    let (status, exit_code, trap) = match sort {
        // Code without loops may overdraw before the next look: then the limit was the first thing that was met.
        _ if left.fuel < 0 => (Status::OutOfFuel, 0, None),
        Sort::OutOfFuel => (Status::OutOfFuel, 0, None),
        _ if left.depth < 0 => (Status::StackLimit, 0, None),
        Sort::Exit(code) => (Status::Exit, code, None),
        Sort::Trap(code) if refused_memory => (Status::MemoryLimit, 0, Some(code)),
        Sort::Trap(code) => (Status::Trap, 0, Some(code)),
        Sort::OutputLimit => (Status::OutputLimit, 0, None),
    };
    let fuel_used = match status {
        Status::OutOfFuel => fuel_limit,
        _ => fuel_limit - left.fuel.unsigned_abs(),
    };
    let vfs = &mut state.vfs;
    let (files, folders) = vfs.take_outputs();
    let (stdout, stderr) = (std::mem::take(&mut vfs.stdout), std::mem::take(&mut vfs.stderr));
    let outputs = Outputs { files, folders, stdout, stderr };
    // What is charged is what is there: a removed file that was still open is not.
    let ending = Ending { status, exit_code, trap, fuel_used, output_bytes: outputs.bytes() };
    (ending, outputs)
}

/// How a run ended, before the limits have their say.
pub(super) enum Sort {
    Exit(u32),
    Trap(TrapCode),
    OutOfFuel,
    OutputLimit,
}

impl Stop {
    /// The end that a host function asked for.
    pub(super) fn sort(self) -> Result<Sort, Aborted> {
        match self {
            Self::Exit(code) => Ok(Sort::Exit(code)),
            Self::OutOfFuel => Ok(Sort::OutOfFuel),
            Self::OutputLimit => Ok(Sort::OutputLimit),
            Self::BadPointer => Ok(Sort::Trap(TrapCode::BadPointer)),
            Self::Engine | Self::Interrupted => Err(Aborted::Engine),
        }
    }
}

/// The one place where the engine's errors become ends.
fn sort_of(result: &wasmtime::Result<()>, refused_memory: bool) -> Result<Sort, Aborted> {
    let Err(error) = result else { return Ok(Sort::Exit(0)) };
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.sort();
    }
    if error.downcast_ref::<HostMemory>().is_some() {
        return Err(Aborted::HostMemory);
    }
    let trap = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return Err(Aborted::NativeStack),
        Some(Trap::UnreachableCodeReached) => TrapCode::Unreachable,
        Some(Trap::MemoryOutOfBounds) => TrapCode::MemoryOutOfBounds,
        Some(Trap::IntegerDivisionByZero) => TrapCode::DivisionByZero,
        Some(Trap::IntegerOverflow) => TrapCode::IntegerOverflow,
        Some(Trap::BadConversionToInteger) => TrapCode::BadConversion,
        Some(Trap::IndirectCallToNull) => TrapCode::IndirectCallToNull,
        Some(Trap::BadSignature) => TrapCode::BadSignature,
        Some(Trap::TableOutOfBounds) => TrapCode::TableOutOfBounds,
        // A memory larger than ordered at the very start is refused by the limiter as a plain error.
        None if refused_memory => TrapCode::Unreachable,
        _ => {
            tracing::error!(error = %format!("{error:#}"), "unknown engine failure");
            return Err(Aborted::Engine);
        }
    };
    Ok(Sort::Trap(trap))
}
