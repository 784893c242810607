//! Claims that are made in somebody else's transaction.

use std::sync::mpsc;

use super::queue_tests::{id, order, state, store_of};
use super::tests::{LATER, NOW, commit, new_job};
use super::*;
use crate::job::State;

const LEASE: Lease = Lease { owner: std::borrow::Cow::Borrowed("w"), seconds: 30 };

/// Offers a place; what comes to it is received, and its end is heard.
fn offer(store: &Store) -> (u64, mpsc::Receiver<Claimed>) {
    let (tell, told) = mpsc::channel();
    let number =
        store.offer(Offer { lease: LEASE, take: Box::new(move |claimed| tell.send(claimed).unwrap()) });
    (number, told)
}

#[test]
fn a_job_comes_to_the_place_that_is_offered_with_the_order_itself() {
    let store = store_of(&[1, 2], QueueRules::default());
    let (number, told) = offer(&store);
    order(&store, 0, 1, NOW);
    let claimed = told.try_recv().unwrap();
    assert_eq!((claimed.id, claimed.attempt), (id(0), 1));
    assert_eq!(state(&store, 0).0, State::Preparing);
    assert!(!store.withdraw(number), "it is used up");
    order(&store, 1, 1, NOW);
    assert_eq!(state(&store, 1).0, State::Queued, "nobody offers a place for it");
    assert_eq!(store.waiting_jobs(NOW, 9).unwrap(), 1);
    assert!(told.try_recv().is_err());
}

/// Everything that a claim writes.
fn written(store: &Store) -> Vec<String> {
    let connection = store.lock();
    let rows = |query: &str| -> Vec<String> {
        let mut statement = connection.prepare(query).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<String> {
            Ok((0..columns).map(|i| format!("{:?};", row.get_ref(i).unwrap())).collect())
        };
        statement.query_map([], row).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    };
    let job = "SELECT id, state, attempt, lease_owner LIKE 'w%', lease_until_s, state_until_s, passed, crashes, created_s
               FROM job ORDER BY id";
    let history = "SELECT id, job, at_s, text FROM history ORDER BY id";
    [job, history, "SELECT consumer, turn FROM served ORDER BY consumer"].map(rows).concat()
}

#[test]
fn a_job_that_need_not_wait_is_written_as_one_that_was_claimed() {
    let end_s = LATER;
    // The budget, whether another job waits, whose worker is gone, and when the order comes.
    let cases = [
        (0, false, false, NOW),
        (2, false, false, NOW),
        (1, false, false, NOW),
        (0, true, false, NOW),
        (0, false, true, NOW + 100),
        (0, false, false, end_s),
        (0, false, false, end_s + 1),
    ];
    for case @ (memory_bytes, waits, is_lapsed, now_s) in cases {
        let [besides, alone] = [true, false].map(|is_offered| {
            let store = store_of(&[1, 2], QueueRules { memory_bytes, ..QueueRules::default() });
            if waits || is_lapsed {
                order(&store, 1, 2, NOW);
            }
            if is_lapsed {
                store.claim_job("w", NOW, 30).unwrap().unwrap();
            }
            let offered = is_offered.then(|| offer(&store).1);
            order(&store, 0, 2, now_s);
            let claimed = match offered {
                Some(told) => told.try_recv().ok(),
                None => store.claim_job("w", now_s, 30).unwrap(),
            };
            let claimed = claimed.map(|it| (it.id, it.attempt, it.order.spec, it.order.invocation));
            (format!("{claimed:?}"), written(&store))
        });
        assert_eq!(besides, alone, "{case:?}");
    }
}

#[test]
fn who_is_at_the_end_of_the_line_stays_there() {
    let store = store_of(&[1, 2], QueueRules::default());
    let turns = || {
        let query = "SELECT group_concat(turn, ' ') FROM (SELECT turn FROM served ORDER BY consumer)";
        store.lock().query_row(query, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let claim = |number| {
        order(&store, number, 1, NOW);
        store.claim_job("w", NOW, 30).unwrap().unwrap();
        turns()
    };
    assert_eq!([claim(0), claim(1)], ["1", "1 2"]);
    let again = |consumer: &str| {
        claims::take_turn(&store.lock(), consumer).unwrap();
        turns()
    };
    let [one, two] = [0, 1].map(|number| store.job(id(number)).unwrap().unwrap().consumer.to_string());
    assert_eq!([again(&two), again(&one), again(&one), again(&two)], ["1 2", "3 2", "3 2", "3 4"]);
}

#[test]
fn an_offer_that_was_withdrawn_is_given_nothing() {
    let store = store_of(&[1], QueueRules::default());
    let (number, told) = offer(&store);
    assert!(store.withdraw(number) && !store.withdraw(number));
    order(&store, 0, 1, NOW);
    assert_eq!(state(&store, 0).0, State::Queued);
    assert_eq!(told.try_recv().unwrap_err(), mpsc::TryRecvError::Disconnected);
}

#[test]
fn an_order_that_is_refused_turns_the_offer_down() {
    let store = store_of(&[1], QueueRules { waiting_max: 0, ..QueueRules::default() });
    let (_, told) = offer(&store);
    assert!(store.insert_job(&new_job(10), "permitted", NOW).is_err());
    assert_eq!(told.try_recv().unwrap_err(), mpsc::TryRecvError::Disconnected);
    assert_eq!(store.waiting_jobs(NOW, 9).unwrap(), 0);
}

#[test]
fn a_job_that_does_not_fit_turns_the_offer_down_and_waits() {
    let store = store_of(&[1], QueueRules { memory_bytes: 1, ..QueueRules::default() });
    let (_, told) = offer(&store);
    order(&store, 0, 2, NOW);
    assert_eq!(told.try_recv().unwrap_err(), mpsc::TryRecvError::Disconnected);
    assert_eq!(state(&store, 0).0, State::Queued);
}

#[test]
fn whose_turn_it_is_gets_the_place_and_not_who_came() {
    let store = store_of(&[1, 2], QueueRules::default());
    order(&store, 0, 1, NOW);
    let (_, told) = offer(&store);
    order(&store, 1, 1, NOW + 1);
    assert_eq!(told.try_recv().unwrap().id, id(0));
    assert_eq!(state(&store, 1).0, State::Queued);
}

#[test]
fn a_commit_takes_the_next_job_or_none() {
    let store = store_of(&[1, 2], QueueRules::default());
    order(&store, 0, 1, NOW);
    order(&store, 1, 1, NOW);
    let claimed = store.claim_job("w", NOW, 30).unwrap().unwrap();
    assert_eq!(claimed.id, id(0));
    let next = store.commit_and_claim(&claimed, &commit(), Some(LEASE), NOW + 1).unwrap().unwrap();
    assert_eq!((next.id, next.attempt), (id(1), 1));
    assert_eq!(state(&store, 0).0, State::Publishing);
    assert!(store.commit_and_claim(&next, &commit(), Some(LEASE), NOW + 2).unwrap().is_none());
    assert!(store.claim_job("w", NOW + 100, 30).unwrap().is_none(), "nothing is left behind under a lease");
}

#[test]
fn a_commit_that_is_fenced_out_claims_nothing() {
    let store = store_of(&[1, 2], QueueRules::default());
    order(&store, 0, 1, NOW);
    let claimed = store.claim_job("w", NOW, 10).unwrap().unwrap();
    order(&store, 1, 1, NOW);
    store.stop_job(id(0), NOW + 1).unwrap();
    let late = store.commit_and_claim(&claimed, &commit(), Some(LEASE), NOW + 2);
    assert!(matches!(late, Err(Error::LeaseLost(_))), "{late:?}");
    assert_eq!(state(&store, 1).0, State::Queued);
}

#[test]
fn a_claim_that_fails_leaves_the_commit_as_it_is() {
    let store = store_of(&[1, 2], QueueRules::default());
    order(&store, 0, 1, NOW);
    order(&store, 1, 1, NOW);
    let claimed = store.claim_job("w", NOW, 30).unwrap().unwrap();
    // What a claim writes and a commit does not.
    store
        .lock()
        .execute_batch("CREATE TRIGGER t BEFORE INSERT ON served BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    assert!(store.commit_and_claim(&claimed, &commit(), Some(LEASE), NOW + 1).unwrap().is_none());
    assert_eq!(state(&store, 0).0, State::Publishing);
    assert_eq!(state(&store, 1).0, State::Queued, "nothing of the claim is left");
}

#[test]
fn what_a_failed_transaction_had_claimed_is_handed_back_by_its_name_and_by_no_other() {
    let store = store_of(&[1], QueueRules::default());
    order(&store, 0, 1, NOW);
    let claimed = store.claim_job("w-7", NOW, 30).unwrap().unwrap();
    let failed = |owner: &'static str| {
        let lease = Lease { owner: owner.into(), seconds: 30 };
        store.keep_if(Err(Error::Task), Some((lease, &claimed)), NOW + 1).unwrap_err();
        state(&store, 0).0
    };
    assert_eq!(failed("w-8"), State::Preparing, "it was taken back, and somebody else has the same attempt");
    assert_eq!(failed("w-7"), State::Queued);
    let again = store.claim_job("w", NOW + 1, 30).unwrap().unwrap();
    assert_eq!(again.attempt, 2, "at once: a job that was handed back has nothing to rest from");
}

#[test]
fn each_claim_in_passing_has_a_name_of_its_own() {
    let store = store_of(&[1, 2], QueueRules::default());
    let mut names = Vec::new();
    for number in 0..2 {
        let (_, told) = offer(&store);
        order(&store, number, 1, NOW);
        told.try_recv().unwrap();
        let query = "SELECT lease_owner FROM job WHERE id = ?1";
        let name = store.lock().query_row(query, [id(number).to_string()], |row| row.get::<_, String>(0));
        names.push(name.unwrap());
    }
    assert!(names[0].starts_with("w-") && names[1].starts_with("w-") && names[0] != names[1], "{names:?}");
}
