//! Data to read and hash.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Result;

/// One gibibyte.
pub(crate) const GIB: u64 = 1 << 30;

/// Writes a file of `length` bytes that no file system can pack or leave out, and waits until it is on disk; it stays
/// in the page cache.
pub(crate) fn write_file(path: &Path, length: u64) -> Result<()> {
    let mut stream = blake3::Hasher::new().update(path.as_os_str().as_encoded_bytes()).finalize_xof();
    let mut chunk = vec![0; 1 << 20];
    let mut file = File::create(path)?;
    let mut left = length;
    while left > 0 {
        let part = left.min(chunk.len() as u64) as usize;
        stream.fill(&mut chunk[..part]);
        file.write_all(&chunk[..part])?;
        left -= part as u64;
    }
    file.sync_all()?;
    Ok(())
}
