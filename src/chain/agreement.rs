//! The compute template and the agreement that a consumer signs. Digests are made here and checked by the contract.

use alloy::sol_types::{SolCall, SolStruct};
use alloy_primitives::{Address, B256, U256, keccak256};

use super::bindings::{AccessConditions, ComputeConditions, PaymentConditions, eip712};
use super::{Chain, Deployment, Mined, Result};
use crate::ids::{AgreementId, Did};
use crate::money::Terms;

/// The template of compute agreements: six conditions, in the order of the DDO and of the chain (protocol of the seeds).
#[derive(Debug, Clone, Copy)]
pub struct ComputeTemplate;

impl ComputeTemplate {
    /// Index of `releasePayment`, which fulfils the agreement.
    pub const RELEASE: u8 = 4;
    /// What each condition needs done before.
    pub const DEPENDENCIES: [&'static [u8]; 6] = [&[], &[], &[0, 1], &[2], &[1, 3], &[1]];
    /// What each condition needs timed out before: a refund is possible once the release has not come in time. That is the
    /// grant's deadline where access was not granted, and the release's own where it was.
    pub const TIMEOUT_DEPENDENCIES: [&'static [u8]; 6] = [&[], &[], &[], &[], &[], &[4]];
    /// Names of the conditions, as in the DDO.
    pub const NAMES: [&'static str; 6] = [
        "fulfillAlgorithmUpload",
        "lockPayment",
        "authorizeComputation",
        "grantAccess",
        "releasePayment",
        "refundPayment",
    ];
    /// Contracts of the conditions, as in the DDO.
    pub const CONTRACTS: [&'static str; 6] = [
        "ComputeConditions",
        "PaymentConditions",
        "ComputeConditions",
        "AccessConditions",
        "PaymentConditions",
        "PaymentConditions",
    ];

    /// `keccak256("2")`, the template id that OEP-12 names.
    #[must_use]
    pub fn id() -> B256 {
        keccak256("2")
    }

    /// Selectors of the conditions' functions.
    #[must_use]
    pub fn fingerprints() -> [[u8; 4]; 6] {
        [
            ComputeConditions::fulfillAlgorithmUploadCall::SELECTOR,
            PaymentConditions::lockPaymentCall::SELECTOR,
            ComputeConditions::authorizeComputationCall::SELECTOR,
            AccessConditions::grantAccessCall::SELECTOR,
            PaymentConditions::releasePaymentCall::SELECTOR,
            PaymentConditions::refundPaymentCall::SELECTOR,
        ]
    }

    /// Hashes of the conditions' parameters for a data set and a price.
    #[must_use]
    pub fn value_hashes(did: Did, terms: &Terms) -> [B256; 6] {
        let word = |sum: U256| sum.to_be_bytes::<32>();
        let asset = keccak256(did.0);
        let price = keccak256([did.0.as_slice(), &word(terms.price)].concat());
        let lock = keccak256(
            [
                did.0.as_slice(),
                &word(terms.price),
                terms.token.as_slice(),
                &word(terms.base),
                &word(terms.fuel_price),
                &word(terms.output_price),
            ]
            .concat(),
        );
        [asset, lock, asset, asset, price, price]
    }
}

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

impl Deployment {
    /// What the consumer signs to enter an agreement with `publisher`.
    #[must_use]
    pub fn agreement_digest(
        &self,
        id: AgreementId,
        did: Did,
        (publisher, consumer): (Address, Address),
        terms: &Terms,
        timeouts: Timeouts,
    ) -> B256 {
        let agreement = eip712::Agreement {
            serviceAgreementId: id.0,
            templateId: ComputeTemplate::id(),
            did: did.0,
            publisher,
            consumer,
            conditionKeys: self.condition_keys().to_vec(),
            valueHashes: ComputeTemplate::value_hashes(did, terms).to_vec(),
            timeouts: timeouts.values().to_vec(),
        };
        self.domain().digest(agreement.eip712_hash_struct())
    }
}

impl Chain {
    /// `executeAgreement`: puts a signed agreement on chain, with the sender as publisher.
    ///
    /// # Errors
    /// [`super::Error::Refused`] with the contract's reason, or [`super::Error::Unreachable`].
    pub async fn execute_agreement(
        &self,
        id: AgreementId,
        did: Did,
        consumer: Address,
        terms: &Terms,
        timeouts: Timeouts,
        signature: &[u8; 65],
    ) -> Result<Mined> {
        let call = self.service_agreement();
        let call = call.executeAgreement(
            ComputeTemplate::id(),
            signature.to_vec().into(),
            consumer,
            ComputeTemplate::value_hashes(did, terms).to_vec(),
            timeouts.values().to_vec(),
            id.0,
            did.0,
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
