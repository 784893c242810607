//! Rewrites a WebAssembly core module so that it counts its own fuel and its own call depth, and shows no NaN's payload.
//!
//! Counting belongs to the module and not to the engine: every engine that runs the rewritten module counts the same, to
//! the unit, on a normal end, on exhaustion and on a trap (engine fuel is lost on a trap, and its meaning changes between
//! versions). Pure: bytes in, bytes out, no engine, no clock, no I/O.
//!
//! # What the rewritten module looks like
//! It has two more globals, exported as [`FUEL`] and [`DEPTH`], and one more memory of [`FLOOR_BYTES`], exported as
//! [`FLOOR`], with one signed 64-bit little-endian number: the *floor*, a whole number of [`SLICE`]s. The fuel that is on
//! record as left is the floor and what the first global has above it, which is negative where the floor was passed.
//! The second global is what is left of the stack, in units. A module in which nobody looks (see below) has no such memory, and
//! a floor of 0. Where somebody does, there is one more function, which does for the heads of loops that call, and
//! where calls come back, what a look does that finds too little.
//!
//! The host hands both limits to [`ENTRY`], reads and charges fuel in host calls, and reads both at the end. A module
//! that has used up either traps and leaves it negative. The entry function sets the floor and the globals, takes the stack
//! of all frames that nobody counts, calls the start function, if there is one, and then the program, and gives the
//! stack back. Of the module's own exports only `memory` is kept, so no name can collide.
//!
//! # What is charged, and when
//! The reachable operators of a function are split into *regions*. A region begins at the function's entry, after the
//! `loop` of a loop, after an `if` and an `else`, after a `br_if`, after a call, and after the `end` of a block that
//! something other than the operator before it leads to. All operators of a region are paid at its beginning.
//!
//! A block or `if` is *closed* if inside it there is no call, no loop, no operation on a range, no throwing, and no way
//! out but its `end`: no `return`, no branch to a label further out (a trap does not count). What comes after the `end`
//! of a closed block belongs to the region in which the block began, because both are run equally often.
//!
//! Operations on ranges of memory or of a table are paid by length before they begin, and growth when it has succeeded;
//! both look at once whether fuel is left.
//!
//! Of some loops it is known at the head how many turns are certain to come. As far as the fuel above the floor goes,
//! these are paid for there, at once; nobody can see it but by the clock (`body/ahead.rs`).
//!
//! # When fuel is on record, and who looks
//! A function keeps what is left above the floor in a local variable. It puts it *on record*, that is in its global, at the beginning of
//! each region that ends in a call or throws (behind the last closed block in it, if there is one), at an operation on a
//! range, and when it ends. So the host sees what is left in every host call and after every normal end, to the unit.
//!
//! Whether fuel is left is looked at, after the charge: on the entry of some functions, at operations on ranges, and at
//! loop heads. A function looks on its entry if it counts its frame (see below), or if more than 10,000 can be used
//! *unseen* from there: what all its regions cost, each once, and for each call what the called function can use unseen;
//! nothing if that looks on its entry or is imported, and for a call through a table the most that any function can which
//! it may lead to. A function from which more than a million can be used so looks besides wherever a call comes back or an
//! exception arrives.
//!
//! A look asks only whether the fuel is below the floor. Then it puts the fuel on record and makes it, rounded down to a
//! whole slice, the new floor; if the fuel is negative, it ends the run. So a loop that calls nothing puts its fuel on
//! record once in a slice, and a host that makes the page of the floor unwritable stops any run within a slice and what
//! lies between two looks. One without a floor ends by itself before that, or asks the host for something.
//!
//! A trap leaves what was last put on record. That is the same on every engine, and behind what was used by a
//! slice and the code between two looks at most.
//!
//! # What is taken of the stack
//! A frame takes `64 + 8 × slots + operators / 8` units, where slots are parameters, local variables (vectors twice) and
//! the greatest height of the operand stack. A function *counts* its frame, on entry and at its end, if a path of calls
//! leads from it to itself, or if it catches exceptions and calls. A call through a table may lead to each function of
//! that type which the module names: in an element segment, in a constant, or with `ref.func`. The frames of all other
//! functions are taken once by the entry function: the greatest sum of them on a path of calls that begins there.

mod analysis;
mod body;
mod calls;
mod costs;
mod module;
mod nan;
mod outline;
mod turns;

pub use costs::Costs;
pub use module::rewrite;
pub use outline::startup;

/// Export name of the function that runs the program. It takes the limits of fuel and of stack, both signed 64-bit numbers that
/// are not negative, and gives the exit code.
pub const ENTRY: &str = "brizo:entry";
/// Export name of the global with the fuel that is left above the floor, a signed 64-bit number.
pub const FUEL: &str = "brizo:fuel";
/// Export name of the global with the units of stack that are left, a signed 64-bit number.
pub const DEPTH: &str = "brizo:depth";
/// Export name of the memory that begins with the floor, a signed 64-bit little-endian number. A module in which nobody looks
/// has none, and its floor is 0.
pub const FLOOR: &str = "brizo:floor";
/// Bytes of that memory. Its pages have one byte (custom page sizes), so that it need not be larger than a page of the
/// host, which engines clear without asking the system.
pub const FLOOR_BYTES: usize = 4096;
/// Fuel after which a loop puts what is left on record: a power of two. A host that makes the floor unwritable stops a
/// loop within as much.
pub const SLICE: i64 = 1 << 16;
/// Version of the rules; part of the execution profile.
pub const VERSION: &str = "brizo-meter/1";

/// Number of the code that rewriting writes, for whoever keeps it: with every change of what comes out it is one higher. The
/// rules, and with them the fuel, may be the same.
pub const REVISION: u32 = 8;

/// How a module is rewritten.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What each operator costs.
    pub costs: Costs,
    /// Whether NaNs are made canonical where their bits could be seen.
    pub canonical_nans: bool,
    /// Whether loops whose turns can be counted beforehand are paid for many turns at once. It makes no difference to what a
    /// run does, uses or has on record; tests compare the two.
    pub turns_at_once: bool,
    /// Whether the module's own exports are kept beside ours, for tests that call them.
    pub keep_exports: bool,
}

impl Options {
    /// The rules of the execution profile.
    pub const PROFILE: Self =
        Self { costs: Costs::PROFILE, canonical_nans: true, turns_at_once: true, keep_exports: false };
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
