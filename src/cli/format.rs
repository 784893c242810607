//! Output formats, and reading and writing files for every verb.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use brizo_receipt::verifier::harmless;
use brizo_receipt::{B256, Key};
use clap::ValueEnum;
use serde_json::Value;

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
    match std::io::stdout().lock().write_all(text.as_bytes()) {
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

/// Writes a secret: a new file that only its owner can read. Refuses to overwrite one.
pub(super) fn write_secret(path: &Path, bytes: &[u8; 32]) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} (an existing secret is never overwritten)", path.display()))?;
    writeln!(file, "{}", hex::encode(bytes))?;
    Ok(())
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
    fn yaml_nests() {
        let document = serde_json::json!({ "a": [1, { "b": "x: y" }], "c": {} });
        assert_eq!(yaml(&document, 0), "a:\n  - 1\n  -\n    b: \"x: y\"\nc: {}\n");
    }
}
