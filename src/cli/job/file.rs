//! The job file that people write, and the small file in the output folder that lets an interrupted job go on.

use std::path::{Path, PathBuf};

use alloy_primitives::U256;
use anyhow::{Context, Result, bail};
use brizo_receipt::{Key, SecretKey};
use serde::{Deserialize, Serialize};

use crate::cli::format::{read_salt_key, read_text, write};
use crate::config::{PRIVATE_KEY, key_of_environment, read_document, read_key};
use crate::ids::{AgreementId, Did, JobId};

/// A job file, in TOML or YAML. Paths are relative to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobFile {
    /// Where it was read from.
    #[serde(skip)]
    pub(super) path: PathBuf,
    /// Else `NODE_URL` of the environment, as in Ocean's command line.
    #[serde(default)]
    pub(super) provider: String,
    /// Else `RPC` of the environment.
    #[serde(default)]
    pub(super) rpc: String,
    pub(super) deployment: PathBuf,
    /// Else the key itself is `PRIVATE_KEY` of the environment.
    #[serde(default)]
    key_file: Option<PathBuf>,
    pub(super) did: Did,
    pub(super) algorithm: PathBuf,
    /// BLAKE3 of the provider's runtime on which the algorithm, a script or a folder of them, is run.
    #[serde(default)]
    pub(super) runtime: Option<brizo_receipt::B256>,
    /// The file of the folder that is started.
    #[serde(default)]
    pub(super) main: Option<String>,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) env: std::collections::BTreeMap<String, String>,
    pub(super) output: PathBuf,
    pub(super) limits: Limits,
    pub(super) payment: Payment,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) fuel: u64,
    pub(super) memory_bytes: u64,
    pub(super) output_bytes: u64,
    pub(super) output_files: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payment {
    #[serde(with = "crate::money::decimal")]
    pub(super) max_price: U256,
}

impl JobFile {
    pub(super) fn load(path: &Path) -> Result<Self> {
        let mut file: Self = read_document(path)?;
        file.path = path.to_path_buf();
        let base = path.parent().unwrap_or(Path::new("."));
        let paths = [&mut file.deployment, &mut file.output, &mut file.algorithm];
        for relative in paths.into_iter().chain(&mut file.key_file) {
            *relative = base.join(&*relative);
        }
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
}

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
        write(&file.saved_file(), serde_json::to_string_pretty(self)? + "\n")
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
algorithm = "stats.wasm"
runtime = "0x2222222222222222222222222222222222222222222222222222222222222222"
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
algorithm: stats.wasm
runtime: 0x2222222222222222222222222222222222222222222222222222222222222222
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

    #[test]
    fn a_job_file_in_either_language_is_the_same_order() {
        let folder = tempfile::tempdir().unwrap();
        let load = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let file = JobFile::load(&path).unwrap();
            format!("{:?}", JobFile { path: PathBuf::new(), ..file })
        };
        assert_eq!(load("job.yaml", YAML), load("job.toml", TOML));
    }
}
