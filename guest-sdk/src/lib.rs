//! What an algorithm author imports to run inside Brizo.
//!
//! Brizo runs an algorithm, compiled to WASI preview 1, over data that does not leave its owner. The program sees
//! three folders and nothing else of the world: `/data/inputs` (read-only), `/data/outputs`, and `/data/algorithm`
//! (read-only). The first two are passed as arguments 1 and 2, so the same program also runs natively:
//! `cargo run -- some/inputs some/outputs --file a.csv`.
//!
//! One module per capability: [`args`], [`input`], [`output`], [`exit`]. This crate depends on nothing but `std`,
//! and an algorithm needs none of it: it only makes the usual things short and their errors readable.
//!
//! # A complete algorithm
//! Count the lines of each input file into `lines.csv`:
//! ```no_run
//! use brizo_guest::{Args, Inputs, Outputs, Result, run};
//! use std::io::{BufRead, Write};
//!
//! fn main() {
//!     run(count_lines)
//! }
//!
//! fn count_lines() -> Result {
//!     let args = Args::from_env(&["extension"])?;
//!     let inputs = Inputs::from_args()?;
//!     let mut table = Outputs::from_args()?.create("lines.csv")?;
//!     writeln!(table, "file,lines")?;
//!     for name in inputs.with_extension(args.value("extension").unwrap_or("csv"))? {
//!         let mut lines = 0u64;
//!         for line in inputs.open(&name)?.lines() {
//!             line?;
//!             lines += 1;
//!         }
//!         writeln!(table, "{name},{lines}")?;
//!     }
//!     table.finish()
//! }
//! ```
//!
//! # What repeats
//! A run is a pure function of the module, its arguments and its inputs. The clock is virtual and random numbers are
//! seeded, so even they repeat; there are no sockets and no threads. Everything printed is kept as the job's log.
#![deny(missing_docs)]

pub mod args;
mod error;
pub mod exit;
pub mod input;
pub mod output;
mod place;

pub use args::Args;
pub use error::{Error, Result};
pub use exit::run;
pub use input::Inputs;
pub use output::Outputs;

/// Marks the compiled module with the SDK generation it was written for; a host reads it from the export list.
///
/// It does nothing when called. The name changes when a host would have to treat an algorithm differently.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
pub extern "C" fn brizo_guest_version_0_1() {}
