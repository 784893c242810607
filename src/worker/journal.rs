//! The journal of transactions on their way, in the store.

use alloy_primitives::Address;

use crate::chain::{Journal, Sent};
use crate::store::Store;

/// Rows of the store as the chain's journal.
#[derive(Debug, Clone)]
pub struct ChainRows(pub Store);

impl Journal for ChainRows {
    fn load(&self, sender: Address) -> Result<Vec<Sent>, String> {
        let rows = self.0.chain_txs(&sender.to_string()).map_err(|e| e.to_string())?;
        rows.iter()
            .map(|row| serde_json::from_str(row).map_err(|e| format!("a row cannot be read: {e}")))
            .collect()
    }

    fn save(&self, sender: Address, sent: &Sent) -> Result<(), String> {
        let text = serde_json::to_string(sent).map_err(|e| e.to_string())?;
        self.0.save_chain_tx(&sender.to_string(), sent.nonce, &text).map_err(|e| e.to_string())
    }

    fn remove(&self, sender: Address, nonce: u64) -> Result<(), String> {
        self.0.remove_chain_tx(&sender.to_string(), nonce).map_err(|e| e.to_string())
    }
}
