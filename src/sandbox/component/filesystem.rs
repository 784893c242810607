//! `wasi:filesystem`: volumes and open files, over the same file system as preview 1. Paths are in `folders`.

use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType, WasmList};

use super::bindings::filesystem::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp,
};
use super::call::{CHUNK_BYTES_MAX, Call, Fail, Store, fallible, host};
use super::folders;
use super::poll::{datetime, nanoseconds};
use super::resources::{Input, IoError, Open, Output};
use super::state::State;
use super::streams::put;
use crate::sandbox::meter;
use crate::sandbox::state::Stop;
use crate::sandbox::vfs::{NodeId, Target, VfsError};

/// Device of everything, as in preview 1.
const DEVICE: u64 = 1;

pub(super) type Answer<T> = Result<T, Fail<ErrorCode>>;
pub(super) type This = Resource<Open>;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker
        .instance("wasi:filesystem/preopens@0.2.12")?
        .func_wrap("get-directories", |store: Store<'_>, (): ()| host(store, volumes))?;
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    types.resource("descriptor", ResourceType::host::<Open>(), |store, number| {
        let mut call = Call::enter(store)?;
        let open: Open = call.forget(number)?;
        if !open.volume {
            call.state().vfs.close(open.fd).map_err(|_| Stop::Engine)?;
        }
        Ok(())
    })?;
    types.func_wrap("filesystem-error-code", |store: Store<'_>, (error,): (Resource<IoError>,)| {
        host(store, |call| Ok(Some(call.get(&error)?.0)))
    })?;
    link_streams(&mut types)?;
    link_content(&mut types)?;
    link_state(&mut types)?;
    folders::link(&mut types)
}

fn link_streams(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]descriptor.read-via-stream",
        |store: Store<'_>, (this, offset): (This, u64)| {
            fallible(store, |call| {
                let fd = stream(call, &this, Some(offset), false)?;
                Ok(call.push(Input::File(fd))?)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        |store: Store<'_>, (this, offset): (This, u64)| {
            fallible(store, |call| {
                let fd = stream(call, &this, Some(offset), true)?;
                Ok(call.push(Output::File(fd))?)
            })
        },
    )?;
    types.func_wrap("[method]descriptor.append-via-stream", |store: Store<'_>, (this,): (This,)| {
        fallible(store, |call| {
            let fd = stream(call, &this, None, true)?;
            Ok(call.push(Output::File(fd))?)
        })
    })
}

fn link_content(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]descriptor.read",
        |store: Store<'_>, (this, length, offset): (This, u64, u64)| {
            fallible(store, |call| {
                let id = file(call, &this, false)?;
                let there = call.state().vfs.node(id).len().saturating_sub(offset);
                let length = length.min(there).min(CHUNK_BYTES_MAX);
                call.charge_each(length, meter::BYTE)?;
                let bytes = call.state().vfs.part(id, offset, length)?.into_owned();
                Ok((bytes, length == there))
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.write",
        |store: Store<'_>, (this, list, offset): (This, WasmList<u8>, u64)| {
            fallible(store, |call| {
                let bytes = call.take(&list)?;
                let id = file(call, &this, true)?;
                put(call, id, offset, &bytes)??;
                Ok(bytes.len() as u64)
            })
        },
    )?;
    types.func_wrap("[method]descriptor.set-size", |store: Store<'_>, (this, size): (This, u64)| {
        fallible(store, |call| {
            let id = file(call, &this, true)?;
            let old = call.state().vfs.node(id).len();
            call.state().vfs.check_room(id, size)?;
            call.charge_each(size.saturating_sub(old), meter::BYTE)?;
            let now = call.state().clock.stamp();
            Ok(call.state().vfs.resize(id, size, now)?)
        })
    })?;
    types.func_wrap(
        "[method]descriptor.advise",
        |store: Store<'_>, (this, _offset, _length, _advice): (This, u64, u64, Advice)| {
            fallible(store, |call| node(call, &this).map(|_| ()))
        },
    )?;
    for name in ["sync", "sync-data"] {
        types.func_wrap(&format!("[method]descriptor.{name}"), |store: Store<'_>, (this,): (This,)| {
            fallible(store, |call| node(call, &this).map(|_| ()))
        })?;
    }
    Ok(())
}

fn link_state(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap("[method]descriptor.get-flags", |store: Store<'_>, (this,): (This,)| {
        fallible(store, |call| flags(call, &this))
    })?;
    types.func_wrap("[method]descriptor.get-type", |store: Store<'_>, (this,): (This,)| {
        fallible(store, |call| {
            let id = node(call, &this)?;
            Ok(stat(call.state(), id).type_)
        })
    })?;
    types.func_wrap("[method]descriptor.stat", |store: Store<'_>, (this,): (This,)| {
        fallible(store, |call| {
            let id = node(call, &this)?;
            Ok(stat(call.state(), id))
        })
    })?;
    types.func_wrap(
        "[method]descriptor.set-times",
        |store: Store<'_>, (this, accessed, modified): (This, NewTimestamp, NewTimestamp)| {
            fallible(store, |call| {
                let id = node(call, &this)?;
                set_times(call.state(), id, accessed, modified)
            })
        },
    )?;
    types.func_wrap("[method]descriptor.metadata-hash", |store: Store<'_>, (this,): (This,)| {
        fallible(store, |call| Ok(hash(node(call, &this)?)))
    })?;
    types.func_wrap("[method]descriptor.is-same-object", |store: Store<'_>, (this, other): (This, This)| {
        host(store, |call| {
            let (this, other) = (node(call, &this), node(call, &other));
            Ok(matches!((this, other), (Ok(this), Ok(other)) if this == other))
        })
    })
}

/// The volumes with their guest paths, in the order of preview 1's descriptors.
fn volumes(call: &mut Call<'_>) -> Result<Vec<(This, String)>, Stop> {
    let paths: Vec<(u32, &str)> =
        (3u32..).map_while(|fd| Some((fd, call.state().vfs.descriptor(fd).ok()?.preopen?))).collect();
    call.charge_each(paths.len() as u64, meter::STRING)?;
    let handle = |(fd, path): (u32, &str)| Ok((call.push(Open { fd, volume: true })?, path.to_string()));
    paths.into_iter().map(handle).collect()
}

/// The file or folder behind a handle.
pub(super) fn node(call: &mut Call<'_>, this: &This) -> Answer<NodeId> {
    let fd = call.get(this)?.fd;
    match call.state().vfs.descriptor(fd)?.target {
        Target::Node(id) => Ok(id),
        _ => Err(ErrorCode::BadDescriptor.into()),
    }
}

/// The file behind a handle that was opened for reading or for writing.
fn file(call: &mut Call<'_>, this: &This, write: bool) -> Answer<NodeId> {
    let id = node(call, this)?;
    if call.state().vfs.node(id).is_directory() {
        return Err(ErrorCode::IsDirectory.into());
    }
    let fd = call.get(this)?.fd;
    let descriptor = call.state().vfs.descriptor(fd)?;
    let may = if write { descriptor.writable } else { descriptor.readable };
    if may { Ok(id) } else { Err(ErrorCode::BadDescriptor.into()) }
}

/// Opens a descriptor for a stream, at an offset or, without one, always at the end.
fn stream(call: &mut Call<'_>, this: &This, offset: Option<u64>, write: bool) -> Answer<u32> {
    call.charge(meter::CREATE)?;
    let id = file(call, this, write)?;
    let fd = call.state().vfs.open(id, !write, write, offset.is_none())?;
    call.state().vfs.descriptor_mut(fd)?.position = offset.unwrap_or(0);
    Ok(fd)
}

fn flags(call: &mut Call<'_>, this: &This) -> Answer<DescriptorFlags> {
    let id = node(call, this)?;
    let fd = call.get(this)?.fd;
    let vfs = &call.state().vfs;
    let descriptor = vfs.descriptor(fd)?;
    // Folders show that they can be changed, as preview 1 shows all rights; what a volume refuses it refuses at the call.
    if vfs.node(id).is_directory() {
        return Ok(DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY);
    }
    let mut flags = DescriptorFlags::empty();
    if descriptor.readable {
        flags |= DescriptorFlags::READ;
    }
    if descriptor.writable {
        flags |= DescriptorFlags::WRITE;
    }
    Ok(flags)
}

/// One link; the status changes with the content.
pub(super) fn stat(state: &State, id: NodeId) -> DescriptorStat {
    let node = state.vfs.node(id);
    DescriptorStat {
        type_: kind(node.is_directory()),
        link_count: 1,
        size: node.len(),
        data_access_timestamp: Some(datetime(node.accessed)),
        data_modification_timestamp: Some(datetime(node.modified)),
        status_change_timestamp: Some(datetime(node.modified)),
    }
}

pub(super) fn kind(directory: bool) -> DescriptorType {
    if directory { DescriptorType::Directory } else { DescriptorType::RegularFile }
}

/// Inode and device: what libraries take for `st_ino`, and so the same as in preview 1.
pub(super) fn hash(id: NodeId) -> MetadataHashValue {
    MetadataHashValue { lower: id.inode(), upper: DEVICE }
}

/// Sets the times of access and of the last change.
pub(super) fn set_times(
    state: &mut State,
    id: NodeId,
    accessed: NewTimestamp,
    modified: NewTimestamp,
) -> Answer<()> {
    let now = state.clock.stamp();
    let (accessed, modified) = (chosen(now, accessed)?, chosen(now, modified)?);
    Ok(state.vfs.set_times(id, accessed, modified)?)
}

fn chosen(now: u64, time: NewTimestamp) -> Answer<Option<u64>> {
    Ok(match time {
        NewTimestamp::NoChange => None,
        NewTimestamp::Now => Some(now),
        NewTimestamp::Timestamp(time) => Some(nanoseconds(time).ok_or(VfsError::Invalid)?),
    })
}
