//! Looking at the chain for whoever mends a provider.

use alloy::providers::Provider;
use alloy_primitives::U256;

use super::{Chain, Result};

impl Chain {
    /// What the sender has for its transactions, in wei.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn own_balance(&self) -> Result<U256> {
        Ok(self.provider.get_balance(self.sender()).await?)
    }
}
