//! `brizo log audit` of a server that answers without end: the audit ends all the same, and says nothing about the log.

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
    let cases: [(&str, Says, &[&str], &str); 5] = [
        (
            "more entries than wanted",
            endless(),
            &["--max-entries", "299"],
            "the log has 300 entries, --max-entries is 299",
        ),
        ("a file without end", endless(), &[], "more than the 30208 bytes it can have"),
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
    for bounds in [["--max-entries", "many"], ["--deadline", "-1"], ["--max-bytes", "1XB"]] {
        let audit = brizo(folder.path(), &[&["log", "audit", "http://127.0.0.1:9"][..], &bounds].concat());
        assert_eq!(audit.status.code(), Some(2), "{bounds:?}: {}", said(&audit));
    }
}
