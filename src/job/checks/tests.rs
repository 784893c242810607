//! One order that is admitted, and every way of spoiling it.

use brizo_receipt::{SecretKey, blind_commit, invocation_manifest, root_of_leaves};

use super::*;
use crate::job::STACK_LIMIT_MAX;

struct World {
    key: SecretKey,
    spec: JobSpec,
    domain: Domain,
    run_key: Key,
    invocation: Invocation,
    agreement: AgreementFacts,
    dataset: DatasetFacts,
    policy: Policy,
    node: NodeCeilings,
    caller: Address,
    signature: Option<Signature>,
    now_s: u64,
}

const MANIFEST: &str = r#"
name = "test"
description = "one approved algorithm"
[ceilings]
fuel = 1000
memory_bytes = 1000000
output_bytes = 1000
output_files = 10
wall_clock_s = 100
algorithm_bytes = 1000
[[algorithms]]
digest = "0x0404040404040404040404040404040404040404040404040404040404040404"
name = "four"
[consumers]
any = true
[outputs]
declared = ["*.csv"]
streams = ["stdout"]
file_bytes_max = 1000
[price]
token = "0x0000000000000000000000000000000000000000"
max = "10"
base = "10"
fuel_per_million = "0"
output_per_million = "0"
"#;

fn world() -> World {
    let key = SecretKey::from_bytes(&[9; 32]).unwrap();
    let run_key = Key::new([5; 32]);
    let invocation =
        crate::job::invocation(&crate::job::Start::default(), &["--x".into()], &[], &[], None).unwrap();
    let rules = include_str!("../../../policies/open-statistics/rules.cedar");
    let inputs_root = B256::repeat_byte(6);
    World {
        spec: JobSpec {
            profile: B256::repeat_byte(1),
            agreement_id: B256::repeat_byte(2),
            run_index: 0,
            module_digest: B256::repeat_byte(4),
            algorithm_root: root_of_leaves(&[]),
            invocation_root: invocation_manifest(&invocation).unwrap().root(&run_key),
            inputs_root,
            random_seed: B256::ZERO,
            clock_start: 0,
            clock_step: 1,
            fuel_limit: 1000,
            memory_limit: 1_000_000,
            stack_limit: STACK_LIMIT_MAX,
            output_limit: 1000,
            files_limit: 10,
            blind_commit: blind_commit(&run_key),
        },
        domain: Domain { chain_id: 1, verifying_contract: Address::repeat_byte(3) },
        agreement: AgreementFacts {
            id: AgreementId(B256::repeat_byte(2)),
            did: Did(B256::repeat_byte(7)),
            consumer: key.address(),
            upload: Some(UploadFacts {
                digest: B256::repeat_byte(4),
                bytes: 1000,
                memory_bytes_min: 65_536,
                imports_refused: vec![],
                component: false,
                bundle: None,
            }),
            locked: true,
            granted: true,
            grant_deadline_s: 10_000,
            next_run: 0,
            first_settled: false,
        },
        dataset: DatasetFacts { did: Did(B256::repeat_byte(7)), inputs_root },
        policy: Policy::parse(MANIFEST, rules).unwrap(),
        node: NodeCeilings { fuel: 2000, memory_bytes: 2_000_000, output_bytes: 2000, output_files: 20 },
        caller: key.address(),
        signature: None,
        now_s: 5_000,
        run_key,
        invocation,
        key,
    }
}

fn ask(world: &World) -> Result<(), Refusal> {
    let signature =
        world.signature.unwrap_or_else(|| world.key.sign(world.spec.order_digest(&world.domain)).unwrap());
    admit(&Admission {
        caller: world.caller,
        spec: &world.spec,
        signature: &signature,
        domain: &world.domain,
        run_key: &world.run_key,
        invocation: &world.invocation,
        profile: B256::repeat_byte(1),
        agreement: &world.agreement,
        dataset: &world.dataset,
        policy: &world.policy,
        node: &world.node,
        now_s: world.now_s,
    })
}

#[test]
fn a_good_order_is_admitted() {
    assert_eq!(ask(&world()), Ok(()));
}

#[test]
fn every_spoiled_order_is_refused_with_its_code() {
    type Spoil = fn(&mut World);
    let table: [(&str, Spoil); 23] = [
        ("not_your_agreement", |w| w.caller = Address::repeat_byte(8)),
        ("job_exists", |w| w.agreement.next_run = 1),
        ("no_runs_left", |w| w.spec.run_index = 1),
        ("spec_other_agreement", |w| w.spec.agreement_id = B256::repeat_byte(3)),
        ("bad_spec_signature", |w| w.signature = Some(Signature([1; 65]))),
        ("bad_spec_signature", |w| {
            let other = SecretKey::from_bytes(&[8; 32]).unwrap();
            w.signature = Some(other.sign(w.spec.order_digest(&w.domain)).unwrap());
        }),
        ("bad_spec_signature", |w| {
            let other_chain = Domain { chain_id: 2, ..w.domain };
            w.signature = Some(w.key.sign(w.spec.order_digest(&other_chain)).unwrap());
        }),
        ("algorithm_missing", |w| w.agreement.upload = None),
        ("algorithm_mismatch", |w| w.spec.module_digest = B256::repeat_byte(5)),
        ("memory_below_module", |w| w.spec.memory_limit = 65_535),
        ("spec_profile", |w| w.spec.profile = B256::repeat_byte(9)),
        ("spec_inputs", |w| w.spec.inputs_root = B256::repeat_byte(9)),
        ("spec_mismatch", |w| w.spec.algorithm_root = B256::repeat_byte(9)),
        ("spec_run_key", |w| w.run_key = Key::OPEN),
        ("spec_invocation", |w| w.invocation.args.push("--y".into())),
        ("spec_mismatch", |w| w.spec.stack_limit = 0),
        ("spec_mismatch", |w| w.spec.stack_limit = STACK_LIMIT_MAX + 1),
        ("node_ceiling_exceeded", |w| w.spec.fuel_limit = 2001),
        ("ceiling_exceeded", |w| w.spec.fuel_limit = 1001),
        ("deadline_passed", |w| w.now_s = 10_000),
        ("deadline_too_close", |w| w.now_s = 10_000 - 159),
        ("payment_not_locked", |w| w.agreement.locked = false),
        ("computation_not_granted", |w| w.agreement.granted = false),
    ];
    for (code, spoil) in table {
        let mut world = world();
        spoil(&mut world);
        let refusal = ask(&world).expect_err(code);
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(!refusal.text.is_empty() && !refusal.hint.is_empty());
    }
}

#[test]
fn an_algorithm_that_the_owner_did_not_approve_is_refused() {
    let mut world = world();
    world.spec.module_digest = B256::repeat_byte(5);
    world.agreement.upload.as_mut().unwrap().digest = B256::repeat_byte(5);
    assert_eq!(ask(&world).unwrap_err().code, "not_approved");
}

#[test]
fn later_runs_come_in_order_once_the_first_is_settled_and_have_no_deadline() {
    let rules = include_str!("../../../policies/open-statistics/rules.cedar");
    let manifest = MANIFEST.replace("[ceilings]", "runs_per_agreement = 3\n[ceilings]");
    let later = |run: u64, next: u64, first_settled: bool| {
        let mut world = world();
        world.policy = Policy::parse(&manifest, rules).unwrap();
        world.spec.run_index = run;
        world.agreement.next_run = next;
        world.agreement.first_settled = first_settled;
        // Long after the deadline of the first run.
        world.now_s = 1_000_000;
        ask(&world).map_err(|refusal| refusal.code)
    };
    assert_eq!(later(1, 1, true), Ok(()));
    assert_eq!(later(2, 2, true), Ok(()));
    assert_eq!(later(3, 3, true), Err("no_runs_left"));
    assert_eq!(later(2, 1, true), Err("run_out_of_order"));
    assert_eq!(later(1, 2, true), Err("job_exists"));
    assert_eq!(later(1, 1, false), Err("first_run_not_settled"));
    assert_eq!(later(0, 0, false), Err("deadline_passed"), "the first run has one");
}
