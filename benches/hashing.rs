//! What does taking data in cost? A new data set and a known one, beside BLAKE3 over the same bytes.
//!
//! By the clock, and processor time. All files are in the page cache; what is written is waited for, because ingest
//! promises that a blob is on disk.

mod common;

use std::fs::{self, File};
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

fn main() -> Result<()> {
    let root = tempfile::tempdir()?;
    let mut promises = Vec::new();
    for (title, files) in [("one file", 1), ("2,048 files", 2_048)] {
        let folder = root.path().join(title);
        fs::create_dir(&folder)?;
        let paths: Vec<PathBuf> = (0..files).map(|number| folder.join(format!("{number:05}"))).collect();
        paths.iter().try_for_each(|path| write_file(path, BYTES / files))?;
        let work = Work { folder, paths, root: root.path().join(format!("work of {files}")) };
        fs::create_dir(&work.root)?;
        let clock = work.measure(|work| Ok(wall(work)?.0))?;
        let processor = work.measure(|work| Ok(cpu(work)?.0))?;
        print(title, &clock, &processor);
        if files == 1 {
            promises = promised(&processor, &clock);
        }
    }
    hold(&promises)
}

fn promised(processor: &Samples, clock: &Samples) -> Vec<Promise> {
    let measured = processor.ratio(3, 0);
    vec![
        Promise { what: "processor time of ingest by BLAKE3 on one thread", measured, most: 2.0 },
        Promise { what: "ingest of a known data set by a new one", measured: clock.ratio(4, 3), most: 0.1 },
        Promise { what: "verifying a blob by BLAKE3 on one thread", measured: clock.ratio(5, 0), most: 1.0 },
    ]
}

/// A data set and a place to take it in.
struct Work {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    root: PathBuf,
}

impl Work {
    /// All rows by turns, by one clock. What has to be cleared away is cleared outside of it.
    fn measure(&self, clock: impl Fn(&mut dyn FnMut() -> Result<()>) -> Result<f64>) -> Result<Samples> {
        let known = BlobStore::open(&self.root.join("known"))?;
        let manifest = ingest(&self.folder, &known)?;
        let (new, copy) = (self.root.join("new"), self.root.join("copy"));
        let mut contestants: [Turn<'_>; 6] = [
            Box::new(|| clock(&mut || self.paths.iter().try_for_each(|path| hash(path, false)))),
            Box::new(|| clock(&mut || self.paths.iter().try_for_each(|path| hash(path, true)))),
            Box::new(|| {
                let took = clock(&mut || self.paths.iter().try_for_each(|path| write(path, &copy)))?;
                fs::remove_file(&copy)?;
                Ok(took)
            }),
            Box::new(|| {
                let blobs = BlobStore::open(&new)?;
                let took = clock(&mut || Ok(drop(ingest(&self.folder, &blobs)?)))?;
                fs::remove_dir_all(&new)?;
                Ok(took)
            }),
            Box::new(|| {
                clock(&mut || {
                    ensure!(
                        ingest(&self.folder, &known)?.entries() == manifest.entries(),
                        "another manifest"
                    );
                    Ok(())
                })
            }),
            Box::new(|| {
                clock(&mut || {
                    manifest.entries().iter().try_for_each(|entry| Ok(drop(known.map(entry.digest)?)))
                })
            }),
        ];
        interleaved(ROUNDS, &mut contestants)
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

/// What ingest would be without hashing.
fn write(from: &Path, to: &Path) -> Result<()> {
    let mut file = File::create(to)?;
    std::io::copy(&mut File::open(from)?, &mut file)?;
    file.sync_all()?;
    Ok(())
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
