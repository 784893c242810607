//! `brizo replay --verdict` and `brizo receipt check-verdict`; profiles that were revoked.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use brizo_receipt::{B256, Domain, OutputEntry, Receipt, SecretKey, SignedVerdict};

use super::{LocalRun, REPLAY, flip, json, said};
use crate::guests::repository;
use crate::world::brizo;

const SIGN: [&str; 4] = ["--verdict-key", "auditor.key", "--verdict", "verdict.json"];

fn with_auditor() -> (LocalRun, String) {
    let run = LocalRun::new();
    std::fs::write(run.path("auditor.key"), "55".repeat(32)).unwrap();
    std::fs::set_permissions(run.path("auditor.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let address = run.brizo(&["key", "address", "auditor.key"]);
    let address = String::from_utf8(address.stdout).unwrap().trim().to_string();
    (run, address)
}

fn check(run: &LocalRun, more: &[&str]) -> Output {
    run.brizo(&[&["receipt", "check-verdict", "verdict.json", "--format", "json"], more].concat())
}

fn verdict(run: &LocalRun) -> SignedVerdict {
    SignedVerdict::parse(&std::fs::read(run.path("verdict.json")).unwrap()).unwrap()
}

#[test]
fn a_replay_that_agrees_confirms_under_the_auditors_name() {
    let (run, address) = with_auditor();
    let replay = run.brizo(&[&REPLAY[..], &SIGN].concat());
    assert_eq!(replay.status.code(), Some(0), "{}", said(&replay));
    assert!(json(&replay)["verdict"].as_str().unwrap().contains("confirms it in verdict.json"));
    let checked = check(&run, &["--receipt", "out.receipt.json", "--auditor", &address]);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    assert_eq!(
        (json(&checked)["verdict"].as_str(), json(&checked)["valid"].as_bool()),
        (Some("confirms"), Some(true))
    );
    let signed = verdict(&run);
    assert_eq!(signed.statement.claim_hash.to_string(), run.hash);
    assert!(signed.evidence.contains("in two runs that agreed"), "{}", signed.evidence);
    // The other way round: somebody else, another receipt, a changed word.
    let other = check(&run, &["--auditor", &format!("0x{}", "11".repeat(20))]);
    assert_eq!((other.status.code(), json(&other)["code"].as_str()), (Some(26), Some("unexpected_signer")));
    std::fs::remove_dir_all(run.path("out")).unwrap();
    let mut args = super::RUN.to_vec();
    args.splice(
        1..1,
        [
            "--seed",
            "0x1111111111111111111111111111111111111111111111111111111111111111",
            "--receipt",
            "other.json",
        ],
    );
    assert_eq!(run.brizo(&args).status.code(), Some(0));
    let other = check(&run, &["--receipt", "other.json"]);
    assert_eq!((other.status.code(), json(&other)["code"].as_str()), (Some(13), Some("unexpected_receipt")));
    let text = std::fs::read_to_string(run.path("verdict.json")).unwrap();
    std::fs::write(run.path("verdict.json"), text.replace("agreed", "argued")).unwrap();
    let changed = check(&run, &[]);
    assert_eq!((changed.status.code(), json(&changed)["code"].as_str()), (Some(11), Some("hash_mismatch")));
    std::fs::write(run.path("verdict.json"), text.replace("\"issuedAt\": \"1", "\"issuedAt\": \"2")).unwrap();
    let changed = check(&run, &[]);
    assert_eq!((changed.status.code(), json(&changed)["code"].as_str()), (Some(12), Some("wrong_signer")));
}

#[test]
fn a_forged_outcome_is_disputed_with_the_hash_that_came_out() {
    let (run, _) = with_auditor();
    let text = std::fs::read(run.path("out.receipt.json")).unwrap();
    let mut receipt = Receipt::parse(&text).unwrap();
    receipt.claim.outcome.fuel_used -= 1;
    receipt.claim_hash = receipt.claim.hash();
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    let replay = run.brizo(&[&REPLAY[..], &SIGN].concat());
    assert_eq!(replay.status.code(), Some(20), "{}", said(&replay));
    let checked = check(&run, &["--receipt", "out.receipt.json"]);
    assert_eq!((checked.status.code(), json(&checked)["verdict"].as_str()), (Some(0), Some("disputes")));
    let signed = verdict(&run);
    assert_eq!(signed.statement.replayed_hash.to_string(), run.hash, "what really came out");
    assert!(signed.evidence.contains("differs: outcome.fuelUsed"), "{}", signed.evidence);
}

/// The order, which the consumer signed, names module, data and arguments. Who has others can say nothing about the provider,
/// whoever gave them to him.
#[test]
fn what_the_auditor_has_not_got_accuses_nobody() {
    let (run, _) = with_auditor();
    let text = std::fs::read_to_string(run.path("out.receipt.json")).unwrap();
    let refused = |name: &str| {
        let replay = run.brizo(&[&REPLAY[..], &SIGN].concat());
        assert_eq!(replay.status.code(), Some(3), "{}", said(&replay));
        assert!(said(&replay).contains(name), "{name}: {}", said(&replay));
        assert!(!run.path("verdict.json").exists(), "{name}: a verdict was signed");
    };
    flip(&run.path("data/seattle-weather.csv"), 5000);
    refused("seattle-weather.csv");
    flip(&run.path("data/seattle-weather.csv"), 5000);
    // Nobody signed the arguments that stand in the file.
    let doctored = text.replace("penguins.csv\"\n", "penguinz.csv\"\n");
    assert_ne!(doctored, text);
    std::fs::write(run.path("out.receipt.json"), doctored).unwrap();
    refused("invocation");
    std::fs::write(run.path("out.receipt.json"), text).unwrap();
    flip(&run.path("algorithm.wasm"), 1000);
    refused("module: the receipt names");
    flip(&run.path("algorithm.wasm"), 1000);
    flip(&run.path("dataset.key"), 0);
    refused("wrong data set key");
    flip(&run.path("dataset.key"), 0);
    assert_eq!(run.brizo(&[&REPLAY[..], &SIGN].concat()).status.code(), Some(0));
    assert!(verdict(&run).statement.confirms());
}

/// The surest lie is one that its own numbers show: the contract sees none of them, and pays.
#[test]
fn a_claim_that_contradicts_itself_is_disputed_without_a_run() {
    let (run, _) = with_auditor();
    let text = std::fs::read(run.path("out.receipt.json")).unwrap();
    let mut receipt = Receipt::parse(&text).unwrap();
    receipt.claim.outcome.fuel_used = receipt.claim.spec.fuel_limit + 1;
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    let replay = run.brizo(&[&REPLAY[..], &SIGN].concat());
    assert_eq!(replay.status.code(), Some(10), "whose claim it is nobody can tell: {}", said(&replay));
    assert!(!run.path("verdict.json").exists());
    receipt.claim_hash = receipt.claim.hash();
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    let replay = run.brizo(&[&REPLAY[..], &SIGN].concat());
    assert_eq!(replay.status.code(), Some(20), "{}", said(&replay));
    let signed = verdict(&run);
    assert!(signed.statement.replayed_hash.is_zero(), "{}", said(&replay));
    assert!(signed.evidence.contains("fuelUsed"), "{}", signed.evidence);
    let checked = check(&run, &["--receipt", "out.receipt.json"]);
    assert_eq!(
        (checked.status.code(), json(&checked)["verdict"].as_str()),
        (Some(0), Some("disputes")),
        "{}",
        said(&checked)
    );
    // Whoever confirms it has seen no run of it.
    let (key, hash) = (SecretKey::from_bytes(&[0x55; 32]).unwrap(), receipt.claim_hash);
    let confirms =
        SignedVerdict::sign(&key, Domain::LOCAL, (hash, B256::ZERO), Some(hash), "same".into(), 1).unwrap();
    std::fs::write(run.path("verdict.json"), confirms.to_text()).unwrap();
    let checked = check(&run, &["--receipt", "out.receipt.json"]);
    let code = json(&checked)["code"].as_str().map(str::to_string);
    assert_eq!((checked.status.code(), code.as_deref()), (Some(10), Some("receipt_contradiction")));
}

/// Who writes another claim beside an attestation makes nothing that its provider said.
#[test]
fn a_claim_that_the_attestation_is_not_about_accuses_nobody() {
    let (run, _) = with_auditor();
    let vector = std::fs::read(repository("tests/vectors/receipt/ok-full/receipt.json")).unwrap();
    let mut receipt = Receipt::parse(&vector).unwrap();
    receipt.claim.outcome.fuel_used = receipt.claim.spec.fuel_limit + 1;
    receipt.claim_hash = receipt.claim.hash();
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    let replay = run.brizo(&[&REPLAY[..], &SIGN].concat());
    assert_eq!(replay.status.code(), Some(28), "{}", said(&replay));
    assert_eq!(json(&replay)["code"], "replayed_statement");
    assert!(!run.path("verdict.json").exists(), "a verdict was signed");
}

/// The root is over all leaves in their order, also over those that nobody can see.
#[test]
fn the_order_and_number_of_withheld_leaves_is_compared() {
    let changes: [fn(&mut Vec<OutputEntry>); 2] =
        [|outputs| outputs.swap(0, 1), |outputs| outputs.insert(0, outputs[0].clone())];
    for change in changes {
        let (run, _) = with_auditor();
        let mut receipt = Receipt::parse(&std::fs::read(run.path("out.receipt.json")).unwrap()).unwrap();
        receipt.opening.outputs.iter_mut().for_each(|output| output.shown = None);
        change(&mut receipt.opening.outputs);
        receipt.claim.outcome.outputs_root = receipt.opening.outputs_root();
        receipt.claim_hash = receipt.claim.hash();
        std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
        let replay = run.brizo(&[&REPLAY[..], &SIGN].concat());
        assert_eq!(
            (replay.status.code(), json(&replay)["match"].as_bool()),
            (Some(20), Some(false)),
            "{}",
            said(&replay)
        );
        assert!(said(&replay).contains("the same leaves in another order or number"), "{}", said(&replay));
        let signed = verdict(&run);
        assert_eq!(signed.statement.replayed_hash.to_string(), run.hash);
        assert!(signed.evidence.contains("differs: outputs: the same leaves"), "{}", signed.evidence);
    }
}

/// What came out is said, though the verdict about it cannot be kept.
#[test]
fn a_verdict_that_cannot_be_written_changes_no_result() {
    let (run, _) = with_auditor();
    let place = ["--verdict-key", "auditor.key", "--verdict", "nowhere/verdict.json"];
    let good = run.brizo(&[&REPLAY[..], &place].concat());
    assert_eq!((good.status.code(), json(&good)["match"].as_bool()), (Some(1), Some(true)));
    let mut receipt = Receipt::parse(&std::fs::read(run.path("out.receipt.json")).unwrap()).unwrap();
    receipt.claim.outcome.fuel_used -= 1;
    receipt.claim_hash = receipt.claim.hash();
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    let forged = run.brizo(&[&REPLAY[..], &place].concat());
    assert_eq!((forged.status.code(), json(&forged)["match"].as_bool()), (Some(20), Some(false)));
    assert!(json(&forged)["verdict"].as_str().unwrap().starts_with("none is signed: "), "{}", said(&forged));
}

/// A receipt can order a run that never ends; the auditor says how long it may take.
#[test]
fn a_replay_takes_no_longer_than_it_may() {
    let run = LocalRun::new();
    let hostile = crate::guests::guest_path("hostile");
    let module = hostile.to_str().unwrap();
    let ran = run.brizo(&["run", module, "--output", "none", "--fuel", "1000000", "--", "loop"]);
    assert_eq!(ran.status.code(), Some(4), "{}", said(&ran));
    let place = run.path("none.receipt.json");
    let mut receipt = Receipt::parse(&std::fs::read(&place).unwrap()).unwrap();
    receipt.claim.spec.fuel_limit = i64::MAX as u64;
    receipt.claim.outcome.fuel_used = receipt.claim.spec.fuel_limit;
    // Their salts are of another spec.
    receipt.opening.outputs.iter_mut().for_each(|output| output.shown = None);
    receipt.claim_hash = receipt.claim.hash();
    std::fs::write(&place, receipt.to_text()).unwrap();
    let late = run.brizo(&["replay", "none.receipt.json", "--module", module, "--deadline", "0"]);
    assert_eq!(late.status.code(), Some(3), "{}", said(&late));
    assert!(said(&late).contains("wall-clock ceiling"), "{}", said(&late));
}

/// What nobody can have run needs no run to be disputed.
#[test]
fn a_claim_that_no_run_can_be_of_is_disputed_without_a_hash() {
    type Change = fn(&LocalRun, &mut Receipt);
    let changes: [(&str, Change); 3] = [
        ("nothing runs it", |run, receipt| {
            std::fs::write(run.path("algorithm.wasm"), "no module").unwrap();
            receipt.claim.spec.module_digest = brizo_receipt::content_digest(b"no module");
        }),
        ("profile: ", |_, receipt| {
            let profiles = brizo_receipt::Profiles::of_this_release().unwrap();
            let component = profiles.list().iter().find(|one| one.name == "brizo-wasm-component/1");
            receipt.claim.spec.profile = component.unwrap().digest;
        }),
        ("stackLimit: ", |_, receipt| receipt.claim.spec.stack_limit = u64::MAX),
    ];
    for (place, change) in changes {
        let (run, _) = with_auditor();
        let mut receipt = Receipt::parse(&std::fs::read(run.path("out.receipt.json")).unwrap()).unwrap();
        change(&run, &mut receipt);
        receipt.claim_hash = receipt.claim.hash();
        std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
        let replay = run.brizo(&[&REPLAY[..], &SIGN].concat());
        assert_eq!(replay.status.code(), Some(20), "{place}: {}", said(&replay));
        let signed = verdict(&run);
        assert!(signed.statement.replayed_hash.is_zero() && !signed.statement.confirms());
        assert!(signed.evidence.contains(place), "{place}: {}", signed.evidence);
    }
}

/// The name of an output that the receipt withholds is told to the auditor, and stands in no evidence.
#[test]
fn evidence_does_not_name_what_is_withheld() {
    let (run, _) = with_auditor();
    let mut receipt = Receipt::parse(&std::fs::read(run.path("out.receipt.json")).unwrap()).unwrap();
    let outputs = &mut receipt.opening.outputs;
    outputs.iter_mut().for_each(|output| output.shown = None);
    outputs[0].leaf.0[0] ^= 1;
    receipt.claim.outcome.outputs_root = receipt.opening.outputs_root();
    receipt.claim_hash = receipt.claim.hash();
    std::fs::write(run.path("out.receipt.json"), receipt.to_text()).unwrap();
    std::fs::write(run.path("out/column-stats.csv"), "other").unwrap();
    let replay = run.brizo(&[&REPLAY[..], &SIGN].concat());
    assert_eq!(replay.status.code(), Some(20), "{}", said(&replay));
    assert_eq!(said(&replay).matches("column-stats.csv").count(), 2, "{}", said(&replay));
    let evidence = verdict(&run).evidence;
    assert!(!evidence.contains("column-stats"), "{evidence}");
    assert_eq!(evidence.matches("(a file that the receipt does not name)").count(), 2, "{evidence}");
}

#[test]
fn an_inconclusive_replay_gives_no_verdict() {
    let (run, _) = with_auditor();
    let without_key: Vec<_> =
        REPLAY.iter().filter(|arg| !["--run-key", "run.key"].contains(arg)).copied().collect();
    let replay = run.brizo(&[&without_key[..], &SIGN].concat());
    assert_eq!(replay.status.code(), Some(3), "{}", said(&replay));
    assert!(!run.path("verdict.json").exists());
    assert!(json(&replay)["verdict"].as_str().unwrap().contains("inconclusive"));
    let alone = run.brizo(&[&REPLAY[..], &SIGN[..2]].concat());
    assert_eq!(alone.status.code(), Some(2), "a key without a place for the verdict");
    std::fs::write(run.path("verdict.json"), "kept").unwrap();
    let refused = run.brizo(&[&REPLAY[..], &SIGN].concat());
    assert!(said(&refused).contains("verdict.json exists"), "{}", said(&refused));
    std::fs::set_permissions(run.path("auditor.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::remove_file(run.path("verdict.json")).unwrap();
    let refused = run.brizo(&[&REPLAY[..], &SIGN].concat());
    assert!(said(&refused).contains("others may read"), "{}", said(&refused));
}

#[test]
fn the_deployment_can_be_named() {
    let (run, _) = with_auditor();
    let contract = format!("0x{}", "22".repeat(20));
    let named = ["--chain-id", "1337", "--contract", &contract];
    let replay = run.brizo(&[&REPLAY[..], &SIGN, &named].concat());
    assert_eq!(replay.status.code(), Some(0), "{}", said(&replay));
    let domain = verdict(&run).domain;
    assert_eq!((domain.chain_id, domain.verifying_contract.to_string()), (1337, contract));
}

/// A receipt of a chain: its verdict is for the same agreement and deployment.
#[test]
fn a_verdict_about_a_signed_receipt_is_for_its_deployment() {
    let folder = tempfile::tempdir().unwrap();
    let receipt = repository("tests/vectors/receipt/ok-full/receipt.json");
    let read = Receipt::parse(&std::fs::read(&receipt).unwrap()).unwrap();
    let domain = read.attestation.as_ref().unwrap().domain;
    let (agreement, key) = (read.claim.spec.agreement_id, SecretKey::from_bytes(&[0x55; 32]).unwrap());
    let cases = [
        (domain, agreement, 0, "confirms"),
        (Domain { chain_id: 1, ..domain }, agreement, 23, "wrong_chain"),
        (Domain { verifying_contract: Default::default(), ..domain }, agreement, 24, "wrong_contract"),
        (Domain::LOCAL, agreement, 23, "wrong_chain"),
        (domain, B256::ZERO, 25, "wrong_job"),
    ];
    for (domain, agreement, exit, word) in cases {
        let (hash, text) = (read.claim_hash, "seen\n".to_string());
        let signed = SignedVerdict::sign(&key, domain, (hash, agreement), Some(hash), text, 1).unwrap();
        std::fs::write(folder.path().join("verdict.json"), signed.to_text()).unwrap();
        let args = ["receipt", "check-verdict", "verdict.json", "--receipt", receipt.to_str().unwrap()];
        let checked = brizo(folder.path(), &args);
        assert_eq!(checked.status.code(), Some(exit), "{}", said(&checked));
        assert!(said(&checked).contains(word), "{word}: {}", said(&checked));
    }
}

#[test]
fn a_receipt_under_a_revoked_profile_is_refused() {
    let run = LocalRun::new();
    let text = std::fs::read(run.path("out.receipt.json")).unwrap();
    std::fs::write(run.path("profiles.json"), super::revoking(&Receipt::parse(&text).unwrap())).unwrap();
    let (key, agreement) = (SecretKey::from_bytes(&[0x55; 32]).unwrap(), B256::ZERO);
    let hash: B256 = run.hash.parse().unwrap();
    let verdict =
        SignedVerdict::sign(&key, Domain::LOCAL, (hash, agreement), Some(hash), "same".into(), 1).unwrap();
    std::fs::write(run.path("verdict.json"), verdict.to_text()).unwrap();
    let argument = ["--argument", "0", "--run-key", "run.key", "--output", "argument.json"];
    let made = run.brizo(&[&["receipt", "disclose", "out.receipt.json"][..], &argument].concat());
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let verbs: [&[&str]; 6] = [
        &REPLAY,
        &["verify", "out.receipt.json", "--format", "json"],
        &["receipt", "check-verdict", "verdict.json", "--receipt", "out.receipt.json"],
        &["receipt", "check-disclosure", "argument.json", &run.hash],
        &["receipt", "disclose", "out.receipt.json", "--stream", "stdout"],
        &["receipt", "export", "out.receipt.json", "--format", "prov"],
    ];
    for verb in verbs {
        let good = run.brizo(verb);
        assert_eq!(good.status.code(), Some(0), "{verb:?}: {}", said(&good));
        let refused = run.brizo(&[verb, &["--profiles", "profiles.json"]].concat());
        assert_eq!(refused.status.code(), Some(27), "{verb:?}: {}", said(&refused));
        assert!(said(&refused).contains("is revoked") && said(&refused).contains("run it again"), "{verb:?}");
    }
    let without = run.brizo(&["receipt", "check-verdict", "verdict.json", "--profiles", "profiles.json"]);
    assert_eq!(without.status.code(), Some(2), "{}", said(&without));
    let unread = run.brizo(&[&REPLAY[..], &["--profiles", "run.key"]].concat());
    assert_eq!(unread.status.code(), Some(10), "{}", said(&unread));
}
