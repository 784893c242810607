//! Checkpoints: size and root of the tree at one moment, signed by the log (`docs/RECEIPT.md` §14.3).

use std::fmt;

use signed_note::{Note, StandardVerifier, Verifier, VerifierList};

use super::{Tree, from_hash, to_hash};
use crate::{Error, Result};

/// Bytes of the largest checkpoint that is read.
pub const CHECKPOINT_BYTES_MAX: usize = 64 << 10;

/// Signatures under a checkpoint, those of others included.
pub const SIGNATURES_MAX: usize = 16;

/// What a signature line begins with.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// The key of a log, as `<origin>+<8 hex digits>+<base64>`.
#[derive(Clone)]
pub struct LogKey {
    text: String,
    verifier: StandardVerifier,
}

impl LogKey {
    /// Reads a log key.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when it is not an Ed25519 verifier key, or its digits are not those of its name and key.
    pub fn parse(text: &str) -> Result<Self> {
        let verifier = StandardVerifier::new(text)
            .map_err(|why| Error::Checkpoint(format!("{text:?} is not the key of a log: {why}")))?;
        // The library reads capitals as well; a key has one spelling.
        let digits = format!("+{:08x}+", verifier.key_id());
        if !text[verifier.name().len()..].starts_with(&digits) {
            return Err(Error::Checkpoint(format!("{text:?} is not in canonical form")));
        }
        Ok(Self { text: text.into(), verifier })
    }

    /// The log's name, which every checkpoint begins with.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.text)
    }
}

impl PartialEq for LogKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for LogKey {}

/// What a log signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Its tree.
    pub tree: Tree,
}

impl Checkpoint {
    /// Reads a signed note and checks the log's signature under it. Signatures of others are not looked at.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] says what is wrong with it.
    pub fn verify(note: &str, key: &LogKey) -> Result<Self> {
        let bad = |why: String| Error::Checkpoint(why);
        if note.len() > CHECKPOINT_BYTES_MAX {
            return Err(bad(format!("{} bytes, at most {CHECKPOINT_BYTES_MAX} are read", note.len())));
        }
        let signatures = note.lines().filter(|line| line.starts_with(SIGNATURE_MARK)).count();
        if signatures > SIGNATURES_MAX {
            return Err(bad(format!("{signatures} signatures, at most {SIGNATURES_MAX}")));
        }
        let parsed = Note::from_bytes(note.as_bytes()).map_err(|why| bad(why.to_string()))?;
        let known = VerifierList::new(vec![Box::new(key.verifier.clone())]);
        parsed.verify(&known).map_err(|why| bad(format!("by the log's key {key}: {why}")))?;
        let checkpoint = Self::read(parsed.text())?;
        if checkpoint.origin != key.origin() {
            return Err(bad(format!(
                "it is of the log {:?}, the key is of {:?}",
                checkpoint.origin,
                key.origin()
            )));
        }
        Ok(checkpoint)
    }

    /// Reads the three lines.
    fn read(text: &[u8]) -> Result<Self> {
        let malformed = || Error::Checkpoint("its text is not origin, size and root".into());
        let read = tlog_tiles::Checkpoint::from_bytes(text).map_err(|_| malformed())?;
        let tree = Tree { size: read.size(), root: from_hash(*read.hash()) };
        let checkpoint = Self { origin: read.origin().into(), tree };
        // No extension lines, and every number in its one spelling.
        if checkpoint.to_text().as_bytes() != text || (tree.size == 0 && tree != Tree::EMPTY) {
            return Err(malformed());
        }
        Ok(checkpoint)
    }

    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.tree.size, to_hash(self.tree.root))
    }
}
