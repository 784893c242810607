//! Output formats, and reading and writing files for every verb.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use brizo_receipt::verifier::harmless;
use brizo_receipt::{B256, Key};
use clap::ValueEnum;
use serde_json::Value;
use tempfile::NamedTempFile;

/// How results are printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For programs and people.
    Yaml,
}

impl Format {
    /// Prints a result: `table` is made by the verb, the others from the document.
    pub(super) fn print(self, document: &Value, table: impl FnOnce() -> String) -> Result<()> {
        let text = match self {
            Self::Json => serde_json::to_string_pretty(document)? + "\n",
            Self::Yaml => yaml(document, 0),
            Self::Table => format!("{}\n", harmless(table().trim_end())),
        };
        print_text(&text)
    }
}

/// Prints a text as it is.
pub(super) fn print_text(text: &str) -> Result<()> {
    print_bytes(&mut std::io::stdout().lock(), text.as_bytes())
}

/// Prints bytes as they are on standard output or error.
pub(super) fn print_bytes(to: &mut impl Write, bytes: &[u8]) -> Result<()> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        // Who reads has read enough, as `head` does; what came out is still told by the exit code.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("standard output"),
    }
}

/// YAML of a JSON document: every scalar is written as JSON, which YAML contains.
fn yaml(value: &Value, depth: usize) -> String {
    let pad = "  ".repeat(depth);
    let nested = |value: &Value| match value {
        Value::Object(map) if !map.is_empty() => format!("\n{}", yaml(value, depth + 1)),
        Value::Array(list) if !list.is_empty() => format!("\n{}", yaml(value, depth + 1)),
        scalar => format!(" {scalar}\n"),
    };
    match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| format!("{pad}{key}:{}", nested(value))).collect()
        }
        Value::Array(list) => list.iter().map(|value| format!("{pad}-{}", nested(value))).collect(),
        scalar => format!("{pad}{scalar}\n"),
    }
}

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{}", path.display()))
}

/// Reads a receipt file, of which no more is taken in than can be a receipt.
pub(super) fn read_receipt(path: &Path) -> Result<Vec<u8>> {
    read_at_most(path, brizo_receipt::BYTES_MAX)
}

/// Reads a file, and of a larger one a byte more than `most`, so that it is seen to be too large.
pub(super) fn read_at_most(path: &Path, most: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).with_context(|| format!("{}", path.display()))?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("{}", path.display()))?;
    Ok(bytes)
}

/// Length and BLAKE3 of a file of any size.
pub(super) fn digest_of_file(path: &Path) -> Result<(u64, B256)> {
    let mut hasher = blake3::Hasher::new();
    let file = fs::File::open(path).with_context(|| format!("{}", path.display()))?;
    hasher.update_reader(file).with_context(|| format!("{}", path.display()))?;
    Ok((hasher.count(), B256::from(*hasher.finalize().as_bytes())))
}

/// Reads a text file.
pub(super) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{}", path.display()))
}

/// Writes a file.
pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("{}", path.display()))
}

/// Writes a file that only its owner can read, in place of an earlier one: whole and on disk when this returns, or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = aside(path, bytes).and_then(|aside| Ok(aside.persist(path)?));
    written.with_context(|| format!("{}", path.display()))?;
    sync_folder(path)
}

/// Writes a secret: a new file that only its owner can read, whole and on disk when this returns. Refuses to overwrite one.
pub(super) fn write_secret(path: &Path, bytes: &[u8; 32]) -> Result<()> {
    let aside = aside(path, format!("{}\n", hex::encode(bytes)).as_bytes());
    let written = aside.and_then(|aside| Ok(aside.persist_noclobber(path)?));
    written.with_context(|| format!("{} (an existing secret is never overwritten)", path.display()))?;
    sync_folder(path)
}

/// A file beside a place, with these bytes on disk; gone again when it is dropped.
fn aside(path: &Path, bytes: &[u8]) -> std::io::Result<NamedTempFile> {
    let mut aside = NamedTempFile::new_in(folder_of(path))?;
    aside.write_all(bytes)?;
    aside.as_file().sync_all()?;
    Ok(aside)
}

/// The name must survive a power cut as well as the bytes.
fn sync_folder(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    fs::File::open(folder).and_then(|it| it.sync_all()).with_context(|| format!("{}", folder.display()))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads a salt key of 64 hex digits; the open key (no hiding) when no file is given.
pub(super) fn read_salt_key(path: Option<&Path>) -> Result<Key> {
    let Some(path) = path else { return Ok(Key::OPEN) };
    let mut bytes = [0u8; 32];
    let text = read_text(path)?;
    if hex::decode_to_slice(text.trim().trim_start_matches("0x"), &mut bytes).is_err() {
        bail!("{} does not hold a key of 64 hex digits", path.display());
    }
    Ok(Key::new(bytes))
}

/// 32 random bytes.
pub(super) fn random() -> Result<B256> {
    let mut bytes = B256::ZERO;
    getrandom::fill(bytes.as_mut_slice()).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
    Ok(bytes)
}

/// Bytes with a unit, as people write them: `512MiB`, `1GB`, `65536`.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("unknown unit {other:?}; use B, kB, MB, GB, KiB, MiB or GiB")),
    };
    let number: u64 =
        number.replace('_', "").parse().map_err(|_| format!("{text:?} is not a number of bytes"))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too much"))
}

/// A count, as people write it: `20_000_000_000` or `20000000000`.
pub(super) fn parse_count(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("{text:?} is not a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let table = [("65536", 65_536), ("512MiB", 512 << 20), ("1GB", 1_000_000_000), ("2 KiB", 2048)];
        for (text, bytes) in table {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1TiB", "-1", "1.5GB", "99999999999GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_there_whole_or_not_at_all_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (secret, document) = (folder.path().join("run.key"), folder.path().join("job.json"));
        write_secret(&secret, &[7; 32]).unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "07".repeat(32) + "\n");
        let again = write_secret(&secret, &[8; 32]).unwrap_err();
        assert!(format!("{again:#}").contains("never overwritten"), "{again:#}");
        assert_eq!(read_salt_key(Some(&secret)).unwrap().bytes(), &[7; 32]);
        write_whole(&document, b"one").unwrap();
        write_whole(&document, b"two").unwrap();
        assert_eq!(fs::read(&document).unwrap(), b"two");
        for path in [&secret, &document] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(write_whole(&folder.path().join("none/job.json"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside them");
    }

    #[test]
    fn yaml_nests() {
        let document = serde_json::json!({ "a": [1, { "b": "x: y" }], "c": {} });
        assert_eq!(yaml(&document, 0), "a:\n  - 1\n  -\n    b: \"x: y\"\nc: {}\n");
    }
}
