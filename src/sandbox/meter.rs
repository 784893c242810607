//! The meter: how fuel is set, charged and read. The one place that knows that the engine counts it.
//!
//! The engine's own fuel is exact where the guest calls the host, returns, exits or runs out. On a trap the count is lost
//! (wasmtime#13802), and straight-line code may overrun the limit before the next check. The profile therefore says: a
//! trap costs the whole limit, and a run that ends with nothing left has run out. A meter of our own, made by rewriting
//! the module before compilation, fits behind these functions.

use std::borrow::Cow;

use wasmtime::{Caller, Config, Store};

use super::state::{State, Stop};

/// Version of the metering rules; part of the profile.
pub(super) const METER: &str = "wasmtime-48-fuel/1";

/// Fuel after which the engine hands control back, so that a stop or the wall clock is noticed; about a millisecond.
const YIELD_INTERVAL: u64 = 10_000_000;

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

/// Turns metering on.
pub(super) fn configure(config: &mut Config) {
    config.consume_fuel(true);
}

/// The module as it is compiled. The engine meters by itself, so nothing is rewritten.
pub(super) fn prepare(module: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(module)
}

/// Gives the guest its fuel. Called after instantiation, because what that costs differs between hosts (wasmtime#14331).
pub(super) fn start(store: &mut Store<State>, limit: u64) -> wasmtime::Result<()> {
    store.set_fuel(limit)
}

/// Lets the engine hand control back at intervals.
pub(super) fn yield_at_intervals(store: &mut Store<State>) -> wasmtime::Result<()> {
    store.fuel_async_yield_interval(Some(YIELD_INTERVAL))
}

/// Fuel that is left.
pub(super) fn left(store: &Store<State>) -> u64 {
    // Metering is always on, so the engine always knows.
    store.get_fuel().unwrap_or(0)
}

/// Fuel that a guest in a host call has left.
pub(super) fn left_in_call(caller: &Caller<'_, State>) -> u64 {
    caller.get_fuel().unwrap_or(0)
}

/// Sets what is left after a host call.
pub(super) fn set_in_call(caller: &mut Caller<'_, State>, left: u64) -> Result<(), Stop> {
    caller.set_fuel(left).map_err(|_| Stop::Engine)
}
