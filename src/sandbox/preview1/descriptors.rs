//! Descriptors: status, flags, closing, renumbering, volumes, times and lengths of open files.

use super::abi::{
    CHARACTER_DEVICE, DIRECTORY, Errno, FDFLAG_APPEND, FDFLAGS_ALL, FSTFLAG_ATIM, FSTFLAG_ATIM_NOW,
    FSTFLAG_MTIM, FSTFLAG_MTIM_NOW, FSTFLAGS_ALL, REGULAR_FILE, RIGHT_FD_READ, RIGHT_FD_WRITE, RIGHTS_ALL,
    RIGHTS_FOLDER,
};
use super::call::{Call, Fail, Outcome};
use crate::sandbox::meter;
use crate::sandbox::state::State;
use crate::sandbox::vfs::{Descriptor, NodeId, NodeKind, Target, Vfs};

pub(super) fn fd_close(call: &mut Call<'_>, fd: u32) -> Outcome {
    Ok(call.state.vfs.close(fd)?)
}

pub(super) fn fd_renumber(call: &mut Call<'_>, from: u32, to: u32) -> Outcome {
    Ok(call.state.vfs.renumber(from, to)?)
}

pub(super) fn fd_fdstat_get(call: &mut Call<'_>, fd: u32, out: u32) -> Outcome {
    let stat = fdstat(&call.state.vfs, call.state.vfs.descriptor(fd)?);
    call.memory.write(out, &stat)
}

pub(super) fn fd_fdstat_set_flags(call: &mut Call<'_>, fd: u32, flags: u32) -> Outcome {
    let descriptor = call.state.vfs.descriptor_mut(fd)?;
    if flags & !FDFLAGS_ALL != 0 {
        return Err(Errno::Inval.into());
    }
    descriptor.append = flags & FDFLAG_APPEND != 0;
    descriptor.flags = flags;
    Ok(())
}

/// Rights can only be given up. Those to read, to write and to truncate by path are also asked for later; the others are
/// only remembered.
pub(super) fn fd_fdstat_set_rights(call: &mut Call<'_>, fd: u32, base: u64, inheriting: u64) -> Outcome {
    let [own, inherited] = rights(&call.state.vfs, call.state.vfs.descriptor(fd)?);
    if base & !own != 0 || inheriting & !inherited != 0 {
        return Err(Errno::Notcapable.into());
    }
    let descriptor = call.state.vfs.descriptor_mut(fd)?;
    descriptor.given_up = [RIGHTS_ALL & !base, RIGHTS_ALL & !inheriting];
    descriptor.readable &= base & RIGHT_FD_READ != 0;
    descriptor.writable &= base & RIGHT_FD_WRITE != 0;
    Ok(())
}

pub(super) fn fd_prestat_get(call: &mut Call<'_>, fd: u32, out: u32) -> Outcome {
    let path = call.state.vfs.descriptor(fd)?.preopen.ok_or(Errno::Badf)?;
    call.memory.write_u32(out, 0)?;
    call.memory.write_u32(out.wrapping_add(4), path.len() as u32)
}

pub(super) fn fd_prestat_dir_name(call: &mut Call<'_>, fd: u32, pointer: u32, length: u32) -> Outcome {
    let path = call.state.vfs.descriptor(fd)?.preopen.ok_or(Errno::Badf)?;
    if (length as usize) < path.len() {
        return Err(Errno::Nametoolong.into());
    }
    call.memory.write(pointer, path.as_bytes())
}

pub(super) fn fd_filestat_get(call: &mut Call<'_>, fd: u32, out: u32) -> Outcome {
    let target = call.state.vfs.descriptor(fd)?.target;
    let stat = filestat(call.state, target);
    call.memory.write(out, &stat)
}

pub(super) fn fd_filestat_set_size(call: &mut Call<'_>, fd: u32, size: u64) -> Outcome {
    set_size(call, fd, size, false)
}

pub(super) fn fd_allocate(call: &mut Call<'_>, fd: u32, offset: u64, length: u64) -> Outcome {
    let size = offset.checked_add(length).ok_or(Errno::Inval)?;
    set_size(call, fd, size, true)
}

pub(super) fn fd_filestat_set_times(
    call: &mut Call<'_>,
    fd: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Outcome {
    let id = node_of(&call.state.vfs, fd)?;
    set_times(call.state, id, accessed, modified, flags)
}

pub(super) fn fd_advise(call: &mut Call<'_>, fd: u32, _offset: u64, _length: u64, advice: u32) -> Outcome {
    node_of(&call.state.vfs, fd)?;
    if advice > 5 { Err(Errno::Inval.into()) } else { Ok(()) }
}

/// Nothing is kept back, so there is nothing to write out.
pub(super) fn fd_sync(call: &mut Call<'_>, fd: u32) -> Outcome {
    call.state.vfs.descriptor(fd)?;
    Ok(())
}

pub(super) fn fd_datasync(call: &mut Call<'_>, fd: u32) -> Outcome {
    fd_sync(call, fd)
}

/// The file or folder behind a descriptor.
pub(super) fn node_of(vfs: &Vfs, fd: u32) -> Result<NodeId, Fail> {
    match vfs.descriptor(fd)?.target {
        Target::Node(id) => Ok(id),
        _ => Err(Errno::Badf.into()),
    }
}

fn kind(vfs: &Vfs, target: Target) -> u8 {
    match target {
        Target::Node(id) if vfs.node(id).is_directory() => DIRECTORY,
        Target::Node(_) => REGULAR_FILE,
        _ => CHARACTER_DEVICE,
    }
}

/// Rights of a descriptor, and of what is opened through it. Libraries derive from a folder's what they may ask of the
/// files inside; what a volume refuses it refuses at the call.
fn rights(vfs: &Vfs, descriptor: &Descriptor) -> [u64; 2] {
    let own = match kind(vfs, descriptor.target) {
        DIRECTORY => RIGHTS_FOLDER,
        _ => {
            let read = if descriptor.readable { 0 } else { RIGHT_FD_READ };
            let write = if descriptor.writable { 0 } else { RIGHT_FD_WRITE };
            RIGHTS_ALL & !(read | write)
        }
    };
    [own & !descriptor.given_up[0], RIGHTS_ALL & !descriptor.given_up[1]]
}

fn fdstat(vfs: &Vfs, descriptor: &Descriptor) -> [u8; 24] {
    let [own, inherited] = rights(vfs, descriptor);
    let mut stat = [0u8; 24];
    stat[0] = kind(vfs, descriptor.target);
    // All flags that exist fit the first of the two bytes.
    stat[2] = descriptor.flags as u8;
    stat[8..16].copy_from_slice(&own.to_le_bytes());
    stat[16..24].copy_from_slice(&inherited.to_le_bytes());
    stat
}

/// The 64 bytes of a `filestat`: device 1, one link, and virtual times; that of the last change of status is that of the
/// last change.
pub(super) fn filestat(state: &State, target: Target) -> [u8; 64] {
    let kind = kind(&state.vfs, target);
    let (inode, size, accessed, modified) = match target {
        Target::Node(id) => {
            let node = state.vfs.node(id);
            (id.inode(), node.len(), node.accessed, node.modified)
        }
        _ => (0, 0, state.clock.start(), state.clock.start()),
    };
    let mut stat = [0u8; 64];
    for (at, number) in
        [(0, 1), (8, inode), (24, 1), (32, size), (40, accessed), (48, modified), (56, modified)]
    {
        stat[at..at + 8].copy_from_slice(&u64::to_le_bytes(number));
    }
    stat[16] = kind;
    stat
}

/// Sets or, for `fd_allocate`, only raises the length of a file.
fn set_size(call: &mut Call<'_>, fd: u32, size: u64, only_grow: bool) -> Outcome {
    let id = node_of(&call.state.vfs, fd)?;
    let node = call.state.vfs.node(id);
    match node.kind {
        NodeKind::Directory(_) => return Err(Errno::Isdir.into()),
        _ if !call.state.vfs.descriptor(fd)?.writable => return Err(Errno::Badf.into()),
        _ => {}
    }
    let old = node.len();
    if only_grow && size <= old {
        return Ok(());
    }
    call.state.vfs.check_room(id, size)?;
    call.charge_each(size.saturating_sub(old), meter::BYTE)?;
    let now = call.state.clock.stamp();
    Ok(call.state.vfs.resize(id, size, now)?)
}

/// Sets the times that the flags name. With no flag all stay, but a read-only volume still refuses.
pub(super) fn set_times(state: &mut State, id: NodeId, accessed: u64, modified: u64, flags: u32) -> Outcome {
    let now = state.clock.stamp();
    let chosen = |given: u32, current: u32, time: u64| match (flags & given != 0, flags & current != 0) {
        (true, true) => Err(Fail::from(Errno::Inval)),
        (true, false) => Ok(Some(time)),
        (false, true) => Ok(Some(now)),
        (false, false) => Ok(None),
    };
    if flags & !FSTFLAGS_ALL != 0 {
        return Err(Errno::Inval.into());
    }
    let accessed = chosen(FSTFLAG_ATIM, FSTFLAG_ATIM_NOW, accessed)?;
    let modified = chosen(FSTFLAG_MTIM, FSTFLAG_MTIM_NOW, modified)?;
    Ok(state.vfs.set_times(id, accessed, modified)?)
}
