//! Rules of a job that the sandbox keeps too: they belong to no publisher.

/// Most units of stack that an order may ask for (`docs/RECEIPT.md` §2.3): what the native stack of a run is sized for.
pub const STACK_LIMIT_MAX: u64 = 8 << 20;
/// Units of stack that an order has if nobody says otherwise: tens of thousands of ordinary calls.
pub const STACK_LIMIT_DEFAULT: u64 = STACK_LIMIT_MAX;

/// The folder of the bundle with the runtime's own files, which the guest finds at `/` too, because interpreters look for
/// their libraries where they were built to. Consumers leave this name alone.
pub const RUNTIME_FOLDER: &str = ".runtime";
