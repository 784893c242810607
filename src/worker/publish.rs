//! Publishing the transparency log: rows that were committed become tiles and a signed checkpoint. Also the anchors on
//! chain, a few of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use brizo_receipt::log::{ENTRY_BYTES, Entry};
use tokio::sync::watch;

use super::Worker;
use crate::chain::Anchor;
use crate::failpoint;
use crate::log::{Log, Rows};
use crate::nudge::Topic;
use crate::store::Store;

/// The least time between two checkpoints.
const CHECKPOINT_REST: Duration = Duration::from_millis(100);
/// How long new entries wait for others before they are signed.
const CHECKPOINT_GATHER: Duration = Duration::from_millis(20);

/// Seconds between two looks at the last anchor on chain; shorter where anchors are closer.
const ANCHOR_LOOK_S: u64 = 60;

/// The log's rows in the store.
#[derive(Debug, Clone)]
pub struct LogRows(pub Store);

impl Rows for LogRows {
    fn size(&self) -> Result<u64, String> {
        // What is signed can never be taken back, so it has to be on disk.
        self.0.log_size().and_then(|size| self.0.flush().map(|()| size)).map_err(|e| e.to_string())
    }

    fn read(&self, from: u64, limit: u64) -> Result<Vec<[u8; ENTRY_BYTES]>, String> {
        let entries = self.0.log_entries(from, limit);
        entries.and_then(|entries| self.0.flush().map(|()| entries)).map_err(|e| e.to_string())
    }
}

impl Worker {
    /// Takes new rows into the log whenever there are any.
    pub async fn publish_log(mut self, mut stop: watch::Receiver<bool>) {
        let mut silent = false;
        loop {
            let (log, rows) = (self.log.clone(), LogRows(self.store.clone()));
            let advanced = tokio::task::spawn_blocking(move || {
                failpoint::around("log", || Ok::<_, anyhow::Error>(log.advance(&rows)?))
            })
            .await;
            match advanced.map_err(anyhow::Error::from).and_then(|result| result) {
                Ok(news) => {
                    silent = false;
                    // A checkpoint for each job would cost as many turns of the disk as the jobs themselves.
                    if news && !rest(&mut stop, CHECKPOINT_REST).await {
                        return;
                    }
                }
                Err(error) if !silent => {
                    // Said once, not at every look. Nothing is lost: the rows are there.
                    tracing::error!(error = %format!("{error:#}"), "the log cannot be published; trying again");
                    silent = true;
                }
                Err(_) => {}
            }
            // What comes in the next moment is signed together: an order with its job, which needs the disk just now.
            if !self.pause(Topic::Log, &mut stop).await || !rest(&mut stop, CHECKPOINT_GATHER).await {
                return;
            }
        }
    }

    /// Anchors the log on chain every `anchor_every_s`, unless nothing is new.
    pub(super) async fn anchor_log(mut self, mut stop: watch::Receiver<bool>) {
        let every_s = self.options.anchor_every_s;
        if every_s == 0 {
            return;
        }
        let mut next_s = 0;
        loop {
            let now_s = self.clock.now_s();
            if now_s >= next_s {
                next_s = now_s.saturating_add(every_s.min(ANCHOR_LOOK_S));
                if let Err(error) = self.anchor_once(every_s, now_s).await {
                    tracing::warn!(error = %format!("{error:#}"), "the log cannot be anchored now; trying again");
                }
            }
            if !self.pause(Topic::Chain, &mut stop).await {
                return;
            }
        }
    }

    /// Asks the chain for the last anchor first, so that it can be repeated after a crash at any point.
    async fn anchor_once(&self, every_s: u64, now_s: u64) -> anyhow::Result<()> {
        let last = self.chain.anchor_of(self.chain.sender()).await?;
        let published = self.log.published().tree;
        let (anchored, since_s) = match &last {
            Some(last) => {
                if let Some(why) = contradiction(self.log.clone(), last).await? {
                    self.log.halt(why.clone());
                    anyhow::bail!("{why}; the log signs nothing more");
                }
                (last.tree.size, last.at_s)
            }
            // The first one is due when the first entry has waited long enough.
            None => match self.store.with(|store| store.log_entries(0, 1)).await?.first() {
                Some(first) => (0, Entry::parse(first)?.logged_at),
                None => return Ok(()),
            },
        };
        let due = since_s.saturating_add(every_s) <= now_s;
        // Only our own anchor is waited for: on a busy provider some transaction is always on its way.
        if !due || published.size <= anchored || self.chain.is_anchoring().await {
            return Ok(());
        }
        let mined = self.chain.anchor_log(&published).await?;
        tracing::info!(size = published.size, root = %published.root, tx = %mined.tx, "log anchored");
        Ok(())
    }
}

/// Waits so long, or for the end. Returns false at the end.
async fn rest(stop: &mut watch::Receiver<bool>, time: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = stop.changed() => {}
    }
    !*stop.borrow()
}

/// The anchor is part of our own past; if not, this is not the log that was anchored, and nothing is added to the damage.
async fn contradiction(log: Arc<Log>, last: &Anchor) -> anyhow::Result<Option<String>> {
    let anchored = last.tree;
    let shown = log.published().tree.size;
    if shown < anchored.size {
        return Ok(Some(format!(
            "{} entries are anchored on chain, the log has {shown}: this data_dir is older than the one that was anchored",
            anchored.size
        )));
    }
    let found = tokio::task::spawn_blocking(move || log.root_at(anchored.size)).await?;
    let found = found.context("the log's own files cannot be read")?;
    Ok((found != anchored.root).then(|| {
        format!(
            "the log's first {} entries have the root {found}, anchored on chain is {}: this data_dir is not the one that \
             was anchored",
            anchored.size, anchored.root
        )
    }))
}
