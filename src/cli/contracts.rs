//! `brizo contracts`: deployments.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::json;

use super::Exit;
use super::format::{Format, write};
use crate::chain::{Chain, Deployment, deploy};
use crate::config::{read_deployment, read_key};

/// Deploy and look at the contracts.
#[derive(Debug, Subcommand)]
pub(super) enum Contracts {
    /// Deploy all contracts from one account, wire them, approve the compute template, and write where they are.
    Deploy {
        /// URL of an Ethereum node (JSON-RPC over HTTP).
        #[arg(long, env = "RPC")]
        rpc: String,
        /// File with the deployer's secret key, plain or a keystore. The deployer becomes owner of the templates.
        #[arg(long)]
        key_file: PathBuf,
        /// Deployment file to write; must not exist, or be empty.
        #[arg(long)]
        out: PathBuf,
        /// Deploy a worthless ERC-20 as well, for tests.
        #[arg(long)]
        test_token: bool,
    },
    /// Compare a deployment with the contracts of this release (code, wiring, templates) and print it. Exit code 1 if one is
    /// not what it should be.
    Show {
        /// URL of an Ethereum node.
        #[arg(long, env = "RPC")]
        rpc: String,
        /// Deployment file.
        #[arg(long)]
        deployment: PathBuf,
        /// How to print the result.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

impl Contracts {
    pub(super) async fn run(self) -> Result<Exit> {
        match self {
            Self::Deploy { rpc, key_file, out, test_token } => {
                let key = read_key(&key_file)?;
                // Made first: what cannot be written down would be deployed in vain.
                let _held = place_for(&out)?;
                let deployment = deploy(&rpc, &key, test_token).await?;
                let document = serde_json::to_string_pretty(&deployment)? + "\n";
                if let Err(error) = write(&out, &document) {
                    println!("{document}");
                    return Err(error.context("the contracts are deployed; keep what is printed above"));
                }
                let chain = Chain::connect(&rpc, deployment.clone(), None)?;
                println!("deployed on chain {}; addresses are in {}", deployment.chain_id, out.display());
                let wrong: Vec<_> =
                    chain.inspect_deployment().await?.into_iter().filter_map(|found| found.problem).collect();
                if !wrong.is_empty() {
                    bail!("the chain does not show what was deployed: {}", wrong.join("; "));
                }
                println!("verified: code, wiring and templates are this release's");
            }
            Self::Show { rpc, deployment, format } => {
                let deployment = read_deployment(&deployment)?;
                let chain = Chain::connect(&rpc, deployment.clone(), None)?;
                chain.check().await?;
                return show(&chain, &deployment, format).await;
            }
        }
        Ok(Exit::OK)
    }
}

/// The deployment file, still empty and held for this command. One that is empty already is of a command that failed.
fn place_for(out: &Path) -> Result<File> {
    let named = || format!("{}", out.display());
    let opened = File::options().create(true).write(true).truncate(false).open(out);
    let file = opened.with_context(named)?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        bail!("{} is being written by another `brizo contracts deploy`", named());
    }
    let there = file.metadata().with_context(named)?;
    if !there.is_file() || there.len() > 0 {
        bail!("{} exists; move it away first, it says where contracts with money are", named());
    }
    Ok(file)
}

async fn show(chain: &Chain, deployment: &Deployment, format: Format) -> Result<Exit> {
    let found = chain.inspect_deployment().await?;
    let contracts = found
        .iter()
        .map(|one| json!({ "contract": one.contract, "address": one.address, "problem": one.problem }));
    let newest = chain.block_number().await?;
    let document = json!({
        "chainId": deployment.chain_id,
        "block": deployment.block,
        "newestBlock": newest,
        "contracts": contracts.collect::<Vec<_>>(),
    });
    format.print(&document, || {
        let lines = found.iter().map(|one| {
            let problem = one.problem.as_deref().unwrap_or("as in this release");
            format!("{:<20} {}  {problem}\n", one.contract, one.address)
        });
        let lines: String = lines.collect();
        let (chain, block) = (deployment.chain_id, deployment.block);
        format!("chain                {chain}\nblock                {block}, newest {newest}\n{lines}")
    })?;
    Ok(if found.iter().all(|one| one.problem.is_none()) { Exit::OK } else { Exit::FAILED })
}
