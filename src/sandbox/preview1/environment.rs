//! Arguments, variables, clocks, random numbers and the end of the process.

use super::abi::{CLOCK_LAST, CLOCK_REALTIME, Errno};
use super::call::{Call, Fail, Outcome};
use crate::sandbox::meter;
use crate::sandbox::state::{State, Stop};

pub(super) fn args_sizes_get(call: &mut Call<'_>, count: u32, bytes: u32) -> Outcome {
    sizes(call, |state| &state.args, count, bytes)
}

pub(super) fn args_get(call: &mut Call<'_>, pointers: u32, bytes: u32) -> Outcome {
    copy_strings(call, |state| &state.args, pointers, bytes)
}

pub(super) fn environ_sizes_get(call: &mut Call<'_>, count: u32, bytes: u32) -> Outcome {
    sizes(call, |state| &state.env, count, bytes)
}

pub(super) fn environ_get(call: &mut Call<'_>, pointers: u32, bytes: u32) -> Outcome {
    copy_strings(call, |state| &state.env, pointers, bytes)
}

pub(super) fn clock_res_get(call: &mut Call<'_>, clock: u32, out: u32) -> Outcome {
    check_clock(clock)?;
    let resolution = call.state.clock.resolution();
    call.memory.write_u64(out, resolution)
}

pub(super) fn clock_time_get(call: &mut Call<'_>, clock: u32, _precision: u64, out: u32) -> Outcome {
    check_clock(clock)?;
    let now = read_clock(call.state, clock);
    call.memory.write_u64(out, now)
}

pub(super) fn random_get(call: &mut Call<'_>, pointer: u32, length: u32) -> Outcome {
    call.charge_each(u64::from(length), meter::RANDOM_BYTE)?;
    call.state.random.fill(call.memory.slice(pointer, length)?);
    Ok(())
}

pub(super) fn sched_yield(_: &mut Call<'_>) -> Outcome {
    Ok(())
}

/// Ends the run, as its own sort of failure.
pub(super) fn proc_exit(_: &mut Call<'_>, code: u32) -> Outcome {
    Err(Fail::Stop(Stop::Exit(code)))
}

/// There are no signals.
pub(super) fn proc_raise(_: &mut Call<'_>, _signal: u32) -> Outcome {
    Err(Errno::Notsup.into())
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

/// Refuses clocks that do not exist.
pub(super) fn check_clock(clock: u32) -> Outcome {
    if clock > CLOCK_LAST { Err(Errno::Inval.into()) } else { Ok(()) }
}

fn read_clock(state: &mut State, clock: u32) -> u64 {
    if clock == CLOCK_REALTIME { state.clock.wall() } else { state.clock.monotonic() }
}
