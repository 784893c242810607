//! `wasi:filesystem`: paths and listings.

use std::sync::Arc;

use wasmtime::component::{LinkerInstance, Resource, ResourceType, WasmStr};

use super::bindings::filesystem::{
    DescriptorFlags, DirectoryEntry, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};
use super::call::{Call, Store, fallible};
use super::filesystem::{Answer, This, hash, kind, node, set_times, stat};
use super::resources::{Entries, Open};
use super::state::State;
use crate::sandbox::meter;
use crate::sandbox::vfs::{Found, NodeId};

/// `.` and `..`, with which a listing begins and which these interfaces leave out.
const DOTS: usize = 2;

pub(super) fn link(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]descriptor.open-at",
        |store: Store<'_>,
         (this, _follow, path, how, flags): (This, PathFlags, String, OpenFlags, DescriptorFlags)| {
            fallible(store, |call| {
                call.charge_path(&path)?;
                let fd = open(call, &this, &path, how, flags)?;
                Ok(call.push(Open { fd, volume: false })?)
            })
        },
    )?;
    link_listing(types)?;
    link_stats(types)?;
    link_changes(types)
}

fn link_listing(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.resource("directory-entry-stream", ResourceType::host::<Entries>(), |store, number| {
        Call::enter(store)?.forget::<Entries>(number)?;
        Ok(())
    })?;
    types.func_wrap("[method]descriptor.read-directory", |store: Store<'_>, (this,): (This,)| {
        fallible(store, |call| {
            let id = folder(call, &this)?;
            let listing = call.state().vfs.list(id)?;
            call.charge_each(listing.len() as u64, meter::ENTRY)?;
            Ok(call.push(Entries { listing, next: DOTS })?)
        })
    })?;
    types.func_wrap(
        "[method]directory-entry-stream.read-directory-entry",
        |store: Store<'_>, (this,): (Resource<Entries>,)| {
            fallible::<_, ErrorCode>(store, |call| {
                call.charge(meter::ENTRY)?;
                let entries = call.get(&this)?;
                let (listing, at) = (Arc::clone(&entries.listing), entries.next);
                entries.next = at.saturating_add(1);
                let Some(entry) = listing.get(at) else { return Ok(None) };
                call.charge_each(entry.name.len() as u64, meter::BYTE)?;
                Ok(Some(DirectoryEntry { type_: kind(entry.directory), name: entry.name.clone() }))
            })
        },
    )
}

fn link_stats(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]descriptor.stat-at",
        |store: Store<'_>, (this, _follow, path): (This, PathFlags, String)| {
            fallible(store, |call| {
                let id = find(call, &this, &path)?;
                Ok(stat(call.state(), id))
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.metadata-hash-at",
        |store: Store<'_>, (this, _follow, path): (This, PathFlags, String)| {
            fallible(store, |call| Ok(hash(find(call, &this, &path)?)))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.set-times-at",
        |store: Store<'_>,
         (this, _follow, path, accessed, modified): (
            This,
            PathFlags,
            String,
            NewTimestamp,
            NewTimestamp,
        )| {
            fallible(store, |call| {
                let id = find(call, &this, &path)?;
                set_times(call.state(), id, accessed, modified)
            })
        },
    )?;
    types.func_wrap("[method]descriptor.readlink-at", |store: Store<'_>, (this, path): (This, String)| {
        fallible::<String, _>(store, |call| {
            find(call, &this, &path)?;
            // It is there, and nothing is a link.
            Err(ErrorCode::Invalid.into())
        })
    })
}

fn link_changes(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]descriptor.create-directory-at",
        |store: Store<'_>, (this, path): (This, String)| {
            fallible(store, |call| {
                call.charge_path(&path)?;
                create(call, &this, &path, true).map(|_| ())
            })
        },
    )?;
    for (name, directory) in [("unlink-file-at", false), ("remove-directory-at", true)] {
        types.func_wrap(
            &format!("[method]descriptor.{name}"),
            move |store: Store<'_>, (this, path): (This, String)| {
                fallible(store, |call| {
                    call.charge_path(&path)?;
                    let from = folder(call, &this)?;
                    Ok(call.state().vfs.remove(from, &path, directory)?)
                })
            },
        )?;
    }
    types.func_wrap(
        "[method]descriptor.rename-at",
        |store: Store<'_>, (this, old, to, new): (This, String, This, String)| {
            fallible(store, |call| {
                call.charge_path(&old)?;
                call.charge_path(&new)?;
                // Moving a folder looks at everything below it.
                let files = call.state().vfs.files();
                call.charge_each(files, meter::COMPONENT)?;
                let (from, to) = (folder(call, &this)?, folder(call, &to)?);
                let now = call.state().clock.stamp();
                Ok(call.state().vfs.rename((from, &old), (to, &new), now)?)
            })
        },
    )?;
    // What is not read is not copied out of the guest either.
    types.func_wrap(
        "[method]descriptor.link-at",
        |store: Store<'_>, _: (This, PathFlags, WasmStr, This, WasmStr)| {
            fallible::<(), _>(store, |_| Err(ErrorCode::Unsupported.into()))
        },
    )?;
    types.func_wrap("[method]descriptor.symlink-at", |store: Store<'_>, _: (This, WasmStr, WasmStr)| {
        fallible::<(), _>(store, |_| Err(ErrorCode::Unsupported.into()))
    })
}

/// The open folder behind a handle.
fn folder(call: &mut Call<'_>, this: &This) -> Answer<NodeId> {
    let id = node(call, this)?;
    if call.state().vfs.node(id).is_directory() { Ok(id) } else { Err(ErrorCode::NotDirectory.into()) }
}

fn find(call: &mut Call<'_>, this: &This, path: &str) -> Answer<NodeId> {
    call.charge_path(path)?;
    let from = folder(call, this)?;
    Ok(call.state().vfs.find(from, path)?)
}

fn create(call: &mut Call<'_>, this: &This, path: &str, directory: bool) -> Answer<NodeId> {
    call.charge(meter::CREATE)?;
    let from = folder(call, this)?;
    match call.state().vfs.walk(from, path)? {
        Found::There(_) => Err(ErrorCode::Exist.into()),
        // The path says by its end that it means a folder.
        Found::Free { .. } if !directory && (path.ends_with('/') || path.ends_with("/.")) => {
            Err(ErrorCode::IsDirectory.into())
        }
        Found::Free { folder, name } => {
            let now = call.state().clock.stamp();
            Ok(call.state().vfs.create(folder, &name, directory, now)?)
        }
    }
}

fn open(call: &mut Call<'_>, this: &This, path: &str, how: OpenFlags, flags: DescriptorFlags) -> Answer<u32> {
    let has = |flag: OpenFlags| how.contains(flag);
    if has(OpenFlags::CREATE) && has(OpenFlags::DIRECTORY) {
        return Err(ErrorCode::Invalid.into());
    }
    call.charge(meter::CREATE)?;
    call.state().vfs.check_can_open()?;
    let from = folder(call, this)?;
    let (readable, writable) =
        (flags.contains(DescriptorFlags::READ), flags.contains(DescriptorFlags::WRITE));
    let id = match call.state().vfs.walk(from, path)? {
        Found::There(_) if has(OpenFlags::CREATE) && has(OpenFlags::EXCLUSIVE) => {
            return Err(ErrorCode::Exist.into());
        }
        Found::There(id) => id,
        Found::Free { .. } if has(OpenFlags::CREATE) => create(call, this, path, false)?,
        Found::Free { .. } => return Err(ErrorCode::NoEntry.into()),
    };
    if call.state().vfs.node(id).is_directory() {
        if has(OpenFlags::TRUNCATE) || has(OpenFlags::CREATE) {
            return Err(ErrorCode::IsDirectory.into());
        }
        return Ok(call.state().vfs.open(id, true, false, false)?);
    }
    if has(OpenFlags::DIRECTORY) {
        return Err(ErrorCode::NotDirectory.into());
    }
    if has(OpenFlags::TRUNCATE) {
        let now = call.state().clock.stamp();
        call.state().vfs.resize(id, 0, now)?;
    } else if writable {
        // Asks the volume whether it may be written at all, before a handle promises it.
        call.state().vfs.set_times(id, None, None)?;
    }
    Ok(call.state().vfs.open(id, readable, writable, false)?)
}
