//! The API against a real chain: the whole job, everything that bad input gets, and crashes.

mod access;
mod algorithms;
mod bad_input;
mod bundles;
mod chaos;
mod command_line;
mod compute;
mod containers;
mod crash;
mod crash_table;
mod crowds;
mod downloads;
mod flat_memory;
mod following;
mod gates;
mod log;
mod older;
mod operations;
mod publishing;
mod queue;
mod restore;
mod schemathesis;
mod settlement;
mod sign_in;
mod storage;
mod traces;
mod verify;
mod whole_job;
mod withheld;

use brizo::client::Error;

/// Checks that a request was refused with this status and code, with a sentence and a hint.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Error>, status: u16, code: &str) {
    match result {
        Err(Error::Refused { status: found_status, code: found, text, hint }) => {
            assert_eq!((found_status, found.as_str()), (status, code), "{text}");
            assert!(!text.is_empty() && !hint.is_empty(), "{code}: text {text:?}, hint {hint:?}");
        }
        other => panic!("expected {status} {code}, got {other:?}"),
    }
}
