//! The table of bad input in `docs/RECEIPT.md` §12: each kind has its code, and cases that end with it. That the cases do end so is
//! for the tests that go through all vectors.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

/// What must have a row, in the words of the table, and the code that it shares with no other of these.
const KINDS: [(&str, &str); 16] = [
    ("truncated", "receipt_truncated"),
    ("oversized", "receipt_too_large"),
    ("a forged outcome", "hash_mismatch"),
    ("forged: signed by somebody else", "wrong_signer"),
    ("swapped signatures", "swapped_signature"),
    ("an attestation replayed", "replayed_statement"),
    ("wrong chain", "wrong_chain"),
    ("wrong contract", "wrong_contract"),
    ("wrong run key", "wrong_key"),
    ("wrong log key", "wrong_log_key"),
    ("revoked profile", "profile_revoked"),
    ("high-s", "high_s_signature"),
    ("inner node as leaf, at a leaf's place", "path_length"),
    ("proof for another leaf of a manifest", "bad_disclosure"),
    ("right root from another origin", "wrong_origin"),
    ("another job", "wrong_job"),
];

#[test]
fn every_kind_of_bad_input_has_a_code_and_cases_that_end_with_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/RECEIPT.md")).unwrap();
    let (_, table) = page.split_once("| bad input | code | cases |\n|---|---|---|\n").unwrap();
    let rows: Vec<[&str; 3]> = table
        .lines()
        .take_while(|line| line.starts_with("| "))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            cells.try_into().unwrap_or_else(|_| panic!("three cells in {line}"))
        })
        .collect();
    for (kind, code) in KINDS {
        let row = rows.iter().find(|[about, ..]| about.contains(kind));
        assert_eq!(row.map(|[_, code, _]| code.trim_matches('`')), Some(code), "{kind}");
    }
    let codes: BTreeSet<_> = KINDS.iter().map(|(_, code)| code).collect();
    assert_eq!(codes.len(), KINDS.len(), "each kind has a code of its own");
    for [about, code, cases] in &rows {
        let code = code.trim_matches('`');
        for case in cases.split(", ").map(|case| case.trim_matches('`')) {
            let expect = root.join("tests/vectors").join(case).join("expect");
            let expect = std::fs::read_to_string(&expect).unwrap_or_else(|e| panic!("{about}: {case}: {e}"));
            assert_eq!(expect.lines().next(), Some(code), "{about}: {case}");
        }
    }
}
