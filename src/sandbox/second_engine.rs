//! A second engine for tests: wasmi, an interpreter that shares nothing with wasmtime. It runs a metered module with the
//! same file system, clock and host functions, so that whatever a guest can see and is charged can be compared.
//!
//! A metered module exports `memory`, the entry `brizo:entry`, and a memory of one page, `brizo:cells`: at offset 0 the
//! fuel that is left, at 8 the depth of calls that is left, both 64-bit, little-endian, and negative once used up.

use brizo_receipt::TrapCode;
use wasmi::{Config, Linker, Memory, Store};

use super::limits::MemoryLimiter;
use super::run::{Aborted, Order, RunResult, Sort, ending, state_of, volumes_of};
use super::state::{State, Stop};
use super::{Error, preview1};

const ENTRY: &str = "brizo:entry";
const CELLS: &str = "brizo:cells";
/// Deeper than any depth a meter grants, so that wasmi's own stack is never what ends a run.
const FRAMES_MAX: usize = 10_000_000;
const STACK_BYTES_MAX: usize = 1 << 30;

/// What belongs to a run, and the meter's cells once they exist.
pub(super) struct Host {
    pub(super) state: State,
    pub(super) meter: Option<Memory>,
}

/// Fuel in the meter's cell; negative when the guest ran out.
pub(super) fn fuel_left(cells: &[u8]) -> i64 {
    cell(cells, 0)
}

/// Sets the fuel. What 63 bits cannot hold is more than anybody can use up.
pub(super) fn set_fuel(cells: &mut [u8], fuel: u64) {
    set_cell(cells, 0, fuel);
}

fn cell(cells: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(cells[at..at + 8].try_into().expect("eight bytes"))
}

fn set_cell(cells: &mut [u8], at: usize, number: u64) {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    cells[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

/// Runs a metered module, granting it `depth` units of call depth.
///
/// # Errors
/// [`Error::Compile`] for a module that does not keep the contract, [`Error::Inputs`] as for the first engine.
pub(super) fn run_on_wasmi(metered: &[u8], order: &Order, depth: u64) -> Result<RunResult, Error> {
    let failed = |e: wasmi::Error| Error::Compile(e.to_string());
    let mut config = Config::default();
    config.set_max_stack_height(STACK_BYTES_MAX).set_max_recursion_depth(FRAMES_MAX);
    let engine = wasmi::Engine::new(&config);
    let module = wasmi::Module::new(&engine, metered).map_err(failed)?;
    if let Some(name) = ["memory", ENTRY, CELLS].into_iter().find(|name| module.get_export(name).is_none()) {
        return Err(Error::Compile(format!("the module does not export `{name}`")));
    }
    let mut linker = Linker::new(&engine);
    preview1::link_wasmi(&mut linker).map_err(failed)?;
    let state = state_of(order, volumes_of(order)?);
    let mut store = Store::new(&engine, Host { state, meter: None });
    store.limiter(|host| &mut host.state.memory_limiter);

    let result = execute(&mut store, &linker, &module, order.limits.fuel, depth);
    let cells = store.data().meter.map(|meter| meter.data(&store).to_vec());
    // A module that could not even be instantiated has used nothing.
    let (fuel, depth) = cells.map_or((i64::MAX, 0), |cells| (cell(&cells, 0), cell(&cells, 8)));
    let mut state = store.into_data().state;
    let sort = match sort_of(&result, state.memory_limiter.refused(), fuel < 0, depth < 0) {
        Ok(sort) => sort,
        Err(aborted) => return Ok(Err(aborted)),
    };
    let left = u64::try_from(fuel).unwrap_or(0).min(order.limits.fuel);
    Ok(Ok(ending(sort, order.limits.fuel, left, &mut state)))
}

fn execute(
    store: &mut Store<Host>,
    linker: &Linker<Host>,
    module: &wasmi::Module,
    fuel: u64,
    depth: u64,
) -> Result<(), wasmi::Error> {
    let instance = linker.instantiate_and_start(&mut *store, module)?;
    let meter = instance.get_memory(&*store, CELLS).ok_or_else(|| wasmi::Error::host(Stop::Engine))?;
    set_fuel(meter.data_mut(&mut *store), fuel);
    set_cell(meter.data_mut(&mut *store), 8, depth);
    store.data_mut().meter = Some(meter);
    instance.get_typed_func::<(), ()>(&*store, ENTRY)?.call(store, ())
}

/// Translates wasmi's ends as `run.rs` does wasmtime's.
fn sort_of(
    result: &Result<(), wasmi::Error>,
    refused_memory: bool,
    no_fuel: bool,
    no_depth: bool,
) -> Result<Sort, Aborted> {
    let Err(error) = result else { return Ok(Sort::Exit(0)) };
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.sort();
    }
    if no_fuel {
        return Ok(Sort::OutOfFuel);
    }
    if no_depth {
        return Ok(Sort::StackLimit);
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

#[cfg(test)]
mod tests {
    use brizo_receipt::{B256, Invocation, Status};

    use super::*;
    use crate::sandbox::{Ending, Limits, Outputs};

    const FUEL: u64 = 1_000_000;
    const DEPTH: u64 = 500;

    fn order() -> Order {
        let limits = Limits { fuel: FUEL, memory_bytes: 2 * 65_536, output_bytes: 1_000, output_files: 4 };
        Order {
            invocation: Invocation::default(),
            algorithm: vec![],
            inputs: vec![],
            limits,
            random_seed: B256::repeat_byte(1),
            clock_start: 1_000,
            clock_step: 10,
        }
    }

    /// A module as the meter would make it: the body spends what it says and keeps its functions in a table.
    fn metered(body: &str) -> Vec<u8> {
        let text = format!(
            r#"(module
              (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
              (memory $guest (export "memory") 1 3)
              (memory $meter (export "brizo:cells") 1 1)
              (type $nothing (func)) (type $number (func (result i32)))
              (table 2 funcref) (elem (i32.const 0) $recurse)
              (data (memory $guest) (i32.const 0) "\10\00\00\00\05\00\00\00")
              (data (memory $guest) (i32.const 16) "hello")
              (func $spend (param i64)
                (i64.store $meter (i32.const 0)
                  (i64.sub (i64.load $meter (i32.const 0)) (local.get 0)))
                (if (i64.lt_s (i64.load $meter (i32.const 0)) (i64.const 0)) (then unreachable)))
              (func $recurse
                (i64.store $meter (i32.const 8)
                  (i64.sub (i64.load $meter (i32.const 8)) (i64.const 1)))
                (if (i64.lt_s (i64.load $meter (i32.const 8)) (i64.const 0)) (then unreachable))
                call $recurse)
              (func $hello (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
              (func (export "brizo:entry") {body}))"#
        );
        wat::parse_str(text).unwrap()
    }

    fn run(body: &str) -> (Ending, Outputs) {
        run_on_wasmi(&metered(body), &order(), DEPTH).unwrap().unwrap()
    }

    #[test]
    fn host_calls_are_charged_to_the_cell() {
        let (ending, outputs) = run("(call $spend (i64.const 7)) call $hello");
        assert_eq!((ending.status, outputs.stdout.as_slice()), (Status::Exit, &b"hello"[..]));
        // One buffer, five bytes, the call, and what the guest spent itself.
        assert_eq!(ending.fuel_used, 1 + 5 + crate::sandbox::meter::CALL + 7);
        let (ending, outputs) = run(&format!("(call $spend (i64.const {})) call $hello", FUEL - 505));
        assert_eq!((ending.status, ending.fuel_used), (Status::OutOfFuel, FUEL));
        assert!(outputs.stdout.is_empty(), "what cannot be paid is not done");
    }

    #[test]
    fn every_end_has_its_sort() {
        let div = "(drop (i32.div_s (i32.const 1) (i32.const 0)))";
        let overflow = "(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))";
        let table = [
            ("unreachable", Status::Trap, Some(TrapCode::Unreachable)),
            ("(drop (i32.load (i32.const 65533)))", Status::Trap, Some(TrapCode::MemoryOutOfBounds)),
            (div, Status::Trap, Some(TrapCode::DivisionByZero)),
            (overflow, Status::Trap, Some(TrapCode::IntegerOverflow)),
            ("(drop (i32.trunc_f32_s (f32.const 1e30)))", Status::Trap, Some(TrapCode::IntegerOverflow)),
            ("(drop (i32.trunc_f32_s (f32.const nan)))", Status::Trap, Some(TrapCode::BadConversion)),
            (
                "(call_indirect (type $nothing) (i32.const 1))",
                Status::Trap,
                Some(TrapCode::IndirectCallToNull),
            ),
            (
                "(drop (call_indirect (type $number) (i32.const 0)))",
                Status::Trap,
                Some(TrapCode::BadSignature),
            ),
            ("(call_indirect (type $nothing) (i32.const 2))", Status::Trap, Some(TrapCode::TableOutOfBounds)),
            (
                "(drop (call $write (i32.const 1) (i32.const 65533) (i32.const 1) (i32.const 8)))",
                Status::Trap,
                Some(TrapCode::BadPointer),
            ),
            ("(call $spend (i64.const 1000001))", Status::OutOfFuel, None),
            ("call $recurse", Status::StackLimit, None),
            (
                "(drop (memory.grow $guest (i32.const 2))) unreachable",
                Status::MemoryLimit,
                Some(TrapCode::Unreachable),
            ),
            (
                "(drop (memory.grow $guest (i32.const 3))) unreachable",
                Status::Trap,
                Some(TrapCode::Unreachable),
            ),
            ("(loop call $hello br 0)", Status::OutputLimit, None),
        ];
        for (body, status, trap) in table {
            let (ending, _) = run(body);
            assert_eq!((ending.status, ending.trap, ending.exit_code), (status, trap, 0), "{body}");
        }
        let (ending, _) = run("(call $exit (i32.const 42)) unreachable");
        assert_eq!((ending.status, ending.exit_code), (Status::Exit, 42));
    }

    #[test]
    fn a_module_that_is_not_metered_is_refused() {
        let module =
            wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"_start\")))").unwrap();
        assert!(matches!(run_on_wasmi(&module, &order(), DEPTH), Err(Error::Compile(_))));
    }
}
