//! Archives: inputs as a stream of one, outputs out of one.

use std::collections::BTreeSet;
use std::io::Read;

use brizo_receipt::check_path;

use crate::sandbox::{InputFile, Outputs};

use super::Error;
use super::body::{PAGE, pages};

/// Bytes of a file that are handed on at once.
const CHUNK: usize = 1 << 20;
/// Bytes that an entry takes in an archive besides its content: headers for the longest path, and filling.
const ENTRY_BYTES_MAX: u64 = 16 * 1024;

/// The pieces of an archive with these files, each readable by everybody and writable by nobody.
///
/// # Errors
/// When a path fits no archive.
pub(super) fn pieces(files: &[InputFile]) -> Result<impl Iterator<Item = Vec<u8>> + Send + 'static, Error> {
    let mut headers = Vec::with_capacity(files.len());
    for file in files {
        let length = (*file.bytes).as_ref().len() as u64;
        headers.push(header(&file.path, length).map_err(|error| {
            Error::Engine(format!("{:?} cannot be handed to a container: {error}", file.path))
        })?);
    }
    let contents = files.iter().map(|file| file.bytes.clone()).collect::<Vec<_>>();
    let entries = headers.into_iter().zip(contents).flat_map(|(header, bytes)| {
        let length = (*bytes).as_ref().len();
        let chunks = (0..length).step_by(CHUNK).map(move |at| {
            let content = (*bytes).as_ref();
            content[at..content.len().min(at + CHUNK)].to_vec()
        });
        let filling = vec![0; length.next_multiple_of(512) - length];
        std::iter::once(header).chain(chunks).chain([filling])
    });
    Ok(entries.chain([vec![0; 1024]]))
}

/// What stands before a file's content.
fn header(path: &str, length: u64) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o444);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, path, std::io::empty())?;
    Ok(archive.get_ref().clone())
}

/// Bytes after which an archive of outputs holds more than was ordered. Files with holes are as long here as they say.
pub(super) fn archive_bytes_max(output_bytes: u64, output_files: u64) -> u64 {
    let entries = output_files.saturating_add(2).saturating_mul(ENTRY_BYTES_MAX);
    output_bytes.max(PAGE).saturating_add(entries)
}

/// What the volume of the outputs held.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) outputs: Outputs,
    /// Bytes of the files that count.
    pub(super) bytes: u64,
    /// Something did not fit what was ordered.
    pub(super) over: bool,
    /// The guest could not have written any more.
    pub(super) full: bool,
}

/// Takes files and folders out of an archive whose entries lie in one folder. In order of path those count that fit
/// beside what was printed.
pub(super) fn outputs(archive: &[u8], output_bytes: u64, printed: u64, output_files: u64) -> Found {
    let mut found = Found::default();
    let (entries, whole) = entries(archive);
    found.over = !whole;
    let (mut used_pages, mut count) = (0, 0);
    let mut folders = BTreeSet::new();
    for (path, content) in entries {
        count += 1;
        let length = content.as_ref().map_or(0, |bytes| bytes.len() as u64);
        used_pages += length.div_ceil(PAGE);
        if count > output_files
            || found.bytes + length > output_bytes.saturating_sub(printed)
            || !below(&path, &folders)
        {
            found.over = true;
            continue;
        }
        found.bytes += length;
        match content {
            Some(bytes) => drop(found.outputs.files.insert(path, bytes.into())),
            None => drop(folders.insert(path)),
        }
    }
    found.full = used_pages >= pages(output_bytes) || count >= output_files;
    found.outputs.folders = folders.into_iter().collect();
    found
}

/// Whether the folder of a path counts: a file without it would have no place.
fn below(path: &str, folders: &BTreeSet<String>) -> bool {
    path.rsplit_once('/').is_none_or(|(folder, _)| folders.contains(folder))
}

/// A path and its content; none for folders.
type Listed = (String, Option<Vec<u8>>);

/// Paths and contents (none for folders) in order of path, and whether the archive was whole.
fn entries(archive: &[u8]) -> (Vec<Listed>, bool) {
    let (mut found, mut whole) = (Vec::new(), true);
    let mut archive = tar::Archive::new(archive);
    let Ok(entries) = archive.entries() else { return (found, false) };
    for entry in entries {
        let Ok(mut entry) = entry else {
            whole = false;
            break;
        };
        let Some(path) = path_of(&entry.path_bytes()) else { continue };
        match entry.header().entry_type() {
            tar::EntryType::Directory => found.push((path, None)),
            tar::EntryType::Regular => {
                let mut content = Vec::new();
                if entry.read_to_end(&mut content).is_err() || content.len() as u64 != entry.size() {
                    whole = false;
                    break;
                }
                found.push((path, Some(content)));
            }
            // Links, devices: nothing that a manifest could say.
            _ => {}
        }
    }
    found.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    // An archive has a path once; a second one would be an engine's mistake.
    found.dedup_by(|later, earlier| later.0 == earlier.0);
    (found, whole)
}

/// The path below the folder that is the first component of every path; `None` for that folder itself, and for names
/// that no manifest takes.
fn path_of(bytes: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(bytes).ok()?;
    let (_, path) = path.trim_end_matches('/').split_once('/')?;
    check_path(path).ok().map(|()| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn archive(entries: &[(&str, Option<&[u8]>)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(if content.is_some() {
                tar::EntryType::Regular
            } else {
                tar::EntryType::Directory
            });
            header.set_size(content.map_or(0, |bytes| bytes.len() as u64));
            header.set_mode(0o777);
            archive.append_data(&mut header, path, content.unwrap_or_default()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn what_goes_in_is_an_archive() {
        let long = format!("{}/b", "a".repeat(200));
        let files = [("one", vec![1u8; CHUNK + 5]), (&long, vec![]), ("z", vec![2; 512])];
        let given: Vec<_> = files
            .iter()
            .map(|(path, bytes)| InputFile { path: path.to_string(), bytes: Arc::new(bytes.clone()) })
            .collect();
        let bytes: Vec<u8> = pieces(&given).unwrap().flatten().collect();
        let unpacked = crate::data::unpack(&bytes).unwrap();
        let mut expected: Vec<_> =
            files.iter().map(|(path, bytes)| (path.to_string(), bytes.clone())).collect();
        expected.sort();
        assert_eq!(unpacked, expected);
    }

    #[test]
    fn what_comes_out_is_what_fits() {
        let given = archive(&[
            ("outputs/", None),
            ("outputs/b", Some(b"12345")),
            ("outputs/a/", None),
            ("outputs/a/x", Some(b"123")),
        ]);
        let all = outputs(&given, 8, 0, 10);
        assert!(!all.over && all.bytes == 8, "{all:?}");
        assert_eq!(all.outputs.folders, ["a"]);
        assert_eq!(all.outputs.files.keys().collect::<Vec<_>>(), ["a/x", "b"]);
        let fewer = outputs(&given, 7, 0, 10);
        assert!(fewer.over && fewer.bytes == 3, "in order of path: {fewer:?}");
        let printed = outputs(&given, 8, 4, 10);
        assert!(printed.over && printed.bytes == 3, "what was printed takes its place: {printed:?}");
        let counted = outputs(&given, 8, 0, 2);
        assert!(counted.over && counted.full, "{counted:?}");
        assert_eq!(counted.outputs.files.keys().collect::<Vec<_>>(), ["a/x"]);
        assert!(outputs(&archive(&[("o/", None), ("o/full", Some(&[7; 4096]))]), 4096, 0, 9).full);
        assert!(!outputs(&archive(&[("o/", None), ("o/part", Some(&[7; 4096]))]), 8192, 0, 9).full);
    }

    #[test]
    fn odd_archives_lead_nowhere() {
        for path in ["outputs/../x", "outputs//x", "x", "/outputs/x/../../y"] {
            assert!(path_of(path.as_bytes()).is_none_or(|path| check_path(&path).is_ok()), "{path}");
        }
        assert_eq!(path_of(b"outputs/"), None);
        assert_eq!(path_of(b"outputs/\xff"), None);
        let whole = archive(&[("o/", None), ("o/x", Some(&[1; 5000]))]);
        let cut = outputs(&whole[..3000], 1 << 20, 0, 10);
        assert!(cut.over && cut.outputs.files.is_empty(), "{cut:?}");
        assert!(outputs(b"", 10, 0, 10).outputs.files.is_empty());
        let mut link = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        link.append_link(&mut header, "o/link", "/etc/passwd").unwrap();
        let linked = outputs(&link.into_inner().unwrap(), 10, 0, 10);
        assert!(linked.outputs.files.is_empty() && !linked.over, "{linked:?}");
    }
}
