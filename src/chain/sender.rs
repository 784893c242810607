//! Sending: one key's transactions, each with its nonce, several on their way at a time, and no call twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Encodable2718;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy::transports::{RpcError, TransportError};
use alloy_primitives::{Address, B256, Bytes, U256};
use brizo_receipt::SecretKey;
use tokio::sync::{Mutex, watch};

use super::fees::Fees;
use super::journal::{Journal, NoJournal, Sent, call_of};
use super::{Error, Mined, Result};

/// How often a nonce that another program took meanwhile is chosen anew.
const TRIES: u32 = 5;
/// Gas beyond the estimate, as a part of it: the state may have changed when the transaction is mined.
const GAS_MARGIN: u64 = 10;
/// And as a sum: a balance that somebody else's transaction makes zero in the meantime costs 17,100 more to write (EIP-2200 and
/// EIP-2929), and a payment writes two. What is not used is not paid.
const GAS_FOR_BALANCES: u64 = 2 * 17_100;

/// How transactions are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// Blocks that a transaction or an event must be deep before it counts; 1: in the newest block.
    pub confirmations: u64,
    /// After this time without being mined a transaction is repeated with a higher fee.
    pub bump_after: Duration,
    /// The most that is paid for a unit of gas, in wei.
    pub fee_max: Option<u128>,
    /// Longest pause between two looks at a transaction.
    pub poll: Duration,
}

impl Default for Sending {
    fn default() -> Self {
        let (bump_after, poll) = (Duration::from_secs(60), Duration::from_millis(500));
        Self { confirmations: 1, bump_after, fee_max: None, poll }
    }
}

/// How a transaction ended; nothing while it is on its way.
pub(super) type End = Option<Result<Mined>>;

/// A key with its transactions on their way.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) provider: DynProvider,
    pub(super) address: Address,
    pub(super) chain_id: u64,
    pub(super) sending: Sending,
    pub(super) journal: Arc<dyn Journal>,
    wallet: EthereumWallet,
    /// By nonce. Held while a nonce is chosen and used: two at once would be given the same one.
    flights: Mutex<BTreeMap<u64, Flight>>,
}

#[derive(Debug)]
struct Flight {
    call: B256,
    /// Which function is called, of which contract.
    function: Option<(Address, [u8; 4])>,
    input: Bytes,
    end: watch::Receiver<End>,
}

/// What a node said to a transaction.
#[derive(Debug)]
pub(super) enum Answer {
    /// It has it, now or from before.
    Taken,
    /// The nonce was used already.
    NonceUsed,
    /// Another transaction with this nonce waits there and offers as much.
    Underpriced,
    /// It will not have it.
    Refused(Error),
    /// Nobody knows whether it has it.
    Unknown,
}

impl Sender {
    pub(super) fn new(provider: DynProvider, chain_id: u64, key: &SecretKey) -> Result<Self> {
        let signer = PrivateKeySigner::from_bytes(&B256::from(key.to_bytes()))
            .map_err(|_| Error::Mismatch("the key is not a secp256k1 key".into()))?;
        Ok(Self {
            provider,
            address: key.address(),
            chain_id,
            sending: Sending::default(),
            journal: Arc::new(NoJournal),
            wallet: EthereumWallet::from(signer),
            flights: Mutex::default(),
        })
    }

    /// Sends a call, or joins the waiting for the same call that is on its way already. Answers when it is deep enough.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: TransactionRequest,
        limit: Duration,
    ) -> Result<Mined> {
        let (to, input) = (request.to.and_then(|to| to.into_to()), request.input.input().cloned());
        let (Some(to), Some(input)) = (to, input) else {
            return Err(Error::Mismatch("only calls of contracts are sent".into()));
        };
        let value = request.value.unwrap_or_default();
        let this = self.clone();
        // Whoever asks may be gone before a node has answered; the transaction is not.
        let begun = tokio::spawn(async move { this.begin(to, input, value).await }).await;
        let end = begun.map_err(|_| Error::Unreachable("the program is ending".into()))??;
        landed(end, limit).await
    }

    async fn begin(self: &Arc<Self>, to: Address, input: Bytes, value: U256) -> Result<watch::Receiver<End>> {
        let mut flights = self.flights.lock().await;
        // Those that have landed are history.
        flights.retain(|_, flight| flight.end.borrow().is_none());
        let call = call_of(to, value, &input);
        let under_way = flights.values().find(|flight| flight.call == call).map(|flight| flight.end.clone());
        match under_way {
            Some(end) => Ok(end),
            None => self.launch(&mut flights, to, input, value).await,
        }
    }

    /// Follows again what an earlier process sent. Returns how many there are.
    pub(super) async fn resume(self: &Arc<Self>) -> Result<usize> {
        let mut flights = self.flights.lock().await;
        let journal = self.journal.load(self.address).map_err(Error::Journal)?;
        let count = journal.len();
        for sent in journal {
            flights.entry(sent.nonce).or_insert_with(|| self.follow_from(sent, false));
        }
        Ok(count)
    }

    /// Whether a call of this function is on its way, with whatever arguments.
    pub(super) async fn is_calling(&self, contract: Address, selector: [u8; 4]) -> bool {
        let wanted = Some((contract, selector));
        let flights = self.flights.lock().await;
        flights.values().any(|flight| flight.function == wanted && flight.end.borrow().is_none())
    }

    /// Whether a call with this word among its arguments is on its way.
    pub(super) async fn is_calling_about(&self, word: B256) -> bool {
        let flights = self.flights.lock().await;
        let has_word = |flight: &Flight| {
            let words = flight.input.get(4..).unwrap_or_default().chunks_exact(32);
            words.into_iter().any(|one| one == word.as_slice())
        };
        flights.values().any(|flight| has_word(flight) && flight.end.borrow().is_none())
    }

    async fn launch(
        self: &Arc<Self>,
        flights: &mut BTreeMap<u64, Flight>,
        to: Address,
        input: Bytes,
        value: U256,
    ) -> Result<watch::Receiver<End>> {
        let request = TransactionRequest::default()
            .with_from(self.address)
            .with_to(to)
            .with_input(input.clone())
            .with_value(value);
        // Against the pending block: what is on its way already is refused here, and costs nothing.
        let gas = self.provider.estimate_gas(request).await?;
        let gas = with_allowance(gas);
        let mut fees = Fees::estimate(&self.provider, self.sending.fee_max).await?;
        for _ in 0..TRIES {
            let pending = self.provider.get_transaction_count(self.address).pending().await?;
            // A node may have forgotten what is on its way; its nonces are taken all the same. The first that is free: one
            // that was lost below ours would hold up all of them for ever.
            let nonce = (pending..).find(|nonce| !flights.contains_key(nonce)).unwrap_or(pending);
            let (input, hashes) = (input.clone(), Vec::new());
            let mut sent = Sent { nonce, to, input, value, gas, fees, hashes };
            match self.broadcast(&mut sent).await? {
                Answer::Taken => return Ok(self.fly(flights, sent)),
                Answer::Unknown => {
                    // Followed, because it may have arrived; who asked is told at once, and may ask again.
                    self.fly(flights, sent);
                    let text = "no node answered to the transaction; it may have arrived, and is followed on";
                    return Err(Error::Unreachable(text.into()));
                }
                // One node took it and its answer was lost, so the next was asked: the nonce is used, by this very one.
                // What nobody can be asked about is followed, which finds out.
                Answer::NonceUsed | Answer::Underpriced if self.is_known(&sent).await.unwrap_or(true) => {
                    return Ok(self.fly(flights, sent));
                }
                // What was refused, and nobody can be asked about, is not followed: it would keep its nonce, and hold up all
                // after it for as long as it is refused. If a node has it all the same, the nonce is seen as used by the next
                // call, and whoever asks for this one again looks for its effect first.
                Answer::Refused(_) if self.is_known(&sent).await.unwrap_or(false) => {
                    return Ok(self.fly(flights, sent));
                }
                Answer::Refused(error) => {
                    self.journal.remove(self.address, nonce).map_err(Error::Journal)?;
                    return Err(error);
                }
                Answer::NonceUsed => {}
                Answer::Underpriced => fees = fees.bumped(fees, self.sending.fee_max).unwrap_or(fees),
            }
            self.journal.remove(self.address, nonce).map_err(Error::Journal)?;
        }
        Err(Error::Rejected(
            "other transactions of this key keep taking its nonces; stop the other program".into(),
        ))
    }

    async fn is_known(&self, sent: &Sent) -> Result<bool> {
        let newest = sent.hashes.last().copied().unwrap_or_default();
        Ok(self.provider.get_transaction_by_hash(newest).await?.is_some())
    }

    fn fly(self: &Arc<Self>, flights: &mut BTreeMap<u64, Flight>, sent: Sent) -> watch::Receiver<End> {
        let nonce = sent.nonce;
        let flight = self.follow_from(sent, true);
        let end = flight.end.clone();
        flights.insert(nonce, flight);
        end
    }

    fn follow_from(self: &Arc<Self>, sent: Sent, broadcast: bool) -> Flight {
        let (done, end) = watch::channel(None);
        let call = sent.call();
        let (function, input) =
            (sent.input.first_chunk().map(|selector| (sent.to, *selector)), sent.input.clone());
        tokio::spawn(self.clone().follow(sent, broadcast, done));
        Flight { call, function, input, end }
    }

    /// Signs the newest form of a transaction, writes it down, and hands it to the nodes.
    pub(super) async fn broadcast(&self, sent: &mut Sent) -> Result<Answer> {
        let signed = self.sign(sent).await?;
        if !sent.hashes.contains(signed.tx_hash()) {
            sent.hashes.push(*signed.tx_hash());
            if let Err(error) = self.journal.save(self.address, sent) {
                // What is not written down is not sent, now or at the next look.
                sent.hashes.pop();
                return Err(Error::Journal(error));
            }
        }
        let answer = self.provider.send_raw_transaction(&signed.encoded_2718()).await;
        Ok(answer.map_or_else(Answer::of, |_| Answer::Taken))
    }

    async fn sign(&self, sent: &Sent) -> Result<TxEnvelope> {
        TransactionRequest::default()
            .with_from(self.address)
            .with_to(sent.to)
            .with_input(sent.input.clone())
            .with_value(sent.value)
            .with_nonce(sent.nonce)
            .with_chain_id(self.chain_id)
            .with_gas_limit(sent.gas)
            .with_max_fee_per_gas(sent.fees.max)
            .with_max_priority_fee_per_gas(sent.fees.priority)
            .build(&self.wallet)
            .await
            .map_err(|e| Error::Mismatch(format!("the transaction cannot be signed: {e}")))
    }
}

impl Answer {
    /// Nodes have no codes for these, so their words are compared: geth, erigon, nethermind, reth, besu and anvil.
    fn of(error: TransportError) -> Self {
        let RpcError::ErrorResp(answer) = &error else { return Self::Unknown };
        let text = answer.message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&[
            "already known",
            "alreadyknown",
            "known transaction",
            "already imported",
            "already in the pool",
        ]) {
            Self::Taken
        } else if says(&["nonce too low", "nonce_too_low", "oldnonce", "nonce is too low"]) {
            Self::NonceUsed
        } else if says(&["underpriced", "fee too low to replace", "replacementnotallowed"]) {
            Self::Underpriced
        } else {
            Self::Refused(error.into())
        }
    }
}

/// The gas that a transaction may use, by what a node expects of it.
fn with_allowance(estimate: u64) -> u64 {
    estimate.saturating_add(estimate / GAS_MARGIN).saturating_add(GAS_FOR_BALANCES)
}

/// Waits for a transaction's end, but not for ever: it is followed on when nobody waits.
async fn landed(mut end: watch::Receiver<End>, limit: Duration) -> Result<Mined> {
    let waiting = async {
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.clone(),
            Err(_) => None,
        }
    };
    match tokio::time::timeout(limit, waiting).await {
        Ok(Some(end)) => end,
        Ok(None) => Err(Error::Unreachable("the program is ending".into())),
        Err(_) => Err(Error::Unreachable("the transaction is not mined yet; it is followed on".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_gas_is_allowed_than_was_estimated() {
        assert_eq!([0, 9, 100_000].map(with_allowance), [34_200, 34_209, 144_200]);
        assert_eq!(with_allowance(u64::MAX), u64::MAX);
    }
}
