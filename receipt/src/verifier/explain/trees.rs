//! The BLAKE3 side: salts, commitments, leaves, nodes and roots of every list behind the claim.

use alloy_primitives::B256;

use super::Bound;
use super::steps::{Input, Section};
use crate::{Entry, EntryKind, Key, Mount, OutputEntry, Receipt, derive, invocation_manifest};

/// Context of a node.
const NODE: &str = "brizo 2026 v1 manifest node";

/// Leaves of a bundle; without one nothing is to explain but the root of no leaves.
pub(super) fn algorithm(receipt: &Receipt, bound: Bound) -> Section {
    let mut section = Section::new("the algorithm's files (RECEIPT.md §4.8)", bound);
    root(&mut section, bound, "algorithmRoot", &receipt.opening.algorithm);
    section.stated("claim.spec.algorithmRoot", receipt.claim.spec.algorithm_root);
    section
}

/// The tree of one data set.
pub(super) fn mount(mount: &Mount, bound: Bound) -> Section {
    let mut section = Section::new(format!("the data set at {:?} (RECEIPT.md §4.6)", mount.path), bound);
    root(&mut section, bound, "root of the data set", &mount.leaves);
    section.stated(&format!("opening.inputs {:?}", mount.path), mount.root);
    section
}

/// The tree over all data sets.
pub(super) fn inputs(receipt: &Receipt, bound: Bound) -> Section {
    let mut section = Section::new("all data sets (RECEIPT.md §4.6)", bound);
    let mounts = &receipt.opening.inputs;
    let leaves = each(&mut section, bound, mounts, |section, number, mount| {
        let name = format!("leaf {number}, mount {:?}", mount.path);
        let root = Input::bytes("root of the data set", mount.root);
        leaf(section, &name, EntryKind::Mount, &mount.path, root)
    });
    root(&mut section, bound, "inputsRoot", &leaves);
    section.stated("claim.spec.inputsRoot", receipt.claim.spec.inputs_root);
    section
}

/// Each output that is shown from its parts, and the tree over all of them.
pub(super) fn outputs(receipt: &Receipt, bound: Bound) -> Section {
    let mut section = Section::new("the outputs (RECEIPT.md §4.7)", bound);
    let outputs = &receipt.opening.outputs;
    each(&mut section, bound, outputs, output_leaf);
    // The tree is over the leaves that the document states, as the claim's root is.
    let leaves: Vec<B256> = outputs.iter().map(|output| output.leaf).collect();
    root(&mut section, bound, "outputsRoot", &leaves);
    section.stated("claim.outcome.outputsRoot", receipt.claim.outcome.outputs_root);
    section
}

fn output_leaf(section: &mut Section, number: usize, output: &OutputEntry) -> B256 {
    let Some(shown) = &output.shown else {
        let name = format!("leaf {number}, withheld");
        section.result(&name, "as the document has it", &[], &output.leaf.to_string());
        return output.leaf;
    };
    let name = format!("leaf {number}, {} {:?}", shown.entry.kind.name(), shown.entry.path);
    let found = entry_leaf(section, &name, &shown.entry, Input::bytes("salt", shown.salt));
    section.stated(&format!("opening.outputs {number}"), output.leaf);
    found
}

/// What the run key opens.
pub(super) fn invocation(receipt: &Receipt, run_key: &Key, bound: Bound) -> Section {
    let mut section = Section::new("the invocation (RECEIPT.md §4.5)", bound);
    let spec = &receipt.claim.spec;
    let key = || Input::hidden("run key", run_key.bytes());
    section.derive("blindCommit", "brizo 2026 v1 blind", &[key()]);
    section.stated("claim.spec.blindCommit", spec.blind_commit);
    // A list that breaks the rules has no root; the tier "opening" says which rule.
    let Ok(manifest) = invocation_manifest(&receipt.opening.invocation) else { return section };
    let leaves = each(&mut section, bound, manifest.entries(), |section, number, entry| {
        let name = format!("leaf {number}, {} {:?}", entry.kind.name(), entry.path);
        let parts = [key(), kind_byte(entry.kind), Input::text("path", &entry.path)];
        let salt = section.derive(&format!("salt of {name}"), "brizo 2026 v1 manifest salt", &parts);
        entry_leaf(section, &name, entry, Input::bytes("salt", salt))
    });
    root(&mut section, bound, "invocationRoot", &leaves);
    section.stated("claim.spec.invocationRoot", spec.invocation_root);
    section
}

/// Explains the things of a list, of which those in the middle may be left out; returns what comes out for each.
fn each<T>(
    section: &mut Section,
    bound: Bound,
    list: &[T],
    mut explain: impl FnMut(&mut Section, usize, &T) -> B256,
) -> Vec<B256> {
    let mut results = Vec::with_capacity(list.len());
    for (number, thing) in list.iter().enumerate() {
        let mark = section.mark();
        results.push(explain(section, number, thing));
        if !bound.shows(number, list.len()) {
            section.leave_out_since(mark);
        }
    }
    results
}

fn entry_leaf(section: &mut Section, name: &str, entry: &Entry, salt: Input) -> B256 {
    let parts = [
        salt,
        Input::bytes(&format!("size = {}", entry.size), entry.size.to_be_bytes()),
        Input::bytes("BLAKE3 of the content", entry.digest),
    ];
    let commitment =
        section.derive(&format!("commitment of {name}"), "brizo 2026 v1 manifest content", &parts);
    leaf(section, name, entry.kind, &entry.path, Input::bytes("commitment", commitment))
}

fn leaf(section: &mut Section, name: &str, kind: EntryKind, path: &str, last: Input) -> B256 {
    // A path in a parsed document may be longer than the format allows, but never than the document.
    let length = u32::try_from(path.len()).unwrap_or(u32::MAX);
    let parts = [
        kind_byte(kind),
        Input::bytes(&format!("bytes of the path = {length}"), length.to_be_bytes()),
        Input::text("path", path),
        last,
    ];
    section.derive(name, "brizo 2026 v1 manifest leaf", &parts)
}

fn kind_byte(of: EntryKind) -> Input {
    Input::bytes(&format!("kind = {}", of.name()), [of as u8])
}

/// The nodes over leaves, and the root.
fn root(section: &mut Section, bound: Bound, name: &str, leaves: &[B256]) -> B256 {
    let mut nodes = Nodes { bound, done: 0, all: leaves.len().saturating_sub(1) };
    let top = nodes.top(section, leaves, 0);
    let count = leaves.len() as u64;
    let what = match leaves.len() {
        0 => "top of no leaves",
        1 => "top: the only leaf",
        _ => "top node",
    };
    let parts =
        [Input::bytes(&format!("number of leaves = {count}"), count.to_be_bytes()), Input::bytes(what, top)];
    section.derive(name, "brizo 2026 v1 manifest root", &parts)
}

/// A walk over a tree, from its leaves to its top.
struct Nodes {
    bound: Bound,
    done: usize,
    all: usize,
}

impl Nodes {
    /// The top of these leaves, which begin at `from`: the tree of RFC 6962 §2.1.
    fn top(&mut self, section: &mut Section, leaves: &[B256], from: usize) -> B256 {
        let split = match leaves {
            [] => return B256::ZERO,
            [only] => return *only,
            _ => leaves.len().next_power_of_two() / 2,
        };
        let (left, right) = leaves.split_at(split);
        let (first, second) = (self.top(section, left, from), self.top(section, right, from + split));
        self.done += 1;
        if !self.bound.shows(self.done - 1, self.all) {
            section.leave_out(1);
            return derive(NODE, &[first.as_slice(), second.as_slice()]);
        }
        let tops = [
            Input::bytes(&range(from, left.len()), first),
            Input::bytes(&range(from + split, right.len()), second),
        ];
        section.derive(&range(from, leaves.len()), NODE, &tops)
    }
}

/// What stands for some leaves: a leaf, or the node above them.
fn range(from: usize, count: usize) -> String {
    match count {
        1 => format!("leaf {from}"),
        _ => format!("node over leaves {from} to {}", from + count - 1),
    }
}
