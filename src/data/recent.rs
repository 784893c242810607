//! Blobs that were verified a moment ago: a download that comes in parts must not have all of its blob read again for each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use brizo_receipt::B256;

/// How long a look at every byte counts, as long as the file is the same one and nobody has written to it. What a disk loses
/// within that time is noticed by who downloads it, who has the digest as well.
const COUNTS_FOR: Duration = Duration::from_secs(600);
/// Blobs that are remembered; beyond it everything is forgotten.
const BLOBS_MAX: usize = 1_024;

/// The memory of one process.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<HashMap<B256, (String, Instant)>>);

impl Recent {
    /// Whether the blob was verified lately, when its file was known by this name ([`super::Known::name`]).
    pub(super) fn has(&self, digest: B256, name: &str, now: Instant) -> bool {
        let blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(known, at): &(String, Instant)| known == name && now.duration_since(*at) < COUNTS_FOR;
        blobs.get(&digest).is_some_and(is_same)
    }

    /// Remembers a blob whose every byte was right.
    pub(super) fn add(&self, digest: B256, name: String, now: Instant) {
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if blobs.len() >= BLOBS_MAX {
            blobs.clear();
        }
        blobs.insert(digest, (name, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_counts_for_the_same_file_and_for_ten_minutes() {
        let (recent, now) = (Recent::default(), Instant::now());
        let blob = B256::repeat_byte(1);
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(!recent.has(blob, "file", now));
        recent.add(blob, "file".into(), now);
        assert!(recent.has(blob, "file", after(599)));
        assert!(!recent.has(blob, "file", after(600)));
        assert!(!recent.has(blob, "another file", now));
        assert!(!recent.has(B256::ZERO, "file", now));
        for number in 0..BLOBS_MAX as u64 {
            recent.add(B256::left_padding_from(&number.to_be_bytes()), "file".into(), now);
        }
        assert!(recent.0.lock().unwrap().len() <= BLOBS_MAX);
    }
}
