//! Disclosures, verdicts and lists of profiles against `tests/vectors/`, which the second verifier made from
//! `docs/RECEIPT.md`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use brizo_receipt::{
    B256, Disclosure, Domain, Expectation, Profiles, Receipt, Result, SignedVerdict, VerdictExpectation,
    check_structure, content_digest,
};

/// A case: its folder, the code that is expected, and the `name: value` lines.
struct Case {
    folder: PathBuf,
    code: String,
    names: BTreeMap<String, String>,
}

impl Case {
    fn get(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    fn hash(&self, name: &str) -> Option<B256> {
        self.get(name).map(|text| text.parse().unwrap())
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = std::fs::read(self.folder.join(name)).ok()?;
        if let Some(length) = self.get("padded") {
            bytes.resize(length.parse().unwrap(), b' ');
        }
        Some(bytes)
    }
}

/// Goes through the cases of a kind and compares codes; fewer than `least` mean that the walk missed them.
fn each(kind: &str, least: usize, check: impl Fn(&Case) -> Result<()>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(kind);
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= least, "only {} cases of {kind}", folders.len());
    for folder in folders {
        let text = std::fs::read_to_string(folder.join("expect")).unwrap();
        let (code, lines) = text.split_once('\n').unwrap();
        let pair =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_string(), value.to_string()));
        let case = Case { folder, code: code.into(), names: lines.lines().filter_map(pair).collect() };
        let result = check(&case);
        let found = result.as_ref().err().map_or("ok", brizo_receipt::Error::code);
        assert_eq!(found, case.code, "{}: {result:?}", case.folder.display());
    }
}

#[test]
fn disclosures() {
    each("disclosure", 80, |case| {
        let disclosure = Disclosure::parse(&case.bytes("disclosure.json").unwrap())?;
        disclosure.check(case.hash("expect-claimHash").unwrap_or(disclosure.claim_hash))?;
        match std::fs::read(case.folder.join("file")) {
            Ok(bytes) => disclosure.check_content(bytes.len() as u64, content_digest(&bytes)),
            Err(_) => Ok(()),
        }
    });
}

#[test]
fn verdicts() {
    each("verdict", 40, |case| {
        let verdict = SignedVerdict::parse(&case.bytes("verdict.json").unwrap())?;
        let domain = case.get("expect-chainId").map(|chain| Domain {
            chain_id: chain.parse().unwrap(),
            verifying_contract: case.get("expect-verifyingContract").unwrap().parse().unwrap(),
        });
        verdict.check(&VerdictExpectation {
            claim_hash: case.hash("expect-claimHash"),
            agreement_id: case.hash("expect-agreementId"),
            auditor: case.get("expect-auditor").map(|text| text.parse().unwrap()),
            domain,
        })?;
        let word = if verdict.statement.confirms() { "confirmed" } else { "disputed" };
        assert_eq!(case.get("verdict").unwrap_or(word), word, "{}", case.folder.display());
        for (name, value) in
            [("evidenceDigest", verdict.statement.evidence_digest), ("verdictDigest", verdict.digest())]
        {
            assert_eq!(case.hash(name).unwrap_or(value), value, "{} {name}", case.folder.display());
        }
        Ok(())
    });
}

#[test]
fn lists_of_profiles() {
    each("profiles", 25, |case| {
        let profiles = Profiles::parse(&case.bytes("profiles.json").unwrap())?;
        if let Some(disclosure) = case.bytes("disclosure.json") {
            let disclosure = Disclosure::parse(&disclosure)?;
            disclosure.check(case.hash("expect-claimHash").unwrap())?;
            return disclosure.check_profile(Some(&profiles)).map(drop);
        }
        if let Some(receipt) = case.bytes("receipt.json") {
            let expected = Expectation { profiles: Some(profiles), ..Expectation::default() };
            return check_structure(&Receipt::parse(&receipt)?, &expected).map(|_| ());
        }
        if let Some(digest) = case.hash("profile") {
            let state = profiles.find(digest).map_or("unknown", |profile| profile.state.name());
            assert_eq!(case.get("state"), Some(state), "{}", case.folder.display());
        }
        Ok(())
    });
}

/// Wherever a file is cut off, that is what is said; one byte more than all of it is something else.
#[test]
fn every_beginning_of_a_file_is_one_that_was_cut_off() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let receipt = std::fs::read(root.join("receipt/ok-full/receipt.json")).unwrap();
    let object = receipt.trim_ascii_end().len();
    for length in (0..object).step_by(7).chain(object - 80..object) {
        let error = Receipt::parse(&receipt[..length]).unwrap_err();
        assert_eq!(error.code(), "receipt_truncated", "{length} bytes: {error}");
        assert!(error.to_string().contains(&format!("after {length} bytes")), "{error}");
    }
    assert!(Receipt::parse(&receipt[..object]).is_ok());
    let behind = [&receipt[..object], b"{"].concat();
    assert_eq!(Receipt::parse(&behind).unwrap_err().code(), "receipt_malformed");
}
