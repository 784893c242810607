//! The child's side of `compiler`: takes its ceilings upon itself, then a module in and machine code out.

use std::io::{Read, Write};

use rustix::process::{Resource, Rlimit, Signal, getppid, nice, setrlimit};

use super::{Backend, Error, Kind, compiler, engine};

/// What is left to the rest of the host.
const NICENESS: i32 = 10;

/// What the child is told on its command line.
#[derive(Debug, Clone, Copy)]
pub struct CompileWork {
    /// What the module is.
    pub kind: Kind,
    /// What it is compiled for.
    pub backend: Backend,
    /// Processor seconds, all threads together.
    pub cpu_seconds: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Process id of the parent, without which there is nothing to do.
    pub parent: u32,
}

impl CompileWork {
    /// Compiles the module on standard input to standard output.
    ///
    /// # Errors
    /// [`Error::Compile`] when the module cannot be compiled, [`Error::Compiler`] when the ceilings cannot be set or the
    /// streams fail.
    pub fn run(self) -> Result<(), Error> {
        self.confine().map_err(|e| Error::Compiler(format!("the ceilings cannot be set: {e}")))?;
        let failed = |e: std::io::Error| Error::Compiler(e.to_string());
        let mut module = Vec::new();
        std::io::stdin().lock().read_to_end(&mut module).map_err(failed)?;
        let engine = engine::compiling_engine(self.kind, self.backend)?;
        let artefact = compiler::compile(&engine, &module, self.kind)?;
        let mut out = std::io::stdout().lock();
        out.write_all(&artefact).and_then(|()| out.flush()).map_err(failed)
    }

    /// Takes the ceilings upon this process; nothing of the module was read so far.
    fn confine(self) -> std::io::Result<()> {
        self.die_with_parent()?;
        nice(NICENESS)?;
        let most = |most| Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(Resource::Core, most(0))?;
        // What it writes is bounded like what it holds.
        setrlimit(Resource::Fsize, most(self.memory_bytes))?;
        // Private writable memory: address space that is only reserved does not count.
        setrlimit(Resource::Data, most(self.memory_bytes))?;
        // At the first number the process is told, at the second it is killed; it does not listen to the first.
        let processor =
            Rlimit { current: Some(self.cpu_seconds), maximum: Some(self.cpu_seconds.saturating_add(1)) };
        setrlimit(Resource::Cpu, processor)?;
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn die_with_parent(self) -> std::io::Result<()> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        self.check_parent()
    }

    /// Elsewhere the ceiling of processor time has to do.
    #[cfg(not(target_os = "linux"))]
    fn die_with_parent(self) -> std::io::Result<()> {
        self.check_parent()
    }

    /// A parent that went before this process began to watch it.
    fn check_parent(self) -> std::io::Result<()> {
        let parent = getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs());
        if parent == Some(self.parent) {
            return Ok(());
        }
        Err(std::io::Error::other("the process that asked for it is gone"))
    }
}
