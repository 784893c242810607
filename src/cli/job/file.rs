//! The job file that people write, and the small file in the output folder that lets an interrupted job go on.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use alloy_primitives::U256;
use anyhow::{Context, Result, bail};
use brizo_receipt::{Key, SecretKey};
use serde::{Deserialize, Serialize};

use super::written::{Deliver, Limits, Payment, Written};
use crate::cli::format::{read_salt_key, read_text, write_whole};
use crate::config::{PRIVATE_KEY, key_of_environment, read_document, read_key};
use crate::ids::{AgreementId, Did, JobId};

/// A job file, in TOML or YAML, with its paths where they lead to from here.
#[derive(Debug, Clone)]
pub(super) struct JobFile {
    /// Where it was read from.
    pub(super) path: PathBuf,
    /// Else `NODE_URL` of the environment, as in Ocean's command line.
    pub(super) provider: String,
    /// Else `RPC` of the environment.
    pub(super) rpc: String,
    pub(super) deployment: PathBuf,
    /// Else the key itself is `PRIVATE_KEY` of the environment.
    key_file: Option<PathBuf>,
    pub(super) did: Did,
    pub(super) algorithm: PathBuf,
    /// BLAKE3 that what is uploaded must have.
    pub(super) algorithm_digest: Option<brizo_receipt::B256>,
    /// BLAKE3 of the provider's runtime on which the algorithm, a script or a folder of them, is run.
    pub(super) runtime: Option<brizo_receipt::B256>,
    /// The file of the folder that is started.
    pub(super) main: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) env: std::collections::BTreeMap<String, String>,
    pub(super) output: PathBuf,
    pub(super) limits: Limits,
    pub(super) payment: Payment,
    pub(super) deliver: Deliver,
}

impl JobFile {
    pub(super) fn load(path: &Path) -> Result<Self> {
        let mut written: Written = read_document(path)?;
        let (did, mut algorithm) =
            written.one_way().map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?;
        let base = path.parent().unwrap_or(Path::new("."));
        let mut file = Self {
            path: path.to_path_buf(),
            provider: written.provider,
            rpc: written.rpc,
            deployment: base.join(written.deployment),
            key_file: written.key_file.map(|key| base.join(key)),
            did,
            args: algorithm.args(),
            env: algorithm.env(),
            algorithm: base.join(algorithm.path),
            algorithm_digest: algorithm.digest,
            runtime: algorithm.runtime,
            main: algorithm.main,
            output: base.join(written.output),
            limits: written.limits,
            payment: written.payment,
            deliver: written.deliver,
        };
        for (key, value, variable) in
            [("provider", &mut file.provider, "NODE_URL"), ("rpc", &mut file.rpc, "RPC")]
        {
            if value.is_empty() {
                *value = std::env::var(variable).unwrap_or_default();
            }
            if value.is_empty() {
                bail!("{}: no `{key}`, and {variable} is not set", path.display());
            }
        }
        file.provider = file.provider.trim_end_matches('/').to_string();
        Ok(file)
    }

    /// The consumer's key.
    pub(super) fn key(&self) -> Result<SecretKey> {
        match &self.key_file {
            Some(path) => Ok(read_key(path)?),
            None => key_of_environment()?.with_context(|| {
                format!("{}: no `key_file`, and {PRIVATE_KEY} is not set", self.path.display())
            }),
        }
    }

    /// Variables in the form that an invocation takes.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        self.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub(super) fn run_key_file(&self) -> PathBuf {
        self.output.join("run.key")
    }

    pub(super) fn receipt_file(&self) -> PathBuf {
        self.output.join("receipt.json")
    }

    pub(super) fn outputs_folder(&self) -> PathBuf {
        self.output.join("outputs")
    }

    /// Where outputs are put while they come, and where an interrupted download finds them again.
    pub(super) fn part_folder(&self) -> PathBuf {
        self.output.join("outputs.part")
    }

    fn saved_file(&self) -> PathBuf {
        self.output.join("job.json")
    }

    /// Takes the output folder for this process as long as the result lives: two that make agreements or fetch into one folder
    /// would pay twice, or take away each other's files.
    pub(super) fn hold(&self) -> Result<Held> {
        std::fs::create_dir_all(&self.output).with_context(|| format!("{}", self.output.display()))?;
        let folder = File::open(&self.output).with_context(|| format!("{}", self.output.display()))?;
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => bail!(
                "another `brizo job` works with the folder {}; wait until it has ended, or name another output",
                self.output.display()
            ),
            // There are file systems that cannot say it.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Held(folder)),
        }
    }
}

/// A folder that no other process works with.
#[derive(Debug)]
#[must_use]
pub(super) struct Held(#[expect(dead_code, reason = "the lock is the open file's")] File);

/// What a job is known by, kept from the moment the agreement is signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Saved {
    pub(super) service_agreement_id: AgreementId,
    pub(super) random_seed: brizo_receipt::B256,
    /// What a refund needs, kept because the provider may be gone by then.
    pub(super) did: Did,
    #[serde(with = "crate::money::decimal")]
    pub(super) price: U256,
}

impl Saved {
    pub(super) fn load(file: &JobFile) -> Result<Self> {
        let path = file.saved_file();
        let text = read_text(&path).context("no job was ordered with this job file yet (brizo job run)")?;
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
    }

    /// The output folder is what a job is known by, so it must not be used for another data set.
    pub(super) fn of(self, file: &JobFile) -> Result<Self> {
        if self.did != file.did {
            bail!(
                "{} holds a job over {}, the job file names {}; name another output for another job",
                file.output.display(),
                self.did,
                file.did
            );
        }
        Ok(self)
    }

    pub(super) fn store(&self, file: &JobFile) -> Result<()> {
        write_whole(&file.saved_file(), (serde_json::to_string_pretty(self)? + "\n").as_bytes())
    }

    pub(super) fn exists(file: &JobFile) -> bool {
        file.saved_file().exists()
    }

    pub(super) fn job_id(&self) -> JobId {
        JobId { agreement: self.service_agreement_id, run_index: 0 }
    }

    pub(super) fn run_key(file: &JobFile) -> Result<Key> {
        read_salt_key(Some(&file.run_key_file()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
provider = "http://localhost:8030/"
rpc = "http://localhost:8545"
deployment = "deployment.json"
did = "did:op:1111111111111111111111111111111111111111111111111111111111111111"
algorithm = { path = "stats.wasm", digest = "0x3333333333333333333333333333333333333333333333333333333333333333" }
deliver = { viewers = ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"] }
runtime = "0x2222222222222222222222222222222222222222222222222222222222222222"
main = "run.py"
args = ["--by", "no", "1.5"]
output = "out"
env = { LANG = "C", YES = "y" }
limits = { fuel = 18_446_744_073, memory_bytes = 67108864, output_bytes = 1048576, output_files = 16 }
payment = { max_price = "115792089237316195423570985008687907853269984665640564039457584007913129639935" }
"#;
    const YAML: &str = "
provider: http://localhost:8030/
rpc: http://localhost:8545
deployment: deployment.json
did: did:op:1111111111111111111111111111111111111111111111111111111111111111
algorithm:
  path: stats.wasm
  digest: 0x3333333333333333333333333333333333333333333333333333333333333333
deliver:
  viewers: [0x70997970C51812dc3A010C7d01b50e0d17dc79C8]
runtime: 0x2222222222222222222222222222222222222222222222222222222222222222
main: run.py
args: [--by, no, 1.5]
output: out   # one folder, one job
env:
  LANG: C
  YES: y
limits:
  fuel: 18_446_744_073
  memory_bytes: 67108864
  output_bytes: 1048576
  output_files: 16
payment:
  max_price: 115792089237316195423570985008687907853269984665640564039457584007913129639935
";

    const GROUPED: &str = "
provider: http://localhost:8030/
rpc: http://localhost:8545
deployment: deployment.json
inputs:
  - did: did:op:1111111111111111111111111111111111111111111111111111111111111111
algorithm:
  path: stats.wasm
  digest: 0x3333333333333333333333333333333333333333333333333333333333333333
  runtime: 0x2222222222222222222222222222222222222222222222222222222222222222
  main: run.py
  args: [--by, no, 1.5]
  env: { LANG: C, YES: y }
output: out
resources: { fuel: 18_446_744_073, memory: 64MiB, outputBytes: 1MiB, files: 16 }
payment:
  maxAmount: 115792089237316195423570985008687907853269984665640564039457584007913129639935
deliver:
  additionalViewers: [0x70997970C51812dc3A010C7d01b50e0d17dc79C8]
  auditors: []
";

    #[test]
    fn a_job_file_in_either_language_is_the_same_order() {
        let folder = tempfile::tempdir().unwrap();
        let load = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let file = JobFile::load(&path).map_err(|error| format!("{error:#}"))?;
            Ok::<_, String>(format!("{:?}", JobFile { path: PathBuf::new(), ..file }))
        };
        let expected = load("job.toml", TOML).unwrap();
        assert_eq!(load("job.yaml", YAML).unwrap(), expected);
        assert_eq!(load("job.yaml", GROUPED).unwrap(), expected, "grouped with what they belong to");

        let with = |from: &str, to: &str| load("job.yaml", &GROUPED.replacen(from, to, 1)).unwrap_err();
        for (from, to, word) in [
            ("  main:", "  mian:", "`mian`"),
            ("output: out", "output: out\nargs: [x]", "`args` stands in `algorithm`"),
            ("output: out", "output: out\nmain: x", "`main` stands in `algorithm`"),
            ("output: out", "output: out\nlimits: {fuel: 1}", "limits"),
            (
                "inputs:",
                "did: did:op:1111111111111111111111111111111111111111111111111111111111111111\ninputs:",
                "`did`",
            ),
            (
                "inputs:",
                "inputs:\n  - did: did:op:1111111111111111111111111111111111111111111111111111111111111111",
                "has 2",
            ),
            ("memory: 64MiB", "memory: 64MB", "64MB"),
            ("memory: 64MiB", "memory: -1", "u64"),
            ("memory: 64MiB", "memory: 64MiB, memory_bytes: 1", "memory"),
            ("deliver:", "deliver:\n  publisher: x", "`publisher`"),
            ("  path: stats.wasm\n", "", "`path`"),
        ] {
            assert!(with(from, to).contains(word), "{to}: {}", with(from, to));
        }
        let neither = TOML.lines().filter(|line| !line.starts_with("did")).collect::<Vec<_>>().join("\n");
        assert!(load("job.toml", &neither).unwrap_err().contains("no `did`"));
    }
}
