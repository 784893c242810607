//! A program that runs beside us, with its log in a file, and is stopped when it goes out of scope.
//!
//! It stays in our process group: an interrupt from the terminal reaches it as it reaches us, so nothing is left behind
//! by ctrl-C either, although no destructor runs then.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(50);

/// What a program gets to close its files in, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Background {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Background {
    /// Starts it. What it prints goes to `log`.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self, String> {
        let no_log = |cause: std::io::Error| format!("cannot write {} ({cause})", log.display());
        let out = File::create(log).map_err(no_log)?;
        let err = out.try_clone().map_err(no_log)?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().map_err(|cause| format!("{name} does not start ({cause})"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Waits until `ready` says so, the program ends, or the time is over.
    pub(crate) fn wait_until(&mut self, limit: Duration, ready: impl Fn() -> bool) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let ended = self.child.try_wait().map_err(|cause| format!("{} was lost ({cause})", self.name))?;
            if let Some(status) = ended {
                return Err(format!("{} ended with {status}; see {}", self.name, self.log.display()));
            }
            if ready() {
                return Ok(());
            }
            if started.elapsed() > limit {
                let limit = limit.as_secs();
                return Err(format!(
                    "{} is not ready after {limit} s; see {}",
                    self.name,
                    self.log.display()
                ));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Asks it to end. The id is still ours: it is not given to another program before it was waited for.
    fn ask_to_end(&mut self) -> bool {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status();
        if !asked.is_ok_and(|status| status.success()) {
            return false;
        }
        let started = Instant::now();
        while started.elapsed() < GRACE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let running = matches!(self.child.try_wait(), Ok(None));
        if running && !self.ask_to_end() {
            // It may have ended in between; either way it is gone after the wait.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The last lines of a log, or nothing.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("brizo-xtask-{name}-{}", std::process::id()))
    }

    fn is_running(pid: u32) -> bool {
        Command::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
    }

    #[test]
    fn it_is_gone_with_its_owner() {
        let log = log("gone");
        let program = Background::start("sleep", Command::new("sleep").arg("60"), &log).unwrap();
        let pid = program.child.id();
        assert!(is_running(pid));
        drop(program);
        assert!(!is_running(pid));
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn an_early_end_is_seen_and_its_log_kept() {
        let log = log("early");
        let mut command = Command::new("sh");
        let mut program =
            Background::start("sh", command.args(["-c", "echo one; echo two; exit 3"]), &log).unwrap();
        let refused = program.wait_until(Duration::from_secs(30), || false).unwrap_err();
        assert!(refused.contains("sh ended with") && refused.contains('3'), "{refused}");
        assert_eq!(tail(&log, 1), "two");
        assert_eq!(tail(&log, 9), "one\ntwo");
        std::fs::remove_file(log).unwrap();
    }
}
