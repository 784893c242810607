//! What a component can hold a handle of.

#![expect(unreachable_pub, reason = "the generated bindings re-export these types")]

use super::bindings::filesystem::ErrorCode;
use crate::sandbox::vfs::Listing;

/// An open file or folder.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    /// Its number in the file system's table.
    pub(super) fd: u32,
    /// Whether it is a volume, which stays open when the handle is dropped.
    pub(super) volume: bool,
}

/// A walk through a folder as it was when the walk began.
#[derive(Debug)]
pub struct Entries {
    pub(super) listing: Listing,
    pub(super) next: usize,
}

/// Something that can be waited for.
#[derive(Debug, Clone, Copy)]
pub enum Pollable {
    /// A stream: always ready.
    Ready,
    /// A point in virtual time, in nanoseconds since the start of the run.
    Clock(u64),
}

/// A stream that is read.
#[derive(Debug, Clone, Copy)]
pub enum Input {
    /// Standard input: at its end.
    Empty,
    /// A descriptor of its own, whose position is the stream's.
    File(u32),
}

/// A stream that is written.
#[derive(Debug, Clone, Copy)]
pub enum Output {
    /// Standard output, captured.
    Stdout,
    /// Standard error, captured.
    Stderr,
    /// A descriptor of its own, whose position is the stream's.
    File(u32),
}

/// What went wrong in a stream.
#[derive(Debug, Clone, Copy)]
pub struct IoError(pub(super) ErrorCode);
