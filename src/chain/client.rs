//! A connection to one deployment on one chain, with or without a key to sign transactions.

use std::sync::Arc;
use std::time::Duration;

use alloy::contract::{CallBuilder, CallDecoder};
use alloy::eips::BlockId;
use alloy::network::{Ethereum, EthereumWallet};
use alloy::providers::{DynProvider, PendingTransactionBuilder, Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256};
use brizo_receipt::SecretKey;

use super::bindings::{
    AccessConditions, ComputeConditions, DIDRegistry, PaymentConditions, ServiceAgreement,
};
use super::journal::Journal;
use super::nodes::Nodes;
use super::sender::{Sender, Sending};
use super::{Deployment, Error, Result};
use crate::ids::AgreementId;

/// How long a transaction is waited for; after that it may still be mined, and it is followed on.
const MINED_TIMEOUT: Duration = Duration::from_secs(120);

/// A deployment as seen through a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Chain {
    pub(super) provider: DynProvider,
    pub(super) deployment: Deployment,
    pub(super) sending: Sending,
    sender: Option<Arc<Sender>>,
}

/// A transaction that is in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// Hash of the transaction.
    pub tx: B256,
    /// Number of the block.
    pub block: u64,
}

/// A provider that signs with `key`, for deployments; they are one task and wait for each step.
pub(super) fn connect(rpc: &str, key: &SecretKey) -> Result<DynProvider> {
    let signer = PrivateKeySigner::from_bytes(&B256::from(key.to_bytes()))
        .map_err(|_| Error::Mismatch("the key is not a secp256k1 key".into()))?;
    Ok(ProviderBuilder::new()
        .with_simple_nonce_management()
        .wallet(EthereumWallet::from(signer))
        .connect_client(Nodes::new(rpc, None)?.client())
        .erased())
}

impl Chain {
    /// Connects to a deployment through one node, or several with commas between their URLs: the first that works is asked.
    /// Sends nothing yet; they may be down.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for an address that is no URL.
    pub fn connect(rpc: &str, deployment: Deployment, key: Option<&SecretKey>) -> Result<Self> {
        let nodes = Nodes::new(rpc, Some(deployment.chain_id))?;
        let provider = ProviderBuilder::new().connect_client(nodes.client()).erased();
        let sender = match key {
            Some(key) => Some(Arc::new(Sender::new(provider.clone(), deployment.chain_id, key)?)),
            None => None,
        };
        Ok(Self { provider, deployment, sending: Sending::default(), sender })
    }

    /// Sends as `sending` says, and writes transactions down in `journal` before it sends them. Before the first is sent.
    ///
    /// # Errors
    /// [`Error::Mismatch`] once the connection is shared.
    pub fn with_journal(mut self, sending: Sending, journal: Arc<dyn Journal>) -> Result<Self> {
        self.sending = sending;
        if let Some(sender) = &mut self.sender {
            let shared = || Error::Mismatch("the connection is in use already".into());
            let sender = Arc::get_mut(sender).ok_or_else(shared)?;
            (sender.sending, sender.journal) = (sending, journal);
        }
        Ok(self)
    }

    /// Follows again the transactions that an earlier process left in the journal. Returns how many there are.
    ///
    /// # Errors
    /// [`Error::Journal`].
    pub async fn resume(&self) -> Result<usize> {
        match &self.sender {
            Some(sender) => sender.resume().await,
            None => Ok(0),
        }
    }

    /// Over a connection that the caller has made and whose answers it answers for: benches have a node of their own in
    /// this process.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a key that is none.
    pub fn over(provider: DynProvider, deployment: Deployment, key: &SecretKey) -> Result<Self> {
        let sender = Some(Arc::new(Sender::new(provider.clone(), deployment.chain_id, key)?));
        Ok(Self { provider, deployment, sending: Sending::default(), sender })
    }

    /// The deployment.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Address that transactions are sent from; zero where there is no key.
    #[must_use]
    pub fn sender(&self) -> Address {
        self.sender.as_ref().map_or(Address::ZERO, |sender| sender.address)
    }

    /// Asks the node for its chain and compares it with the deployment's.
    ///
    /// # Errors
    /// [`Error::Unreachable`], or [`Error::Mismatch`] when it is another chain.
    pub async fn check(&self) -> Result<()> {
        let found = self.provider.get_chain_id().await?;
        if found != self.deployment.chain_id {
            return Err(Error::Mismatch(format!(
                "the node is on chain {found}, the deployment on chain {}",
                self.deployment.chain_id
            )));
        }
        let separator = self.service_agreement().domainSeparator().call().await?;
        if separator != brizo_receipt::domain_separator(&self.deployment.domain()) {
            return Err(Error::Mismatch(
                "ServiceAgreement has another EIP-712 domain than this program".into(),
            ));
        }
        Ok(())
    }

    /// Number of the newest block.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn block_number(&self) -> Result<u64> {
        Ok(self.provider.get_block_number().await?)
    }

    /// Time of the newest block, in seconds since 1970-01-01 UTC: what the contracts' deadlines are compared with.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn time_s(&self) -> Result<u64> {
        let block = self.provider.get_block(BlockId::latest()).await?;
        block.map(|block| block.header.timestamp).ok_or_else(|| Error::Unreachable("no newest block".into()))
    }

    /// Whether transactions of the sender wait to be mined, so that the newest block does not show their effects yet.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn has_pending(&self) -> Result<bool> {
        let mined = self.provider.get_transaction_count(self.sender()).await?;
        Ok(self.provider.get_transaction_count(self.sender()).pending().await? > mined)
    }

    /// Sends a call as a transaction and waits until it is deep enough in the chain.
    pub(super) async fn send<P: Provider, D: CallDecoder>(&self, call: CallBuilder<P, D>) -> Result<Mined> {
        let sender = self.sender.as_ref();
        let sender =
            sender.ok_or_else(|| Error::Mismatch("there is no key to sign transactions with".into()))?;
        // A block of a public chain takes about twelve seconds.
        let deeper = Duration::from_secs(15)
            .saturating_mul(self.sending.confirmations.saturating_sub(1).min(1_000) as u32);
        sender.send(call.into_transaction_request(), MINED_TIMEOUT + deeper).await
    }

    /// Whether a call of this function that this process has sent, or follows on, is on its way.
    pub(super) async fn is_calling(&self, contract: Address, selector: [u8; 4]) -> bool {
        match &self.sender {
            Some(sender) => sender.is_calling(contract, selector).await,
            None => false,
        }
    }

    /// Whether a call about this agreement that this process has sent, or follows on, is on its way, so that the newest block does
    /// not show its effect yet.
    pub async fn is_settling(&self, agreement: AgreementId) -> bool {
        match &self.sender {
            Some(sender) => sender.is_calling_about(agreement.0).await,
            None => false,
        }
    }

    pub(super) fn service_agreement(&self) -> ServiceAgreement::ServiceAgreementInstance<DynProvider> {
        ServiceAgreement::new(self.deployment.service_agreement, self.provider.clone())
    }

    pub(super) fn compute(&self) -> ComputeConditions::ComputeConditionsInstance<DynProvider> {
        ComputeConditions::new(self.deployment.compute_conditions, self.provider.clone())
    }

    pub(super) fn payment(&self) -> PaymentConditions::PaymentConditionsInstance<DynProvider> {
        PaymentConditions::new(self.deployment.payment_conditions, self.provider.clone())
    }

    pub(super) fn access(&self) -> AccessConditions::AccessConditionsInstance<DynProvider> {
        AccessConditions::new(self.deployment.access_conditions, self.provider.clone())
    }

    pub(super) fn registry(&self) -> DIDRegistry::DIDRegistryInstance<DynProvider> {
        DIDRegistry::new(self.deployment.did_registry, self.provider.clone())
    }
}

/// Sends a call of the only task that uses a key, and waits until it is in a block.
pub(super) async fn send<P: Provider, D: CallDecoder>(call: CallBuilder<P, D>) -> Result<Mined> {
    mined(call.send().await?).await
}

async fn mined(pending: PendingTransactionBuilder<Ethereum>) -> Result<Mined> {
    let receipt = pending.with_timeout(Some(MINED_TIMEOUT)).get_receipt().await?;
    if !receipt.status() {
        return Err(Error::Refused(format!("transaction {} failed", receipt.transaction_hash)));
    }
    Ok(Mined { tx: receipt.transaction_hash, block: receipt.block_number.unwrap_or_default() })
}
