//! How a component's run ended, by its profile's rules.

use brizo_receipt::{Status, TrapCode};
use wasmtime::{Store, Trap};

use super::state::State;
use crate::sandbox::ending::{Aborted, Ending, Outputs, RunResult, Sort};
use crate::sandbox::limits::HostMemory;
use crate::sandbox::state::Stop;

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Core modules were being instantiated; their start functions may have run.
    Instantiation,
    /// `run` had been called.
    Run,
}

/// Reads the ending and takes the outputs.
pub(super) fn finish(
    mut store: Store<State>,
    fuel_limit: u64,
    phase: Phase,
    result: wasmtime::Result<Result<(), ()>>,
) -> RunResult {
    if store.data().vfs.failed() {
        return Err(Aborted::HostDisk);
    }
    // Metering is always on, so the engine always knows.
    let left = store.get_fuel().unwrap_or(0);
    let refused_memory = store.data().limiter.refused();
    let sort = match result {
        Ok(Ok(())) => Sort::Exit(0),
        Ok(Err(())) => Sort::Exit(1),
        Err(error) => sort_of(&error, phase, refused_memory)?,
    };
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
    let outputs = Outputs::of(&mut store.data_mut().vfs);
    let ending = Ending { status, exit_code, trap, fuel_used, output_bytes: outputs.bytes() };
    Ok((ending, outputs))
}

/// The one place where the engine's errors become ends.
fn sort_of(error: &wasmtime::Error, phase: Phase, refused_memory: bool) -> Result<Sort, Aborted> {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.sort();
    }
    if is_hosts(error) {
        return Err(Aborted::HostMemory);
    }
    let trap = match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return Ok(Sort::OutOfFuel),
        Some(Trap::StackOverflow) => return Err(Aborted::NativeStack),
        Some(trap) => trap_code(*trap).ok_or_else(|| unknown(error))?,
        // A memory larger than ordered at the very start is refused by the limiter as a plain error.
        None if phase == Phase::Instantiation && refused_memory => TrapCode::Unreachable,
        None if phase == Phase::Instantiation => return Err(unknown(error)),
        // What the engine reports in words once a component runs are breaches of the component ABI: a handle that is not
        // there, a pointer of `realloc` that leads nowhere, text that is not UTF-8, too much in one call.
        None => TrapCode::BadPointer,
    };
    Ok(Sort::Trap(trap))
}

/// Whether the host could not give what the order allows: memory, a stack, a mapping.
fn is_hosts(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<HostMemory>().is_some()
        || error.downcast_ref::<wasmtime::error::OutOfMemory>().is_some()
        || error.chain().any(|cause| cause.is::<std::io::Error>() || cause.is::<rustix::io::Errno>())
}

fn trap_code(trap: Trap) -> Option<TrapCode> {
    Some(match trap {
        Trap::UnreachableCodeReached => TrapCode::Unreachable,
        Trap::MemoryOutOfBounds => TrapCode::MemoryOutOfBounds,
        Trap::IntegerDivisionByZero => TrapCode::DivisionByZero,
        Trap::IntegerOverflow => TrapCode::IntegerOverflow,
        Trap::BadConversionToInteger => TrapCode::BadConversion,
        Trap::IndirectCallToNull => TrapCode::IndirectCallToNull,
        Trap::BadSignature => TrapCode::BadSignature,
        Trap::TableOutOfBounds => TrapCode::TableOutOfBounds,
        // The component ABI, as code between two components finds it broken.
        Trap::CannotEnterComponent
        | Trap::CannotLeaveComponent
        | Trap::InvalidChar
        | Trap::StringOutOfBounds
        | Trap::ListOutOfBounds
        | Trap::InvalidDiscriminant
        | Trap::UnalignedPointer => TrapCode::BadPointer,
        _ => return None,
    })
}

fn unknown(error: &wasmtime::Error) -> Aborted {
    tracing::error!(error = %format!("{error:#}"), "unknown engine failure");
    Aborted::Engine
}
