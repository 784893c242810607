//! Filling up what the host keeps: bytes, files, directories, logs, listings.
//!
//! No host that limits anything lets a flood reach the ceilings below. They are there because a host without limits
//! (a stock runtime, tried by hand) would otherwise fill its disk to the last byte.

use crate::menu::{Escaped, Finding, Held};
use crate::wasi::{self, O_CREAT, O_DIRECTORY, RIGHTS_CHANGE, RIGHTS_FOLDER};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};

const OUTPUTS: &str = "/data/outputs";
const BYTES_MAX: u64 = 4 << 30;
const FILES_MAX: u64 = 1 << 20;

pub fn output(_: &[String]) -> Finding {
    let chunk = vec![b'x'; 1 << 20];
    let mut written = 0u64;
    let refused = match File::create(format!("{OUTPUTS}/flood")) {
        Ok(mut file) => loop {
            match file.write(&chunk) {
                Ok(_) if written >= BYTES_MAX => return Escaped(format!("{written} bytes and no limit")),
                Ok(bytes) => written += bytes as u64,
                Err(refused) => break refused,
            }
        },
        Err(refused) => refused,
    };
    Held(format!("refused after {written} bytes: {refused}"))
}

pub fn files(_: &[String]) -> Finding {
    for count in 0..FILES_MAX {
        if let Err(refused) = fs::write(format!("{OUTPUTS}/{count}"), b"") {
            return Held(format!("refused after {count} files: {refused}"));
        }
    }
    Escaped(format!("{FILES_MAX} files and no limit"))
}

pub fn stdout(_: &[String]) -> Finding {
    let line = [b'x'; 1023];
    let mut written = 0u64;
    while written < BYTES_MAX {
        match wasi::write(1, &line).and_then(|bytes| wasi::write(1, b"\n").map(|end| bytes + end)) {
            Ok(bytes) => written += bytes as u64,
            Err(errno) => {
                // Stdout is what was refused.
                eprintln!("flood-stdout: refused after {written} bytes: errno {errno}");
                std::process::exit(0);
            }
        }
    }
    // A host may drop what exceeds the log instead of refusing it, so this is no escape.
    Held(format!("never refused in {written} bytes"))
}

/// Each level is opened from the one above, so no path ever gets long.
pub fn deep_dirs(_: &[String]) -> Finding {
    let mut folder = match wasi::preopen(OUTPUTS) {
        Ok(fd) => fd,
        Err(errno) => return Held(format!("no outputs: errno {errno}")),
    };
    for depth in 0..FILES_MAX {
        let next = wasi::create_directory(folder, "d")
            .and_then(|()| wasi::open(folder, 0, "d", O_DIRECTORY, RIGHTS_FOLDER));
        match next {
            Err(errno) => return Held(format!("refused at depth {depth}: errno {errno}")),
            Ok(fd) => {
                // The preopen itself stays open.
                if depth > 0 {
                    wasi::close(folder);
                }
                folder = fd;
            }
        }
    }
    Escaped(format!("{FILES_MAX} levels and no limit"))
}

pub fn sparse(_: &[String]) -> Finding {
    const FAR: u64 = 1 << 40;
    let seek = |to: u64| {
        let mut file = File::create(format!("{OUTPUTS}/sparse"))?;
        file.seek(SeekFrom::Start(to))?;
        file.write_all(b"x")
    };
    let attempts = [
        ("write at 2^40", seek(FAR)),
        ("write at 2^63-2", seek(i64::MAX as u64 - 1)),
        ("set_len 2^40", File::create(format!("{OUTPUTS}/long")).and_then(|file| file.set_len(FAR))),
        (
            "set_len 2^63-1",
            File::create(format!("{OUTPUTS}/longer")).and_then(|file| file.set_len(i64::MAX as u64)),
        ),
    ];
    let said = |(what, result): (&str, io::Result<()>)| match result {
        Ok(()) => format!("{what}: accepted"),
        Err(refused) => format!("{what}: refused ({refused})"),
    };
    Held(attempts.map(said).join(", "))
}

pub fn readdir_storm(_: &[String]) -> Finding {
    let mut entries = 0u64;
    for turn in 0..10_000 {
        match fs::read_dir("/data/inputs") {
            Ok(listing) => entries += listing.count() as u64,
            Err(refused) => return Held(format!("refused after {turn} listings: {refused}")),
        }
    }
    // One file more keeps open what a host might forget to close.
    let opened = wasi::preopen(OUTPUTS).and_then(|fd| wasi::open(fd, 0, "after", O_CREAT, RIGHTS_CHANGE));
    let after = if opened.is_ok() { "files can still be opened" } else { "no file can be opened any more" };
    Held(format!("10000 listings, {entries} entries, {after}"))
}
