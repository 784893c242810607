//! Receipts beside the log that they are in, and anchors of it on chain: the vectors `live-…` of `tests/vectors/logged`, which
//! the second verifier goes through, too (`docs/RECEIPT.md` §9.5, step 4).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use brizo_receipt::log::{Fetch, FetchError, LogKey};
use brizo_receipt::verifier::{Deployment, Evidence, LogEvidence, Node, NodeError, verify};
use brizo_receipt::{Address, B256, Domain, Receipt, Tier, Verdict, domain_separator};
use serde_json::{Value, json};

struct Folder(PathBuf);

impl Fetch for Folder {
    fn fetch(&self, path: &str, max: usize) -> Result<Vec<u8>, FetchError> {
        let bytes = std::fs::read(self.0.join(path)).map_err(|_| FetchError::Missing(path.into()))?;
        match bytes.len() > max {
            true => Err(FetchError::TooLong { path: path.into(), most: max }),
            false => Ok(bytes),
        }
    }
}

/// A node that knows anchors and nothing else.
struct Anchors {
    domain: Domain,
    topics: [B256; 2],
    anchors: Vec<(u64, B256)>,
}

impl Node for Anchors {
    fn call(&self, method: &str, params: Value) -> Result<Value, NodeError> {
        Ok(match method {
            "eth_chainId" => json!(format!("{:#x}", self.domain.chain_id)),
            "eth_blockNumber" => json!("0x5"),
            "eth_call" => json!(domain_separator(&self.domain)),
            "eth_getLogs" => {
                let anchor = |(size, root): &(u64, B256)| {
                    json!({
                        "address": params[0]["address"], "topics": self.topics, "blockNumber": "0x3",
                        "data": format!("0x{size:064x}{root:x}"), "transactionHash": B256::ZERO,
                    })
                };
                self.anchors.iter().map(anchor).collect()
            }
            other => return Err(NodeError::Odd(format!("nothing answers {other}"))),
        })
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/logged");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.join("log").is_dir());
    cases.sort();
    cases
}

fn anchors(text: &str) -> Vec<(u64, B256)> {
    let pairs = text.split_whitespace().map(|pair| pair.split_once(':').unwrap());
    pairs.map(|(size, root)| (size.parse().unwrap(), root.parse().unwrap())).collect()
}

#[test]
fn a_receipt_beside_its_log_ends_as_the_second_verifier_says() {
    assert!(cases().len() >= 20, "only {} cases", cases().len());
    for case in cases() {
        let expect = std::fs::read_to_string(case.join("expect")).unwrap();
        let (code, lines) = expect.split_once('\n').unwrap();
        let names: BTreeMap<&str, &str> = lines.lines().filter_map(|line| line.split_once(": ")).collect();
        let bytes = std::fs::read(case.join("receipt.json")).unwrap();
        let receipt = Receipt::parse(&bytes).unwrap();
        let attestation = receipt.attestation.as_ref().unwrap();
        let domain = attestation.domain;
        let event = brizo_receipt::keccak256("LogAnchored(address,uint64,bytes32)");
        let node = Anchors {
            domain,
            topics: [event, attestation.statement.provider.into_word()],
            anchors: anchors(names.get("anchors").copied().unwrap_or_default()),
        };
        let deployment: Deployment = serde_json::from_value(json!({
            "chainId": domain.chain_id, "block": 1, "serviceAgreement": domain.verifying_contract,
            "computeConditions": Address::ZERO, "paymentConditions": Address::repeat_byte(7),
            "accessConditions": Address::ZERO, "didRegistry": Address::ZERO,
        }))
        .unwrap();
        let (key, log) = (LogKey::parse(names["logKey"]).unwrap(), Folder(case.join("log")));
        let report = verify(&Evidence {
            receipt: &bytes,
            chain: Some((&node, &deployment)),
            log: LogEvidence { key: Some(&key), reach: Some(&log) },
            ..Evidence::default()
        });
        let tier = report.tiers.iter().find(|tier| tier.tier == Tier::Log).unwrap();
        let found = match &tier.verdict {
            Verdict::Reached(notes) => {
                assert!(notes.iter().any(|note| note.contains("anchors on chain agree")), "{notes:?}");
                ("ok", Some("reached"))
            }
            Verdict::NotAttempted(_) => ("ok", Some("not attempted")),
            Verdict::Failed(error) => (error.code(), None),
        };
        assert_eq!(found, (code, names.get("log").copied()), "{}: {:?}", case.display(), tier.verdict);
    }
}
