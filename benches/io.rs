//! What does reading cost? A file of 1 GiB and a folder of 5,000 entries, by a guest and by a native loop.
//!
//! By the clock. The file is a verified blob as a job gets it; the native loop reads the same file from the page cache.

mod common;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use brizo::data::BlobStore;
use brizo::sandbox::InputFile;
use common::data::{GIB, write_file};
use common::measure::{Turn, interleaved, wall};
use common::promise::{Promise, hold};
use common::{guest, job, table};

const ROUNDS: usize = 7;
const ENTRIES: usize = 5_000;
/// Bytes in a read: a page, what many programs buffer, and what the guest SDK buffers.
const SIZES: [usize; 3] = [4 << 10, 8 << 10, 64 << 10];

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let brizo = job::Job::ready(&guest("kernels")?)?;
    let mut rows = Vec::new();
    let read = reading(folder.path(), &brizo, &mut rows)?;
    let listed = listing(folder.path(), &brizo, &mut rows)?;
    let head = ["what", "native ms", "Brizo ms", "native GB/s", "Brizo GB/s", "Brizo / native"];
    table::print(&format!("Reading and listing, by the clock, medians of {ROUNDS} rounds"), &head, &rows);
    hold(&[
        Promise { what: "reading 1 GiB in pieces of 64 KiB by native", measured: read, most: 1.1 },
        Promise { what: "listing 5,000 entries by native", measured: listed, most: 3.0 },
    ])
}

fn reading(folder: &Path, brizo: &job::Job, rows: &mut Vec<Vec<String>>) -> Result<f64> {
    let file = folder.join("gibibyte");
    write_file(&file, GIB)?;
    let blobs = BlobStore::open(&folder.join("blobs"))?;
    let (digest, _) = blobs.put(File::open(&file)?)?;
    let input = InputFile { path: "gibibyte".into(), bytes: blobs.map(digest)? };
    let mut ratio = f64::NAN;
    for size in SIZES {
        let order =
            job::order(&["kernels", "read", "/data/inputs/gibibyte", &size.to_string()], vec![input.clone()]);
        ensure!(brizo.run(&order)?.0.starts_with(&format!("read {GIB} ")), "the guest read another file");
        let mut contestants: [Turn<'_>; 2] =
            [Box::new(|| wall_of(|| native_read(&file, size))), Box::new(|| wall_of(|| brizo.run(&order)))];
        let samples = interleaved(ROUNDS, &mut contestants)?;
        let (native, guest) = (samples.median(0), samples.median(1));
        ratio = samples.ratio(1, 0);
        rows.push(vec![
            format!("read 1 GiB, {} KiB at a time", size >> 10),
            table::ms(native),
            table::ms(guest),
            table::gb(GIB, native),
            table::gb(GIB, guest),
            table::ratio(ratio),
        ]);
    }
    // The last size is the one that is promised.
    Ok(ratio)
}

fn listing(folder: &Path, brizo: &job::Job, rows: &mut Vec<Vec<String>>) -> Result<f64> {
    let folder = folder.join("many");
    fs::create_dir(&folder)?;
    let mut inputs = Vec::with_capacity(ENTRIES);
    for number in 0..ENTRIES {
        let path = format!("file_{number:06}");
        let bytes = path.clone().into_bytes();
        fs::write(folder.join(&path), &bytes)?;
        inputs.push(InputFile { path, bytes: Arc::new(bytes) });
    }
    let order = job::order(&["kernels", "list", "/data/inputs"], inputs);
    let (printed, fuel) = brizo.run(&order)?;
    ensure!(printed.starts_with(&format!("list {ENTRIES} ")), "the guest listed {printed:?}");
    println!("listing {ENTRIES} entries costs {fuel} fuel");
    let mut contestants: [Turn<'_>; 2] =
        [Box::new(|| wall_of(|| native_list(&folder))), Box::new(|| wall_of(|| brizo.run(&order)))];
    let samples = interleaved(ROUNDS, &mut contestants)?;
    rows.push(vec![
        format!("list {ENTRIES} entries with their sizes"),
        table::ms(samples.median(0)),
        table::ms(samples.median(1)),
        String::from("-"),
        String::from("-"),
        table::ratio(samples.ratio(1, 0)),
    ]);
    Ok(samples.ratio(1, 0))
}

fn wall_of<T>(work: impl FnOnce() -> Result<T>) -> Result<f64> {
    Ok(wall(work)?.0)
}

/// The guest's loop, natively.
fn native_read(file: &Path, size: usize) -> Result<u64> {
    let mut file = File::open(file)?;
    let mut piece = vec![0u8; size];
    let mut sum = 0u64;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(std::hint::black_box(sum));
        }
        sum = sum.rotate_left(5) ^ u64::from(piece[read - 1]);
    }
}

fn native_list(folder: &Path) -> Result<u64> {
    let mut sum = 0u64;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        sum += entry.metadata()?.len() + entry.file_name().len() as u64;
    }
    Ok(std::hint::black_box(sum))
}
