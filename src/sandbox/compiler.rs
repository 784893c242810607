//! Compiling: here, or in a process of its own that can be killed.
//!
//! Compilation is not metered, and what a module makes the compiler do cannot be told beforehand. A provider therefore
//! leaves it to a child (`brizo compile-worker`) with ceilings of processor time and memory, which the system enforces.
//! Whatever happens to the child, the provider goes on.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::interrupt::Interrupt;
use super::{Backend, Error, Kind, Refused, inspect, meter};

/// Processor seconds that a compilation may take unless told otherwise; all threads together.
pub const COMPILE_CPU_SECONDS_DEFAULT: u64 = 300;
/// Bytes of memory that a compilation may take unless told otherwise.
pub const COMPILE_MEMORY_BYTES_DEFAULT: u64 = 4 << 30;
/// Seconds by the clock that a compilation may take unless told otherwise: four times its processor time, for hosts with
/// much else to do, and less than a job may be prepared.
pub const COMPILE_WALL_SECONDS_DEFAULT: u64 = 1_200;

/// Threads that compile at the same time. Memory grows with them, so a host with many cores does not get to the ceiling
/// sooner than another.
const THREADS_MAX: usize = 4;
/// Stack of each of these threads: compilers are recursive.
const THREAD_STACK_BYTES: usize = 16 << 20;
/// How often a stop is looked for.
const TICK: Duration = Duration::from_millis(50);
/// Exit code by which the child says that the module is at fault. Not 1, which stands for failures of every sort.
const REFUSED: i32 = 5;
/// What is kept of what the child says.
const SAID_BYTES_MAX: usize = 16 << 10;

/// Where modules are compiled. What a guest sees is the same.
#[derive(Debug, Clone, Default)]
pub enum Compiler {
    /// In this process: whatever the module makes the compiler do is done to this process. For tests and for modules
    /// that are one's own.
    #[default]
    InProcess,
    /// In a process of its own.
    Child(ChildCompiler),
}

/// How the child is started, and what it may use.
#[derive(Debug, Clone)]
pub struct ChildCompiler {
    /// The `brizo` program.
    pub program: PathBuf,
    /// Processor seconds, all threads together.
    pub cpu_seconds: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Time by the clock, for a child that waits for ever and so takes no processor time.
    pub wall_clock: Duration,
    /// Told about each second of a compilation, and about the end of one that took longer.
    pub progress: Option<fn(Progress)>,
}

/// How far a compilation is, as far as one can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Time since the start.
    pub elapsed: Duration,
    /// Processor time, all threads together; nothing where the system does not tell.
    pub processor: Option<Duration>,
    /// Whether this is the last word.
    pub over: bool,
}

impl ChildCompiler {
    /// This very program as the child, with the default ceilings. Only for programs that have the verb.
    ///
    /// # Errors
    /// [`Error::Compiler`] when the program's file cannot be found.
    pub fn of_this_program() -> Result<Self, Error> {
        // The link also leads to a program whose file was replaced meanwhile: another one would not fit this engine.
        let link = Path::new("/proc/self/exe");
        let program = match link.exists() {
            true => link.to_path_buf(),
            false => std::env::current_exe().map_err(|e| Error::Compiler(e.to_string()))?,
        };
        Ok(Self {
            program,
            cpu_seconds: COMPILE_CPU_SECONDS_DEFAULT,
            memory_bytes: COMPILE_MEMORY_BYTES_DEFAULT,
            wall_clock: Duration::from_secs(COMPILE_WALL_SECONDS_DEFAULT),
            progress: None,
        })
    }

    /// Compiles in a child, until it is done or the run is to end. What goes in and out lies in nameless files in a folder.
    ///
    /// # Errors
    /// [`Error::TooCostly`] when a ceiling was reached, [`Error::Interrupted`] after a stop, [`Error::Compile`] when the
    /// compiler refuses the module, [`Error::Compiler`] when the child failed otherwise, or took more time by the clock:
    /// that depends on what else the host does, so it is never the module's fault.
    pub(super) fn artefact(
        &self,
        module: &[u8],
        kind: Kind,
        backend: Backend,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> Result<Vec<u8>, Error> {
        let failed = |e: std::io::Error| Error::Compiler(e.to_string());
        let mut artefact = tempfile::tempfile_in(folder).map_err(failed)?;
        let source = file_of(module, folder).map_err(failed)?;
        let child =
            self.spawn(source, artefact.try_clone().map_err(failed)?, kind, backend).map_err(failed)?;
        let (status, said) = self.wait(child, interrupt)?;
        self.judge(status, &said)?;
        artefact.rewind().map_err(failed)?;
        let mut bytes = Vec::with_capacity(artefact.metadata().map_or(0, |data| data.len() as usize));
        artefact.read_to_end(&mut bytes).map_err(failed)?;
        if bytes.is_empty() {
            return Err(Error::Compiler("it ended without a result".into()));
        }
        Ok(bytes)
    }

    fn spawn(&self, source: File, artefact: File, kind: Kind, backend: Backend) -> std::io::Result<Child> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        Command::new(&self.program)
            .arg("compile-worker")
            .args(["--kind", kind.word(), "--backend", backend.word()])
            .args(["--cpu-seconds", &self.cpu_seconds.to_string()])
            .args(["--memory-bytes", &self.memory_bytes.to_string()])
            .args(["--parent", &std::process::id().to_string()])
            .env_clear()
            .env("RAYON_NUM_THREADS", threads.to_string())
            .env("RUST_MIN_STACK", THREAD_STACK_BYTES.to_string())
            .current_dir("/")
            // An interrupt from the terminal is for the parent, which then ends the child.
            .process_group(0)
            // Files and not pipes: nothing waits for anybody, and nothing is left when both ends are closed.
            .stdin(source)
            .stdout(artefact)
            .stderr(Stdio::piped())
            .spawn()
    }

    /// Waits for the end of the child, which shows as the end of what it says.
    fn wait(&self, mut child: Child, interrupt: &Interrupt) -> Result<(ExitStatus, String), Error> {
        let failed = |e: std::io::Error| Error::Compiler(e.to_string());
        let (mut watch, stderr) = (Watch::of(&child, self.progress), child.stderr.take());
        let (sender, said) = mpsc::channel();
        std::thread::scope(|scope| {
            let reading = std::thread::Builder::new().name("brizo-compile".into());
            // The receiver outlives the thread, so nobody is there to miss the message.
            let reading = reading.spawn_scoped(scope, move || drop(sender.send(listen(stderr))));
            if let Err(error) = reading {
                // Whatever happens to it now, the child must not outlive this call.
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(error));
            }
            let mut ended = None;
            let said = loop {
                match said.recv_timeout(TICK) {
                    Ok(said) => break said,
                    Err(RecvTimeoutError::Disconnected) => break String::new(),
                    Err(RecvTimeoutError::Timeout) => {}
                }
                watch.look();
                if ended.is_some() {
                    continue;
                }
                ended = match interrupt.raised() {
                    Some(reason) => Some(Error::Interrupted(reason)),
                    None => (watch.began.elapsed() >= self.wall_clock).then(|| self.hangs()),
                };
                if ended.is_some() {
                    child.kill().map_err(failed)?;
                }
            };
            let status = child.wait().map_err(failed)?;
            watch.end();
            ended.map_or(Ok((status, said)), Err)
        })
    }

    fn hangs(&self) -> Error {
        Error::Compiler(format!(
            "it was not done after {:?} by the clock (node.compile_wall_seconds) and was killed; if the host has much else \
             to do, raise that, else look at what the child waited for",
            self.wall_clock
        ))
    }

    /// What the child's end means.
    fn judge(&self, status: ExitStatus, said: &str) -> Result<(), Error> {
        let no_memory = ["memory allocation of", "annot allocate memory", "os error 12"];
        let processor = format!("{} seconds of processor time", self.cpu_seconds);
        let memory = format!("{} bytes of memory", self.memory_bytes);
        let stack = format!("{THREAD_STACK_BYTES} bytes of stack");
        match status.code() {
            Some(0) => Ok(()),
            _ if status.signal() == Some(Signal::XCPU.as_raw()) => {
                Err(too_costly(&processor, "compile_cpu_seconds"))
            }
            _ if status.signal() == Some(Signal::XFSZ.as_raw())
                || no_memory.iter().any(|words| said.contains(words)) =>
            {
                Err(too_costly(&memory, "compile_memory_bytes"))
            }
            _ if said.contains("has overflowed its stack") => Err(too_costly(&stack, "")),
            Some(code) if code == REFUSED => Err(Error::Compile(said.trim().to_string())),
            _ => Err(Error::Compiler(format!("{status}: {}", said.trim()))),
        }
    }
}

fn too_costly(ceiling: &str, key: &str) -> Error {
    let asked = if key.is_empty() { String::new() } else { format!(" (node.{key})") };
    Error::TooCostly(Refused {
        code: "module_too_costly_to_compile",
        text: format!("compiling the module takes more than {ceiling}{asked}"),
        hint: "split large functions, let the compiler inline and unroll less, leave out what is not used; or ask the \
               provider to raise the ceiling",
    })
}

/// An anonymous file with this content, at its start.
fn file_of(bytes: &[u8], folder: &Path) -> std::io::Result<File> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Reads to the end, so that the child never waits, and keeps the beginning.
fn listen(stream: Option<impl Read>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let room = SAID_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Tells about a compilation that takes its time.
struct Watch {
    began: Instant,
    child: u32,
    told: u64,
    tell: Option<fn(Progress)>,
}

impl Watch {
    fn of(child: &Child, tell: Option<fn(Progress)>) -> Self {
        Self { began: Instant::now(), child: child.id(), told: 0, tell }
    }

    fn look(&mut self) {
        let elapsed = self.began.elapsed();
        if elapsed.as_secs() > self.told {
            self.told = elapsed.as_secs();
            let processor = processor_time(self.child);
            self.tell.into_iter().for_each(|tell| tell(Progress { elapsed, processor, over: false }));
        }
    }

    fn end(&self) {
        if self.told > 0 {
            let elapsed = self.began.elapsed();
            self.tell.into_iter().for_each(|tell| tell(Progress { elapsed, processor: None, over: true }));
        }
    }
}

/// Processor time of a living process, where the system has `/proc`.
fn processor_time(process: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name, in parentheses; it may contain anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis((user + system).saturating_mul(1000) / per_second))
}

/// Compiles to machine code, in the engine's own form. The rewriting is part of it: it is a compiler too.
///
/// # Errors
/// [`Error::Compile`] when meter or engine refuse the module.
pub(super) fn compile(engine: &wasmtime::Engine, module: &[u8], kind: Kind) -> Result<Vec<u8>, Error> {
    let failed = |e: wasmtime::Error| Error::Compile(format!("{e:#}"));
    match kind {
        Kind::Core => {
            let metered = brizo_meter::rewrite(module, inspect::features(), &meter::OPTIONS)
                .map_err(|e| Error::Compile(e.to_string()))?;
            engine.precompile_module(&metered).map_err(failed)
        }
        Kind::Component => engine.precompile_component(module).map_err(failed),
    }
}
