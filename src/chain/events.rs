//! Events, read with `eth_getLogs` from a block that the caller remembers; a websocket would only be a wake-up.

use alloy::eips::BlockId;
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, B256, U256};

use super::bindings::PaymentConditions;
use super::{Chain, Error, Result};
use crate::ids::AgreementId;

/// Blocks asked for at once; nodes refuse larger ranges.
pub(super) const BLOCKS_MAX: u64 = 1_000;

/// Payments that were locked in a range of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedEvents {
    /// Agreement and block of each.
    pub locked: Vec<(B256, u64)>,
    /// Last block of the range.
    pub to: u64,
    /// Its hash: if it changes, the range was reorganised.
    pub hash: B256,
}

/// A receipt hash on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The hash.
    pub receipt_hash: B256,
    /// Who committed it.
    pub publisher: Address,
    /// Block of the event.
    pub block: u64,
    /// Transaction of the event.
    pub tx: B256,
}

/// How a payment was settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Sum for the publisher.
    pub paid: U256,
    /// Sum back to the consumer.
    pub refunded: U256,
    /// The block in which it was.
    pub block: u64,
}

impl Chain {
    /// Agreements whose payment was locked in favour of `publisher` after block `after`, as far as the chain is deep enough
    /// and at most [`BLOCKS_MAX`] blocks; `None` when there is no such block yet.
    ///
    /// # Errors
    /// Of the chain, and [`Error::Unreachable`] while it is being reorganised.
    pub async fn locked_since(&self, after: u64, publisher: Address) -> Result<Option<LockedEvents>> {
        let to = self.settled_block().await?.min(after.saturating_add(BLOCKS_MAX));
        if to <= after {
            return Ok(None);
        }
        let filter = self
            .filter::<PaymentConditions::PaymentLocked>()
            .topic3(publisher.into_word())
            .from_block(after + 1)
            .to_block(to);
        let before = self.block_hash(to).await?;
        let logs = self.provider.get_logs(&filter).await?;
        // The events are those of one history only if its end was the same before and after.
        let (Some(hash), true) = (before, before == self.block_hash(to).await?) else {
            return Err(Error::Unreachable("the newest blocks change while they are read".into()));
        };
        let locked = logs.iter().filter_map(|log| Some((log.topics().get(1).copied()?, log.block_number?)));
        Ok(Some(LockedEvents { locked: locked.collect(), to, hash }))
    }

    /// Hash of a block; `None` where the node has none with this number.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn block_hash(&self, number: u64) -> Result<Option<B256>> {
        let block = self.provider.get_block(BlockId::number(number)).await?;
        Ok(block.map(|block| block.header.hash))
    }

    /// The newest block that is deep enough to count.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn settled_block(&self) -> Result<u64> {
        let above = self.sending.confirmations.max(1) - 1;
        Ok(self.block_number().await?.saturating_sub(above))
    }

    /// The `ReceiptCommitted` event of a run; `None` before it.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn committed(&self, id: AgreementId, run_index: u64) -> Result<Option<Committed>> {
        let filter = self.of_agreement::<PaymentConditions::ReceiptCommitted>(id);
        self.newest(filter, |log| {
            let event = log.log_decode::<PaymentConditions::ReceiptCommitted>().ok()?;
            let data = event.inner.data;
            (data.runIndex == run_index).then(|| Committed {
                receipt_hash: data.receiptHash,
                publisher: data.publisher,
                block: log.block_number.unwrap_or_default(),
                tx: log.transaction_hash.unwrap_or_default(),
            })
        })
        .await
    }

    /// What was paid and refunded at the release of an agreement; `None` before it, and where the node has no event of it.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn settlement(&self, id: AgreementId) -> Result<Option<Settlement>> {
        let filter = self.of_agreement::<PaymentConditions::PaymentReleased>(id);
        let released = self.newest(filter, |log| {
            let event = log.log_decode::<PaymentConditions::PaymentReleased>().ok()?;
            Some((log.block_number?, event.inner.data.amount))
        });
        let Some((block, paid)) = released.await? else {
            return Ok(None);
        };
        // Refunded in the same transaction as it was released, or not at all.
        let filter = self.of_agreement::<PaymentConditions::PaymentRefund>(id);
        let refunded = self.provider.get_logs(&filter.from_block(block).to_block(block)).await?;
        let back =
            refunded.iter().filter_map(|log| log.log_decode::<PaymentConditions::PaymentRefund>().ok());
        let refunded = back.map(|event| event.inner.data.amount).fold(U256::ZERO, U256::saturating_add);
        Ok(Some(Settlement { paid, refunded, block }))
    }

    /// The first that `pick` takes of the newest range of blocks that has any, searched from the newest block down to the
    /// deployment's.
    async fn newest<T>(&self, filter: Filter, pick: impl Fn(&Log) -> Option<T>) -> Result<Option<T>> {
        let mut to = self.block_number().await?;
        // A node that is still catching up has seen nothing of this deployment.
        if to < self.deployment.block {
            return Ok(None);
        }
        loop {
            let from = to.saturating_sub(BLOCKS_MAX - 1).max(self.deployment.block);
            let logs = self.provider.get_logs(&filter.clone().from_block(from).to_block(to)).await?;
            let found = logs.iter().find_map(&pick);
            if found.is_some() || from <= self.deployment.block {
                return Ok(found);
            }
            to = from - 1;
        }
    }

    pub(super) fn filter<E: SolEvent>(&self) -> Filter {
        Filter::new().address(self.deployment.payment_conditions).event_signature(E::SIGNATURE_HASH)
    }

    fn of_agreement<E: SolEvent>(&self, id: AgreementId) -> Filter {
        self.filter::<E>().topic1(id.0)
    }
}
