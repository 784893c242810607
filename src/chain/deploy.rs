//! Deploying the contracts and wiring them, and the file that says where they are.

use alloy::providers::DynProvider;
use alloy::providers::Provider;
use alloy::sol_types::SolValue as _;
use alloy_primitives::{Address, U256};
use brizo_receipt::{Domain, SecretKey, keccak256};
use serde::{Deserialize, Serialize};

use super::bindings::{
    AccessConditions, ComputeConditions, DIDRegistry, DisputeConditions, PaymentConditions, ServiceAgreement,
    TestToken,
};
use super::client::{connect, send};
use super::{ComputeTemplate, Error, Result};
use crate::ids::{AgreementId, Did};

/// Where the contracts of a deployment are. The file that `brizo contracts deploy` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// Chain id (EIP-155).
    pub chain_id: u64,
    /// Block at which the last contract was there; events are read from here.
    pub block: u64,
    /// ServiceAgreement; also the EIP-712 verifying contract.
    pub service_agreement: Address,
    /// ComputeConditions.
    pub compute_conditions: Address,
    /// PaymentConditions.
    pub payment_conditions: Address,
    /// AccessConditions.
    pub access_conditions: Address,
    /// DIDRegistry.
    pub did_registry: Address,
    /// DisputeConditions; deployments from before it have none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dispute_conditions: Option<Address>,
    /// A token for tests, where one was deployed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub test_token: Option<Address>,
}

impl Deployment {
    /// The EIP-712 domain of everything that is signed for this deployment.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, verifying_contract: self.service_agreement }
    }

    /// DID of the asset derived in a run, without asking the chain: the rule of `DIDRegistry.derivedDid`.
    #[must_use]
    pub fn derived_did(&self, id: AgreementId, run_index: u64) -> Did {
        let fields =
            ("derived".to_owned(), U256::from(self.chain_id), self.did_registry, id.0, U256::from(run_index));
        Did(keccak256(fields.abi_encode_params()))
    }
}

/// Deploys all contracts from one account, wires them and approves the compute templates.
///
/// # Errors
/// [`Error::Unreachable`] or [`Error::Rejected`]; contracts that were already deployed are left where they are, unused.
pub async fn deploy(rpc: &str, key: &SecretKey, with_test_token: bool) -> Result<Deployment> {
    let provider = connect(rpc, key)?;
    let chain_id = provider.get_chain_id().await?;
    let registry = DIDRegistry::deploy(provider.clone()).await?;
    let agreement = ServiceAgreement::deploy(provider.clone(), *registry.address(), false).await?;
    send(registry.setServiceAgreement(*agreement.address())).await?;
    let compute = ComputeConditions::deploy(provider.clone(), *agreement.address()).await?;
    let payment = PaymentConditions::deploy(provider.clone(), *agreement.address()).await?;
    let access = AccessConditions::deploy(provider.clone(), *agreement.address()).await?;
    let dispute = DisputeConditions::deploy(provider.clone(), *agreement.address()).await?;
    let test_token = match with_test_token {
        true => Some(*TestToken::deploy(provider.clone()).await?.address()),
        false => None,
    };
    let mut deployment = Deployment {
        chain_id,
        block: 0,
        service_agreement: *agreement.address(),
        compute_conditions: *compute.address(),
        payment_conditions: *payment.address(),
        access_conditions: *access.address(),
        did_registry: *registry.address(),
        dispute_conditions: Some(*dispute.address()),
        test_token,
    };
    for template in ComputeTemplate::ALL {
        deployment.block = set_up(&provider, &deployment, template).await?;
    }
    Ok(deployment)
}

async fn set_up(provider: &DynProvider, deployment: &Deployment, template: ComputeTemplate) -> Result<u64> {
    let contract = ServiceAgreement::new(deployment.service_agreement, provider.clone());
    let conditions = template.conditions();
    let call = contract.setupAgreementTemplate(
        template.id(),
        deployment.condition_contracts(template)?,
        conditions.iter().map(|condition| condition.fingerprint.into()).collect(),
        conditions.iter().map(|condition| condition.dependencies.to_vec()).collect(),
        conditions.iter().map(|condition| condition.timeout_dependencies.to_vec()).collect(),
        vec![ComputeTemplate::RELEASE],
        0,
    );
    let mined = send(call).await?;
    let keys = contract.getTemplateConditionKeys(template.id()).call().await?;
    if keys != deployment.condition_keys(template)? {
        return Err(Error::Mismatch("the contract computes other condition keys than this program".into()));
    }
    Ok(mined.block)
}
