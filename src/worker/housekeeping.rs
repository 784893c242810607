//! Housekeeping: ends what has waited too long, says what is overdue, deletes what is old, and sweeps blobs that nothing
//! names.

use std::time::Duration;

use tokio::sync::watch;

use super::Worker;
use crate::data::Swept;
use crate::metrics;
use crate::store::Overdue;

/// Seconds between two looks at what is overdue.
const LOOK_S: u64 = 1;

/// Seconds between two sweeps.
const SWEEP_S: u64 = 3_600;

/// Seconds from the writing of a blob to its sweeping, if nothing names it by then. Longer than anything takes to go from
/// the first blob of a data set to its row.
const YOUNG_S: u64 = 86_400;

impl Worker {
    pub(super) async fn keep_house(self, mut stop: watch::Receiver<bool>) {
        let mut sweep_at_s = 0;
        while !*stop.borrow() {
            if let Err(error) = self.look_after_jobs().await {
                tracing::error!(error = %format!("{error:#}"), "jobs cannot be looked after");
            }
            let now_s = self.clock.now_s();
            if now_s >= sweep_at_s {
                sweep_at_s = now_s.saturating_add(SWEEP_S);
                match self.tidy(now_s).await {
                    Ok(Swept { files: 0, .. }) => {}
                    Ok(Swept { files, bytes }) => tracing::info!(files, bytes, "unnamed blobs removed"),
                    // Nothing is lost but room; the next sweep tries again.
                    Err(error) => tracing::warn!(error = %format!("{error:#}"), "the sweep failed"),
                }
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(LOOK_S)) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn look_after_jobs(&self) -> anyhow::Result<()> {
        let now_s = self.clock.now_s();
        let found = self.store.with(move |store| store.end_overdue(now_s)).await?;
        for overdue in &found {
            match overdue {
                Overdue::Ended(job, end) => {
                    metrics::job_ended(end.word());
                    tracing::warn!(job, end = end.word(), "ended: it could not be started in time");
                }
                Overdue::Quarantined(job) => {
                    tracing::error!(job, "put aside: the worker ended too often while it was at this job");
                }
                Overdue::Unpaid(job) => tracing::error!(job, "the settlement is overdue; it is tried on"),
            }
        }
        if !found.is_empty() {
            self.nudge.now();
        }
        Ok(())
    }

    /// Deletes jobs that are older than they are kept, and blobs without a name.
    async fn tidy(&self, now_s: u64) -> anyhow::Result<Swept> {
        let keep_s = self.options.keep_jobs_s;
        if keep_s > 0 {
            let than_s = now_s.saturating_sub(keep_s);
            let mut deleted = 0;
            loop {
                let rows = self.store.with(move |store| store.delete_older(than_s)).await?;
                deleted += rows;
                if rows == 0 {
                    break;
                }
            }
            if deleted > 0 {
                tracing::info!(rows = deleted, "old jobs and agreements deleted");
            }
        }
        let (worker, before_s) = (self.clone(), now_s.saturating_sub(YOUNG_S));
        tokio::task::spawn_blocking(move || {
            let mut named = worker.store.named_blobs()?;
            named.extend(worker.pinned.iter());
            // A deletion that a power cut takes back would come back without its bytes.
            worker.store.flush()?;
            Ok(worker.blobs.sweep(&named, before_s)?)
        })
        .await?
    }
}
