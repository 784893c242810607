//! A second engine for tests: wasmi, an interpreter that shares nothing with wasmtime. It runs the rewritten module with the
//! same file system, clock and host functions, so that whatever a guest can see and is charged can be compared.

#![allow(clippy::expect_used, clippy::panic, reason = "a disagreement has to be heard; no product code")]

use brizo_meter::{DEPTH, ENTRY, FLOOR, FUEL};
use brizo_receipt::TrapCode;
use wasmi::{AsContext, AsContextMut, Config, Global, Linker, Memory, Store, Val};

use super::ending::{Aborted, RunResult, Sort, ending};
use super::limits::MemoryLimiter;
use super::meter::Left;
use super::run::{Order, state_of, volumes_of};
use super::state::{State, Stop};
use super::{Error, inspect, meter, preview1};

/// Deeper than any depth a meter grants, so that wasmi's own stack is never what ends a run.
const FRAMES_MAX: usize = 10_000_000;
const STACK_BYTES_MAX: usize = 1 << 30;

/// What belongs to a run, and where it counts once that exists.
pub(super) struct Host {
    pub(super) state: State,
    pub(super) meter: Option<Counters>,
}

/// Where a run counts.
#[derive(Clone, Copy)]
pub(super) struct Counters {
    floor: Option<Memory>,
    fuel: Global,
    depth: Global,
}

impl Counters {
    fn floor(&self, store: impl AsContext) -> i64 {
        self.floor
            .map_or(0, |floor| i64::from_le_bytes(*floor.data(&store).first_chunk().expect("eight bytes")))
    }

    /// Fuel that is left; negative when the guest ran out.
    pub(super) fn fuel_left(&self, store: impl AsContext) -> i64 {
        self.floor(&store) + self.fuel.get(&store).i64().expect("a number")
    }

    /// Sets the fuel. What 63 bits cannot hold is more than anybody can use up.
    pub(super) fn set_fuel(&self, mut store: impl AsContextMut, fuel: u64) {
        let above = i64::try_from(fuel).unwrap_or(i64::MAX) - self.floor(&store);
        self.fuel.set(&mut store, Val::I64(above)).expect("a global that is mutable");
    }
}

/// A module that is rewritten and translated.
pub(super) struct Prepared {
    module: wasmi::Module,
    linker: Linker<Host>,
    /// Fuel for setting it up.
    pub(super) startup: u64,
}

/// Rewrites a module as the first engine does, and runs it.
///
/// # Errors
/// [`Error::Compile`] for a module that cannot be rewritten, [`Error::Inputs`] as for the first engine.
pub(super) fn run_on_wasmi(plain: &[u8], order: &Order) -> Result<RunResult, Error> {
    prepare(plain)?.run(order)
}

/// Rewrites a module as the first engine does.
///
/// # Errors
/// [`Error::Compile`] for a module that cannot be rewritten.
pub(super) fn prepare(plain: &[u8]) -> Result<Prepared, Error> {
    let unmeterable = |e: brizo_meter::Error| Error::Compile(e.to_string());
    let startup = brizo_meter::startup(plain, &meter::OPTIONS).map_err(unmeterable)?;
    let metered = brizo_meter::rewrite(plain, inspect::features(), &meter::OPTIONS).map_err(unmeterable)?;
    let failed = |e: wasmi::Error| Error::Compile(e.to_string());
    let mut config = Config::default();
    config.wasm_custom_page_sizes(true);
    config.set_max_stack_height(STACK_BYTES_MAX).set_max_recursion_depth(FRAMES_MAX);
    let engine = wasmi::Engine::new(&config);
    let module = wasmi::Module::new(&engine, &metered[..]).map_err(failed)?;
    let mut linker = Linker::new(&engine);
    preview1::link_wasmi(&mut linker).map_err(failed)?;
    Ok(Prepared { module, linker, startup })
}

impl Prepared {
    /// Runs it.
    ///
    /// # Errors
    /// [`Error::Inputs`] as for the first engine.
    pub(super) fn run(&self, order: &Order) -> Result<RunResult, Error> {
        let state = state_of(order, volumes_of(order)?);
        let mut store = Store::new(self.module.engine(), Host { state, meter: None });
        store.limiter(|host| &mut host.state.memory_limiter);
        let limits = order.limits;
        let result = match limits.fuel.checked_sub(self.startup) {
            Some(fuel) => execute(&mut store, &self.linker, &self.module, fuel, limits.stack),
            None => Err(wasmi::Error::host(Stop::OutOfFuel)),
        };
        let untouched = Left::of(limits.fuel.saturating_sub(self.startup), 0);
        let left = store.data().meter.map_or(untouched, |meter| Left {
            fuel: meter.fuel_left(&store),
            depth: meter.depth.get(&store).i64().expect("a number"),
        });
        let mut state = store.into_data().state;
        Ok(sort_of(&result, state.memory_limiter.refused())
            .map(|sort| ending(sort, limits.fuel, left, &mut state)))
    }
}

fn execute(
    store: &mut Store<Host>,
    linker: &Linker<Host>,
    module: &wasmi::Module,
    fuel: u64,
    depth: u64,
) -> Result<i32, wasmi::Error> {
    let instance = linker.instantiate_and_start(&mut *store, module)?;
    let missing = || wasmi::Error::host(Stop::Engine);
    let global = |name| instance.get_global(&*store, name).ok_or_else(missing);
    let floor = instance.get_memory(&*store, FLOOR);
    let meter = Counters { floor, fuel: global(FUEL)?, depth: global(DEPTH)? };
    let left = Left::of(fuel, depth);
    let entry = instance.get_typed_func::<(i64, i64), i32>(&*store, ENTRY)?;
    store.data_mut().meter = Some(meter);
    entry.call(store, (left.fuel, left.depth))
}

/// Translates wasmi's ends as `run.rs` does wasmtime's.
fn sort_of(result: &Result<i32, wasmi::Error>, refused_memory: bool) -> Result<Sort, Aborted> {
    let error = match result {
        Ok(code) => return Ok(Sort::Exit(*code as u32)),
        Err(error) => error,
    };
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.sort();
    }
    Ok(Sort::Trap(match error.as_trap_code() {
        Some(wasmi::TrapCode::UnreachableCodeReached) => TrapCode::Unreachable,
        Some(wasmi::TrapCode::MemoryOutOfBounds) => TrapCode::MemoryOutOfBounds,
        Some(wasmi::TrapCode::IntegerDivisionByZero) => TrapCode::DivisionByZero,
        Some(wasmi::TrapCode::IntegerOverflow) => TrapCode::IntegerOverflow,
        Some(wasmi::TrapCode::BadConversionToInteger) => TrapCode::BadConversion,
        Some(wasmi::TrapCode::IndirectCallToNull) => TrapCode::IndirectCallToNull,
        Some(wasmi::TrapCode::BadSignature) => TrapCode::BadSignature,
        Some(wasmi::TrapCode::TableOutOfBounds) => TrapCode::TableOutOfBounds,
        Some(wasmi::TrapCode::StackOverflow) => return Err(Aborted::NativeStack),
        Some(wasmi::TrapCode::OutOfSystemMemory | wasmi::TrapCode::GrowthOperationLimited) => {
            return Err(Aborted::HostMemory);
        }
        // A memory larger than ordered at the very start is refused by the limiter as a plain error.
        _ if refused_memory => TrapCode::Unreachable,
        _ => panic!("wasmi ended the run in a way the profile does not know: {error}"),
    }))
}

/// The rules of the first engine's limiter, asked in wasmi's words.
impl wasmi::ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmi_core::LimiterError> {
        Ok(self.grant_memory(desired, maximum))
    }

    fn memory_grow_failed(&mut self, _: &wasmi::errors::MemoryError) -> Result<(), wasmi_core::LimiterError> {
        // Granted and yet not there: the host's poverty, which a guest must not be able to observe.
        Err(wasmi_core::LimiterError::ResourceLimiterDeniedAllocation)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmi_core::LimiterError> {
        Ok(self.grant_table(current, desired, maximum))
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        10_000
    }

    fn memories(&self) -> usize {
        2
    }
}
