//! The nudge: wakes loops that would otherwise sleep until their next look. It saves waiting and carries no information
//! but what to look at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::ids::JobId;

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
    followed: Arc<Followed>,
}

/// The jobs that somebody follows.
#[derive(Debug, Default)]
struct Followed(Mutex<HashMap<JobId, watch::Sender<()>>>);

impl Followed {
    fn open(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<()>>> {
        // A map is whole after every change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows one job, until this is dropped.
#[derive(Debug)]
pub struct Follower {
    job: JobId,
    /// Some until it is dropped.
    told: Option<watch::Receiver<()>>,
    followed: Arc<Followed>,
}

impl Follower {
    /// Waits until something has happened to the job since the last call, or since it is followed.
    pub async fn told(&mut self) {
        if let Some(told) = &mut self.told {
            // The sender stays as long as this does.
            let _ = told.changed().await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut followed = self.followed.open();
        // Under the lock, so that one of those who go together is the last.
        self.told = None;
        if followed.get(&self.job).is_some_and(|sender| sender.receiver_count() == 0) {
            followed.remove(&self.job);
        }
    }
}

impl Default for Nudge {
    fn default() -> Self {
        let numbers = Topic::ALL.map(|_| watch::Sender::new(0));
        let heard = Topic::ALL.map(|topic| numbers[topic as usize].subscribe());
        Self { numbers: Arc::new(numbers), heard, followed: Arc::default() }
    }
}

impl Nudge {
    /// Wakes all who wait, and all who will wait next.
    pub fn now(&self) {
        self.followed.open().values().for_each(|followers| followers.send_replace(()));
        self.about(&Topic::ALL);
    }

    /// Wakes those who wait, and who will wait next, for any of these topics.
    pub fn about(&self, topics: &[Topic]) {
        for topic in topics {
            self.numbers[*topic as usize].send_modify(|number| *number = number.wrapping_add(1));
        }
    }

    /// Something happened to this job: wakes those who follow it.
    pub fn about_job(&self, id: JobId) {
        // Mostly nobody does.
        if let Some(followers) = self.followed.open().get(&id) {
            followers.send_replace(());
        }
    }

    /// Follows a job: what is said of it after this call is heard.
    #[must_use]
    pub fn follow(&self, job: JobId) -> Follower {
        let told = Some(self.followed.open().entry(job).or_default().subscribe());
        Follower { job, told, followed: self.followed.clone() }
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
    use brizo_receipt::B256;

    use super::*;
    use crate::ids::AgreementId;

    async fn is_pending(nudge: &mut Nudge, topic: Topic) -> bool {
        waits(nudge.next(topic)).await
    }

    async fn waits(what: impl Future<Output = ()>) -> bool {
        let mut waiting = std::pin::pin!(what);
        std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending()))
            .await
    }

    #[tokio::test]
    async fn who_follows_a_job_hears_of_it_and_of_no_other() {
        let nudge = Nudge::default();
        let [one, other] = [0, 1].map(|run_index| JobId { agreement: AgreementId(B256::ZERO), run_index });
        let mut followers = [nudge.follow(one), nudge.follow(one)];
        let mut of_other = nudge.follow(other);
        nudge.about_job(one);
        for follower in &mut followers {
            follower.told().await;
            assert!(waits(follower.told()).await, "once");
        }
        assert!(waits(of_other.told()).await);
        nudge.now();
        of_other.told().await;
        let [first, mut second] = followers;
        drop(first);
        second.told().await;
        nudge.about_job(one);
        second.told().await;
        drop((second, of_other));
        nudge.about_job(one);
        assert!(nudge.followed.open().is_empty(), "nobody is remembered");
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
