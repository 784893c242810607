//! Following a transaction until it is deep enough: looks for its receipt, repeats it where nodes have forgotten it, and
//! offers more where it is stuck. A reorganisation only takes a receipt away again, so nothing special is done for one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::providers::Provider;
use alloy_primitives::B256;
use tokio::sync::watch;

use super::fees::Fees;
use super::journal::Sent;
use super::sender::{Answer, End, Sender};
use super::{Error, Mined, Result};

/// Shortest pause between two looks; each is longer than the one before.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// Looks in a row that must find the nonce used and no receipt before the transaction is given up: nodes behind one address
/// are not always equally far.
const LOST_LOOKS: u32 = 5;

/// Where a transaction is.
enum Place {
    /// Deep enough.
    Landed(Mined),
    /// Mined, and it failed.
    Reverted(B256),
    /// In a block that is not deep enough yet.
    Shallow,
    /// Not mined. `first`: all before it are.
    Waiting { first: bool, known: bool },
    /// Its nonce was used, and not by it.
    Overtaken,
}

impl Sender {
    /// Follows `sent` to its end. `broadcast`: it was handed to the nodes a moment ago.
    pub(super) async fn follow(self: Arc<Self>, mut sent: Sent, broadcast: bool, done: watch::Sender<End>) {
        let mut pause = PAUSE_MIN;
        let (mut offered, mut lost) = (broadcast.then(Instant::now), 0);
        let end = loop {
            match self.place(&sent).await {
                Ok(Place::Landed(mined)) => break Ok(mined),
                Ok(Place::Reverted(tx)) => break Err(Error::Refused(format!("transaction {tx} failed"))),
                Ok(Place::Overtaken) if lost >= LOST_LOOKS => {
                    let text = format!("another transaction of this key used nonce {}", sent.nonce);
                    break Err(Error::Rejected(text));
                }
                Ok(Place::Overtaken) => lost += 1,
                Ok(Place::Shallow) => lost = 0,
                Ok(Place::Waiting { first, known }) => {
                    lost = 0;
                    if let Err(error) = self.push(&mut sent, &mut offered, first, known).await {
                        tracing::warn!(nonce = sent.nonce, %error, "a transaction cannot be repeated now");
                    }
                }
                // Asked again.
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.sending.poll.max(PAUSE_MIN));
        };
        if let Err(error) = self.journal.remove(self.address, sent.nonce) {
            // It is found landed after the next start, and removed then.
            tracing::warn!(nonce = sent.nonce, %error, "the journal of transactions cannot be written");
        }
        let _ = done.send(Some(end));
    }

    async fn place(&self, sent: &Sent) -> Result<Place> {
        // Before the receipts: a nonce that is used now must show a receipt afterwards.
        let mined = self.provider.get_transaction_count(self.address).await?;
        for hash in sent.hashes.iter().rev() {
            let Some(receipt) = self.provider.get_transaction_receipt(*hash).await? else { continue };
            let Some(block) = receipt.block_number else { continue };
            let newest = self.provider.get_block_number().await?;
            if newest.saturating_add(1) < block.saturating_add(self.sending.confirmations) {
                return Ok(Place::Shallow);
            }
            let tx = receipt.transaction_hash;
            return Ok(if receipt.status() {
                Place::Landed(Mined { tx, block })
            } else {
                Place::Reverted(tx)
            });
        }
        if mined > sent.nonce {
            return Ok(Place::Overtaken);
        }
        let newest = sent.hashes.last().copied().unwrap_or_default();
        let known = self.provider.get_transaction_by_hash(newest).await?.is_some();
        Ok(Place::Waiting { first: mined == sent.nonce, known })
    }

    /// Repeats what nodes have forgotten, and offers more for what has waited too long and holds up all after it.
    async fn push(
        &self,
        sent: &mut Sent,
        offered: &mut Option<Instant>,
        first: bool,
        known: bool,
    ) -> Result<()> {
        let waited = offered.map(|at| at.elapsed());
        let stuck = first && waited.is_some_and(|waited| waited >= self.sending.bump_after);
        if stuck {
            *offered = Some(Instant::now());
            let now = Fees::estimate(&self.provider, self.sending.fee_max).await?;
            match sent.fees.bumped(now, self.sending.fee_max) {
                Some(fees) => {
                    tracing::info!(
                        nonce = sent.nonce,
                        max_fee_wei = fees.max,
                        "a transaction is stuck; offering more"
                    );
                    return self.offer(sent, fees).await;
                }
                None => tracing::warn!(
                    nonce = sent.nonce,
                    "a transaction is stuck and offers as much as is allowed, or far more than is usual"
                ),
            }
        } else if known && waited.is_some() {
            return Ok(());
        }
        offered.get_or_insert_with(Instant::now);
        match self.broadcast(sent).await? {
            // A used nonce is seen at the next look.
            Answer::Taken | Answer::NonceUsed | Answer::Unknown | Answer::Underpriced => Ok(()),
            Answer::Refused(error) => Err(error),
        }
    }

    /// Offers more. What a node refuses, because the account has not so much, is not repeated, but the form before it. It is
    /// still looked for: a node may have taken it although another answered.
    async fn offer(&self, sent: &mut Sent, fees: Fees) -> Result<()> {
        let before = sent.clone();
        sent.fees = fees;
        let Answer::Refused(error) = self.broadcast(sent).await? else { return Ok(()) };
        let tried = sent.hashes.pop().filter(|hash| !before.hashes.contains(hash));
        *sent = before;
        sent.hashes.splice(0..0, tried);
        self.journal.save(self.address, sent).map_err(Error::Journal)?;
        Err(error)
    }
}
