//! The log's own key: Ed25519, made at the first start, in a file that its owner alone can read. It signs checkpoints and
//! nothing else, and shows itself nowhere.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use brizo_receipt::log::{Checkpoint, LogKey};
use ed25519_dalek::SigningKey;
use signed_note::{Note, StandardSigner};
use zeroize::Zeroizing;

use super::folder::failed;
use super::{Error, Result};

/// Longest key file that is read; an origin is a host and a path.
const KEY_BYTES_MAX: u64 = 4096;

/// Signs checkpoints.
#[derive(Clone)]
pub(super) struct Signer {
    signer: StandardSigner,
    key: LogKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key)
    }
}

impl Signer {
    /// Reads the key, or makes one when there is no file.
    pub(super) fn open(path: &Path, origin: &str) -> Result<Self> {
        let bad = |text: String| Error::Key { path: path.to_path_buf(), text };
        if !signed_note::is_key_name_valid(origin) {
            return Err(bad(format!("{origin:?} cannot be a log's name: it has a space or a plus sign")));
        }
        let signed = path.with_file_name("log").join("checkpoint");
        let text = match fs::metadata(path) {
            Ok(about) if about.permissions().mode() & 0o077 != 0 => {
                return Err(bad("others may read this secret key; chmod 600 it".into()));
            }
            Ok(about) if about.len() > KEY_BYTES_MAX => return Err(bad("not the key of a log".into())),
            Ok(_) => Zeroizing::new(fs::read_to_string(path).map_err(failed(path))?),
            Err(error) if error.kind() == ErrorKind::NotFound && signed.exists() => {
                return Err(bad(format!(
                    "it is gone, and {} is signed with it; put the key back from the backup, since a log keeps its key",
                    signed.display()
                )));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(path, origin)?;
                Zeroizing::new(fs::read_to_string(path).map_err(failed(path))?)
            }
            Err(error) => return Err(failed(path)(error)),
        };
        let read = Self::read(text.trim()).ok_or_else(|| bad("not the key of a log".into()))?;
        if read.key.origin() != origin {
            return Err(bad(format!(
                "it is the key of the log {:?}, but `public_url` makes the log's name {origin:?}; put the old \
                 `public_url` back, since a log keeps its name",
                read.key.origin()
            )));
        }
        Ok(read)
    }

    /// `PRIVATE+KEY+<name>+<8 hex digits>+<base64>`, as Go's note package writes it.
    fn read(text: &str) -> Option<Self> {
        let signer = StandardSigner::new(text).ok()?;
        // Base64 can have a plus sign, the name cannot.
        let digits = text.splitn(5, '+').nth(4)?;
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(digits).ok()?);
        let secret = Zeroizing::new(<[u8; 32]>::try_from(bytes.get(1..)?).ok()?);
        let public = SigningKey::from_bytes(&secret).verifying_key();
        let name = signed_note::Signer::name(&signer).to_string();
        let key = LogKey::parse(&signed_note::new_ed25519_verifier_key(&name, &public)).ok()?;
        Some(Self { signer, key })
    }

    /// What others check this log's checkpoints with.
    pub(super) fn key(&self) -> &LogKey {
        &self.key
    }

    /// The checkpoint as a signed note.
    pub(super) fn sign(&self, checkpoint: &Checkpoint) -> Result<String> {
        let signed = || {
            let mut note = Note::new(checkpoint.to_text().as_bytes(), &[])?;
            note.add_sigs(&[&self.signer])?;
            Ok::<_, signed_note::NoteError>(note.to_bytes())
        };
        let bytes = signed().map_err(|e| Error::Signing(e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| Error::Signing(e.to_string()))
    }
}

/// Makes a key and its file; the file is whole or not there. Where another process was quicker, its key stays.
fn make(path: &Path, origin: &str) -> Result<()> {
    let mut secret = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut *secret).map_err(|e| Error::Signing(format!("no random numbers: {e}")))?;
    let public = [&[1], SigningKey::from_bytes(&secret).verifying_key().as_bytes().as_slice()].concat();
    let mut tagged = Zeroizing::new([1u8; 33]);
    tagged[1..].copy_from_slice(&*secret);
    let secret_text = Zeroizing::new(BASE64_STANDARD.encode(*tagged));
    let id = signed_note::key_id(origin, &public);
    let text = Zeroizing::new(format!("PRIVATE+KEY+{origin}+{id:08x}+{}\n", *secret_text));
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link takes no other file's place, as renaming would: `publish` and `serve` may both come first.
        match fs::hard_link(&new, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => fs::remove_file(&new)?,
        }
        // A key that signed something must not vanish with the folder's entry.
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(failed(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use brizo_receipt::log::Tree;

    #[test]
    fn a_key_is_made_once_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        let first = Signer::open(&path, "provider.example/log").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Signer::open(&path, "provider.example/log").unwrap().key(), first.key());
        let checkpoint = Checkpoint { origin: "provider.example/log".into(), tree: Tree::EMPTY };
        let note = first.sign(&checkpoint).unwrap();
        assert_eq!(Checkpoint::verify(&note, first.key()).unwrap(), checkpoint);
        let secret = fs::read_to_string(&path).unwrap();
        let secret = secret.trim().splitn(5, '+').nth(4).unwrap();
        assert!(!format!("{first:?}").contains(secret) && !note.contains(secret));
    }

    #[test]
    fn of_two_that_make_a_key_at_once_both_get_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        make(&path, "provider.example/log").unwrap();
        let first = fs::read(&path).unwrap();
        make(&path, "provider.example/log").unwrap();
        assert_eq!(fs::read(&path).unwrap(), first, "who comes second takes the first one's key");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "and leaves nothing else behind");
    }

    #[test]
    fn every_key_that_is_made_can_be_read() {
        // Half of them have a plus sign in their base64.
        let folder = tempfile::tempdir().unwrap();
        for number in 0..40 {
            Signer::open(&folder.path().join(number.to_string()), "provider.example/log").unwrap();
        }
    }

    #[test]
    fn a_key_of_another_log_an_open_one_and_a_damaged_one_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        Signer::open(&path, "old.example/log").unwrap();
        let error = Signer::open(&path, "new.example/log").unwrap_err().to_string();
        assert!(error.contains("old.example/log") && error.contains("public_url"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Signer::open(&path, "old.example/log").unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 3]).unwrap();
        let error = Signer::open(&path, "old.example/log").unwrap_err().to_string();
        assert!(!error.contains(text.trim().splitn(5, '+').nth(4).unwrap()), "{error}");
        assert!(Signer::open(&path, "two words").is_err());
    }
}
