//! The nudge: wakes loops that would otherwise sleep until their next look. It saves waiting and carries no information
//! but what to look at.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use crate::ids::JobId;

/// Jobs that a listener may be behind; beyond it, it looks at all.
const JOBS_BEHIND_MAX: usize = 256;

/// What there may be something new of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// What happened to a job, for those who follow it.
    Jobs,
    /// Jobs that can be taken up.
    Queue,
    /// Entries of the transparency log.
    Log,
    /// What is owed to the chain, or comes from it.
    Chain,
}

impl Topic {
    /// All of them, first those that a caller waits for.
    pub const ALL: [Self; 4] = [Self::Jobs, Self::Queue, Self::Log, Self::Chain];
}

/// Wakes whoever waits for a topic. Cheap to clone; all clones are one, but each knows by itself what it has heard.
#[derive(Debug, Clone)]
pub struct Nudge {
    numbers: Arc<[watch::Sender<u64>; 4]>,
    heard: [watch::Receiver<u64>; 4],
    jobs: broadcast::Sender<JobId>,
}

impl Default for Nudge {
    fn default() -> Self {
        let numbers = Topic::ALL.map(|_| watch::Sender::new(0));
        let heard = Topic::ALL.map(|topic| numbers[topic as usize].subscribe());
        Self { numbers: Arc::new(numbers), heard, jobs: broadcast::Sender::new(JOBS_BEHIND_MAX) }
    }
}

impl Nudge {
    /// Wakes all who wait, and all who will wait next.
    pub fn now(&self) {
        self.about(&Topic::ALL);
    }

    /// Wakes those who wait, and who will wait next, for any of these topics.
    pub fn about(&self, topics: &[Topic]) {
        for topic in topics {
            self.numbers[*topic as usize].send_modify(|number| *number = number.wrapping_add(1));
        }
    }

    /// Something happened to this job, for those who follow jobs: they need not ask which one it was.
    pub fn about_job(&self, id: JobId) {
        // Mostly nobody follows.
        let _ = self.jobs.send(id);
    }

    /// What [`Nudge::about_job`] says from now on.
    #[must_use]
    pub fn jobs(&self) -> broadcast::Receiver<JobId> {
        self.jobs.subscribe()
    }

    /// Whether there was a nudge about a topic that this clone has not heard yet; it has then.
    pub fn heard(&mut self, topic: Topic) -> bool {
        let heard = &mut self.heard[topic as usize];
        // The sender is part of this clone, so the channel cannot be closed.
        let is_news = heard.has_changed().unwrap_or_default();
        heard.mark_unchanged();
        is_news
    }

    /// Waits for a nudge about a topic that this clone has not heard yet: one between its last look and this call counts,
    /// so that nothing is slept through.
    pub async fn next(&mut self, topic: Topic) {
        // The sender is part of this clone, so the channel cannot be closed.
        let _ = self.heard[topic as usize].changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_pending(nudge: &mut Nudge, topic: Topic) -> bool {
        let mut waiting = std::pin::pin!(nudge.next(topic));
        std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending()))
            .await
    }

    #[tokio::test]
    async fn a_nudge_before_the_wait_is_heard() {
        let nudge = Nudge::default();
        let mut listener = nudge.clone();
        nudge.now();
        nudge.now();
        listener.next(Topic::Queue).await;
        assert!(is_pending(&mut listener, Topic::Queue).await, "once");
        listener.next(Topic::Log).await;
    }

    #[test]
    fn a_nudge_is_heard_once_by_each_who_asks() {
        let nudge = Nudge::default();
        let (mut first, mut second) = (nudge.clone(), nudge.clone());
        assert!(!first.heard(Topic::Jobs));
        nudge.now();
        assert!(first.heard(Topic::Jobs) && !first.heard(Topic::Jobs) && first.heard(Topic::Log));
        assert!(second.heard(Topic::Jobs));
    }

    #[tokio::test]
    async fn only_those_who_wait_for_the_topic_are_woken() {
        let nudge = Nudge::default();
        let mut listener = nudge.clone();
        nudge.about(&[Topic::Log, Topic::Jobs]);
        assert!(is_pending(&mut listener, Topic::Queue).await);
        assert!(is_pending(&mut listener, Topic::Chain).await);
        listener.next(Topic::Log).await;
        listener.next(Topic::Jobs).await;
    }
}
