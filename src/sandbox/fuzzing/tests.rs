//! The drivers without libFuzzer: over the corpus in `fuzz/corpus`, and over fresh random bytes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use super::{DRIVERS, Driver};

/// Inputs made anew per driver; the whole run takes seconds.
const FRESH: u64 = 100;
const FRESH_BYTES_MAX: u64 = 4096;

/// Runs one input; a failure says how to see it again.
fn attempt(driver: Driver, data: &[u8], again: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| driver(data))).unwrap_or_else(|panic| {
        println!("the input of {} bytes that failed is {again}", data.len());
        resume_unwind(panic)
    })
}

#[test]
fn the_corpus_breaks_nothing() {
    for (name, driver) in DRIVERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(paths.len() >= 10, "{} has only {} inputs", folder.display(), paths.len());
        let told =
            |path: &PathBuf| attempt(driver, &std::fs::read(path).unwrap(), &path.display().to_string());
        let useful = paths.iter().filter(|path| told(path)).count();
        println!("{name}: {useful} of {} inputs led somewhere", paths.len());
        assert!(3 * useful >= paths.len(), "{name}: only {useful} of {} inputs led somewhere", paths.len());
    }
}

/// Other inputs in every run; `BRIZO_FUZZ_SEED` repeats one.
#[test]
fn fresh_bytes_break_nothing() {
    let seed = std::env::var("BRIZO_FUZZ_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("BRIZO_FUZZ_SEED={seed}");
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    for (name, driver) in DRIVERS {
        let mut useful = 0;
        for number in 0..FRESH {
            let length = next() % FRESH_BYTES_MAX;
            let data: Vec<u8> = (0..length).map(|_| (next() >> 56) as u8).collect();
            let again = format!("number {number} of {name} with BRIZO_FUZZ_SEED={seed}");
            useful += u64::from(attempt(driver, &data, &again));
        }
        println!("{name}: {useful} of {FRESH} inputs led somewhere");
        assert!(useful > 0, "{name}: none of {FRESH} inputs led anywhere; BRIZO_FUZZ_SEED={seed}");
    }
}
