//! Admission: is this order run? Seven checks, in this order; each in its own file.
//!
//! 1. `agreement`: the caller is the agreement's consumer, this run was not ordered before, and the agreement is good for it.
//! 2. `consent`: the spec is about this agreement and this run, and the consumer signed it.
//! 3. `algorithm`: the module named is the one uploaded under the agreement.
//! 4. `spec`: profile, inputs, invocation and key are what the provider will really use.
//! 5. `limits`: the node can give what is ordered.
//! 6. `policy`: the data owner allows it.
//! 7. `payment`: it is locked, the computation is granted, and the deadline leaves time.

mod agreement;
mod algorithm;
mod consent;
mod limits;
mod payment;
mod policy;
mod spec;

pub use payment::PUBLISH_MARGIN_S;

use brizo_receipt::{Address, B256, Domain, Invocation, JobSpec, Key, Manifest, Signature};

use crate::ids::{AgreementId, Did};
use crate::policy::Policy;

use super::runtime::{BundleFacts, Start};

/// A check says no. A refusal is a value: the server answers with it, `brizo` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which check.
    pub check: &'static str,
    /// Stable machine-readable name.
    pub code: &'static str,
    /// What sort of no it is.
    pub sort: Sort,
    /// What is refused, in a sentence.
    pub text: String,
    /// How to mend it.
    pub hint: String,
}

impl Refusal {
    /// Whether it is a decision about an order that the consumer really signed: the log has those. That something is not
    /// paid yet, or that an order is somebody else's or was made before, decides nothing.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        ["algorithm", "spec", "limits", "policy"].contains(&self.check)
    }
}

/// What sort of no; the server makes the HTTP status from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The order contradicts itself or the facts.
    Invalid,
    /// The caller may not do this.
    Forbidden,
    /// Not in this state, or not any more.
    Conflict,
    /// Payment is missing.
    Payment,
    /// Not yet; asking again later may help.
    Later,
}

/// What the chain and the store know of an agreement.
#[derive(Debug, Clone)]
pub struct AgreementFacts {
    /// Its id.
    pub id: AgreementId,
    /// The data set.
    pub did: Did,
    /// The consumer.
    pub consumer: Address,
    /// The algorithm, once uploaded.
    pub upload: Option<UploadFacts>,
    /// Whether the payment is locked.
    pub locked: bool,
    /// Whether the computation is authorised on chain.
    pub granted: bool,
    /// Until when outputs can be granted, in seconds since 1970-01-01 UTC; from then on the consumer can take a refund.
    pub grant_deadline_s: u64,
    /// The next run's number.
    pub next_run: u64,
    /// Whether the first run is settled: its payment is released, and its outputs are granted.
    pub first_settled: bool,
}

/// The uploaded algorithm.
#[derive(Debug, Clone)]
pub struct UploadFacts {
    /// BLAKE3 of the module that runs: the algorithm itself, or the runtime of a bundle.
    pub digest: B256,
    /// Length of the uploaded bytes.
    pub bytes: u64,
    /// Linear memory that the module needs at the start.
    pub memory_bytes_min: u64,
    /// Imports that are only stubs.
    pub imports_refused: Vec<String>,
    /// Whether it is a component, which runs under the profile of components.
    pub component: bool,
    /// The bundle, where the algorithm is one.
    pub bundle: Option<BundleFacts>,
}

impl UploadFacts {
    /// What the data owner approves: BLAKE3 of the uploaded bytes, a module or an archive.
    #[must_use]
    pub fn approved_as(&self) -> B256 {
        self.bundle.as_ref().map_or(self.digest, |bundle| bundle.archive)
    }

    /// The runtime, where the algorithm is a bundle.
    #[must_use]
    pub fn runtime(&self) -> Option<B256> {
        self.bundle.is_some().then_some(self.digest)
    }

    /// How the algorithm is started.
    #[must_use]
    pub fn start(&self) -> Start {
        self.bundle.as_ref().map(|bundle| bundle.start.clone()).unwrap_or_default()
    }

    /// What is mounted at `/data/algorithm`.
    ///
    /// # Errors
    /// Never for what an upload was accepted with.
    pub fn algorithm(&self) -> brizo_receipt::Result<Manifest> {
        Manifest::new(self.bundle.as_ref().map(|bundle| bundle.files.clone()).unwrap_or_default())
    }
}

/// What the provider knows of a data set.
#[derive(Debug, Clone)]
pub struct DatasetFacts {
    /// Its DID.
    pub did: Did,
    /// Root over the mounted data set, as it must stand in the spec.
    pub inputs_root: B256,
}

/// What this host can give to one job.
#[derive(Debug, Clone, Copy)]
pub struct NodeCeilings {
    /// Fuel.
    pub fuel: u64,
    /// Linear memory in bytes.
    pub memory_bytes: u64,
    /// Output bytes.
    pub output_bytes: u64,
    /// Output files.
    pub output_files: u64,
}

/// Everything the checks look at.
#[derive(Debug)]
pub struct Admission<'a> {
    /// The authenticated caller.
    pub caller: Address,
    /// What is ordered.
    pub spec: &'a JobSpec,
    /// The consumer's signature over the order.
    pub signature: &'a Signature,
    /// The deployment under which it is signed.
    pub domain: &'a Domain,
    /// The consumer's run key.
    pub run_key: &'a Key,
    /// What the guest would be started with.
    pub invocation: &'a Invocation,
    /// The profile under which this provider runs the uploaded algorithm.
    pub profile: B256,
    /// The agreement.
    pub agreement: &'a AgreementFacts,
    /// The data set.
    pub dataset: &'a DatasetFacts,
    /// The owner's policy.
    pub policy: &'a Policy,
    /// The host.
    pub node: &'a NodeCeilings,
    /// The time, in seconds since 1970-01-01 UTC.
    pub now_s: u64,
}

type Check = fn(&Admission<'_>) -> Result<(), Refusal>;

/// The checks in their order.
const CHECKS: [Check; 7] = [
    agreement::check,
    consent::check,
    algorithm::check,
    spec::check,
    limits::check,
    policy::check,
    payment::check,
];

/// Asks every check.
///
/// # Errors
/// The first refusal.
pub fn admit(admission: &Admission<'_>) -> Result<(), Refusal> {
    CHECKS.iter().try_for_each(|check| check(admission))
}

#[cfg(test)]
mod tests;
