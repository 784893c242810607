//! `brizo verify`: how far does a receipt hold, and why no further. What is checked is in `brizo_receipt::verifier`.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use brizo_receipt::log::LogKey;
use brizo_receipt::verifier::explain::{Bound, explain};
use brizo_receipt::verifier::{
    DDO_BYTES_MAX, Ddo, Deployment, Evidence, Files, JsonRpc, LogEvidence, OpeningEvidence, Transport, verify,
};
use brizo_receipt::{Address, B256, Expectation, ExpectedJob, Receipt};
use clap::{Args, ValueEnum};

use super::format::{Format, read, read_receipt, read_salt_key, read_text};
use super::profiles::NewerProfiles;
use super::spec::read_outputs;
use super::{Exit, Usage};
use crate::client::Web;

/// Check a receipt, tier by tier: structure, signature, on chain, log, opening. Trusts nobody but the node and the log key
/// that you name.
///
/// A tier that cannot be attempted is said to be so and is neither success nor failure. Re-execution is `brizo replay`.
/// Exit code 0 when nothing failed, else one per cause (docs/RECEIPT.md §10). `brizo-verify` is the same in a small program.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Receipt file.
    receipt: PathBuf,
    /// URL of an Ethereum node, for the tier `on chain`.
    #[arg(long, requires = "deployment")]
    rpc: Option<String>,
    /// Deployment file, for the tier `on chain`.
    #[arg(long, requires = "rpc")]
    deployment: Option<PathBuf>,
    /// The log's key, or a file with it, for the tier `log`. [default: the one in a --ddo, where it has one]
    #[arg(long)]
    log_key: Option<String>,
    /// URL of the log, to compare its newest checkpoint, too; with --log-key, or a --ddo that has the key.
    #[arg(long)]
    log: Option<String>,
    /// Folder with the output files, for the tier `opening`.
    #[arg(long)]
    outputs: Option<PathBuf>,
    /// File with the consumer's run key, for the tier `opening`. [default: the key that hides nothing]
    #[arg(long)]
    run_key: Option<PathBuf>,
    /// File with the publisher's data set key, once for each data set in their order: with it and the run key a file in
    /// --outputs that the receipt does not show is looked for among what it withholds.
    #[arg(long = "dataset-key")]
    dataset_keys: Vec<PathBuf>,
    /// DDO of a mounted data set, a file or a URL; may be given again.
    #[arg(long = "ddo")]
    ddos: Vec<String>,
    #[command(flatten)]
    profiles: NewerProfiles,
    /// The receipt hash you expect.
    #[arg(long)]
    expect: Option<B256>,
    /// The job you expect: its agreement, or AGREEMENT-RUN with the number of the run.
    #[arg(long, value_name = "ID")]
    job: Option<ExpectedJob>,
    /// The provider's address you expect.
    #[arg(long)]
    provider: Option<Address>,
    /// The consumer's address you expect.
    #[arg(long)]
    consumer: Option<Address>,
    /// Show every step of the hashing; `full` also all of long lists.
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "ends")]
    explain: Option<Explain>,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// How much of long lists is explained.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Explain {
    Ends,
    Full,
}

impl Verify {
    pub(super) fn run(self) -> Result<Exit> {
        if self.log.is_some() && self.log_key.is_none() && self.ddos.is_empty() {
            return Err(Usage("--log needs --log-key, or a --ddo that has the key".into()).into());
        }
        let web = Web::new()?;
        let bytes = read_receipt(&self.receipt)?;
        let deployment = self.deployment.as_deref().map(read_deployment).transpose()?;
        let node = self.rpc.as_deref().map(|url| JsonRpc::new(&web, url));
        let key = self.log_key.as_deref().map(read_log_key).transpose()?;
        let log = self.log.as_deref().map(|url| Files::new(&web, url));
        let outputs = self.outputs.as_deref().map(read_outputs).transpose()?;
        let run_key = self.run_key.as_deref().map(|path| read_salt_key(Some(path))).transpose()?;
        let keys = self.dataset_keys.iter().map(|path| read_salt_key(Some(path)));
        let evidence = Evidence {
            receipt: &bytes,
            expected: Expectation {
                claim_hash: self.expect,
                agreement_id: self.job.map(|job| job.agreement_id),
                run_index: self.job.and_then(|job| job.run_index),
                provider: self.provider,
                consumer: self.consumer,
                ..self.profiles.expectation()?
            },
            chain: node.as_ref().zip(deployment.as_ref()).map(|(node, deployment)| (node as _, deployment)),
            log: LogEvidence { key: key.as_ref(), reach: log.as_ref().map(|log| log as _) },
            opening: OpeningEvidence {
                run_key: run_key.clone(),
                dataset_keys: keys.collect::<Result<_>>()?,
                outputs: outputs.as_ref(),
                ddos: self.ddos.iter().map(|place| read_ddo(place, &web)).collect::<Result<_>>()?,
            },
        };
        let mut report = verify(&evidence);
        if let (Some(how), Ok(receipt)) = (self.explain, Receipt::parse(&bytes)) {
            let bound = if matches!(how, Explain::Full) { Bound::Full } else { Bound::USUAL };
            report.explanation = Some(explain(&receipt, run_key.as_ref(), bound));
        }
        let format = if self.json { Format::Json } else { self.format };
        format.print(&report.document(), || report.table())?;
        Ok(Exit::of_report(&report))
    }
}

fn read_deployment(path: &Path) -> Result<Deployment> {
    let parsed = Deployment::parse(&read(path)?);
    parsed.map_err(|e| anyhow!("{}: {e}; `brizo contracts deploy` writes this file", path.display()))
}

/// The key itself, or a file that holds it.
fn read_log_key(text: &str) -> Result<LogKey> {
    let path = Path::new(text);
    let text = if path.is_file() { read_text(path)? } else { text.into() };
    LogKey::parse(text.trim()).map_err(|e| Usage(format!("--log-key: {e}")).into())
}

fn read_ddo(place: &str, web: &Web) -> Result<Ddo> {
    let bytes = match place.starts_with("https://") || place.starts_with("http://") {
        true => web.get(place, DDO_BYTES_MAX)?,
        false => read(Path::new(place))?,
    };
    // Not as an error of the receipt, whose code would then be the program's.
    Ddo::parse(&bytes).map_err(|e| anyhow!("{place}: {e}"))
}
