//! Many of everything, or for very long: descriptors, names, renames, files that come and go, threads, sleep.

use crate::menu::{Escaped, Finding, Held};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

const OUTPUTS: &str = "/data/outputs";
const TURNS_MAX: usize = 1 << 20;
const BYTES_MAX: usize = 1 << 30;

pub fn descriptors(_: &[String]) -> Finding {
    let mut open = Vec::new();
    while open.len() < TURNS_MAX {
        match File::open(OUTPUTS).or_else(|_| File::create(format!("{OUTPUTS}/one"))) {
            Ok(file) => open.push(file),
            Err(refused) => return Held(format!("refused after {} descriptors: {refused}", open.len())),
        }
    }
    Escaped(format!("{} open files and no limit", open.len()))
}

pub fn long_names(_: &[String]) -> Finding {
    let said = [255, 256, 4_096, 65_536, 1 << 20].map(|bytes| {
        let name = fs::write(format!("{OUTPUTS}/{}", "n".repeat(bytes)), b"");
        let path = fs::metadata(format!("{OUTPUTS}/{}", "p/".repeat(bytes / 2))).map(drop);
        let told = |result: std::io::Result<()>| if result.is_ok() { "accepted" } else { "refused" };
        format!("{bytes} bytes: name {}, path {}", told(name), told(path))
    });
    Held(said.join("; "))
}

/// What has no name any more must not be a place to hide bytes in.
pub fn unlink_open(_: &[String]) -> Finding {
    let path = format!("{OUTPUTS}/gone");
    let mut hidden = match File::options().read(true).write(true).create(true).truncate(true).open(&path) {
        Ok(file) => file,
        Err(refused) => return Held(format!("refused: {refused}")),
    };
    if let Err(refused) = hidden.write_all(b"before").and_then(|()| fs::remove_file(&path)) {
        return Held(format!("refused: {refused}"));
    }
    let mut text = String::new();
    let read = hidden.seek(SeekFrom::Start(0)).and_then(|_| hidden.read_to_string(&mut text));
    let (chunk, mut written) = (vec![b'x'; 1 << 16], 0);
    while written < BYTES_MAX {
        match hidden.write(&chunk) {
            Ok(bytes) => written += bytes,
            Err(refused) => {
                return Held(format!("{read:?} {text:?}, refused after {written} bytes: {refused}"));
            }
        }
    }
    Escaped(format!("{written} bytes without a name"))
}

pub fn rename_across(_: &[String]) -> Finding {
    let (from, folder) = (format!("{OUTPUTS}/from"), format!("{OUTPUTS}/folder/inside"));
    let made = fs::create_dir_all(&folder).and_then(|()| fs::write(&from, b"content"));
    for target in ["/data/inputs/x", "/data/algorithm/x", "/data/x", "/x", "/data/inputs", "/data"] {
        if fs::rename(&from, target).is_ok() || fs::rename(OUTPUTS, target).is_ok() {
            return Escaped(format!("renamed to {target}"));
        }
    }
    let outer = format!("{OUTPUTS}/folder");
    if fs::rename(&outer, format!("{folder}/below")).is_ok() {
        return Escaped("a folder is inside itself".into());
    }
    let kept = fs::read(&from).is_ok_and(|bytes| bytes == b"content") && fs::metadata(&folder).is_ok();
    if kept {
        Held(format!("refused ({made:?})"))
    } else {
        Escaped("a refused renaming lost something".into())
    }
}

/// Files that come and go count as long as they are there, and cost as often as they are made.
pub fn churn(_: &[String]) -> Finding {
    let path = format!("{OUTPUTS}/mayfly");
    for turn in 0..TURNS_MAX {
        let turned = fs::write(&path, [b'x'; 60_000]).and_then(|()| fs::remove_file(&path));
        if let Err(refused) = turned {
            return Held(format!("refused after {turn} turns: {refused}"));
        }
    }
    Held(format!("{TURNS_MAX} turns"))
}

pub fn breathe(_: &[String]) -> Finding {
    let Ok(file) = File::create(format!("{OUTPUTS}/lung")) else { return Held("refused".into()) };
    for turn in 0..TURNS_MAX {
        if let Err(refused) = file.set_len(1_000_000).and_then(|()| file.set_len(0)) {
            return Held(format!("refused after {turn} turns: {refused}"));
        }
    }
    Held(format!("{TURNS_MAX} turns"))
}

pub fn threads(_: &[String]) -> Finding {
    let started = (0..1_000).filter(|_| {
        let thread = std::thread::Builder::new().spawn(|| {
            loop {
                std::thread::park();
            }
        });
        thread.is_ok()
    });
    match started.count() {
        0 => Held("refused".into()),
        count => Escaped(format!("{count} threads")),
    }
}

pub fn sleep(_: &[String]) -> Finding {
    let year = Duration::from_secs(31_557_600);
    (0..100).for_each(|_| std::thread::sleep(year));
    Held("a century is over".into())
}
