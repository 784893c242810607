//! The listener: reads `PaymentLocked` from a persisted block on and records it; the outbox then authorises.

use tokio::sync::watch;

use super::Worker;

impl Worker {
    pub(super) async fn listen(self, mut stop: watch::Receiver<bool>) {
        let mut silent = false;
        loop {
            match self.read_events().await {
                Ok(()) => silent = false,
                Err(error) if !silent => {
                    // Said once, not at every look.
                    tracing::warn!(%error, "events cannot be read; trying again");
                    silent = true;
                }
                Err(_) => {}
            }
            if !self.pause(&mut stop).await {
                return;
            }
        }
    }

    async fn read_events(&self) -> anyhow::Result<()> {
        loop {
            let after = self.store.with(|store| store.cursor()).await?;
            let after = after.unwrap_or(self.chain.deployment().block);
            let (locked, read_to) = self.chain.locked_since(after, self.chain.sender()).await?;
            if read_to <= after {
                return Ok(());
            }
            for id in &locked {
                tracing::info!(agreement = %hex::encode(id), "payment locked");
            }
            let any = !locked.is_empty();
            self.store.with(move |store| store.record_locked(&locked, read_to)).await?;
            if any {
                self.nudge.now();
            }
        }
    }
}
