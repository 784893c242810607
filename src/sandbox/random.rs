//! The guest's random numbers: a keystream from the ordered seed, the same however it is cut into calls.

use brizo_receipt::B256;

/// Random bytes as BLAKE3's extendable output over the seed (`docs/RECEIPT.md` §5).
pub(super) struct SeededRandom {
    seed: B256,
    /// Begun with the first bytes: most runs ask for none.
    stream: Option<Box<blake3::OutputReader>>,
}

impl SeededRandom {
    pub(super) fn new(seed: B256) -> Self {
        Self { seed, stream: None }
    }

    /// The next bytes of the stream.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        self.stream.get_or_insert_with(|| Box::new(begin(self.seed))).fill(buffer);
    }
}

fn begin(seed: B256) -> blake3::OutputReader {
    blake3::Hasher::new_derive_key("brizo 2026 v1 random").update(seed.as_slice()).finalize_xof()
}

impl std::fmt::Debug for SeededRandom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeededRandom")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_reads_are_one_large_read() {
        let mut whole = [0u8; 300];
        SeededRandom::new(B256::repeat_byte(3)).fill(&mut whole);
        let mut pieces = Vec::new();
        let mut random = SeededRandom::new(B256::repeat_byte(3));
        for size in [1, 2, 61, 64, 65, 107] {
            let mut piece = vec![0; size];
            random.fill(&mut piece);
            pieces.extend(piece);
        }
        assert_eq!(pieces, whole);
        let mut other = [0u8; 300];
        SeededRandom::new(B256::repeat_byte(4)).fill(&mut other);
        assert_ne!(other, whole);
    }
}
