//! `wasi:io/streams` and `wasi:io/error`: reading and writing in pieces. Every stream is in memory and always ready.

use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType, WasmList};

use super::bindings::StreamError;
use super::call::{CHUNK_BYTES_MAX, Call, Fail, Store, check_chunk, code_of, fallible, host};
use super::resources::{Input, IoError, Output, Pollable};
use super::state::State;
use crate::sandbox::meter;
use crate::sandbox::state::Stop;
use crate::sandbox::vfs::{NodeId, Target, VfsError};

type Answer<T> = Result<T, Fail<StreamError>>;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut error = linker.instance("wasi:io/error@0.2.12")?;
    error.resource("error", ResourceType::host::<IoError>(), |store, number| {
        Call::enter(store)?.forget::<IoError>(number)?;
        Ok(())
    })?;
    error.func_wrap("[method]error.to-debug-string", |store: Store<'_>, (this,): (Resource<IoError>,)| {
        host(store, |call| Ok(call.get(&this)?.0.message().to_string()))
    })?;
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    link_input(&mut streams)?;
    link_output(&mut streams)?;
    link_zeroes_and_splice(&mut streams)
}

fn link_input(streams: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    streams.resource("input-stream", ResourceType::host::<Input>(), |store, number| {
        let mut call = Call::enter(store)?;
        if let Input::File(fd) = call.forget(number)? {
            call.state().vfs.close(fd).map_err(|_| Stop::Engine)?;
        }
        Ok(())
    })?;
    for name in ["read", "blocking-read"] {
        let name = format!("[method]input-stream.{name}");
        streams.func_wrap(&name, |store: Store<'_>, (this, length): (Resource<Input>, u64)| {
            fallible(store, |call| read(call, &this, length))
        })?;
    }
    for name in ["skip", "blocking-skip"] {
        let name = format!("[method]input-stream.{name}");
        streams.func_wrap(&name, |store: Store<'_>, (this, length): (Resource<Input>, u64)| {
            fallible(store, |call| skip(call, &this, length))
        })?;
    }
    streams.func_wrap("[method]input-stream.subscribe", |store: Store<'_>, (_this,): (Resource<Input>,)| {
        host(store, |call| call.push(Pollable::Ready))
    })
}

fn link_output(streams: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    streams.resource("output-stream", ResourceType::host::<Output>(), |store, number| {
        let mut call = Call::enter(store)?;
        if let Output::File(fd) = call.forget(number)? {
            call.state().vfs.close(fd).map_err(|_| Stop::Engine)?;
        }
        Ok(())
    })?;
    streams.func_wrap(
        "[method]output-stream.check-write",
        |store: Store<'_>, (_this,): (Resource<Output>,)| {
            fallible::<_, StreamError>(store, |_| Ok(CHUNK_BYTES_MAX))
        },
    )?;
    for name in ["write", "blocking-write-and-flush"] {
        let name = format!("[method]output-stream.{name}");
        streams.func_wrap(&name, |store: Store<'_>, (this, list): (Resource<Output>, WasmList<u8>)| {
            fallible(store, |call| {
                let bytes = call.take(&list)?;
                write(call, &this, &bytes)
            })
        })?;
    }
    for name in ["flush", "blocking-flush"] {
        let name = format!("[method]output-stream.{name}");
        streams.func_wrap(&name, |store: Store<'_>, (_this,): (Resource<Output>,)| {
            fallible::<_, StreamError>(store, |_| Ok(()))
        })?;
    }
    streams.func_wrap("[method]output-stream.subscribe", |store: Store<'_>, (_this,): (Resource<Output>,)| {
        host(store, |call| call.push(Pollable::Ready))
    })
}

fn link_zeroes_and_splice(streams: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        let name = format!("[method]output-stream.{name}");
        streams.func_wrap(&name, |store: Store<'_>, (this, length): (Resource<Output>, u64)| {
            fallible(store, |call| {
                check_chunk(length)?;
                call.charge_each(length, meter::BYTE)?;
                write(call, &this, &vec![0; length as usize])
            })
        })?;
    }
    for name in ["splice", "blocking-splice"] {
        let name = format!("[method]output-stream.{name}");
        streams.func_wrap(
            &name,
            |store: Store<'_>, (this, from, length): (Resource<Output>, Resource<Input>, u64)| {
                fallible(store, |call| {
                    let bytes = read(call, &from, length)?;
                    write(call, &this, &bytes)?;
                    Ok(bytes.len() as u64)
                })
            },
        )?;
    }
    Ok(())
}

/// An open file's node and the range that a stream may take next; an end is told as `closed`.
fn next(call: &mut Call<'_>, this: &Resource<Input>, length: u64) -> Answer<(u32, NodeId, u64, u64)> {
    let Input::File(fd) = *call.get(this)? else { return Err(Fail::Answer(StreamError::Closed)) };
    let vfs = &call.state().vfs;
    let (position, id) = match vfs.descriptor(fd) {
        Ok(descriptor) => match descriptor.target {
            Target::Node(id) => (descriptor.position, id),
            _ => return Err(Stop::Engine.into()),
        },
        Err(_) => return Err(Stop::Engine.into()),
    };
    let there = vfs.node(id).len().saturating_sub(position);
    if there == 0 && length > 0 {
        return Err(Fail::Answer(StreamError::Closed));
    }
    Ok((fd, id, position, length.min(there)))
}

fn move_to(call: &mut Call<'_>, fd: u32, position: u64) -> Result<(), Stop> {
    call.state().vfs.descriptor_mut(fd).map_err(|_| Stop::Engine)?.position = position;
    Ok(())
}

/// Reads as far as the file and one piece reach: otherwise there are no short reads.
fn read(call: &mut Call<'_>, this: &Resource<Input>, length: u64) -> Answer<Vec<u8>> {
    let (fd, id, position, length) = next(call, this, length.min(CHUNK_BYTES_MAX))?;
    call.charge_each(length, meter::BYTE)?;
    let bytes = match call.state().vfs.part(id, position, length) {
        Ok(bytes) => bytes.into_owned(),
        Err(error) => return fail(call, error),
    };
    move_to(call, fd, position + length)?;
    Ok(bytes)
}

fn skip(call: &mut Call<'_>, this: &Resource<Input>, length: u64) -> Answer<u64> {
    let (fd, _, position, length) = next(call, this, length)?;
    move_to(call, fd, position + length)?;
    Ok(length)
}

/// Writes everything: there are no short writes; what does not fit the order ends the run.
fn write(call: &mut Call<'_>, this: &Resource<Output>, bytes: &[u8]) -> Answer<()> {
    let output = *call.get(this)?;
    let written = match output {
        Output::Stdout => call.state().vfs.append(Target::Stdout, bytes),
        Output::Stderr => call.state().vfs.append(Target::Stderr, bytes),
        Output::File(fd) => return write_file(call, fd, bytes),
    };
    written.or_else(|error| fail(call, error))
}

fn write_file(call: &mut Call<'_>, fd: u32, bytes: &[u8]) -> Answer<()> {
    let vfs = &call.state().vfs;
    let Ok(descriptor) = vfs.descriptor(fd) else { return Err(Stop::Engine.into()) };
    let Target::Node(id) = descriptor.target else { return Err(Stop::Engine.into()) };
    let place = if descriptor.append { vfs.node(id).len() } else { descriptor.position };
    if let Err(error) = put(call, id, place, bytes)? {
        return fail(call, error);
    }
    Ok(move_to(call, fd, place.saturating_add(bytes.len() as u64))?)
}

/// Puts bytes into a file, whose copying is paid for already.
pub(super) fn put(
    call: &mut Call<'_>,
    id: NodeId,
    place: u64,
    bytes: &[u8],
) -> Result<Result<(), VfsError>, Stop> {
    if bytes.is_empty() {
        return Ok(Ok(()));
    }
    let vfs = &call.state().vfs;
    let gap = place.saturating_sub(vfs.node(id).len());
    if let Err(error) = vfs.check_room(id, place.saturating_add(bytes.len() as u64)) {
        return Ok(Err(error));
    }
    // A jump past the end fills the gap with zeros, which is work for the host too.
    call.charge(gap)?;
    let now = call.state().clock.stamp();
    Ok(call.state().vfs.write(id, place, bytes, now))
}

/// The end of the run, or an error that the guest can ask about.
fn fail<T>(call: &mut Call<'_>, error: VfsError) -> Answer<T> {
    if matches!(error, VfsError::OutputLimit | VfsError::HostDisk) {
        return Err(Stop::OutputLimit.into());
    }
    let error = call.push(IoError(code_of(error)))?;
    Err(Fail::Answer(StreamError::LastOperationFailed(error)))
}
