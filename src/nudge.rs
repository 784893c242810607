//! The nudge: wakes loops that would otherwise sleep until their next look. It saves waiting and carries no information.

use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes whoever waits. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// Wakes all who wait.
    pub fn now(&self) {
        self.0.notify_waiters();
    }

    /// Waits for the next [`Nudge::now`].
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}
