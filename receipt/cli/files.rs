//! Reading files, no more of each than can be of use.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use brizo_receipt::{B256, Key, Profiles, SMALL_BYTES_MAX};

use crate::Failure;

/// Most bytes of keys and deployment files.
const SMALL_MAX: usize = 1 << 16;

/// A file of at most so many bytes.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let failure = |why: std::io::Error| Failure::File(format!("{}: {why}", path.display()));
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failure)?;
    // One byte more, so that what is too long is seen to be that.
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failure)?;
    Ok(bytes)
}

/// A small file.
pub(crate) fn small(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read(path, SMALL_MAX)?;
    if bytes.len() > SMALL_MAX {
        return Err(Failure::File(format!("{} has more than {SMALL_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

/// A list of profiles, if one is named.
pub(crate) fn profiles(path: Option<&Path>) -> Result<Option<Profiles>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let parsed = Profiles::parse(&read(path, SMALL_BYTES_MAX)?);
    parsed.map(Some).map_err(|e| Failure::Document(path.display().to_string(), e))
}

/// A salt key of 64 hex digits.
pub(crate) fn key(path: &Path) -> Result<Key, Failure> {
    let wrong = || Failure::File(format!("{} does not hold a key of 64 hex digits", path.display()));
    let text = String::from_utf8(small(path)?).map_err(|_| wrong())?;
    let digits = text.trim().trim_start_matches("0x");
    let bytes: B256 = digits.parse().map_err(|_| wrong())?;
    if digits.len() != 64 {
        return Err(wrong());
    }
    Ok(Key::new(bytes.0))
}

/// Size and BLAKE3 of a file of any length.
pub(crate) fn digest(path: &Path) -> Result<(u64, B256), Failure> {
    let failure = |why: std::io::Error| Failure::File(format!("{}: {why}", path.display()));
    let mut file = fs::File::open(path).map_err(failure)?;
    let mut hasher = blake3::Hasher::new();
    let size = std::io::copy(&mut file, &mut hasher).map_err(failure)?;
    Ok((size, B256::new(*hasher.finalize().as_bytes())))
}

/// Every file below a folder, by its path there.
pub(crate) fn folder(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let failure = |place: &Path, why: std::io::Error| Failure::File(format!("{}: {why}", place.display()));
    let mut files = BTreeMap::new();
    let mut pending = vec![(folder.to_path_buf(), String::new())];
    while let Some((place, prefix)) = pending.pop() {
        for entry in fs::read_dir(&place).map_err(|e| failure(&place, e))? {
            let entry = entry.map_err(|e| failure(&place, e))?;
            let found = entry.path();
            let kind = entry.file_type().map_err(|e| failure(&found, e))?;
            // A link may lead anywhere, and no receipt can name what is not UTF-8.
            let name = entry.file_name().into_string().ok().filter(|_| kind.is_dir() || kind.is_file());
            let name = name.ok_or_else(|| {
                Failure::File(format!("{}: outputs are plain files with names in UTF-8", found.display()))
            })?;
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if kind.is_dir() {
                pending.push((found, path));
            } else {
                files.insert(path, fs::read(&found).map_err(|e| failure(&found, e))?);
            }
        }
    }
    Ok(files)
}
