//! Rust types of the WASI interfaces, made from the vendored WIT. Only types are used: the functions are linked by hand,
//! because a host function has to reach the store to charge fuel.

#![allow(
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated code"
)]

wasmtime::component::bindgen!({
    path: "src/sandbox/component/wit",
    world: "brizo:sandbox/everything",
    with: {
        "wasi:io/error.error": super::resources::IoError,
        "wasi:io/poll.pollable": super::resources::Pollable,
        "wasi:io/streams.input-stream": super::resources::Input,
        "wasi:io/streams.output-stream": super::resources::Output,
        "wasi:filesystem/types.descriptor": super::resources::Open,
        "wasi:filesystem/types.directory-entry-stream": super::resources::Entries,
    },
});

pub(super) use wasi::clocks::wall_clock::Datetime;
pub(super) use wasi::filesystem::types as filesystem;
pub(super) use wasi::io::streams::StreamError;
