//! The chain client against a real chain: nonces, stuck transactions, restarts, reorganisations, nodes that fail.

mod nodes;
mod reorganisation;
mod sending;
mod show;

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use brizo::chain::{Chain, Deployment, Sending, deploy};
use brizo::store::Store;
use brizo::worker::ChainRows;
use brizo_receipt::SecretKey;

use crate::world::{Anvil, key};

/// Anvil's fourth development key, which no other test uses; public.
const KEY: &str = "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";

/// A chain with the contracts, and what a process would keep between its lives.
struct Line {
    anvil: Anvil,
    deployment: Deployment,
    store: Store,
    sending: Sending,
}

impl Line {
    async fn start() -> Self {
        let anvil = Anvil::start(None);
        let deployment = deploy(anvil.url(), &key(KEY), true).await.unwrap();
        let sending = Sending {
            bump_after: Duration::from_millis(200),
            poll: Duration::from_millis(20),
            ..Sending::default()
        };
        Self { anvil, deployment, store: Store::in_memory().unwrap(), sending }
    }

    fn key() -> SecretKey {
        key(KEY)
    }

    fn token(&self) -> Address {
        self.deployment.test_token.unwrap()
    }

    /// A process's connection: what it knows comes from the store.
    fn chain(&self) -> Chain {
        let rows = Arc::new(ChainRows(self.store.clone()));
        self.plain_chain().with_journal(self.sending, rows).unwrap()
    }

    /// A command's connection, without a journal.
    fn plain_chain(&self) -> Chain {
        Chain::connect(self.anvil.url(), self.deployment.clone(), Some(&key(KEY))).unwrap()
    }

    /// Gives a new account that many tokens: a transaction whose effect can be counted.
    fn account(number: u8) -> Address {
        Address::repeat_byte(number)
    }

    async fn tokens(&self, account: Address) -> u64 {
        self.plain_chain().token_balance(self.token(), account).await.unwrap().to()
    }

    /// Transactions of the sender: mined, and with those that wait.
    async fn counts(&self) -> (u64, u64) {
        let mut counts = [0; 2];
        for (count, tag) in counts.iter_mut().zip(["latest", "pending"]) {
            let address = key(KEY).address();
            let answer = self.anvil.ask("eth_getTransactionCount", serde_json::json!([address, tag])).await;
            *count = u64::from_str_radix(answer.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        }
        (counts[0], counts[1])
    }

    fn journal(&self) -> Vec<String> {
        self.store.chain_txs(&key(KEY).address().to_string()).unwrap()
    }
}

fn amount(number: u64) -> U256 {
    U256::from(number)
}

fn word(number: u8) -> B256 {
    B256::repeat_byte(number)
}
