//! Arguments, variables, clocks, random numbers, waiting and the end of the process.

use wasmtime::{Caller, Linker};

use super::abi::{
    CLOCK_LAST, CLOCK_REALTIME, EVENT_CLOCK, EVENT_FD_READ, EVENT_FD_WRITE, Errno, SUBCLOCK_ABSTIME,
};
use super::call::{Call, Fail, Outcome, host};
use super::{MODULE, REFUSED};
use crate::sandbox::meter;
use crate::sandbox::state::{State, Stop};

type C<'a> = Caller<'a, State>;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "args_sizes_get", |mut c: C<'_>, count: u32, bytes: u32| {
        host(&mut c, |call| sizes(call, |state| &state.args, count, bytes))
    })?;
    linker.func_wrap(MODULE, "args_get", |mut c: C<'_>, pointers: u32, bytes: u32| {
        host(&mut c, |call| copy_strings(call, |state| &state.args, pointers, bytes))
    })?;
    linker.func_wrap(MODULE, "environ_sizes_get", |mut c: C<'_>, count: u32, bytes: u32| {
        host(&mut c, |call| sizes(call, |state| &state.env, count, bytes))
    })?;
    linker.func_wrap(MODULE, "environ_get", |mut c: C<'_>, pointers: u32, bytes: u32| {
        host(&mut c, |call| copy_strings(call, |state| &state.env, pointers, bytes))
    })?;
    linker.func_wrap(MODULE, "clock_res_get", |mut c: C<'_>, clock: u32, out: u32| {
        host(&mut c, |call| {
            check_clock(clock)?;
            let resolution = call.state.clock.resolution();
            call.memory.write_u64(out, resolution)
        })
    })?;
    linker.func_wrap(MODULE, "clock_time_get", |mut c: C<'_>, clock: u32, _precision: u64, out: u32| {
        host(&mut c, |call| {
            check_clock(clock)?;
            let now = read_clock(call.state, clock);
            call.memory.write_u64(out, now)
        })
    })?;
    linker.func_wrap(MODULE, "random_get", |mut c: C<'_>, pointer: u32, length: u32| {
        host(&mut c, |call| {
            call.charge_each(u64::from(length), meter::RANDOM_BYTE)?;
            call.state.random.fill(call.memory.slice(pointer, length)?);
            Ok(())
        })
    })?;
    linker.func_wrap(
        MODULE,
        "poll_oneoff",
        |mut c: C<'_>, subscriptions: u32, events: u32, count: u32, out: u32| {
            host(&mut c, |call| poll(call, subscriptions, events, count, out))
        },
    )?;
    linker.func_wrap(MODULE, "sched_yield", |mut c: C<'_>| host(&mut c, |_| Ok(())))?;
    linker.func_wrap(MODULE, "proc_exit", |mut c: C<'_>, code: u32| -> wasmtime::Result<()> {
        host(&mut c, |_| Err(Fail::Stop(Stop::Exit(code)))).map(|_| ())
    })?;
    linker.func_wrap(MODULE, "proc_raise", |mut c: C<'_>, _signal: u32| {
        host(&mut c, |_| Err(Errno::Notsup.into()))
    })?;
    link_refused(linker)
}

/// Sockets: no descriptor is one, so every call of a linked function is refused in the same way.
fn link_refused(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let [accept, recv, send, shutdown] = REFUSED;
    let refuse = |mut c: C<'_>| host(&mut c, |_| Err(Errno::Notsup.into()));
    linker.func_wrap(MODULE, accept, move |c: C<'_>, _: u32, _: u32, _: u32| refuse(c))?;
    linker
        .func_wrap(MODULE, recv, move |c: C<'_>, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| refuse(c))?;
    linker.func_wrap(MODULE, send, move |c: C<'_>, _: u32, _: u32, _: u32, _: u32, _: u32| refuse(c))?;
    linker.func_wrap(MODULE, shutdown, move |c: C<'_>, _: u32, _: u32| refuse(c))?;
    Ok(())
}

fn sizes(call: &mut Call<'_>, strings: fn(&State) -> &Vec<Vec<u8>>, count: u32, bytes: u32) -> Outcome {
    let number = strings(call.state).len();
    // Counting them is work as well.
    call.charge_each(number as u64, meter::STRING)?;
    let total = strings(call.state).iter().map(Vec::len).sum::<usize>();
    // Both are bounded far below 32 bits where the order is admitted.
    call.memory.write_u32(count, number as u32)?;
    call.memory.write_u32(bytes, total as u32)
}

fn copy_strings(
    call: &mut Call<'_>,
    strings: fn(&State) -> &Vec<Vec<u8>>,
    mut pointers: u32,
    mut place: u32,
) -> Outcome {
    call.charge_each(strings(call.state).len() as u64, meter::STRING)?;
    let total: usize = strings(call.state).iter().map(Vec::len).sum();
    call.charge_each(total as u64, meter::BYTE)?;
    for string in strings(call.state) {
        call.memory.write_u32(pointers, place)?;
        call.memory.write(place, string)?;
        pointers = pointers.wrapping_add(4);
        place = place.wrapping_add(string.len() as u32);
    }
    Ok(())
}

fn check_clock(clock: u32) -> Outcome {
    if clock > CLOCK_LAST { Err(Errno::Inval.into()) } else { Ok(()) }
}

fn read_clock(state: &mut State, clock: u32) -> u64 {
    if clock == CLOCK_REALTIME { state.clock.wall() } else { state.clock.monotonic() }
}

/// Waits for events. Descriptors are always ready; if there are only clocks, the earliest one fires at once and the
/// virtual time moves to it. Events come in the order of their subscriptions.
fn poll(call: &mut Call<'_>, subscriptions: u32, events: u32, count: u32, out: u32) -> Outcome {
    const SUBSCRIPTION_BYTES: u32 = 48;
    if count == 0 {
        return Err(Errno::Inval.into());
    }
    call.charge_each(u64::from(count), meter::ENTRY)?;
    let length = count.checked_mul(SUBSCRIPTION_BYTES).ok_or(Fail::Stop(Stop::BadPointer))?;
    let all = call.memory.read(subscriptions, length)?.to_vec();
    let mut ready = Vec::new();
    let mut clocks = Vec::new();
    for subscription in all.chunks_exact(SUBSCRIPTION_BYTES as usize) {
        let number =
            |at: usize| subscription[at..at + 8].iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
        let (userdata, kind) = (number(0), subscription[8]);
        match kind {
            EVENT_CLOCK => {
                let (clock, timeout) = (number(16) as u32, number(24));
                check_clock(clock)?;
                let absolute = number(40) as u16 & SUBCLOCK_ABSTIME != 0;
                clocks.push((wait_of(call.state, clock, timeout, absolute), userdata));
            }
            EVENT_FD_READ | EVENT_FD_WRITE => {
                let fd = number(16) as u32;
                let errno = call.state.vfs.descriptor(fd).map_or(Errno::Badf, |_| Errno::Success);
                ready.push(event(userdata, errno, kind));
            }
            _ => return Err(Errno::Inval.into()),
        }
    }
    if ready.is_empty() {
        let earliest = clocks.iter().map(|(wait, _)| *wait).min().unwrap_or(0);
        call.state.clock.sleep(earliest);
        let fired = clocks.iter().filter(|(wait, _)| *wait == earliest);
        ready.extend(fired.map(|(_, userdata)| event(*userdata, Errno::Success, EVENT_CLOCK)));
    }
    call.memory.write(events, &ready.concat())?;
    call.memory.write_u32(out, ready.len() as u32)
}

/// Virtual nanoseconds until a clock subscription fires.
fn wait_of(state: &State, clock: u32, timeout: u64, absolute: bool) -> u64 {
    if !absolute {
        return timeout;
    }
    let now = state.clock.stamp();
    let now = if clock == CLOCK_REALTIME { now } else { now.saturating_sub(state.clock.start()) };
    timeout.saturating_sub(now)
}

fn event(userdata: u64, errno: Errno, kind: u8) -> [u8; 32] {
    let mut event = [0u8; 32];
    event[..8].copy_from_slice(&userdata.to_le_bytes());
    event[8..10].copy_from_slice(&(errno as u16).to_le_bytes());
    event[10] = kind;
    event
}
