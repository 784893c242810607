//! The nudge: wakes loops that would otherwise sleep until their next look. It saves waiting and carries no information.

use std::sync::Arc;

use tokio::sync::watch;

/// Wakes whoever waits. Cheap to clone; all clones are one, but each knows by itself what it has heard.
#[derive(Debug, Clone)]
pub struct Nudge {
    number: Arc<watch::Sender<u64>>,
    heard: watch::Receiver<u64>,
}

impl Default for Nudge {
    fn default() -> Self {
        let (number, heard) = watch::channel(0);
        Self { number: Arc::new(number), heard }
    }
}

impl Nudge {
    /// Wakes all who wait, and all who will wait next.
    pub fn now(&self) {
        self.number.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Waits for a [`Nudge::now`] that this clone has not heard yet: one between its last look and this call counts, so
    /// that nothing is slept through.
    pub async fn next(&mut self) {
        // The sender is part of this clone, so the channel cannot be closed.
        let _ = self.heard.changed().await;
    }

    /// Waits for the next [`Nudge::now`] from here on.
    pub async fn wait(&self) {
        let _ = self.number.subscribe().changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_nudge_before_the_wait_is_heard() {
        let nudge = Nudge::default();
        let mut listener = nudge.clone();
        nudge.now();
        nudge.now();
        listener.next().await;
        let mut again = std::pin::pin!(listener.next());
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(again.as_mut().poll(context).is_pending()))
                .await,
            "once"
        );
    }
}
