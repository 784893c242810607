//! `brizo agreement`: agreements as the chain shows them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::Exit;
use super::format::Format;
use crate::chain::{Chain, Overview};
use crate::clock::time_text;
use crate::config::read_deployment;
use crate::ids::AgreementId;

/// Look at agreements on chain. Needs no provider and no key.
#[derive(Debug, Subcommand)]
pub(super) enum Agreement {
    /// Print the state of an agreement, its deadlines, and what comes next.
    Show {
        /// The serviceAgreementId.
        id: AgreementId,
        /// URL of an Ethereum node, or several with commas between them.
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

impl Agreement {
    pub(super) async fn run(self) -> Result<Exit> {
        let Self::Show { id, rpc, deployment, format } = self;
        let chain = Chain::connect(&rpc, read_deployment(&deployment)?, None)?;
        chain.check().await?;
        let found = chain.overview(id).await?;
        let found = found.with_context(|| format!("there is no agreement {id} in this deployment"))?;
        let document = document(id, &found);
        format.print(&document, || table(id, &found))?;
        Ok(Exit::OK)
    }
}

fn document(id: AgreementId, found: &Overview) -> Value {
    let agreement = &found.agreement;
    let conditions = found.conditions.iter().map(|(name, done)| json!({ "name": name, "fulfilled": done }));
    json!({
        "serviceAgreementId": id,
        "state": found.state(),
        "templateId": agreement.template.map(|template| template.id()),
        "did": agreement.did,
        "publisher": agreement.publisher,
        "consumer": agreement.consumer,
        "lockDeadline": agreement.lock_deadline_s,
        "grantDeadline": agreement.grant_deadline_s,
        "releaseDeadline": agreement.release_deadline_s,
        "chainTime": found.now_s,
        "conditions": conditions.collect::<Vec<_>>(),
        "aborted": found.aborted,
        "locked": found.locked.to_string(),
        "paid": found.settlement.paid.to_string(),
        "refunded": found.settlement.refunded.to_string(),
        "receiptHash": (!found.receipt_hash.is_zero()).then_some(found.receipt_hash),
        "next": found.next(),
    })
}

fn table(id: AgreementId, found: &Overview) -> String {
    let agreement = &found.agreement;
    let template =
        agreement.template.map_or("unknown".into(), |template| format!("{template:?}").to_lowercase());
    let deadline = |at: u64| match at.checked_sub(found.now_s) {
        Some(left) if left > 0 => format!("{}  in {left} s", time_text(at)),
        _ => format!("{}  passed", time_text(at)),
    };
    let mut text = format!(
        "agreement   {id}\nstate       {}\ntemplate    {template}\ndata set    {}\npublisher   {}\nconsumer    {}\n\
         lock by     {}\ngrant by    {}\nrelease by  {}\n",
        found.state(),
        agreement.did,
        agreement.publisher,
        agreement.consumer,
        deadline(agreement.lock_deadline_s),
        deadline(agreement.grant_deadline_s),
        deadline(agreement.release_deadline_s),
    );
    for (name, done) in &found.conditions {
        text += &format!("{}{name}\n", if *done { "done        " } else { "open        " });
    }
    text += &format!("in escrow   {}\n", found.locked);
    if !found.receipt_hash.is_zero() {
        text += &format!(
            "receipt     {}\npaid        {}\nrefunded    {}\n",
            found.receipt_hash, found.settlement.paid, found.settlement.refunded
        );
    }
    for sentence in found.next() {
        text += &format!("next: {sentence}\n");
    }
    text
}
