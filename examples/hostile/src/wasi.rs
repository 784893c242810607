//! The host's functions, raw: what `std` has no name for, or checks itself before the host is asked.

pub type Fd = u32;
/// A WASI error number; `std` prints it as text only.
pub type Errno = u16;
pub type Answer<T = ()> = Result<T, Errno>;

pub const O_CREAT: u16 = 1;
pub const O_DIRECTORY: u16 = 2;
pub const FOLLOW: u32 = 1;
const RIGHTS_READ: u64 = 1 << 1;
const RIGHTS_WRITE: u64 = 1 << 6;
const RIGHTS_READDIR: u64 = 1 << 14;
pub const RIGHTS_ALL: u64 = (1 << 29) - 1;
/// A host may refuse to open a directory for reading or writing bytes.
pub const RIGHTS_FOLDER: u64 = RIGHTS_ALL & !(RIGHTS_READ | RIGHTS_WRITE);
pub const RIGHTS_LOOK: u64 = RIGHTS_READ | RIGHTS_READDIR;
pub const RIGHTS_CHANGE: u64 = RIGHTS_READ | RIGHTS_WRITE;

/// The raw imports.
pub mod raw {
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub fn args_sizes_get(count: *mut usize, bytes: *mut usize) -> u32;
        pub fn environ_sizes_get(count: *mut usize, bytes: *mut usize) -> u32;
        pub fn args_get(argv: usize, buffer: usize) -> u32;
        pub fn clock_time_get(id: u32, precision: u64, time: *mut u64) -> u32;
        pub fn clock_res_get(id: u32, resolution: *mut u64) -> u32;
        pub fn random_get(buffer: usize, len: usize) -> u32;
        pub fn fd_close(fd: u32) -> u32;
        pub fn fd_write(fd: u32, iovs: usize, len: usize, written: usize) -> u32;
        pub fn fd_prestat_get(fd: u32, prestat: *mut [u32; 2]) -> u32;
        pub fn fd_prestat_dir_name(fd: u32, path: *mut u8, len: usize) -> u32;
        pub fn fd_readdir(fd: u32, buffer: *mut u8, len: usize, cookie: u64, used: *mut usize) -> u32;
        pub fn path_create_directory(fd: u32, path: *const u8, len: usize) -> u32;
        pub fn path_filestat_get(
            fd: u32,
            flags: u32,
            path: *const u8,
            len: usize,
            stat: *mut Filestat,
        ) -> u32;
        pub fn path_filestat_set_times(
            fd: u32,
            flags: u32,
            path: *const u8,
            len: usize,
            a: u64,
            m: u64,
            set: u32,
        ) -> u32;
        pub fn path_open(
            fd: u32,
            lookup: u32,
            path: *const u8,
            len: usize,
            oflags: u32,
            base: u64,
            inheriting: u64,
            fdflags: u32,
            opened: *mut u32,
        ) -> u32;
        pub fn path_symlink(old: *const u8, old_len: usize, fd: u32, new: *const u8, new_len: usize) -> u32;
        pub fn path_link(
            old_fd: u32,
            flags: u32,
            old: *const u8,
            old_len: usize,
            new_fd: u32,
            new: *const u8,
            new_len: usize,
        ) -> u32;
    }

    /// `filestat` as the host lays it out.
    #[repr(C)]
    #[derive(Default, Clone, Copy)]
    pub struct Filestat {
        pub device: u64,
        pub inode: u64,
        pub kind: u8,
        pub links: u64,
        pub size: u64,
        pub accessed: u64,
        pub modified: u64,
        pub changed: u64,
    }
}

fn answer(errno: u32) -> Answer {
    if errno == 0 { Ok(()) } else { Err(errno as Errno) }
}

/// The folders the host opened before the start: descriptor and name.
pub fn preopens() -> Vec<(Fd, String)> {
    let mut found = Vec::new();
    for fd in 3.. {
        let mut prestat = [0; 2];
        // SAFETY: the host fills a `prestat`, a tag and a length.
        if unsafe { raw::fd_prestat_get(fd, &mut prestat) } != 0 {
            break;
        }
        let mut name = vec![0; prestat[1] as usize];
        // SAFETY: the buffer has the length that the host named.
        unsafe { raw::fd_prestat_dir_name(fd, name.as_mut_ptr(), name.len()) };
        found.push((fd, String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned()));
    }
    found
}

/// The preopened folder of this name.
pub fn preopen(name: &str) -> Answer<Fd> {
    const NOENT: Errno = 44;
    preopens().into_iter().find(|(_, path)| path == name).map(|(fd, _)| fd).ok_or(NOENT)
}

/// Opens `path` below `fd` with exactly these flags and rights.
pub fn open(fd: Fd, lookup: u32, path: &str, oflags: u16, rights: u64) -> Answer<Fd> {
    let mut opened = 0;
    let inheriting = if oflags & O_DIRECTORY == 0 { 0 } else { rights };
    // SAFETY: pointers and lengths come from live values.
    let errno = unsafe {
        raw::path_open(
            fd,
            lookup,
            path.as_ptr(),
            path.len(),
            oflags.into(),
            rights,
            inheriting,
            0,
            &mut opened,
        )
    };
    answer(errno).map(|()| opened)
}

pub fn close(fd: Fd) {
    // SAFETY: a number only.
    unsafe { raw::fd_close(fd) };
}

pub fn write(fd: Fd, bytes: &[u8]) -> Answer<usize> {
    let (iov, mut count) = ([bytes.as_ptr() as usize, bytes.len()], 0usize);
    // SAFETY: one vector over a live buffer, which the host only reads.
    answer(unsafe { raw::fd_write(fd, iov.as_ptr() as usize, 1, &raw mut count as usize) })?;
    Ok(count)
}

pub fn create_directory(fd: Fd, path: &str) -> Answer {
    // SAFETY: pointer and length of a live string.
    answer(unsafe { raw::path_create_directory(fd, path.as_ptr(), path.len()) })
}

pub fn symlink(target: &str, fd: Fd, path: &str) -> Answer {
    // SAFETY: pointers and lengths of live strings.
    answer(unsafe { raw::path_symlink(target.as_ptr(), target.len(), fd, path.as_ptr(), path.len()) })
}

pub fn link(old_fd: Fd, lookup: u32, old: &str, new_fd: Fd, new: &str) -> Answer {
    // SAFETY: pointers and lengths of live strings.
    answer(unsafe {
        raw::path_link(old_fd, lookup, old.as_ptr(), old.len(), new_fd, new.as_ptr(), new.len())
    })
}

pub fn stat(fd: Fd, path: &str) -> Answer<raw::Filestat> {
    let mut stat = raw::Filestat::default();
    // SAFETY: the layout is the host's.
    answer(unsafe { raw::path_filestat_get(fd, 0, path.as_ptr(), path.len(), &mut stat) })?;
    Ok(stat)
}

/// Sets both times of `path` to `time`.
pub fn set_times(fd: Fd, path: &str, time: u64) -> Answer {
    const BOTH_AS_GIVEN: u32 = 1 | 4;
    // SAFETY: pointer and length of a live string.
    answer(unsafe {
        raw::path_filestat_set_times(fd, 0, path.as_ptr(), path.len(), time, time, BOTH_AS_GIVEN)
    })
}

/// An entry of a directory as the host lists it: name, inode, whether it is a directory.
pub type Entry = (String, u64, bool);

/// Lists a directory in the host's order, through a small buffer so that listings have to be continued.
pub fn list(fd: Fd) -> Answer<Vec<Entry>> {
    const HEAD: usize = 24;
    const DIRECTORY: u8 = 3;
    let (mut entries, mut cookie, mut buffer) = (Vec::new(), 0u64, [0u8; 512]);
    loop {
        let mut used = 0;
        // SAFETY: the buffer is live and its length given.
        answer(unsafe { raw::fd_readdir(fd, buffer.as_mut_ptr(), buffer.len(), cookie, &mut used) })?;
        let (mut rest, before) = (&buffer[..used], entries.len());
        while let Some((head, tail)) = rest.split_at_checked(HEAD) {
            let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
            let Some((name, after)) = tail.split_at_checked(long(16) as u32 as usize) else { break };
            cookie = long(0);
            entries.push((String::from_utf8_lossy(name).into_owned(), long(8), head[20] == DIRECTORY));
            rest = after;
        }
        if used < buffer.len() || entries.len() == before {
            return Ok(entries);
        }
    }
}
