//! How far an audit goes along with a log: somebody else's server says how large it is and how fast it answers.

use std::cell::Cell;
use std::time::Duration;

use brizo_receipt::log::{FetchError, Tree};
use clap::Args;
use tokio::time::{Instant, timeout_at};

use super::Unreachable;
use crate::cli::format::{parse_bytes, parse_count};
use crate::client::{Error, Files};

/// The most that an audit takes. A log that needs more is no worse for it: the audit is inconclusive.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Bounds {
    /// Seconds that the audit may take.
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = parse_count)]
    deadline: u64,
    /// Entries that the log may have; a million take about 0.1 GB of temporary disk.
    #[arg(long, value_name = "COUNT", default_value = "20000000", value_parser = parse_count)]
    max_entries: u64,
    /// Bytes that may be fetched; a million entries are about 0.16 GB.
    #[arg(long, value_name = "BYTES", default_value = "4GiB", value_parser = parse_bytes)]
    max_bytes: u64,
}

/// For questions of one or two files.
pub(super) const FEW_FILES: Bounds = Bounds { deadline: 60, max_entries: u64::MAX, max_bytes: 1 << 20 };

/// What is left of [`Bounds`].
#[derive(Debug)]
pub(super) struct Budget {
    bounds: Bounds,
    until: Instant,
    bytes_left: Cell<u64>,
}

impl Bounds {
    /// The time begins to run.
    pub(super) fn begin(self) -> Budget {
        let (now, far) = (Instant::now(), Duration::from_secs(u64::from(u32::MAX)));
        let until = now.checked_add(Duration::from_secs(self.deadline)).unwrap_or(now + far);
        Budget { bounds: self, until, bytes_left: Cell::new(self.max_bytes) }
    }
}

impl Budget {
    /// Checks the size that a log says it has, before anything more is asked of it.
    pub(super) fn check_size(&self, tree: &Tree) -> Result<(), Unreachable> {
        self.check_count("the log has", tree.size)
    }

    /// Checks a number of things that are kept.
    pub(super) fn check_count(&self, what: &str, count: u64) -> Result<(), Unreachable> {
        let most = self.bounds.max_entries;
        match count > most {
            true => Err(Unreachable(format!("{what} {count} entries, --max-entries is {most}"))),
            false => Ok(()),
        }
    }

    /// Work that may take as long as there is time.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Unreachable> {
        let late = |_| {
            let seconds = self.bounds.deadline;
            Unreachable(format!(
                "not done after {seconds} s: give more with --deadline, if the log is worth it"
            ))
        };
        timeout_at(self.until, work).await.map_err(late)
    }

    /// One file of the log, of at most `max` bytes.
    pub(super) async fn get(&self, files: &Files, path: &str, max: usize) -> Result<Vec<u8>, FetchError> {
        let left = self.bytes_left.get();
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(max);
        let answer =
            self.in_time(files.get(path, most)).await.map_err(|e| FetchError::Failed(e.to_string()))?;
        match answer {
            Ok(Some(bytes)) => {
                self.bytes_left.set(left.saturating_sub(bytes.len() as u64));
                Ok(bytes)
            }
            Ok(None) => Err(FetchError::Missing(path.into())),
            Err(error @ Error::TooLong { .. }) if most < max => {
                Err(FetchError::Failed(format!("{error}; that is all that --max-bytes leaves")))
            }
            Err(Error::TooLong { path, most }) => Err(FetchError::TooLong { path, most }),
            Err(error) => Err(FetchError::Failed(error.to_string())),
        }
    }
}
