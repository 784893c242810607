//! What the handlers share.

use std::sync::Arc;

use brizo_receipt::Domain;
use tokio::sync::watch;

use crate::chain::{Chain, Timeouts};
use crate::clock::Clock;
use crate::data::{BlobStore, Mocks, Uploads};
use crate::ids::{AgreementId, Did};
use crate::job::{Installed, NodeCeilings};
use crate::log::Log;
use crate::nudge::{Nudge, Topic};
use crate::policy::Policy;
use crate::store::{AgreementRow, DatasetRow, SeenBlock, Store};

use super::ApiSettings;
use super::follow::{Places, Pulse};
use super::limits::Limits;
use super::problem::Problem;
use super::ready::Health;
use super::sessions::Sessions;
use super::shares::Shares;

/// Stored files that are verified for readers at the same time, and for one of them.
const READERS_MAX: usize = 4;
const READERS_EACH: usize = 2;
/// Archives that are made at the same time, and for one caller.
const ARCHIVES_MAX: usize = 4;
const ARCHIVES_EACH: usize = 2;

/// Everything a handler may use. It is cloned again and again for each request, so it is one reference.
#[derive(Debug, Clone)]
pub struct ApiState(Arc<ApiParts>);

impl From<ApiParts> for ApiState {
    fn from(parts: ApiParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for ApiState {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.0
    }
}

/// What an [`ApiState`] is made of.
#[derive(Debug)]
pub struct ApiParts {
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
    /// What only the API has: limits, sign-ins, settings, and who follows jobs.
    pub shared: Arc<Shared>,
    /// Places for uploads, which are held in memory while they are checked.
    pub uploads: Arc<tokio::sync::Semaphore>,
    /// Mock data.
    pub mocks: Mocks,
    /// Whether this provider can do its work.
    pub health: Health,
    /// Agreements that are being executed now, so that two requests with one id do not both pay for a transaction.
    pub executing: Arc<std::sync::Mutex<std::collections::HashSet<AgreementId>>>,
}

/// What only the API has. Made once.
#[derive(Debug)]
pub struct Shared {
    pub(super) settings: ApiSettings,
    pub(super) public_url: String,
    pub(super) limits: Limits,
    pub(super) sessions: Sessions,
    pub(super) pulse: Pulse,
    /// Algorithms on their way in.
    pub(super) uploads: Uploads,
    /// Places for those who follow jobs, by events or by waiting for an answer.
    pub(super) followers: Arc<Places>,
    /// Places for archives, which hold a thread each.
    pub(super) archives: Shares,
    /// Places for those who read stored bytes, which are verified each time.
    pub(super) readers: Shares,
}

impl Shared {
    /// For a provider that consumers reach under `public_url`; whoever follows a job is let go when `stop` turns true.
    #[must_use]
    pub fn new(
        settings: ApiSettings,
        public_url: String,
        uploads: Uploads,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            uploads,
            limits: Limits::new(&settings),
            sessions: Sessions::default(),
            pulse: Pulse::new(stop),
            followers: Places::new(settings.followers_max, settings.followers_per_caller),
            archives: Shares::new(ARCHIVES_MAX, ARCHIVES_EACH),
            readers: Shares::new(READERS_MAX, READERS_EACH),
            settings,
            public_url,
        }
    }

    /// Host and port of the public URL: the domain of sign-ins.
    pub(super) fn host(&self) -> &str {
        let rest = self.public_url.split_once("://").map_or(self.public_url.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }
}

impl ApiState {
    /// The EIP-712 domain of this deployment.
    #[must_use]
    pub fn domain(&self) -> Domain {
        self.chain.deployment().domain()
    }

    pub(super) async fn dataset(&self, did: Did) -> Result<DatasetRow, Problem> {
        if let Some(small) = self.store.read(move |store| store.dataset_if_small(did)).await? {
            return Ok(small);
        }
        let found = self.store.with(move |store| store.dataset(did)).await?;
        found.ok_or_else(|| {
            Problem::not_found("asset_not_found", format!("this provider does not hold {did}"))
                .hint("GET /api/v1/assets lists what it holds")
        })
    }

    pub(super) async fn agreement(&self, id: AgreementId) -> Result<AgreementRow, Problem> {
        let found = self.store.read(move |store| store.agreement(id)).await?;
        found.ok_or_else(|| unknown_agreement(id))
    }

    /// The agreement with what the chain says about its payment now; the listener may not have read that far yet.
    pub(super) async fn fresh_agreement(&self, id: AgreementId) -> Result<AgreementRow, Problem> {
        let known = self.agreement(id).await?;
        if known.locked {
            return Ok(known);
        }
        let (locked, number, hash) = self.chain.locked_for_good(id).await?;
        if locked.is_zero() {
            return Ok(known);
        }
        self.store.with(move |store| store.record_lock(id, SeenBlock { number, hash })).await?;
        self.nudge.about(&[Topic::Chain]);
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
    Policy::known(&dataset.policy, &dataset.rules)
        .map_err(|e| Problem::internal("the stored policy cannot be read", &anyhow::Error::from(e)))
}
