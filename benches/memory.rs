//! How much memory does the provider need beside the guest's own and the page cache? A job over an input of 1 GiB.
//!
//! What is anonymous is ours and the guest's; what is mapped from the blob is the page cache's, which the system takes
//! back when it needs it. A second thread looks while the job runs, and the highest value counts.

mod common;

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use brizo::data::BlobStore;
use brizo::sandbox::InputFile;
use common::data::{GIB, write_file};
use common::promise::{Promise, hold};
use common::{guest, job, table};

/// Between two looks: a look at a mapped gibibyte takes a few milliseconds itself.
const PAUSE: Duration = Duration::from_millis(5);

/// Kibibytes of this process.
#[derive(Debug, Clone, Copy, Default)]
struct Resident {
    /// Everything, with the page cache that is mapped.
    rss: u64,
    /// Not backed by a file.
    anonymous: u64,
    /// Changed by us, and by nobody else.
    private_dirty: u64,
}

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("gibibyte");
    write_file(&file, GIB)?;
    let blobs = BlobStore::open(&folder.path().join("blobs"))?;
    let (digest, _) = blobs.put(File::open(&file)?)?;
    let brizo = job::Job::ready(&guest("kernels")?)?;
    // Once on nothing, so that what is made at the first run is not counted as the input's.
    brizo.run(&job::order(&["kernels", "fib", "1"], Vec::new()))?;
    let begin = resident()?;
    let input = InputFile { path: "gibibyte".into(), bytes: blobs.map(digest)? };
    let mapped = resident()?;
    let order = job::order(&["kernels", "read", "/data/inputs/gibibyte", "4096"], vec![input]);
    let (most, looks) = highest_while(|| {
        for _ in 0..5 {
            ensure!(brizo.run(&order)?.0.starts_with(&format!("read {GIB} ")), "the guest read another file");
        }
        Ok(())
    })?;
    let after = resident()?;
    drop(order);
    let end = resident()?;
    let rows = [("before", begin), ("blob mapped and verified", mapped), ("highest while it runs", most)];
    let rows = rows.into_iter().chain([("after", after), ("blob let go", end)]);
    let rows: Vec<Vec<String>> = rows
        .map(|(name, at)| {
            let kib = [at.rss, at.anonymous, at.private_dirty];
            [name.to_owned()].into_iter().chain(kib.map(|kib| kib.to_string())).collect()
        })
        .collect();
    table::print("Resident memory, KiB", &["when", "all", "anonymous", "private, changed"], &rows);
    let guest = brizo.memory_bytes_min;
    let beside = (most.anonymous - begin.anonymous.min(most.anonymous)) as f64 / 1024.0;
    println!(
        "\n{looks} looks; the guest begins with {:.1} MiB of its own, not all of them touched",
        guest as f64 / 1048576.0
    );
    hold(&[Promise {
        what: "MiB of anonymous memory that a job over 1 GiB adds",
        measured: beside,
        most: 16.0,
    }])
}

/// Runs `work` while a second thread looks.
fn highest_while(work: impl FnOnce() -> Result<()>) -> Result<(Resident, usize)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let (mut most, mut looks) = (Resident::default(), 0);
            while !done.load(Ordering::Relaxed) {
                let now = resident()?;
                most.rss = most.rss.max(now.rss);
                most.anonymous = most.anonymous.max(now.anonymous);
                most.private_dirty = most.private_dirty.max(now.private_dirty);
                looks += 1;
                thread::sleep(PAUSE);
            }
            Ok((most, looks))
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let looked = looker.join().map_err(|_| anyhow::anyhow!("the thread that looks panicked"))?;
        worked.and(looked)
    })
}

fn resident() -> Result<Resident> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").context("this bench needs Linux")?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()).context("smaps_rollup")?;
        Ok::<u64, anyhow::Error>(number.parse()?)
    };
    Ok(Resident {
        rss: field("Rss")?,
        anonymous: field("Anonymous")?,
        private_dirty: field("Private_Dirty")?,
    })
}
