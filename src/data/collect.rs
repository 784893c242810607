//! Stored files as one zip archive, written while it is made, without compression, the same bytes every time.

use std::io::{BufReader, Read, Result, Write};

use super::BlobFile;

/// What is read of a file at a time.
const CHUNK_BYTES: usize = 256 << 10;

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

/// A file, read from its beginning.
struct Pieces<'a> {
    file: &'a BlobFile,
    at: u64,
}

impl<'a> Pieces<'a> {
    /// In pieces of its own size: whoever copies asks for few bytes at a time.
    fn of(file: &'a BlobFile) -> BufReader<Self> {
        BufReader::with_capacity(CHUNK_BYTES, Self { file, at: 0 })
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        // No more than there is room for.
        let now = (self.file.length() - self.at).min(to.len() as u64) as usize;
        self.file.read_into(self.at, &mut to[..now])?;
        self.at += now as u64;
        Ok(now)
    }
}

/// Writes a zip archive, with sizes above 4 GiB where they are needed. `items` is asked for one after the other, so that only one
/// is open at a time.
///
/// # Errors
/// Of the writer or of `items`.
pub fn zip<W: Write>(to: W, items: impl IntoIterator<Item = Result<Item>>) -> Result<()> {
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
        zip(&mut bytes, items()).unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
        assert_eq!(archive.len(), 3);
        let mut text = String::new();
        archive.by_name("a.csv").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "1,2\n");
        assert!(archive.by_index(0).unwrap().is_dir());
        let mut again = Vec::new();
        zip(&mut again, items()).unwrap();
        assert_eq!(bytes, again, "the same bytes every time");
    }

    #[test]
    fn what_is_cut_off_is_not_taken_for_whole() {
        // zip has its list at the end.
        let mut whole = Vec::new();
        zip(&mut whole, items()).unwrap();
        for cut in [1, 22, whole.len() / 2, whole.len() - 30] {
            let rest = &whole[..whole.len() - cut];
            assert!(zip::ZipArchive::new(std::io::Cursor::new(rest)).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_failure_on_the_way_is_one_of_the_whole() {
        let broken = || vec![Err(std::io::Error::other("damaged"))];
        assert!(zip(Vec::new(), broken()).is_err());
    }
}
