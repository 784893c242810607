//! Paths and listings.

use super::abi::{
    DIRECTORY, Errno, FDFLAG_APPEND, FDFLAGS_ALL, OFLAG_CREAT, OFLAG_DIRECTORY, OFLAG_EXCL, OFLAG_TRUNC,
    REGULAR_FILE, RIGHT_FD_READ, RIGHT_FD_WRITE, RIGHT_PATH_FILESTAT_SET_SIZE,
};
use super::call::{Call, Fail, Outcome};
use super::descriptors::{filestat, node_of, set_times};
use crate::sandbox::meter;
use crate::sandbox::vfs::{Found, Listing, NodeId, Target, VfsError};

// The parameters are the ABI's.
#[expect(clippy::too_many_arguments)]
pub(super) fn path_open(
    call: &mut Call<'_>,
    fd: u32,
    _lookup: u32,
    path: u32,
    length: u32,
    oflags: u32,
    rights: u64,
    _inheriting: u64,
    fdflags: u32,
    out: u32,
) -> Outcome {
    let path = call.path(path, length)?;
    let opened = open(call, fd, &path, oflags, rights, fdflags)?;
    call.memory.write_u32(out, opened)
}

pub(super) fn fd_readdir(
    call: &mut Call<'_>,
    fd: u32,
    buffer: u32,
    length: u32,
    cookie: u64,
    out: u32,
) -> Outcome {
    let used = list(call, fd, buffer, length, cookie)?;
    call.memory.write_u32(out, used)
}

pub(super) fn path_filestat_get(
    call: &mut Call<'_>,
    fd: u32,
    _lookup: u32,
    path: u32,
    length: u32,
    out: u32,
) -> Outcome {
    let path = call.path(path, length)?;
    let id = call.state.vfs.find(folder(call, fd)?, &path)?;
    let stat = filestat(call.state, Target::Node(id));
    call.memory.write(out, &stat)
}

// The parameters are the ABI's.
#[expect(clippy::too_many_arguments)]
pub(super) fn path_filestat_set_times(
    call: &mut Call<'_>,
    fd: u32,
    _lookup: u32,
    path: u32,
    length: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Outcome {
    let path = call.path(path, length)?;
    let id = call.state.vfs.find(folder(call, fd)?, &path)?;
    set_times(call.state, id, accessed, modified, flags)
}

/// Whatever is there is no link.
pub(super) fn path_readlink(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    length: u32,
    _buffer: u32,
    _buffer_length: u32,
    _out: u32,
) -> Outcome {
    let path = call.path(path, length)?;
    call.state.vfs.find(folder(call, fd)?, &path)?;
    Err(Errno::Inval.into())
}

pub(super) fn path_create_directory(call: &mut Call<'_>, fd: u32, path: u32, length: u32) -> Outcome {
    let path = call.path(path, length)?;
    create(call, fd, &path, true).map(|_| ())
}

pub(super) fn path_unlink_file(call: &mut Call<'_>, fd: u32, path: u32, length: u32) -> Outcome {
    remove(call, fd, path, length, false)
}

pub(super) fn path_remove_directory(call: &mut Call<'_>, fd: u32, path: u32, length: u32) -> Outcome {
    remove(call, fd, path, length, true)
}

pub(super) fn path_rename(
    call: &mut Call<'_>,
    from: u32,
    old: u32,
    old_length: u32,
    to: u32,
    new: u32,
    new_length: u32,
) -> Outcome {
    let (old, new) = (call.path(old, old_length)?, call.path(new, new_length)?);
    // Moving a folder looks at everything below it.
    call.charge_each(call.state.vfs.files(), meter::COMPONENT)?;
    let (from, to) = (folder(call, from)?, folder(call, to)?);
    let now = call.state.clock.stamp();
    Ok(call.state.vfs.rename((from, &old), (to, &new), now)?)
}

// The parameters are the ABI's.
#[expect(clippy::too_many_arguments)]
pub(super) fn path_link(
    _: &mut Call<'_>,
    _from: u32,
    _lookup: u32,
    _old: u32,
    _old_length: u32,
    _to: u32,
    _new: u32,
    _new_length: u32,
) -> Outcome {
    Err(VfsError::NotSupported.into())
}

pub(super) fn path_symlink(
    _: &mut Call<'_>,
    _old: u32,
    _old_length: u32,
    _fd: u32,
    _new: u32,
    _new_length: u32,
) -> Outcome {
    Err(VfsError::NotSupported.into())
}

fn remove(call: &mut Call<'_>, fd: u32, path: u32, length: u32, directory: bool) -> Outcome {
    let path = call.path(path, length)?;
    let from = folder(call, fd)?;
    Ok(call.state.vfs.remove(from, &path, directory)?)
}

/// The open folder behind a descriptor.
fn folder(call: &Call<'_>, fd: u32) -> Result<NodeId, Fail> {
    let id = node_of(&call.state.vfs, fd)?;
    if call.state.vfs.node(id).is_directory() { Ok(id) } else { Err(Errno::Notdir.into()) }
}

fn create(call: &mut Call<'_>, fd: u32, path: &str, directory: bool) -> Result<NodeId, Fail> {
    call.charge(meter::CREATE)?;
    let from = folder(call, fd)?;
    match call.state.vfs.walk(from, path)? {
        Found::There(_) => Err(Errno::Exist.into()),
        Found::Free { .. } if !directory && promises_folder(path) => Err(Errno::Isdir.into()),
        Found::Free { folder, name } => {
            let now = call.state.clock.stamp();
            Ok(call.state.vfs.create(folder, &name, directory, now)?)
        }
    }
}

/// Whether a path says by its end that it means a folder.
fn promises_folder(path: &str) -> bool {
    path.ends_with('/') || path.ends_with("/.")
}

fn open(
    call: &mut Call<'_>,
    fd: u32,
    path: &str,
    oflags: u32,
    rights: u64,
    fdflags: u32,
) -> Result<u32, Fail> {
    let has = |flag: u32| oflags & flag != 0;
    if fdflags & !FDFLAGS_ALL != 0 || (has(OFLAG_CREAT) && has(OFLAG_DIRECTORY)) {
        return Err(Errno::Inval.into());
    }
    call.charge(meter::CREATE)?;
    call.state.vfs.check_can_open()?;
    let from = folder(call, fd)?;
    let given_up = call.state.vfs.descriptor(fd)?.given_up[0];
    if has(OFLAG_TRUNC) && given_up & RIGHT_PATH_FILESTAT_SET_SIZE != 0 {
        return Err(Errno::Notcapable.into());
    }
    let (readable, writable) = (rights & RIGHT_FD_READ != 0, rights & RIGHT_FD_WRITE != 0);
    let id = match call.state.vfs.walk(from, path)? {
        Found::There(_) if has(OFLAG_CREAT) && has(OFLAG_EXCL) => return Err(Errno::Exist.into()),
        Found::There(id) => id,
        Found::Free { .. } if has(OFLAG_CREAT) => create(call, fd, path, false)?,
        Found::Free { .. } => return Err(Errno::Noent.into()),
    };
    if call.state.vfs.node(id).is_directory() {
        if has(OFLAG_TRUNC) || has(OFLAG_CREAT) || writable {
            return Err(Errno::Isdir.into());
        }
        return Ok(call.state.vfs.open(id, true, false, false)?);
    }
    if has(OFLAG_DIRECTORY) {
        return Err(Errno::Notdir.into());
    }
    if has(OFLAG_TRUNC) {
        let now = call.state.clock.stamp();
        call.state.vfs.resize(id, 0, now)?;
    } else if writable {
        // Asks the volume whether it may be written at all, before a descriptor promises it.
        call.state.vfs.check_writable(id)?;
    }
    let opened = call.state.vfs.open(id, readable, writable, fdflags & FDFLAG_APPEND != 0)?;
    call.state.vfs.descriptor_mut(opened)?.flags = fdflags;
    Ok(opened)
}

/// Writes as many entries as fit, the last one cut off where the buffer ends (which tells the guest to come again).
fn list(call: &mut Call<'_>, fd: u32, buffer: u32, length: u32, cookie: u64) -> Result<u32, Fail> {
    let id = folder(call, fd)?;
    let listing = listing(call, fd, id, cookie)?;
    let mut used = 0u32;
    for (index, entry) in listing.iter().enumerate().skip(usize::try_from(cookie).unwrap_or(usize::MAX)) {
        if used == length {
            break;
        }
        call.charge(meter::ENTRY)?;
        let mut bytes = [0u8; 24].to_vec();
        bytes[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        bytes[8..16].copy_from_slice(&entry.inode.to_le_bytes());
        bytes[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
        bytes[20] = if entry.directory { DIRECTORY } else { REGULAR_FILE };
        bytes.extend_from_slice(entry.name.as_bytes());
        bytes.truncate((length - used) as usize);
        call.memory.write(buffer.wrapping_add(used), &bytes)?;
        used += bytes.len() as u32;
    }
    Ok(used)
}

/// The listing a walk goes on with: taken at the start, kept for the later calls.
fn listing(call: &mut Call<'_>, fd: u32, id: NodeId, cookie: u64) -> Result<Listing, Fail> {
    if let (true, Some(listing)) = (cookie != 0, &call.state.vfs.descriptor(fd)?.listing) {
        return Ok(listing.clone());
    }
    let listing = call.state.vfs.list(id)?;
    call.charge_each(listing.len() as u64, meter::ENTRY)?;
    call.state.vfs.descriptor_mut(fd)?.listing = Some(listing.clone());
    Ok(listing)
}
