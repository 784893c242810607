//! Gives back what a deep guest leaves of its stack.
//!
//! The pool keeps the stacks of runs and does not look at them again: what a recursion touched, a hundred megabytes where a
//! guest is made for it, would stay with the process for good. Having the engine clear each stack would cost every run more than an empty one takes.

use wasmtime::{CallHook, Store};

use super::engine::STACK_BYTES;
use super::state::State;

/// What a stack keeps from run to run, so that small runs find their pages already there.
const KEPT_BYTES: usize = 64 << 10;
/// Fuel below which a run cannot have touched much: a call costs 20 at least, so with less it touched 820 pages.
const SMALL_FUEL: i64 = 1 << 14;
/// Stack of the thread that a run may use below [`prepare`]; what is not nearer than that is another stack.
const THREAD_BYTES: usize = 1 << 20;

/// Has the run of this store give back the stack that it used when it leaves the guest.
pub(super) fn prepare(store: &mut Store<State>) {
    store.data_mut().outside = here();
    // It captures nothing, so that no run has to allocate for it.
    store.call_hook(|context, hook| {
        if matches!(hook, CallHook::ReturningFromWasm) {
            let state = context.data();
            if state.cells.as_ref().is_some_and(|cells| cells.used(&context) > SMALL_FUEL) {
                give_back(state.outside);
            }
        }
        Ok(())
    });
}

/// Gives back what lies below the caller on its stack, unless that is the stack of the thread.
fn give_back(outside: usize) {
    let here = here();
    if outside.wrapping_sub(here) < THREAD_BYTES {
        return;
    }
    let page = rustix::param::page_size();
    let (lowest, highest) = (here - STACK_BYTES, here - KEPT_BYTES);
    let (start, end) = (lowest.next_multiple_of(page), highest / page * page);
    // SAFETY: the guest has ended, and this runs on its stack, which has `STACK_BYTES` for the guest besides what the host
    // has used on it above this frame. So the range lies within that stack and below everything that is in use.
    let done = unsafe {
        let advice = rustix::mm::Advice::LinuxDontNeed;
        rustix::mm::madvise(std::ptr::with_exposed_provenance_mut(start), end - start, advice)
    };
    if let Err(error) = done {
        tracing::warn!(%error, "the stack of a run could not be given back to the system");
    }
}

/// An address on the stack that the caller runs on.
#[inline(never)]
fn here() -> usize {
    let local = 0u8;
    (&raw const local).expose_provenance()
}
