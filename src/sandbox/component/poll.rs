//! `wasi:io/poll` and `wasi:clocks`: nothing ever waits. Streams are always ready; waiting for a clock moves the virtual
//! time to its deadline.

use wasmtime::component::{Linker, Resource, ResourceType};

use super::bindings::Datetime;
use super::call::{Call, Store, host};
use super::resources::Pollable;
use super::state::State;
use crate::sandbox::meter;
use crate::sandbox::state::Stop;

const NANOSECONDS: u64 = 1_000_000_000;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut poll = linker.instance("wasi:io/poll@0.2.12")?;
    poll.resource("pollable", ResourceType::host::<Pollable>(), |store, number| {
        Call::enter(store)?.forget::<Pollable>(number)?;
        Ok(())
    })?;
    poll.func_wrap("[method]pollable.ready", |store: Store<'_>, (this,): (Resource<Pollable>,)| {
        host(store, |call| match *call.get(&this)? {
            Pollable::Ready => Ok(true),
            // Asking counts as a reading of the clock, so that a loop around it comes to its end.
            Pollable::Clock(deadline) => Ok(call.state().clock.monotonic() >= deadline),
        })
    })?;
    poll.func_wrap("[method]pollable.block", |store: Store<'_>, (this,): (Resource<Pollable>,)| {
        host(store, |call| {
            let pollable = *call.get(&this)?;
            wait(call.state(), &[pollable]);
            Ok(())
        })
        .map(|_| ())
    })?;
    poll.func_wrap("poll", |store: Store<'_>, (list,): (Vec<Resource<Pollable>>,)| {
        host(store, |call| poll_all(call, &list))
    })?;
    link_clocks(linker)
}

fn link_clocks(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut monotonic = linker.instance("wasi:clocks/monotonic-clock@0.2.12")?;
    monotonic.func_wrap("now", |store: Store<'_>, (): ()| {
        host(store, |call| Ok(call.state().clock.monotonic()))
    })?;
    monotonic.func_wrap("resolution", |store: Store<'_>, (): ()| {
        host(store, |call| Ok(call.state().clock.resolution()))
    })?;
    monotonic.func_wrap("subscribe-instant", |store: Store<'_>, (when,): (u64,)| {
        host(store, |call| call.push(Pollable::Clock(when)))
    })?;
    monotonic.func_wrap("subscribe-duration", |store: Store<'_>, (length,): (u64,)| {
        host(store, |call| {
            let deadline = call.state().clock.elapsed().saturating_add(length);
            call.push(Pollable::Clock(deadline))
        })
    })?;
    let mut wall = linker.instance("wasi:clocks/wall-clock@0.2.12")?;
    wall.func_wrap("now", |store: Store<'_>, (): ()| {
        host(store, |call| Ok(datetime(call.state().clock.wall())))
    })?;
    wall.func_wrap("resolution", |store: Store<'_>, (): ()| {
        host(store, |call| Ok(datetime(call.state().clock.resolution())))
    })?;
    Ok(())
}

/// Nanoseconds since 1970-01-01 UTC as the interfaces write them.
pub(super) fn datetime(nanoseconds: u64) -> Datetime {
    Datetime { seconds: nanoseconds / NANOSECONDS, nanoseconds: (nanoseconds % NANOSECONDS) as u32 }
}

/// The reverse; `None` for what does not fit or is no proper time.
pub(super) fn nanoseconds(time: Datetime) -> Option<u64> {
    let rest = u64::from(time.nanoseconds);
    (rest < NANOSECONDS).then_some(())?;
    time.seconds.checked_mul(NANOSECONDS)?.checked_add(rest)
}

/// Indices of what is ready. If nothing is, virtual time moves to the earliest deadline.
fn poll_all(call: &mut Call<'_>, list: &[Resource<Pollable>]) -> Result<Vec<u32>, Stop> {
    call.charge_each(list.len() as u64, meter::ENTRY)?;
    if list.is_empty() {
        return Err(Stop::BadPointer);
    }
    let pollables = list.iter().map(|handle| call.get(handle).copied()).collect::<Result<Vec<_>, _>>()?;
    wait(call.state(), &pollables);
    let elapsed = call.state().clock.elapsed();
    let ready = (0u32..).zip(&pollables).filter(|(_, pollable)| is_ready(**pollable, elapsed));
    Ok(ready.map(|(index, _)| index).collect())
}

fn is_ready(pollable: Pollable, elapsed: u64) -> bool {
    match pollable {
        Pollable::Ready => true,
        Pollable::Clock(deadline) => deadline <= elapsed,
    }
}

fn wait(state: &mut State, pollables: &[Pollable]) {
    let elapsed = state.clock.elapsed();
    if pollables.iter().any(|pollable| is_ready(*pollable, elapsed)) {
        return;
    }
    let deadlines = pollables.iter().filter_map(|pollable| match pollable {
        Pollable::Clock(deadline) => Some(*deadline),
        Pollable::Ready => None,
    });
    state.clock.sleep(deadlines.min().unwrap_or(elapsed) - elapsed);
}
