//! WASI preview 2: components of the world `wasi:cli/command`, over the same file system, clock and random numbers as
//! preview 1.
//!
//! Components are metered by the engine's own fuel, under a profile of their own: a counter that the core modules inside
//! share would need a rewriting of the component's index spaces.

mod bindings;
mod call;
mod cli;
mod ending;
mod filesystem;
mod folders;
mod gate;
mod limits;
mod poll;
mod profile;
mod random;
mod refused;
mod resources;
mod state;
mod streams;
mod surface;
mod types;

use std::sync::Arc;

use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Config, Engine, OptLevel, Store};

pub(super) use gate::inspect;
pub(super) use profile::{PROFILE_NAME, profile_document};

use self::ending::{Phase, finish};
use self::state::State;
use super::clock::VirtualClock;
use super::ending::RunResult;
use super::engine::{Backend, HOST_STACK_BYTES};
use super::random::SeededRandom;
use super::run::{Control, Order, block_on_unless};
use super::vfs::Vfs;
use super::{Error, watchdog};

/// Fuel after which the engine hands control back, so that a stop or the wall clock is noticed; about a millisecond.
const YIELD_INTERVAL: u64 = 10_000_000;
/// Native stack of a component. Its depth is not counted, so its exhaustion ends a run without a claim; it is reserved,
/// not used, until a guest goes that deep.
const STACK_BYTES: usize = 64 << 20;
/// Handles that all instances of a component may hold together.
const HANDLES_MAX: usize = 100_000;
/// Bytes that one call may carry from the guest to the host, besides lists of bytes.
const CALL_BYTES_MAX: usize = 16 << 20;

/// Compiles and runs components. Cheap to clone.
#[derive(Clone)]
pub(super) struct ComponentEngine {
    wasmtime: Engine,
    linker: Arc<Linker<State>>,
}

/// A component that is ready to run.
#[derive(Clone)]
pub(super) struct Ready {
    pre: InstancePre<State>,
    run: ComponentExportIndex,
}

impl ComponentEngine {
    /// Sets up the engine.
    ///
    /// # Errors
    /// [`Error::Engine`] when this host lacks something the profile needs.
    pub(super) fn new(backend: Backend) -> Result<Self, Error> {
        let failed = |e: wasmtime::Error| Error::Engine(format!("{e:#}"));
        let wasmtime = config(backend).and_then(|config| Engine::new(&config)).map_err(failed)?;
        let linker = Arc::new(linker(&wasmtime).map_err(failed)?);
        Ok(Self { wasmtime, linker })
    }

    /// The engine, on whose settings artefacts depend.
    pub(super) fn wasmtime(&self) -> &Engine {
        &self.wasmtime
    }

    /// Links a compiled component.
    ///
    /// # Errors
    /// [`Error::Compile`] when the component does not fit the interfaces that it imports or exports.
    pub(super) fn link(&self, component: &Component) -> Result<Ready, Error> {
        let failed = |e: wasmtime::Error| Error::Compile(format!("{e:#}"));
        let mut linker = (*self.linker).clone();
        refused::link(&mut linker, &self.wasmtime, component).map_err(failed)?;
        let pre = linker.instantiate_pre(component).map_err(failed)?;
        let run = component
            .get_export_index(None, "wasi:cli/run@0.2.12")
            .and_then(|interface| component.get_export_index(Some(&interface), "run"))
            .ok_or_else(|| Error::Compile("the component does not export wasi:cli/run".into()))?;
        Ok(Ready { pre, run })
    }

    /// Runs a component over a given file system. Everything that the guest can cause is a [`RunResult`].
    pub(super) fn run(&self, vfs: Vfs, ready: &Ready, order: &Order, control: &Control) -> RunResult {
        let limits = order.limits;
        let clock = VirtualClock::new(order.clock_start, order.clock_step);
        let random = SeededRandom::new(order.random_seed);
        let interrupt = &control.interrupt;
        let state =
            State::new(vfs, clock, random, limits.memory_bytes, &order.invocation, Arc::clone(interrupt));
        let mut store = Store::new(&self.wasmtime, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(CALL_BYTES_MAX);
        store.set_max_component_handles(HANDLES_MAX);
        let _watched = watchdog::watch(control.wall_clock_max, interrupt)?;
        let mut phase = Phase::Instantiation;
        let running = execute(&mut store, ready, limits.fuel, &mut phase);
        let result = block_on_unless(interrupt, running)?;
        // Whatever the guest did, a run that was asked to end makes no claim.
        if let Some(reason) = interrupt.raised() {
            return Err(reason);
        }
        finish(store, limits.fuel, phase, result)
    }
}

async fn execute(
    store: &mut Store<State>,
    ready: &Ready,
    fuel: u64,
    phase: &mut Phase,
) -> wasmtime::Result<Result<(), ()>> {
    store.fuel_async_yield_interval(Some(YIELD_INTERVAL))?;
    // Start functions inside the component are the guest's code, so instantiation is paid for as well.
    store.set_fuel(fuel)?;
    let instance = ready.pre.instantiate_async(&mut *store).await?;
    let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, ready.run)?;
    *phase = Phase::Run;
    let (result,) = run.call_async(&mut *store, ()).await?;
    Ok(result)
}

/// Everything that components may import, but for what is refused.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    cli::link(&mut linker)?;
    streams::link(&mut linker)?;
    poll::link(&mut linker)?;
    filesystem::link(&mut linker)?;
    random::link(&mut linker)?;
    Ok(linker)
}

/// The settings behind the profile. What is not said here is off in the gate's allow-list.
pub(super) fn config(backend: Backend) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    backend.apply(&mut config)?;
    config
        .wasm_component_model(true)
        .consume_fuel(true)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_extended_const(true)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        // Copying data into memories is metered, and must be on every host or on none (wasmtime#14331).
        .memory_init_cow(false)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(STACK_BYTES + HOST_STACK_BYTES)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    Ok(config)
}
