//! Reading, copying and listing.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::process::ExitCode;

use crate::stir;

/// Reads a file, `size` bytes at a time, looking at one byte of each piece; prints length and checksum.
pub fn read(file: &str, size: Option<&str>) -> ExitCode {
    let Some(size) = size.map_or(Some(65_536), |size| size.parse().ok()).filter(|size| *size > 0) else {
        println!("read: the piece must be a number above 0");
        return ExitCode::from(2);
    };
    report("read", file, pieces(file, size))
}

fn pieces(file: &str, size: usize) -> io::Result<(u64, u64)> {
    let mut file = File::open(file)?;
    let mut piece = vec![0u8; size];
    let (mut length, mut sum) = (0, 0);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((length, sum));
        }
        length += read as u64;
        sum = stir(sum, u64::from(piece[read - 1]));
    }
}

/// Copies a file in pieces of 64 KiB, with `rounds` rounds of work over each; prints length and checksum.
pub fn copy(from: &str, to: &str, rounds: Option<&str>) -> ExitCode {
    let Some(rounds) = rounds.map_or(Some(0), |rounds| rounds.parse().ok()) else {
        println!("copy: the rounds must be a number");
        return ExitCode::from(2);
    };
    report("copy", from, worked_over(from, to, rounds))
}

fn worked_over(from: &str, to: &str, rounds: u64) -> io::Result<(u64, u64)> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let mut piece = vec![0u8; 65_536];
    let (mut length, mut sum) = (0, 0);
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            return Ok((length, sum));
        }
        for round in 0..rounds {
            sum = stir(sum, u64::from(piece[(sum ^ round) as usize % read]));
        }
        to.write_all(&piece[..read])?;
        length += read as u64;
    }
}

/// Lists a folder and asks for each entry's size; prints how many there are and a checksum that knows no order.
pub fn list(folder: &str) -> ExitCode {
    report("list", folder, entries(folder))
}

fn entries(folder: &str) -> io::Result<(u64, u64)> {
    let (mut count, mut sum) = (0, 0u64);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes().iter().fold(0, |sum, byte| stir(sum, u64::from(*byte)));
        sum = sum.wrapping_add(stir(name, entry.metadata()?.len()));
        count += 1;
    }
    Ok((count, sum))
}

fn report(what: &str, path: &str, result: io::Result<(u64, u64)>) -> ExitCode {
    match result {
        Ok((number, checksum)) => {
            println!("{what} {number} {checksum:016x}");
            ExitCode::SUCCESS
        }
        Err(cause) => {
            println!("{what}: {path}: {cause}");
            ExitCode::FAILURE
        }
    }
}
