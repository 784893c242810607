//! The tier "on chain": what the contracts have committed to, who is who there, and when (`docs/RECEIPT.md` §8).

use std::cell::Cell;
use std::ops::RangeInclusive;

use alloy_primitives::{Address, B256, hex};
use alloy_sol_types::{SolCall, SolEvent, sol};
use serde::Deserialize;
use serde_json::{Value, json};

use super::node::{Node, NodeError, plain};
use super::{Stop, unexpected};
use crate::{Domain, Fact, JobSpec, Receipt, domain_separator};

sol! {
    struct Agreement {
        bytes32 templateId;
        bytes32 did;
        address publisher;
        address consumer;
        uint64 executedAt;
        uint64 lockDeadline;
        uint64 grantDeadline;
        uint8 state;
        uint64 releaseDeadline;
    }

    function domainSeparator() external view returns (bytes32);
    function getAgreement(bytes32 serviceAgreementId) external view returns (Agreement memory);
    function receiptOf(bytes32 serviceAgreementId) external view returns (bytes32);
    function checksumOf(bytes32 did) external view returns (bytes32);

    event ReceiptCommitted(
        bytes32 indexed serviceAgreementId, bytes32 indexed receiptHash, address indexed publisher, uint64 runIndex
    );
    event LogAnchored(address indexed provider, uint64 size, bytes32 root);
    event DIDAttributeRegistered(
        bytes32 indexed did, address indexed owner, bytes32 indexed checksum, string value, uint256 updatedAt
    );
}

/// Blocks whose events are asked for at once; nodes refuse larger ranges, and get smaller ones then.
const BLOCKS_AT_ONCE: u64 = 1_000;
/// Questions for events in one search: four million blocks. Then the search is given up, and said so.
const QUESTIONS_MAX: u32 = 4_000;
/// Events that one answer may have.
const EVENTS_MAX: usize = 1_000;

/// Where the contracts of a deployment are: the file that `brizo contracts deploy` writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// Chain id (EIP-155).
    pub chain_id: u64,
    /// Block at which the last contract was there; events are read from here.
    pub block: u64,
    /// ServiceAgreement; also the EIP-712 verifying contract.
    pub service_agreement: Address,
    /// ComputeConditions; not asked here.
    pub compute_conditions: Address,
    /// PaymentConditions, which commits to receipts.
    pub payment_conditions: Address,
    /// AccessConditions; not asked here.
    pub access_conditions: Address,
    /// DIDRegistry, which has the checksum of each DDO.
    pub did_registry: Address,
    /// DisputeConditions, where there is one; not asked here.
    #[serde(default)]
    pub dispute_conditions: Option<Address>,
    /// A token for tests; not asked here.
    #[serde(default)]
    pub test_token: Option<Address>,
}

impl Deployment {
    /// Reads a deployment file.
    ///
    /// # Errors
    /// A sentence that names the first field that is missing, unknown or of another form.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }

    /// The EIP-712 domain of everything that is signed for this deployment.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, verifying_contract: self.service_agreement }
    }
}

/// A deployment as one node shows it at one block, so that all answers are of the same moment.
pub(super) struct View<'a> {
    node: &'a dyn Node,
    pub(super) deployment: &'a Deployment,
    /// The newest block when the view was opened.
    newest: u64,
    /// The block in which the receipt was committed, once that is known.
    committed_in: Cell<Option<u64>>,
}

/// Which events are looked for.
struct Wanted {
    contract: Address,
    topics: Value,
    /// First and last block.
    blocks: RangeInclusive<u64>,
}

/// An event with the place where it was found.
pub(super) struct Found<E> {
    pub(super) event: E,
    block: u64,
    transaction: B256,
}

impl<'a> View<'a> {
    /// Asks the node whether it is on the deployment's chain and has the deployment's contracts.
    pub(super) fn open(node: &'a dyn Node, deployment: &'a Deployment) -> Result<Self, Stop> {
        let chain_id = quantity(&node.call("eth_chainId", json!([]))?)?;
        if chain_id != deployment.chain_id {
            return Err(Stop::Missing(format!(
                "the node is on chain {chain_id}, the deployment on chain {}: give --rpc of a node of that chain",
                deployment.chain_id
            )));
        }
        let newest = quantity(&node.call("eth_blockNumber", json!([]))?)?;
        if newest < deployment.block {
            return Err(Stop::Missing(format!(
                "the node is at block {newest}, the deployment was made in block {}: wait until it has caught up",
                deployment.block
            )));
        }
        let view = Self { node, deployment, newest, committed_in: Cell::new(None) };
        let separator = view.ask(deployment.service_agreement, &domainSeparatorCall {})?;
        if separator != domain_separator(&deployment.domain()) {
            return Err(Stop::Missing(format!(
                "the contract at {} has another EIP-712 domain than a Brizo deployment: the deployment file is wrong",
                deployment.service_agreement
            )));
        }
        Ok(view)
    }

    /// The checksum that the registry had of a DID's document when the receipt was committed; zero for none. A document can be
    /// exchanged later, and a later one says nothing about this receipt. `None` where the receipt is not known to be committed.
    pub(super) fn checksum(&self, did: B256) -> Result<Option<B256>, Stop> {
        let Some(then) = self.committed_in.get() else { return Ok(None) };
        // Many nodes have no state of that time, but the events.
        match self.ask_at(then, self.deployment.did_registry, &checksumOfCall { did }) {
            Err(NodeError::Refused { .. }) => {}
            answer => return Ok(Some(answer?)),
        }
        let mut last = None;
        let wanted = Wanted {
            contract: self.deployment.did_registry,
            topics: json!([DIDAttributeRegistered::SIGNATURE_HASH, did]),
            blocks: self.deployment.block..=then,
        };
        self.search::<DIDAttributeRegistered>(&wanted, |found| {
            if found.event.did == did {
                last = Some(found.event.checksum);
            }
            false
        })?;
        let why = "the node has neither the registry's state of that time nor its events: ask a node that keeps them";
        last.map(Some).ok_or_else(|| Stop::Missing(why.into()))
    }

    /// Every anchor of a provider's log, oldest first.
    pub(super) fn anchors(&self, provider: Address) -> Result<Vec<LogAnchored>, Stop> {
        let mut anchors = Vec::new();
        let wanted = Wanted {
            contract: self.deployment.payment_conditions,
            topics: json!([LogAnchored::SIGNATURE_HASH, provider.into_word()]),
            blocks: self.deployment.block..=self.newest,
        };
        self.search::<LogAnchored>(&wanted, |found| {
            // What was not asked for is not taken, whatever the node answers.
            if found.event.provider == provider {
                anchors.push(found.event);
            }
            false
        })?;
        Ok(anchors)
    }

    /// The number of the DID that an agreement is about; zero where there is no such agreement.
    pub(super) fn data_set(&self, agreement: B256) -> Result<B256, NodeError> {
        Ok(self.agreement(agreement)?.did)
    }

    fn agreement(&self, id: B256) -> Result<Agreement, NodeError> {
        self.ask(self.deployment.service_agreement, &getAgreementCall { serviceAgreementId: id })
    }

    /// The event by which a run of an agreement was committed, looked for from `since_s` on.
    fn committed(&self, spec: &JobSpec, since_s: u64) -> Result<Option<Found<ReceiptCommitted>>, Stop> {
        let mut committed = None;
        let wanted = Wanted {
            contract: self.deployment.payment_conditions,
            topics: json!([ReceiptCommitted::SIGNATURE_HASH, spec.agreement_id]),
            blocks: self.first_block_at(since_s)?..=self.newest,
        };
        self.search::<ReceiptCommitted>(&wanted, |found| {
            let event = &found.event;
            if event.runIndex == spec.run_index && event.serviceAgreementId == spec.agreement_id {
                committed = Some(found);
            }
            committed.is_some()
        })?;
        Ok(committed)
    }

    /// One `eth_call` at the view's block.
    fn ask<C: SolCall>(&self, contract: Address, call: &C) -> Result<C::Return, NodeError> {
        self.ask_at(self.newest, contract, call)
    }

    /// One `eth_call` at a block.
    fn ask_at<C: SolCall>(&self, block: u64, contract: Address, call: &C) -> Result<C::Return, NodeError> {
        let data = hex::encode_prefixed(call.abi_encode());
        let params = json!([{ "to": contract, "data": data }, number(block)]);
        let answer = bytes(&self.node.call("eth_call", params)?)?;
        let odd = |why: String| NodeError::Odd(format!("{} of {contract}: {why}", C::SIGNATURE));
        if answer.is_empty() {
            return Err(odd("nothing; is that contract in the deployment file the right one?".into()));
        }
        C::abi_decode_returns_validate(&answer).map_err(|e| odd(e.to_string()))
    }

    /// Time of a block, in seconds since 1970-01-01 UTC.
    fn time_s(&self, block: u64) -> Result<u64, NodeError> {
        let header = self.node.call("eth_getBlockByNumber", json!([number(block), false]))?;
        if quantity(&header["number"])? != block {
            return Err(NodeError::Odd(format!("asked for block {block}, got another one")));
        }
        quantity(&header["timestamp"])
    }

    /// The first block of the deployment that is not older than a time; the newest if all are older.
    fn first_block_at(&self, time_s: u64) -> Result<u64, NodeError> {
        let (mut low, mut high) = (self.deployment.block, self.newest);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.time_s(middle)? < time_s {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// Walks the events that are wanted from the first block up, until `done` says that it is enough.
    fn search<E: SolEvent>(
        &self,
        wanted: &Wanted,
        mut done: impl FnMut(Found<E>) -> bool,
    ) -> Result<(), Stop> {
        let (mut from, last) = (*wanted.blocks.start(), *wanted.blocks.end());
        let mut width = BLOCKS_AT_ONCE;
        for _ in 0..QUESTIONS_MAX {
            if from > last {
                return Ok(());
            }
            let to = last.min(from.saturating_add(width - 1));
            let filter = json!([{
                "address": wanted.contract, "topics": wanted.topics,
                "fromBlock": number(from), "toBlock": number(to),
            }]);
            let answer = self.node.call("eth_getLogs", filter);
            // What is refused, or too much at once, is asked for in smaller pieces.
            let too_much = match &answer {
                Err(NodeError::Refused { .. } | NodeError::TooLong { .. }) => true,
                Err(_) => false,
                Ok(answer) => answer.as_array().is_some_and(|events| events.len() > EVENTS_MAX),
            };
            if too_much && width > 1 {
                width /= 2;
                continue;
            }
            for log in events(&answer?)? {
                if done(event(log, wanted.contract, from..=to)?) {
                    return Ok(());
                }
            }
            from = to.saturating_add(1);
            // A node that refused once because it was busy is not asked for single blocks ever after.
            width = BLOCKS_AT_ONCE.min(width * 2);
        }
        Err(Stop::Missing(format!(
            "events were not read beyond block {from}: too many blocks; ask a node of your own"
        )))
    }
}

/// One event of an answer; what was not asked for is not taken.
fn event<E: SolEvent>(
    log: &Value,
    contract: Address,
    asked: RangeInclusive<u64>,
) -> Result<Found<E>, NodeError> {
    let odd = |why: &str| NodeError::Odd(format!("an event of {}: {why}", E::SIGNATURE));
    let address: Address = read(&log["address"])?;
    let block = quantity(&log["blockNumber"])?;
    if address != contract || !asked.contains(&block) || log["removed"] == true {
        return Err(odd("not one that was asked for"));
    }
    let topics: Vec<B256> = read(&log["topics"])?;
    let event = E::decode_raw_log_validate(topics, &bytes(&log["data"])?).map_err(|e| odd(&e.to_string()))?;
    Ok(Found { event, block, transaction: read(&log["transactionHash"])? })
}

/// Compares a receipt with what the chain committed to, and its parties with who they are there.
pub(super) fn check(receipt: &Receipt, view: &View<'_>) -> Result<Vec<String>, Stop> {
    let spec = &receipt.claim.spec;
    let id = spec.agreement_id;
    let agreement = view.agreement(id)?;
    if agreement.publisher.is_zero() {
        return Err(unexpected(Fact::Commitment, "agreement on chain", id, "none of this id"));
    }
    if spec.run_index == 0 {
        check_paid(receipt, view)?;
    }
    let Some(found) = view.committed(spec, agreement.executedAt)? else {
        let why = match spec.run_index {
            0 => "the contract has this hash, the node has no event of it".to_string(),
            later => {
                format!("the node has no event of run {later} of this agreement, which may not be committed")
            }
        };
        return Err(Stop::Missing(format!("{why}: ask a node that keeps all events")));
    };
    view.committed_in.set(Some(found.block));
    if found.event.receiptHash != receipt.claim_hash {
        return Err(unexpected(
            Fact::Receipt,
            "receipt hash of the event",
            receipt.claim_hash,
            found.event.receiptHash,
        ));
    }
    check_parties(receipt, &agreement, found.event.publisher)?;
    let time_s = view.time_s(found.block)?;
    let mut notes = vec![
        format!(
            "ReceiptCommitted in block {} ({} blocks deep, time {time_s}), transaction {}",
            found.block,
            view.newest.saturating_sub(found.block),
            found.transaction
        ),
        "the contract recomputed this hash from the spec that the consumer signed".to_string(),
        format!("at that block provider was {}, consumer {}", agreement.publisher, agreement.consumer),
    ];
    let issued = receipt.attestation.as_ref().map(|attestation| attestation.statement.issued_at);
    if let Some(issued) = issued.filter(|issued| *issued > time_s) {
        notes.push(format!("the provider dates its statement {} s after that block", issued - time_s));
    }
    Ok(notes)
}

/// The payment was released against this very hash.
fn check_paid(receipt: &Receipt, view: &View<'_>) -> Result<(), Stop> {
    let id = receipt.claim.spec.agreement_id;
    let committed =
        view.ask(view.deployment.payment_conditions, &receiptOfCall { serviceAgreementId: id })?;
    if committed.is_zero() {
        let none = "none for this agreement";
        return Err(unexpected(Fact::Commitment, "receipt hash on chain", receipt.claim_hash, none));
    }
    if committed != receipt.claim_hash {
        return Err(unexpected(Fact::Receipt, "receipt hash on chain", receipt.claim_hash, committed));
    }
    Ok(())
}

/// The contract names who was paid and who ordered; the receipt must be signed by these.
fn check_parties(receipt: &Receipt, agreement: &Agreement, publisher: Address) -> Result<(), Stop> {
    let consumer = receipt.consent.as_ref().map(|consent| consent.consumer);
    let provider = receipt.attestation.as_ref().map(|attestation| attestation.statement.provider);
    for (what, on_chain, found) in [
        ("consumer in the receipt", agreement.consumer, consumer),
        ("provider in the receipt", publisher, provider),
        ("publisher of the agreement, who must be the provider,", agreement.publisher, provider),
    ] {
        if found != Some(on_chain) {
            let found = found.map_or("no signature".into(), |found| found.to_string());
            return Err(unexpected(Fact::Signer, what, on_chain, found));
        }
    }
    Ok(())
}

fn number(block: u64) -> String {
    format!("{block:#x}")
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, NodeError> {
    T::deserialize(value).map_err(|e| NodeError::Odd(plain(&e.to_string())))
}

/// A number as JSON-RPC writes it.
fn quantity(value: &Value) -> Result<u64, NodeError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| NodeError::Odd(format!("{} is no number", plain(&value.to_string()))))
}

fn bytes(value: &Value) -> Result<Vec<u8>, NodeError> {
    let decoded =
        value.as_str().filter(|text| text.starts_with("0x")).and_then(|text| hex::decode(text).ok());
    decoded.ok_or_else(|| NodeError::Odd(format!("{} is no text of bytes", plain(&value.to_string()))))
}

fn events(answer: &Value) -> Result<&[Value], NodeError> {
    match answer.as_array() {
        Some(events) if events.len() <= EVENTS_MAX => Ok(events),
        Some(events) => Err(NodeError::Odd(format!("{} events at once", events.len()))),
        None => Err(NodeError::Odd(format!("{} is no list of events", plain(&answer.to_string())))),
    }
}
