//! Engines for tests: one for all, started where none is named; and some that are killed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use bollard::{API_DEFAULT_VERSION, Docker};

use crate::guests::repository;

/// Names the socket of an engine that is there already.
pub(crate) const SOCKET_VARIABLE: &str = "BRIZO_CONTAINER_SOCKET";
/// How long an engine may take to answer.
const START_MAX: Duration = Duration::from_secs(60);

/// An engine that tests use.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) socket: PathBuf,
    /// Where its socket and its pids are: short, because paths of sockets are.
    folder: Option<tempfile::TempDir>,
    data: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Engine {
    /// The engine of all tests, or nothing, which is said.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Engine>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            if let Some(named) = std::env::var_os(SOCKET_VARIABLE) {
                let named = PathBuf::from(named);
                let data = PathBuf::new();
                return Some(Self { socket: named, folder: None, data, process: Mutex::new(None) });
            }
            let engine = Self::start("shared");
            if engine.is_some() {
                // The test program leaves by `exit`, which drops nothing.
                // SAFETY: the function is of the right type and does nothing but what any exit may do.
                unsafe { libc::atexit(stop_shared) };
            }
            engine
        });
        extern "C" fn stop_shared() {
            if let Some(Some(engine)) = SHARED.get() {
                engine.stop();
                let folder = engine.folder.as_ref().map(|folder| folder.path());
                let _ = folder.map(std::fs::remove_dir_all);
            }
        }
        if !super::images::are_possible() {
            skipped("parts of images are missing (`cargo xtask containers` makes them)");
            return None;
        }
        if shared.is_none() {
            skipped("no container engine (Debian: docker.io) can be started here");
        }
        shared.as_ref()
    }

    /// An engine of its own, whose data stay below `target/`.
    pub(crate) fn start(name: &str) -> Option<Self> {
        if !Path::new("/usr/sbin/dockerd").exists() || !is_root() {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("brizo-d").tempdir().unwrap();
        let data = repository(&format!("target/containers/{name}"));
        std::fs::create_dir_all(&data).unwrap();
        let socket = folder.path().join("d.sock");
        let engine = Self { socket, folder: Some(folder), data, process: Mutex::new(None) };
        engine.launch().then_some(engine)
    }

    /// Starts the process, and waits until it answers.
    pub(crate) fn launch(&self) -> bool {
        let run = self.socket.parent().unwrap();
        let log = std::fs::File::create(self.data.join("log")).unwrap();
        let child = Command::new("/usr/sbin/dockerd")
            .arg(format!("--host=unix://{}", self.socket.display()))
            .arg(format!("--data-root={}", self.data.join("data").display()))
            .arg(format!("--exec-root={}", run.join("x").display()))
            .arg(format!("--pidfile={}", run.join("pid").display()))
            .args(["--iptables=false", "--bridge=none"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        *self.process.lock().unwrap() = Some(child);
        let began = Instant::now();
        while began.elapsed() < START_MAX {
            if self.answers() {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        self.stop();
        skipped(&format!("the container engine does not start; see {}/log", self.data.display()));
        false
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(&self.socket) else { return false };
        let mut answer = String::new();
        let asked = stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n");
        asked.and_then(|()| stream.read_to_string(&mut answer)).is_ok() && answer.contains("200 OK")
    }

    /// A client of the tests' own.
    pub(crate) fn docker(&self) -> Docker {
        Docker::connect_with_unix(self.socket.to_str().unwrap(), 120, API_DEFAULT_VERSION).unwrap()
    }

    /// Kills the engine's process and nothing else: what it started lives on.
    pub(crate) fn kill(&self) {
        let mut child = self.process.lock().unwrap().take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // Where nobody buries orphans, the next one would take its dead containerd for alive, and wait for it.
        let _ = std::fs::remove_file(self.socket.with_file_name("x").join("containerd/containerd.pid"));
    }

    /// Asks it to end, with all that it started.
    fn stop(&self) {
        let Some(mut child) = self.process.lock().unwrap().take() else { return };
        // SAFETY: the process is our child and was not waited for, so the number is still its own.
        unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() && began.elapsed() < START_MAX {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        self.unmount();
    }

    /// An engine that was killed leaves name spaces of networks mounted, and its data on themselves; then nobody could
    /// remove `target`.
    fn unmount(&self) {
        let entries = std::fs::read_dir(self.socket.with_file_name("x").join("netns"));
        for entry in entries.into_iter().flatten().flatten() {
            unmount(entry.path());
        }
        // Once for each life of the engine.
        while unmount(self.data.join("data")) {}
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Past the capture of test output: a skip must be seen.
pub(crate) fn skipped(why: &str) {
    let line = format!("SKIPPED: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Whether there was something to unmount.
fn unmount(path: PathBuf) -> bool {
    let path = std::ffi::CString::new(path.into_os_string().into_encoded_bytes()).unwrap();
    // SAFETY: the path ends in a zero, and only its bytes are read.
    unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) == 0 }
}
