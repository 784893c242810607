//! Sockets: no descriptor is one, and every call says so. The functions are there because toolchains import them unused.

use super::abi::Errno;
use super::call::{Call, Outcome};

fn refuse(call: &Call<'_>, fd: u32) -> Outcome {
    call.state.vfs.descriptor(fd)?;
    Err(Errno::Notsock.into())
}

pub(super) fn sock_accept(call: &mut Call<'_>, fd: u32, _flags: u32, _out: u32) -> Outcome {
    refuse(call, fd)
}

pub(super) fn sock_recv(
    call: &mut Call<'_>,
    fd: u32,
    _buffers: u32,
    _count: u32,
    _flags: u32,
    _out: u32,
    _out_flags: u32,
) -> Outcome {
    refuse(call, fd)
}

pub(super) fn sock_send(
    call: &mut Call<'_>,
    fd: u32,
    _buffers: u32,
    _count: u32,
    _flags: u32,
    _out: u32,
) -> Outcome {
    refuse(call, fd)
}

pub(super) fn sock_shutdown(call: &mut Call<'_>, fd: u32, _how: u32) -> Outcome {
    refuse(call, fd)
}
