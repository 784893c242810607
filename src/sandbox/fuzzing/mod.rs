//! Drivers for random input: bytes in, and a panic when a promise is broken. `fuzz/` runs them under libFuzzer; the tests
//! here run them over the corpus and over fresh random bytes. No part of the product.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken promise has to be heard"
)]

mod filesystem;
mod model;
mod modules;
mod preview1;
#[cfg(test)]
mod tests;

pub use filesystem::filesystem;
pub use modules::{inspect, meter};
pub use preview1::preview1;

/// What a driver is: any bytes are fine. Tells whether they led to what the driver is there for.
pub type Driver = fn(&[u8]) -> bool;

/// The drivers by the names of their targets and corpora.
pub const DRIVERS: [(&str, Driver); 4] =
    [("filesystem", filesystem), ("inspect", inspect), ("meter", meter), ("preview1", preview1)];
