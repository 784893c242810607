//! WASI preview 1 over the virtual file system: the 46 functions of `wasi_snapshot_preview1`.
//!
//! Each function first pays for itself, then acts; pointers outside the guest's memory end the run. Sockets are absent:
//! their four functions answer `ENOTSUP` and are listed by `inspect`.

mod abi;
mod call;
mod descriptors;
mod environment;
mod files;
mod folders;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use wasmtime::Linker;

use super::state::State;

/// Name of the import module.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// Functions that are linked only to refuse, because toolchains import them unused.
pub(super) const REFUSED: [&str; 4] = ["sock_accept", "sock_recv", "sock_send", "sock_shutdown"];

/// Functions that the profile has. A test holds this list equal to what [`link`] defines.
pub(super) const PROVIDED: [&str; 42] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
];

/// Defines every function.
///
/// # Errors
/// When a name is defined twice.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    environment::link(linker)?;
    descriptors::link(linker)?;
    files::link(linker)?;
    folders::link(linker)
}

/// The type of each linked function, `(i32, i64) -> (i32)`, read from the linker itself so that the gate cannot drift
/// away from it. Empty only if the engine could not be set up, and then nothing runs anyway.
pub(super) fn signatures() -> &'static BTreeMap<String, String> {
    static SIGNATURES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    SIGNATURES.get_or_init(|| {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::new(&engine);
        if link(&mut linker).is_err() {
            return BTreeMap::new();
        }
        let mut store = wasmtime::Store::new(&engine, State::empty());
        let linked: Vec<_> =
            linker.iter(&mut store).map(|(_, name, item)| (name.to_string(), item)).collect();
        let function = |(name, item): (String, wasmtime::Extern)| {
            let ty = item.into_func()?.ty(&store);
            Some((name, signature(ty.params(), ty.results())))
        };
        linked.into_iter().filter_map(function).collect()
    })
}

/// A function type as text.
pub(super) fn signature(
    params: impl Iterator<Item = impl std::fmt::Display>,
    results: impl Iterator<Item = impl std::fmt::Display>,
) -> String {
    let list = |types: Vec<String>| types.join(", ");
    let (params, results) =
        (params.map(|t| t.to_string()).collect(), results.map(|t| t.to_string()).collect());
    format!("({}) -> ({})", list(params), list(results))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_what_is_linked() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        let store = &mut wasmtime::Store::new(&engine, State::empty());
        let mut linked: Vec<String> = linker.iter(&mut *store).map(|(_, name, _)| name.to_string()).collect();
        linked.sort();
        let mut listed: Vec<String> = PROVIDED.iter().chain(&REFUSED).map(ToString::to_string).collect();
        listed.sort();
        assert_eq!(linked, listed);
    }
}
