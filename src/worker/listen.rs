//! The listener: reads `PaymentLocked` from a persisted block on and records it; the outbox then authorises. Where the chain
//! was reorganised below that block, what was read there is taken back first.

use anyhow::Context as _;
use tokio::sync::watch;

use super::Worker;
use crate::nudge::Topic;
use crate::store::{BLOCKS_KEPT, SeenBlock};

impl Worker {
    pub(super) async fn listen(mut self, mut stop: watch::Receiver<bool>) {
        let mut silent = false;
        loop {
            match self.read_events().await {
                Ok(()) => silent = false,
                Err(error) if !silent => {
                    // Said once, not at every look.
                    tracing::warn!(error = %format!("{error:#}"), "events cannot be read; trying again");
                    silent = true;
                }
                Err(_) => {}
            }
            if !self.pause(Topic::Chain, &mut stop).await {
                return;
            }
        }
    }

    async fn read_events(&self) -> anyhow::Result<()> {
        self.follow_reorganisation().await?;
        loop {
            let after = self.store.with(|store| store.cursor()).await?;
            let after = after.unwrap_or(self.chain.deployment().block);
            let Some(read) = self.chain.locked_since(after, self.chain.sender()).await? else {
                return Ok(());
            };
            for (id, block) in &read.locked {
                tracing::info!(agreement = %hex::encode(id), block, "payment locked");
            }
            let any = !read.locked.is_empty();
            let seen = SeenBlock { number: read.to, hash: read.hash };
            self.store.with(move |store| store.record_locked(&read.locked, seen)).await?;
            if any {
                self.nudge.about(&[Topic::Chain]);
            }
        }
    }

    /// Compares the blocks that were read with the chain's of today, and forgets what it does not have any more.
    async fn follow_reorganisation(&self) -> anyhow::Result<()> {
        let seen = self.store.with(|store| store.blocks_seen()).await?;
        let Some(newest) = seen.first().copied() else { return Ok(()) };
        let mut kept = None;
        for block in &seen {
            match self.chain.block_hash(block.number).await? {
                Some(hash) if hash == block.hash => {
                    kept = Some(block.number);
                    break;
                }
                Some(_) => {}
                // A node that is behind says nothing about what is true.
                None => return Ok(()),
            }
        }
        if kept == Some(newest.number) {
            return Ok(());
        }
        let kept = match kept {
            Some(block) => block,
            None if (seen.len() as u64) < BLOCKS_KEPT => self.chain.deployment().block,
            None => {
                return Err(anyhow::anyhow!("none of the last {} ranges is there", seen.len())).context(
                    "the node has another history than the one that was read; is it the right chain?",
                );
            }
        };
        let now_s = self.clock.now_s();
        let lost = self.store.with(move |store| store.roll_back(kept, now_s)).await?;
        self.nudge.now();
        tracing::warn!(
            from = newest.number,
            to = kept,
            payments = lost.len(),
            "the chain was reorganised; reading again"
        );
        for agreement in lost {
            tracing::warn!(%agreement, "its payment is not in the chain for now");
        }
        Ok(())
    }
}
