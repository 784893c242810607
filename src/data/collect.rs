//! Stored files as one archive, written while it is made: zip or tar, without compression, the same bytes every time.

use std::io::{Read, Result, Write};

use super::BlobFile;

/// Which archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// zip, with sizes above 4 GiB where they are needed.
    Zip,
    /// tar as POSIX has it (ustar, long names as GNU writes them).
    Tar,
}

/// What goes into an archive.
pub struct Item {
    /// Path in it.
    pub path: String,
    /// The bytes; a folder has none.
    pub bytes: Option<BlobFile>,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Item").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Writes an archive. `open` is asked for one item after the other, so that only one is open at a time.
///
/// # Errors
/// Of the writer or of `open`.
pub fn collect<W: Write>(format: Format, to: W, items: impl IntoIterator<Item = Result<Item>>) -> Result<()> {
    match format {
        Format::Zip => zip(to, items),
        Format::Tar => tar(to, items),
    }
}

/// A file, read from its beginning.
struct Pieces<'a> {
    file: &'a BlobFile,
    at: u64,
}

impl<'a> Pieces<'a> {
    fn of(file: &'a BlobFile) -> Self {
        Self { file, at: 0 }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        let end = self.file.length().min(self.at + to.len() as u64);
        let bytes = self.file.read(self.at, end)?;
        to[..bytes.len()].copy_from_slice(&bytes);
        self.at = end;
        Ok(bytes.len())
    }
}

fn zip<W: Write>(to: W, items: impl IntoIterator<Item = Result<Item>>) -> Result<()> {
    let mut archive = zip::ZipWriter::new_stream(to);
    // No time of the host: the format's first one, 1980-01-01.
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    for item in items {
        let item = item?;
        match item.bytes {
            Some(bytes) => {
                let large = bytes.length() >= u64::from(u32::MAX);
                archive.start_file(item.path, options.large_file(large))?;
                std::io::copy(&mut Pieces::of(&bytes), &mut archive)?;
            }
            None => archive.add_directory(item.path, options.unix_permissions(0o755))?,
        }
    }
    archive.finish()?.into_inner().flush()
}

fn tar<W: Write>(to: W, items: impl IntoIterator<Item = Result<Item>>) -> Result<()> {
    let mut archive = tar::Builder::new(to);
    for item in items {
        let item = item?;
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        match &item.bytes {
            Some(bytes) => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(0o644);
                header.set_size(bytes.length());
                archive.append_data(&mut header, item.path, Pieces::of(bytes))?;
            }
            None => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                archive.append_data(&mut header, item.path, std::io::empty())?;
            }
        }
    }
    archive.into_inner()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Result<Item>> {
        let long = format!("deep/{}/b.csv", "x".repeat(150));
        let folder = tempfile::tempdir().unwrap();
        let blobs = crate::data::BlobStore::open(folder.path()).unwrap();
        let file = |path: &str, bytes: &[u8]| {
            let (digest, _) = blobs.put(bytes).unwrap();
            Ok(Item { path: path.into(), bytes: Some(blobs.open_verified(digest).unwrap()) })
        };
        vec![
            Ok(Item { path: "deep".into(), bytes: None }),
            file("a.csv", b"1,2\n"),
            file(&long, &[7; 100_000]),
        ]
    }

    #[test]
    fn what_goes_in_comes_out() {
        let mut bytes = Vec::new();
        collect(Format::Zip, &mut bytes, items()).unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
        assert_eq!(archive.len(), 3);
        let mut text = String::new();
        archive.by_name("a.csv").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "1,2\n");
        assert!(archive.by_index(0).unwrap().is_dir());
        let mut again = Vec::new();
        collect(Format::Zip, &mut again, items()).unwrap();
        assert_eq!(bytes, again, "the same bytes every time");

        let mut bytes = Vec::new();
        collect(Format::Tar, &mut bytes, items()).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().to_string_lossy().into_owned(), entry.size())
            })
            .collect();
        assert_eq!((found.len(), &*found[1].0, found[1].1, found[2].1), (3, "a.csv", 4, 100_000));
        assert!(found[2].0.ends_with("/b.csv") && found[2].0.len() > 150, "{found:?}");
    }

    #[test]
    fn what_is_cut_off_is_not_taken_for_whole() {
        // zip has its list at the end; tar ends with two blocks of zeros.
        let mut zip = Vec::new();
        collect(Format::Zip, &mut zip, items()).unwrap();
        for cut in [1, 22, zip.len() / 2, zip.len() - 30] {
            let rest = &zip[..zip.len() - cut];
            assert!(zip::ZipArchive::new(std::io::Cursor::new(rest)).is_err(), "{cut}");
        }
        let mut tar = Vec::new();
        collect(Format::Tar, &mut tar, items()).unwrap();
        assert_eq!((tar.len() % 512, &tar[tar.len() - 1_024..]), (0, &[0; 1_024][..]));
        let entries = |bytes: &[u8]| {
            tar::Archive::new(bytes).entries().unwrap().try_fold(0, |n, one| one.map(|_| n + 1))
        };
        assert_eq!(entries(&tar).unwrap(), 3);
        // Cut within a file, it is an error; cut between two, the end mark is missing.
        assert!(entries(&tar[..tar.len() - 1_024 - 50_000]).is_err());
        let ended =
            |bytes: &[u8]| bytes.len() >= 1_024 && bytes[bytes.len() - 1_024..].iter().all(|byte| *byte == 0);
        assert!(ended(&tar) && !ended(&tar[..tar.len() - 1_024]));
    }

    #[test]
    fn a_failure_on_the_way_is_one_of_the_whole() {
        let broken = || vec![Err(std::io::Error::other("damaged"))];
        assert!(collect(Format::Zip, Vec::new(), broken()).is_err());
        assert!(collect(Format::Tar, Vec::new(), broken()).is_err());
    }
}
