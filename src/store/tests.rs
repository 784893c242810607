//! The queue, the commit point and the outbox, on a database in memory.

use brizo_receipt::{Address, B256, EntryKind, Invocation, Key, Manifest, Signature};

use super::*;
use crate::ids::{AgreementId, Did};
use crate::job::{BundleFacts, End, Role, Start, State, UploadFacts};
use crate::money::Terms;

pub(super) const NOW: u64 = 1_000;
/// Beyond every lease.
pub(super) const LATER: u64 = 1_000_000;

pub(super) fn store() -> Store {
    let store = Store::in_memory().unwrap();
    let did = Did(B256::repeat_byte(1));
    let dataset = DatasetRow {
        did,
        name: "penguins".into(),
        root: B256::repeat_byte(2),
        key: Key::new([3; 32]),
        manifest: Manifest::default(),
        policy: String::new(),
        rules: String::new(),
        ddo: "{}".into(),
    };
    store.insert_dataset(&dataset, NOW).unwrap();
    store.insert_agreement(&agreement(4), NOW).unwrap();
    store
}

pub(super) fn agreement(id: u8) -> AgreementRow {
    let zero = alloy_primitives::U256::ZERO;
    AgreementRow {
        id: AgreementId(B256::repeat_byte(id)),
        did: Did(B256::repeat_byte(1)),
        consumer: Address::repeat_byte(5),
        terms: Terms { token: Address::ZERO, price: zero, base: zero, fuel_price: zero, output_price: zero },
        grant_deadline_s: NOW + 100,
        upload: None,
        algorithm_did: None,
        locked: false,
        granted: false,
        runs: 0,
    }
}

pub(super) fn new_job(agreement: u8) -> NewJob {
    let spec = serde_json::json!({
        "profile": B256::ZERO, "agreementId": B256::repeat_byte(agreement), "runIndex": "0",
        "moduleDigest": B256::ZERO, "algorithmRoot": B256::ZERO, "invocationRoot": B256::ZERO,
        "inputsRoot": B256::ZERO, "randomSeed": B256::ZERO, "clockStart": "0", "clockStep": "1", "fuelLimit": "18446744073709551615",
        "memoryLimit": "1", "stackLimit": "0", "outputLimit": "1", "filesLimit": "1", "blindCommit": B256::ZERO,
    });
    NewJob {
        spec: serde_json::from_value(spec).unwrap(),
        signature: Signature([6; 65]),
        run_key: Key::new([7; 32]),
        invocation: Invocation { args: vec!["a".into()], env: vec![] },
    }
}

pub(super) fn commit() -> Commit {
    let outcome = brizo_receipt::Outcome {
        status: 0,
        exit_code: 0,
        trap_code: 0,
        fuel_used: 9,
        output_bytes: 1,
        outputs_root: B256::ZERO,
    };
    let output = |kind, path: &str, withheld| OutputRow {
        kind,
        path: path.into(),
        size: 1,
        digest: B256::ZERO,
        withheld,
    };
    Commit {
        outcome,
        end: End::Finished,
        receipt_hash: B256::repeat_byte(8),
        attested: B256::repeat_byte(9),
        receipt: "{}".into(),
        outputs: vec![
            output(EntryKind::Stream, "stdout", Some("{}".into())),
            output(EntryKind::File, "a.csv", None),
        ],
    }
}

pub(super) fn upload() -> UploadFacts {
    UploadFacts {
        digest: B256::repeat_byte(9),
        bytes: 1,
        memory_bytes_min: 2,
        imports_refused: vec!["x".into()],
        component: true,
        bundle: None,
    }
}

#[test]
fn a_run_is_ordered_once() {
    let store = store();
    let id = store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    assert!(matches!(store.insert_job(&new_job(4), "permitted", NOW), Err(Error::Exists(_))));
    let job = store.job(id).unwrap().unwrap();
    assert_eq!((job.state, job.spec.fuel_limit), (State::Queued, u64::MAX));
    assert_eq!(store.agreement(id.agreement).unwrap().unwrap().runs, 1);
}

#[test]
fn the_list_of_data_sets_reads_no_manifest() {
    let store = store();
    store.lock().execute("UPDATE dataset SET manifest = 'no JSON'", []).unwrap();
    assert!(store.datasets().is_err());
    assert_eq!(store.dataset_names().unwrap(), [(Did(B256::repeat_byte(1)), "penguins".to_string())]);
}

#[test]
fn whom_an_order_names_is_written_with_it_or_not_at_all() {
    let store = store();
    let (viewer, auditor) = (Address::repeat_byte(7), Address::repeat_byte(8));
    let count =
        || -> u64 { store.lock().query_row("SELECT count(*) FROM job_party", [], |row| row.get(0)).unwrap() };
    // Refused: the queue is full.
    let full = store.clone().with_rules(QueueRules { waiting_max: 0, ..QueueRules::default() });
    let refused = full.admit_job(&new_job(4), &[(viewer, Role::Viewer)], "permitted", NOW);
    assert!(matches!(refused, Err(Error::QueueFull { .. })));
    assert_eq!(count(), 0);
    let id = store
        .admit_job(&new_job(4), &[(viewer, Role::Viewer), (viewer, Role::Auditor)], "permitted", NOW)
        .unwrap()
        .id;
    assert_eq!(store.party(id, viewer).unwrap(), Some(Role::Viewer), "the first role is kept");
    // A second order for the same run names nobody and takes nobody away.
    let again = store.admit_job(&new_job(4), &[(auditor, Role::Auditor)], "permitted", NOW);
    assert!(matches!(again, Err(Error::Exists(_))));
    assert_eq!((store.party(id, auditor).unwrap(), count()), (None, 1));
}

#[test]
fn one_worker_has_a_job_until_its_lease_runs_out() {
    let store = store();
    store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    let first = store.claim_job("a", NOW, 10).unwrap().unwrap();
    assert!(store.claim_job("b", NOW + 10, 10).unwrap().is_none(), "the lease holds to its last second");
    store.keep_lease(&first, State::Running, LATER, || NOW + 10, 10).unwrap();
    assert!(store.claim_job("b", NOW + 20, 10).unwrap().is_none(), "a kept lease is longer");
    let second = store.claim_job("b", NOW + 21, 10).unwrap().unwrap();
    assert_eq!((first.attempt, second.attempt), (1, 2));

    // The first worker comes back from the dead and may do nothing any more.
    assert!(matches!(store.keep_lease(&first, State::Running, LATER, || NOW, 10), Err(Error::LeaseLost(_))));
    assert!(matches!(store.commit_job(&first, &commit(), NOW), Err(Error::LeaseLost(_))));
    assert!(matches!(store.give_up(&first, &GivenUp::HandedBack, NOW), Err(Error::LeaseLost(_))));
    assert_eq!(store.waiting_steps().unwrap(), 0, "a lost lease commits nothing");
}

#[test]
fn the_lease_of_a_job_that_is_gone_is_lost() {
    let store = store();
    let id = store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    let claimed = store.claim_job("a", NOW, 10).unwrap().unwrap();
    store.stop_job(id, NOW).unwrap();
    store.delete_job(id).unwrap();
    let kept = store.keep_lease(&claimed, State::Running, LATER, || NOW, 10);
    assert!(matches!(kept, Err(Error::LeaseLost(_))), "{kept:?}");
    assert!(matches!(store.commit_job(&claimed, &commit(), NOW), Err(Error::LeaseLost(_))));
}

#[test]
fn the_commit_point_writes_everything_or_nothing() {
    let store = store();
    let id = store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    let claimed = store.claim_job("a", NOW, 10).unwrap().unwrap();
    store.keep_lease(&claimed, State::Running, LATER, || NOW, 10).unwrap();
    let mut broken = commit();
    broken.outputs.push(broken.outputs[0].clone());
    assert!(store.commit_job(&claimed, &broken, NOW).is_err(), "an output twice");
    let job = store.job(id).unwrap().unwrap();
    assert_eq!((job.state, job.receipt_hash, store.outputs(id).unwrap().len()), (State::Running, None, 0));
    assert_eq!(store.waiting_steps().unwrap(), 0);

    store.commit_job(&claimed, &commit(), NOW).unwrap();
    let job = store.job(id).unwrap().unwrap();
    assert_eq!((job.state, job.end), (State::Publishing, Some(End::Finished)));
    assert_eq!((store.outputs(id).unwrap().len(), store.waiting_steps().unwrap()), (2, 3));
    assert!(matches!(store.commit_job(&claimed, &commit(), NOW), Err(Error::LeaseLost(_))), "not twice");
    store.keep_lease(&claimed, State::Running, LATER, || NOW, 10).unwrap();
    let after = store.job(id).unwrap().unwrap();
    assert_eq!(after.state, State::Publishing, "a late heartbeat changes nothing");
}

#[test]
fn a_run_that_ends_before_its_first_heartbeat_is_committed() {
    let store = store();
    let id = store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    let claimed = store.claim_job("a", NOW, 10).unwrap().unwrap();
    store.commit_job(&claimed, &commit(), NOW).unwrap();
    assert_eq!(store.job(id).unwrap().unwrap().state, State::Publishing);
}

#[test]
fn steps_come_in_their_order_and_wait_for_their_time() {
    let store = store();
    let id = store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    let claimed = store.claim_job("a", NOW, 10).unwrap().unwrap();
    store.keep_lease(&claimed, State::Running, LATER, || NOW, 10).unwrap();
    store.commit_job(&claimed, &commit(), NOW).unwrap();
    let next = |now| store.due_steps(now).unwrap().into_iter().map(|row| row.step).collect::<Vec<_>>();
    assert_eq!(next(NOW), [Step::Register]);
    let row = store.due_steps(NOW).unwrap().remove(0);
    store.step_failed(row.id, "chain is down", false, NOW + 5).unwrap();
    assert_eq!((next(NOW), next(NOW + 5)), (vec![], vec![Step::Register]));
    let tries = || store.depths().map(|it| (it.owed_tries, it.owed_unanswered_tries)).unwrap();
    assert_eq!(tries(), (1, 1));
    store.step_failed(row.id, "not yet", true, NOW + 5).unwrap();
    assert_eq!(tries(), (2, 0), "the contracts answered");
    store.step_failed(row.id, "chain is down", false, NOW + 5).unwrap();
    assert_eq!(tries(), (3, 1), "one hiccup after a refusal is one");
    for step in [Step::Register, Step::Grant, Step::Release] {
        let row = store.due_steps(NOW + 5).unwrap().remove(0);
        assert_eq!((row.step, row.job), (step, Some(id)));
        store.step_done(row.id, Some("0x1")).unwrap();
    }
    assert_eq!(next(NOW + 5), []);
}

#[test]
fn a_dead_step_takes_the_later_ones_with_it() {
    let store = store();
    store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    let claimed = store.claim_job("a", NOW, 10).unwrap().unwrap();
    store.keep_lease(&claimed, State::Running, LATER, || NOW, 10).unwrap();
    store.commit_job(&claimed, &commit(), NOW).unwrap();
    let row = store.due_steps(NOW).unwrap().remove(0);
    store.step_dead(&row, "too late", NOW).unwrap();
    assert_eq!(store.waiting_steps().unwrap(), 0);
}

#[test]
fn a_caller_has_so_many_idempotency_keys_and_no_more() {
    let store = store();
    let (who, other, body) = (Address::repeat_byte(5), Address::repeat_byte(6), B256::ZERO);
    for number in 0..super::asked::KEYS_MAX {
        assert_eq!(store.ask_once(who, &number.to_string(), body, NOW + 9, NOW).unwrap(), Asked::First);
    }
    assert_eq!(store.ask_once(who, "more", body, NOW + 9, NOW).unwrap(), Asked::TooMany);
    assert_eq!(store.ask_once(who, "7", body, NOW + 9, NOW).unwrap(), Asked::Again);
    assert_eq!(store.ask_once(other, "more", body, NOW + 9, NOW).unwrap(), Asked::First);
    assert_eq!(
        store.ask_once(who, "more", body, NOW + 99, NOW + 10).unwrap(),
        Asked::First,
        "the others are over"
    );
}

fn seen(number: u64) -> SeenBlock {
    SeenBlock { number, hash: B256::repeat_byte(number as u8) }
}

#[test]
fn a_reorganisation_takes_payments_back_until_they_are_seen_again() {
    let store = store();
    let id = AgreementId(B256::repeat_byte(4));
    store.set_upload(id, &upload(), None).unwrap();
    store.record_locked(&[], seen(5)).unwrap();
    store.record_locked(&[(id.0, 8)], seen(9)).unwrap();
    let row = store.due_steps(NOW).unwrap().remove(0);
    store.step_done(row.id, Some("0x1")).unwrap();
    store.set_granted(id).unwrap();
    assert_eq!(store.blocks_seen().unwrap(), [seen(9), seen(5)]);

    assert!(store.roll_back(8, NOW).unwrap().is_empty(), "block 8 itself is still there");
    assert_eq!(store.roll_back(5, NOW).unwrap(), [id]);
    let agreement = store.agreement(id).unwrap().unwrap();
    assert!(!agreement.locked && !agreement.granted);
    assert_eq!((store.cursor().unwrap(), store.blocks_seen().unwrap()), (Some(5), vec![seen(5)]));
    assert_eq!(store.waiting_steps().unwrap(), 0);

    store.record_lock(id, seen(7)).unwrap();
    assert!(store.agreement(id).unwrap().unwrap().locked);
    assert_eq!(store.due_steps(NOW).unwrap().remove(0).step, Step::Authorize, "asked for again");
}

#[test]
fn only_the_last_blocks_are_kept() {
    let store = store();
    for number in 1..=BLOCKS_KEPT + 3 {
        store.record_locked(&[], seen(number)).unwrap();
    }
    let kept = store.blocks_seen().unwrap();
    assert_eq!((kept.len() as u64, kept.last().unwrap().number), (BLOCKS_KEPT, 4));
}

#[test]
fn transactions_are_written_down_for_each_sender() {
    let store = store();
    for (sender, nonce, sent) in [("a", 2, "x"), ("a", 1, "y"), ("b", 1, "z"), ("a", 2, "x2")] {
        store.save_chain_tx(sender, nonce, sent).unwrap();
    }
    store.remove_chain_tx("b", 7).unwrap();
    assert_eq!(store.chain_txs("a").unwrap(), ["y", "x2"]);
    store.remove_chain_tx("a", 1).unwrap();
    assert_eq!(
        (store.chain_txs("a").unwrap(), store.chain_txs("b").unwrap()),
        (vec!["x2".into()], vec!["z".into()])
    );
}

#[test]
fn the_authorisation_needs_upload_and_payment_in_either_order() {
    let store = store();
    store.insert_agreement(&agreement(6), NOW).unwrap();
    let (first, second) = (AgreementId(B256::repeat_byte(4)), AgreementId(B256::repeat_byte(6)));
    store.set_upload(first, &upload(), None).unwrap();
    store.record_locked(&[(second.0, 6), (B256::repeat_byte(99), 7)], seen(7)).unwrap();
    assert_eq!((store.waiting_steps().unwrap(), store.cursor().unwrap()), (0, Some(7)));
    store.record_locked(&[(first.0, 9)], seen(9)).unwrap();
    store.record_locked(&[(first.0, 8)], seen(8)).unwrap();
    store.set_upload(second, &upload(), None).unwrap();
    let mut steps: Vec<_> =
        store.due_steps(NOW).unwrap().into_iter().map(|row| (row.agreement, row.step)).collect();
    steps.sort();
    assert_eq!(steps, [(first, Step::Authorize), (second, Step::Authorize)], "once each");
    assert_eq!(store.cursor().unwrap(), Some(9), "the cursor never goes back");
    assert_eq!(store.agreement(first).unwrap().unwrap().upload.unwrap().imports_refused, ["x"]);
    assert!(store.agreement(first).unwrap().unwrap().upload.unwrap().component);
}

#[test]
fn the_first_algorithm_of_an_agreement_stays() {
    let (store, id) = (store(), AgreementId(B256::repeat_byte(4)));
    let did = Did(B256::repeat_byte(1));
    assert!(store.set_upload(id, &bundle("a"), None).unwrap());
    assert!(store.set_upload(id, &bundle("a"), None).unwrap(), "the same again");
    let other_runtime = UploadFacts { digest: B256::repeat_byte(7), ..bundle("a") };
    for (other, did) in
        [(bundle("b"), None), (other_runtime, None), (upload(), None), (bundle("a"), Some(did))]
    {
        assert!(!store.set_upload(id, &other, did).unwrap(), "{other:?} {did:?}");
    }
    let row = store.agreement(id).unwrap().unwrap();
    assert_eq!((row.upload.unwrap().start().args, row.algorithm_did), (vec!["a".into()], None));
}

#[test]
fn what_an_upload_chooses_stays_before_it_is_recorded() {
    let (store, id) = (store(), AgreementId(B256::repeat_byte(4)));
    let (bytes, others) = (B256::repeat_byte(0xb1), B256::repeat_byte(0xb2));
    let choose = |upload: &UploadFacts, did| store.choose_upload(id, bytes, upload, did).unwrap();
    let (chosen, did) = (bundle("a"), Some(Did(B256::repeat_byte(1))));
    let other_runtime = UploadFacts { digest: B256::repeat_byte(7), ..bundle("a") };
    assert!(choose(&chosen, None) && choose(&chosen, None), "the same again");
    assert!(
        store.choose_upload(id, others, &upload(), None).unwrap(),
        "other bytes, which nobody else can sign"
    );
    assert!(!store.choose_upload(id, others, &bundle("b"), None).unwrap());
    assert!(store.agreement(id).unwrap().unwrap().upload.is_none(), "a choice is no upload");
    for recorded in [false, true] {
        for (other, did) in
            [(upload(), None), (chosen.clone(), did), (bundle("b"), None), (other_runtime.clone(), None)]
        {
            assert!(!choose(&other, did), "{other:?} {did:?}");
        }
        assert!(choose(&chosen, None), "recorded: {recorded}");
        assert!(store.set_upload(id, &chosen, None).unwrap());
    }
}

#[test]
fn only_so_many_choices_are_noted() {
    let (store, id) = (store(), AgreementId(B256::repeat_byte(4)));
    let choose = |byte| store.choose_upload(id, B256::repeat_byte(byte), &upload(), None).unwrap();
    assert!((0..16).all(choose) && !choose(16), "the seventeenth");
    assert!((0..16).all(choose), "the same again");
}

#[test]
fn an_upload_that_an_older_release_recorded_is_the_first() {
    let (store, id) = (store(), AgreementId(B256::repeat_byte(4)));
    assert!(store.set_upload(id, &bundle("a"), None).unwrap());
    assert!(!store.choose_upload(id, B256::ZERO, &bundle("b"), None).unwrap());
    assert!(store.choose_upload(id, B256::ZERO, &bundle("a"), None).unwrap());
}

fn bundle(main: &str) -> UploadFacts {
    UploadFacts {
        bundle: Some(BundleFacts {
            archive: B256::repeat_byte(8),
            files: Vec::new(),
            start: Start { args: vec![main.into()], env: Vec::new() },
        }),
        ..upload()
    }
}

#[test]
fn a_damaged_row_is_named() {
    let store = store();
    let id = store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    store.lock().execute("UPDATE job SET state = 'dreaming'", []).unwrap();
    let error = store.job(id).unwrap_err().to_string();
    assert!(error.contains("job.state") && error.contains(&id.to_string()), "{error}");
}

pub(super) fn logged(store: &Store) -> Vec<brizo_receipt::log::Entry> {
    let entries = store.log_entries(0, 100).unwrap();
    assert_eq!(entries.len() as u64, store.log_size().unwrap());
    entries.iter().map(|bytes| brizo_receipt::log::Entry::parse(bytes).unwrap()).collect()
}

#[test]
fn the_log_says_what_was_committed_and_nothing_else() {
    use brizo_receipt::log::Event;
    let store = store();
    let spec = new_job(4).spec;
    // A job that exists already is not permitted again, and what a lost lease wanted to say is not said.
    let id = store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    assert!(store.insert_job(&new_job(4), "permitted", NOW + 1).is_err());
    let first = store.claim_job("a", NOW, 10).unwrap().unwrap();
    let second = store.claim_job("b", NOW + 20, 10).unwrap().unwrap();
    assert!(store.commit_job(&first, &commit(), NOW + 20).is_err());
    assert!(store.give_up(&first, &GivenUp::Ended(End::HostFailed, "x".into()), NOW + 20).is_err());
    assert_eq!(store.log_position(id).unwrap(), None);
    store.commit_job(&second, &commit(), NOW + 21).unwrap();
    let entries = logged(&store);
    assert_eq!(
        entries.iter().map(|entry| entry.event).collect::<Vec<_>>(),
        [Event::Permitted, Event::Receipt]
    );
    assert_eq!((entries[0].subject, entries[0].logged_at), (spec.hash(), NOW));
    assert_eq!(entries[1].subject, commit().receipt_hash);
    assert_eq!(entries[1].statement, commit().attested);
    assert_eq!(store.log_position(id).unwrap(), Some((1, NOW + 21)));
    assert!(store.log_entries(2, 10).unwrap().is_empty());
}

#[test]
fn an_aborted_run_is_logged_at_its_end_and_not_at_every_try() {
    use brizo_receipt::log::Event;
    let store = store();
    store.insert_job(&new_job(4), "permitted", NOW).unwrap();
    let claimed = store.claim_job("a", NOW, 10).unwrap().unwrap();
    store.give_up(&claimed, &GivenUp::HandedBack, NOW).unwrap();
    assert_eq!(logged(&store).len(), 1, "it waits for another try");
    let claimed = store.claim_job("a", NOW, 10).unwrap().unwrap();
    store.give_up(&claimed, &GivenUp::Ended(End::TimedOut, "too long".into()), NOW).unwrap();
    assert_eq!(logged(&store)[1].event, Event::TimedOut);
    let events: Vec<_> = logged(&store).iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Event::Permitted, Event::TimedOut]);
}

#[test]
fn refusals_are_logged_once_and_not_without_end() {
    let store = store();
    let mut spec = new_job(4).spec;
    for fuel in 0..40 {
        spec.fuel_limit = fuel / 2;
        store.log_refusal(&spec, "policy_refused: no", NOW).unwrap();
    }
    assert_eq!(logged(&store).len(), 16, "each spec once, 16 for a run");
    // A decision's text stays here, and its nonce opens the statement.
    let (nonce, text): (Vec<u8>, String) = store
        .lock()
        .query_row("SELECT nonce, detail FROM log_entry WHERE seq = 0", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let opened = brizo_receipt::log::detail(&nonce.try_into().unwrap(), &text);
    assert_eq!(logged(&store).first().unwrap().statement, opened);
    assert!(store.log_entries(0, 3).unwrap().len() == 3);
}
