//! An agreement as the chain shows it, and what comes next.

use alloy_primitives::{B256, U256};

use super::{Chain, ComputeTemplate, OnChainAgreement, Result, Settlement};
use crate::ids::AgreementId;

/// Where an agreement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// What was agreed, and the deadlines.
    pub agreement: OnChainAgreement,
    /// The conditions of the template in their order, and whether each is fulfilled. Empty for an unknown template.
    pub conditions: Vec<(&'static str, bool)>,
    /// Whether the release has failed for good, by a dispute or because the publisher gave the sum back.
    pub aborted: bool,
    /// Sum in escrow now.
    pub locked: U256,
    /// Receipt hash of the paid run; zero before the release.
    pub receipt_hash: B256,
    /// What was paid and refunded at the release.
    pub settlement: Settlement,
    /// Time of the newest block, in seconds since 1970-01-01 UTC.
    pub now_s: u64,
}

impl Chain {
    /// Reads an agreement's state; `None` when the id is unknown.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn overview(&self, id: AgreementId) -> Result<Option<Overview>> {
        let Some(agreement) = self.agreement(id).await? else { return Ok(None) };
        let contract = self.service_agreement();
        let mut conditions = Vec::new();
        for (index, condition) in
            (0..).zip(agreement.template.map(ComputeTemplate::conditions).unwrap_or_default())
        {
            let fulfilled = contract.conditionFulfilled(id.0, index).call().await?;
            conditions.push((condition.name, fulfilled));
        }
        Ok(Some(Overview {
            aborted: contract.isAborted(id.0).call().await?,
            locked: self.locked(id).await?,
            receipt_hash: self.receipt_of(id, super::PAID_RUN).await?,
            settlement: self.settlement(id).await?.unwrap_or_default(),
            now_s: self.time_s().await?,
            agreement,
            conditions,
        }))
    }
}

impl Overview {
    /// One word for the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (self.agreement.fulfilled, self.agreement.terminated) {
            (true, _) => "fulfilled",
            (_, true) => "terminated",
            _ => "executed",
        }
    }

    /// Who can do what next, one sentence each; empty when all is done.
    #[must_use]
    pub fn next(&self) -> Vec<String> {
        let agreement = &self.agreement;
        if agreement.fulfilled {
            let later =
                "publisher: commit receipts of later runs, if more than one was agreed (no money moves)";
            return vec![later.into()];
        }
        if agreement.terminated {
            return Vec::new();
        }
        let done = |index: u8| self.conditions.get(usize::from(index)).is_some_and(|(_, done)| *done);
        if !done(ComputeTemplate::LOCK) {
            return self.before_the_lock(done(ComputeTemplate::UPLOAD));
        }
        if self.aborted {
            return vec!["consumer: refundPayment; the release has failed for good".into()];
        }
        self.after_the_lock(done)
    }

    fn before_the_lock(&self, uploaded: bool) -> Vec<String> {
        let deadline = self.agreement.lock_deadline_s;
        if self.now_s >= deadline {
            return vec!["anyone: cancelAgreement; the payment was not locked in time".into()];
        }
        let mut next =
            vec![format!("consumer: lockPayment, before {deadline} (in {} s)", deadline - self.now_s)];
        if !uploaded {
            next.push("consumer and publisher: upload the algorithm, fulfillAlgorithmUpload".into());
        }
        next
    }

    fn after_the_lock(&self, done: impl Fn(u8) -> bool) -> Vec<String> {
        let granted = done(ComputeTemplate::GRANT);
        let deadline =
            if granted { self.agreement.release_deadline_s } else { self.agreement.grant_deadline_s };
        let late = self.now_s >= deadline;
        let mut next = Vec::new();
        if granted {
            if self.agreement.template == Some(ComputeTemplate::Disputed) && !done(6) {
                next.push("publisher: claimRelease, then passRelease after the dispute window".into());
            }
            next.push("publisher: release the payment against the receipt".into());
        } else if !late && done(ComputeTemplate::AUTHORIZE) {
            next.push(format!("publisher: run, registerDerived and grantAccess, before {deadline}"));
        } else if !late && done(ComputeTemplate::UPLOAD) {
            next.push(format!("publisher: authorizeComputation, before {deadline}"));
        } else if !late {
            next.push("consumer and publisher: upload the algorithm, fulfillAlgorithmUpload".into());
        }
        next.push(match late {
            true => "consumer: refundPayment is possible now".into(),
            false => format!("consumer: refundPayment, from {deadline} on (in {} s)", deadline - self.now_s),
        });
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Did;
    use alloy_primitives::Address;

    fn overview(done: &[u8], now_s: u64) -> Overview {
        let template = ComputeTemplate::Repeatable;
        Overview {
            agreement: OnChainAgreement {
                template: Some(template),
                did: Did(B256::ZERO),
                publisher: Address::ZERO,
                consumer: Address::ZERO,
                lock_deadline_s: 50,
                grant_deadline_s: 100,
                release_deadline_s: 200,
                fulfilled: false,
                terminated: false,
            },
            conditions: (0u8..)
                .zip(template.conditions())
                .map(|(i, c)| (c.name, done.contains(&i)))
                .collect(),
            aborted: false,
            locked: U256::ZERO,
            receipt_hash: B256::ZERO,
            settlement: Settlement::default(),
            now_s,
        }
    }

    #[test]
    fn what_comes_next_follows_the_conditions_and_the_deadlines() {
        for (done, now_s, says) in [
            (&[][..], 10, &["lockPayment, before 50 (in 40 s)", "upload"][..]),
            (&[0], 10, &["lockPayment"]),
            (&[0], 50, &["cancelAgreement"]),
            (&[1], 10, &["upload", "refundPayment, from 100 on (in 90 s)"]),
            (&[0, 1], 10, &["authorizeComputation, before 100", "refundPayment, from 100"]),
            (&[0, 1, 2], 10, &["grantAccess, before 100", "refundPayment, from 100"]),
            (&[0, 1, 2], 100, &["refundPayment is possible now"]),
            (&[0, 1, 2, 3], 150, &["release the payment", "refundPayment, from 200 on (in 50 s)"]),
            (&[0, 1, 2, 3], 200, &["release the payment", "refundPayment is possible now"]),
        ] {
            let next = overview(done, now_s).next();
            assert_eq!(next.len(), says.len(), "{done:?} at {now_s}: {next:?}");
            for (sentence, part) in next.iter().zip(says) {
                assert!(sentence.contains(part), "{done:?} at {now_s}: {sentence:?} lacks {part:?}");
            }
        }
    }

    #[test]
    fn ends_are_ends() {
        let mut over = overview(&[0, 1, 2, 3], 150);
        over.aborted = true;
        assert!(over.next()[0].contains("failed for good"));
        over.agreement.terminated = true;
        assert_eq!((over.state(), over.next().len()), ("terminated", 0));
        over.agreement.fulfilled = true;
        assert_eq!(over.state(), "fulfilled");
    }
}
