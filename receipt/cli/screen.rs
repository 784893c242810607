//! Standard output and error: harmless to a terminal, and no fault when nobody reads on.

use std::io::{ErrorKind, Write};

use brizo_receipt::verifier::harmless;

use crate::Failure;

/// Prints a result, which may have text of strangers in it. Who reads has read enough when the pipe is closed.
pub(crate) fn show(text: &str) -> Result<(), Failure> {
    let text = harmless(text.trim_end_matches('\n')) + "\n";
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::File(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says what went wrong.
pub(crate) fn complain(text: &str) {
    // There is nobody to tell when standard error is closed.
    let _ = std::io::stderr().lock().write_all((harmless(text) + "\n").as_bytes());
}
