//! Stored files as one tar archive whose length and bytes are known before any of them is read, so that a part of it can be given.

use std::io::{Result, Write};
use std::ops::Range;

use brizo_receipt::B256;

use super::BlobFile;

/// What files and archive are padded to.
const RECORD: u64 = 512;
/// What is read of a file, and written of zeros, at a time.
const CHUNK_BYTES: u64 = 256 << 10;

/// What goes into an archive.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Path in it.
    pub path: String,
    /// Length and BLAKE3 of a file; a folder has none.
    pub content: Option<(u64, B256)>,
}

/// An archive that is not written yet: ustar, long names as GNU writes them, no time, no owner.
#[derive(Debug, Clone)]
pub struct Plan {
    parts: Vec<Part>,
    length: u64,
    digest: B256,
}

#[derive(Debug, Clone)]
enum Part {
    Bytes(Vec<u8>),
    File { size: u64, digest: B256 },
    Zeros(u64),
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
            Self::Zeros(count) => *count,
        }
    }
}

impl Plan {
    /// Plans an archive of these entries, in their order.
    ///
    /// # Errors
    /// For a path that no archive can have.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Result<Self> {
        let mut parts = Vec::new();
        for Entry { path, content } in entries {
            parts.push(Part::Bytes(header(&path, content.map(|(size, _)| size))?));
            if let Some((size, digest)) = content {
                parts
                    .extend([Part::File { size, digest }, Part::Zeros(size.next_multiple_of(RECORD) - size)]);
            }
        }
        // Two empty records are the end.
        parts.push(Part::Zeros(2 * RECORD));
        let mut hasher = blake3::Hasher::new();
        for part in &parts {
            let (kind, bytes) = match part {
                Part::Bytes(bytes) => (0, bytes.as_slice()),
                Part::File { digest, .. } => (1, digest.as_slice()),
                Part::Zeros(_) => (2, [].as_slice()),
            };
            hasher.update(&[kind]).update(&part.length().to_le_bytes()).update(bytes);
        }
        let length = parts.iter().map(Part::length).fold(0, u64::saturating_add);
        Ok(Self { parts, length, digest: B256::from(*hasher.finalize().as_bytes()) })
    }

    /// Bytes that the whole archive has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What two archives have in common only if all their bytes are the same. It is not the digest of those bytes.
    #[must_use]
    pub fn digest(&self) -> B256 {
        self.digest
    }

    /// Writes a part of the archive. `open` is asked for the files of which anything lies in it, one after the other, so that
    /// only one is open at a time.
    ///
    /// # Errors
    /// Of the writer or of `open`; when a file has another length than was planned.
    pub fn write(
        &self,
        range: Range<u64>,
        to: &mut impl Write,
        mut open: impl FnMut(B256) -> Result<BlobFile>,
    ) -> Result<()> {
        let mut at = 0;
        for part in &self.parts {
            let (start, end) = (at, at + part.length());
            at = end;
            let from = range.start.clamp(start, end) - start;
            let until = range.end.clamp(start, end) - start;
            if from == until {
                continue;
            }
            match part {
                // Both lie within the bytes.
                Part::Bytes(bytes) => to.write_all(&bytes[from as usize..until as usize])?,
                Part::Zeros(_) => {
                    pieces(
                        from..until,
                        |buffer, _| {
                            buffer.fill(0);
                            Ok(())
                        },
                        to,
                    )?;
                }
                Part::File { size, digest } => {
                    let file = open(*digest)?;
                    if file.length() != *size {
                        return Err(std::io::Error::other("a stored file has another length than its entry"));
                    }
                    pieces(from..until, |buffer, place| file.read_into(place, buffer), to)?;
                }
            }
        }
        to.flush()
    }
}

/// Fills one buffer again and again and writes it.
fn pieces(
    range: Range<u64>,
    mut fill: impl FnMut(&mut [u8], u64) -> Result<()>,
    to: &mut impl Write,
) -> Result<()> {
    let mut buffer = vec![0; (range.end - range.start).min(CHUNK_BYTES) as usize];
    let mut at = range.start;
    while at < range.end {
        let now = (range.end - at).min(CHUNK_BYTES) as usize;
        fill(&mut buffer[..now], at)?;
        to.write_all(&buffer[..now])?;
        at += now as u64;
    }
    Ok(())
}

/// What stands before a file's bytes, or for a folder: the crate writes it, with nothing behind.
fn header(path: &str, size: Option<u64>) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    let (kind, mode) = match size {
        Some(_) => (tar::EntryType::Regular, 0o644),
        None => (tar::EntryType::Directory, 0o755),
    };
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size.unwrap_or(0));
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, path, std::io::empty())?;
    // Without its end.
    let bytes = std::mem::take(builder.get_mut());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BlobStore;

    struct Files {
        _folder: tempfile::TempDir,
        blobs: BlobStore,
        entries: Vec<(Entry, Vec<u8>)>,
    }

    fn files() -> Files {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        let file = |path: &str, bytes: Vec<u8>| {
            let (digest, size) = blobs.put(&bytes[..]).unwrap();
            (Entry { path: path.into(), content: Some((size, digest)) }, bytes)
        };
        let long = format!("deep/{}/b.csv", "x".repeat(150));
        let entries = vec![
            (Entry { path: "deep".into(), content: None }, Vec::new()),
            file("a.csv", b"1,2\n".to_vec()),
            file("empty", Vec::new()),
            file("record", vec![3; RECORD as usize]),
            file(&long, (0..700_000u32).map(|at| (at % 251) as u8).collect()),
        ];
        Files { _folder: folder, blobs, entries }
    }

    impl Files {
        fn plan(&self) -> Plan {
            Plan::new(self.entries.iter().map(|(entry, _)| entry.clone())).unwrap()
        }

        fn write(&self, range: Range<u64>) -> Vec<u8> {
            let mut bytes = Vec::new();
            let open = |digest| self.blobs.open_verified(digest).map_err(std::io::Error::other);
            self.plan().write(range, &mut bytes, open).unwrap();
            bytes
        }

        /// The same, by the crate alone.
        fn expected(&self) -> Vec<u8> {
            let mut archive = tar::Builder::new(Vec::new());
            for (entry, bytes) in &self.entries {
                let mut header = tar::Header::new_gnu();
                header.set_mtime(0);
                let folder = entry.content.is_none();
                header.set_entry_type(if folder {
                    tar::EntryType::Directory
                } else {
                    tar::EntryType::Regular
                });
                header.set_mode(if folder { 0o755 } else { 0o644 });
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, &entry.path, &bytes[..]).unwrap();
            }
            archive.into_inner().unwrap()
        }
    }

    #[test]
    fn the_plan_is_the_archive() {
        let files = files();
        let (plan, whole) = (files.plan(), files.write(0..u64::MAX));
        assert!(whole == files.expected(), "byte for byte what the crate writes");
        assert_eq!(plan.length(), whole.len() as u64);
        let mut archive = tar::Archive::new(&whole[..]);
        let mut read = archive.entries().unwrap();
        for (entry, bytes) in &files.entries {
            let mut found = read.next().unwrap().unwrap();
            assert_eq!(
                (found.path().unwrap().to_str(), found.size()),
                (Some(&*entry.path), bytes.len() as u64)
            );
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut found, &mut content).unwrap();
            assert!(content == *bytes, "{}", entry.path);
        }
    }

    #[test]
    fn any_two_parts_are_the_whole() {
        let files = files();
        let whole = files.write(0..u64::MAX);
        let end = whole.len() as u64;
        for cut in [
            0,
            1,
            511,
            512,
            513,
            1_024,
            1_028,
            1_029,
            2_000,
            4_096,
            300_000,
            700_000,
            end - 1_024,
            end - 1,
            end,
        ] {
            assert!([files.write(0..cut), files.write(cut..end)].concat() == whole, "{cut}");
        }
        assert_eq!(files.write(end..u64::MAX), [0; 0]);
        // What lies outside is not even opened.
        let nothing = |_| Err(std::io::Error::other("opened"));
        let mut head = Vec::new();
        files.plan().write(0..1_024, &mut head, nothing).unwrap();
        assert!(head == whole[..1_024]);
        assert!(files.plan().write(0..1_025, &mut Vec::new(), nothing).is_err());
    }

    #[test]
    fn another_archive_has_another_digest_and_another_file_is_an_error() {
        let mut files = files();
        let before = files.plan();
        assert_eq!(before.digest(), files.plan().digest());
        let (size, digest) = files.entries[1].0.content.unwrap();
        for (path, content) in [
            ("b.csv", Some((size, digest))),
            ("a.csv", Some((size, B256::ZERO))),
            ("a.csv", Some((size + 1, digest))),
            ("a.csv", None),
        ] {
            files.entries[1].0 = Entry { path: path.into(), content };
            assert_ne!(files.plan().digest(), before.digest(), "{path} {content:?}");
        }
        files.entries[1].0 = Entry { path: "a.csv".into(), content: Some((size + 1, digest)) };
        let open = |digest| files.blobs.open_verified(digest).map_err(std::io::Error::other);
        assert!(files.plan().write(0..u64::MAX, &mut Vec::new(), open).is_err());
    }
}
