//! Drivers for random input to everything here that reads strangers' files. `fuzz/` runs them under libFuzzer; the tests
//! below run them over the corpus and over seeded changes of it. No part of the product.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken promise has to be heard")]

pub use crate::log::fuzzing::log;
use crate::log::{Checkpoint, Entry, LogKey, TilePath, entries_of};
use crate::{
    Disclosure, Error, Expectation, Profiles, Receipt, Result, SignedVerdict, VerdictExpectation,
    check_signatures, check_structure,
};

/// Reads the bytes behind the first one as the document that it chooses, checks what is in it, and panics when a promise is
/// broken: nothing panics, what is accepted has one spelling, and errors of parsing are errors of form. Tells whether the
/// document was accepted.
pub fn parsers(data: &[u8]) -> bool {
    let Some((which, bytes)) = data.split_first() else { return false };
    match (which, which % 4) {
        (b'4', _) => log_parts(bytes),
        (b'5', _) => checkpoint(bytes),
        (_, 0) => receipt(bytes),
        (_, 1) => disclosure(bytes),
        (_, 2) => verdict(bytes),
        (_, _) => profiles(bytes),
    }
}

fn receipt(bytes: &[u8]) -> bool {
    let Some(read) = accepted(Receipt::parse(bytes)) else { return false };
    assert_eq!(Receipt::parse(read.to_text().as_bytes()).unwrap(), read);
    let structure = check_structure(&read, &Expectation::default());
    let _ = check_signatures(&read, &Expectation::default());
    if structure.is_ok() {
        assert_eq!(read.claim.hash(), read.claim_hash);
        assert_eq!(read.opening.outputs_root(), read.claim.outcome.outputs_root);
        every_shown_output_can_be_disclosed(&read);
    }
    true
}

/// The two ways to the same root agree: over the whole list, and up from one leaf.
fn every_shown_output_can_be_disclosed(receipt: &Receipt) {
    for shown in receipt.opening.outputs.iter().filter_map(|output| output.shown.as_ref()).take(8) {
        let made = Disclosure::of_output(receipt, shown.entry.clone(), shown.salt).unwrap();
        assert!(made.check(receipt.claim_hash).is_ok());
    }
}

fn disclosure(bytes: &[u8]) -> bool {
    let Some(read) = accepted(Disclosure::parse(bytes)) else { return false };
    assert_eq!(Disclosure::parse(read.to_text().as_bytes()).unwrap(), read);
    if read.check(read.claim_hash).is_ok() {
        assert_eq!(read.shown.claim_hash(), read.claim_hash);
        let mut other = read;
        other.salt.0[0] ^= 1;
        assert!(other.check(other.claim_hash).is_err(), "two salts for one entry");
    }
    true
}

fn verdict(bytes: &[u8]) -> bool {
    let Some(read) = accepted(SignedVerdict::parse(bytes)) else { return false };
    assert_eq!(SignedVerdict::parse(read.to_text().as_bytes()).unwrap(), read);
    if read.check(&VerdictExpectation::default()).is_ok() {
        let mut other = read;
        other.evidence.push('x');
        assert!(other.check(&VerdictExpectation::default()).is_err(), "two texts for one digest");
    }
    true
}

fn profiles(bytes: &[u8]) -> bool {
    let Some(read) = accepted(Profiles::parse(bytes)) else { return false };
    for profile in read.list() {
        let revoked = Profiles::standing(profile.digest, Some(&read)).is_err();
        assert!(revoked || profile.state != crate::ProfileState::Revoked);
    }
    true
}

/// An entry of a log, a bundle of them, the path of a tile, and a log's key: each has one spelling.
fn log_parts(bytes: &[u8]) -> bool {
    let mut useful = false;
    if let Ok(entry) = Entry::parse(bytes) {
        assert_eq!(entry.to_bytes(), bytes);
        useful = true;
    }
    for entry in entries_of(bytes).map_while(Result::ok) {
        let _ = Entry::parse(entry);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return useful };
    if let Some(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text);
        useful = true;
    }
    if let Ok(key) = LogKey::parse(text) {
        assert_eq!(key.to_string(), text);
        useful = true;
    }
    useful
}

/// A log's key on the first line, and behind it a checkpoint that it should have signed.
fn checkpoint(bytes: &[u8]) -> bool {
    let Some((key, note)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) else {
        return false;
    };
    let Ok(key) = LogKey::parse(key) else { return false };
    let Ok(checkpoint) = Checkpoint::verify(note, &key) else { return false };
    assert!(note.starts_with(&format!("{}\n{}\n", key.origin(), checkpoint.tree.size)));
    true
}

fn accepted<T>(parsed: Result<T>) -> Option<T> {
    match parsed {
        Ok(read) => Some(read),
        Err(Error::Malformed(_) | Error::Truncated { .. } | Error::TooLarge { .. }) => None,
        Err(other) => panic!("parsing ended with {other}"),
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, Hasher, RandomState};

    use super::{log, parsers};

    /// A driver, and the folder of its corpus.
    type Driver = (&'static str, fn(&[u8]) -> bool);
    const DRIVERS: [Driver; 2] = [("receipt_parsers", parsers), ("log_parsers", log)];

    /// Changed inputs for each one of the corpus.
    const CHANGES: u64 = 60;

    fn corpus(driver: &str) -> Vec<(String, Vec<u8>)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(driver);
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut read: Vec<_> =
            entries.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect();
        read.sort();
        read
    }

    #[test]
    fn the_corpus_is_read_and_breaks_nothing() {
        for (name, driver) in DRIVERS {
            let corpus = corpus(name);
            let useful = corpus.iter().filter(|(_, data)| driver(data)).count();
            assert!(
                corpus.len() >= 10 && 3 * useful >= corpus.len(),
                "{name}: {useful} of {} were accepted",
                corpus.len()
            );
        }
    }

    /// Other changes in every run; `BRIZO_FUZZ_SEED` repeats one.
    #[test]
    fn changes_of_the_corpus_break_nothing() {
        let seed = std::env::var("BRIZO_FUZZ_SEED").ok().and_then(|text| text.parse::<u64>().ok());
        let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("BRIZO_FUZZ_SEED={seed}");
        let mut state = seed | 1;
        let mut next = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) as usize % below.max(1)
        };
        for (name, driver) in DRIVERS {
            let mut useful = 0;
            for (_, data) in corpus(name) {
                for _ in 0..CHANGES {
                    useful += u64::from(driver(&changed(&data, &mut next)));
                }
            }
            assert!(useful > 0, "{name}: no changed input was accepted; BRIZO_FUZZ_SEED={seed}");
        }
    }

    /// An input with one change at random behind its first byte.
    fn changed(data: &[u8], next: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
        let mut changed = data.to_vec();
        let at = 1 + next(changed.len() - 1);
        let length = 1 + next(40).min(changed.len() - at);
        match next(4) {
            0 => changed[at] = next(256) as u8,
            1 => changed[at] = b"0123456789abcdef\"{}[],: "[next(24)],
            2 => drop(changed.drain(at..(at + length).min(data.len()))),
            _ => {
                let copy = changed[at..(at + length).min(data.len())].to_vec();
                let to = 1 + next(changed.len() - 1);
                changed.splice(to..to, copy);
            }
        }
        changed
    }
}
