//! What may leave: the policy's decision for every output of a run.

use brizo_receipt::{Address, B256, Entry, EntryKind, Manifest};

use crate::policy::{Decision, OutputKind, Policy, Refusal, ReleaseOutput, ReleaseRequest};

/// An output with the owner's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The output.
    pub entry: Entry,
    /// Why it stays; `None` when it may leave.
    pub withheld: Option<Refusal>,
}

/// Asks the policy about each output. Folders carry no content of their own and leave with their names, which therefore
/// follow the rule of a file of that path and no bytes.
#[must_use]
pub fn decide_release(
    policy: &Policy,
    consumer: Address,
    dataset: &str,
    algorithm: B256,
    status: u8,
    outputs: &Manifest,
    now_s: u64,
) -> Vec<Released> {
    let decide = |entry: &Entry| {
        let kind = if entry.kind == EntryKind::Stream { OutputKind::Stream } else { OutputKind::File };
        let output = ReleaseOutput { kind, path: entry.path.clone(), bytes: entry.size };
        let request =
            ReleaseRequest { consumer, dataset: dataset.to_string(), algorithm, output, status, now_s };
        let withheld = match policy.may_release(&request) {
            Decision::Allow { .. } => None,
            Decision::Refuse(refusal) => Some(refusal),
        };
        Released { entry: entry.clone(), withheld }
    };
    outputs.entries().iter().map(decide).collect()
}
