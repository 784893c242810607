//! The tables of the configuration, with their defaults. `packaging/brizo.toml` is held equal to them by a test.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sandbox::{
    COMPILE_CPU_SECONDS_DEFAULT, COMPILE_MEMORY_BYTES_DEFAULT, COMPILE_WALL_SECONDS_DEFAULT,
};

/// How the chain is read and written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChainConfig {
    /// Blocks that an event or a transaction must be deep before it counts; 1: in the newest block.
    pub confirmations: u64,
    /// Seconds after which a transaction that is not mined is repeated with a higher fee.
    pub bump_after_s: u64,
    /// The most that is paid for a unit of gas, in gwei; absent: no limit.
    pub fee_max_gwei: Option<u64>,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self { confirmations: 1, bump_after_s: 60, fee_max_gwei: None }
    }
}

/// Where Docker Engine listens unless told otherwise.
pub const CONTAINER_SOCKET_DEFAULT: &str = "/var/run/docker.sock";

/// The engine that runs containers. It is asked only where a runtime is an image.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainersConfig {
    /// Its Unix socket.
    pub socket: PathBuf,
}

impl Default for ContainersConfig {
    fn default() -> Self {
        Self { socket: CONTAINER_SOCKET_DEFAULT.into() }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Days after its end for which a job is kept, with its outputs, history and receipt; 0 for ever.
    pub days: u64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { days: 90 }
    }
}

/// The transparency log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Seconds between two anchors on chain, each of which costs a transaction; 0 for none.
    pub anchor_every_s: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { anchor_every_s: 86_400 }
    }
}

/// What this host gives to one job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Fuel.
    pub fuel: u64,
    /// Linear memory in bytes.
    pub memory_bytes: u64,
    /// Output bytes.
    pub output_bytes: u64,
    /// Output files and folders.
    pub output_files: u64,
    /// Processor seconds for compiling a module, all threads together.
    pub compile_cpu_seconds: u64,
    /// Memory for compiling a module, in bytes; not part of the memory of the job.
    pub compile_memory_bytes: u64,
    /// Seconds by the clock for compiling a module, after which the child is killed.
    pub compile_wall_seconds: u64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            fuel: 1_000_000_000_000,
            memory_bytes: 4 << 30,
            output_bytes: 256 << 20,
            output_files: 10_000,
            compile_cpu_seconds: COMPILE_CPU_SECONDS_DEFAULT,
            compile_memory_bytes: COMPILE_MEMORY_BYTES_DEFAULT,
            compile_wall_seconds: COMPILE_WALL_SECONDS_DEFAULT,
        }
    }
}

/// When this provider calls itself ready, and when it takes no more work.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// Free bytes below which nothing new is taken in and no job is begun; what was begun may use them.
    pub disk_free_min_bytes: u64,
    /// Age of the chain's newest block, in seconds, beyond which the node counts as behind; 0 for any age.
    pub chain_age_max_s: u64,
    /// Blocks that may wait to be read by the listener; 0 for any number.
    pub chain_unread_max: u64,
    /// Failed tries after which a transaction that is owed to the chain counts as stuck; 0 for any number. Those that the
    /// contracts refuse are not counted.
    pub owed_tries_max: u32,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            disk_free_min_bytes: 256 << 20,
            chain_age_max_s: 600,
            chain_unread_max: 1_000,
            // 1 + 2 + 4 + 8 + 16 + 30 + 30 + 30 seconds: two minutes.
            owed_tries_max: 8,
        }
    }
}

/// Numbers for Prometheus.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Address on which `GET /metrics` is served, apart from the public one; without it there is none.
    pub listen: Option<SocketAddr>,
}

/// The stored data sets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Share of the reads of a data set's file at which every byte is verified, from 0 to 1.
    pub verify_rate: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { verify_rate: 1.0 }
    }
}

/// Traces for OpenTelemetry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Base URL of a collector that takes OTLP over HTTP; absent: the usual variables of OpenTelemetry say so, or nobody
    /// collects.
    pub endpoint: Option<String>,
    /// What this provider is called there.
    pub service_name: Option<String>,
    /// Share of the traces that is kept, from 0 to 1.
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { endpoint: None, service_name: None, sample_ratio: 1.0 }
    }
}
