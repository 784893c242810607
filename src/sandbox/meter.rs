//! The meter: how fuel and call depth are set, charged and read. The one place that knows where they are counted.
//!
//! The module counts by itself: `brizo-meter` rewrites it before it is compiled, and the counts lie in globals and a
//! memory of its own. Whatever engine runs it, the counts are the same; on a trap they are what was last on record.

use std::sync::Arc;

use brizo_meter::{DEPTH, FLOOR, FUEL};
use wasmtime::{
    AsContext, AsContextMut, Caller, Config, Extern, Global, Instance, Memory, Module, ModuleExport, Store,
    TypedFunc, Val,
};

use super::ending::Aborted;
use super::interrupt::{Armed, Interrupt};
use super::state::{State, Stop};

/// Version of the metering rules; part of the profile.
pub(super) const METER: &str = brizo_meter::VERSION;
/// The rules themselves.
pub(super) const OPTIONS: brizo_meter::Options = brizo_meter::Options::PROFILE;

/// Fuel for entering any host function.
pub(super) const CALL: u64 = 500;
/// Fuel per byte copied between guest and host.
pub(super) const BYTE: u64 = 1;
/// Fuel per random byte.
pub(super) const RANDOM_BYTE: u64 = 4;
/// Fuel per directory entry listed.
pub(super) const ENTRY: u64 = 200;
/// Fuel per component of a path that is walked.
pub(super) const COMPONENT: u64 = 200;
/// Fuel per argument or variable copied, besides its bytes.
pub(super) const STRING: u64 = 50;
/// Fuel for making a file, a folder or a descriptor.
pub(super) const CREATE: u64 = 5_000;

/// Settings that rewritten modules need.
pub(super) fn configure(config: &mut Config) {
    // The floor lies in a second memory, smaller than a page of WebAssembly; the hints lay the code for exhaustion and NaNs
    // out of the way.
    config.wasm_multi_memory(true).wasm_custom_page_sizes(true).wasm_branch_hinting(true);
}

/// Where in a rewritten module that lies which the host asks for; looked up once and not in each run.
#[derive(Clone)]
pub(super) struct Exports {
    floor: Option<ModuleExport>,
    fuel: ModuleExport,
    depth: ModuleExport,
    program: ModuleExport,
}

impl Exports {
    /// Nothing, if the module was not rewritten.
    pub(super) fn of(module: &Module) -> Option<Self> {
        let [floor, fuel, depth, program] =
            [FLOOR, FUEL, DEPTH, brizo_meter::ENTRY].map(|name| module.get_export_index(name));
        let ty = module.get_export(brizo_meter::ENTRY)?.func()?.clone();
        let takes = ty.params().len() == 2 && ty.params().all(|param| param.is_i64());
        let typed = takes && ty.results().len() == 1 && ty.result(0)?.is_i32();
        typed.then_some(Self { floor, fuel: fuel?, depth: depth?, program: program? })
    }

    /// Units of stack that are left; negative where they cannot be known.
    pub(super) fn depth(&self, store: &mut Store<State>, instance: &Instance) -> i64 {
        let depth = instance.get_module_export(&mut *store, &self.depth).and_then(Extern::into_global);
        depth.and_then(|depth| depth.get(store).i64()).unwrap_or(-1)
    }

    /// The function that runs the program, with these limits.
    pub(super) fn program(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> Result<TypedFunc<(i64, i64), i32>, Aborted> {
        let function = instance.get_module_export(&mut *store, &self.program).and_then(Extern::into_func);
        let function = function.ok_or(Aborted::Engine)?;
        // SAFETY: the export is one of the module that it was looked up in, which the engine has checked, and its type was
        // compared when this was made.
        Ok(unsafe { TypedFunc::new_unchecked(store, function) })
    }
}

/// What a run has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Fuel; negative when more was asked for than there was.
    pub(super) fuel: i64,
    /// Units of stack; negative likewise.
    pub(super) depth: i64,
}

impl Left {
    /// What a run begins with, in the form in which it is counted.
    pub(super) fn of(fuel: u64, depth: u64) -> Self {
        let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
        Self { fuel: signed(fuel), depth: signed(depth) }
    }
}

/// Where a run counts.
#[derive(Debug)]
pub(super) struct Counters {
    /// None in a module in which nobody looks; the floor is 0 then, and what runs between two host calls is short.
    floor: Option<Memory>,
    /// Fuel above the floor.
    fuel: Global,
    interrupt: Arc<Interrupt>,
    /// Fuel that the run began with.
    limit: i64,
}

impl Counters {
    /// Finds the counters before the run, which fills them, and lets the run be interrupted until the guard goes.
    pub(super) fn start(
        store: &mut Store<State>,
        instance: &Instance,
        exports: &Exports,
        limits: Left,
        interrupt: Arc<Interrupt>,
        interruptible: bool,
    ) -> Result<Armed, Aborted> {
        let floor = match &exports.floor {
            Some(floor) => {
                let memory = instance.get_module_export(&mut *store, floor).and_then(Extern::into_memory);
                Some(memory.ok_or(Aborted::Engine)?)
            }
            None => None,
        };
        let fuel = instance.get_module_export(&mut *store, &exports.fuel).and_then(Extern::into_global);
        let fuel = fuel.ok_or(Aborted::Engine)?;
        let page = floor.filter(|_| interruptible).map(|floor| floor.data_ptr(&*store));
        let counters = Self { floor, fuel, interrupt: Arc::clone(&interrupt), limit: limits.fuel };
        store.data_mut().counters = Some(counters);
        interrupt.arm(page)
    }

    /// What is left of the fuel.
    pub(super) fn left(&self, store: &mut Store<State>) -> i64 {
        fuel(self.floor, self.fuel, store)
    }

    /// Where fuel is counted, and how much the run began with.
    pub(super) fn fuel(&self) -> (Option<Memory>, Global, i64) {
        (self.floor, self.fuel, self.limit)
    }
}

/// The floor, of which the module keeps what is left above it.
fn floor(memory: Option<Memory>, store: impl AsContext<Data = State>) -> i64 {
    let Some(memory) = memory else { return 0 };
    let bytes = memory.data(&store).first_chunk().copied();
    // The memory of the floor is larger, so the bytes are there.
    bytes.map_or(-1, i64::from_le_bytes)
}

/// Fuel that is on record as left.
fn fuel(memory: Option<Memory>, above: Global, mut store: impl AsContextMut<Data = State>) -> i64 {
    let above = above.get(&mut store).i64().unwrap_or(i64::MIN);
    floor(memory, &store).saturating_add(above)
}

/// Fuel that is on record as used; none where nothing has run.
pub(super) fn used(mut store: impl AsContextMut<Data = State>) -> i64 {
    let counters = store.as_context().data().counters.as_ref().map(Counters::fuel);
    counters.map_or(0, |(memory, above, limit)| limit.saturating_sub(fuel(memory, above, &mut store)))
}

/// Fuel that a guest in a host call has left; nothing when it has overdrawn.
pub(super) fn left_in_call(caller: &mut Caller<'_, State>) -> u64 {
    let counters = caller.data().counters.as_ref().map(Counters::fuel);
    counters.map_or(0, |(memory, above, _)| u64::try_from(fuel(memory, above, caller)).unwrap_or(0))
}

/// Sets what is left after a host call; refused once the run is interrupted.
pub(super) fn set_in_call(caller: &mut Caller<'_, State>, left: u64) -> Result<(), Stop> {
    let counters = caller.data().counters.as_ref().ok_or(Stop::Engine)?;
    if counters.interrupt.raised().is_some() {
        return Err(Stop::Interrupted);
    }
    let (memory, above, _) = counters.fuel();
    let left = i64::try_from(left).unwrap_or(i64::MAX).saturating_sub(floor(memory, &*caller));
    above.set(caller, Val::I64(left)).map_err(|_| Stop::Engine)
}
