//! The SHA-256 side: the log's entry, made from the receipt, and the way from its leaf up to the checkpoint's root.

use alloy_primitives::B256;

use super::Bound;
use super::steps::{Input, Section};
use crate::Receipt;
use crate::log::{LogMember, PROOF_HASHES_MAX, in_base64, node};

/// Entry, leaf and inclusion path. That the checkpoint is signed by the log is for the tier "log".
pub(super) fn log(receipt: &Receipt, bound: Bound) -> Section {
    let mut section = Section::new("the place in the log (RECEIPT.md §14)", bound);
    let Some(member) = &receipt.log else { return section };
    let Ok(entry) = receipt.log_entry(member.logged_at) else { return section };
    let bytes = entry.to_bytes();
    let parts = [
        Input::bytes("the prefix of a leaf", [0]),
        Input::bytes("version", &bytes[..1]),
        Input::bytes("type and code: receipt", &bytes[1..4]),
        Input::bytes(&format!("runIndex = {}", entry.run_index), &bytes[4..12]),
        Input::bytes(&format!("loggedAt = {}", entry.logged_at), &bytes[12..20]),
        Input::bytes("agreementId", &bytes[20..52]),
        Input::bytes("subject: claimHash", &bytes[52..84]),
        Input::bytes("statement: attestationDigest", &bytes[84..]),
    ];
    let leaf = section.hashed(&format!("leaf {}", member.index), "SHA-256", &parts, |_| entry.leaf());
    let mut lines = member.checkpoint.lines().skip(1);
    let size = lines.next().and_then(|size| size.parse().ok()).unwrap_or(0);
    let root = climb(&mut section, member, leaf, size);
    section.result(
        "root, as checkpoints write it",
        "base64",
        &[Input::bytes("the last step", root)],
        &in_base64(root),
    );
    section.stated("the third line of log.checkpoint", lines.next().unwrap_or("nothing"));
    section
}

/// Goes up the audit path (RFC 9162 §2.1.3.2): at each level the place says on which side the sibling stands.
fn climb(section: &mut Section, member: &LogMember, leaf: B256, size: u64) -> B256 {
    let (mut place, mut last, mut found) = (member.index, size.saturating_sub(1), leaf);
    for (level, sibling) in member.proof.iter().take(PROOF_HASHES_MAX).enumerate() {
        let is_right = place % 2 == 1 || place == last;
        let (left, right) = if is_right { (*sibling, found) } else { (found, *sibling) };
        let [own, other] = ["the step before".to_string(), format!("log.proof {level}")];
        let names = if is_right { [&other, &own] } else { [&own, &other] };
        let parts = [
            Input::bytes("the prefix of a node", [1]),
            Input::bytes(names[0], left),
            Input::bytes(names[1], right),
        ];
        found =
            section.hashed(&format!("node {level} on the way up"), "SHA-256", &parts, |_| node(left, right));
        // The last of a level may have no sibling for several levels: its node is its own parent there.
        while is_right && place % 2 == 0 && place != 0 {
            (place, last) = (place / 2, last / 2);
        }
        (place, last) = (place / 2, last / 2);
    }
    found
}
