//! One run: order in, ending and outputs out. Runs on the calling thread; whoever calls chooses the thread.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use brizo_receipt::{B256, Entry, EntryKind, Invocation, JobSpec, Manifest, Outcome, Status, TrapCode};
use wasmtime::{InstancePre, Store, Trap};

use super::clock::VirtualClock;
use super::engine::Code;
use super::limits::HostMemory;
use super::random::SeededRandom;
use super::state::{State, Stop};
use super::vfs::Vfs;
use super::{Engine, Error, Module, meter};

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
    stop: Arc<AtomicBool>,
    /// Wall-clock ceiling; reaching it aborts the run without a claim.
    pub wall_clock_max: Option<Duration>,
}

impl Control {
    /// Control with a wall-clock ceiling.
    #[must_use]
    pub fn with_wall_clock(max: Duration) -> Self {
        Self { wall_clock_max: Some(max), ..Self::default() }
    }

    /// Ends the run at the next opportunity.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
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
        let pre = match &module.code {
            Code::Core(pre) => pre,
            Code::Component(ready) => return self.components.run(ready, order, control),
        };
        let limits = order.limits;
        let vfs = Vfs::new(
            &order.algorithm,
            &order.inputs,
            order.clock_start,
            limits.output_bytes,
            limits.output_files,
        )
        .map_err(|e| Error::Inputs(format!("{e:?}")))?;
        let clock = VirtualClock::new(order.clock_start, order.clock_step);
        let random = SeededRandom::new(order.random_seed);
        let state = State::new(vfs, clock, random, limits.memory_bytes, &order.invocation);
        let mut store = Store::new(&self.wasmtime, state);
        store.limiter(|state| &mut state.memory_limiter);
        let began = Instant::now();
        let result = drive(execute(&mut store, pre, limits.fuel), || control.abort(began));
        Ok(match result {
            Err(aborted) => Err(aborted),
            Ok(result) => finish(store, limits.fuel, result),
        })
    }
}

impl Control {
    pub(super) fn abort(&self, began: Instant) -> Option<Aborted> {
        if self.stop.load(Ordering::Relaxed) {
            return Some(Aborted::Stopped);
        }
        self.wall_clock_max.filter(|max| began.elapsed() >= *max).map(|_| Aborted::WallClock)
    }
}

async fn execute(store: &mut Store<State>, pre: &InstancePre<State>, fuel: u64) -> wasmtime::Result<()> {
    meter::yield_at_intervals(store)?;
    // Instantiation runs no guest code (no start section), but the engine may charge it for copying data.
    meter::start(store, u64::MAX)?;
    let instance = pre.instantiate_async(&mut *store).await?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    meter::start(store, fuel)?;
    start.call_async(&mut *store, ()).await
}

/// Polls a run to its end. It is pending only where the meter hands control back, and then `abort` is asked.
pub(super) fn drive<F: Future>(run: F, abort: impl Fn() -> Option<Aborted>) -> Result<F::Output, Aborted> {
    let mut run = pin!(run);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = run.as_mut().poll(&mut context) {
            return Ok(output);
        }
        if let Some(aborted) = abort() {
            return Err(aborted);
        }
    }
}

/// Reads the ending by the profile's rules and takes the outputs.
fn finish(mut store: Store<State>, fuel_limit: u64, result: wasmtime::Result<()>) -> RunResult {
    let left = meter::left(&store);
    let refused_memory = store.data().memory_limiter.refused();
    let sort = sort_of(&result, refused_memory)?;
    let (status, exit_code, trap) = match sort {
        // Straight-line code may overrun the limit before the engine looks: nothing left means out of fuel.
        Sort::Exit(_) if left == 0 => (Status::OutOfFuel, 0, None),
        Sort::Exit(code) => (Status::Exit, code, None),
        Sort::Trap(code) if refused_memory => (Status::MemoryLimit, 0, Some(code)),
        Sort::Trap(code) => (Status::Trap, 0, Some(code)),
        Sort::OutOfFuel => (Status::OutOfFuel, 0, None),
        Sort::OutputLimit => (Status::OutputLimit, 0, None),
    };
    let fuel_used = match status {
        Status::Exit | Status::OutputLimit => fuel_limit - left,
        _ => fuel_limit,
    };
    let vfs = &mut store.data_mut().vfs;
    let (files, folders) = vfs.take_outputs();
    let (stdout, stderr) = (std::mem::take(&mut vfs.stdout), std::mem::take(&mut vfs.stderr));
    let outputs = Outputs { files, folders, stdout, stderr };
    // What is charged is what is there: a removed file that was still open is not.
    let ending = Ending { status, exit_code, trap, fuel_used, output_bytes: outputs.bytes() };
    Ok((ending, outputs))
}

enum Sort {
    Exit(u32),
    Trap(TrapCode),
    OutOfFuel,
    OutputLimit,
}

/// The one place where the engine's errors become ends.
fn sort_of(result: &wasmtime::Result<()>, refused_memory: bool) -> Result<Sort, Aborted> {
    let Err(error) = result else { return Ok(Sort::Exit(0)) };
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Exit(code) => Ok(Sort::Exit(*code)),
            Stop::OutOfFuel => Ok(Sort::OutOfFuel),
            Stop::OutputLimit => Ok(Sort::OutputLimit),
            Stop::BadPointer => Ok(Sort::Trap(TrapCode::BadPointer)),
            Stop::Engine => Err(Aborted::Engine),
        };
    }
    if error.downcast_ref::<HostMemory>().is_some() {
        return Err(Aborted::HostMemory);
    }
    let trap = match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return Ok(Sort::OutOfFuel),
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
