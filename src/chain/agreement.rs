//! The agreement that a consumer signs. Digests are made here and checked by the contract.

use alloy::sol_types::SolStruct;
use alloy_primitives::{Address, B256, U256};

use super::bindings::eip712;
use super::{Chain, ComputeTemplate, Deployment, Mined, Result};
use crate::ids::{AgreementId, Did};
use crate::money::Terms;

/// Deadlines of an agreement, in seconds from its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until when the payment can be locked; 0 means as long as access can be granted.
    pub lock_s: u64,
    /// Until when access can be granted; from then on the consumer can take a refund unless it was.
    pub grant_s: u64,
    /// How long after the grant's deadline the consumer must wait for a refund where access was granted; 0: a week.
    pub release_s: u64,
}

impl Timeouts {
    /// The list in the order of the conditions.
    #[must_use]
    pub fn values(self) -> [U256; 6] {
        [0, self.lock_s, 0, self.grant_s, self.release_s, 0].map(U256::from)
    }
}

/// An agreement as the chain has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnChainAgreement {
    /// Which conditions it has; `None` for a template that this program does not know.
    pub template: Option<ComputeTemplate>,
    /// The data set.
    pub did: Did,
    /// Who executed it.
    pub publisher: Address,
    /// Who signed it.
    pub consumer: Address,
    /// Until when the payment can be locked, in seconds since 1970-01-01 UTC.
    pub lock_deadline_s: u64,
    /// Until when access can be granted, in seconds since 1970-01-01 UTC.
    pub grant_deadline_s: u64,
    /// From when on the consumer can take a refund although access was granted, in seconds since 1970-01-01 UTC.
    pub release_deadline_s: u64,
    /// Whether it was fulfilled: the payment is released.
    pub fulfilled: bool,
    /// Whether it was terminated: refunded or cancelled.
    pub terminated: bool,
}

/// What a consumer and a publisher agree on.
#[derive(Debug, Clone, Copy)]
pub struct NewAgreement<'a> {
    /// Which conditions it has.
    pub template: ComputeTemplate,
    /// Its identifier, which the consumer chooses.
    pub id: AgreementId,
    /// The data set.
    pub did: Did,
    /// Who executes it and is paid.
    pub publisher: Address,
    /// Who signs it and pays.
    pub consumer: Address,
    /// The price.
    pub terms: &'a Terms,
    /// The deadlines.
    pub timeouts: Timeouts,
}

impl Deployment {
    /// What the consumer signs to enter an agreement.
    ///
    /// # Errors
    /// [`super::Error::Mismatch`] where the deployment lacks what the template needs.
    pub fn agreement_digest(&self, new: &NewAgreement<'_>) -> Result<B256> {
        let agreement = eip712::Agreement {
            serviceAgreementId: new.id.0,
            templateId: new.template.id(),
            did: new.did.0,
            publisher: new.publisher,
            consumer: new.consumer,
            conditionKeys: self.condition_keys(new.template)?,
            valueHashes: ComputeTemplate::value_hashes(new.did, new.terms).to_vec(),
            timeouts: new.timeouts.values().to_vec(),
        };
        Ok(self.domain().digest(agreement.eip712_hash_struct()))
    }
}

impl Chain {
    /// `executeAgreement`: puts a signed agreement on chain. The sender must be its publisher.
    ///
    /// # Errors
    /// [`super::Error::Refused`] with the contract's reason, or [`super::Error::Unreachable`].
    pub async fn execute_agreement(&self, new: &NewAgreement<'_>, signature: &[u8; 65]) -> Result<Mined> {
        let call = self.service_agreement();
        let call = call.executeAgreement(
            new.template.id(),
            signature.to_vec().into(),
            new.consumer,
            ComputeTemplate::value_hashes(new.did, new.terms).to_vec(),
            new.timeouts.values().to_vec(),
            new.id.0,
            new.did.0,
        );
        self.send(call).await
    }

    /// An agreement on chain; `None` when the id is unknown.
    ///
    /// # Errors
    /// [`super::Error::Unreachable`].
    pub async fn agreement(&self, id: AgreementId) -> Result<Option<OnChainAgreement>> {
        let found = self.service_agreement().getAgreement(id.0).call().await?;
        if found.publisher.is_zero() {
            return Ok(None);
        }
        Ok(Some(OnChainAgreement {
            template: ComputeTemplate::from_id(found.templateId),
            did: Did(found.did),
            publisher: found.publisher,
            consumer: found.consumer,
            lock_deadline_s: found.lockDeadline,
            grant_deadline_s: found.grantDeadline,
            release_deadline_s: found.releaseDeadline,
            fulfilled: found.state == 2,
            terminated: found.state == 3,
        }))
    }
}
