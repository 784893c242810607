//! How an algorithm ends.

use std::fmt::Display;

/// Runs the algorithm; on failure prints `error: …` to the log and ends with exit code 1.
///
/// An exit code other than 0 marks the job as failed; what was written to outputs until then is still hashed.
#[expect(clippy::disallowed_methods, reason = "a guest's exit code is its answer to the host")]
pub fn run<E: Display>(algorithm: impl FnOnce() -> Result<(), E>) {
    if let Err(error) = algorithm() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn success_returns() {
        super::run(|| Ok::<(), String>(()));
    }
}
