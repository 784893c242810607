//! One job, from its claim to the commit point.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use brizo_receipt::{B256, Consent, Manifest, RunInfo, content_digest};

use super::execute::{Executed, Program};
use super::gate::is_for_want_of_room;
use super::queue::Handed;
use super::stages::{Stage, Stages};
use super::{LEASE, Worker};
use crate::container::{self, Image};
use crate::data::Error as DataError;
use crate::failpoint;
use crate::job::{self, End, Released, State};
use crate::metrics;
use crate::nudge::Topic;
use crate::policy::Policy;
use crate::sandbox::{
    Aborted, Control, Ending, Error as SandboxError, InputFile, Module, Order, Outputs, profile_digest_for,
};
use crate::store::{AgreementRow, Claimed, Commit, DatasetRow, GivenUp, Lease, NewJob, OutputRow};
use crate::trace;

/// Seconds that a guest may need, beyond its wall clock, to be set up and to be stopped.
const RUN_MARGIN_S: u64 = 60;

/// Bytes of outputs that are stored sooner than another look at the queue takes.
const QUICKLY_STORED: u64 = 65_536;

/// Why a job could not be brought to a claim.
pub(super) enum Failure {
    /// The host's fault; trying again may help.
    Host(String),
    /// The disk takes no more; the job waits until it does.
    NoRoom(String),
    /// What jobs of this kind run on is away; the job waits until it is back.
    Away(String),
    /// Trying again will not help.
    Final(End, String),
    /// The provider is going down; the job goes back to the queue.
    Stopped,
    /// Another worker has the job.
    Lost,
}

impl Failure {
    /// The word in traces.
    fn word(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::NoRoom(_) => "no_room",
            Self::Away(_) => "away",
            Self::Final(end, _) => end.word(),
            Self::Stopped => "handed_back",
            Self::Lost => "lease_lost",
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        if is_for_want_of_room(&error) {
            return Self::NoRoom(format!("{error:#}"));
        }
        match error.downcast_ref::<DataError>() {
            Some(DataError::Damaged { .. }) => Self::Final(End::DataFailed, format!("{error:#}")),
            _ => Self::Host(format!("{error:#}")),
        }
    }
}

/// What is needed to run a job.
struct Prepared {
    agreement: AgreementRow,
    dataset: DatasetRow,
    policy: Policy,
    program: Program,
    /// What the data owner's rules know the algorithm by.
    approved_as: B256,
    /// The bundle, empty without one.
    algorithm: Manifest,
    order: Order,
}

impl Worker {
    /// A claimed job's work, from its data to the commit point. Blocks; [`Worker::watch`] watches over it. Returns the next job,
    /// with this one's place, if the commit claimed one.
    pub(super) fn run(
        &self,
        claimed: &Claimed,
        stages: &Stages,
        control: &Control,
    ) -> Result<Option<Handed>, Failure> {
        let prepared = traced(claimed, "prepare", || self.prepare(claimed, control))?;
        let (ending, outputs, run_info) = traced(claimed, "run", || self.run_prepared(&prepared, stages))?;
        let stage = self.stage(State::Running, self.store.rules().prepare_s);
        // Outputs that take a while to be stored must not keep the place from others.
        let keeps = outputs.bytes() <= QUICKLY_STORED && !stages.is_last() && self.gate.is_open();
        stages.finish(stage, keeps);
        let next = traced(claimed, "commit", || {
            self.commit(claimed, &prepared, &ending, &outputs, &run_info, keeps.then_some(LEASE))
        })?;
        let place = stages.take_place();
        // First those that a caller waits for: they read while the disk turns.
        self.nudge.about_job(claimed.id);
        if next.is_none() {
            // With another job to do it is left to them. What fails, fails for them too.
            let _ = self.store.flush();
        }
        self.nudge.about(&[Topic::Chain, Topic::Log, Topic::Queue]);
        match (next, place) {
            (Some(claimed), Some(place)) => Ok(Some(Handed { claimed, place })),
            // This thread was left alone meanwhile, and nobody listens to what it returns.
            (Some(claimed), None) => {
                self.store.give_up(&claimed, &GivenUp::HandedBack, self.clock.now_s())?;
                Ok(None)
            }
            (None, _) => Ok(None),
        }
    }

    /// A stage that begins now.
    pub(super) fn stage(&self, state: State, limit_s: u64) -> Stage {
        Stage::new(state, limit_s, self.clock.now_s())
    }

    /// Runs what was prepared, to an end that a claim can tell.
    fn run_prepared(
        &self,
        prepared: &Prepared,
        stages: &Stages,
    ) -> Result<(Ending, Outputs, RunInfo), Failure> {
        let wall_clock_s = prepared.policy.manifest().ceilings.wall_clock_s;
        let control = Control::with_wall_clock(Duration::from_secs(wall_clock_s));
        let setting_up_s = match prepared.program {
            Program::Module(_) => RUN_MARGIN_S,
            // Pulling an image and handing over files are part of this stage, though not of the guest's time.
            Program::Image(_) => RUN_MARGIN_S.saturating_add(self.store.rules().prepare_s),
        };
        stages.enter(self.stage(State::Running, wall_clock_s.saturating_add(setting_up_s)), &control)?;
        let started_at = self.clock.now_s();
        let executed = self.execute(&prepared.program, &prepared.order, &control)?;
        let run_info = run_info(started_at, &executed);
        let (ending, outputs) = executed.result.map_err(aborted)?;
        metrics::ran(Duration::from_micros(executed.run_us), ending.fuel_used);
        Ok((ending, outputs, run_info))
    }

    /// Maps module and inputs, verifying every byte, and compiles, unless told to stop.
    fn prepare(&self, claimed: &Claimed, control: &Control) -> Result<Prepared, Failure> {
        let agreement = self.store.few_rows().agreement(claimed.id.agreement)?;
        let agreement = agreement.context("the job's agreement is gone")?;
        let dataset = self.store.dataset(agreement.did)?.context("the job's data set is gone")?;
        let policy = Policy::known(&dataset.policy, &dataset.rules)?;
        self.check_deadline(claimed.id.run_index, &agreement, &policy)?;
        let upload = agreement.upload.as_ref().context("the job's algorithm is gone")?;
        let (approved_as, bundle) = (upload.approved_as(), upload.algorithm()?);
        check_ordered(&claimed.order, upload.digest, &bundle)?;
        let program = match claimed.order.spec.profile == container::profile_digest() {
            true => {
                // Before every byte of the data set is read for a run that cannot be.
                self.find_engine()?;
                self.image(claimed, &policy)?
            }
            false => Program::Module(self.module(claimed, control)?),
        };
        let algorithm = self.mapped(&bundle)?;
        let inputs = self.mapped_at_rate(&dataset.manifest)?;
        let order = Order::of(&claimed.order.spec, claimed.order.invocation.clone(), algorithm, inputs);
        Ok(Prepared { agreement, dataset, policy, program, approved_as, algorithm: bundle, order })
    }

    /// The module, compiled.
    fn module(&self, claimed: &Claimed, control: &Control) -> Result<Module, Failure> {
        let digest = claimed.order.spec.module_digest;
        let bytes = self.blobs.map(digest)?;
        let inspection = self
            .engine
            .inspect((*bytes).as_ref(), digest)
            .map_err(|refused| Failure::Final(End::AlgorithmFailed, refused.text))?;
        if claimed.order.spec.profile != profile_digest_for(inspection.kind) {
            let why = "the order is for another profile than this release runs such an algorithm under";
            return Err(Failure::Final(End::HostFailed, why.into()));
        }
        let compiled = self.engine.compile_unless((*bytes).as_ref(), &inspection, control);
        compiled.map_err(|e| match e {
            SandboxError::Compile(_) | SandboxError::TooCostly(_) => {
                Failure::Final(End::AlgorithmFailed, e.to_string())
            }
            SandboxError::Interrupted(reason) => aborted(reason),
            // A full disk under the cache is no fault of the module.
            other => Failure::from(other),
        })
    }

    /// The image that the policy lists. The engine is asked for it when it runs.
    fn image(&self, claimed: &Claimed, policy: &Policy) -> Result<Program, Failure> {
        let digest = claimed.order.spec.module_digest;
        let listed = policy.manifest().images.iter().find(|image| image.digest == digest);
        let listed = listed.context("the policy does not list the image any more")?;
        Ok(Program::Image(Image { digest, pull: listed.pull.clone() }))
    }

    /// The files of a manifest, verified.
    fn mapped(&self, manifest: &Manifest) -> Result<Vec<InputFile>, Failure> {
        let file = |entry: &brizo_receipt::Entry| {
            Ok(InputFile { path: entry.path.clone(), bytes: self.blobs.map(entry.digest)? })
        };
        manifest.entries().iter().map(file).collect()
    }

    /// The files of a data set, verified as often as the owner has chosen.
    fn mapped_at_rate(&self, manifest: &Manifest) -> Result<Vec<InputFile>, Failure> {
        let file = |entry: &brizo_receipt::Entry| {
            let bytes = self.blobs.map_at_rate(entry.digest, entry.size)?;
            Ok(InputFile { path: entry.path.clone(), bytes })
        };
        manifest.entries().iter().map(file).collect()
    }

    /// A job that waited too long is not run: its outputs could not be granted, and so not paid, any more.
    fn check_deadline(
        &self,
        run_index: u64,
        agreement: &AgreementRow,
        policy: &Policy,
    ) -> Result<(), Failure> {
        if !agreement.locked {
            // Tried again: most payments are soon in the new chain as well.
            return Err(anyhow::anyhow!("a reorganisation of the chain took the payment back").into());
        }
        let needed = policy.manifest().ceilings.wall_clock_s.saturating_add(job::PUBLISH_MARGIN_S);
        // Later runs have no deadline.
        if run_index > 0 || agreement.grant_deadline_s.saturating_sub(self.clock.now_s()) >= needed {
            return Ok(());
        }
        Err(Failure::Final(
            End::TimedOut,
            "the agreement's deadline came too close while the job waited".into(),
        ))
    }

    /// Stores the outputs, decides what may leave, signs the receipt, and commits it all. Returns the next job, if there is a
    /// place for it.
    fn commit(
        &self,
        claimed: &Claimed,
        prepared: &Prepared,
        ending: &Ending,
        outputs: &Outputs,
        run_info: &RunInfo,
        place: Option<Lease>,
    ) -> Result<Option<Claimed>, Failure> {
        let (spec, run_key, dataset) = (&claimed.order.spec, &claimed.order.run_key, &prepared.dataset);
        let outputs_key = job::outputs_key(spec, run_key, &dataset.key);
        let manifest = outputs.manifest()?;
        let outcome = ending.outcome(manifest.root(&outputs_key));
        let end = End::of(&outcome).context("the outcome has no name")?;
        self.store_outputs(outputs)?;
        let released = self.decide(prepared, outcome.status, &manifest);
        let withheld: BTreeSet<_> = released
            .iter()
            .filter(|it| it.withheld.is_some())
            .map(|it| (it.entry.kind, &it.entry.path))
            .collect();
        let parts = job::ReceiptParts {
            spec,
            outcome: &outcome,
            invocation: &claimed.order.invocation,
            algorithm: prepared.algorithm.leaves(run_key),
            mounts: vec![job::mount(Some(dataset.did.to_string()), &dataset.manifest, &dataset.key)],
            outputs: &manifest,
            outputs_key: &outputs_key,
            kind: prepared.program.kind(),
            run_info,
        };
        let mut receipt = job::receipt(&parts, |entry| withheld.contains(&(entry.kind, &entry.path)));
        let domain = self.chain.deployment().domain();
        let consumer = prepared.agreement.consumer;
        let consent = Consent { domain, consumer, signature: claimed.order.signature };
        job::attest(&mut receipt, &self.key, domain, self.clock.now_s(), Some(consent))?;
        let commit = Commit {
            end,
            // The log states what was signed.
            attested: receipt.log_entry(0)?.statement,
            receipt_hash: receipt.claim_hash,
            receipt: receipt.to_text(),
            outputs: released.iter().map(output_row).collect(),
            outcome,
        };
        let next = self.store.commit_and_claim(claimed, &commit, place, self.clock.now_s())?;
        // Names of outputs can carry data, so how many were withheld by which rule is all that the log says.
        let rules = rules(&released);
        metrics::job_ended(end.word());
        tracing::info!(job = %claimed.id, end = end.word(), receipt = %commit.receipt_hash, withheld = rules, "job committed");
        Ok(next)
    }

    fn store_outputs(&self, outputs: &Outputs) -> Result<(), Failure> {
        let streams = [&outputs.stdout, &outputs.stderr];
        for written in outputs.files.values() {
            self.store_output(written.len(), written.reader())?;
        }
        streams.into_iter().try_for_each(|bytes| self.store_output(bytes.len() as u64, bytes.as_slice()))
    }

    fn store_output(&self, length: u64, mut bytes: impl std::io::Read) -> Result<(), Failure> {
        // Most runs print nothing to one stream; nothing need not be written again, only kept from the sweep.
        if length > 0 || self.blobs.refresh(content_digest(&[])).is_err() {
            failpoint::around("blob", || Ok::<_, Failure>(self.blobs.put(&mut bytes)?))?;
        }
        Ok(())
    }

    fn decide(&self, prepared: &Prepared, status: u8, manifest: &Manifest) -> Vec<Released> {
        job::decide_release(
            &prepared.policy,
            prepared.agreement.consumer,
            &prepared.dataset.did.to_string(),
            prepared.approved_as,
            status,
            manifest,
            self.clock.now_s(),
        )
    }

    /// Lets go of a job that came to no claim.
    pub(super) async fn give_up(&self, claimed: Claimed, failure: Failure) -> anyhow::Result<()> {
        let why = match failure {
            // Another worker has it, and whatever is to be said about it is that one's to say.
            Failure::Lost => {
                tracing::warn!(job = %claimed.id, attempt = claimed.attempt, "the lease was lost");
                return Ok(());
            }
            Failure::Stopped => GivenUp::HandedBack,
            Failure::Final(end, problem) => GivenUp::Ended(end, problem),
            Failure::NoRoom(problem) => {
                // Counted and rested like other failures of the host: a job that alone fills the disk must end some day.
                self.gate.close();
                GivenUp::Failed(problem)
            }
            Failure::Away(problem) => GivenUp::Away(problem),
            Failure::Host(problem) => GivenUp::Failed(problem),
        };
        tracing::warn!(job = %claimed.id, attempt = claimed.attempt, ?why, "job not run");
        let end = if let GivenUp::Ended(end, _) = &why { *end } else { End::HostFailed };
        let now_s = self.clock.now_s();
        let state = self.store.with(move |store| store.give_up(&claimed, &why, now_s)).await?;
        if state == State::Aborted {
            metrics::job_ended(end.word());
        }
        Ok(())
    }
}

/// What is run is what was ordered, whatever became of the agreement's row since the job was admitted.
fn check_ordered(order: &NewJob, module: B256, bundle: &Manifest) -> Result<(), Failure> {
    let spec = &order.spec;
    if (module, bundle.root(&order.run_key)) == (spec.module_digest, spec.algorithm_root) {
        return Ok(());
    }
    let why = "the agreement's algorithm is another one than was ordered";
    Err(Failure::Final(End::AlgorithmFailed, why.into()))
}

/// Tells a piece of work for a job as a span of its trace.
fn traced<T>(
    claimed: &Claimed,
    name: &'static str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut span = trace::of_job(claimed.id, name);
    span.set("brizo.attempt", i64::from(claimed.attempt));
    let done = work();
    if let Err(failure) = &done {
        span.fail(failure.word());
    }
    span.end();
    done
}

/// How many outputs each rule withholds, `stdout-only: 1`; empty when everything may leave.
fn rules(released: &[Released]) -> String {
    let mut counts = BTreeMap::new();
    for refusal in released.iter().filter_map(|released| released.withheld.as_ref()) {
        *counts.entry(refusal.rule.as_str()).or_insert(0u64) += 1;
    }
    counts.iter().map(|(rule, count)| format!("{rule}: {count}")).collect::<Vec<_>>().join(", ")
}

fn output_row(released: &Released) -> OutputRow {
    let withheld = released.withheld.as_ref().map(|refusal| {
        // A struct of strings always serialises.
        serde_json::to_string(refusal).unwrap_or_default()
    });
    let entry = &released.entry;
    OutputRow { kind: entry.kind, path: entry.path.clone(), size: entry.size, digest: entry.digest, withheld }
}

/// Facts about this host's run, for the attestation.
fn run_info(started_at: u64, executed: &Executed) -> RunInfo {
    RunInfo {
        software: format!("brizo {}", env!("CARGO_PKG_VERSION")),
        engine: executed.engine.clone(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        started_at,
        run_us: executed.run_us,
        cached_module: executed.cached,
    }
}

/// What a run that the host ended means for its job.
fn aborted(aborted: Aborted) -> Failure {
    match aborted {
        Aborted::Stopped => Failure::Stopped,
        Aborted::WallClock => Failure::Final(End::TimedOut, aborted.to_string()),
        Aborted::NativeStack => Failure::Final(End::HostFailed, aborted.to_string()),
        Aborted::HostDisk => Failure::NoRoom(aborted.to_string()),
        Aborted::HostMemory | Aborted::Engine => Failure::Host(aborted.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use brizo_receipt::{Entry, EntryKind, Invocation, JobSpec, Key, Signature};

    use super::*;

    #[test]
    fn another_algorithm_than_was_ordered_is_not_run() {
        let bundle =
            |path| Manifest::new(vec![Entry::of(EntryKind::File, path, b"penguins")]).unwrap_or_default();
        let (key, module) = (Key::new([7; 32]), B256::repeat_byte(9));
        let spec: JobSpec = serde_json::from_value(serde_json::json!({
            "profile": B256::ZERO, "agreementId": B256::ZERO, "runIndex": "0", "moduleDigest": module,
            "algorithmRoot": bundle("main.txt").root(&key), "invocationRoot": B256::ZERO, "inputsRoot": B256::ZERO,
            "randomSeed": B256::ZERO, "clockStart": "0", "clockStep": "1", "fuelLimit": "1", "memoryLimit": "1",
            "stackLimit": "1", "outputLimit": "1", "filesLimit": "1", "blindCommit": B256::ZERO,
        }))
        .unwrap();
        let invocation = Invocation { args: Vec::new(), env: Vec::new() };
        let order = NewJob { spec, signature: Signature([6; 65]), run_key: key, invocation };
        assert!(check_ordered(&order, module, &bundle("main.txt")).is_ok());
        for (module, path) in [(module, "other.txt"), (B256::ZERO, "main.txt")] {
            let refused = check_ordered(&order, module, &bundle(path));
            assert!(matches!(refused, Err(Failure::Final(End::AlgorithmFailed, _))), "{path}");
        }
    }
}
