//! Entries of the log: 116 bytes each, one spelling for each meaning (`docs/RECEIPT.md` §14.1).

use alloy_primitives::B256;

use crate::{Error, Result, derive};

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 116;

/// The first byte of an entry.
const VERSION: u8 = 1;

/// What an entry says has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A receipt was made. The subject is its hash, the statement the digest that the provider signed.
    Receipt,
    /// The host stopped a run. The subject of this and the three below is the spec's hash.
    Stopped,
    /// The host ended a run that took too long.
    TimedOut,
    /// The host failed.
    HostFailed,
    /// An admitted run was ended before it began.
    RefusedBeforeRun,
    /// An order was refused.
    Refused,
    /// An order was permitted.
    Permitted,
    /// Somebody ran it again and found the same. The subject is the receipt hash, the statement what the auditor signed.
    Confirmed,
    /// Somebody ran it again and found something else.
    Disputed,
    /// A profile is in use. The subject is its digest.
    ProfileInUse,
    /// A profile is revoked.
    ProfileRevoked,
}

/// Every event with its type, its code and a word for people.
const EVENTS: [(Event, u8, u16, &str); 11] = [
    (Event::Receipt, 1, 0, "receipt"),
    (Event::Stopped, 2, 1, "stopped"),
    (Event::TimedOut, 2, 2, "timed out"),
    (Event::HostFailed, 2, 3, "host failed"),
    (Event::RefusedBeforeRun, 2, 4, "refused before the run"),
    (Event::Refused, 3, 0, "refused"),
    (Event::Permitted, 3, 1, "permitted"),
    (Event::Confirmed, 4, 0, "confirmed"),
    (Event::Disputed, 4, 1, "disputed"),
    (Event::ProfileInUse, 5, 0, "profile in use"),
    (Event::ProfileRevoked, 5, 1, "profile revoked"),
];

impl Event {
    fn row(self) -> (u8, u16, &'static str) {
        // Every event stands in the table, which a test holds.
        EVENTS.iter().find(|row| row.0 == self).map_or((0, 0, ""), |row| (row.1, row.2, row.3))
    }

    /// The number of its type, from 1 to 5.
    #[must_use]
    pub fn type_number(self) -> u8 {
        self.row().0
    }

    /// The number of its code within its type.
    #[must_use]
    pub fn code(self) -> u16 {
        self.row().1
    }

    /// A word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().2
    }
}

/// An entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What has happened.
    pub event: Event,
    /// The run under its agreement; 0 for a profile.
    pub run_index: u64,
    /// When, in seconds since 1970-01-01 UTC by the provider's clock. Nothing is decided by it.
    pub logged_at: u64,
    /// The agreement; zero for a profile.
    pub agreement_id: B256,
    /// What it is about: a receipt hash, a spec's hash or a profile's digest.
    pub subject: B256,
    /// What is stated about it: a digest that was signed, a log [`detail`], or zero.
    pub statement: B256,
}

impl Entry {
    /// The bytes that are hashed and served.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0u8; ENTRY_BYTES];
        let (kind, code, _) = self.event.row();
        bytes[0] = VERSION;
        bytes[1] = kind;
        bytes[2..4].copy_from_slice(&code.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.run_index.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.logged_at.to_be_bytes());
        bytes[20..52].copy_from_slice(self.agreement_id.as_slice());
        bytes[52..84].copy_from_slice(self.subject.as_slice());
        bytes[84..].copy_from_slice(self.statement.as_slice());
        bytes
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`Error::LogEntry`] for another length, version, type or code, and for a profile with an agreement or a run.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bad = |why: String| Err(Error::LogEntry(why));
        let Ok(bytes) = <&[u8; ENTRY_BYTES]>::try_from(bytes) else {
            return bad(format!("{} bytes instead of {ENTRY_BYTES}", bytes.len()));
        };
        let (kind, code) = (bytes[1], u16::from_be_bytes([bytes[2], bytes[3]]));
        if bytes[0] != VERSION {
            return bad(format!("version {}, this program reads {VERSION}", bytes[0]));
        }
        let Some(&(event, ..)) = EVENTS.iter().find(|row| (row.1, row.2) == (kind, code)) else {
            return bad(format!("type {kind} with code {code} is not defined"));
        };
        let entry = Self {
            event,
            run_index: number(bytes, 4),
            logged_at: number(bytes, 12),
            agreement_id: B256::from_slice(&bytes[20..52]),
            subject: B256::from_slice(&bytes[52..84]),
            statement: B256::from_slice(&bytes[84..]),
        };
        let bare = entry.agreement_id.is_zero() && entry.run_index == 0 && entry.statement.is_zero();
        if kind == Event::ProfileInUse.type_number() && !bare {
            return bad("an entry about a profile names an agreement, a run or a statement".into());
        }
        Ok(entry)
    }

    /// Its leaf in the tree: `SHA-256(0x00 ‖ entry)`.
    #[must_use]
    pub fn leaf(&self) -> B256 {
        super::from_hash(tlog_tiles::record_hash(&self.to_bytes()))
    }
}

fn number(bytes: &[u8; ENTRY_BYTES], at: usize) -> u64 {
    let mut number = [0u8; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(number)
}

/// The statement that stands for a text which only the provider and those concerned know. The nonce keeps others from
/// trying guesses.
#[must_use]
pub fn detail(nonce: &[u8; 32], text: &str) -> B256 {
    derive("brizo 2026 v1 log detail", &[nonce, text.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event: Event) -> Entry {
        let about = !matches!(event, Event::ProfileInUse | Event::ProfileRevoked);
        let filled = |byte| if about { B256::repeat_byte(byte) } else { B256::ZERO };
        Entry {
            event,
            run_index: u64::from(about) * 7,
            logged_at: 0x0102_0304_0506_0708,
            agreement_id: filled(0xaa),
            subject: B256::repeat_byte(0xbb),
            statement: filled(0xcc),
        }
    }

    #[test]
    fn every_event_comes_back_and_has_its_own_bytes() {
        for (event, ..) in EVENTS {
            let bytes = entry(event).to_bytes();
            assert_eq!(Entry::parse(&bytes), Ok(entry(event)));
            assert_ne!(event.type_number(), 0, "{event:?} is not in the table");
            assert_eq!(EVENTS.iter().filter(|row| (row.1, row.2) == (bytes[1], event.code())).count(), 1);
        }
    }

    #[test]
    fn the_layout_is_the_specified_one() {
        let bytes = entry(Event::Disputed).to_bytes();
        let mut expected = vec![1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8];
        for byte in [0xaa, 0xbb, 0xcc] {
            expected.extend([byte; 32]);
        }
        assert_eq!(bytes.as_slice(), expected);
    }

    #[test]
    fn other_lengths_versions_types_and_codes_are_refused() {
        let good = entry(Event::Receipt).to_bytes();
        let refused = |bytes: &[u8]| assert_eq!(Entry::parse(bytes).unwrap_err().code(), "bad_log_entry");
        refused(&good[..115]);
        refused(&[&good[..], &[0]].concat());
        refused(&[]);
        for (at, value) in [(0, 0), (0, 2), (1, 0), (1, 6), (2, 1), (3, 1)] {
            let mut bytes = good;
            bytes[at] = value;
            refused(&bytes);
        }
        // Defined is exactly what the table says.
        let defined =
            (0..=u8::MAX).flat_map(|kind| (0..64u16).map(move |code| (kind, code))).filter(|(kind, code)| {
                let mut bytes = entry(Event::ProfileInUse).to_bytes();
                bytes[1] = *kind;
                bytes[2..4].copy_from_slice(&code.to_be_bytes());
                Entry::parse(&bytes).is_ok()
            });
        assert_eq!(defined.count(), 11);
    }

    #[test]
    fn a_profile_belongs_to_no_agreement() {
        for at in [4, 20, 84] {
            let mut bytes = entry(Event::ProfileRevoked).to_bytes();
            bytes[at] = 1;
            assert_eq!(Entry::parse(&bytes).unwrap_err().code(), "bad_log_entry");
        }
    }

    #[test]
    fn a_detail_depends_on_text_and_nonce() {
        let one = detail(&[1; 32], "no");
        assert_ne!(one, detail(&[2; 32], "no"));
        assert_ne!(one, detail(&[1; 32], "yes"));
    }
}
