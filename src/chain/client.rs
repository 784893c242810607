//! A connection to one deployment on one chain, with or without a key to sign transactions.

use std::time::Duration;

use alloy::contract::{CallBuilder, CallDecoder};
use alloy::network::EthereumWallet;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, U256};
use brizo_receipt::SecretKey;

use super::bindings::{
    AccessConditions, ComputeConditions, DIDRegistry, PaymentConditions, ServiceAgreement,
};
use super::{Deployment, Error, Result};

/// How long a node may take to answer one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A deployment as seen through a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Chain {
    pub(super) provider: DynProvider,
    pub(super) deployment: Deployment,
    sender: Address,
}

/// A transaction that is in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// Hash of the transaction.
    pub tx: B256,
    /// Number of the block.
    pub block: u64,
    /// Gas it used.
    pub gas: u64,
}

/// A provider that signs with `key`, or one that can only read.
pub(super) fn connect(rpc: &str, key: Option<&SecretKey>) -> Result<DynProvider> {
    let url = rpc.parse().map_err(|e| Error::Mismatch(format!("{rpc:?} is not a URL: {e}")))?;
    let http = alloy::transports::http::reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .build()
        .map_err(|e| Error::Unreachable(e.to_string()))?;
    let Some(key) = key else {
        return Ok(ProviderBuilder::new().connect_reqwest(http, url).erased());
    };
    let signer = PrivateKeySigner::from_bytes(&B256::from(key.to_bytes()))
        .map_err(|_| Error::Mismatch("the key is not a secp256k1 key".into()))?;
    Ok(ProviderBuilder::new()
        // A nonce is asked of the node for each transaction: after a restart or a failed sending none is skipped.
        .with_simple_nonce_management()
        .wallet(EthereumWallet::from(signer))
        .connect_reqwest(http, url)
        .erased())
}

impl Chain {
    /// Connects to a deployment. Sends nothing yet; the node may be down.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for an address that is no URL.
    pub fn connect(rpc: &str, deployment: Deployment, key: Option<&SecretKey>) -> Result<Self> {
        let sender = key.map_or(Address::ZERO, SecretKey::address);
        Ok(Self { provider: connect(rpc, key)?, deployment, sender })
    }

    /// The deployment.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Address that transactions are sent from.
    #[must_use]
    pub fn sender(&self) -> Address {
        self.sender
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

    /// ETH balance of an account, in wei.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn balance(&self, account: Address) -> Result<U256> {
        Ok(self.provider.get_balance(account).await?)
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

/// Sends a call as a transaction and waits until it is in a block.
pub(super) async fn send<P: Provider, D: CallDecoder>(call: CallBuilder<P, D>) -> Result<Mined> {
    let receipt = call.send().await?.with_timeout(Some(Duration::from_secs(120))).get_receipt().await?;
    if !receipt.status() {
        return Err(Error::Refused(format!("transaction {} failed", receipt.transaction_hash)));
    }
    Ok(Mined {
        tx: receipt.transaction_hash,
        block: receipt.block_number.unwrap_or_default(),
        gas: receipt.gas_used,
    })
}
