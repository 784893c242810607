//! Ending in each of the ways a module can end.

use crate::menu::{Finding, Held};
use std::hint::black_box;

pub fn unreachable(_: &[String]) -> Finding {
    std::arch::wasm32::unreachable()
}

pub fn div0(_: &[String]) -> Finding {
    let (dividend, divisor) = (black_box(1u32), black_box(0u32));
    // SAFETY: it is a lie. The compiler would otherwise put a panic before the division, and the instruction itself
    // would never trap; the zero is hidden from it, so it cannot draw other conclusions.
    unsafe { std::hint::assert_unchecked(divisor != 0) };
    Held(format!("divided: {}", black_box(dividend / divisor)))
}

pub fn oob(_: &[String]) -> Finding {
    let address = black_box(usize::MAX - 15) as *const u8;
    // SAFETY: none; the last bytes of the address space are beyond any memory that a test allows.
    Held(format!("read {}", unsafe { address.read_volatile() }))
}

pub fn exit(words: &[String]) -> Finding {
    let code = words.first().and_then(|word| word.parse().ok()).unwrap_or(1);
    println!("exit: {code}");
    std::process::exit(code)
}
