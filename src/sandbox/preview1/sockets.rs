//! Sockets: no descriptor is one. The functions are there because toolchains import them unused.

use super::abi::Errno;
use super::call::{Call, Outcome};

pub(super) fn sock_accept(_: &mut Call<'_>, _fd: u32, _flags: u32, _out: u32) -> Outcome {
    Err(Errno::Notsup.into())
}

pub(super) fn sock_recv(
    _: &mut Call<'_>,
    _fd: u32,
    _buffers: u32,
    _count: u32,
    _flags: u32,
    _out: u32,
    _out_flags: u32,
) -> Outcome {
    Err(Errno::Notsup.into())
}

pub(super) fn sock_send(
    _: &mut Call<'_>,
    _fd: u32,
    _buffers: u32,
    _count: u32,
    _flags: u32,
    _out: u32,
) -> Outcome {
    Err(Errno::Notsup.into())
}

pub(super) fn sock_shutdown(_: &mut Call<'_>, _fd: u32, _how: u32) -> Outcome {
    Err(Errno::Notsup.into())
}
