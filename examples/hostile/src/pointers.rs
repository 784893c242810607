//! Addresses that are not in the memory, handed to the host.

use crate::menu::{Finding, Held};
use crate::wasi::raw;

/// The last 16 bytes of the address space.
const BEYOND: usize = usize::MAX - 15;

/// A name, and the call with the addresses of a wild vector and of a counter.
type Call = (&'static str, fn(usize, usize) -> u32);

/// A host may answer with an error or end the guest by a trap; anything else is a bug of the host.
pub fn bad_pointers(words: &[String]) -> Finding {
    let wild = [BEYOND, 16];
    let mut count = 0usize;
    let (iov, count) = (wild.as_ptr() as usize, &raw mut count as usize);
    // SAFETY: none of these may be followed by the host; finding out whether they are is the point.
    let calls: [Call; 7] = [
        ("random_get", |_, _| unsafe { raw::random_get(BEYOND, 64) }),
        ("random_get-all", |_, _| unsafe { raw::random_get(1024, usize::MAX - 1023) }),
        ("args_get", |_, _| unsafe { raw::args_get(BEYOND, BEYOND) }),
        ("fd_write", |iov, count| unsafe { raw::fd_write(1, iov, 1, count) }),
        ("fd_write-many", |iov, count| unsafe { raw::fd_write(1, iov, usize::MAX, count) }),
        ("fd_write-count", |_, _| unsafe { raw::fd_write(1, 0, 0, BEYOND) }),
        ("path_open", |_, _| unsafe {
            raw::path_open(3, 0, BEYOND as *const u8, usize::MAX, 0, 0, 0, 0, BEYOND as *mut u32)
        }),
    ];
    // A trap ends the run at the first call, so a word can pick another.
    let picked = |name: &str| words.first().is_none_or(|word| word == name);
    let answers = calls.iter().filter(|(name, _)| picked(name));
    let said: Vec<String> =
        answers.map(|(name, call)| format!("{name} errno {}", call(iov, count))).collect();
    Held(said.join(", "))
}
