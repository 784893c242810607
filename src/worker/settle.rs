//! The outbox: tells the chain what is owed. Each step first looks whether its effect is there already, so it can be
//! repeated after a crash at any point, and money moves once.

use std::collections::HashMap;

use anyhow::Context as _;
use brizo_receipt::B256;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Worker;
use crate::chain::{Error as ChainError, PAID_RUN, Settlement};
use crate::failpoint;
use crate::ids::{AgreementId, JobId};
use crate::metrics;
use crate::nudge::Topic;
use crate::store::{AgreementRow, JobRow, OutboxRow, Step};
use crate::trace;

/// Agreements that are settled at the same time.
const STEPS_MAX: usize = 64;
/// Longest wait between two tries, in seconds.
const WAIT_MAX_S: u64 = 30;

impl Worker {
    /// Does what is owed, the steps of different agreements side by side: each waits for its block, and none for another's.
    /// When the provider ends nothing is waited for; what was sent is followed by the next process.
    pub(super) async fn settle(mut self, mut stop: watch::Receiver<bool>) {
        let (mut flying, mut busy) = (JoinSet::new(), HashMap::new());
        loop {
            match self.due().await {
                Ok(due) => {
                    for row in due {
                        let agreement = row.agreement;
                        if busy.len() < STEPS_MAX && !busy.values().any(|one| *one == agreement) {
                            let worker = self.clone();
                            let task = flying.spawn(async move { worker.do_step_of(row).await });
                            busy.insert(task.id(), agreement);
                        }
                    }
                }
                Err(error) => tracing::error!(error = %format!("{error:#}"), "the outbox cannot be read"),
            }
            tokio::select! {
                Some(ended) = flying.join_next_with_id() => {
                    let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, ())| *id);
                    let agreement = busy.remove(&id);
                    if let (Err(error), Some(agreement)) = (ended, agreement) {
                        tracing::error!(%agreement, %error, "a step of the outbox died");
                        // It stays busy for a while; what dies each time would otherwise be all that is done.
                        busy.insert(flying.spawn(tokio::time::sleep(self.options.poll_interval)).id(), agreement);
                    }
                }
                go = self.pause(Topic::Chain, &mut stop) => if !go { return },
            }
        }
    }

    async fn due(&self) -> anyhow::Result<Vec<OutboxRow>> {
        let now_s = self.clock.now_s();
        Ok(self.store.with(move |store| store.due_steps(now_s)).await?)
    }

    async fn do_step_of(&self, row: OutboxRow) {
        let agreement = row.agreement;
        if let Err(error) = self.do_step(row).await {
            tracing::error!(%agreement, error = %format!("{error:#}"), "what became of a step cannot be written down");
            // It is still due, and would be tried at once, without end, on a disk that is full.
            tokio::time::sleep(self.options.poll_interval).await;
        }
    }

    async fn do_step(&self, row: OutboxRow) -> anyhow::Result<()> {
        let (id, step) = (row.id, row.step.word());
        // What is owed before there is a job is owed for the first one.
        let job = row.job.unwrap_or(JobId { agreement: row.agreement, run_index: PAID_RUN });
        let mut span = trace::of_job(job, step);
        span.set("brizo.attempt", i64::from(row.attempts) + 1);
        let performed = failpoint::around_async(step, self.perform(&row)).await;
        match &performed {
            Ok(tx) => span.set("brizo.tx", tx.clone().unwrap_or_else(|| "none needed".into())),
            Err(_) => span.fail("step_failed"),
        }
        span.end();
        match performed {
            Ok(tx) => {
                tracing::info!(agreement = %row.agreement, step, tx = tx.as_deref().unwrap_or("none needed"), "step done");
                self.store.with(move |store| store.step_done(id, tx.as_deref())).await?;
                self.nudge.about_job(job);
                self.nudge.about(&[Topic::Chain, Topic::Jobs]);
                Ok(())
            }
            Err(error) => self.note_failure(row, error).await,
        }
    }

    /// Performs a step unless its effect is on chain already. Returns the transaction it sent.
    async fn perform(&self, row: &OutboxRow) -> anyhow::Result<Option<String>> {
        let agreement = self.agreement(row.agreement).await?;
        match row.step {
            Step::Authorize => self.authorize(&agreement).await,
            Step::Register => self.register(&self.job(row).await?).await,
            Step::Grant => self.grant(&self.job(row).await?).await,
            Step::Release => self.release(&agreement, &self.job(row).await?).await,
        }
    }

    async fn authorize(&self, agreement: &AgreementRow) -> anyhow::Result<Option<String>> {
        let (id, consumer) = (agreement.id, agreement.consumer);
        let tx = match self.chain.permitted(id, consumer).await? {
            true => None,
            false => Some(self.chain.authorize(id, consumer).await?.tx.to_string()),
        };
        self.store.with(move |store| store.set_granted(id)).await?;
        Ok(tx)
    }

    async fn register(&self, job: &JobRow) -> anyhow::Result<Option<String>> {
        let (id, run) = (job.id.agreement, job.id.run_index);
        let hash = receipt_hash(job)?;
        let derived = self.chain.derived_did(id, run).await?;
        if self.chain.asset(derived).await?.is_some_and(|(_, checksum, _)| checksum == hash) {
            return Ok(None);
        }
        let url = format!("{}/api/v1/jobs/{}/outputs", self.public_url, job.id);
        Ok(Some(self.chain.register_derived(id, run, hash, &url).await?.tx.to_string()))
    }

    async fn grant(&self, job: &JobRow) -> anyhow::Result<Option<String>> {
        let id = job.id.agreement;
        let derived = self.chain.derived_did(id, job.id.run_index).await?;
        if self.chain.access_granted(job.consumer, derived).await? {
            return Ok(None);
        }
        Ok(Some(self.chain.grant_access(id, job.id.run_index, derived).await?.tx.to_string()))
    }

    async fn release(&self, agreement: &AgreementRow, job: &JobRow) -> anyhow::Result<Option<String>> {
        let (id, did, price) = (agreement.id, agreement.did, agreement.terms.price);
        let (hash, spec_hash) = (receipt_hash(job)?, job.spec.hash());
        let outcome = job.outcome.as_ref().context("the job has no outcome")?;
        let run_index = job.id.run_index;
        let tx = if self.chain.receipt_of(id, run_index).await? == hash {
            None
        } else {
            let on_chain = self.chain.agreement(id).await?.context("the agreement is not on chain")?;
            let template = on_chain.template.context("the agreement has an unknown template")?;
            let (terms, claim) = ((id, did, price), (spec_hash, outcome));
            let mined = self.chain.commit_receipt(template, terms, run_index, claim, &job.signature).await?;
            Some(mined.tx.to_string())
        };
        let (job_id, now_s) = (job.id, self.clock.now_s());
        let settlement = match run_index {
            // The nodes behind one address are not always equally far, and old ones forget events: then it is asked again.
            PAID_RUN => {
                self.chain.settlement(id).await?.context("the release is there, and its event is not yet")?
            }
            // It has no event; the newest block is not below the one in which it is.
            _ => Settlement { block: self.chain.block_number().await?, ..Settlement::default() },
        };
        let (sums, block) = ([settlement.paid, settlement.refunded], settlement.block);
        if self.store.with(move |store| store.settle_job(job_id, sums, block, now_s)).await? {
            self.count_settlement(job_id, now_s).await?;
        }
        Ok(tx)
    }

    /// Counts how long the settlement took.
    async fn count_settlement(&self, job: JobId, now_s: u64) -> anyhow::Result<()> {
        if let Some(committed_s) = self.store.with(move |store| store.committed_s(job)).await? {
            metrics::settled(now_s.saturating_sub(committed_s));
        }
        Ok(())
    }

    /// Decides between trying again and giving up, and says so.
    async fn note_failure(&self, row: OutboxRow, error: anyhow::Error) -> anyhow::Result<()> {
        let problem = format!("{error:#}");
        let refused = matches!(error.downcast_ref(), Some(ChainError::Refused(_)));
        let (agreement, step) = (row.agreement, row.step.word());
        tracing::warn!(%agreement, step, attempt = row.attempts + 1, error = %problem, "step failed");
        if !refused || !self.is_hopeless(&row).await {
            let next_s = self.clock.now_s() + wait_s(row.attempts);
            self.store.with(move |store| store.step_failed(row.id, &problem, refused, next_s)).await?;
            return Ok(());
        }
        tracing::error!(%agreement, step, error = %problem, "step is dead");
        let now_s = self.clock.now_s();
        self.store.with(move |store| store.step_dead(&row, &problem, now_s)).await?;
        Ok(())
    }

    /// Whether the contracts can never take this step any more. A refusal alone does not say so: while a transaction of this
    /// agreement waits to be mined, its effect is not seen yet and its repetition is refused. What cannot be asked is not
    /// hopeless. (Other agreements' do not count: on a busy provider some transaction always waits.)
    async fn is_hopeless(&self, row: &OutboxRow) -> bool {
        if self.chain.is_settling(row.agreement).await {
            return false;
        }
        let (agreement, now_s) = (self.chain.agreement(row.agreement).await, self.chain.time_s().await);
        let (Ok(Some(agreement)), Ok(now_s)) = (agreement, now_s) else { return false };
        agreement.terminated || is_late(row, agreement.grant_deadline_s, now_s)
    }

    async fn agreement(&self, id: AgreementId) -> anyhow::Result<AgreementRow> {
        self.store
            .with(move |store| store.agreement(id))
            .await?
            .context("the outbox names an unknown agreement")
    }

    async fn job(&self, row: &OutboxRow) -> anyhow::Result<JobRow> {
        let id: JobId = row.job.context("the outbox row names no job")?;
        self.store.with(move |store| store.job(id)).await?.context("the outbox names an unknown job")
    }
}

/// Whether a step has passed its deadline, by the newest block's time. A release is good until the consumer takes the refund,
/// which ends the agreement, and later runs have no deadlines.
fn is_late(row: &OutboxRow, grant_deadline_s: u64, now_s: u64) -> bool {
    let first = row.job.is_none_or(|job| job.run_index == PAID_RUN);
    first && row.step != Step::Release && now_s >= grant_deadline_s
}

/// Seconds until the next try, after so many that failed before the last one.
fn wait_s(attempts: u32) -> u64 {
    2u64.saturating_pow(attempts.min(16)).min(WAIT_MAX_S)
}

fn receipt_hash(job: &JobRow) -> anyhow::Result<B256> {
    job.receipt_hash.context("the job has no receipt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_less_and_less_often_but_twice_a_minute() {
        let waits = [0, 1, 2, 3, 4, 5, 6, 100, u32::MAX].map(wait_s);
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30, 30]);
    }

    #[test]
    fn only_what_can_never_work_is_hopeless() {
        let agreement = AgreementId(B256::repeat_byte(4));
        let row = |step, run_index: Option<u64>| {
            let job = run_index.map(|run_index| JobId { agreement, run_index });
            OutboxRow { id: 1, agreement, job, step, attempts: 9 }
        };
        // With a deadline at 100: the step, its run, whether it ends with the deadline.
        for (step, run, ends) in [
            (Step::Authorize, None, true),
            (Step::Register, Some(0), true),
            (Step::Grant, Some(0), true),
            (Step::Release, Some(0), false),
            (Step::Register, Some(1), false),
            (Step::Grant, Some(1), false),
            (Step::Release, Some(1), false),
        ] {
            let late = [99, 100, u64::MAX].map(|now_s| is_late(&row(step, run), 100, now_s));
            assert_eq!(late, [false, ends, ends], "{step:?} of run {run:?}");
        }
    }
}
