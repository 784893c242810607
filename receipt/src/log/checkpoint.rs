//! Checkpoints: size and root of the tree at one moment, signed by the log (`docs/RECEIPT.md` §14.3).

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::{Tree, from_hash, to_hash};
use crate::{Error, Fact, Result};

/// Bytes of the largest checkpoint that is read.
pub const CHECKPOINT_BYTES_MAX: usize = 64 << 10;

/// Signatures under a checkpoint, those of others included.
pub const SIGNATURES_MAX: usize = 16;

/// Characters of a signer's name that are shown in an error.
const NAME_SHOWN_MAX: usize = 80;

/// What a signature line begins with.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// Ed25519 among the algorithms of signed notes.
const ED25519: u8 = 1;

/// The key of a log, as `<origin>+<8 hex digits>+<base64>`.
#[derive(Clone, PartialEq, Eq)]
pub struct LogKey {
    origin: String,
    id: [u8; 4],
    public: VerifyingKey,
}

impl LogKey {
    /// Reads a log key.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when it is not an Ed25519 verifier key in its one spelling, or its digits are not those of
    /// its name and key.
    pub fn parse(text: &str) -> Result<Self> {
        let read = || {
            let (origin, rest) = text.split_once('+')?;
            let (_, public) = rest.split_once('+')?;
            let public = BASE64_STANDARD.decode(public).ok()?;
            let (&ED25519, bytes) = public.split_first()? else { return None };
            let public = VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
            // Under a key of small order anybody can sign, and a second spelling of a point would be a second key.
            if public.is_weak() || public.to_edwards().compress().as_bytes() != bytes {
                return None;
            }
            let key = Self { origin: origin.into(), id: key_id(origin, &public), public };
            (is_name(origin) && key.to_string() == text).then_some(key)
        };
        read().ok_or_else(|| Error::Checkpoint(format!("{text:?} is not the key of a log")))
    }

    /// The log's name, which every checkpoint begins with.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// `SHA-256(name ‖ 0x0a ‖ algorithm ‖ key)`, the first four bytes.
fn key_id(name: &str, public: &VerifyingKey) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([b'\n', ED25519]);
    hasher.update(public.as_bytes());
    let hash: [u8; 32] = hasher.finalize().into();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Whether a text can be the name of a key in a signed note.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(|c| c < ' ' || c.is_whitespace())
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id);
        let public = [&[ED25519], self.public.as_bytes().as_slice()].concat();
        write!(f, "{}+{id:08x}+{}", self.origin, BASE64_STANDARD.encode(public))
    }
}

impl serde::Serialize for LogKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for LogKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({self})")
    }
}

/// The text of a [signed note](https://c2sp.org/signed-note), once the key's signature under it is checked; the end of it
/// is the newline before the blank line. Read here and not by the library that signs, because that one needs random
/// numbers of the system, which a web page that checks receipts does not have.
fn signed_text<'a>(note: &'a str, key: &LogKey) -> Result<&'a str> {
    let bad = |why: String| Error::Checkpoint(why);
    let malformed = || bad("it is not a signed note".to_string());
    if note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(malformed());
    }
    let (text, signatures) = note.rsplit_once("\n\n").ok_or_else(malformed)?;
    let text = &note[..=text.len()];
    let lines = signatures.strip_suffix('\n').ok_or_else(malformed)?;
    let count = lines.split('\n').count();
    if count > SIGNATURES_MAX {
        return Err(bad(format!("{count} signatures, at most {SIGNATURES_MAX}")));
    }
    let (mut signed, mut others) = (false, Vec::new());
    for line in lines.split('\n') {
        let (name, digits) =
            line.strip_prefix(SIGNATURE_MARK).and_then(|rest| rest.split_once(' ')).ok_or_else(malformed)?;
        let bytes = BASE64_STANDARD.decode(digits).map_err(|_| malformed())?;
        let (id, signature) = bytes.split_first_chunk::<4>().ok_or_else(malformed)?;
        if !is_name(name) || signature.is_empty() {
            return Err(malformed());
        }
        // The first line by the key decides, as the document says and other readers do.
        if signed || (name, id) != (key.origin(), &key.id) {
            // A stranger wrote the name.
            let name: String = name.escape_debug().take(NAME_SHOWN_MAX).collect();
            others.push(format!("{name}+{:08x}", u32::from_be_bytes(*id)));
            continue;
        }
        let valid = Signature::from_slice(signature)
            .is_ok_and(|signature| key.public.verify_strict(text.as_bytes(), &signature).is_ok());
        if !valid {
            return Err(bad(format!("the signature by the log's key {key} does not hold")));
        }
        signed = true;
    }
    if signed {
        return Ok(text);
    }
    Err(Error::Unexpected {
        fact: Fact::LogKey,
        what: "key that signed the checkpoint",
        expected: key.to_string(),
        found: others.join(", "),
    })
}

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
    /// [`Error::Unexpected`] when another key signed it, [`Error::Origin`] when it is of another log, [`Error::Checkpoint`] says what
    /// else is wrong with it.
    pub fn verify(note: &str, key: &LogKey) -> Result<Self> {
        let bad = |why: String| Error::Checkpoint(why);
        if note.len() > CHECKPOINT_BYTES_MAX {
            return Err(bad(format!("{} bytes, at most {CHECKPOINT_BYTES_MAX} are read", note.len())));
        }
        let checkpoint = Self::read(signed_text(note, key)?)?;
        if checkpoint.origin != key.origin() {
            return Err(Error::Origin { expected: key.origin().into(), found: checkpoint.origin });
        }
        Ok(checkpoint)
    }

    /// Reads the three lines.
    fn read(text: &str) -> Result<Self> {
        let malformed = || Error::Checkpoint("its text is not origin, size and root".into());
        let read = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).map_err(|_| malformed())?;
        let tree = Tree { size: read.size(), root: from_hash(*read.hash()) };
        let checkpoint = Self { origin: read.origin().into(), tree };
        // No extension lines, and every number in its one spelling.
        if checkpoint.to_text() != text || (tree.size == 0 && tree != Tree::EMPTY) {
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
