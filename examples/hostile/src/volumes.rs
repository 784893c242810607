//! The volumes themselves: changing what is read-only, and looking at everything a listing shows.

use crate::menu::{Escaped, Finding, Held};
use crate::wasi::{self, Fd, O_DIRECTORY, RIGHTS_ALL, RIGHTS_CHANGE, RIGHTS_LOOK};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};

pub fn write_input(_: &[String]) -> Finding {
    let inputs = first_file("/data/inputs");
    let mut worked = Vec::new();
    for folder in ["/data/inputs", "/data/algorithm"] {
        attempts(folder, inputs.as_deref(), &mut worked);
    }
    if let Some(input) = &inputs {
        raw_attempts(input, &mut worked);
    }
    if worked.is_empty() { Held("refused".into()) } else { Escaped(worked.join(", ")) }
}

fn first_file(folder: &str) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.next().map(|entry| entry.path().display().to_string())
}

/// Everything `std` can do to a file or its folder; what works is recorded. Deleting comes last.
fn attempts(folder: &str, existing: Option<&str>, worked: &mut Vec<String>) {
    let new = format!("{folder}/new");
    let mut record = |what: &str, result: io::Result<()>| {
        if result.is_ok() {
            worked.push(format!("{what} in {folder}"));
        }
    };
    record("create", File::create(&new).map(drop));
    record("create_dir", fs::create_dir(format!("{folder}/new-dir")));
    let _ = fs::write("/data/outputs/own", b"own");
    record("rename into", fs::rename("/data/outputs/own", &new));
    let Some(file) = existing.filter(|file| file.starts_with(folder)) else { return };
    record("write", OpenOptions::new().write(true).open(file).and_then(|mut file| file.write_all(b"!")));
    record("append", OpenOptions::new().append(true).open(file).and_then(|mut file| file.write_all(b"!")));
    record("truncate", OpenOptions::new().write(true).truncate(true).open(file).map(drop));
    record("set_len", File::open(file).and_then(|file| file.set_len(0)));
    record(
        "write to what was opened for reading",
        File::open(file).and_then(|mut file| file.write_all(b"!")),
    );
    record("rename", fs::rename(file, &new));
    record("rename out", fs::rename(file, "/data/outputs/stolen"));
    record("remove_file", fs::remove_file(file));
    record("remove_dir", fs::remove_dir(folder));
}

/// The same with every right asked for by number.
fn raw_attempts(input: &str, worked: &mut Vec<String>) {
    let Ok(folder) = wasi::preopen("/data/inputs") else { return };
    let name = input.rsplit('/').next().unwrap_or(input);
    for rights in [RIGHTS_CHANGE, RIGHTS_ALL] {
        if let Ok(fd) = wasi::open(folder, 0, name, 0, rights) {
            if wasi::write(fd, b"!").is_ok() {
                worked.push(format!("fd_write with rights {rights:x}"));
            }
            wasi::close(fd);
        }
    }
    if wasi::set_times(folder, name, 1).is_ok() {
        worked.push("path_filestat_set_times".into());
    }
}

pub fn list(_: &[String]) -> Finding {
    let mut seen = 0;
    for (fd, name) in wasi::preopens() {
        println!("{name} (descriptor {fd})");
        show(fd, ".", ".", &mut seen);
        walk(fd, &name, &mut seen);
    }
    Held(format!("{seen} entries"))
}

/// Prints a folder in the host's own order, then the folders in it.
fn walk(folder: Fd, path: &str, seen: &mut u64) {
    let entries = match wasi::list(folder) {
        Ok(entries) => entries,
        Err(errno) => return println!("{path}: cannot be listed: errno {errno}"),
    };
    for (name, inode, _) in &entries {
        show(folder, name, &format!("{path}/{name} listed inode {inode}"), seen);
    }
    for (name, _, directory) in entries {
        if !directory || matches!(name.as_str(), "." | "..") {
            continue;
        }
        if let Ok(fd) = wasi::open(folder, 0, &name, O_DIRECTORY, RIGHTS_LOOK) {
            walk(fd, &format!("{path}/{name}"), seen);
            wasi::close(fd);
        }
    }
}

fn show(folder: Fd, name: &str, label: &str, seen: &mut u64) {
    *seen += 1;
    match wasi::stat(folder, name) {
        Ok(stat) => println!(
            "  {label} kind {} size {} inode {} device {} links {} times {} {} {}",
            stat.kind,
            stat.size,
            stat.inode,
            stat.device,
            stat.links,
            stat.accessed,
            stat.modified,
            stat.changed
        ),
        Err(errno) => println!("  {label} errno {errno}"),
    }
}
