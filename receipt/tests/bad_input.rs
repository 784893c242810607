//! The table of bad input in `docs/RECEIPT.md` §12: each kind has its code, and cases that end with it. That the cases do end so is
//! for the tests that go through all vectors.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

/// What must have a row, in the words of the table.
const KINDS: [&str; 13] = [
    "truncated",
    "oversized",
    "forged",
    "swapped",
    "replayed",
    "wrong chain",
    "wrong contract",
    "wrong run key",
    "revoked profile",
    "high-s",
    "inner node as leaf",
    "right root from another origin",
    "another job",
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
    for kind in KINDS {
        assert!(rows.iter().any(|[about, ..]| about.contains(kind)), "no row says {kind:?}");
    }
    for [about, code, cases] in &rows {
        let code = code.trim_matches('`');
        for case in cases.split(", ").map(|case| case.trim_matches('`')) {
            let expect = root.join("tests/vectors").join(case).join("expect");
            let expect = std::fs::read_to_string(&expect).unwrap_or_else(|e| panic!("{about}: {case}: {e}"));
            assert_eq!(expect.lines().next(), Some(code), "{about}: {case}");
        }
    }
}
