//! Every exit code of verification, as a table that both programs have to keep: `brizo verify` and `brizo-verify`. What is about logs is
//! in `verify_log_cases.rs`.

use std::path::{Path, PathBuf};
use std::process::Output;

use brizo_receipt::{Address, B256, Domain, Receipt, SecretKey, content_digest};
use serde_json::{Value, json};

use super::fake_web::{FakeChain, Says, Server, ok};

/// Runs the program with the arguments after `verify`, in a folder.
pub(crate) type Program = fn(&Path, &[&str]) -> Output;

/// What a case must end with: exit code, the failed tier's code if any, and a part of what is said.
pub(crate) struct Ends(pub(crate) i32, pub(crate) Option<&'static str>, pub(crate) &'static str);

pub(crate) fn repository(path: &str) -> PathBuf {
    // The root package is the repository; the receipt's is a folder in it.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if here.join("contracts").is_dir() { here } else { here.parent().unwrap() };
    root.join(path)
}

fn vector(case: &str) -> String {
    repository(&format!("tests/vectors/receipt/{case}/receipt.json")).display().to_string()
}

pub(crate) fn frozen(file: &str) -> String {
    repository(&format!("tests/frozen/1/{file}")).display().to_string()
}

pub(crate) fn frozen_receipt() -> Receipt {
    Receipt::parse(&std::fs::read(frozen("receipt.json")).unwrap()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn check(program: Program, about: &str, args: &[&str], ends: &Ends) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path(), args);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(ends.0), "{about}: {said}");
    assert!(said.contains(ends.2), "{about}: {:?} is not in {said}", ends.2);
    if let Some(code) = ends.1 {
        assert!(said.contains(&format!("{code}: ")), "{about}: the code {code} is not in {said}");
    }
    // A result is always a result of all six tiers.
    if !output.stdout.is_empty() {
        for tier in ["structure", "signature", "on chain", "log", "opening", "re-execution"] {
            assert!(said.contains(&format!("] {tier}")), "{about}: tier {tier} is not in {said}");
        }
    }
    said
}

/// Cases of files alone.
pub(crate) fn files(program: Program) {
    let (full, run_key) = (vector("ok-full"), frozen("run.key"));
    let other = "0x0000000000000000000000000000000000000000000000000000000000000001";
    let agreement = frozen_receipt().claim.spec.agreement_id.to_string();
    let (this_job, next_job) = (format!("{agreement}-0"), format!("{agreement}-1"));
    let file = frozen("receipt.json");
    let cases: [(&str, &[&str], Ends); 25] = [
        ("nothing but the file", &[&full], Ends(0, None, "holds: structure, signature\n")),
        (
            "the run key",
            &[&full, "--run-key", &run_key],
            Ends(0, None, "holds: structure, signature, opening\n"),
        ),
        ("no file", &["nowhere.json"], Ends(1, None, "nowhere.json")),
        ("an unknown option", &[&full, "--trust-me"], Ends(2, None, "--trust-me")),
        ("half of a pair", &[&full, "--rpc", "http://127.0.0.1:1"], Ends(2, None, "--deployment")),
        ("no hash", &[&full, "--expect", "0x12"], Ends(2, None, "--expect")),
        ("no proof of a log", &[&full, "--log-key", &frozen("log.key")], Ends(3, None, "carries no proof")),
        ("half a job", &[&full, "--job", "12-3"], Ends(2, None, "--job")),
        (
            "not JSON",
            &[&vector("bad-trailing-bytes")],
            Ends(10, Some("receipt_malformed"), "FAILED at structure"),
        ),
        ("truncated", &[&vector("bad-cut-off")], Ends(10, Some("receipt_truncated"), "get the whole file")),
        (
            "a contradiction",
            &[&vector("claim-fuel-above-limit")],
            Ends(10, Some("receipt_contradiction"), "fuelUsed"),
        ),
        (
            "a wrong hash",
            &[&vector("hash-claim")],
            Ends(11, Some("hash_mismatch"), "claimHash does not match"),
        ),
        (
            "a bad signature",
            &[&vector("sign-provider-high-s")],
            Ends(12, Some("high_s_signature"), "found 0x"),
        ),
        (
            "no signature",
            &[&vector("sign-provider-zero")],
            Ends(12, Some("bad_signature"), "no key makes such a signature"),
        ),
        (
            "the other party's signature",
            &[&vector("sign-exchanged")],
            Ends(12, Some("swapped_signature"), "is the consumer's"),
        ),
        (
            "another run's attestation",
            &[&vector("replay-attestation")],
            Ends(28, Some("replayed_statement"), "about another receipt"),
        ),
        (
            "two chains",
            &[&vector("sign-two-chains")],
            Ends(23, Some("wrong_chain"), "expected 1337, found 1"),
        ),
        ("two contracts", &[&vector("sign-two-contracts")], Ends(24, Some("wrong_contract"), "expected 0x")),
        ("the job", &[&file, "--job", &this_job], Ends(0, None, "holds: structure, signature")),
        ("the agreement", &[&file, "--job", &agreement], Ends(0, None, "holds: structure, signature")),
        ("another run", &[&file, "--job", &next_job], Ends(25, Some("wrong_job"), "expected 1, found 0")),
        ("another agreement", &[&file, "--job", other], Ends(25, Some("wrong_job"), other)),
        ("another signer", &[&vector("sign-consumer-stranger")], Ends(12, Some("wrong_signer"), "is by 0x")),
        ("another receipt", &[&full, "--expect", other], Ends(13, Some("unexpected_receipt"), other)),
        (
            "another key",
            &[&full, "--run-key", &frozen("dataset.key")],
            Ends(17, Some("wrong_key"), "wrong run key?"),
        ),
    ];
    for (about, args, ends) in &cases {
        check(program, about, args, ends);
    }
    let nobody = "0x0000000000000000000000000000000000000001";
    for who in ["--provider", "--consumer"] {
        let ends = Ends(26, Some("unexpected_signer"), nobody);
        check(program, who, &[&full, who, nobody], &ends);
        check(program, who, &[&vector("ok-local-unsigned"), who, nobody], &ends);
    }
}

/// Rules that turned out to be wrong: a newer list says so.
pub(crate) fn profiles(program: Program) {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("profiles.json").display().to_string();
    let profile = frozen_receipt().claim.spec.profile;
    for (state, ends) in [
        ("active", Ends(0, None, "under the profile example/1, active")),
        ("revoked", Ends(27, Some("profile_revoked"), "FAILED at structure")),
    ] {
        let profiles = json!([{ "digest": profile, "name": "example/1", "state": state }]);
        std::fs::write(&list, json!({ "format": "brizo-profiles/1", "profiles": profiles }).to_string())
            .unwrap();
        check(program, state, &[&frozen("receipt.json"), "--profiles", &list], &ends);
    }
    std::fs::write(&list, "{}").unwrap();
    check(
        program,
        "no list",
        &[&frozen("receipt.json"), "--profiles", &list],
        &Ends(10, None, "profiles.json"),
    );
}

/// The receipt of today, as a file: what it was verified to be stays what it is verified to be.
pub(crate) fn frozen_set(program: Program) {
    let receipt = frozen("receipt.json");
    let all: Vec<String> = [
        ("--run-key", "run.key"),
        ("--dataset-key", "dataset.key"),
        ("--outputs", "outputs"),
        ("--ddo", "ddo.json"),
        ("--log-key", "log.key"),
    ]
    .iter()
    .flat_map(|(option, file)| [option.to_string(), frozen(file)])
    .collect();
    let args: Vec<&str> = std::iter::once(receipt.as_str()).chain(all.iter().map(String::as_str)).collect();
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path(), &args);
    let expected = std::fs::read_to_string(frozen("verify.txt")).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", said(&output));
    let output = program(folder.path(), &[&args[..], &["--json"]].concat());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["receiptHash"], frozen_receipt().claim_hash.to_string());
    assert_eq!((&document["exitCode"], document["tiers"].as_array().unwrap().len()), (&json!(0), 6));

    let outputs = folder.path().join("outputs");
    std::fs::create_dir(&outputs).unwrap();
    let place = outputs.display().to_string();
    let cases = [
        ("a missing file", None),
        ("a changed file", Some("mean.json")),
        ("one more file", Some("more.json")),
    ];
    for (about, name) in cases {
        if let Some(name) = name {
            std::fs::write(outputs.join(name), "x").unwrap();
        }
        check(program, about, &[&receipt, "--outputs", &place], &Ends(17, Some("bad_manifest"), "output \""));
        std::fs::copy(frozen("outputs/mean.json"), outputs.join("mean.json")).unwrap();
    }
    std::fs::remove_file(outputs.join("more.json")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", outputs.join("more.json")).unwrap();
    let ends = Ends(1, None, "outputs are plain files");
    check(program, "a link", &[&receipt, "--outputs", &place], &ends);
    let ddo = folder.path().join("ddo.json");
    let text = std::fs::read_to_string(frozen("ddo.json")).unwrap();
    let root = text.find("\"inputsRoot\": \"0x").unwrap() + 17;
    std::fs::write(&ddo, format!("{}00000000{}", &text[..root], &text[root + 8..])).unwrap();
    let ddo = ddo.display().to_string();
    check(
        program,
        "another root",
        &[&receipt, "--ddo", &ddo],
        &Ends(17, Some("hash_mismatch"), "inputsRoot of the DDO"),
    );
}

/// What a node of the right chain says of the frozen receipt.
pub(crate) fn chain_of(receipt: &Receipt) -> FakeChain {
    let (attestation, consent) = (receipt.attestation.as_ref().unwrap(), receipt.consent.as_ref().unwrap());
    let provider = attestation.statement.provider;
    FakeChain {
        chain_id: attestation.domain.chain_id,
        contracts: Some(attestation.domain),
        parties: (provider, consent.consumer),
        did: number_of_the_did(receipt),
        receipt: receipt.claim_hash,
        event: Some((receipt.claim_hash, provider, payment())),
        checksum: content_digest(&std::fs::read(frozen("ddo.json")).unwrap()),
        checksum_of_today: None,
        keeps_state: true,
        run: 0,
        anchors: Vec::new(),
        widest: 1_000,
    }
}

pub(crate) fn number_of_the_did(receipt: &Receipt) -> B256 {
    let did = receipt.opening.inputs[0].did.as_deref().unwrap_or_default();
    // The vectors have names that are no DIDs; no DDO is of these.
    did.strip_prefix("did:op:").and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

fn payment() -> Address {
    Address::repeat_byte(0x77)
}

pub(crate) fn deployment(folder: &Path, domain: &Domain) -> String {
    let zero = Address::ZERO;
    let file = json!({
        "chainId": domain.chain_id, "block": 17, "serviceAgreement": domain.verifying_contract,
        "computeConditions": zero, "paymentConditions": payment(), "accessConditions": zero, "didRegistry": zero,
    });
    let path = folder.join("deployment.json");
    std::fs::write(&path, file.to_string()).unwrap();
    path.display().to_string()
}

/// One change of the chain, and what it must end with.
type OnChain = (&'static str, fn(&mut FakeChain), Ends);

/// Cases of the tier "on chain", against a node that says what the case wants.
pub(crate) fn on_chain(program: Program) {
    let other = Address::repeat_byte(9);
    let cases: [OnChain; 17] = [
        ("all as it should be", |_| (), Ends(0, None, "holds: structure, signature, on chain, opening\n")),
        ("a node that takes small ranges", |it| it.widest = 3, Ends(0, None, "in block 3210")),
        ("another chain", |it| it.chain_id = 5, Ends(3, None, "the node is on chain 5")),
        ("no contract there", |it| it.contracts = None, Ends(3, None, "nothing; is that contract")),
        (
            "another contract there",
            |it| it.contracts = Some(Domain::LOCAL),
            Ends(3, None, "another EIP-712 domain"),
        ),
        (
            "no agreement",
            |it| it.parties.0 = Address::ZERO,
            Ends(14, Some("not_committed"), "none of this id"),
        ),
        (
            "no receipt yet",
            |it| it.receipt = B256::ZERO,
            Ends(14, Some("not_committed"), "none for this agreement"),
        ),
        (
            "another receipt",
            |it| it.receipt = B256::repeat_byte(3),
            Ends(14, Some("unexpected_receipt"), "found 0x0303"),
        ),
        ("no event", |it| it.event = None, Ends(3, None, "keeps all events")),
        (
            "an event of another hash",
            |it| it.event = it.event.map(|(_, who, at)| (B256::ZERO, who, at)),
            Ends(14, Some("unexpected_receipt"), "receipt hash of the event"),
        ),
        (
            "an event of another provider",
            |it| it.event = it.event.map(|(hash, _, at)| (hash, Address::repeat_byte(9), at)),
            Ends(14, Some("unexpected_signer"), "provider in the receipt"),
        ),
        (
            "an event of another contract",
            |it| it.event = it.event.map(|(hash, who, _)| (hash, who, Address::ZERO)),
            Ends(3, None, "not one that was asked for"),
        ),
        (
            "an agreement about another data set",
            |it| it.did = B256::repeat_byte(0xaa),
            Ends(14, Some("wrong_dataset"), "expected did:op:aaaa"),
        ),
        (
            // The document was exchanged after the receipt was committed; that is nothing against the receipt.
            "a later DDO in the registry",
            |it| it.checksum_of_today = Some(B256::repeat_byte(0xbb)),
            Ends(0, None, "the registry had the digest"),
        ),
        (
            "a node without the state of that time",
            |it| it.keeps_state = false,
            Ends(0, None, "the registry had the digest"),
        ),
        (
            "a node with neither state nor events of that time",
            |it| (it.keeps_state, it.checksum) = (false, B256::ZERO),
            Ends(3, None, "ask a node that keeps them"),
        ),
        (
            "another DDO",
            |it| it.checksum = B256::repeat_byte(0xbb),
            Ends(14, Some("wrong_dataset"), "the registry when the receipt"),
        ),
    ];
    let receipt = frozen_receipt();
    let run = |about: &str, chain: FakeChain, ends: &Ends| {
        let folder = tempfile::tempdir().unwrap();
        let deployment = deployment(folder.path(), &receipt.attestation.as_ref().unwrap().domain);
        let server = Server::start(Says::Chain(Box::new(chain)));
        let (file, ddo) = (frozen("receipt.json"), frozen("ddo.json"));
        check(
            program,
            about,
            &[&file, "--rpc", &server.url, "--deployment", &deployment, "--ddo", &ddo],
            ends,
        );
    };
    for (about, change, ends) in &cases {
        let mut chain = chain_of(&receipt);
        change(&mut chain);
        run(about, chain, ends);
    }
    let mut chain = chain_of(&receipt);
    chain.parties.1 = other;
    run("another consumer", chain, &Ends(14, Some("unexpected_signer"), "consumer in the receipt"));
    let mut chain = chain_of(&receipt);
    chain.parties.0 = other;
    run("another publisher", chain, &Ends(14, Some("unexpected_signer"), "publisher of the agreement"));
}

/// Signs a vector once more as another run of its agreement; the keys are those of the vectors.
fn later_run() -> Receipt {
    let mut receipt = Receipt::parse(&std::fs::read(vector("ok-full")).unwrap()).unwrap();
    receipt.claim.spec.run_index = 1;
    receipt.claim_hash = receipt.claim.hash();
    let key = |byte: u8| SecretKey::from_bytes(&[byte; 32]).unwrap();
    let attestation = receipt.attestation.as_mut().unwrap();
    attestation.statement.claim_hash = receipt.claim_hash;
    attestation.signature = key(0x51).sign(attestation.statement.digest(&attestation.domain)).unwrap();
    let consent = receipt.consent.as_mut().unwrap();
    consent.signature = key(0x52).sign(receipt.claim.spec.order_digest(&consent.domain)).unwrap();
    receipt
}

/// A run after the paid one has an event of its own, and `receiptOf` is another's.
pub(crate) fn later_runs(program: Program) {
    let receipt = later_run();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("later.json").display().to_string();
    std::fs::write(&file, receipt.to_text()).unwrap();
    let place = deployment(folder.path(), &receipt.attestation.as_ref().unwrap().domain);
    let (paid, of_paid) = (B256::repeat_byte(9), "which may not be committed");
    let cases = [
        (1, receipt.claim_hash, Ends(0, None, "holds: structure, signature, on chain")),
        (1, paid, Ends(14, Some("unexpected_receipt"), "receipt hash of the event")),
        (0, paid, Ends(3, None, of_paid)),
    ];
    for (run, hash, ends) in cases {
        let provider = receipt.attestation.as_ref().unwrap().statement.provider;
        let event = Some((hash, provider, payment()));
        let chain = FakeChain { run, event, receipt: paid, ..chain_of(&receipt) };
        let node = Server::start(Says::Chain(Box::new(chain)));
        check(program, "a later run", &[&file, "--rpc", &node.url, "--deployment", &place], &ends);
    }
}

/// Nodes that are none, and deployments of something else.
pub(crate) fn nodes(program: Program) {
    let receipt = frozen_receipt();
    let file = frozen("receipt.json");
    let folder = tempfile::tempdir().unwrap();
    let domain = receipt.attestation.as_ref().unwrap().domain;
    let right = deployment(folder.path(), &domain);
    let redirect = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let answers: [(&str, Vec<u8>, &str); 6] = [
        ("not JSON", ok(b"<html>"), "the answer cannot be used"),
        ("an error", ok(br#"{"id":1,"error":{"message":"no \u001b[2J"}}"#), "refuses: eth_chainId: no  [2J"),
        ("no number", ok(br#"{"id":1,"result":"0xzz"}"#), "is no number"),
        ("too much", ok(&vec![b' '; (1 << 20) + 1]), "more than 1048576 bytes"),
        ("a redirect", redirect.to_vec(), "status 302"),
        (
            "a failure",
            b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
            "status 500",
        ),
    ];
    for (about, answer, says) in answers {
        let server = Server::start(Says::Always(answer));
        check(program, about, &[&file, "--rpc", &server.url, "--deployment", &right], &Ends(3, None, says));
    }
    let nobody = ["--rpc", "http://127.0.0.1:1", "--deployment", &right];
    check(
        program,
        "nobody",
        &[&[&*file][..], &nobody].concat(),
        &Ends(3, None, "http://127.0.0.1:1 does not answer"),
    );
    // A failure of a lower tier goes before what cannot be attempted.
    let elsewhere = Domain { verifying_contract: Address::repeat_byte(1), ..domain };
    let wrong = deployment(folder.path(), &elsewhere);
    let ends = Ends(24, Some("wrong_contract"), "contract of the deployment is not the expected one");
    let nobody = [&*file, "--rpc", "http://127.0.0.1:1", "--deployment", &wrong];
    check(program, "another contract", &nobody, &ends);
    deployment(folder.path(), &Domain { chain_id: 5, ..domain });
    check(program, "another chain", &nobody, &Ends(23, Some("wrong_chain"), "expected 5, found 1337"));
    std::fs::write(folder.path().join("deployment.json"), "{}").unwrap();
    check(
        program,
        "no deployment",
        &[&file, "--rpc", "http://127.0.0.1:1", "--deployment", &wrong],
        &Ends(1, None, "chainId"),
    );
}

/// The explanation computes what the document says, shows no key, and leaves out the middle of long lists.
pub(crate) fn explanation(program: Program) {
    let (file, key) = (frozen("receipt.json"), frozen("run.key"));
    let said = check(
        program,
        "explain",
        &[&file, "--run-key", &key, "--explain"],
        &Ends(0, None, "claimHash, the receipt hash"),
    );
    let digits = std::fs::read_to_string(&key).unwrap();
    assert!(!said.contains(digits.trim()), "the run key is shown");
    assert!(!said.contains("DIFFERENT") && said.contains("says the same"), "{said}");
    let bad =
        check(program, "explain", &[&vector("hash-claim"), "--explain=full"], &Ends(11, None, "DIFFERENT"));
    assert!(!bad.contains("left out"));
    check(program, "explain", &[&file, "--explain=all"], &Ends(2, None, "all"));
}
