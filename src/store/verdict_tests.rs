//! Whose verdict finds a place in the log when others have taken all that they can.

use brizo_receipt::{Address, B256, keccak256};

use super::tests::{LATER, NOW, agreement, logged, new_job, store};
use super::*;
use crate::ids::{AgreementId, JobId};
use crate::job::Role;

/// Places of strangers, and of what each party hands on.
const STRANGERS: usize = 32;

/// The job that the verdicts are about.
fn about() -> JobId {
    JobId { agreement: AgreementId(B256::repeat_byte(4)), run_index: 0 }
}

fn key(number: u16) -> Address {
    Address::from_word(keccak256(number.to_be_bytes()))
}

/// What an auditor says, in one of several ways.
fn verdict(auditor: Address, says: u8) -> LoggedVerdict {
    LoggedVerdict {
        claim_hash: B256::repeat_byte(8),
        auditor,
        digest: keccak256([auditor.as_slice(), &[says]].concat()),
        confirms: says.is_multiple_of(2),
        text: "{}".into(),
    }
}

fn say(store: &Store, auditor: Address, bearer: Bearer) -> VerdictAnswer {
    store.log_verdict(about(), &verdict(auditor, 0), bearer, NOW).unwrap()
}

/// Logs as many as find a place.
fn fill(store: &Store, keys: std::ops::Range<u16>, bearer: Bearer) -> usize {
    keys.filter(|number| say(store, key(*number), bearer) == VerdictAnswer::Logged).count()
}

/// A job of an agreement and its consumer, with what was paid for it.
fn ran(store: &Store, number: u8, consumer: Address, state: &str, paid: Option<&str>) {
    let row = AgreementRow { consumer, grant_deadline_s: LATER, ..agreement(number) };
    store.insert_agreement(&row, NOW).unwrap();
    let id = store.insert_job(&new_job(number), "permitted", NOW).unwrap().to_string();
    let change = "UPDATE job SET state = ?1, paid = ?2 WHERE id = ?3";
    store.lock().execute(change, rusqlite::params![state, paid, id]).unwrap();
}

#[test]
fn keys_alone_take_no_place_of_those_with_a_part_in_it() {
    let store = store();
    let named = [(key(1_000), Role::Auditor), (key(1_001), Role::Viewer)];
    store.write(|sql| parties::name(sql, &about().to_string(), &named)).unwrap();
    ran(&store, 10, key(1_002), "settled", Some("7"));
    ran(&store, 11, key(1_003), "settled", Some("0"));
    ran(&store, 12, key(1_004), "running", None);
    // The consumer takes every place that keys alone can have, by itself and by strangers of its own making.
    assert_eq!(fill(&store, 0..100, Bearer::Auditor), STRANGERS);
    assert_eq!(fill(&store, 100..200, Bearer::Consumer), STRANGERS);
    let answer = |number, bearer| say(&store, key(number), bearer);
    assert_eq!(answer(1_000, Bearer::Auditor), VerdictAnswer::Logged, "an auditor whom the order names");
    assert_eq!(answer(2_000, Bearer::Party), VerdictAnswer::Logged, "consumer or publisher");
    assert_eq!(answer(1_002, Bearer::Auditor), VerdictAnswer::Logged, "who has paid for a run here");
    assert_eq!(answer(2_001, Bearer::Publisher), VerdictAnswer::Logged, "for whom the publisher stands");
    assert_eq!(answer(1_001, Bearer::Auditor), VerdictAnswer::TooMany, "a viewer");
    assert_eq!(answer(1_003, Bearer::Auditor), VerdictAnswer::TooMany, "who had a run for nothing");
    assert_eq!(answer(1_004, Bearer::Auditor), VerdictAnswer::TooMany, "whose run is not over");
    assert_eq!(fill(&store, 200..300, Bearer::Publisher), STRANGERS - 1);
    let all = 3 + 3 * STRANGERS + 3;
    assert_eq!(store.log_size().unwrap(), all as u64, "three orders were permitted, and these");
}

#[test]
fn the_log_takes_a_verdict_once_and_a_few_of_one_auditor() {
    let store = store();
    let log = |says| store.log_verdict(about(), &verdict(key(1), says), Bearer::Auditor, NOW).unwrap();
    for says in 0..4 {
        assert_eq!(log(says), VerdictAnswer::Logged, "{says}");
        assert_eq!(log(says), VerdictAnswer::Known, "{says}");
    }
    assert_eq!(log(4), VerdictAnswer::TooMany);
    assert_eq!(log(3), VerdictAnswer::Known);
    let handed = store.log_verdict(about(), &verdict(key(1), 0), Bearer::Consumer, NOW).unwrap();
    assert_eq!(handed, VerdictAnswer::Known, "whoever brings it");
    let said: Vec<B256> = logged(&store).iter().map(|entry| entry.statement).collect();
    assert_eq!(said, [0, 1, 2, 3].map(|says| verdict(key(1), says).digest));
}

/// Rows of earlier releases, in which an auditor had one place and the digest was not in its name.
#[test]
fn a_verdict_of_an_earlier_release_is_known() {
    let store = store();
    assert_eq!(say(&store, key(1), Bearer::Auditor), VerdictAnswer::Logged);
    let old = "UPDATE log_entry SET once = substr(once, 1, length(once) - 67)";
    store.lock().execute(old, []).unwrap();
    let once: String = store.lock().query_row("SELECT once FROM log_entry", [], |row| row.get(0)).unwrap();
    assert_eq!(once, format!("verdict/{}/{}", B256::repeat_byte(8), key(1)));
    assert_eq!(say(&store, key(1), Bearer::Auditor), VerdictAnswer::Known);
    let other = store.log_verdict(about(), &verdict(key(1), 1), Bearer::Auditor, NOW).unwrap();
    assert_eq!(other, VerdictAnswer::Logged);
}
