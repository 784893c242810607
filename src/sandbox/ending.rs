//! How a run ended: the types, and the rules by which an engine's result becomes one of them.

use std::collections::BTreeMap;

use brizo_receipt::{B256, Entry, EntryKind, Manifest, Outcome, Status, TrapCode};
use wasmtime::{ThrownException, Trap};

use super::limits::HostMemory;
use super::meter::Left;
use super::state::{State, Stop};
use super::vfs::Vfs;
use super::written::Written;

/// How a run ended, deterministically.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The sort of end.
    pub status: Status,
    /// The guest's exit code; 0 unless the status is [`Status::Exit`].
    pub exit_code: u32,
    /// The trap, if there was one.
    pub trap: Option<TrapCode>,
    /// Fuel charged, by the profile's rules.
    pub fuel_used: u64,
    /// Bytes of outputs and streams.
    pub output_bytes: u64,
}

impl Ending {
    /// The outcome as it stands in a claim.
    #[must_use]
    pub fn outcome(&self, outputs_root: B256) -> Outcome {
        Outcome {
            status: self.status as u8,
            exit_code: self.exit_code,
            trap_code: self.trap.map_or(0, |trap| trap as u32),
            fuel_used: self.fuel_used,
            output_bytes: self.output_bytes,
            outputs_root,
        }
    }
}

/// What the guest left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Files by path below `/data/outputs`.
    pub files: BTreeMap<String, Written>,
    /// Folders by path, sorted.
    pub folders: Vec<String>,
    /// Captured standard output.
    pub stdout: Vec<u8>,
    /// Captured standard error.
    pub stderr: Vec<u8>,
}

/// Why the host ended a run. No claim is made, nothing is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Aborted {
    /// Somebody asked for it.
    #[error("the run was stopped")]
    Stopped,
    /// The wall-clock ceiling was reached.
    #[error("the run reached the host's wall-clock ceiling")]
    WallClock,
    /// The native stack was exhausted, at a depth that another host might not share.
    #[error(
        "the guest exhausted the native call stack (endless recursion?); this depth cannot be reproduced elsewhere"
    )]
    NativeStack,
    /// The host ran out of memory.
    #[error("the host had no memory left for the guest")]
    HostMemory,
    /// The host's disk could not keep what the guest wrote.
    #[error("the host could not keep on its disk what the guest wrote")]
    HostDisk,
    /// The engine failed in a way that the profile does not know.
    #[error("the engine failed")]
    Engine,
}

impl Aborted {
    /// Stable machine-readable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Stopped => "run_stopped",
            Self::WallClock => "run_timed_out",
            Self::NativeStack => "run_native_stack",
            Self::HostMemory => "run_host_memory",
            Self::HostDisk => "run_host_disk",
            Self::Engine => "run_engine_failure",
        }
    }
}

/// A run that has a claim, or was aborted.
pub type RunResult = Result<(Ending, Outputs), Aborted>;

impl Outputs {
    /// Takes the outputs out of a file system.
    pub(super) fn of(vfs: &mut Vfs) -> Self {
        let (files, folders) = vfs.take_outputs();
        let (stdout, stderr) = (std::mem::take(&mut vfs.stdout), std::mem::take(&mut vfs.stderr));
        Self { files, folders, stdout, stderr }
    }

    /// Bytes of all files and both streams.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let files: u64 = self.files.values().map(Written::len).sum();
        files + (self.stdout.len() + self.stderr.len()) as u64
    }

    /// The manifest over files, folders and both streams.
    ///
    /// # Errors
    /// When a file cannot be read back from the disk; never for its path, because the sandbox takes only those that manifests take.
    pub fn manifest(&self) -> brizo_receipt::Result<Manifest> {
        let unread = |path: &str, e: std::io::Error| {
            brizo_receipt::Error::Manifest(format!("output {path:?} cannot be read back: {e}"))
        };
        let file = |(path, written): (&String, &Written)| {
            let digest = written.digest().map_err(|e| unread(path, e))?;
            Ok(Entry { kind: EntryKind::File, path: path.clone(), size: written.len(), digest })
        };
        let files = self.files.iter().map(file).collect::<brizo_receipt::Result<Vec<_>>>()?;
        let folders = self.folders.iter().map(|path| Entry::of(EntryKind::Directory, path, &[]));
        let streams = [("stdout", &self.stdout), ("stderr", &self.stderr)];
        let streams = streams.into_iter().map(|(name, bytes)| Entry::of(EntryKind::Stream, name, bytes));
        Manifest::new(files.into_iter().chain(folders).chain(streams).collect())
    }
}

/// The ending by the profile's rules, and the outputs, which are taken out of the state.
pub(super) fn ending(sort: Sort, fuel_limit: u64, left: Left, state: &mut State) -> (Ending, Outputs) {
    let refused_memory = state.memory_limiter.refused();
    let (status, exit_code, trap) = match sort {
        // Code without loops may overdraw before the next look: then the limit was the first thing that was met.
        _ if left.fuel < 0 => (Status::OutOfFuel, 0, None),
        Sort::OutOfFuel => (Status::OutOfFuel, 0, None),
        _ if left.depth < 0 => (Status::StackLimit, 0, None),
        Sort::Exit(code) => (Status::Exit, code, None),
        Sort::Trap(code) if refused_memory => (Status::MemoryLimit, 0, Some(code)),
        Sort::Trap(code) => (Status::Trap, 0, Some(code)),
        Sort::OutputLimit => (Status::OutputLimit, 0, None),
    };
    let fuel_used = match status {
        Status::OutOfFuel => fuel_limit,
        _ => fuel_limit - left.fuel.unsigned_abs(),
    };
    let outputs = Outputs::of(&mut state.vfs);
    // What is charged is what is there: a removed file that was still open is not.
    let ending = Ending { status, exit_code, trap, fuel_used, output_bytes: outputs.bytes() };
    (ending, outputs)
}

/// How a run ended, before the limits have their say.
pub(super) enum Sort {
    Exit(u32),
    Trap(TrapCode),
    OutOfFuel,
    OutputLimit,
}

impl Stop {
    /// The end that a host function asked for.
    pub(super) fn sort(self) -> Result<Sort, Aborted> {
        match self {
            Self::Exit(code) => Ok(Sort::Exit(code)),
            Self::OutOfFuel => Ok(Sort::OutOfFuel),
            Self::OutputLimit => Ok(Sort::OutputLimit),
            Self::BadPointer => Ok(Sort::Trap(TrapCode::BadPointer)),
            Self::Engine | Self::Interrupted => Err(Aborted::Engine),
        }
    }
}

/// The one place where the engine's errors become ends.
pub(super) fn sort_of(result: &wasmtime::Result<i32>, refused_memory: bool) -> Result<Sort, Aborted> {
    let error = match result {
        // The program's own number, whose bits are the exit code.
        Ok(code) => return Ok(Sort::Exit(*code as u32)),
        Err(error) => error,
    };
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.sort();
    }
    if error.downcast_ref::<HostMemory>().is_some() {
        return Err(Aborted::HostMemory);
    }
    if error.downcast_ref::<ThrownException>().is_some() {
        return Ok(Sort::Trap(TrapCode::UncaughtException));
    }
    let trap = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return Err(Aborted::NativeStack),
        Some(Trap::UnreachableCodeReached) => TrapCode::Unreachable,
        Some(Trap::MemoryOutOfBounds) => TrapCode::MemoryOutOfBounds,
        Some(Trap::IntegerDivisionByZero) => TrapCode::DivisionByZero,
        Some(Trap::IntegerOverflow) => TrapCode::IntegerOverflow,
        Some(Trap::BadConversionToInteger) => TrapCode::BadConversion,
        Some(Trap::IndirectCallToNull) => TrapCode::IndirectCallToNull,
        Some(Trap::BadSignature) => TrapCode::BadSignature,
        Some(Trap::TableOutOfBounds) => TrapCode::TableOutOfBounds,
        Some(Trap::NullReference) => TrapCode::NullReference,
        // A memory larger than ordered at the very start is refused by the limiter as a plain error.
        None if refused_memory => TrapCode::Unreachable,
        _ => {
            tracing::error!(error = %format!("{error:#}"), "unknown engine failure");
            return Err(Aborted::Engine);
        }
    };
    Ok(Sort::Trap(trap))
}
