//! Gives back what a deep guest leaves of its stack.
//!
//! The pool keeps the stacks of runs and does not look at them again: what a recursion touched, a hundred megabytes where a
//! guest is made for it, would stay with the process for good. Having the engine clear each stack would cost every run more than an empty one takes.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::LazyLock;

use wasmtime::{CallHook, Store};

use super::engine::STACK_BYTES;
use super::meter;
use super::state::State;

/// What a stack keeps from run to run, so that small runs find their pages already there.
const KEPT_BYTES: usize = 64 << 10;
/// Pages below those that are kept which are looked at. A guest that went deeper has touched them: compiled code touches each
/// page of a frame that is larger than one, and of smaller frames no two in a row can leave a page out.
const WINDOW_PAGES: usize = 16;
/// Bits of an entry in the system's map of pages.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
/// Fuel below which a run cannot have touched much: a call costs 20 at least, so with less it touched 820 pages.
const SMALL_FUEL: i64 = 1 << 14;
/// Stack of the thread that a run may use below [`prepare`]; what is not nearer than that is another stack.
const THREAD_BYTES: usize = 1 << 20;

/// Has the run of this store give back the stack that it used when it leaves the guest.
pub(super) fn prepare(store: &mut Store<State>) {
    store.data_mut().outside = here();
    // It captures nothing, so that no run has to allocate for it.
    store.call_hook(|mut context, hook| {
        if matches!(hook, CallHook::ReturningFromWasm) && meter::used(&mut context) > SMALL_FUEL {
            give_back(context.data().outside);
        }
        Ok(())
    });
}

/// Gives back what lies below the caller on its stack, unless that is the stack of the thread, or nothing deep was used.
fn give_back(outside: usize) {
    let here = here();
    if outside.wrapping_sub(here) < THREAD_BYTES {
        return;
    }
    let page = rustix::param::page_size();
    let (lowest, highest) = (here - STACK_BYTES, here - KEPT_BYTES);
    let (start, end) = (lowest.next_multiple_of(page), highest / page * page);
    if !is_any_used(end - WINDOW_PAGES * page, page) {
        return;
    }
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

/// Whether any of the pages from this address on, as many as the window has, was used: it is in memory, or in swap. (Linux,
/// `admin-guide/mm/pagemap.rst`; `mincore` would take one in swap for unused, and systemd's `@system-service` does not allow it.)
fn is_any_used(start: usize, page: usize) -> bool {
    static PAGEMAP: LazyLock<Option<File>> = LazyLock::new(|| File::open("/proc/self/pagemap").ok());
    let mut entries = [[0; 8]; WINDOW_PAGES];
    let place = (start / page * size_of::<u64>()) as u64;
    let read = PAGEMAP.as_ref().map(|map| map.read_exact_at(entries.as_flattened_mut(), place));
    // Where the system does not say, everything is given back.
    !matches!(read, Some(Ok(())))
        || entries.iter().any(|entry| u64::from_ne_bytes(*entry) & (PRESENT | SWAPPED) != 0)
}

/// An address on the stack that the caller runs on.
#[inline(never)]
fn here() -> usize {
    let local = 0u8;
    (&raw const local).expose_provenance()
}
