//! WASI preview 1 over the virtual file system: the 46 functions of `wasi_snapshot_preview1`.
//!
//! Each function first pays for itself, then acts; pointers outside the guest's memory end the run. `table.rs` is the list
//! of them; what they do knows no engine, and `linking.rs` binds them to the one that runs guests. Sockets are absent:
//! no descriptor is one, so their four functions always refuse, and `inspect` lists them.

mod abi;
mod call;
mod descriptors;
mod environment;
mod files;
mod folders;
mod linking;
#[cfg(any(test, fuzzing))]
mod linking_wasmi;
mod poll;
mod sockets;
mod table;
#[cfg(test)]
mod tests;

pub(super) use linking::link;
#[cfg(any(test, fuzzing))]
pub(super) use linking_wasmi::link as link_wasmi;
#[cfg(any(test, fuzzing))]
pub(super) use table::parameters;
pub(super) use table::{PROVIDED, REFUSED, signature, signatures};

/// Name of the import module.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";
/// What interpreters import to call into an embedding program, which is not there: always answered with -1.
pub(super) const HOST_CALL: (&str, &str) = ("host", "call");
/// Its type.
pub(super) const HOST_CALL_TYPE: &str = "(i32, i32, i32, i32) -> (i32)";
