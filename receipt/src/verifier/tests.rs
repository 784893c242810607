//! The library's own tests; those of whole programs are in `tests/it/cli/verify_cases.rs`.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::explain::{Bound, explain};
use super::*;
use crate::Key;

fn vector(case: &str, file: &str) -> String {
    let place = format!("{}/../tests/vectors/receipt/{case}/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&place).unwrap_or_else(|e| panic!("{place}: {e}"))
}

fn receipt(case: &str) -> Receipt {
    Receipt::parse(vector(case, "receipt.json").as_bytes()).unwrap()
}

/// Every value that the vector names comes out of a step, under the name that it has there.
#[test]
fn the_steps_give_the_published_values() {
    let key = Key::new([0x33; 32]);
    let steps = explain(&receipt("ok-full"), Some(&key), Bound::Full);
    let text = steps.text();
    let expect = vector("ok-full", "expect");
    let named: Vec<_> = expect.lines().filter_map(|line| line.split_once(": ")).collect();
    let computed: Vec<_> = named
        .iter()
        .filter(|(name, _)| name.ends_with("Hash") || name.ends_with("Root") || name.ends_with("Digest"))
        .collect();
    assert!(computed.len() >= 8, "{computed:?}");
    for (name, value) in computed {
        assert!(text.contains(&format!(") = {value}\n")), "{name} {value} is the result of no step");
    }
    for who in ["0xfa17c5b66a985f44bc249c8e8fabd64767f414b1", "0x83279fae0994aa1a563377e889cc2a1d96adb3b1"] {
        assert!(text.contains(&format!(") = {who}\n")), "{who} is not recovered");
    }
    assert!(!text.contains("DIFFERENT"), "{text}");
    assert!(!text.contains(&"33".repeat(32)), "the run key is shown");
    let document = steps.document();
    assert_eq!(document.as_array().unwrap().len(), 10);
}

/// Of every vector that is well formed a step says where it differs, or all agree.
#[test]
fn what_differs_is_said_where_it_differs() {
    for (case, place) in [
        ("hash-claim", "claimHash says"),
        ("hash-mount-leaf", "opening.inputs"),
        ("hash-outputs-leaf", "claim.outcome.outputsRoot says"),
        ("hash-run-info-byte", "runInfoDigest says"),
        ("sign-provider-stranger", "attestation.statement.provider says"),
        ("sign-consumer-stranger", "consent.consumer says"),
    ] {
        let text = explain(&receipt(case), None, Bound::Full).text();
        let lines: Vec<_> = text.lines().filter(|line| line.ends_with("DIFFERENT")).collect();
        assert!(lines.iter().any(|line| line.contains(place)), "{case}: {lines:?}");
    }
}

/// The way up the log is walked here by the rule of RFC 9162, and by a library when it is checked: both end at one root.
#[test]
fn the_way_up_the_log_ends_at_the_checkpoint() {
    let place = format!("{}/../tests/frozen/1/receipt.json", env!("CARGO_MANIFEST_DIR"));
    let mut receipt = Receipt::parse(&std::fs::read(place).unwrap()).unwrap();
    let said = "the third line of log.checkpoint says the same";
    assert!(explain(&receipt, None, Bound::Full).text().contains(said));
    let leaf = receipt.log_entry(receipt.log.as_ref().unwrap().logged_at).unwrap().leaf();
    for size in 1..40u64 {
        for index in 0..size {
            let leaves: Vec<_> = (0..size)
                .map(|n| if n == index { leaf } else { crate::B256::repeat_byte(n as u8) })
                .collect();
            let (root, proof) = tree(&leaves, index as usize);
            let member = receipt.log.as_mut().unwrap();
            (member.index, member.proof) = (index, proof);
            member.checkpoint = format!("origin\n{size}\n{}\n", crate::log::in_base64(root));
            let text = explain(&receipt, None, Bound::Full).text();
            assert!(text.contains(said), "{index} of {size}: {text}");
        }
    }
}

/// Root and audit path, lowest first, as RFC 6962 §2.1 defines them.
fn tree(leaves: &[crate::B256], index: usize) -> (crate::B256, Vec<crate::B256>) {
    if let [only] = leaves {
        return (*only, Vec::new());
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let inside = index < left.len();
    let (a, a_path) = tree(left, if inside { index } else { 0 });
    let (b, b_path) = tree(right, if inside { 0 } else { index - left.len() });
    let mut path = if inside { a_path } else { b_path };
    path.push(if inside { b } else { a });
    (crate::log::node(a, b), path)
}

#[test]
fn long_lists_are_shown_at_their_ends() {
    let mut long = receipt("ok-full");
    long.opening.inputs[0].leaves = (0..1_000u32).map(|n| crate::content_digest(&n.to_be_bytes())).collect();
    let root = crate::root_of_leaves(&long.opening.inputs[0].leaves);
    let few = explain(&long, None, Bound::USUAL).text();
    assert!(few.contains("983 steps left out") && few.contains(&format!(") = {root}\n")), "{few}");
    let all = explain(&long, None, Bound::Full).text();
    assert!(!all.contains("left out") && all.contains(&format!(") = {root}\n")));
    assert!(all.len() > 10 * few.len() && few.contains("node over leaves 0 to 999"));
}

#[test]
fn all_tiers_are_reported_whatever_the_bytes_are() {
    for bytes in ["", "{}", "[]", "\u{feff}{}"]
        .map(str::to_string)
        .into_iter()
        .chain([vector("ok-full", "receipt.json")])
    {
        let report = verify(&Evidence { receipt: bytes.as_bytes(), ..Evidence::default() });
        let tiers: Vec<_> = report.tiers.iter().map(|tier| tier.tier.name()).collect();
        assert_eq!(tiers, ["structure", "signature", "on chain", "log", "opening", "re-execution"]);
        assert_eq!(report.exit_code(), if report.claim_hash.is_some() { 0 } else { 10 });
    }
}
