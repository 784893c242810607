//! `brizo contracts`: deployments.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

use super::Exit;
use super::format::{Format, write};
use crate::chain::{Chain, deploy};
use crate::config::{read_deployment, read_key};

/// Deploy and look at the contracts.
#[derive(Debug, Subcommand)]
pub(super) enum Contracts {
    /// Deploy all contracts from one account, wire them, approve the compute template, and write where they are.
    Deploy {
        /// URL of an Ethereum node (JSON-RPC over HTTP).
        #[arg(long, env = "RPC")]
        rpc: String,
        /// File with the deployer's secret key. The deployer becomes owner of the templates.
        #[arg(long)]
        key_file: PathBuf,
        /// Deployment file to write; must not exist.
        #[arg(long)]
        out: PathBuf,
        /// Deploy a worthless ERC-20 as well, for tests.
        #[arg(long)]
        test_token: bool,
    },
    /// Check a deployment file against the chain and print it.
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
                if out.exists() {
                    bail!(
                        "{} exists; move it away first, it says where contracts with money are",
                        out.display()
                    );
                }
                let key = read_key(&key_file)?;
                let deployment = deploy(&rpc, &key, test_token).await?;
                write(&out, serde_json::to_string_pretty(&deployment)? + "\n")?;
                println!("deployed on chain {}; addresses are in {}", deployment.chain_id, out.display());
            }
            Self::Show { rpc, deployment, format } => {
                let deployment = read_deployment(&deployment)?;
                let chain = Chain::connect(&rpc, deployment.clone(), None)?;
                chain.check().await?;
                let mut document = serde_json::to_value(&deployment)?;
                document["newestBlock"] = json!(chain.block_number().await?);
                format.print(&document, || {
                    let lines = document.as_object().into_iter().flatten();
                    lines
                        .map(|(key, value)| format!("{key:<20} {}\n", value.to_string().trim_matches('"')))
                        .collect()
                })?;
            }
        }
        Ok(Exit::OK)
    }
}
