//! The numeric comparisons. They come before the rules, so that a refusal can name both numbers, and so that no rule
//! can lift a ceiling.

use super::manifest::Ceilings;
use super::{Refusal, RunRequest};

/// The first ceiling that a run request exceeds.
pub(super) fn check_run(ceilings: &Ceilings, request: &RunRequest) -> Option<Refusal> {
    // Taken apart without `..`: a new ceiling does not compile until it is compared here or passed over on purpose.
    let Ceilings { fuel, memory_bytes, output_bytes, output_files, wall_clock_s: _, algorithm_bytes } =
        *ceilings;
    [
        ("ceilings.algorithm_bytes", "bytes of algorithm", request.algorithm_bytes, algorithm_bytes),
        ("ceilings.fuel", "fuel", request.fuel, fuel),
        ("ceilings.memory_bytes", "bytes of memory", request.memory_bytes, memory_bytes),
        ("ceilings.output_bytes", "bytes of output", request.output_bytes, output_bytes),
        ("ceilings.output_files", "output files", request.output_files, output_files),
    ]
    .into_iter()
    .find_map(|(key, what, asked, ceiling)| exceeded(key, what, asked, ceiling))
}

/// Whether one output is too large to leave.
pub(super) fn check_output(file_bytes_max: u64, bytes: u64) -> Option<Refusal> {
    exceeded("outputs.file_bytes_max", "bytes in one output", bytes, file_bytes_max)
}

fn exceeded(key: &str, what: &str, asked: u64, ceiling: u64) -> Option<Refusal> {
    (asked > ceiling).then(|| Refusal {
        code: "ceiling_exceeded",
        rule: key.into(),
        text: format!("{asked} {what} is above the policy's ceiling of {ceiling}"),
        hint: format!("stay at or below {ceiling}, or ask the data owner to raise {key}"),
    })
}
