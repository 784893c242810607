//! How an algorithm ends: an exit code that says whose fault it is, and one line in the log.
//!
//! | Code | Meaning | Whose turn |
//! |---|---|---|
//! | 0 | success | |
//! | [`FAILED`] 1 | the algorithm returned an error | its author's |
//! | [`PARAMETER`] 2 | a parameter is missing, unknown, or not what is expected | the consumer's |
//! | [`INPUT`] 3 | an input is missing or not as the algorithm needs it | the consumer's or the data holder's |
//! | [`PANIC`] 101 | the algorithm panicked | its author's |
//!
//! Others are the algorithm's own ([`Error::with_code`]). A program that is ended from outside (a trap, no fuel left, a
//! limit) has no exit code at all; the receipt says which of them it was.

use crate::{Error, Result};
use std::io::Write;
use std::panic::PanicHookInfo;

/// The algorithm returned an error.
pub const FAILED: u8 = 1;
/// A parameter is missing, unknown, or not what is expected.
pub const PARAMETER: u8 = 2;
/// An input is missing or not as the algorithm needs it.
pub const INPUT: u8 = 3;
/// The algorithm panicked; the code that Rust programs end with natively, too.
pub const PANIC: u8 = 101;

/// Runs an algorithm that needs no [`Program`](crate::Program) around it.
///
/// On failure it prints `error: …` to the log and ends with the error's exit code; a panic prints `panic: …` and ends
/// with [`PANIC`]. An exit code other than 0 marks the job as failed; finished outputs are hashed all the same.
pub fn run(algorithm: impl FnOnce() -> Result) {
    // WebAssembly has no unwinding: without this a panic would be a trap, which says nothing and costs all the fuel.
    std::panic::set_hook(Box::new(|info| end(&panic_line(info), PANIC)));
    if let Err(error) = algorithm() {
        end(&error_line(&error), error.code());
    }
}

/// How an error stands in the log.
pub(crate) fn error_line(error: &Error) -> String {
    format!("error: {error}")
}

/// How a panic stands in the log: where, and with what message.
pub(crate) fn panic_line(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(place) => format!("panic: {}:{}: {message}", place.file(), place.line()),
        None => format!("panic: {message}"),
    }
}

#[allow(clippy::disallowed_methods, reason = "a guest's exit code is its answer to the host")]
fn end(line: &str, code: u8) -> ! {
    // A log that takes nothing more is no reason to end with another code.
    let _ = writeln!(std::io::stderr(), "{line}");
    std::process::exit(code.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_returns() {
        // In a process of its own: the hook of `run` belongs to the whole process.
        if std::env::var_os("BRIZO_GUEST_ENDS").is_some() {
            return;
        }
        let ends = |how: &str| {
            let test = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "exit::tests::ends", "--nocapture", "--test-threads=1"])
                .env("BRIZO_GUEST_ENDS", how)
                .output()
                .unwrap();
            (test.status.code(), String::from_utf8(test.stderr).unwrap())
        };
        assert_eq!(ends("well").0, Some(0));
        let (code, log) = ends("error");
        assert_eq!((code, log.lines().last()), (Some(7), Some("error: reading: no such thing")));
        let (code, log) = ends("panic");
        assert_eq!(code, Some(101), "{log}");
        let line = log.lines().last().unwrap();
        assert!(line.starts_with("panic: ") && line.ends_with(": index 3 is too large"), "{line}");
        assert!(line.contains("exit.rs:"), "{line}");
    }

    /// The other side of the test above; passes at once where that one did not ask.
    #[test]
    fn ends() {
        match std::env::var("BRIZO_GUEST_ENDS").as_deref() {
            Ok("well") => run(|| Ok(())),
            Ok("error") => run(|| Err(Error::new("no such thing").with_code(7).context("reading"))),
            Ok("panic") => run(|| panic!("index {} is too large", 3)),
            _ => {}
        }
    }
}
