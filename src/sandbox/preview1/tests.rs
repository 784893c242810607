//! Preview 1 functions called as an engine calls them, without one: what the guest gets for what it asks.

use std::collections::BTreeMap;

use brizo_receipt::{B256, Invocation};

use super::abi::*;
use super::call::{Call, Outcome};
use super::{descriptors, files, folders, poll, sockets};
use crate::sandbox::clock::VirtualClock;
use crate::sandbox::random::SeededRandom;
use crate::sandbox::state::State;
use crate::sandbox::vfs::Vfs;

const START: u64 = 1_000_000;
/// The volume's descriptor.
const VOLUME: u32 = 3;
/// Where answers are written.
const OUT: u32 = 1024;

/// A guest without code: memory, and the state of a run over one volume with the file `a`.
struct Guest {
    memory: Vec<u8>,
    state: State,
}

impl Guest {
    fn new() -> Self {
        let files = BTreeMap::from([("a".to_string(), b"hello".to_vec())]);
        let vfs = Vfs::of_one_volume("/", &["folder".to_string()], &files, START).unwrap();
        let random = SeededRandom::new(B256::ZERO);
        let state = State::new(vfs, VirtualClock::new(START, 10), random, 0, &Invocation::default());
        Self { memory: vec![0; 4096], state }
    }

    fn call(&mut self, function: impl FnOnce(&mut Call<'_>) -> Outcome) -> Errno {
        Call::perform(&mut self.memory, &mut self.state, u64::MAX, function).1.unwrap()
    }

    fn open(&mut self, path: &str, oflags: u32, rights: u64, fdflags: u32) -> Result<u32, Errno> {
        self.memory[..path.len()].copy_from_slice(path.as_bytes());
        let length = path.len() as u32;
        let errno = self.call(|call| {
            folders::path_open(call, VOLUME, 0, 0, length, oflags, rights, u64::MAX, fdflags, OUT)
        });
        if errno == Errno::Success { Ok(self.number(OUT, 4) as u32) } else { Err(errno) }
    }

    fn number(&self, at: u32, bytes: usize) -> u64 {
        self.memory[at as usize..at as usize + bytes]
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | u64::from(*byte))
    }

    /// Flags, rights and inherited rights.
    fn fdstat(&mut self, fd: u32) -> (u32, u64, u64) {
        assert_eq!(self.call(|call| descriptors::fd_fdstat_get(call, fd, OUT)), Errno::Success);
        (self.number(OUT + 2, 2) as u32, self.number(OUT + 8, 8), self.number(OUT + 16, 8))
    }

    /// Times of access and of the last change.
    fn times(&mut self, fd: u32) -> (u64, u64) {
        assert_eq!(self.call(|call| descriptors::fd_filestat_get(call, fd, OUT)), Errno::Success);
        (self.number(OUT + 40, 8), self.number(OUT + 48, 8))
    }
}

#[test]
fn no_descriptor_is_a_socket() {
    let mut guest = Guest::new();
    for (fd, errno) in [(0, Errno::Notsock), (1, Errno::Notsock), (VOLUME, Errno::Notsock), (99, Errno::Badf)]
    {
        assert_eq!(guest.call(|call| sockets::sock_accept(call, fd, 0, OUT)), errno, "accept {fd}");
        assert_eq!(guest.call(|call| sockets::sock_recv(call, fd, 0, 0, 0, OUT, OUT)), errno, "recv {fd}");
        assert_eq!(guest.call(|call| sockets::sock_send(call, fd, 0, 0, 0, OUT)), errno, "send {fd}");
        assert_eq!(guest.call(|call| sockets::sock_shutdown(call, fd, 0)), errno, "shutdown {fd}");
    }
}

#[test]
fn access_and_change_are_two_times() {
    let mut guest = Guest::new();
    let fd = guest.open("a", 0, RIGHT_FD_READ | RIGHT_FD_WRITE, 0).unwrap();
    let mut set = |accessed, modified, flags| {
        let errno =
            guest.call(|call| descriptors::fd_filestat_set_times(call, fd, accessed, modified, flags));
        (errno, guest.times(fd))
    };
    assert_eq!(set(1, 2, FSTFLAG_MTIM), (Errno::Success, (START, 2)));
    assert_eq!(set(3, 4, FSTFLAG_ATIM), (Errno::Success, (3, 2)));
    assert_eq!(set(5, 6, FSTFLAG_ATIM_NOW | FSTFLAG_MTIM), (Errno::Success, (START, 6)));
    assert_eq!(set(7, 8, FSTFLAG_MTIM_NOW), (Errno::Success, (START, START)));
    assert_eq!(set(9, 9, 0), (Errno::Success, (START, START)));
    for flags in [FSTFLAG_ATIM | FSTFLAG_ATIM_NOW, FSTFLAG_MTIM | FSTFLAG_MTIM_NOW, 16] {
        assert_eq!(set(9, 9, flags), (Errno::Inval, (START, START)), "{flags}");
    }
}

#[test]
fn flags_are_shown_to_whoever_set_them() {
    let mut guest = Guest::new();
    let sync = 16;
    let fd = guest.open("a", 0, RIGHT_FD_READ | RIGHT_FD_WRITE, FDFLAG_APPEND | sync).unwrap();
    assert_eq!(guest.fdstat(fd).0, FDFLAG_APPEND | sync);
    assert_eq!(guest.call(|call| descriptors::fd_fdstat_set_flags(call, fd, sync)), Errno::Success);
    assert_eq!(guest.fdstat(fd).0, sync);
    assert_eq!(guest.call(|call| descriptors::fd_fdstat_set_flags(call, fd, 32)), Errno::Inval);
    assert_eq!(guest.fdstat(fd).0, sync);
}

#[test]
fn a_folder_cannot_be_written_or_positioned_and_says_so() {
    let mut guest = Guest::new();
    let (_, rights, inherited) = guest.fdstat(VOLUME);
    for right in [RIGHT_FD_READ, RIGHT_FD_SEEK, RIGHT_FD_TELL, RIGHT_FD_WRITE, RIGHT_FD_FILESTAT_SET_SIZE] {
        assert_eq!((rights & right, inherited & right), (0, right), "{right:#x}");
    }
    for oflags in [0, OFLAG_DIRECTORY] {
        assert_eq!(guest.open("folder", oflags, RIGHT_FD_READ | RIGHT_FD_WRITE, 0), Err(Errno::Isdir));
        assert!(guest.open("folder", oflags, RIGHT_FD_READ, 0).is_ok());
        assert!(guest.open(".", oflags, rights, 0).is_ok(), "what it shows may be asked for again");
    }
}

#[test]
fn rights_are_given_up_and_never_gained() {
    let mut guest = Guest::new();
    let fd = guest.open("a", 0, RIGHT_FD_READ | RIGHT_FD_WRITE, 0).unwrap();
    let (_, rights, inherited) = guest.fdstat(fd);
    let less = rights & !RIGHT_FD_WRITE;
    assert_eq!(
        guest.call(|call| descriptors::fd_fdstat_set_rights(call, fd, less, inherited)),
        Errno::Success
    );
    assert_eq!(guest.fdstat(fd).1, less);
    assert_eq!(guest.call(|call| files::fd_write(call, fd, 0, 0, OUT)), Errno::Badf);
    for (base, inheriting) in [(rights, inherited), (less, u64::MAX)] {
        assert_eq!(
            guest.call(|call| descriptors::fd_fdstat_set_rights(call, fd, base, inheriting)),
            Errno::Notcapable
        );
    }
    assert_eq!(guest.fdstat(fd), (0, less, inherited), "a refusal changes nothing");
}

#[test]
fn truncating_needs_the_folders_right() {
    let mut guest = Guest::new();
    let (_, rights, inherited) = guest.fdstat(VOLUME);
    let less = rights & !RIGHT_PATH_FILESTAT_SET_SIZE;
    assert_ne!(less, rights);
    let given_up = guest.call(|call| descriptors::fd_fdstat_set_rights(call, VOLUME, less, inherited));
    assert_eq!(given_up, Errno::Success);
    assert_eq!(guest.open("a", OFLAG_TRUNC, RIGHT_FD_WRITE, 0), Err(Errno::Notcapable));
    let fd = guest.open("a", 0, RIGHT_FD_WRITE, 0).unwrap();
    assert_eq!(guest.call(|call| descriptors::fd_filestat_get(call, fd, OUT)), Errno::Success);
    assert_eq!(guest.number(OUT + 32, 8), 5, "the content is still there");
}

/// Much of it in one buffer, what went to the disk and what is behind the end: a guest reads back what it wrote.
#[test]
fn what_went_to_the_disk_is_read_back_into_large_buffers() {
    const OUTPUTS: u32 = 5;
    const MIB: usize = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    let vfs = Vfs::new(&[], &[], START, 1 << 26, 4).unwrap().with_scratch(Some(folder.path().into()));
    let mut guest = Guest::new();
    guest.state.vfs = vfs;
    guest.memory = vec![0; 40 * MIB];
    guest.memory[..1].copy_from_slice(b"b");
    let opened = guest.call(|call| {
        folders::path_open(
            call,
            OUTPUTS,
            0,
            0,
            1,
            OFLAG_CREAT,
            RIGHT_FD_READ | RIGHT_FD_WRITE,
            u64::MAX,
            0,
            OUT,
        )
    });
    assert_eq!(opened, Errno::Success);
    let fd = guest.number(OUT, 4) as u32;
    let iovec = |guest: &mut Guest, buffers: &[(usize, usize)]| {
        for (at, (pointer, length)) in buffers.iter().enumerate() {
            let both = [*pointer as u32, *length as u32].map(u32::to_le_bytes).concat();
            guest.memory[8 * at..8 * at + 8].copy_from_slice(&both);
        }
        buffers.len() as u32
    };
    let written: Vec<u8> = (0..35 * MIB).map(|at| (at % 251) as u8).collect();
    guest.memory[2 * MIB..37 * MIB].copy_from_slice(&written);
    let count = iovec(&mut guest, &[(2 * MIB, 35 * MIB)]);
    assert_eq!(guest.call(|call| files::fd_write(call, fd, 0, count, OUT)), Errno::Success);
    guest.memory[2 * MIB..].fill(0);
    // In two buffers, from a byte on, and with more room than there is.
    let count = iovec(&mut guest, &[(2 * MIB, 34 * MIB), (37 * MIB, 0), (36 * MIB, 3 * MIB)]);
    assert_eq!(guest.call(|call| files::fd_pread(call, fd, 0, count, 1, OUT)), Errno::Success);
    assert_eq!(guest.number(OUT, 4) as usize, 35 * MIB - 1);
    assert!(guest.memory[2 * MIB..37 * MIB - 1] == written[1..]);
    assert!(guest.memory[37 * MIB - 1..].iter().all(|byte| *byte == 0), "nothing behind the end");
    let mut beyond = |offset| {
        let errno = guest.call(|call| files::fd_pread(call, fd, 0, count, offset, OUT));
        (errno, guest.number(OUT, 4))
    };
    for offset in [35 << 20, (35 << 20) + 1, i64::MAX as u64] {
        assert_eq!(beyond(offset), (Errno::Success, 0), "{offset}");
    }
    assert!(!guest.state.vfs.failed());
}

/// Small buffers go through the host's memory together, and of very many the first ones are served.
#[test]
fn buffers_of_every_size_are_filled_and_written_in_order() {
    const LIST: u32 = 200_000;
    let sizes: Vec<u32> = [1, 0, 7, 70_000, 3, 20_000, 16_383, 16_384].into_iter().chain([2; 900]).collect();
    let total: u32 = sizes.iter().sum();
    let bytes: Vec<u8> = (0..total).map(|n| (n % 251) as u8).collect();
    let mut guest = Guest::new();
    guest.memory = vec![0; 400_000];
    let mut at = 0u32;
    for (index, size) in sizes.iter().enumerate() {
        let place = LIST as usize + 8 * index;
        guest.memory[place..place + 4].copy_from_slice(&at.to_le_bytes());
        guest.memory[place + 4..place + 8].copy_from_slice(&size.to_le_bytes());
        at += size;
    }
    let fd = guest.open("b", OFLAG_CREAT, RIGHT_FD_READ | RIGHT_FD_WRITE, 0).unwrap();
    guest.memory[..total as usize].copy_from_slice(&bytes);
    let (count, out) = (sizes.len() as u32, 399_000);
    assert_eq!(guest.call(|call| files::fd_write(call, fd, LIST, count, out)), Errno::Success);
    assert_eq!(guest.number(out, 4), u64::from(total));
    guest.memory[..total as usize].fill(0);
    assert_eq!(guest.call(|call| files::fd_pread(call, fd, LIST, count, 0, out)), Errno::Success);
    assert_eq!(guest.number(out, 4), u64::from(total));
    assert!(guest.memory[..total as usize] == bytes);
    // From the middle of the first small ones on, and beyond the end.
    assert_eq!(guest.call(|call| files::fd_pread(call, fd, LIST, count, 5, out)), Errno::Success);
    assert_eq!(guest.number(out, 4), u64::from(total - 5));
    assert!(guest.memory[..total as usize - 5] == bytes[5..]);
    // Behind the end, the first of them empty, and one that is large enough to go by itself.
    for (at, size) in [(0, 0), (1, 1), (2, 20_000u32)].map(|(index, size)| (LIST as usize + 8 * index, size))
    {
        guest.memory[at..at + 8].copy_from_slice(&[0u32.to_le_bytes(), size.to_le_bytes()].concat());
    }
    let behind = u64::from(total) + 1_000;
    assert_eq!(guest.call(|call| files::fd_pwrite(call, fd, LIST, 3, behind, out)), Errno::Success);
    assert_eq!(guest.number(out, 4), 20_001);
    // 5,000 buffers of one byte.
    let ones: Vec<u8> = (0..5_000u32).flat_map(|n| [n.to_le_bytes(), 1u32.to_le_bytes()].concat()).collect();
    guest.memory[LIST as usize..LIST as usize + ones.len()].copy_from_slice(&ones);
    assert_eq!(guest.call(|call| files::fd_pread(call, fd, LIST, 5_000, 0, out)), Errno::Success);
    assert_eq!(guest.number(out, 4), 1_024);
}

#[test]
fn what_is_longer_or_more_than_can_be_is_refused_without_a_copy() {
    let mut guest = Guest::new();
    guest.memory = vec![b'x'; 4 << 20];
    let path = |call: &mut Call<'_>| folders::path_create_directory(call, VOLUME, 0, 4 << 20);
    assert_eq!(guest.call(path), Errno::Nametoolong);
    let path = |call: &mut Call<'_>| folders::path_create_directory(call, 99, 0, 4 << 20);
    assert_eq!(guest.call(path), Errno::Badf, "as with a short one");
    assert_eq!(guest.call(|call| poll::poll_oneoff(call, 0, 0, 65_537, OUT)), Errno::Inval);
}
