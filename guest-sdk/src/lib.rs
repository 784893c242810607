//! What an algorithm author imports to run inside Brizo; the guide is the crate's `README.md`, shown here.
#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod args;
pub mod error;
pub mod exit;
pub mod input;
pub mod job;
pub mod output;
pub mod parameter;
mod place;
pub mod progress;
pub mod table;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use args::Args;
pub use error::{Context, Error, Result};
pub use exit::run;
pub use input::Inputs;
pub use job::{Job, Program};
pub use output::Outputs;
pub use parameter::Parameter;
pub use progress::Progress;
pub use table::Table;

/// Marks the compiled module with the SDK generation it was written for; a host reads it from the export list.
///
/// It does nothing when called. The name changes when a host would have to treat an algorithm differently.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
pub extern "C" fn brizo_guest_version_0_1() {}
