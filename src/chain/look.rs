//! Looking whether a deployment is where it is said to be, for whoever mends a provider.

use alloy::providers::Provider;
use alloy_primitives::U256;

use super::{Chain, Result};

impl Chain {
    /// Names of contracts of the deployment at whose addresses there is no code.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn without_code(&self) -> Result<Vec<&'static str>> {
        let there = self.deployment();
        let mut contracts = vec![
            ("ServiceAgreement", there.service_agreement),
            ("ComputeConditions", there.compute_conditions),
            ("PaymentConditions", there.payment_conditions),
            ("AccessConditions", there.access_conditions),
            ("DIDRegistry", there.did_registry),
        ];
        contracts.extend(there.dispute_conditions.map(|address| ("DisputeConditions", address)));
        let mut without = Vec::new();
        for (name, address) in contracts {
            if self.provider.get_code_at(address).await?.is_empty() {
                without.push(name);
            }
        }
        Ok(without)
    }

    /// What the sender has for its transactions, in wei.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn own_balance(&self) -> Result<U256> {
        Ok(self.provider.get_balance(self.sender()).await?)
    }
}
