//! What may leave: the policy's decision for every output of a run.

use std::collections::BTreeSet;

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
/// follow the rule of a file of that path and no bytes. A folder above something that may leave leaves with it, because
/// that one's path names it anyway.
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
    let mut released: Vec<_> = outputs.entries().iter().map(decide).collect();
    release_folders_above(&mut released);
    released
}

fn release_folders_above(released: &mut [Released]) {
    let mut above = BTreeSet::new();
    for one in released.iter().filter(|one| one.withheld.is_none() && one.entry.kind != EntryKind::Stream) {
        let mut path = one.entry.path.as_str();
        // Where a folder is known, so are those above it.
        while let Some((folder, _)) =
            path.rsplit_once('/').filter(|(folder, _)| above.insert(folder.to_string()))
        {
            path = folder;
        }
    }
    for one in released.iter_mut().filter(|one| one.entry.kind == EntryKind::Directory) {
        if above.contains(&one.entry.path) {
            one.withheld = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
name = "test"
description = "for tests"
ceilings = { fuel = 1, memory_bytes = 1, output_bytes = 1000, output_files = 1, wall_clock_s = 1, algorithm_bytes = 1 }
consumers = { any = true }
outputs = { declared = ["a/b/*.csv", "*.csv", "e"], streams = ["stdout"], file_bytes_max = 1000 }
[price]
token = "0x0000000000000000000000000000000000000000"
max = "1"
base = "1"
fuel_per_million = "0"
output_per_million = "0"
"#;
    const RULES: &str = r#"@id("declared") @reason("test") permit (principal, action == Action::"release", resource)
when { context.output.declared };"#;

    #[test]
    fn a_folder_leaves_by_the_policy_or_below_it_something_does() {
        let policy = Policy::parse(MANIFEST, RULES).unwrap();
        let file = |path: &str| Entry::of(EntryKind::File, path, b"1");
        let folder = |path: &str| Entry::of(EntryKind::Directory, path, b"");
        let stream = |name: &str| Entry::of(EntryKind::Stream, name, b"1");
        let outputs = Manifest::new(vec![
            file("a/b/shown.csv"),
            file("a/b/kept.txt"),
            file("c/d/kept.csv"),
            file("shown.csv"),
            folder("a"),
            folder("a/b"),
            folder("a/c"),
            folder("c"),
            folder("c/d"),
            folder("e"),
            stream("stdout"),
            stream("stderr"),
        ])
        .unwrap();
        let released = decide_release(
            &policy,
            Address::repeat_byte(1),
            "did:op:1",
            B256::ZERO,
            0,
            &outputs,
            1_800_000_000,
        );
        let paths = |shown: bool| -> Vec<&str> {
            let those = released.iter().filter(|one| one.withheld.is_none() == shown);
            those.map(|one| one.entry.path.as_str()).collect()
        };
        assert_eq!(paths(true), ["a/b/shown.csv", "shown.csv", "a", "a/b", "e", "stdout"]);
        assert_eq!(paths(false), ["a/b/kept.txt", "c/d/kept.csv", "a/c", "c", "c/d", "stderr"]);
    }
}
