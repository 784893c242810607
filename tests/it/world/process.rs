//! The provider as a process, as users run it.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A running `brizo serve`; ends hard when it is dropped.
pub(crate) struct Provider {
    child: Child,
    pub(crate) url: String,
}

impl Provider {
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_process(folder, None, &[])
    }

    /// With variables in its environment.
    pub(crate) async fn start_in(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_process(folder, None, variables)
    }

    /// With a failpoint.
    pub(crate) fn start_with(folder: &Path, failpoint: Option<&str>) -> Self {
        Self::start_process(folder, failpoint, &[])
    }

    fn start_process(folder: &Path, failpoint: Option<&str>, variables: &[(&str, &str)]) -> Self {
        let config = std::fs::read_to_string(folder.join("brizo.toml")).unwrap();
        let url = config
            .lines()
            .find_map(|line| line.strip_prefix("public_url = "))
            .unwrap()
            .trim_matches('"')
            .to_string();
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(folder.join("provider.log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_brizo"))
            .args(["serve", "--config", "brizo.toml"])
            .current_dir(folder)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .envs(failpoint.map(|failpoint| (brizo::failpoint::VARIABLE, failpoint)))
            .spawn()
            .unwrap();
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        // A place may be met before anybody has connected, and the process end with it; that is what was asked for.
        let may_end = failpoint.is_some();
        wait_for(port, || {
            let Some(status) = child.try_wait().unwrap() else { return false };
            let log = std::fs::read_to_string(folder.join("provider.log")).unwrap();
            let last = log.lines().rev().take(15).collect::<Vec<_>>().join("\n");
            assert!(may_end, "the provider ended ({status}) before it listened; its log backwards:\n{last}");
            true
        });
        Self { child, url }
    }

    /// KiB of memory that the process holds now.
    pub(crate) fn memory_kib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// KiB of memory that it has held at most, since it began or since [`Provider::forget_peak`].
    pub(crate) fn memory_peak_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// Has the system count the peak anew, from what is held now.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    fn memory(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// SIGKILL: nothing is said and nothing is tidied.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether the process is no more.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// SIGTERM: asks it to end, and waits until it has.
    pub(crate) fn terminate(&mut self) -> std::process::ExitStatus {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody uses now and that no other test on this machine is given for as long as this process lives, though a
/// provider is killed and started again on it. Below the range from which the system gives ports to outgoing connections,
/// so that none of those takes it before the server does.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static HELD: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let base = 12_000 + (std::process::id() % 16_000) as u16;
    let hold = |port: &u16| {
        // The port of the same number that nobody here uses: it is free again with the end of this process.
        let Ok(held) = UdpSocket::bind(("127.0.0.1", *port)) else { return false };
        HELD.lock().unwrap().push(held);
        TcpListener::bind(("127.0.0.1", *port)).is_ok()
    };
    (0..1_000).map(|_| base + NEXT.fetch_add(1, Ordering::Relaxed)).find(hold).expect("a free port")
}

/// Waits until somebody listens.
pub(crate) fn wait_for_port(port: u16) {
    wait_for(port, || false);
}

/// The same, or until `enough`.
fn wait_for(port: u16, mut enough: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() && !enough() {
        assert!(Instant::now() < end, "nobody listens on port {port}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
