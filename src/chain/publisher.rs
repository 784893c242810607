//! What publisher and consumer do on chain, one function for each transaction, and the views that show its effect.

use alloy::eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U256};
use brizo_receipt::{Outcome, Signature};

use super::bindings::PaymentConditions;
use super::{Chain, ComputeTemplate, Error, Mined, Result};
use crate::ids::{AgreementId, Did};
use crate::money::Terms;

/// The run that an agreement's payment is for; later ones are committed without a payment.
pub const PAID_RUN: u64 = 0;

impl Chain {
    /// DID that registering under this seed will give.
    ///
    /// # Errors
    /// Of the chain, as for every function here.
    pub async fn did_of(&self, seed: B256) -> Result<Did> {
        Ok(Did(self.registry().didOf(seed, self.sender()).call().await?))
    }

    /// `registerAttribute`: registers a data set, the digest of its DDO and the URL where the DDO is served.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn register_dataset(&self, seed: B256, checksum: B256, url: &str) -> Result<Mined> {
        self.send(self.registry().registerAttribute(seed, checksum, vec![], url.to_string())).await
    }

    /// Owner, checksum and URL of an asset; `None` when it is not registered.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn asset(&self, did: Did) -> Result<Option<(Address, B256, String)>> {
        let found = self.registry().getAttribute(did.0).call().await?;
        Ok((!found._0.is_zero()).then_some((found._0, found._1, found._2)))
    }

    /// `fulfillAlgorithmUpload`.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn fulfill_upload(
        &self,
        id: AgreementId,
        did: Option<Did>,
        checksum: B256,
        signature: &Signature,
    ) -> Result<Mined> {
        let did = did.map_or(B256::ZERO, |did| did.0);
        let signature = Bytes::from(signature.0.to_vec());
        self.send(self.compute().fulfillAlgorithmUpload(id.0, did, checksum, signature)).await
    }

    /// Checksum of the algorithm that both sides agree on; zero before.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn upload_checksum(&self, id: AgreementId) -> Result<B256> {
        Ok(self.compute().checksumOf(id.0).call().await?)
    }

    /// `authorizeComputation`.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn authorize(&self, id: AgreementId, consumer: Address) -> Result<Mined> {
        self.send(self.compute().authorizeComputation(id.0, consumer)).await
    }

    /// `checkPermissions`: may this consumer compute under this agreement?
    ///
    /// # Errors
    /// Of the chain.
    pub async fn permitted(&self, id: AgreementId, consumer: Address) -> Result<bool> {
        Ok(self.compute().checkPermissions_0(id.0, consumer).call().await?)
    }

    /// `lockPayment`, by the consumer, in ETH or a token that is approved already.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn lock_payment(&self, id: AgreementId, did: Did, terms: &Terms) -> Result<Mined> {
        let value = if terms.token.is_zero() { terms.price } else { U256::ZERO };
        let price = PaymentConditions::PriceTerms {
            token: terms.token,
            base: terms.base,
            fuelPrice: terms.fuel_price,
            outputPrice: terms.output_price,
        };
        self.send(self.payment().lockPayment(id.0, did.0, terms.price, price).value(value)).await
    }

    /// Sum that is locked for an agreement now.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn locked(&self, id: AgreementId) -> Result<U256> {
        Ok(self.payment().lockedOf(id.0).call().await?.amount)
    }

    /// The sum that was locked at the newest block that is deep enough, with that block's number and hash.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn locked_for_good(&self, id: AgreementId) -> Result<(U256, u64, B256)> {
        let block = self.settled_block().await?;
        let hash = self.block_hash(block).await?;
        let hash =
            hash.ok_or_else(|| Error::Unreachable(format!("the node has no block {block} any more")))?;
        let locked = self.payment().lockedOf(id.0).block(BlockId::hash(hash)).call().await?;
        Ok((locked.amount, block, hash))
    }

    /// `amountDue`: what the contract would pay for a run.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn amount_due(&self, id: AgreementId, fuel_used: u64, output_bytes: u64) -> Result<U256> {
        Ok(self.payment().amountDue(id.0, fuel_used, output_bytes).call().await?)
    }

    /// DID of the asset derived in a run, as the registry says it. [`super::Deployment::derived_did`] knows it without asking.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn derived_did(&self, id: AgreementId, run_index: u64) -> Result<Did> {
        Ok(Did(self.registry().derivedDid(id.0, run_index).call().await?))
    }

    /// `registerDerived`: the run's outputs become an asset of the consumer.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn register_derived(
        &self,
        id: AgreementId,
        run_index: u64,
        receipt_hash: B256,
        url: &str,
    ) -> Result<Mined> {
        self.send(self.registry().registerDerived(id.0, run_index, receipt_hash, url.to_string())).await
    }

    /// `grantAccess` to the derived asset of the paid run, `grantRunAccess` to that of a later one.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn grant_access(&self, id: AgreementId, run_index: u64, derived: Did) -> Result<Mined> {
        match run_index {
            PAID_RUN => self.send(self.access().grantAccess(id.0, derived.0)).await,
            later => self.send(self.access().grantRunAccess(id.0, later)).await,
        }
    }

    /// `checkPermissions` of AccessConditions: may this consumer have this asset?
    ///
    /// # Errors
    /// Of the chain.
    pub async fn access_granted(&self, consumer: Address, asset: Did) -> Result<bool> {
        Ok(self.access().checkPermissions(consumer, asset.0).call().await?)
    }

    /// Commits a run's receipt hash, which the contract recomputes: `releasePayment`, or `releaseAttestedPayment` under the
    /// template for containers, which settle the payment as well; for a later run `commitReceipt`, which moves no money.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn commit_receipt(
        &self,
        template: ComputeTemplate,
        (id, did, price): (AgreementId, Did, U256),
        run_index: u64,
        claim: (B256, &Outcome),
        signature: &Signature,
    ) -> Result<Mined> {
        let (spec_hash, outcome) = (claim.0, outcome_of(claim.1));
        let (payment, signature) = (self.payment(), Bytes::from(signature.0.to_vec()));
        if run_index != PAID_RUN {
            return self.send(payment.commitReceipt(id.0, run_index, spec_hash, outcome, signature)).await;
        }
        match template {
            ComputeTemplate::Attested => {
                let call = payment.releaseAttestedPayment(id.0, did.0, price, spec_hash, outcome, signature);
                self.send(call).await
            }
            ComputeTemplate::Repeatable | ComputeTemplate::Disputed => {
                self.send(payment.releasePayment(id.0, did.0, price, spec_hash, outcome, signature)).await
            }
        }
    }

    /// Receipt hash that was committed for a run; zero before.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn receipt_of(&self, id: AgreementId, run_index: u64) -> Result<B256> {
        Ok(self.payment().receiptOfRun(id.0, run_index).call().await?)
    }

    /// `forgoPayment`: gives the locked sum back to the consumer, by the publisher, at any time before the release.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn forgo_payment(&self, id: AgreementId, did: Did, price: U256) -> Result<Mined> {
        self.send(self.payment().forgoPayment(id.0, did.0, price)).await
    }

    /// `refundPayment`, by the consumer, after the deadline.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn refund_payment(&self, id: AgreementId, did: Did, price: U256) -> Result<Mined> {
        self.send(self.payment().refundPayment(id.0, did.0, price)).await
    }
}

fn outcome_of(outcome: &Outcome) -> PaymentConditions::Outcome {
    PaymentConditions::Outcome {
        status: outcome.status,
        exitCode: outcome.exit_code,
        trapCode: outcome.trap_code,
        fuelUsed: outcome.fuel_used,
        outputBytes: outcome.output_bytes,
        outputsRoot: outcome.outputs_root,
    }
}
