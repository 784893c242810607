//! ERC-20 tokens as means of payment.

use alloy_primitives::{Address, U256};

use super::bindings::TestToken;
use super::{Chain, Mined, Result};

impl Chain {
    /// Balance of an account in a token's smallest unit.
    ///
    /// # Errors
    /// Of the chain, as for every function here.
    pub async fn token_balance(&self, token: Address, account: Address) -> Result<U256> {
        Ok(TestToken::new(token, self.provider.clone()).balanceOf(account).call().await?)
    }

    /// Lets PaymentConditions take `amount` of the sender's tokens, unless it may already.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn approve_token(&self, token: Address, amount: U256) -> Result<()> {
        let contract = TestToken::new(token, self.provider.clone());
        let spender = self.deployment.payment_conditions;
        let allowed = contract.allowance(self.sender(), spender).call().await?;
        if allowed < amount {
            // Some tokens change an allowance only from or to nothing.
            if !allowed.is_zero() {
                self.send(contract.approve(spender, U256::ZERO)).await?;
            }
            self.send(contract.approve(spender, amount)).await?;
        }
        Ok(())
    }

    /// Makes tokens out of nothing; only the worthless TestToken of `brizo contracts deploy --test-token` does that.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn mint_test_token(&self, token: Address, to: Address, amount: U256) -> Result<Mined> {
        self.send(TestToken::new(token, self.provider.clone()).mint(to, amount)).await
    }
}
