//! The journal of transactions on their way: written before they are sent, so that a process that is killed can follow them
//! when it is there again.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde::{Deserialize, Serialize};

use super::fees::Fees;

/// A transaction that was handed to the network, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sent {
    /// Its number among the sender's transactions.
    pub nonce: u64,
    /// The contract.
    pub to: Address,
    /// The call.
    pub input: Bytes,
    /// Wei that go with it.
    pub value: U256,
    /// Gas that it may use.
    pub gas: u64,
    /// What its newest form offers.
    pub fees: Fees,
    /// Hashes of all its forms, the newest last. Any of them may be mined.
    pub hashes: Vec<B256>,
}

impl Sent {
    /// What it does, whatever its number and fees: the same call on its way twice would be one too many.
    #[must_use]
    pub fn call(&self) -> B256 {
        call_of(self.to, self.value, &self.input)
    }
}

/// See [`Sent::call`].
pub(super) fn call_of(to: Address, value: U256, input: &[u8]) -> B256 {
    keccak256([to.as_slice(), &value.to_be_bytes::<32>(), input].concat())
}

/// Where transactions on their way are written down. A failure is a sentence; nothing is sent that could not be written.
pub trait Journal: fmt::Debug + Send + Sync {
    /// All of a sender, in any order.
    ///
    /// # Errors
    /// A sentence.
    fn load(&self, sender: Address) -> Result<Vec<Sent>, String>;

    /// Writes one down, in the place of an earlier one with its nonce.
    ///
    /// # Errors
    /// A sentence.
    fn save(&self, sender: Address, sent: &Sent) -> Result<(), String>;

    /// Forgets one; it is no error if it is not there.
    ///
    /// # Errors
    /// A sentence.
    fn remove(&self, sender: Address, nonce: u64) -> Result<(), String>;
}

/// For commands that wait for their transactions and keep nothing.
#[derive(Debug, Default)]
pub(super) struct NoJournal;

impl Journal for NoJournal {
    fn load(&self, _: Address) -> Result<Vec<Sent>, String> {
        Ok(Vec::new())
    }

    fn save(&self, _: Address, _: &Sent) -> Result<(), String> {
        Ok(())
    }

    fn remove(&self, _: Address, _: u64) -> Result<(), String> {
        Ok(())
    }
}
