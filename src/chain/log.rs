//! The transparency log on chain: anchors, and what an auditor compares the log with.

use alloy::eips::BlockId;
use alloy::providers::Provider;
use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, B256};
use brizo_receipt::log::Tree;

use super::bindings::PaymentConditions;
use super::events::BLOCKS_MAX;
use super::{Chain, Error, Mined, Result};

/// A provider's last anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// What was anchored.
    pub tree: Tree,
    /// Block it is in.
    pub block: u64,
    /// Time of the block, in seconds since 1970-01-01 UTC.
    pub at_s: u64,
}

/// What a provider did on chain in a range of blocks.
#[derive(Debug, Clone, Default)]
pub struct ProviderEvents {
    /// Trees it anchored, in order.
    pub anchors: Vec<Tree>,
    /// Receipts it committed: agreement, run and receipt hash.
    pub committed: Vec<(B256, u64, B256)>,
}

impl Chain {
    /// `anchorLog`.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn anchor_log(&self, tree: &Tree) -> Result<Mined> {
        self.send(self.payment().anchorLog(tree.size, tree.root)).await
    }

    /// Whether an anchor of this process, or one that it follows on, is on its way.
    pub async fn is_anchoring(&self) -> bool {
        self.is_calling(self.deployment.payment_conditions, PaymentConditions::anchorLogCall::SELECTOR).await
    }

    /// A provider's last anchor; `None` before its first.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn anchor_of(&self, provider: Address) -> Result<Option<Anchor>> {
        let found = self.payment().anchorOf(provider).call().await?;
        if found.size == 0 {
            return Ok(None);
        }
        let block = self.provider.get_block(BlockId::number(found.blockNumber)).await?;
        let at_s = block
            .map(|block| block.header.timestamp)
            .ok_or_else(|| Error::Unreachable(format!("no block {}", found.blockNumber)))?;
        let tree = Tree { size: found.size, root: found.root };
        Ok(Some(Anchor { tree, block: found.blockNumber, at_s }))
    }

    /// What a provider did from block `from` on, and the last block of the range that was read.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn provider_events(
        &self,
        provider: Address,
        from: u64,
        newest: u64,
    ) -> Result<(ProviderEvents, u64)> {
        let to = newest.min(from.saturating_add(BLOCKS_MAX - 1));
        let within = |filter: alloy::rpc::types::Filter| filter.from_block(from).to_block(to);
        let anchored = within(self.filter::<PaymentConditions::LogAnchored>()).topic1(provider.into_word());
        let committed =
            within(self.filter::<PaymentConditions::ReceiptCommitted>()).topic3(provider.into_word());
        let mut events = ProviderEvents::default();
        for log in self.provider.get_logs(&anchored).await? {
            let event = PaymentConditions::LogAnchored::decode_log(&log.inner)
                .map_err(|e| Error::Unreachable(format!("the node's events cannot be read: {e}")))?;
            // What was not asked for is not taken, whatever the node answers.
            if event.provider == provider {
                events.anchors.push(Tree { size: event.size, root: event.root });
            }
        }
        for log in self.provider.get_logs(&committed).await? {
            let event = PaymentConditions::ReceiptCommitted::decode_log(&log.inner)
                .map_err(|e| Error::Unreachable(format!("the node's events cannot be read: {e}")))?;
            events.committed.push((event.serviceAgreementId, event.runIndex, event.receiptHash));
        }
        Ok((events, to))
    }
}
