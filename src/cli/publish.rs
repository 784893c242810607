//! `brizo publish`: a folder, a file, or what a URL or a bucket gives becomes an asset.

mod source;

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use brizo_receipt::{EntryKind, Key, Manifest, content_digest};
use clap::Args;
use serde_json::json;

use super::Exit;
use super::format::{Format, random, write_secret};
use super::policy;
use crate::app::{self, MOCKS, Parts};
use crate::chain::{ComputeTemplate, Timeouts};
use crate::clock::Clock;
use crate::container;
use crate::data::{BlobStore, Mock, Mocks};
use crate::ids::Did;
use crate::job::{self, ComputeOffer, Condition, DdoParts, OfferedMock, Version};
use crate::log;
use crate::policy::Policy;
use crate::sandbox::{Kind, profile_digest_for};
use crate::store::DatasetRow;
use source::Source;

/// What a DDO says about the data.
struct About {
    did: Did,
    root: brizo_receipt::B256,
    size: (usize, u64),
    version: Version,
    mock: Option<OfferedMock>,
}

fn offered(mock: &Mock) -> OfferedMock {
    OfferedMock { digest: mock.digest, bytes: mock.archive.len() as u64, files: mock.files }
}

/// Publish a folder, a file, or what a URL or a bucket gives as a data set: take it in, register its DID on chain, and
/// serve its DDO.
///
/// The files are copied into the provider's private store, each content once; later changes to the source change nothing.
/// Links that lead out of the folder are refused. Works while `brizo serve` runs on the same data_dir. The data set key that is written
/// salts all receipts about this data: keep it, and give it only to auditors who may see the data.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// Folder, file, http(s):// URL of a file, or s3://BUCKET/PREFIX, with the data. A bucket's region, endpoint and
    /// credentials come from AWS_REGION, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and so on, or from the machine's role.
    source: String,
    /// Configuration file of the provider.
    #[arg(long, default_value = "brizo.toml")]
    config: PathBuf,
    /// Folder with the policy: manifest.toml and rules.cedar.
    #[arg(long)]
    policy: PathBuf,
    /// Name for people.
    #[arg(long)]
    name: String,
    /// Seconds from an agreement until the consumer can take a refund, if no access was granted.
    #[arg(long, default_value_t = 86_400)]
    grant_timeout: u64,
    /// Seconds from an agreement until the payment must be locked; 0: as long as the above.
    #[arg(long, default_value_t = 0)]
    lock_timeout: u64,
    /// Seconds after the grant timeout until the consumer can take a refund although access was granted, if the payment
    /// was not released.
    #[arg(long, default_value_t = 604_800)]
    release_timeout: u64,
    /// DID of the data set that this is a newer version of; it stays, and agreements under it hold.
    #[arg(long)]
    replaces: Option<Did>,
    /// Folder or file with mock data: the same shape and nothing of the content. Everybody can download it.
    #[arg(long)]
    mock: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Publish {
    pub(super) async fn run(self) -> Result<Exit> {
        let policy = policy::load(&self.policy)?;
        self.check(&policy)?;
        let source = Source::parse(&self.source)?;
        let parts = app::open(&self.config)?;
        parts.chain.check().await?;
        let (version, mock) = (self.version(&parts)?, self.packed_mock(&source)?);
        let manifest = source.take_in(&parts.blobs).await?;
        check_mock(mock.as_ref(), &manifest)?;
        let (key, seed) = (Key::new(random()?.0), random()?);
        let did = parts.chain.did_of(seed).await?;
        let (policy_text, rules) = policy::texts(&self.policy)?;
        let root = manifest.root(&key);
        let bytes: u64 = manifest.entries().iter().map(|entry| entry.size).sum();
        let size = (manifest.entries().len(), bytes);
        let about = About { did, root, size, version, mock: mock.as_ref().map(offered) };
        let ddo = self.ddo(&parts, &policy, &about)?;
        let url = format!("{}/api/v1/assets/{did}", parts.config.public_url);
        // On chain first: an asset that is registered but not served harms nobody, one that is served but not
        // registered would take agreements that the chain refuses.
        let key_file = parts.config.data_dir.join(format!("{}.dataset.key", hex::encode(did.0)));
        write_secret(&key_file, key.bytes())?;
        // Taking in may have lasted longer than the sweep lets live what no row names yet.
        for entry in manifest.entries().iter().filter(|entry| entry.kind == EntryKind::File) {
            parts
                .blobs
                .refresh(entry.digest)
                .context("a file was lost while others were taken in; publish again")?;
        }
        let mined = parts.chain.register_dataset(seed, content_digest(ddo.as_bytes()), &url).await?;
        if let Some(mock) = &mock {
            Mocks::new(&parts.config.data_dir.join(MOCKS)).keep(&hex::encode(did.0), mock)?;
        }
        let row =
            DatasetRow { did, name: self.name.clone(), root, key, manifest, policy: policy_text, rules, ddo };
        parts.store.insert_dataset(&row, Clock::system().now_s())?;
        let document = json!({
            "did": did,
            "root": root,
            "files": size.0,
            "bytes": bytes.to_string(),
            "datasetKeyFile": key_file,
            "ddoUrl": url,
            "version": version.number,
            "mockDigest": mock.as_ref().map(|mock| mock.digest),
            "txHash": mined.tx,
        });
        self.format.print(&document, || {
            format!(
                "published  {did}\nfiles      {} ({bytes} bytes)\nroot       {root}\nddo        {url}\nkey        {} (keep it secret)\n\n\
                 next: brizo serve --config {}",
                size.0,
                key_file.display(),
                self.config.display()
            )
        })?;
        Ok(Exit::OK)
    }

    fn check(&self, policy: &Policy) -> Result<()> {
        if self.grant_timeout == 0 || self.lock_timeout > self.grant_timeout {
            bail!("--grant-timeout must be above 0 and --lock-timeout not above it");
        }
        let needed = policy.manifest().ceilings.wall_clock_s.saturating_add(job::PUBLISH_MARGIN_S);
        if self.grant_timeout < needed {
            bail!(
                "--grant-timeout {} leaves no time for a run of the policy's wall_clock_s (needs {needed})",
                self.grant_timeout
            );
        }
        if self.release_timeout == 0 {
            bail!("--release-timeout must be above 0, or a granted run could be refunded before it is paid");
        }
        if policy.manifest().price.max.is_zero() {
            bail!("the policy's price.max is 0; the contract locks no empty payment, so set at least 1");
        }
        Ok(())
    }

    fn ddo(&self, parts: &Parts, policy: &Policy, about: &About) -> Result<String> {
        let deployment = parts.chain.deployment();
        let containers = !policy.manifest().images.is_empty();
        let offer = ComputeOffer {
            publisher: parts.key.address(),
            chain_id: deployment.chain_id,
            service_agreement: deployment.service_agreement,
            profile: if containers { container::profile_digest() } else { profile_digest_for(Kind::Core) },
            component_profile: (!containers).then(|| profile_digest_for(Kind::Component)),
            inputs_root: job::inputs_root(about.root),
            terms: policy::terms_of(&policy.manifest().price),
            lock_timeout_s: self.lock_timeout,
            grant_timeout_s: self.grant_timeout,
            release_timeout_s: self.release_timeout,
            ceilings: policy.manifest().ceilings.into(),
            log_key: Some(log::own_key(&parts.config.data_dir, &parts.config.log_origin())?),
        };
        let template = if containers { ComputeTemplate::Attested } else { ComputeTemplate::Repeatable };
        let conditions = self.conditions(template, &deployment.condition_keys(template)?);
        let document = job::ddo(&DdoParts {
            did: about.did,
            name: &self.name,
            description: &policy.manifest().description,
            public_url: &parts.config.public_url,
            template_id: template.id(),
            conditions: &conditions,
            flavour: if containers { "container" } else { "wasi/wasmtime:48" },
            offer: &offer,
            size: about.size,
            version: about.version,
            mock: about.mock,
        });
        let wrong = job::check_ddo(&document);
        if !wrong.is_empty() {
            bail!("the DDO would not be one that agreements can be made under: {}", wrong.join("; "));
        }
        serde_json::to_string_pretty(&document).context("the DDO")
    }

    /// The version that this becomes.
    fn version(&self, parts: &Parts) -> Result<Version> {
        let Some(previous) = self.replaces else { return Ok(Version { number: 1, previous: None }) };
        let known = parts.store.dataset(previous)?;
        let known = known.with_context(|| format!("--replaces: this provider does not hold {previous}"))?;
        let ddo = serde_json::from_str(&known.ddo).context("the DDO of the data set that is replaced")?;
        Ok(Version { number: job::read_version(&ddo) + 1, previous: Some(previous) })
    }

    /// The mock data as one archive, packed aside: nothing of it gets into the store of the real data.
    fn packed_mock(&self, source: &Source) -> Result<Option<Mock>> {
        let Some(path) = &self.mock else { return Ok(None) };
        if source.holds(path) {
            bail!("--mock lies in the data set, and everybody can download it; move it out");
        }
        let aside = tempfile::tempdir().context("a folder to pack the mock in")?;
        Ok(Some(Mock::pack(path, &BlobStore::open(aside.path())?).context("--mock")?))
    }

    fn conditions(&self, template: ComputeTemplate, keys: &[brizo_receipt::B256]) -> Vec<Condition> {
        let timeouts = Timeouts {
            lock_s: self.lock_timeout,
            grant_s: self.grant_timeout,
            release_s: self.release_timeout,
        };
        let values = timeouts.values();
        let events = [
            ("FulfillUpload", "consumer", "payment.lockPayment"),
            ("PaymentLocked", "publisher", "compute.authorizeComputation"),
            ("ComputeGranted", "consumer", "compute.execute"),
            ("AccessGranted", "publisher", "payment.releasePayment"),
            ("PaymentReleased", "publisher", "serviceAgreement.fulfillAgreement"),
            ("PaymentRefund", "consumer", "serviceAgreement.terminateAgreement"),
        ];
        let conditions = template.conditions().into_iter().zip(keys).zip(values.into_iter().zip(events));
        conditions
            .map(|((condition, key), (timeout, event))| Condition {
                name: condition.name,
                contract: condition.contract,
                key: *key,
                timeout_s: timeout.to(),
                needs: condition
                    .dependencies
                    .iter()
                    .map(|need| (*need, 0))
                    .chain(
                        condition
                            .timeout_dependencies
                            .iter()
                            .map(|need| (*need, values[usize::from(*need)].to())),
                    )
                    .collect(),
                event,
            })
            .collect()
    }
}

/// Everybody can download a mock, so nothing of the data may be in it, wherever either came from.
fn check_mock(mock: Option<&Mock>, manifest: &Manifest) -> Result<()> {
    let real: HashSet<_> = manifest.entries().iter().map(|entry| entry.digest).collect();
    match mock.is_some_and(|mock| mock.contents.iter().any(|digest| real.contains(digest))) {
        true => bail!("--mock holds a file of the data set, and everybody can download it; take it out"),
        false => Ok(()),
    }
}
