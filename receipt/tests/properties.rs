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

type Files = Vec<(String, Vec<u8>)>;

/// A data set with its folder and its key.
#[derive(Debug, Clone, PartialEq)]
struct Mounted {
    path: String,
    files: Files,
    key: [u8; 32],
}

/// Everything that a receipt hash stands for: files by path, and what the guest was started with.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    module: Vec<u8>,
    bundle: Files,
    mounts: Vec<Mounted>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    outputs: Files,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    run_key: [u8; 32],
}

fn files() -> impl Strategy<Value = Files> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    // Names without a slash: nothing can lie inside a file.
    prop::collection::btree_map("[a-z][a-z0-9.]{0,6}", bytes, 0..12)
        .prop_map(|files| files.into_iter().collect())
}

prop_compose! {
    fn run()(
        module in prop::collection::vec(any::<u8>(), 0..40), bundle in files(), outputs in files(),
        mounts in prop::collection::btree_map("[a-z]{1,5}", (files(), any::<[u8; 32]>()), 0..4),
        args in prop::collection::vec("[ -~]{0,9}", 0..5),
        env in prop::collection::btree_map("[A-Z]{1,4}", "[ -~]{0,9}", 0..4),
        stdout in prop::collection::vec(any::<u8>(), 0..40), stderr in prop::collection::vec(any::<u8>(), 0..40),
        run_key: [u8; 32],
    ) -> Run {
        let mounts = mounts.into_iter().map(|(path, (files, key))| Mounted { path, files, key }).collect();
        let env = env.into_iter().collect();
        Run { module, bundle, mounts, args, env, outputs, stdout, stderr, run_key }
    }
}

fn manifest(files: &[(String, Vec<u8>)], streams: &[(&str, &Vec<u8>)]) -> Manifest {
    let files = files.iter().map(|(path, bytes)| Entry::of(EntryKind::File, path, bytes));
    let streams = streams.iter().map(|(name, bytes)| Entry::of(EntryKind::Stream, *name, bytes));
    Manifest::new(files.chain(streams).collect()).unwrap()
}

/// The receipt hash of a run whose spec is `base` with this run's roots.
fn receipt_hash(run: &Run, base: &JobSpec) -> B256 {
    let run_key = Key::new(run.run_key);
    let invocation = Invocation { args: run.args.clone(), env: run.env.clone() };
    let mounted = |it: &Mounted| mount_leaf(&it.path, manifest(&it.files, &[]).root(&Key::new(it.key)));
    let mounts: Vec<B256> = run.mounts.iter().map(mounted).collect();
    let dataset_keys: Vec<Key> = run.mounts.iter().map(|it| Key::new(it.key)).collect();
    let spec = JobSpec {
        module_digest: content_digest(&run.module),
        algorithm_root: manifest(&run.bundle, &[]).root(&run_key),
        invocation_root: invocation_manifest(&invocation).unwrap().root(&run_key),
        inputs_root: root_of_leaves(&mounts),
        blind_commit: blind_commit(&run_key),
        ..base.clone()
    };
    let outputs = manifest(&run.outputs, &[("stdout", &run.stdout), ("stderr", &run.stderr)]);
    let key = outputs_key(spec.hash(), &run_key, &dataset_keys);
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
    let Run { module, bundle, mounts, outputs, stdout, stderr, .. } = run;
    let inputs = mounts.iter_mut().flat_map(|mount| &mut mount.files);
    let files = bundle.iter_mut().chain(inputs).chain(outputs).map(|(_, bytes)| bytes);
    files.chain([module, stdout, stderr]).filter(|bytes| !bytes.is_empty()).collect()
}

/// Every text of a run: names of files, arguments, variables and their values, folders of data sets.
fn texts(run: &mut Run) -> Vec<&mut String> {
    let Run { bundle, mounts, args, env, outputs, .. } = run;
    let mut texts: Vec<&mut String> = args.iter_mut().collect();
    for Mounted { path, files, .. } in mounts {
        texts.push(path);
        texts.extend(files.iter_mut().map(|(name, _)| name));
    }
    texts.extend(bundle.iter_mut().chain(outputs).map(|(name, _)| name));
    for (name, value) in env {
        texts.extend([name, value]);
    }
    texts
}

/// Every list of files of a run.
fn lists(run: &mut Run) -> Vec<&mut Files> {
    let Run { bundle, mounts, outputs, .. } = run;
    mounts.iter_mut().map(|mount| &mut mount.files).chain([bundle, outputs]).collect()
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
    fn any_character_of_any_name_argument_or_variable_changes_the_receipt_hash(
        run in run(), base in spec(), place: prop::sample::Index, at: prop::sample::Index,
    ) {
        let mut changed = run.clone();
        let mut texts = texts(&mut changed);
        prop_assume!(!texts.is_empty());
        let place = place.index(texts.len());
        let text = &mut texts[place];
        // A character that is nowhere else, so no two names become the same.
        let mut letters: Vec<char> = text.chars().collect();
        match letters.is_empty() {
            true => letters.push('~'),
            false => { let at = at.index(letters.len()); letters[at] = '\u{e9}'; }
        }
        **text = letters.into_iter().collect();
        changed.env.sort();
        prop_assert_ne!(receipt_hash(&changed, &base), receipt_hash(&run, &base));
    }

    #[test]
    fn a_file_more_or_less_or_elsewhere_changes_the_receipt_hash(
        run in run(), base in spec(), change in 0..4, from: prop::sample::Index, to: prop::sample::Index,
    ) {
        let mut changed = run.clone();
        let mut lists = lists(&mut changed);
        let (from, to) = (from.index(lists.len()), to.index(lists.len()));
        match change {
            0 => lists[from].push(("A".into(), vec![])),
            1 => { lists[from].pop(); }
            // The same file in another data set, in the bundle, or among the outputs.
            2 => if let Some((_, bytes)) = lists[from].pop() { lists[to].push(("A".into(), bytes)) },
            // Two files exchange what is in them, and the names stay.
            _ => if let [first, .., last] = lists[from].as_mut_slice() { std::mem::swap(&mut first.1, &mut last.1) },
        }
        prop_assume!(changed != run);
        prop_assert_ne!(receipt_hash(&changed, &base), receipt_hash(&run, &base));
    }

    #[test]
    fn arguments_that_change_places_or_run_together_change_the_receipt_hash(
        run in run(), base in spec(), change in 0..4,
    ) {
        let mut changed = run.clone();
        match change {
            0 => changed.args.push(String::new()),
            1 => changed.args.reverse(),
            2 => changed.args = vec![run.args.concat()],
            // The same words as a variable and as an argument are not the same.
            _ => if let Some((name, value)) = changed.env.pop() { changed.args.push(format!("{name}={value}")) },
        }
        prop_assume!(changed != run);
        prop_assert_ne!(receipt_hash(&changed, &base), receipt_hash(&run, &base));
    }

    #[test]
    fn any_bit_of_a_key_and_any_other_mount_change_the_receipt_hash(
        run in run(), base in spec(), bit in 0usize..256, place: prop::sample::Index,
    ) {
        let mut changed = run.clone();
        changed.run_key[bit / 8] ^= 1 << (bit % 8);
        let mut others = vec![changed];
        if !run.mounts.is_empty() {
            let place = place.index(run.mounts.len());
            let mut changed = run.clone();
            changed.mounts[place].key[bit / 8] ^= 1 << (bit % 8);
            others.push(changed);
            let mut changed = run.clone();
            changed.mounts.remove(place);
            others.push(changed);
        }
        for other in others {
            prop_assert_ne!(receipt_hash(&other, &base), receipt_hash(&run, &base));
        }
    }

    #[test]
    fn no_order_of_listing_changes_the_receipt_hash(
        (run, listed) in run().prop_flat_map(|mut run| {
            let shuffled: Vec<_> = lists(&mut run).into_iter().map(|list| Just(list.clone()).prop_shuffle()).collect();
            (Just(run), shuffled)
        }),
        base in spec(),
    ) {
        let mut shuffled = run.clone();
        for (list, other) in lists(&mut shuffled).into_iter().zip(listed) {
            *list = other;
        }
        prop_assert_eq!(receipt_hash(&shuffled, &base), receipt_hash(&run, &base));
    }
}
