//! Stopping a guest from outside, at no cost while nobody asks.
//!
//! Each time that a guest has used up a slice of fuel, it writes the floor to a page of its own. To stop the guest, the page
//! is made read-only: the next write faults, and the engine turns the fault into a trap. Nothing is added to the guest's
//! code, unlike epochs (a load, a comparison and a call that spills registers at each loop head).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::mm::{MprotectFlags, mprotect};

use super::ending::Aborted;

/// What is sealed: the memory with the floor. A linear memory begins on a page of the host.
const SEALED_BYTES: usize = brizo_meter::FLOOR_BYTES;

/// A request to stop, and the pages of the runs that listen to it.
#[derive(Debug, Default)]
pub(super) struct Interrupt(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    raised: Option<Aborted>,
    /// Addresses of the pages of running guests.
    pages: Vec<usize>,
}

/// Keeps a run interruptible; its page is writable again when this goes.
#[derive(Debug)]
pub(super) struct Armed {
    interrupt: Arc<Interrupt>,
    page: Option<usize>,
}

impl Interrupt {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can panic between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks all runs that listen to end; the first reason counts.
    pub(super) fn raise(&self, reason: Aborted) {
        let mut inner = self.inner();
        inner.raised.get_or_insert(reason);
        for page in &inner.pages {
            protect(*page, MprotectFlags::READ);
        }
    }

    /// Why the run is to end, if it is.
    pub(super) fn raised(&self) -> Option<Aborted> {
        self.inner().raised
    }

    /// Listens for a request on behalf of a run whose floor lies in `page`; without a page (engines that are
    /// interpreters, and modules in which nobody looks, which use some tens of thousands of units between two host calls at
    /// most) the request is seen at host calls only.
    ///
    /// # Errors
    /// The reason, if the request is older than the run.
    pub(super) fn arm(self: &Arc<Self>, page: Option<*mut u8>) -> Result<Armed, Aborted> {
        let page = page.map(|page| page as usize);
        let mut inner = self.inner();
        if let Some(reason) = inner.raised {
            return Err(reason);
        }
        inner.pages.extend(page);
        drop(inner);
        Ok(Armed { interrupt: Arc::clone(self), page })
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let mut inner = self.interrupt.inner();
        if let Some(page) = self.page {
            inner.pages.retain(|other| *other != page);
            if inner.raised.is_some() {
                // The engine takes the memory back and may write to it.
                protect(page, MprotectFlags::READ | MprotectFlags::WRITE);
            }
        }
    }
}

fn protect(page: usize, flags: MprotectFlags) {
    // SAFETY: the page is the start of the memory with the floor of a run whose `Armed` lives, so it is mapped and belongs to
    // nobody else; host code does not write to it.
    let result = unsafe { mprotect(page as *mut std::ffi::c_void, SEALED_BYTES, flags) };
    if let Err(error) = result {
        tracing::error!(%error, "the page of a run's floor cannot be protected");
    }
}
