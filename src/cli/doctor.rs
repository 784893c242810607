//! `brizo doctor`: whether a provider can work here, and how to mend it where not.

mod store;

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::Exit;
use super::findings::report;
use super::format::Format;
use crate::chain::{Chain, Inspected};
use crate::clock::Clock;
use crate::config::{self, Config, Finding, read_deployment, read_key, read_runtime};
use crate::container::{Containers, Owner};
use crate::data::{NoRoom, Room};
use crate::sandbox::{ChildCompiler, Compiler, Control, Engine, Settings, inspect};
use crate::telemetry;

/// Seconds that this clock may be behind the newest block, which nobody makes in the future.
const CLOCK_BEHIND_MAX_S: u64 = 15;

/// The smallest program: `_start` that does nothing, and a memory.
const PROGRAM: &[u8] = &[
    0, b'a', b's', b'm', 1, 0, 0, 0, // header
    1, 4, 1, 0x60, 0, 0, // a type: () -> ()
    3, 2, 1, 0, // a function of it
    5, 3, 1, 0, 1, // a memory of a page
    7, 19, 2, 6, b'm', b'e', b'm', b'o', b'r', b'y', 2, 0, 6, b'_', b's', b't', b'a', b'r', b't', 0,
    0, // both exported
    10, 4, 1, 2, 0, 0x0b, // an empty body
];

/// Look whether a provider can work here: configuration, keys, disk, store, clock, chain, contracts, compiler.
///
/// Each line says ok, warn or fail, and how to mend it. Changes nothing, and can be asked while the provider serves. Ends
/// with 1 where something fails.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Configuration file of the provider.
    #[arg(long, default_value = "brizo.toml")]
    config: PathBuf,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Doctor {
    pub(super) async fn run(self) -> Result<Exit> {
        let (config, mut findings) = config::check(&self.config);
        if let Some(config) = &config {
            findings.extend(folder(config));
            findings.extend(store::looked_at(config));
            findings.extend(chain(config).await);
            findings.extend(containers(config).await);
            findings.extend(collector(config).await);
        }
        findings.push(tokio::task::spawn_blocking(move || compiler(config.as_ref())).await?);
        report(&findings, self.format)
    }
}

/// The folder: who may look into it, whether it can be written, how much room there is, who uses it.
fn folder(config: &Config) -> Vec<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let folder = &config.data_dir;
    let Ok(seen) = fs::metadata(folder) else {
        let text = format!("{} is not there yet", folder.display());
        return vec![Finding::warn("data_dir", text, "`brizo serve` and `brizo publish` make it")];
    };
    let mut findings = Vec::new();
    if seen.permissions().mode() & 0o077 != 0 {
        let text = format!("others may look into {}", folder.display());
        findings.push(Finding::warn("data_dir", text, format!("chmod 700 {}", folder.display())));
    }
    let room = Room::new(folder, config.health.disk_free_min_bytes);
    let free = room.free_bytes().unwrap_or_default();
    findings.push(match room.check_by_writing() {
        Ok(()) if free < room_wanted(config) => Finding::warn(
            "disk",
            format!(
                "{free} bytes are free; {} jobs with the largest output would need more",
                config.concurrency()
            ),
            "make room, or lower node.output_bytes",
        ),
        Ok(()) => Finding::ok("disk", format!("{free} bytes are free, and it can be written")),
        Err(error @ NoRoom::Full { .. }) => {
            Finding::fail("disk", error.to_string(), "make room; jobs go on by themselves then")
        }
        Err(error) => {
            Finding::fail("disk", error.to_string(), "look at the system's log; mount it for writing")
        }
    });
    let lock = folder.join("lock");
    let used = File::open(&lock).is_ok_and(|file| file.try_lock_shared().is_err());
    let text = if used { "a provider serves from this data_dir now" } else { "no provider serves now" };
    findings.push(Finding::ok("process", text));
    if !used && let Err(error) = std::net::TcpListener::bind(config.listen) {
        let text = format!("{} cannot be listened on: {error}", config.listen);
        findings.push(Finding::fail("listen", text, "stop who uses it, or choose another address"));
    }
    findings
}

/// The collector of traces, where one is named. Without it nothing stands still, so it is no failure.
async fn collector(config: &Config) -> Option<Finding> {
    let mend =
        "look at telemetry.endpoint and the variables OTEL_EXPORTER_OTLP_*; it must take OTLP over HTTP";
    match telemetry::try_collector(&config.telemetry).await? {
        Ok(()) => Some(Finding::ok("traces", "the collector takes them")),
        Err(why) => Some(Finding::warn("traces", format!("the collector does not take them: {why}"), mend)),
    }
}

/// The container engine, where a runtime needs one.
async fn containers(config: &Config) -> Option<Finding> {
    let runtimes = config.runtimes.iter().filter_map(|path| read_runtime(path).ok());
    if runtimes.filter(|runtime| runtime.image.is_some()).count() == 0 {
        return None;
    }
    let owner = Owner::Provider("doctor".into());
    Some(match Containers::new(&config.containers.socket, owner).facts().await {
        Ok(facts) => Finding::ok("containers", facts.text()),
        Err(error) => Finding::fail("containers", error.to_string(), error.hint()),
    })
}

/// Room for the outputs of as many jobs as run at once, above the least.
fn room_wanted(config: &Config) -> u64 {
    let outputs = config.node.output_bytes.saturating_mul(config.concurrency() as u64);
    config.health.disk_free_min_bytes.saturating_add(outputs)
}

/// The node, the contracts, the publisher's balance, and this machine's clock against the chain's.
async fn chain(config: &Config) -> Vec<Finding> {
    // What is wrong with these files was said already.
    let (Ok(key), Ok(deployment)) = (read_key(&config.key_file), read_deployment(&config.deployment)) else {
        return Vec::new();
    };
    let chain = match Chain::connect(&config.rpc, deployment, Some(&key)) {
        Ok(chain) => chain,
        Err(error) => return vec![Finding::fail("chain", error.to_string(), "correct rpc")],
    };
    if let Err(error) = chain.check().await {
        let mend = match error {
            crate::chain::Error::Unreachable(_) => {
                "start the node, or correct rpc; nothing is lost meanwhile"
            }
            _ => "rpc and deployment must be of one chain; `brizo contracts show` compares them",
        };
        return vec![Finding::fail("chain", error.to_string(), mend)];
    }
    let id = chain.deployment().chain_id;
    let mut findings = vec![Finding::ok("chain", format!("the node answers, chain {id}"))];
    findings.push(match chain.inspect_deployment().await {
        Ok(inspected) => contracts(&inspected),
        Err(error) => Finding::fail("contracts", error.to_string(), "ask again"),
    });
    findings.push(match chain.own_balance().await {
        Ok(sum) if sum.is_zero() => Finding::fail(
            "balance",
            format!("{} has nothing to pay transactions with", chain.sender()),
            "send it some of the chain's currency",
        ),
        Ok(sum) => Finding::ok("balance", format!("{sum} wei")),
        Err(error) => Finding::fail("balance", error.to_string(), "ask again"),
    });
    findings.push(clock(config, chain.time_s().await));
    findings
}

/// Whether the contracts are those of this release.
fn contracts(inspected: &[Inspected]) -> Finding {
    let wrong = |it: &Inspected| it.problem.as_ref().map(|problem| format!("{}: {problem}", it.contract));
    let wrong: Vec<_> = inspected.iter().filter_map(wrong).collect();
    match wrong.len() {
        0 => Finding::ok("contracts", format!("all {} are what this release was made for", inspected.len())),
        _ => Finding::fail(
            "contracts",
            wrong.join("; "),
            "take the deployment file of this chain, or the release that fits; `brizo contracts show` says more",
        ),
    }
}

/// Deadlines are the chain's; a provider whose clock is behind would run jobs for which it is not paid.
fn clock(config: &Config, block_s: crate::chain::Result<u64>) -> Finding {
    let now_s = Clock::system().now_s();
    let block_s = match block_s {
        Ok(block_s) => block_s,
        Err(error) => return Finding::fail("clock", error.to_string(), "ask again"),
    };
    let (behind_s, age_s) = (block_s.saturating_sub(now_s), now_s.saturating_sub(block_s));
    let oldest_s = config.health.chain_age_max_s;
    if behind_s > CLOCK_BEHIND_MAX_S {
        let text = format!("this clock is {behind_s} s behind the chain's newest block");
        return Finding::fail("clock", text, "set it, and keep it set with NTP");
    }
    if oldest_s > 0 && age_s > oldest_s {
        let text = format!("the newest block is {age_s} s old: the node is behind, or this clock ahead");
        let mend =
            "look at both; on a chain that makes blocks only when asked, set health.chain_age_max_s to 0";
        return Finding::warn("clock", text, mend);
    }
    Finding::ok("clock", format!("the newest block is {age_s} s old by this clock"))
}

/// Whether the child process that compiles works, with the ceilings of the configuration.
fn compiler(config: Option<&Config>) -> Finding {
    let compile = || -> Result<()> {
        let mut child = ChildCompiler::of_this_program()?;
        if let Some(config) = config {
            child.cpu_seconds = config.node.compile_cpu_seconds;
            child.memory_bytes = config.node.compile_memory_bytes;
            child.wall_clock = Duration::from_secs(config.node.compile_wall_seconds);
        }
        let settings = Settings { compiler: Compiler::Child(child), ..Settings::default() };
        let inspection = inspect(PROGRAM, u64::MAX)?;
        Engine::with_settings(settings)?.compile_unless(PROGRAM, &inspection, &Control::default())?;
        Ok(())
    };
    match compile() {
        Ok(()) => Finding::ok("compiler", "a module was compiled in a child process"),
        Err(error) => Finding::fail(
            "compiler",
            format!("{error:#}"),
            "raise node.compile_memory_bytes, and allow this program to start itself",
        ),
    }
}
