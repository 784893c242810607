//! The provider's configuration: one TOML file, unknown keys refused, secrets as paths to files, every key open to an
//! override from the environment. `packaging/brizo.toml` says what each key is for.

mod check;
mod document;
mod keys;
mod overlay;
mod sections;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brizo_receipt::SecretKey;
use serde::{Deserialize, Serialize};

use crate::api::ApiSettings;
use crate::chain::{Deployment, Sending, open_keystore};
use crate::job::{NodeCeilings, Runtime};
use crate::sandbox::RUNS_MAX;
use crate::store::QueueRules;
use crate::worker::memory_to_use;

pub use check::{Finding, Level, check};
pub use document::read_document;
pub use keys::EXAMPLE;
pub(crate) use overlay::node_argument;
pub use overlay::{shown, strangers};
pub use sections::{
    CONTAINER_SOCKET_DEFAULT, ChainConfig, ContainersConfig, DataConfig, HealthConfig, LogConfig,
    MetricsConfig, NodeConfig, RetentionConfig, TelemetryConfig,
};

/// What can be wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {text}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place.
        text: String,
    },
}

/// The file that people write. Paths are relative to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder for the database, blobs and compiled modules.
    pub data_dir: PathBuf,
    /// Address to listen on, `127.0.0.1:8030` for instance.
    pub listen: SocketAddr,
    /// Base URL under which consumers reach this provider; stands in DDOs.
    pub public_url: String,
    /// URL of an Ethereum node (JSON-RPC over HTTP), or several with commas between them: the first that works is asked.
    pub rpc: String,
    /// File that `brizo contracts deploy` wrote.
    pub deployment: PathBuf,
    /// File with the publisher's secret key: 64 hex digits or a keystore, readable by its owner only.
    pub key_file: PathBuf,
    /// How often the chain and the queue are looked at, in milliseconds.
    #[serde(default = "default_poll_interval_ms")]
    pub poll_interval_ms: u64,
    /// Jobs that run at the same time, [`CONCURRENCY_MAX`] at most; 0 for one on each core.
    #[serde(default)]
    pub concurrency: usize,
    /// Descriptions of the runtimes on which bundles can run; a data set's policy still has to approve each.
    #[serde(default)]
    pub runtimes: Vec<PathBuf>,
    /// How the chain is read and written.
    #[serde(default)]
    pub chain: ChainConfig,
    /// What this host gives to one job.
    #[serde(default)]
    pub node: NodeConfig,
    /// The transparency log.
    #[serde(default)]
    pub log: LogConfig,
    /// The HTTP API.
    #[serde(default)]
    pub api: ApiSettings,
    /// The queue of jobs.
    #[serde(default)]
    pub queue: QueueRules,
    /// How long things are kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// The engine that runs containers.
    #[serde(default)]
    pub containers: ContainersConfig,
    /// When this provider calls itself ready, and when it takes no more work.
    #[serde(default)]
    pub health: HealthConfig,
    /// Numbers for Prometheus.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// Traces for OpenTelemetry.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// The stored data sets.
    #[serde(default)]
    pub data: DataConfig,
}

fn default_poll_interval_ms() -> u64 {
    1_000
}

/// Jobs that can run at the same time: as many as the sandbox's pool of memory has room for. One more would fail to start.
pub const CONCURRENCY_MAX: usize = RUNS_MAX as usize;

impl Config {
    /// Reads a configuration file, and the environment over it.
    ///
    /// # Errors
    /// [`Error`] with the file or the variable, and the place.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_with(path, &overlay::environment())
    }

    /// The same with a given environment.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn load_with(path: &Path, environment: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut config = overlay::read(path, &read_text(path)?, environment)?;
        let base = path.parent().unwrap_or(Path::new("."));
        for relative in [&mut config.data_dir, &mut config.deployment, &mut config.key_file] {
            *relative = base.join(&*relative);
        }
        for path in &mut config.runtimes {
            *path = base.join(&*path);
        }
        config.public_url = config.public_url.trim_end_matches('/').to_string();
        Ok(config)
    }

    /// What this host gives to one job: never more than the queue's budget of memory can hold.
    #[must_use]
    pub fn ceilings(&self) -> NodeCeilings {
        let NodeConfig { fuel, memory_bytes, output_bytes, output_files, .. } = self.node;
        let budget = self.queue_rules().memory_bytes;
        let memory_bytes =
            if budget == 0 { memory_bytes } else { memory_bytes.min(budget.saturating_sub(output_bytes)) };
        NodeCeilings { fuel, memory_bytes, output_bytes, output_files }
    }

    /// The queue's rules, with this machine's memory where the file names none.
    #[must_use]
    pub fn queue_rules(&self) -> QueueRules {
        let mut rules = self.queue.clone();
        if rules.memory_bytes == 0 {
            rules.memory_bytes = memory_to_use().unwrap_or_default();
        }
        rules
    }

    /// Jobs that run at the same time.
    #[must_use]
    pub fn concurrency(&self) -> usize {
        let wanted = match self.concurrency {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        wanted.min(CONCURRENCY_MAX)
    }

    /// Seconds after its end for which a job is kept; 0 for ever.
    #[must_use]
    pub fn keep_jobs_s(&self) -> u64 {
        self.retention.days.saturating_mul(86_400)
    }

    /// The name of this provider's log: the public URL without its scheme, and `/log`.
    #[must_use]
    pub fn log_origin(&self) -> String {
        let url = &self.public_url;
        format!("{}/log", url.split_once("://").map_or(url.as_str(), |(_, rest)| rest))
    }

    /// How transactions are sent.
    #[must_use]
    pub fn sending(&self) -> Sending {
        Sending {
            confirmations: self.chain.confirmations.max(1),
            bump_after: Duration::from_secs(self.chain.bump_after_s.max(1)),
            fee_max: self.chain.fee_max_gwei.map(|gwei| u128::from(gwei) * 1_000_000_000),
            poll: self.poll_interval(),
        }
    }

    /// The poll interval.
    #[must_use]
    pub fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms.max(10))
    }
}

/// Reads a TOML file strictly.
///
/// # Errors
/// [`Error`] with the file and the place.
pub fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = read_text(path)?;
    toml::from_str(&text).map_err(|e| Error::Content { path: path.to_path_buf(), text: e.to_string() })
}

/// Reads the description of a runtime.
///
/// # Errors
/// [`Error`] with the file and the place.
pub fn read_runtime(path: &Path) -> Result<Runtime, Error> {
    let runtime: Runtime = read_toml(path)?;
    runtime.check().map_err(|e| Error::Content { path: path.to_path_buf(), text: e.to_string() })?;
    Ok(runtime)
}

/// Reads a deployment file.
///
/// # Errors
/// [`Error`] with the file and the place.
pub fn read_deployment(path: &Path) -> Result<Deployment, Error> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|e| Error::Content {
        path: path.to_path_buf(),
        text: format!("{e}; `brizo contracts deploy` writes this file"),
    })
}

/// Environment variable with the password of an encrypted key file.
pub const KEY_PASSWORD: &str = "BRIZO_KEY_PASSWORD";
/// Environment variable with a file whose first line is that password.
pub const KEY_PASSWORD_FILE: &str = "BRIZO_KEY_PASSWORD_FILE";

/// The password of encrypted key files: from the file that [`KEY_PASSWORD_FILE`] names, or [`KEY_PASSWORD`] itself.
///
/// # Errors
/// [`Error`] with the file that cannot be read or that others may read; `None` where neither is set.
pub fn key_password() -> Result<Option<zeroize::Zeroizing<String>>, Error> {
    if let Some(path) = std::env::var_os(KEY_PASSWORD_FILE) {
        let text = read_secret_text(Path::new(&path))?;
        return Ok(Some(text.lines().next().unwrap_or_default().to_string().into()));
    }
    Ok(std::env::var(KEY_PASSWORD).ok().map(Into::into))
}

/// Reads a secret key: 64 hex digits, or a keystore (Web3 Secret Storage) with its password in the environment. The file must be
/// closed to everybody but its owner.
///
/// # Errors
/// [`Error`] with the file; never with its content.
pub fn read_key(path: &Path) -> Result<SecretKey, Error> {
    let content = |text: &str| Error::Content { path: path.to_path_buf(), text: text.into() };
    let text = read_secret_text(path)?;
    if text.trim_start().starts_with('{') {
        let password = key_password()?.ok_or_else(|| {
            content("an encrypted key; set BRIZO_KEY_PASSWORD_FILE to a file with its password, or BRIZO_KEY_PASSWORD")
        })?;
        return open_keystore(path, &password).map_err(|text| content(&text));
    }
    secret_key(&text).map_err(content)
}

/// Environment variable with a secret key of 64 hex digits, as Ocean's command line has it.
pub const PRIVATE_KEY: &str = "PRIVATE_KEY";

/// The key in [`PRIVATE_KEY`]; `None` where it is not set.
///
/// # Errors
/// [`Error::Content`], never with what it holds.
pub fn key_of_environment() -> Result<Option<SecretKey>, Error> {
    let Ok(text) = std::env::var(PRIVATE_KEY).map(zeroize::Zeroizing::new) else { return Ok(None) };
    let content = |text: &str| Error::Content { path: PRIVATE_KEY.into(), text: text.into() };
    secret_key(&text).map(Some).map_err(content)
}

fn secret_key(text: &str) -> Result<SecretKey, &'static str> {
    let mut bytes = zeroize::Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(text.trim().trim_start_matches("0x"), &mut *bytes)
        .map_err(|_| "not a secret key of 64 hex digits")?;
    SecretKey::from_bytes(&bytes).map_err(|_| "not a secp256k1 secret key")
}

/// Reads a file that holds a secret as text. Refuses one that group or others may read.
///
/// # Errors
/// [`Error::Read`], or [`Error::Content`] where others may read it.
pub fn read_secret_text(path: &Path) -> Result<zeroize::Zeroizing<String>, Error> {
    use std::os::unix::fs::PermissionsExt;
    let text = zeroize::Zeroizing::new(read_text(path)?);
    let mode = std::fs::metadata(path)
        .map_err(|source| Error::Read { path: path.to_path_buf(), source })?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        let text = "others may read this secret key; chmod 600 it".into();
        return Err(Error::Content { path: path.to_path_buf(), text });
    }
    Ok(text)
}

fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const GOOD: &str = r#"
data_dir = "state"
listen = "127.0.0.1:8030"
public_url = "http://localhost:8030/"
rpc = "http://localhost:8545"
deployment = "deployment.json"
key_file = "/etc/brizo/key"
"#;

    fn load(text: &str) -> Result<Config, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brizo.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).inspect(|config| {
            assert!(config.data_dir.starts_with(folder.path()), "relative to the file");
        })
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = load(GOOD).unwrap();
        assert_eq!(config.key_file, Path::new("/etc/brizo/key"));
        assert_eq!(config.public_url, "http://localhost:8030");
        assert!(config.concurrency() >= 1 && config.queue_rules().memory_bytes > 0, "of this machine");
        assert_eq!(config.log_origin(), "localhost:8030/log");
    }

    #[test]
    fn no_more_jobs_run_than_the_pool_has_room_for() {
        for (given, taken) in [(1, 1), (64, 64), (65, 64), (usize::MAX, 64)] {
            let config = Config { concurrency: given, ..load(GOOD).unwrap() };
            assert_eq!(config.concurrency(), taken);
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = load(&format!("{GOOD}\npoll_intervall_ms = 5")).unwrap_err().to_string();
        assert!(error.contains("poll_intervall_ms"), "{error}");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "11".repeat(32)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_key(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600") && !error.contains("1111"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read_key(&path).is_ok());
        std::fs::write(&path, "11".repeat(33)).unwrap();
        assert!(!read_key(&path).unwrap_err().to_string().contains("1111"));
    }
}
