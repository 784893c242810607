//! `brizo log audit` of servers that are no log, or answer without end: the audit ends all the same, and accuses only whom it has
//! something against.

use brizo::log::{Log, Rows};
use brizo_receipt::B256;
use brizo_receipt::log::{ENTRY_BYTES, Entry, Event};

use super::fake_web::{Says, Server};
use super::said;
use crate::guests::repository;
use crate::world::brizo;

#[test]
fn a_log_that_is_too_large_too_slow_or_endless_is_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let log = repository("tests/frozen/1");
    let key = std::fs::read_to_string(log.join("log.key")).unwrap();
    let (endless, stuck) = (|| Says::Endless(log.clone()), || Says::Stuck(log.clone()));
    let cases: [(&str, Says, &[&str], &str); 4] = [
        (
            "more entries than wanted",
            endless(),
            &["--max-entries", "299"],
            "the log has 300 entries, --max-entries is 299",
        ),
        ("more bytes than wanted", endless(), &["--max-bytes", "20kB"], "all that --max-bytes leaves"),
        ("a file that does not go on", stuck(), &["--deadline", "1"], "not done after 1 s"),
        ("no time at all", stuck(), &["--deadline", "0"], "not done after 0 s"),
    ];
    for (about, says, bounds, why) in cases {
        let server = Server::start(says);
        let args = [&["log", "audit", &server.url, "--key", key.trim()], bounds].concat();
        let audit = brizo(folder.path(), &args);
        assert_eq!(audit.status.code(), Some(3), "{about}: {}", said(&audit));
        assert!(said(&audit).contains(why), "{about}: {}", said(&audit));
    }
    // What is longer than it can be is no tile, however much more would come.
    let server = Server::start(endless());
    let audit = brizo(folder.path(), &["log", "audit", &server.url, "--key", key.trim()]);
    assert_eq!(audit.status.code(), Some(15), "{}", said(&audit));
    assert!(said(&audit).contains("more than the 30208 bytes that it can have"), "{}", said(&audit));
    for bounds in [["--max-entries", "many"], ["--deadline", "-1"], ["--max-bytes", "1XB"]] {
        let audit = brizo(folder.path(), &[&["log", "audit", "http://127.0.0.1:9"][..], &bounds].concat());
        assert_eq!(audit.status.code(), Some(2), "{bounds:?}: {}", said(&audit));
    }
}

/// A wrong URL, or a file of the auditor's own that was damaged, is nothing against a log; a log that comes with another key is.
#[test]
fn a_log_is_accused_of_nothing_that_others_did() {
    let folder = tempfile::tempdir().unwrap();
    let frozen = repository("tests/frozen/1");
    let key = std::fs::read_to_string(frozen.join("log.key")).unwrap();
    let nothing = Server::start(Says::Files(folder.path().to_path_buf()));
    for verb in [&["key"][..], &["checkpoint"], &["audit"], &["audit", "--key", key.trim()]] {
        let asked = brizo(folder.path(), &[&["log"], &verb[..1], &[&*nothing.url], &verb[1..]].concat());
        assert_eq!(asked.status.code(), Some(3), "{verb:?}: {}", said(&asked));
        assert!(said(&asked).contains("is the URL right?"), "{verb:?}: {}", said(&asked));
    }
    let note = std::fs::read_to_string(frozen.join("log/checkpoint")).unwrap();
    let state = folder.path().join("state.json");
    let audit = |note: &str, says: Says| {
        let text = serde_json::json!({ "key": key.trim(), "checkpoint": note }).to_string();
        std::fs::write(&state, text).unwrap();
        let server = Server::start(says);
        let audit = brizo(folder.path(), &["log", "audit", &server.url, "--state", "state.json"]);
        (audit.status.code(), said(&audit))
    };
    let damaged = audit(&note[1..], Says::Files(frozen.clone()));
    assert_eq!(damaged.0, Some(1), "{}", damaged.1);
    assert!(damaged.1.contains("the state's checkpoint was damaged"), "{}", damaged.1);
    // Nobody told the auditor to trust this one: the key is the one of the last audit.
    let stranger = audit(&note, Says::Files(repository("tests/vectors/logged/live-stranger")));
    assert_eq!(stranger.0, Some(15), "{}", stranger.1);
    assert!(stranger.1.contains("key that signed the checkpoint"), "{}", stranger.1);
}

/// Entries of a log, as many as it says.
struct Grown(u64);

impl Rows for Grown {
    fn size(&self) -> Result<u64, String> {
        Ok(self.0)
    }

    fn read(&self, from: u64, limit: u64) -> Result<Vec<[u8; ENTRY_BYTES]>, String> {
        let entry = |n: u64| Entry {
            event: Event::Receipt,
            run_index: n,
            logged_at: n,
            agreement_id: B256::repeat_byte(1),
            subject: B256::repeat_byte(2),
            statement: B256::repeat_byte(3),
        };
        Ok((from..self.0.min(from + limit)).map(|n| entry(n).to_bytes()).collect())
    }
}

/// A copy of a log that is late has the same past: it shows too little, and proves nothing.
#[test]
fn an_older_copy_of_a_log_is_no_second_past() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("log/checkpoint");
    let grown_to = |size| {
        let log = Log::open(folder.path(), "provider.example/log", &Grown(size)).unwrap();
        log.advance(&Grown(size)).unwrap();
        (log.key().to_string(), std::fs::read_to_string(&place).unwrap())
    };
    let (key, earlier) = grown_to(2);
    let (_, later) = grown_to(4);
    let server = Server::start(Says::Files(folder.path().to_path_buf()));
    let audit = || brizo(folder.path(), &["log", "audit", &server.url, "--state", "state.json"]);
    let state = serde_json::json!({ "key": key, "checkpoint": later }).to_string();
    std::fs::write(folder.path().join("state.json"), &state).unwrap();
    assert_eq!(audit().status.code(), Some(0), "{}", said(&audit()));
    std::fs::write(&place, earlier).unwrap();
    let older = audit();
    assert_eq!(older.status.code(), Some(3), "{}", said(&older));
    assert!(said(&older).contains("it is an older copy, or hides something"), "{}", said(&older));
    assert!(!folder.path().join("state.evidence.json").exists(), "evidence of nothing");
}
