//! Waiting: nothing waits, virtual time moves.

use super::abi::{CLOCK_REALTIME, EVENT_CLOCK, EVENT_FD_READ, EVENT_FD_WRITE, Errno, SUBCLOCK_ABSTIME};
use super::call::{Call, Fail, Outcome};
use super::environment::check_clock;
use crate::sandbox::meter;
use crate::sandbox::state::{State, Stop};

/// Waits for events. Descriptors are always ready; if there are only clocks, the earliest one fires at once and the
/// virtual time moves to it. Events come in the order of their subscriptions.
pub(super) fn poll_oneoff(
    call: &mut Call<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    out: u32,
) -> Outcome {
    const SUBSCRIPTION_BYTES: u32 = 48;
    /// More than a guest can hold open many times over; the host copies them and makes an event of each.
    const SUBSCRIPTIONS_MAX: u32 = 65_536;
    if count == 0 {
        return Err(Errno::Inval.into());
    }
    call.charge_each(u64::from(count), meter::ENTRY)?;
    if count > SUBSCRIPTIONS_MAX {
        return Err(Errno::Inval.into());
    }
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
