//! `brizo policy`: checks a policy before it is used.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;

use super::Exit;
use super::format::read_text;
use crate::money::Terms;
use crate::policy::{Policy as Loaded, Price};

/// Work on policies: who may run what over a data set, and which outputs may leave.
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Load a policy strictly and list its rules and ceilings.
    Check {
        /// Folder with manifest.toml and rules.cedar.
        folder: PathBuf,
    },
}

/// The two texts of a policy folder.
pub(super) fn texts(folder: &Path) -> Result<(String, String)> {
    Ok((read_text(&folder.join("manifest.toml"))?, read_text(&folder.join("rules.cedar"))?))
}

/// Loads a policy folder.
pub(super) fn load(folder: &Path) -> Result<Loaded> {
    let (manifest, rules) = texts(folder)?;
    Loaded::parse(&manifest, &rules).with_context(|| format!("policy {}", folder.display()))
}

/// The price that a policy folder states.
pub(super) fn terms(folder: &Path) -> Result<Terms> {
    Ok(terms_of(&load(folder)?.manifest().price))
}

/// A policy's price as an agreement has it.
pub(super) fn terms_of(price: &Price) -> Terms {
    Terms {
        token: price.token,
        price: price.max,
        base: price.base,
        fuel_price: price.fuel_per_million,
        output_price: price.output_per_million,
    }
}

impl Policy {
    pub(super) fn run(self) -> Result<Exit> {
        let Self::Check { folder } = self;
        let policy = load(&folder)?;
        let manifest = policy.manifest();
        println!("policy {:?}, digest {}", manifest.name, policy.digest());
        println!("{} approved algorithms:", manifest.algorithms.len());
        for algorithm in &manifest.algorithms {
            println!("  {} {:?}", algorithm.digest, algorithm.name);
        }
        if manifest.algorithms.is_empty() && manifest.runtimes.is_empty() && manifest.images.is_empty() {
            println!("  none, so nobody could run anything: add [[algorithms]] to the manifest");
        }
        println!("{} rules:", policy.rules().len());
        for rule in policy.rules() {
            println!("  {:?} {}: {}", rule.effect, rule.id, rule.reason);
        }
        let ceilings = &manifest.ceilings;
        println!(
            "ceilings: fuel {}, memory {} bytes, {} bytes in {} output files, {} s by the clock, algorithm of {} bytes",
            ceilings.fuel,
            ceilings.memory_bytes,
            ceilings.output_bytes,
            ceilings.output_files,
            ceilings.wall_clock_s,
            ceilings.algorithm_bytes
        );
        Ok(Exit::OK)
    }
}
