//! The engine: where it is, what it is, and what it lacks. It is asked anew for every run, because it may have been
//! exchanged or restarted since.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bollard::models::{SystemInfo, SystemVersion};
use bollard::{API_DEFAULT_VERSION, Docker};

use super::Error;

/// Oldest API that has what is needed: Docker Engine 20.10.
const API_MIN: (u64, u64) = (1, 41);
const API_MIN_TEXT: &str = "1.41 (Docker Engine 20.10)";
/// Seconds that one answer may take. An engine that is silent for longer has failed.
pub(super) const ANSWER_S: u64 = 120;

/// To whom containers and volumes belong, so that nobody sweeps another's away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A provider, by a name that no other provider on this engine has. Only one of its processes runs at a time.
    Provider(String),
    /// A process that runs something once.
    Process(u32),
}

impl Owner {
    /// The value of the label.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Provider(name) => format!("provider-{name}"),
            Self::Process(id) => format!("process-{id}"),
        }
    }
}

/// Runs containers on one engine. Cheap to clone; opens nothing until it is used.
#[derive(Debug, Clone)]
pub struct Containers {
    socket: PathBuf,
    pub(super) owner: Owner,
    /// Runs under way in this process; everything else of this owner is left over.
    active: Arc<Mutex<BTreeSet<String>>>,
}

/// What an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Name and version, `docker 20.10.24`.
    pub engine: String,
    /// Its storage driver.
    pub storage: String,
    /// Its processor, as images name it.
    pub architecture: String,
}

impl Facts {
    /// One line for a receipt's run info: engine, storage, and by what the quota on outputs is held.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} ({}), outputs on tmpfs", self.engine, self.storage)
    }
}

/// A connection, and what is at its other end.
pub(super) struct Connected {
    pub(super) docker: Docker,
    pub(super) facts: Facts,
}

impl Containers {
    /// Containers over the engine at this socket.
    #[must_use]
    pub fn new(socket: &Path, owner: Owner) -> Self {
        Self { socket: socket.to_path_buf(), owner, active: Arc::default() }
    }

    /// What the engine is, if it can be used.
    ///
    /// # Errors
    /// [`Error`] with what is missing and how to mend it.
    pub async fn facts(&self) -> Result<Facts, Error> {
        Ok(self.connect().await?.facts)
    }

    pub(super) fn active(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // A set of names is whole after every change.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects, and refuses an engine that could not hold a guest.
    pub(super) async fn connect(&self) -> Result<Connected, Error> {
        let unreachable = |why: String| Error::Unreachable { socket: self.socket.display().to_string(), why };
        let path = self.socket.display().to_string();
        let docker = Docker::connect_with_unix(&path, ANSWER_S, API_DEFAULT_VERSION)
            .map_err(|error| unreachable(error.to_string()))?;
        let docker = docker.negotiate_version().await.map_err(|error| unreachable(error.to_string()))?;
        let version = docker.version().await?;
        check_version(&version)?;
        let info = docker.info().await?;
        check_limits(&info)?;
        let facts = facts(&version, &info);
        Ok(Connected { docker, facts })
    }
}

fn facts(version: &SystemVersion, info: &SystemInfo) -> Facts {
    let unknown = || "unknown".to_string();
    let podman = version.components.iter().flatten().any(|part| part.name.contains("Podman"));
    let name = if podman { "podman" } else { "docker" };
    Facts {
        engine: format!("{name} {}", version.version.clone().unwrap_or_else(unknown)),
        storage: info.driver.clone().unwrap_or_else(unknown),
        architecture: version.arch.clone().unwrap_or_else(unknown),
    }
}

fn check_version(version: &SystemVersion) -> Result<(), Error> {
    let found = version.api_version.clone().unwrap_or_default();
    let number = |text: &str| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    match number(&found) {
        Some(number) if number >= API_MIN => Ok(()),
        _ => Err(Error::TooOld { found, needed: API_MIN_TEXT }),
    }
}

/// Every limit is one that the engine says it can hold; a limit that it would pass over in silence is none.
fn check_limits(info: &SystemInfo) -> Result<(), Error> {
    let options = info.security_options.iter().flatten();
    let mut filters = options.filter(|option| option.starts_with("name=seccomp"));
    let filtered = filters.any(|option| !option.contains("unconfined"));
    let needed = [
        ("Linux containers", info.os_type.as_deref() == Some("linux")),
        ("a limit of memory", info.memory_limit == Some(true)),
        ("a limit of swap", info.swap_limit == Some(true)),
        ("a limit of processor time", info.cpu_cfs_quota == Some(true)),
        ("a limit of processes", info.pids_limit == Some(true)),
        ("a filter of system calls", filtered),
    ];
    let lacking: Vec<_> = needed.iter().filter(|(_, held)| !held).map(|(what, _)| *what).collect();
    if lacking.is_empty() { Ok(()) } else { Err(Error::Lacks(lacking.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> SystemInfo {
        SystemInfo {
            os_type: Some("linux".into()),
            memory_limit: Some(true),
            swap_limit: Some(true),
            cpu_cfs_quota: Some(true),
            pids_limit: Some(true),
            security_options: Some(vec!["name=seccomp,profile=default".into()]),
            ..SystemInfo::default()
        }
    }

    #[test]
    fn an_engine_that_cannot_hold_a_guest_is_refused() {
        assert!(check_limits(&good()).is_ok());
        let without = |change: fn(&mut SystemInfo)| {
            let mut info = good();
            change(&mut info);
            check_limits(&info).unwrap_err().to_string()
        };
        assert!(without(|info| info.os_type = Some("windows".into())).contains("Linux"));
        assert!(without(|info| info.memory_limit = None).contains("of memory"));
        assert!(without(|info| info.swap_limit = Some(false)).contains("of swap"));
        assert!(without(|info| info.cpu_cfs_quota = Some(false)).contains("processor"));
        assert!(without(|info| info.pids_limit = None).contains("processes"));
        assert!(without(|info| info.security_options = None).contains("filter"));
        let open = || Some(vec!["name=seccomp,profile=unconfined".to_string()]);
        assert!(without(|info| info.security_options = Some(vec!["name=userns".into()])).contains("filter"));
        let mut info = good();
        info.security_options = open();
        assert_eq!(check_limits(&info).unwrap_err().code(), "container_engine_lacks_limits");
    }

    #[test]
    fn an_old_engine_is_refused() {
        let version =
            |text: &str| SystemVersion { api_version: Some(text.into()), ..SystemVersion::default() };
        assert!(check_version(&version("1.41")).is_ok());
        assert!(check_version(&version("1.100")).is_ok());
        for old in ["1.40", "1.9", "", "x"] {
            let error = check_version(&version(old)).unwrap_err();
            assert_eq!(error.code(), "container_engine_too_old", "{old}");
            assert!(error.hint().contains("20.10"));
        }
    }
}
