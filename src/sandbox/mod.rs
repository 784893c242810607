//! The sandbox: runs an algorithm as a pure function of what was ordered.
//!
//! `inspect` refuses modules that the profile does not allow; `Engine` compiles and runs the others. What a guest can
//! see is one virtual file system (`vfs`), a virtual clock and seeded random numbers, through WASI preview 1
//! (`preview1`) for core modules and WASI preview 2 (`component`) for components, both over the same `vfs`.
//! Wasmtime is named in this folder only.

mod cache;
mod clock;
mod compile_worker;
mod compiler;
mod component;
#[cfg(test)]
mod conformance_tests;
mod ending;
mod engine;
mod features;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod inspect;
mod interrupt;
mod known;
mod limits;
#[cfg(test)]
mod matrix_tests;
mod meter;
mod preview1;
mod profile;
mod random;
mod run;
#[cfg(any(test, fuzzing))]
mod second_engine;
mod shape;
#[cfg(target_os = "linux")]
mod stack;
mod state;
mod vfs;
mod watchdog;
mod written;

pub use cache::ArtefactCache;
pub use compile_worker::CompileWork;
pub use compiler::{
    COMPILE_CPU_SECONDS_DEFAULT, COMPILE_MEMORY_BYTES_DEFAULT, COMPILE_WALL_SECONDS_DEFAULT, ChildCompiler,
    Compiler, Progress,
};
pub use ending::{Aborted, Ending, Outputs, RunResult};
pub use engine::{Allocation, Backend, Engine, Module, RUNS_MAX, Settings};
pub use inspect::{ImportUse, Inspection, Kind, Refused, inspect};
pub use profile::{
    PROFILE_NAME, profile_digest, profile_digest_for, profile_document, profile_document_for,
    profile_name_for,
};
pub use run::{Bytes, Control, InputFile, Limits, Order};
pub use written::Written;

/// Why the sandbox could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused the module although `inspect` let it pass, or its settings are not available on this host.
    #[error("the engine cannot compile the module: {0}")]
    Compile(String),
    /// Compiling the module took more than its ceilings allow; the fault of whoever brought the module.
    #[error("{0}")]
    TooCostly(Refused),
    /// Compiling was ended from outside.
    #[error("{0}")]
    Interrupted(Aborted),
    /// The process that compiles could not be started, or failed.
    #[error("the process that compiles modules failed: {0}")]
    Compiler(String),
    /// The engine could not be set up on this host.
    #[error("the engine cannot be set up on this host: {0}")]
    Engine(String),
    /// A file of the cache of compiled modules could not be read or written.
    #[error("the cache of compiled modules at {path}: {source}")]
    Cache {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The paths handed in as inputs cannot form one tree.
    #[error("the inputs cannot be mounted: {0}")]
    Inputs(String),
}
