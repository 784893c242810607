//! What a guest's container is created with. Every limit and every lock is in this file.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountType, MountVolumeOptions, ResourcesUlimits, VolumeCreateRequest,
};

use crate::sandbox::Order;

use super::Error;
use super::profile::{CPUS, MEMORY_BYTES_MIN, OPEN_FILES_MAX, PROCESSES_MAX, USER};

/// Bytes of a page, in which the kernel counts a memory file system.
pub(super) const PAGE: u64 = 4096;
/// The three volumes, as the guest sees them.
const ALGORITHM: &str = "/data/algorithm";
const INPUTS: &str = "/data/inputs";
pub(super) const OUTPUTS: &str = "/data/outputs";

/// Names of a run's volumes.
#[derive(Debug, Clone)]
pub(super) struct Volumes {
    pub(super) algorithm: String,
    pub(super) inputs: String,
    pub(super) outputs: String,
}

impl Volumes {
    pub(super) fn of(run: &str) -> Self {
        let name = |part: &str| format!("brizo-{run}-{part}");
        Self { algorithm: name("algorithm"), inputs: name("inputs"), outputs: name("outputs") }
    }

    /// The three mounts: as the guest gets them, or all of them open, for filling.
    pub(super) fn mounts(&self, for_guest: bool) -> Vec<Mount> {
        let mount = |name: &str, target: &str, read_only: bool| Mount {
            typ: Some(MountType::VOLUME),
            source: Some(name.into()),
            target: Some(target.into()),
            read_only: Some(read_only),
            // What the image has in this place stays out.
            volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
            ..Mount::default()
        };
        vec![
            mount(&self.algorithm, ALGORITHM, for_guest),
            mount(&self.inputs, INPUTS, for_guest),
            mount(&self.outputs, OUTPUTS, false),
        ]
    }

    /// The requests that make them. The outputs are a memory file system: the kernel refuses what exceeds it.
    pub(super) fn requests(
        &self,
        order: &Order,
        labels: &HashMap<String, String>,
    ) -> [VolumeCreateRequest; 3] {
        let plain = |name: &str| VolumeCreateRequest {
            name: Some(name.into()),
            driver: Some("local".into()),
            labels: Some(labels.clone()),
            ..VolumeCreateRequest::default()
        };
        let size = pages(order.limits.output_bytes) * PAGE;
        // One for the folder itself.
        let inodes = order.limits.output_files.saturating_add(1);
        // Open to everybody, because only the guest can reach it, whatever number its user has outside.
        let options = format!("size={size},nr_inodes={inodes},mode=0777,nosuid,nodev");
        let options = [("type", "tmpfs"), ("device", "tmpfs"), ("o", &options)];
        let options = options.map(|(name, value)| (name.to_string(), value.to_string()));
        let outputs = VolumeCreateRequest { driver_opts: Some(options.into()), ..plain(&self.outputs) };
        [plain(&self.algorithm), plain(&self.inputs), outputs]
    }
}

/// Whole pages; at least one, because none would mean without limit.
pub(super) fn pages(bytes: u64) -> u64 {
    (bytes / PAGE).max(1)
}

/// What every container of ours is denied.
pub(super) fn shut_in() -> HostConfig {
    HostConfig {
        network_mode: Some("none".into()),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges".into()]),
        privileged: Some(false),
        ipc_mode: Some("private".into()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        // Streams are read as they come; kept by the engine they would fill the host's disk.
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        oom_kill_disable: Some(false),
        // Where the host runs out of memory, a guest goes before anybody else.
        oom_score_adj: Some(1000),
        ..HostConfig::default()
    }
}

/// The guest's container.
///
/// # Errors
/// [`Error::TooLittleMemory`], and [`Error::Start`] without a command.
pub(super) fn guest(
    image: String,
    order: &Order,
    volumes: &Volumes,
    labels: HashMap<String, String>,
) -> Result<ContainerCreateBody, Error> {
    let ordered = order.limits.memory_bytes;
    if ordered < MEMORY_BYTES_MIN {
        return Err(Error::TooLittleMemory { ordered, least: MEMORY_BYTES_MIN });
    }
    let Some((program, args)) = order.invocation.args.split_first() else {
        return Err(Error::Start("there is no command".into()));
    };
    let env = order.invocation.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let none = HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() };
    Ok(ContainerCreateBody {
        image: Some(image),
        entrypoint: Some(vec![program.clone()]),
        cmd: Some(args.to_vec()),
        env: Some(env),
        user: Some(USER.into()),
        working_dir: Some(OUTPUTS.into()),
        hostname: Some("brizo".into()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        healthcheck: Some(none),
        labels: Some(labels),
        host_config: Some(limited(order, volumes)),
        ..ContainerCreateBody::default()
    })
}

fn limited(order: &Order, volumes: &Volumes) -> HostConfig {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let outputs = order.limits.output_bytes;
    // Outputs lie in memory and are charged to whoever writes them.
    let memory = signed(order.limits.memory_bytes.saturating_add(pages(outputs) * PAGE));
    let limit = |name: &str, most: i64| ResourcesUlimits {
        name: Some(name.into()),
        soft: Some(most),
        hard: Some(most),
    };
    let temporary = format!("rw,nosuid,nodev,mode=1777,size={}", order.limits.memory_bytes);
    HostConfig {
        mounts: Some(volumes.mounts(true)),
        memory: Some(memory),
        // Memory and swap together: no swap.
        memory_swap: Some(memory),
        nano_cpus: Some(CPUS * 1_000_000_000),
        pids_limit: Some(PROCESSES_MAX),
        ulimits: Some(vec![
            limit("fsize", signed(outputs.max(1))),
            limit("nofile", OPEN_FILES_MAX),
            limit("core", 0),
        ]),
        tmpfs: Some(HashMap::from([("/tmp".to_string(), temporary)])),
        ..shut_in()
    }
}
