//! Rewrites a WebAssembly core module so that it counts its own fuel and its own call depth, and shows no NaN's payload.
//!
//! Counting belongs to the module and not to the engine: every engine that runs the rewritten module counts the same, to
//! the unit, on a normal end, on exhaustion and on a trap (engine fuel is lost on a trap, and its meaning changes between
//! versions). Pure: bytes in, bytes out, no engine, no clock, no I/O.
//!
//! # What the rewritten module looks like
//! It has one more memory of one page, exported as [`CELLS`], with two signed 64-bit little-endian cells: fuel left at
//! [`FUEL_CELL`], units of stack left at [`DEPTH_CELL`]. The host sets both before it calls [`ENTRY`] (which calls the
//! start function, if there is one, and then the program), reads and charges fuel in host calls, and reads both at the
//! end. A module that has used up either traps with `unreachable` and leaves that cell negative.
//! Of the module's own exports only `memory` is kept, so no name can collide.
//!
//! # What is charged, and when
//! A *region* is a run of operators with one way in: it is paid when it is entered. Every loop head looks whether fuel is
//! left, and so does every function that calls another. Between two looks lies only code without loops, and a call out of
//! the module shows the host what is left; so a run that has used more than its limit ends there before it can do
//! anything that is seen. Operations on ranges of memory are paid by length before they begin, growth is paid when it
//! succeeds.

mod analysis;
mod body;
mod costs;
mod module;
mod nan;

pub use costs::Costs;
pub use module::{rewrite, startup};

/// Export name of the function that runs the program.
pub const ENTRY: &str = "brizo:entry";
/// Export name of the memory that holds the cells.
pub const CELLS: &str = "brizo:cells";
/// Offset of the fuel that is left, a signed 64-bit number.
pub const FUEL_CELL: u64 = 0;
/// Offset of the units of stack that are left, a signed 64-bit number.
pub const DEPTH_CELL: u64 = 8;
/// Version of the rules; part of the execution profile.
pub const VERSION: &str = "brizo-meter/1";

/// How a module is rewritten.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What each operator costs.
    pub costs: Costs,
    /// Whether NaNs are made canonical where their bits could be seen.
    pub canonical_nans: bool,
    /// Whether the module's own exports are kept beside ours, for tests that call them.
    pub keep_exports: bool,
}

impl Options {
    /// The rules of the execution profile.
    pub const PROFILE: Self = Self { costs: Costs::PROFILE, canonical_nans: true, keep_exports: false };
}

/// Why a module cannot be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The module is not valid WebAssembly.
    #[error("the module is not valid: {0}")]
    Invalid(#[from] wasmparser::BinaryReaderError),
    /// The module uses something that the rewriting does not know.
    #[error("metering does not know {0}")]
    Unsupported(String),
    /// The rewritten module would be larger than a module can be.
    #[error("the module is too large to be metered")]
    TooLarge,
}
