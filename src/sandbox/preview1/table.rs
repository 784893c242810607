//! The table of functions: each with its parameters, its answer and the file that has it. Linking, lists and signatures
//! are made from it, so none of them can say something else than the others.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Hands the table to another macro: `file::name(parameter: type, ...) -> answer;`, in byte order of the names.
///
/// A function is `fn name(call: &mut Call, parameters ...) -> Outcome`. The answer is `u32` for an error number, or `()`.
macro_rules! functions {
    ($generator:ident) => {
        $generator! {
            provided {
                environment::args_get(pointers: u32, bytes: u32) -> u32;
                environment::args_sizes_get(count: u32, bytes: u32) -> u32;
                environment::clock_res_get(clock: u32, out: u32) -> u32;
                environment::clock_time_get(clock: u32, precision: u64, out: u32) -> u32;
                environment::environ_get(pointers: u32, bytes: u32) -> u32;
                environment::environ_sizes_get(count: u32, bytes: u32) -> u32;
                descriptors::fd_advise(fd: u32, offset: u64, length: u64, advice: u32) -> u32;
                descriptors::fd_allocate(fd: u32, offset: u64, length: u64) -> u32;
                descriptors::fd_close(fd: u32) -> u32;
                descriptors::fd_datasync(fd: u32) -> u32;
                descriptors::fd_fdstat_get(fd: u32, out: u32) -> u32;
                descriptors::fd_fdstat_set_flags(fd: u32, flags: u32) -> u32;
                descriptors::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) -> u32;
                descriptors::fd_filestat_get(fd: u32, out: u32) -> u32;
                descriptors::fd_filestat_set_size(fd: u32, size: u64) -> u32;
                descriptors::fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32) -> u32;
                files::fd_pread(fd: u32, buffers: u32, count: u32, offset: u64, out: u32) -> u32;
                descriptors::fd_prestat_dir_name(fd: u32, pointer: u32, length: u32) -> u32;
                descriptors::fd_prestat_get(fd: u32, out: u32) -> u32;
                files::fd_pwrite(fd: u32, buffers: u32, count: u32, offset: u64, out: u32) -> u32;
                files::fd_read(fd: u32, buffers: u32, count: u32, out: u32) -> u32;
                folders::fd_readdir(fd: u32, buffer: u32, length: u32, cookie: u64, out: u32) -> u32;
                descriptors::fd_renumber(from: u32, to: u32) -> u32;
                files::fd_seek(fd: u32, offset: i64, whence: u32, out: u32) -> u32;
                descriptors::fd_sync(fd: u32) -> u32;
                files::fd_tell(fd: u32, out: u32) -> u32;
                files::fd_write(fd: u32, buffers: u32, count: u32, out: u32) -> u32;
                folders::path_create_directory(fd: u32, path: u32, length: u32) -> u32;
                folders::path_filestat_get(fd: u32, lookup: u32, path: u32, length: u32, out: u32) -> u32;
                folders::path_filestat_set_times(fd: u32, lookup: u32, path: u32, length: u32, accessed: u64,
                    modified: u64, flags: u32) -> u32;
                folders::path_link(from: u32, lookup: u32, old: u32, old_length: u32, to: u32, new: u32,
                    new_length: u32) -> u32;
                folders::path_open(fd: u32, lookup: u32, path: u32, length: u32, oflags: u32, rights: u64,
                    inheriting: u64, fdflags: u32, out: u32) -> u32;
                folders::path_readlink(fd: u32, path: u32, length: u32, buffer: u32, buffer_length: u32,
                    out: u32) -> u32;
                folders::path_remove_directory(fd: u32, path: u32, length: u32) -> u32;
                folders::path_rename(from: u32, old: u32, old_length: u32, to: u32, new: u32,
                    new_length: u32) -> u32;
                folders::path_symlink(old: u32, old_length: u32, fd: u32, new: u32, new_length: u32) -> u32;
                folders::path_unlink_file(fd: u32, path: u32, length: u32) -> u32;
                poll::poll_oneoff(subscriptions: u32, events: u32, count: u32, out: u32) -> u32;
                environment::proc_exit(code: u32) -> ();
                environment::proc_raise(signal: u32) -> u32;
                environment::random_get(pointer: u32, length: u32) -> u32;
                environment::sched_yield() -> u32;
            }
            refused {
                sockets::sock_accept(fd: u32, flags: u32, out: u32) -> u32;
                sockets::sock_recv(fd: u32, buffers: u32, count: u32, flags: u32, out: u32,
                    out_flags: u32) -> u32;
                sockets::sock_send(fd: u32, buffers: u32, count: u32, flags: u32, out: u32) -> u32;
                sockets::sock_shutdown(fd: u32, how: u32) -> u32;
            }
        }
    };
}

pub(super) use functions;

/// What a parameter or an answer is to the engines.
trait WasmType {
    /// Its name in a signature; none for `()`.
    const NAME: &'static str;
}

impl WasmType for u32 {
    const NAME: &'static str = "i32";
}

impl WasmType for u64 {
    const NAME: &'static str = "i64";
}

impl WasmType for i64 {
    const NAME: &'static str = "i64";
}

impl WasmType for () {
    const NAME: &'static str = "";
}

fn name_of<T: WasmType>() -> &'static str {
    T::NAME
}

/// A function's name, its parameters with their types, and whether it answers.
#[cfg(any(test, fuzzing))]
pub(in crate::sandbox) type Function = (&'static str, Vec<(&'static str, &'static str)>, bool);

macro_rules! lists {
    (provided { $($file:ident::$name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)* }
     refused { $($r_file:ident::$r_name:ident($($r_param:ident: $r_ty:ty),*) -> $r_answer:ty;)* }) => {
        /// Functions that the profile has.
        pub(in crate::sandbox) const PROVIDED: &[&str] = &[$(stringify!($name)),*];

        /// Functions that are linked only to refuse, because toolchains import them unused.
        pub(in crate::sandbox) const REFUSED: &[&str] = &[$(stringify!($r_name)),*];

        /// The parameters of each function, with their types, and whether it answers; for drivers that call them all.
        #[cfg(any(test, fuzzing))]
        pub(in crate::sandbox) fn parameters() -> Vec<Function> {
            vec![
                $((stringify!($name), vec![$((stringify!($param), name_of::<$ty>())),*], !name_of::<$answer>().is_empty()),)*
                $((stringify!($r_name), vec![$((stringify!($r_param), name_of::<$r_ty>())),*],
                    !name_of::<$r_answer>().is_empty()),)*
            ]
        }

        /// The type of each function as text.
        fn types() -> impl Iterator<Item = (&'static str, String)> {
            let rows = [
                $((stringify!($name), vec![$(name_of::<$ty>()),*], name_of::<$answer>()),)*
                $((stringify!($r_name), vec![$(name_of::<$r_ty>()),*], name_of::<$r_answer>()),)*
            ];
            rows.into_iter().map(|(name, params, answer)| {
                (name, signature(params.into_iter(), Some(answer).filter(|answer| !answer.is_empty()).into_iter()))
            })
        }
    };
}

functions!(lists);

/// The type of each function, `(i32, i64) -> (i32)`, by its name: what the gate compares imports with.
pub(in crate::sandbox) fn signatures() -> &'static BTreeMap<&'static str, String> {
    static SIGNATURES: OnceLock<BTreeMap<&'static str, String>> = OnceLock::new();
    SIGNATURES.get_or_init(|| types().collect())
}

/// A function type as text.
pub(in crate::sandbox) fn signature(
    params: impl Iterator<Item = impl std::fmt::Display>,
    results: impl Iterator<Item = impl std::fmt::Display>,
) -> String {
    let list = |types: Vec<String>| types.join(", ");
    let (params, results) =
        (params.map(|t| t.to_string()).collect(), results.map(|t| t.to_string()).collect());
    format!("({}) -> ({})", list(params), list(results))
}
