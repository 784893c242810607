//! Whose turn it is, what fits, what is put aside, and that nothing is stuck.

use brizo_receipt::Address;

use super::tests::{LATER, NOW, agreement, commit, logged, new_job};
use super::*;
use crate::ids::{AgreementId, JobId};
use crate::job::{End, State};

/// A store with agreements 10, 11, … of the given consumers.
pub(super) fn store_of(consumers: &[u8], rules: QueueRules) -> Store {
    let store = super::tests::store().with_rules(rules);
    for (number, consumer) in consumers.iter().enumerate() {
        let row = AgreementRow {
            consumer: Address::repeat_byte(*consumer),
            grant_deadline_s: LATER,
            ..agreement(10 + number as u8)
        };
        store.insert_agreement(&row, NOW).unwrap();
    }
    store
}

pub(super) fn id(number: u8) -> JobId {
    JobId { agreement: AgreementId(brizo_receipt::B256::repeat_byte(10 + number)), run_index: 0 }
}

pub(super) fn order(store: &Store, number: u8, memory: u64, at_s: u64) {
    let mut job = new_job(10 + number);
    (job.spec.memory_limit, job.spec.output_limit) = (memory, 0);
    store.insert_job(&job, "permitted", at_s).unwrap();
}

fn claim(store: &Store, now_s: u64) -> Option<JobId> {
    store.claim_job("w", now_s, 10).unwrap().map(|claimed| claimed.id)
}

pub(super) fn state(store: &Store, number: u8) -> (State, Option<End>) {
    let job = store.job(id(number)).unwrap().unwrap();
    (job.state, job.end)
}

#[test]
fn consumers_take_turns_whoever_came_first() {
    // Consumer 1 floods the queue before consumers 2 and 3 come.
    let store = store_of(&[1, 1, 1, 1, 2, 2, 3], QueueRules::default());
    for number in 0..7 {
        order(&store, number, 1, NOW + u64::from(number));
    }
    let mut turns = Vec::new();
    while let Some(job) = claim(&store, NOW + 10) {
        turns.push(job);
    }
    assert_eq!(turns, [0, 4, 6, 1, 5, 2, 3].map(id));
}

#[test]
fn one_worker_serves_consumers_in_turn_too() {
    let store = store_of(&[1, 1, 2, 2], QueueRules::default());
    for number in 0..4 {
        order(&store, number, 1, NOW);
    }
    let mut turns = Vec::new();
    while let Some(claimed) = store.claim_job("w", NOW, 10).unwrap() {
        turns.push(claimed.id);
        store.commit_job(&claimed, &commit(), NOW).unwrap();
    }
    assert_eq!(turns, [0, 2, 1, 3].map(id), "with nobody at work the last turn counts");
}

#[test]
fn priority_goes_first() {
    let priorities = [(Address::repeat_byte(2), 5), (Address::repeat_byte(3), -1)].into();
    let store = store_of(&[3, 1, 2, 2], QueueRules { priorities, ..QueueRules::default() });
    for number in 0..4 {
        order(&store, number, 1, NOW);
    }
    let turns: Vec<_> = std::iter::from_fn(|| claim(&store, NOW)).collect();
    assert_eq!(turns, [2, 3, 1, 0].map(id));
}

#[test]
fn memory_is_reserved_and_a_large_job_is_not_passed_for_ever() {
    let store = store_of(&[1; 16], QueueRules { memory_bytes: 100, ..QueueRules::default() });
    order(&store, 0, 60, NOW);
    assert_eq!(claim(&store, NOW), Some(id(0)));
    let held = id(0);
    order(&store, 1, 50, NOW + 1);
    for number in 2..16 {
        order(&store, number, 1, NOW + 2);
    }
    // Eight small ones pass the large one, no more, though there is room for them.
    for number in 2..10 {
        assert_eq!(claim(&store, NOW), Some(id(number)));
    }
    assert_eq!(claim(&store, NOW), None);
    let row = store.queue().unwrap().into_iter().find(|job| job.id == held).unwrap();
    assert_eq!((row.state, row.memory_bytes), (State::Preparing, 60));
    // As soon as it fits it is next.
    store.lock().execute("UPDATE job SET state = 'settled' WHERE id = ?1", [held.to_string()]).unwrap();
    assert_eq!(claim(&store, NOW), Some(id(1)));
}

#[test]
fn what_can_never_fit_is_ended() {
    let store = store_of(&[1], QueueRules::default());
    order(&store, 0, 200, NOW);
    // The budget was lowered after the job was admitted.
    let store = store.with_rules(QueueRules { memory_bytes: 100, ..QueueRules::default() });
    assert_eq!(claim(&store, NOW), None);
    assert_eq!(store.end_overdue(NOW).unwrap(), [Overdue::Ended(id(0).to_string(), End::HostFailed)]);
    assert_eq!(state(&store, 0), (State::Aborted, Some(End::HostFailed)));
}

#[test]
fn the_queue_has_bounds_for_one_and_for_all() {
    let rules = QueueRules { waiting_max: 3, waiting_per_consumer_max: 2, ..QueueRules::default() };
    let store = store_of(&[1, 1, 1, 2, 3], rules);
    order(&store, 0, 1, NOW);
    order(&store, 1, 1, NOW);
    let refused = store.insert_job(&new_job(12), "permitted", NOW).unwrap_err();
    assert!(matches!(refused, Error::QueueFull { own: true, waiting: 2 }), "{refused}");
    order(&store, 3, 1, NOW);
    let refused = store.insert_job(&new_job(14), "permitted", NOW).unwrap_err();
    assert!(matches!(refused, Error::QueueFull { own: false, waiting: 3 }), "{refused}");
    assert!(
        matches!(store.insert_job(&new_job(10), "permitted", NOW), Err(Error::Exists(_))),
        "a repetition"
    );
    assert_eq!(logged(&store).len(), 3, "what was refused is not logged as permitted");
    assert!(claim(&store, NOW).is_some());
    order(&store, 4, 1, NOW);
}

#[test]
fn a_job_that_keeps_ending_the_worker_is_put_aside() {
    let store = store_of(&[1, 1], QueueRules { quarantine_after: 3, ..QueueRules::default() });
    order(&store, 0, 1, NOW);
    for _ in 0..3 {
        assert_eq!(claim(&store, NOW), Some(id(0)));
        store.release_leases(NOW).unwrap();
    }
    assert_eq!(claim(&store, NOW), None);
    assert_eq!(state(&store, 0), (State::Quarantined, None));
    // Others go on; the publisher gives it another try, and then has enough of it.
    order(&store, 1, 1, NOW);
    assert_eq!(claim(&store, NOW), Some(id(1)));
    assert!(matches!(store.end_quarantined(id(1), NOW), Err(Error::WrongState { .. })));
    store.requeue(id(0), NOW).unwrap();
    assert_eq!(claim(&store, NOW), Some(id(0)));
    store.lock().execute("UPDATE job SET state = 'quarantined' WHERE id = ?1", [id(0).to_string()]).unwrap();
    store.end_quarantined(id(0), NOW).unwrap();
    assert_eq!(state(&store, 0), (State::Aborted, Some(End::HostFailed)));
    assert_eq!(logged(&store).last().unwrap().event, brizo_receipt::log::Event::HostFailed);
}

#[test]
fn what_is_handed_back_at_the_end_counts_for_nothing_and_is_committed_by_nobody() {
    let store = store_of(&[1, 2, 3], QueueRules { quarantine_after: 1, ..QueueRules::default() });
    for number in 0..3 {
        order(&store, number, 1, NOW);
    }
    let late = store.claim_job("w", NOW, 10).unwrap().unwrap();
    let running = store.claim_job("w", NOW, 10).unwrap().unwrap();
    store.keep_lease(&running, State::Running, LATER, || NOW, 10).unwrap();
    assert_eq!(store.hand_back_all(NOW + 1).unwrap(), 2);
    assert!(matches!(store.commit_job(&late, &commit(), NOW + 1), Err(Error::LeaseLost(_))));
    assert!(matches!(
        store.keep_lease(&running, State::Running, LATER, || NOW + 1, 10),
        Err(Error::LeaseLost(_))
    ));
    // The next process finds no lease that somebody died with.
    assert_eq!(store.release_leases(NOW + 1).unwrap(), 0);
    for job in store.queue().unwrap() {
        assert_eq!((job.state, job.failures, job.crashes), (State::Queued, 0, 0), "{}", job.id);
    }
    assert_eq!(std::iter::from_fn(|| claim(&store, NOW + 1)).count(), 3, "at once, and side by side");
}

#[test]
fn suspects_are_tried_one_at_a_time() {
    let store = store_of(&[1, 2, 3], QueueRules::default());
    for number in 0..3 {
        order(&store, number, 1, NOW);
    }
    // Two were at work when the worker ended; it is not known which of them did it.
    assert!(claim(&store, NOW).is_some() && claim(&store, NOW).is_some());
    store.release_leases(NOW).unwrap();
    let (first, second) = (claim(&store, NOW).unwrap(), claim(&store, NOW).unwrap());
    assert_eq!((first, second), (id(2), id(0)), "the one that is above suspicion, and one suspect");
    assert_eq!(claim(&store, NOW), None);
}

#[test]
fn the_hosts_failures_rest_longer_each_time_and_end() {
    let store = store_of(&[1], QueueRules { failures_max: 3, ..QueueRules::default() });
    order(&store, 0, 1, NOW);
    let failed = GivenUp::Failed("no memory".into());
    let mut now_s = NOW;
    // An engine that is away counts for nothing, however often it is: the first failure is the first.
    for _ in 0..5 {
        let claimed = store.claim_job("w", now_s, 10).unwrap().unwrap();
        assert_eq!(
            store.give_up(&claimed, &GivenUp::Away("no engine".into()), now_s).unwrap(),
            State::Queued
        );
        assert_eq!(claim(&store, now_s + 29), None, "it rests 30 s");
        now_s += 30;
    }
    for rest_s in [1, 4] {
        let claimed = store.claim_job("w", now_s, 10).unwrap().unwrap();
        assert_eq!(store.give_up(&claimed, &failed, now_s).unwrap(), State::Queued);
        assert_eq!(claim(&store, now_s + rest_s - 1), None, "it rests {rest_s} s");
        now_s += rest_s;
    }
    // An orderly end of the provider counts for nothing and needs no rest.
    let claimed = store.claim_job("w", now_s, 10).unwrap().unwrap();
    store.give_up(&claimed, &GivenUp::HandedBack, now_s).unwrap();
    let claimed = store.claim_job("w", now_s, 10).unwrap().unwrap();
    assert_eq!(store.give_up(&claimed, &failed, now_s).unwrap(), State::Aborted);
    assert_eq!(state(&store, 0), (State::Aborted, Some(End::HostFailed)));
    assert_eq!([1, 2, 5, 6, 99].map(QueueRules::rest_s), [1, 4, 256, 300, 300]);
}

#[test]
fn every_state_before_the_commit_has_an_end() {
    let store = store_of(&[1, 2, 3], QueueRules { prepare_s: 50, ..QueueRules::default() });
    for number in 0..3 {
        order(&store, number, 1, NOW);
    }
    // At work: a heartbeat that goes on after the state's time keeps nothing.
    let claimed = store.claim_job("w", NOW, 10).unwrap().unwrap();
    store.keep_lease(&claimed, State::Running, NOW + 20, || NOW + 60, 10).unwrap();
    assert_eq!(store.end_overdue(NOW + 30).unwrap(), [], "to the lease's last second");
    store.end_overdue(NOW + 31).unwrap();
    assert_eq!(state(&store, 0), (State::Queued, None));
    // Waiting and put aside: until they cannot be started any more.
    store.lock().execute("UPDATE job SET state = 'quarantined' WHERE id = ?1", [id(1).to_string()]).unwrap();
    assert_eq!(store.end_overdue(LATER).unwrap(), []);
    assert_eq!(store.end_overdue(LATER + 1).unwrap().len(), 3);
    assert_eq!(state(&store, 0), (State::Aborted, Some(End::TimedOut)));
    assert_eq!(state(&store, 1), (State::Aborted, Some(End::HostFailed)));
}

#[test]
fn an_overdue_settlement_is_spoken_of_once_a_day_and_not_dropped() {
    let store = store_of(&[1], QueueRules::default());
    order(&store, 0, 1, NOW);
    let claimed = store.claim_job("w", NOW, 10).unwrap().unwrap();
    store.commit_job(&claimed, &commit(), NOW).unwrap();
    assert_eq!(store.end_overdue(LATER).unwrap(), []);
    let unpaid = [Overdue::Unpaid(id(0).to_string())];
    assert_eq!(store.end_overdue(LATER + 1).unwrap(), unpaid);
    assert_eq!(store.end_overdue(LATER + 86_000).unwrap(), []);
    assert_eq!(store.end_overdue(LATER + 90_000).unwrap(), unpaid);
    assert_eq!((state(&store, 0).0, store.waiting_steps().unwrap()), (State::Publishing, 3));
}

#[test]
fn one_damaged_row_does_not_stop_the_queue() {
    let store = store_of(&[1, 2], QueueRules::default());
    order(&store, 0, 1, NOW);
    order(&store, 1, 1, NOW + 1);
    store.lock().execute("UPDATE job SET invocation = 'torn' WHERE id = ?1", [id(0).to_string()]).unwrap();
    assert_eq!(claim(&store, NOW), None);
    assert_eq!((state(&store, 0).0, claim(&store, NOW)), (State::Quarantined, Some(id(1))));
}

#[test]
fn a_job_whose_order_cannot_be_read_ends_in_its_time_and_holds_up_nothing() {
    let store = store_of(&[1, 2], QueueRules::default());
    order(&store, 0, 1, NOW);
    order(&store, 1, 1, NOW + 1);
    store.lock().execute("UPDATE job SET spec = 'torn' WHERE id = ?1", [id(0).to_string()]).unwrap();
    store.named_blobs().unwrap();
    let late = NOW + 1_000_000;
    store.end_overdue(late).unwrap();
    assert_eq!(state_word(&store, 0), "aborted");
    assert_eq!(state_word(&store, 1), "aborted", "what is behind it is ended as well");
    assert!(store.end_overdue(late).unwrap().is_empty());
}

fn state_word(store: &Store, number: u8) -> String {
    let query = "SELECT state FROM job WHERE id = ?1";
    store.lock().query_row(query, [id(number).to_string()], |row| row.get(0)).unwrap()
}

#[test]
fn what_is_asked_for_each_job_goes_through_no_jobs_that_are_over() {
    let store = super::tests::store();
    let sql = store.lock();
    let plan = |query: &str| -> Vec<String> {
        let mut explained = sql.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let marks = explained.parameter_count();
        let read = explained.query_map(rusqlite::params_from_iter(vec![1; marks]), |row| row.get(3)).unwrap();
        read.collect::<rusqlite::Result<_>>().unwrap()
    };
    let asked = [super::claims::CANDIDATES, super::claims::WAITING, super::asked::JOBS_AFTER];
    for step in asked.into_iter().flat_map(plan) {
        let goes_through = step.starts_with("SCAN") || step.contains("job_consumer");
        // What a query in brackets has counted is as few.
        let few = ["job_waiting", "job_held", "(subquery"].iter().any(|few| step.contains(few));
        assert!(!goes_through || few, "{step}");
    }
}

/// With the worker's own numbers: a lease of 30 s, renewed every 10 s, through all states up to the commit.
#[test]
fn a_lease_that_is_renewed_stays_however_long() {
    let store = store_of(&[1], QueueRules::default());
    order(&store, 0, 1, NOW);
    let claimed = store.claim_job("a", NOW, 30).unwrap().unwrap();
    let other = |now_s| store.claim_job("b", now_s, 30).unwrap();
    let (mut now_s, until_s) = (NOW, NOW + 400);
    for beat in 0..40 {
        let state = if beat < 10 { State::Preparing } else { State::Running };
        store.keep_lease(&claimed, state, until_s, || now_s, 30).unwrap();
        // Two beats may fail.
        assert!(other(now_s + 30).is_none(), "beat {beat}");
        now_s += 10;
    }
    // Not beyond the time that its state has, however often it is renewed.
    for late in [0, 100, 200] {
        store.keep_lease(&claimed, State::Running, until_s, || until_s + late, 30).unwrap();
    }
    assert!(other(until_s + 30).is_none());
    assert_eq!(other(until_s + 31).unwrap().attempt, 2);
    assert!(matches!(store.commit_job(&claimed, &commit(), until_s + 31), Err(Error::LeaseLost(_))));
}

#[test]
fn a_lease_counts_from_when_the_database_is_reached() {
    let store = store_of(&[1], QueueRules::default());
    order(&store, 0, 1, NOW);
    let claimed = store.claim_job("a", NOW, 30).unwrap().unwrap();
    let now = || {
        assert!(!store.connections.can_write_now(), "nobody else writes any more");
        NOW + 25
    };
    store.keep_lease(&claimed, State::Running, LATER, now, 30).unwrap();
    assert!(store.claim_job("b", NOW + 55, 30).unwrap().is_none());
    assert_eq!(store.claim_job("b", NOW + 56, 30).unwrap().unwrap().attempt, 2);
}

#[test]
fn what_somebody_here_watches_over_is_not_taken_for_the_work_of_the_dead() {
    let store = store_of(&[1], QueueRules::default());
    order(&store, 0, 1, NOW);
    let claimed = store.claim_job("a", NOW, 30).unwrap().unwrap();
    store.keep_lease(&claimed, State::Running, NOW + 100, || NOW, 30).unwrap();
    let watch = store.watch(&claimed);
    assert_eq!((store.end_overdue(NOW + 31).unwrap(), claim(&store, NOW + 31)), (vec![], None));
    assert_eq!(store.queue().unwrap().remove(0).crashes, 0);
    // The beat that was late.
    store.keep_lease(&claimed, State::Running, NOW + 100, || NOW + 32, 30).unwrap();
    drop(watch);
    assert_eq!(claim(&store, NOW + 62), None);
    let second = store.claim_job("b", NOW + 63, 30).unwrap().unwrap();
    // Not for ever, and not for another attempt.
    let (_old, _watch) = (store.watch(&claimed), store.watch(&second));
    store.keep_lease(&second, State::Running, NOW + 200, || NOW + 63, 30).unwrap();
    assert_eq!((claim(&store, NOW + 260), claim(&store, NOW + 261)), (None, Some(id(0))));
    assert_eq!(claim(&store, NOW + 300), Some(id(0)), "a third one, over which nobody watches");
}

#[test]
fn a_job_is_ours_until_it_is_stopped_or_somebody_else_has_it() {
    let store = store_of(&[1, 2], QueueRules::default());
    for number in 0..2 {
        order(&store, number, 1, NOW);
    }
    let [first, second] = [(); 2].map(|()| store.claim_job("a", NOW, 30).unwrap().unwrap());
    assert!(store.is_ours(&first).unwrap() && store.is_ours(&second).unwrap());
    store.stop_job(first.id, NOW).unwrap();
    assert!(!store.is_ours(&first).unwrap());
    store.delete_job(first.id).unwrap();
    assert!(!store.is_ours(&first).unwrap());
    store.commit_job(&second, &commit(), NOW).unwrap();
    assert!(store.is_ours(&second).unwrap(), "also when it is committed");
}
