//! What does taking data in cost? A new data set and a known one, beside BLAKE3 over the same bytes.
//!
//! By the clock, and processor time. All files are in the page cache; what is written is waited for, because ingest
//! promises that a blob is on disk.

mod common;

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use brizo::data::{BlobStore, ingest};
use common::data::write_file;
use common::measure::{Samples, Turn, cpu, interleaved, wall};
use common::promise::{Promise, hold};
use common::table::{self, gb, ms, ratio};

const ROUNDS: usize = 5;
const BYTES: u64 = 512 << 20;

/// Rows of the table; the first is what the others are divided by.
const NAMES: [&str; 6] = [
    "BLAKE3, one thread, mapped",
    "BLAKE3, all cores, mapped",
    "copy to another file and sync",
    "ingest, new",
    "ingest, known",
    "map and verify a blob, per job",
];
const COPY: usize = 2;
const NEW: usize = 3;
const KNOWN: usize = 4;
const VERIFY: usize = 5;

fn main() -> Result<()> {
    let root = tempfile::tempdir()?;
    let mut promises = Vec::new();
    for (title, files) in [("one file", 1), ("512 files", 512)] {
        let folder = root.path().join(title);
        fs::create_dir(&folder)?;
        let paths: Vec<PathBuf> = (0..files).map(|number| folder.join(format!("{number:05}"))).collect();
        paths.iter().try_for_each(|path| write_file(path, BYTES / files))?;
        let work = Work { folder, paths, root: root.path().join(format!("work of {files}")) };
        fs::create_dir(&work.root)?;
        let (clock, processor) = work.measure()?;
        print(title, &clock, &processor);
        if files == 1 {
            promises = promised(&processor, &clock);
        }
    }
    hold(&promises)
}

fn promised(processor: &Samples, clock: &Samples) -> Vec<Promise> {
    // The bytes have to be written and hashed in any case; the rest is the way through cap-std and the blob's place.
    let both = processor.median(COPY) + processor.median(0);
    let known = clock.ratio(KNOWN, NEW);
    vec![
        Promise { what: "ingest by a copy and BLAKE3", measured: processor.median(NEW) / both, most: 1.25 },
        Promise { what: "ingest of a known data set by a new one", measured: known, most: 0.1 },
        Promise {
            what: "verifying a blob by BLAKE3 on one thread",
            measured: clock.ratio(VERIFY, 0),
            most: 1.25,
        },
    ]
}

/// A data set and a place to take it in.
struct Work {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    root: PathBuf,
}

impl Work {
    /// All rows by turns: times by the clock, and of the processor. What has to be cleared away is not counted.
    fn measure(&self) -> Result<(Samples, Samples)> {
        let known = BlobStore::open(&self.root.join("known"))?;
        let manifest = ingest(&self.folder, &known)?;
        let (new, copy) = (self.root.join("new"), self.root.join("copy"));
        let processor = RefCell::new(vec![Vec::new(); NAMES.len()]);
        let clock = |row: usize, work: &mut dyn FnMut() -> Result<()>| {
            let (used, (took, ())) = cpu(|| wall(work))?;
            processor.borrow_mut()[row].push(used);
            Ok(took)
        };
        let mut contestants: [Turn<'_>; NAMES.len()] = [
            Box::new(|| clock(0, &mut || self.paths.iter().try_for_each(|path| hash(path, false)))),
            Box::new(|| clock(1, &mut || self.paths.iter().try_for_each(|path| hash(path, true)))),
            Box::new(|| {
                let took = clock(COPY, &mut || self.paths.iter().try_for_each(|path| write(path, &copy)))?;
                fs::remove_file(&copy)?;
                Ok(took)
            }),
            Box::new(|| {
                let blobs = BlobStore::open(&new)?;
                let took = clock(NEW, &mut || Ok(ingest(&self.folder, &blobs).map(drop)?))?;
                fs::remove_dir_all(&new)?;
                Ok(took)
            }),
            Box::new(|| {
                clock(KNOWN, &mut || {
                    ensure!(
                        ingest(&self.folder, &known)?.entries() == manifest.entries(),
                        "another manifest"
                    );
                    Ok(())
                })
            }),
            Box::new(|| {
                clock(VERIFY, &mut || {
                    manifest.entries().iter().try_for_each(|entry| Ok(known.map(entry.digest).map(drop)?))
                })
            }),
        ];
        let clock = interleaved(ROUNDS, &mut contestants)?;
        drop(contestants);
        // The first turn of each was there to warm up.
        let processor = processor.into_inner().into_iter().map(|used| used[1..].to_vec()).collect();
        Ok((clock, Samples::of(processor)))
    }
}

fn hash(path: &Path, all_cores: bool) -> Result<()> {
    let mut hasher = blake3::Hasher::new();
    if all_cores {
        hasher.update_mmap_rayon(path)?
    } else {
        hasher.update_mmap(path)?
    };
    std::hint::black_box(hasher.finalize());
    Ok(())
}

/// What ingest would be without hashing: the same loop.
fn write(from: &Path, to: &Path) -> Result<()> {
    let (mut source, mut file) = (File::open(from)?, File::create(to)?);
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = source.read(&mut chunk)?;
        if read == 0 {
            file.sync_all()?;
            return Ok(());
        }
        file.write_all(&chunk[..read])?;
    }
}

fn print(title: &str, clock: &Samples, processor: &Samples) {
    let rows: Vec<Vec<String>> = NAMES
        .iter()
        .enumerate()
        .map(|(row, name)| {
            let (time, used) = (clock.median(row), processor.median(row));
            vec![
                (*name).to_owned(),
                ms(time),
                ms(used),
                gb(BYTES, time),
                ratio(clock.ratio(row, 0)),
                ratio(processor.ratio(row, 0)),
            ]
        })
        .collect();
    let head =
        ["512 MiB", "clock, ms", "processor, ms", "GB/s", "clock / one thread", "processor / one thread"];
    table::print(&format!("Hashing, {title}, medians of {ROUNDS} rounds"), &head, &rows);
}
