//! Starts other programs: without what the outer cargo handed down, with a time limit, and with errors in words.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Mirrors can be slow, but not for ever.
pub(crate) const APT_LIMIT: Duration = Duration::from_secs(900);

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What the outer cargo sets for `cargo xtask`, and what would send the inner build to another compiler or folder.
const INHERITED: [&str; 14] = [
    "CARGO",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
    "RUST_RECURSION_COUNT",
];

/// These describe xtask to itself. Build scripts that watch one of them would run again, and all that hangs on them.
const INHERITED_OF_XTASK: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// A command without what the outer cargo handed down.
pub(crate) fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in INHERITED {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if INHERITED_OF_XTASK.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(name);
        }
    }
    command
}

/// The same, started in `folder` and with its arguments.
pub(crate) fn clean_in(folder: &Path, program: impl AsRef<Path>, args: &[&str]) -> Command {
    let mut command = clean(&program.as_ref().to_string_lossy());
    command.current_dir(folder).args(args);
    command
}

/// apt-get, through sudo where we are not root; sudo must not wait for a password.
pub(crate) fn apt() -> Command {
    let id = clean("id").arg("-u").output();
    let mut command = if id.is_ok_and(|id| id.stdout.trim_ascii() == b"0") {
        clean("apt-get")
    } else {
        let mut sudo = clean("sudo");
        sudo.args(["-n", "apt-get"]);
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Runs to the end, or kills it at the limit; what it prints goes where ours goes.
pub(crate) fn run(command: &mut Command, limit: Option<Duration>) -> Result<(), String> {
    let name = name(command);
    let mut child = start(command)?;
    let status = wait(&mut child, &name, limit)?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}")) }
}

/// The same, but what it prints to standard output is kept. It is returned whether or not the program succeeds.
pub(crate) fn capture(command: &mut Command, limit: Duration) -> Result<(ExitStatus, String), String> {
    let name = name(command);
    let mut child = start(command.stdout(Stdio::piped()))?;
    // Read beside the wait: a program that fills the pipe would otherwise never end.
    let reader = child.stdout.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).map(|_| bytes)
        })
    });
    let status = wait(&mut child, &name, Some(limit))?;
    let bytes = match reader.map(std::thread::JoinHandle::join) {
        Some(Ok(Ok(bytes))) => bytes,
        _ => return Err(format!("what {name} printed was lost")),
    };
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

/// What a program prints when it is asked something short; nothing if it is not there or says no.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn start(command: &mut Command) -> Result<Child, String> {
    let name = name(command);
    command.stdin(Stdio::null()).spawn().map_err(|cause| format!("{name} does not start ({cause})"))
}

fn wait(child: &mut Child, name: &str, limit: Option<Duration>) -> Result<ExitStatus, String> {
    let started = Instant::now();
    loop {
        let ended = child.try_wait().map_err(|cause| format!("{name} was lost ({cause})"))?;
        if let Some(status) = ended {
            return Ok(status);
        }
        if limit.is_some_and(|limit| started.elapsed() > limit) {
            // It may have ended in between; either way it is gone after the wait.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{name} took longer than {} s", started.elapsed().as_secs()));
        }
        std::thread::sleep(LOOK);
    }
}

/// A program's name as it is spoken of: without its folder.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_pipe_holds_is_captured() {
        let (status, text) =
            capture(clean("sh").args(["-c", "yes | head -c 300000"]), Duration::from_secs(30)).unwrap();
        assert!(status.success());
        assert_eq!(text.len(), 300_000);
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let refused = run(clean("sleep").arg("60"), Some(Duration::from_millis(100))).unwrap_err();
        assert!(refused.contains("sleep took longer"), "{refused}");
    }

    #[test]
    fn failure_names_the_program() {
        let refused = run(&mut clean("/bin/false"), None).unwrap_err();
        assert!(refused.starts_with("false ended with"), "{refused}");
    }
}
