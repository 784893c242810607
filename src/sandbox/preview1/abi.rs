//! Numbers of the preview 1 ABI (witx `wasi_snapshot_preview1`), as far as they are used.

use crate::sandbox::vfs::VfsError;

/// Error numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Errno {
    Success = 0,
    Badf = 8,
    Exist = 20,
    Ilseq = 25,
    Inval = 28,
    Isdir = 31,
    Mfile = 33,
    Nametoolong = 37,
    Noent = 44,
    Notdir = 54,
    Notempty = 55,
    Notsock = 57,
    Notsup = 58,
    Overflow = 61,
    Perm = 63,
    Rofs = 69,
    Spipe = 70,
    Notcapable = 76,
}

impl From<VfsError> for Option<Errno> {
    /// `None` where the error ends the run.
    fn from(error: VfsError) -> Self {
        Some(match error {
            VfsError::BadDescriptor => Errno::Badf,
            VfsError::Exists => Errno::Exist,
            VfsError::Invalid => Errno::Inval,
            VfsError::IsDirectory => Errno::Isdir,
            VfsError::NameTooLong => Errno::Nametoolong,
            VfsError::NotFound => Errno::Noent,
            VfsError::NotDirectory => Errno::Notdir,
            VfsError::NotEmpty => Errno::Notempty,
            VfsError::NotSupported => Errno::Notsup,
            VfsError::Escape => Errno::Perm,
            VfsError::ReadOnly => Errno::Rofs,
            VfsError::IllegalBytes => Errno::Ilseq,
            VfsError::TooManyOpen => Errno::Mfile,
            VfsError::OutputLimit | VfsError::HostDisk => return None,
        })
    }
}

/// File types.
pub(super) const CHARACTER_DEVICE: u8 = 2;
pub(super) const DIRECTORY: u8 = 3;
pub(super) const REGULAR_FILE: u8 = 4;

/// Rights.
pub(super) const RIGHT_FD_READ: u64 = 1 << 1;
pub(super) const RIGHT_FD_SEEK: u64 = 1 << 2;
pub(super) const RIGHT_FD_TELL: u64 = 1 << 5;
pub(super) const RIGHT_FD_WRITE: u64 = 1 << 6;
const RIGHT_FD_ALLOCATE: u64 = 1 << 8;
pub(super) const RIGHT_PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
pub(super) const RIGHT_FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
/// All rights that exist, 0 to 29.
pub(super) const RIGHTS_ALL: u64 = (1 << 30) - 1;
/// What can be done with a folder itself. Files opened through it may have all rights.
pub(super) const RIGHTS_FOLDER: u64 = RIGHTS_ALL
    & !(RIGHT_FD_READ
        | RIGHT_FD_WRITE
        | RIGHT_FD_SEEK
        | RIGHT_FD_TELL
        | RIGHT_FD_ALLOCATE
        | RIGHT_FD_FILESTAT_SET_SIZE);

/// Descriptor flags.
pub(super) const FDFLAG_APPEND: u32 = 1;
const FDFLAG_DSYNC: u32 = 2;
const FDFLAG_NONBLOCK: u32 = 4;
const FDFLAG_RSYNC: u32 = 8;
const FDFLAG_SYNC: u32 = 16;
/// All flags that exist. Those about syncing and blocking are accepted and mean nothing here.
pub(super) const FDFLAGS_ALL: u32 =
    FDFLAG_APPEND | FDFLAG_DSYNC | FDFLAG_NONBLOCK | FDFLAG_RSYNC | FDFLAG_SYNC;

/// Flags of `path_open`.
pub(super) const OFLAG_CREAT: u32 = 1;
pub(super) const OFLAG_DIRECTORY: u32 = 2;
pub(super) const OFLAG_EXCL: u32 = 4;
pub(super) const OFLAG_TRUNC: u32 = 8;

/// Flags that say which times to set.
pub(super) const FSTFLAG_ATIM: u32 = 1;
pub(super) const FSTFLAG_ATIM_NOW: u32 = 2;
pub(super) const FSTFLAG_MTIM: u32 = 4;
pub(super) const FSTFLAG_MTIM_NOW: u32 = 8;
/// All flags that exist.
pub(super) const FSTFLAGS_ALL: u32 = 15;

/// Clocks.
pub(super) const CLOCK_REALTIME: u32 = 0;
/// Monotonic (1), process CPU time (2) and thread CPU time (3) show the same counter.
pub(super) const CLOCK_LAST: u32 = 3;

/// Event types of `poll_oneoff`.
pub(super) const EVENT_CLOCK: u8 = 0;
pub(super) const EVENT_FD_READ: u8 = 1;
pub(super) const EVENT_FD_WRITE: u8 = 2;
/// Subscription flag: the timeout is a point in time, not a duration.
pub(super) const SUBCLOCK_ABSTIME: u16 = 1;
