//! What the receipt hash is sensitive to, and what it is not, for anything that a run could be made of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use brizo_receipt::{
    B256, Entry, EntryKind, ExecutionClaim, Invocation, JobSpec, Key, Manifest, Outcome, blind_commit,
    content_digest, invocation_manifest, mount_leaf, outputs_key, root_of_leaves,
};
use proptest::prelude::*;

const SPEC_BITS: usize = 8 * 256 + 8 * 64;
const OUTCOME_BITS: usize = 8 + 32 + 32 + 64 + 64 + 256;

fn word() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

prop_compose! {
    fn spec()(words in prop::array::uniform8(word()), numbers in any::<[u64; 8]>()) -> JobSpec {
        JobSpec {
            profile: words[0],
            agreement_id: words[1],
            run_index: numbers[0],
            module_digest: words[2],
            algorithm_root: words[3],
            invocation_root: words[4],
            inputs_root: words[5],
            random_seed: words[6],
            clock_start: numbers[1],
            clock_step: numbers[2],
            fuel_limit: numbers[3],
            memory_limit: numbers[4],
            stack_limit: numbers[5],
            output_limit: numbers[6],
            files_limit: numbers[7],
            blind_commit: words[7],
        }
    }
}

prop_compose! {
    fn outcome()(status: u8, exit_code: u32, trap_code: u32, fuel_used: u64, output_bytes: u64, root in word()) -> Outcome {
        Outcome { status, exit_code, trap_code, fuel_used, output_bytes, outputs_root: root }
    }
}

/// Changes one bit of the spec, counted over its fields in their order, the words first.
fn flip_spec(spec: &mut JobSpec, bit: usize) {
    let words = [
        &mut spec.profile,
        &mut spec.agreement_id,
        &mut spec.module_digest,
        &mut spec.algorithm_root,
        &mut spec.invocation_root,
        &mut spec.inputs_root,
        &mut spec.random_seed,
        &mut spec.blind_commit,
    ];
    let numbers = [
        &mut spec.run_index,
        &mut spec.clock_start,
        &mut spec.clock_step,
        &mut spec.fuel_limit,
        &mut spec.memory_limit,
        &mut spec.stack_limit,
        &mut spec.output_limit,
        &mut spec.files_limit,
    ];
    match bit.checked_sub(8 * 256) {
        None => flip_word(words.into_iter().nth(bit / 256).unwrap(), bit % 256),
        Some(bit) => *numbers.into_iter().nth(bit / 64).unwrap() ^= 1 << (bit % 64),
    }
}

fn flip_outcome(outcome: &mut Outcome, bit: usize) {
    match bit {
        0..8 => outcome.status ^= 1 << bit,
        8..40 => outcome.exit_code ^= 1 << (bit - 8),
        40..72 => outcome.trap_code ^= 1 << (bit - 40),
        72..136 => outcome.fuel_used ^= 1 << (bit - 72),
        136..200 => outcome.output_bytes ^= 1 << (bit - 136),
        _ => flip_word(&mut outcome.outputs_root, bit - 200),
    }
}

fn flip_word(word: &mut B256, bit: usize) {
    word.0[bit / 8] ^= 1 << (bit % 8);
}

/// Everything that a receipt hash stands for: files by path, and what the guest was started with.
#[derive(Debug, Clone)]
struct Run {
    module: Vec<u8>,
    bundle: Vec<(String, Vec<u8>)>,
    inputs: Vec<(String, Vec<u8>)>,
    args: Vec<String>,
    outputs: Vec<(String, Vec<u8>)>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    run_key: [u8; 32],
    dataset_key: [u8; 32],
}

fn files() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    // Names without a slash: nothing can lie inside a file.
    prop::collection::btree_map("[a-z][a-z0-9.]{0,6}", bytes, 0..12)
        .prop_map(|files| files.into_iter().collect())
}

prop_compose! {
    fn run()(
        module in prop::collection::vec(any::<u8>(), 0..40), bundle in files(), inputs in files(), outputs in files(),
        args in prop::collection::vec("[ -~]{0,9}", 0..5),
        stdout in prop::collection::vec(any::<u8>(), 0..40), stderr in prop::collection::vec(any::<u8>(), 0..40),
        run_key: [u8; 32], dataset_key: [u8; 32],
    ) -> Run {
        Run { module, bundle, inputs, args, outputs, stdout, stderr, run_key, dataset_key }
    }
}

fn manifest(files: &[(String, Vec<u8>)], streams: &[(&str, &Vec<u8>)]) -> Manifest {
    let files = files.iter().map(|(path, bytes)| Entry::of(EntryKind::File, path, bytes));
    let streams = streams.iter().map(|(name, bytes)| Entry::of(EntryKind::Stream, *name, bytes));
    Manifest::new(files.chain(streams).collect()).unwrap()
}

/// The receipt hash of a run whose spec is `base` with this run's roots.
fn receipt_hash(run: &Run, base: &JobSpec) -> B256 {
    let (run_key, dataset_key) = (Key::new(run.run_key), Key::new(run.dataset_key));
    let invocation = Invocation { args: run.args.clone(), env: vec![] };
    let spec = JobSpec {
        module_digest: content_digest(&run.module),
        algorithm_root: manifest(&run.bundle, &[]).root(&run_key),
        invocation_root: invocation_manifest(&invocation).unwrap().root(&run_key),
        inputs_root: root_of_leaves(&[mount_leaf("", manifest(&run.inputs, &[]).root(&dataset_key))]),
        blind_commit: blind_commit(&run_key),
        ..base.clone()
    };
    let outputs = manifest(&run.outputs, &[("stdout", &run.stdout), ("stderr", &run.stderr)]);
    let key = outputs_key(spec.hash(), &run_key, &[dataset_key]);
    let bytes = outputs.entries().iter().map(|entry| entry.size).sum();
    let outcome = Outcome {
        status: 0,
        exit_code: 0,
        trap_code: 0,
        fuel_used: 5,
        output_bytes: bytes,
        outputs_root: outputs.root(&key),
    };
    ExecutionClaim { spec, outcome }.hash()
}

/// Every place of a run that holds bytes.
fn contents(run: &mut Run) -> Vec<&mut Vec<u8>> {
    let Run { module, bundle, inputs, outputs, stdout, stderr, .. } = run;
    let files = bundle.iter_mut().chain(inputs).chain(outputs).map(|(_, bytes)| bytes);
    files.chain([module, stdout, stderr]).filter(|bytes| !bytes.is_empty()).collect()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(4))]
    #[test]
    fn any_bit_of_any_field_changes_the_receipt_hash(spec in spec(), outcome in outcome()) {
        let claim = ExecutionClaim { spec, outcome };
        let mut seen = std::collections::HashSet::from([claim.hash()]);
        for bit in 0..SPEC_BITS + OUTCOME_BITS {
            let mut changed = claim.clone();
            match bit.checked_sub(SPEC_BITS) {
                None => flip_spec(&mut changed.spec, bit),
                Some(bit) => flip_outcome(&mut changed.outcome, bit),
            }
            prop_assert!(changed != claim && seen.insert(changed.hash()), "bit {}", bit);
        }
    }
}

proptest! {
    #![proptest_config(config(256))]
    #[test]
    fn any_bit_of_any_file_changes_the_receipt_hash(
        run in run(), base in spec(), place: prop::sample::Index, bit: prop::sample::Index,
    ) {
        let mut changed = run.clone();
        let mut contents = contents(&mut changed);
        prop_assume!(!contents.is_empty());
        let place = place.index(contents.len());
        let bytes = &mut contents[place];
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_ne!(receipt_hash(&changed, &base), receipt_hash(&run, &base));
    }

    #[test]
    fn a_file_more_or_renamed_and_any_bit_of_a_key_change_the_receipt_hash(
        run in run(), base in spec(), change in 0..5, at: prop::sample::Index,
    ) {
        let mut changed = run.clone();
        match change {
            0 => changed.outputs.push(("A".into(), vec![])),
            1 => changed.inputs.push(("A".into(), vec![])),
            2 => changed.args.push(String::new()),
            3 => changed.run_key[at.index(32)] ^= 1,
            _ => changed.dataset_key[at.index(32)] ^= 1,
        }
        let hash = receipt_hash(&changed, &base);
        prop_assert_ne!(hash, receipt_hash(&run, &base));
        if change < 2 {
            let files = if change == 0 { &mut changed.outputs } else { &mut changed.inputs };
            files.last_mut().unwrap().0 = "B".into();
            prop_assert_ne!(receipt_hash(&changed, &base), hash, "the same under another name");
        }
    }

    #[test]
    fn no_order_of_listing_changes_the_receipt_hash(
        (run, listed) in run().prop_flat_map(|run| {
            let (inputs, outputs, bundle) = (run.inputs.clone(), run.outputs.clone(), run.bundle.clone());
            let shuffled = (Just(inputs).prop_shuffle(), Just(outputs).prop_shuffle(), Just(bundle).prop_shuffle());
            (Just(run), shuffled)
        }),
        base in spec(),
    ) {
        let (inputs, outputs, bundle) = listed;
        let shuffled = Run { inputs, outputs, bundle, ..run.clone() };
        prop_assert_eq!(receipt_hash(&shuffled, &base), receipt_hash(&run, &base));
    }
}
