//! What the handlers share.

use std::sync::Arc;

use brizo_receipt::Domain;

use crate::chain::{Chain, Timeouts};
use crate::clock::Clock;
use crate::data::{BlobStore, Mocks};
use crate::ids::{AgreementId, Did};
use crate::job::{Installed, NodeCeilings};
use crate::log::Log;
use crate::nudge::Nudge;
use crate::policy::Policy;
use crate::store::{AgreementRow, DatasetRow, Store};

use super::problem::Problem;
use super::ready::Health;

/// Everything a handler may use. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// The store.
    pub store: Store,
    /// The chain, with the publisher's key.
    pub chain: Chain,
    /// Modules, inputs and outputs.
    pub blobs: BlobStore,
    /// The clock.
    pub clock: Clock,
    /// What this host gives to one job.
    pub node: NodeCeilings,
    /// The interpreters that bundles can run on.
    pub runtimes: Arc<Vec<Installed>>,
    /// Shared with the worker.
    pub nudge: Nudge,
    /// The transparency log.
    pub log: Arc<Log>,
    /// Places for uploads, which are held in memory while they are checked.
    pub uploads: Arc<tokio::sync::Semaphore>,
    /// Mock data.
    pub mocks: Mocks,
    /// Whether this provider can do its work.
    pub health: Health,
    /// Agreements that are being executed now, so that two requests with one id do not both pay for a transaction.
    pub executing: Arc<std::sync::Mutex<std::collections::HashSet<AgreementId>>>,
}

impl ApiState {
    /// The EIP-712 domain of this deployment.
    #[must_use]
    pub fn domain(&self) -> Domain {
        self.chain.deployment().domain()
    }

    pub(super) async fn dataset(&self, did: Did) -> Result<DatasetRow, Problem> {
        let found = self.store.with(move |store| store.dataset(did)).await?;
        found.ok_or_else(|| {
            Problem::not_found("asset_not_found", format!("this provider does not hold {did}"))
                .hint("GET /api/v1/assets lists what it holds")
        })
    }

    pub(super) async fn agreement(&self, id: AgreementId) -> Result<AgreementRow, Problem> {
        let found = self.store.with(move |store| store.agreement(id)).await?;
        found.ok_or_else(|| unknown_agreement(id))
    }

    /// The agreement with what the chain says about its payment now; the listener may not have read that far yet.
    pub(super) async fn fresh_agreement(&self, id: AgreementId) -> Result<AgreementRow, Problem> {
        let known = self.agreement(id).await?;
        if known.locked {
            return Ok(known);
        }
        let (locked, block) = self.chain.locked_for_good(id).await?;
        if locked.is_zero() {
            return Ok(known);
        }
        self.store.with(move |store| store.record_lock(id, block)).await?;
        self.nudge.now();
        self.agreement(id).await
    }
}

/// There is no such agreement, or not for the caller.
pub(super) fn unknown_agreement(id: AgreementId) -> Problem {
    Problem::not_found("agreement_not_found", format!("this provider has no agreement {id} for you"))
        .hint("initialize it first: POST /api/v1/brizo/services/computing/initialize")
}

/// Which deadlines this provider offers; the DDO states them and the consumer signs them.
pub(super) fn timeouts(offer: &crate::job::ComputeOffer) -> Timeouts {
    Timeouts {
        lock_s: offer.lock_timeout_s,
        grant_s: offer.grant_timeout_s,
        release_s: offer.release_timeout_s,
    }
}

/// The policy of a data set.
pub(super) fn policy(dataset: &DatasetRow) -> Result<Policy, Problem> {
    Policy::parse(&dataset.policy, &dataset.rules)
        .map_err(|e| Problem::internal("the stored policy cannot be read", &anyhow::Error::from(e)))
}
