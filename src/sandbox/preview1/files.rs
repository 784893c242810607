//! Reading, writing and positioning.

use super::abi::Errno;
use super::call::{Call, Fail, Outcome};
use crate::sandbox::meter;
use crate::sandbox::vfs::{NodeId, Target, VfsError};

/// Buffers smaller than this go through the host's memory together: a file that lies on the disk is asked once for many.
const SMALL_BYTES: u64 = 16 << 10;
/// Bytes that go together.
const STAGED_BYTES: u64 = 64 << 10;

pub(super) fn fd_read(call: &mut Call<'_>, fd: u32, buffers: u32, count: u32, out: u32) -> Outcome {
    let read = read(call, fd, buffers, count, None)?;
    call.memory.write_u32(out, read)
}

pub(super) fn fd_pread(
    call: &mut Call<'_>,
    fd: u32,
    buffers: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Outcome {
    let read = read(call, fd, buffers, count, Some(offset))?;
    call.memory.write_u32(out, read)
}

pub(super) fn fd_write(call: &mut Call<'_>, fd: u32, buffers: u32, count: u32, out: u32) -> Outcome {
    let written = write(call, fd, buffers, count, None)?;
    call.memory.write_u32(out, written)
}

pub(super) fn fd_pwrite(
    call: &mut Call<'_>,
    fd: u32,
    buffers: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Outcome {
    let written = write(call, fd, buffers, count, Some(offset))?;
    call.memory.write_u32(out, written)
}

pub(super) fn fd_tell(call: &mut Call<'_>, fd: u32, out: u32) -> Outcome {
    fd_seek(call, fd, 0, 1, out)
}

/// The file behind a descriptor.
fn file(call: &Call<'_>, fd: u32) -> Result<NodeId, Fail> {
    match call.state.vfs.descriptor(fd)?.target {
        Target::Node(id) if call.state.vfs.node(id).is_directory() => Err(Errno::Isdir.into()),
        Target::Node(id) => Ok(id),
        _ => Err(Errno::Spipe.into()),
    }
}

/// Fills buffers as far as the file reaches, the first 1,024 of them: for fewer there are no short reads but at the end.
fn read(call: &mut Call<'_>, fd: u32, buffers: u32, count: u32, offset: Option<u64>) -> Result<u32, Fail> {
    let descriptor = call.state.vfs.descriptor(fd)?;
    if !descriptor.readable {
        return Err(Errno::Badf.into());
    }
    if descriptor.target == Target::Stdin {
        return if offset.is_some() { Err(Errno::Spipe.into()) } else { Ok(0) };
    }
    let start = offset.unwrap_or(descriptor.position);
    let id = file(call, fd)?;
    call.charge_each(u64::from(count), meter::BYTE)?;
    let buffers = call.memory.buffers(buffers, count)?;
    let room: u64 = buffers.iter().map(|(_, length)| u64::from(*length)).sum();
    let there = call.state.vfs.node(id).len().saturating_sub(start);
    let total = room.min(there).min(u64::from(u32::MAX));
    call.charge_each(total, meter::BYTE)?;
    let (mut at, end) = (start, start + total);
    let (mut staged, mut staged_at) = (Vec::new(), start);
    for (pointer, length) in buffers {
        // Both numbers fit the buffer's length.
        let now = u64::from(length).min(end - at);
        let to = call.memory.slice(pointer, now as u32)?;
        if now == end - at || now >= SMALL_BYTES {
            // Straight into the guest's memory: a buffer may be as large as that.
            call.state.vfs.fill(id, at, to)?;
        } else {
            if at < staged_at || at + now > staged_at + staged.len() as u64 {
                staged.resize((end - at).min(STAGED_BYTES) as usize, 0);
                call.state.vfs.fill(id, at, &mut staged)?;
                staged_at = at;
            }
            let from = (at - staged_at) as usize;
            to.copy_from_slice(&staged[from..from + now as usize]);
        }
        at += now;
    }
    if offset.is_none() {
        call.state.vfs.descriptor_mut(fd)?.position = start + total;
    }
    Ok(total as u32)
}

/// Writes the buffers, the first 1,024 of them: for fewer there are no short writes. What does not fit the order ends the run.
fn write(call: &mut Call<'_>, fd: u32, buffers: u32, count: u32, offset: Option<u64>) -> Result<u32, Fail> {
    let descriptor = call.state.vfs.descriptor(fd)?;
    if !descriptor.writable {
        return Err(Errno::Badf.into());
    }
    let (target, position, append) = (descriptor.target, descriptor.position, descriptor.append);
    call.charge_each(u64::from(count), meter::BYTE)?;
    let buffers = call.memory.buffers(buffers, count)?;
    let total: u64 = buffers.iter().map(|(_, length)| u64::from(*length)).sum();
    let written = u32::try_from(total).map_err(|_| Errno::Inval)?;
    call.charge_each(total, meter::BYTE)?;
    let Target::Node(id) = target else {
        if offset.is_some() {
            return Err(Errno::Spipe.into());
        }
        for (pointer, length) in buffers {
            call.state.vfs.append(target, call.memory.read(pointer, length)?)?;
        }
        return Ok(written);
    };
    let mut place = match offset {
        Some(offset) => offset,
        None if append => call.state.vfs.node(id).len(),
        None => position,
    };
    if total == 0 {
        return Ok(0);
    }
    call.state.vfs.check_room(id, place.saturating_add(total))?;
    // A jump past the end fills the gap with zeros, which is work for the host too.
    call.charge(place.saturating_sub(call.state.vfs.node(id).len()))?;
    let now = call.state.clock.stamp();
    let vfs = &mut call.state.vfs;
    let mut put = |bytes: &[u8]| {
        vfs.write(id, place, bytes, now)?;
        place = place.saturating_add(bytes.len() as u64);
        Ok::<(), VfsError>(())
    };
    let (single, mut staged) = (buffers.len() == 1, Vec::new());
    for (pointer, length) in buffers {
        let bytes = call.memory.read(pointer, length)?;
        if !single && u64::from(length) < SMALL_BYTES {
            staged.extend_from_slice(bytes);
        } else {
            put(&std::mem::take(&mut staged))?;
            put(bytes)?;
        }
        if staged.len() as u64 >= STAGED_BYTES {
            put(&std::mem::take(&mut staged))?;
        }
    }
    put(&staged)?;
    if offset.is_none() {
        call.state.vfs.descriptor_mut(fd)?.position = place;
    }
    Ok(written)
}

/// Moves the position. Beyond the end is allowed, before the start is not.
pub(super) fn fd_seek(call: &mut Call<'_>, fd: u32, offset: i64, whence: u32, out: u32) -> Outcome {
    let id = file(call, fd)?;
    let base = match whence {
        0 => 0,
        1 => call.state.vfs.descriptor(fd)?.position,
        2 => call.state.vfs.node(id).len(),
        _ => return Err(Errno::Inval.into()),
    };
    let position = base.checked_add_signed(offset).ok_or(VfsError::Invalid)?;
    if position > i64::MAX as u64 {
        return Err(Errno::Overflow.into());
    }
    call.state.vfs.descriptor_mut(fd)?.position = position;
    call.memory.write_u64(out, position)
}
