//! What can go wrong on the chain, sorted by what to do about it.

use alloy::contract::Error as ContractError;
use alloy::sol_types::SolInterface;
use alloy::transports::{RpcError, TransportErrorKind};

use super::bindings::{
    AccessConditions, ComputeConditions, DIDRegistry, PaymentConditions, ServiceAgreement,
};
use super::nodes::WrongChain;
use crate::redact::origins_in;

/// Why a call or a transaction did not do what it should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The node cannot be reached or does not answer: ask again later.
    #[error("the chain's node does not answer: {0}")]
    Unreachable(String),
    /// The contract refused, with its reason: asking again will not help while the state is what it is.
    #[error("the contract refused: {0}")]
    Refused(String),
    /// The node refused the transaction for another reason (balance, gas).
    #[error("the node refused the transaction: {0}")]
    Rejected(String),
    /// The node answers, but not with what this deployment needs.
    #[error("the deployment does not fit the chain: {0}")]
    Mismatch(String),
    /// The journal of transactions cannot be read or written, so nothing was sent.
    #[error("the journal of transactions: {0}")]
    Journal(String),
}

impl Error {
    /// Stable machine-readable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "chain_unavailable",
            Self::Refused(_) => "chain_refused",
            Self::Rejected(_) => "chain_rejected",
            Self::Mismatch(_) => "chain_mismatch",
            Self::Journal(_) => "chain_journal",
        }
    }
}

impl From<ContractError> for Error {
    fn from(error: ContractError) -> Self {
        match error {
            ContractError::TransportError(error) => error.into(),
            ContractError::ZeroData(function, _) => {
                Self::Mismatch(format!("{function} answered nothing; is the contract deployed there?"))
            }
            ContractError::PendingTransactionError(error) => {
                Self::Unreachable(origins_in(&error.to_string()))
            }
            other => Self::Mismatch(other.to_string()),
        }
    }
}

impl From<RpcError<TransportErrorKind>> for Error {
    fn from(error: RpcError<TransportErrorKind>) -> Self {
        if let RpcError::Transport(TransportErrorKind::Custom(why)) = &error
            && let Some(wrong) = why.downcast_ref::<WrongChain>()
        {
            return Self::Mismatch(format!("the node {wrong}"));
        }
        let RpcError::ErrorResp(answer) = &error else {
            return Self::Unreachable(origins_in(&error.to_string()));
        };
        match answer.as_revert_data() {
            Some(data) => Self::Refused(reason(&data)),
            None if answer.message.contains("revert") => Self::Refused(answer.message.to_string()),
            None => Self::Rejected(answer.message.to_string()),
        }
    }
}

impl From<alloy::providers::PendingTransactionError> for Error {
    fn from(error: alloy::providers::PendingTransactionError) -> Self {
        Self::Unreachable(origins_in(&error.to_string()))
    }
}

/// The contract's custom error in words.
fn reason(data: &[u8]) -> String {
    fn named<E: SolInterface + std::fmt::Debug>(data: &[u8]) -> Option<String> {
        // The outer name of the enum's variant is the inner one's again.
        let text = format!("{:?}", E::abi_decode(data).ok()?);
        Some(text.split_once('(').map_or(text.clone(), |(_, inner)| inner.trim_end_matches(')').to_string()))
    }
    named::<PaymentConditions::PaymentConditionsErrors>(data)
        .or_else(|| named::<ComputeConditions::ComputeConditionsErrors>(data))
        .or_else(|| named::<ServiceAgreement::ServiceAgreementErrors>(data))
        .or_else(|| named::<AccessConditions::AccessConditionsErrors>(data))
        .or_else(|| named::<DIDRegistry::DIDRegistryErrors>(data))
        .unwrap_or_else(|| format!("0x{}", hex::encode(data)))
}
