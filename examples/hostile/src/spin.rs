//! Wearing out: computing, calling the host, the stack, the memory.

use crate::menu::{Finding, Held};
use crate::wasi::raw;
use std::arch::wasm32::{memory_grow, memory_size, unreachable};
use std::hint::black_box;

pub fn endless(words: &[String]) -> Finding {
    if !words.is_empty() {
        println!("{}", words.join(" "));
    }
    let mut turn = 0u64;
    loop {
        turn = black_box(turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

pub fn host_calls(_: &[String]) -> Finding {
    let (mut byte, mut time) = (0u8, 0u64);
    loop {
        // SAFETY: both addresses are of live values.
        unsafe {
            raw::random_get(&raw mut byte as usize, 1);
            raw::clock_time_get(1, 0, &mut time);
        }
    }
}

/// Never set; read as volatile, so that the optimiser cannot know.
static STOP: u8 = 0;

/// What follows the call depends on its result in an order that matters, so that it is no tail call and no sum: the
/// optimiser cannot make a loop of it. Nothing is spilled to linear memory: the host's stack is what runs out.
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    // SAFETY: the address of a static.
    if unsafe { (&raw const STOP).read_volatile() } != 0 {
        return depth;
    }
    deeper(depth.wrapping_add(1)).rotate_left(7) ^ depth
}

pub fn recurse(_: &[String]) -> Finding {
    Held(format!("came back with {:x}", deeper(0)))
}

/// Grows by less and less until a single page is refused, and touches what it got; returns the pages reached.
fn grow() -> usize {
    const PAGE_BYTES: usize = 65_536;
    for step in [256, 16, 1] {
        loop {
            let before = memory_grow::<0>(step);
            if before == usize::MAX {
                break;
            }
            for page in before..before + step {
                // SAFETY: the page was just added and belongs to nobody.
                unsafe { ((page * PAGE_BYTES) as *mut u8).write_volatile(1) };
            }
        }
    }
    memory_size::<0>()
}

pub fn grow_memory(_: &[String]) -> Finding {
    println!("grow-memory: refused after {} pages", grow());
    unreachable()
}

pub fn grow_and_handle(_: &[String]) -> Finding {
    println!("grow-and-handle: refused after {} pages", grow());
    // A `Held` with text would need memory, which there may be none of.
    std::process::exit(0)
}
