//! The meter: how fuel and call depth are set, charged and read. The one place that knows where they are counted.
//!
//! The module counts by itself: `brizo-meter` rewrites it before it is compiled, and the counts lie in two cells of a
//! memory of their own. Whatever engine runs it, the counts are the same; on a trap they are what was last on record.

use std::sync::Arc;

use brizo_meter::{CELLS, DEPTH_CELL, FUEL_CELL};
use wasmtime::{
    AsContext, AsContextMut, Caller, Config, Extern, Instance, Memory, Module, ModuleExport, Store, TypedFunc,
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
    // The cells are a second memory, smaller than a page of WebAssembly; the hints lay the code for exhaustion and NaNs
    // out of the way.
    config.wasm_multi_memory(true).wasm_custom_page_sizes(true).wasm_branch_hinting(true);
}

/// Where in a rewritten module that lies which the host asks for; looked up once and not in each run.
#[derive(Clone)]
pub(super) struct Exports {
    cells: ModuleExport,
    program: ModuleExport,
}

impl Exports {
    /// Nothing, if the module was not rewritten.
    pub(super) fn of(module: &Module) -> Option<Self> {
        let [cells, program] = [CELLS, brizo_meter::ENTRY].map(|name| module.get_export_index(name));
        let ty = module.get_export(brizo_meter::ENTRY)?.func()?.clone();
        let typed = ty.params().len() == 0 && ty.results().len() == 1 && ty.result(0)?.is_i32();
        typed.then_some(Self { cells: cells?, program: program? })
    }

    /// The function that runs the program.
    pub(super) fn program(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> Result<TypedFunc<(), i32>, Aborted> {
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

/// The cells of a run.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    memory: Memory,
    interrupt: Arc<Interrupt>,
    /// Fuel that the run began with.
    fuel: i64,
}

impl Cells {
    /// Fills the cells before the run, and lets the run be interrupted until the guard goes.
    pub(super) fn start(
        store: &mut Store<State>,
        instance: &Instance,
        exports: &Exports,
        limits: Left,
        interrupt: Arc<Interrupt>,
        interruptible: bool,
    ) -> Result<Armed, Aborted> {
        let memory = instance.get_module_export(&mut *store, &exports.cells).and_then(Extern::into_memory);
        let memory = memory.ok_or(Aborted::Engine)?;
        for (offset, value) in [(FUEL_CELL, limits.fuel), (DEPTH_CELL, limits.depth)] {
            memory.write(&mut *store, offset as usize, &value.to_le_bytes()).map_err(|_| Aborted::Engine)?;
        }
        let page = interruptible.then(|| memory.data_ptr(&*store));
        store.data_mut().cells = Some(Self { memory, interrupt: Arc::clone(&interrupt), fuel: limits.fuel });
        interrupt.arm(page)
    }

    fn read(&self, store: impl AsContext<Data = State>, offset: u64) -> i64 {
        let start = offset as usize;
        let bytes = self.memory.data(&store).get(start..start + 8).and_then(|bytes| bytes.try_into().ok());
        // The memory of the cells is larger, so the bytes are there.
        bytes.map_or(-1, i64::from_le_bytes)
    }

    /// What is left.
    pub(super) fn left(&self, store: impl AsContext<Data = State>) -> Left {
        Left { fuel: self.read(&store, FUEL_CELL), depth: self.read(&store, DEPTH_CELL) }
    }

    /// Fuel that is on record as used.
    pub(super) fn used(&self, store: impl AsContext<Data = State>) -> i64 {
        self.fuel.saturating_sub(self.read(store, FUEL_CELL))
    }

    /// Sets the fuel that is left; refused once the run is interrupted, because the page is then sealed.
    fn set_fuel(&self, mut store: impl AsContextMut<Data = State>, left: u64) -> Result<(), Stop> {
        let fuel = i64::try_from(left).unwrap_or(i64::MAX).to_le_bytes();
        let written =
            self.interrupt.unless_raised(|| self.memory.write(&mut store, FUEL_CELL as usize, &fuel));
        match written {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(Stop::Engine),
            None => Err(Stop::Interrupted),
        }
    }
}

/// Fuel that a guest in a host call has left; nothing when it has overdrawn.
pub(super) fn left_in_call(caller: &Caller<'_, State>) -> u64 {
    let cells = caller.data().cells.as_ref();
    cells.map_or(0, |cells| u64::try_from(cells.read(caller, FUEL_CELL)).unwrap_or(0))
}

/// Sets what is left after a host call.
pub(super) fn set_in_call(caller: &mut Caller<'_, State>, left: u64) -> Result<(), Stop> {
    let cells = caller.data().cells.clone().ok_or(Stop::Engine)?;
    cells.set_fuel(caller, left)
}
