//! What can go wrong with a container before and beside the guest's own doing.

use brizo_receipt::B256;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The host's: trying again, or mending the host, may help. No claim, no charge.
    Host,
    /// The image's, or of the command that it was started with.
    Algorithm,
}

/// Why a container could not be run to an ending.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers at the socket.
    #[error("no container engine answers at {socket}: {why}")]
    Unreachable {
        /// Path of the socket.
        socket: String,
        /// What the system says.
        why: String,
    },
    /// The engine speaks an API that is too old.
    #[error("the container engine speaks API {found}, at least {needed} is needed")]
    TooOld {
        /// What it speaks.
        found: String,
        /// What is needed.
        needed: &'static str,
    },
    /// The engine cannot enforce a limit, so nothing is run on it.
    #[error("the container engine cannot enforce {0}")]
    Lacks(String),
    /// The image is not on the engine, and cannot be had.
    #[error("image sha256:{} is not on the container engine: {why}", hex::encode(digest))]
    ImageMissing {
        /// Its digest.
        digest: B256,
        /// Why it could not be pulled.
        why: String,
    },
    /// The image is there and may not run.
    #[error("image sha256:{} may not run: {why}", hex::encode(digest))]
    ImageRefused {
        /// Its digest.
        digest: B256,
        /// Which rule it breaks.
        why: String,
    },
    /// Less memory is ordered than a container can have.
    #[error("{ordered} bytes of memory are ordered, a container takes at least {least}")]
    TooLittleMemory {
        /// What is ordered.
        ordered: u64,
        /// What is needed.
        least: u64,
    },
    /// The command cannot be started in the image.
    #[error("the command cannot be started: {0}")]
    Start(String),
    /// The engine failed, or went away, while it was needed.
    #[error("the container engine failed: {0}")]
    Engine(String),
}

impl Error {
    /// Stable machine-readable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "container_engine_unreachable",
            Self::TooOld { .. } => "container_engine_too_old",
            Self::Lacks(_) => "container_engine_lacks_limits",
            Self::ImageMissing { .. } => "container_image_missing",
            Self::ImageRefused { .. } => "container_image_refused",
            Self::TooLittleMemory { .. } => "container_memory_too_small",
            Self::Start(_) => "container_start_refused",
            Self::Engine(_) => "container_engine_failed",
        }
    }

    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "install and start Docker Engine (Debian: apt-get install docker.io) or Podman's socket, name the socket under [containers] in brizo.toml (BRIZO_CONTAINER_SOCKET for local runs), and let this user read and write it"
            }
            Self::TooOld { .. } => "install Docker Engine 20.10 or later",
            Self::Lacks(_) => {
                "turn the controllers on (kernel options cgroup_enable=memory swapaccount=1, or cgroup v2), keep the engine's default seccomp profile, and restart the engine"
            }
            Self::ImageMissing { .. } => {
                "load the image (docker load, docker import), or give the policy a `pull` reference with @sha256:"
            }
            Self::ImageRefused { .. } => {
                "build the image without VOLUME, for Linux and this machine's processor"
            }
            Self::TooLittleMemory { .. } => "order more memory",
            Self::Start(_) => {
                "see that the program is in the image under this path, and may be executed by anyone"
            }
            Self::Engine(_) => "look at the engine's log (journalctl -u docker), and run the job again",
        }
    }

    /// Whether there is no engine that could run any job, which is none of this one's doing.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TooOld { .. } | Self::Lacks(_))
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::ImageRefused { .. } | Self::TooLittleMemory { .. } | Self::Start(_) => Fault::Algorithm,
            _ => Fault::Host,
        }
    }
}

impl From<bollard::errors::Error> for Error {
    fn from(error: bollard::errors::Error) -> Self {
        Self::Engine(error.to_string())
    }
}
