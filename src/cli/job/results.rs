//! Fetching: outputs, receipt, and the consumer's own verification of both.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use brizo_receipt::{B256, Expectation, OutputEntry, Receipt, check_signatures, check_structure};
use serde_json::{Value, json};

use super::file::Saved;
use super::follow::step;
use super::prepare::Session;
use crate::chain::{PAID_RUN, Settlement};
use crate::cli::Exit;
use crate::cli::format::{Format, write};
use crate::cli::spec::write_outputs;

/// Fetches everything of an ended job and verifies it before it says so.
pub(super) async fn fetch(
    session: &Session,
    saved: &Saved,
    status: &Value,
    (format, known): (Format, &Expectation),
) -> Result<Exit> {
    let state = status["state"].as_str().unwrap_or_default();
    if state == "aborted" {
        bail!(
            "the provider could not run the job ({}): {}; nothing is charged, take the refund after the deadline: brizo job refund",
            status["end"].as_str().unwrap_or_default(),
            status["problem"].as_str().unwrap_or_default()
        );
    }
    step("fetch", "receipt and outputs");
    let base = format!("/api/v1/jobs/{}", saved.job_id());
    let bytes = session.client.get(&format!("{base}/receipt")).await?;
    let receipt = Receipt::parse(&bytes)?;
    let files = download(session, &base, &receipt).await?;
    let committed = session.chain.committed(saved.service_agreement_id, PAID_RUN).await?;
    if committed.is_none() && state == "settled" {
        bail!("the provider says that the job is settled, but the chain has no receipt hash for it");
    }
    let expected = Expectation {
        claim_hash: committed.as_ref().map(|event| event.receipt_hash),
        agreement_id: Some(saved.service_agreement_id.0),
        provider: Some(session.offer.publisher),
        consumer: Some(session.key.address()),
        domain: Some(session.chain.deployment().domain()),
        ..known.clone()
    };
    verify(session, &receipt, &expected, &files)?;
    let chain = if committed.is_some() { "chain" } else { "NOT yet on chain" };
    step("verified", &format!("structure, signatures, {chain} and opening"));
    keep(session, &bytes, &files)?;
    let settlement = session.chain.settlement(saved.service_agreement_id).await?.unwrap_or_default();
    report(session, saved, status, &receipt, committed.map(|event| event.receipt_hash), settlement, format)
}

async fn download(session: &Session, base: &str, receipt: &Receipt) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in receipt.shown_files() {
        let bytes = session.client.get(&format!("{base}/outputs/{}", encode(&entry.path))).await?;
        files.insert(entry.path.clone(), bytes);
    }
    Ok(files)
}

/// Keeps what was verified. What an earlier fetch left is replaced only now.
fn keep(session: &Session, receipt: &[u8], files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let folder = session.file.outputs_folder();
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    }
    write_outputs(&folder, files, &[])?;
    write(&session.file.receipt_file(), receipt)
}

/// Percent-encodes a path for a URL, leaving slashes.
fn encode(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The consumer trusts the provider no further than the auditor does.
fn verify(
    session: &Session,
    receipt: &Receipt,
    expected: &Expectation,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<()> {
    check_structure(receipt, expected)?;
    check_signatures(receipt, expected)?;
    if let Some(key) = &session.offer.log_key {
        // A receipt that was fetched a moment after the commit may carry no proof yet.
        receipt.check_log(key)?;
    }
    receipt.check_invocation(&Saved::run_key(&session.file)?)?;
    receipt.check_delivered(files, None)?;
    Ok(())
}

fn report(
    session: &Session,
    saved: &Saved,
    status: &Value,
    receipt: &Receipt,
    on_chain: Option<B256>,
    settlement: Settlement,
    format: Format,
) -> Result<Exit> {
    let outcome = &receipt.claim.outcome;
    let outputs: Vec<Value> = receipt
        .opening
        .outputs
        .iter()
        .filter_map(OutputEntry::entry)
        .map(|entry| json!({ "path": entry.path, "kind": entry.kind, "size": entry.size.to_string() }))
        .collect();
    let withheld = receipt.withheld_leaves().count();
    let document = json!({
        "jobId": saved.job_id(),
        "state": status["state"],
        "end": status["end"],
        "receiptHash": receipt.claim_hash,
        "onChainHash": on_chain,
        "fuelUsed": outcome.fuel_used.to_string(),
        "paid": settlement.paid.to_string(),
        "refunded": settlement.refunded.to_string(),
        "outputFolder": session.file.outputs_folder(),
        "outputs": outputs,
        "withheld": withheld,
        "receiptFile": session.file.receipt_file(),
        "runKeyFile": session.file.run_key_file(),
    });
    format.print(&document, || {
        let line = |output: &Value| {
            let part = |name: &str| output[name].as_str().unwrap_or_default().to_string();
            format!("  {:<24} {} bytes\n", part("path"), part("size"))
        };
        let kept = match withheld {
            0 => String::new(),
            some => format!("  and {some} withheld by the data owner\n"),
        };
        let receipt_file = session.file.receipt_file();
        format!(
            "job        {}\nend        {}\nreceipt    {}\non chain   {}\nfuel       {}\npaid       {}\nrefunded   {}\noutputs    in {}\n{}{kept}\n\
             next: brizo verify {} --rpc {} --deployment {} --run-key {} --outputs {}\n      brizo job logs {}\n      an auditor with module, data and keys: brizo replay",
            saved.job_id(),
            outcome.text(),
            receipt.claim_hash,
            on_chain.map_or("not yet".into(), |hash| hash.to_string()),
            outcome.fuel_used,
            settlement.paid,
            settlement.refunded,
            session.file.outputs_folder().display(),
            outputs.iter().map(line).collect::<String>(),
            receipt_file.display(),
            session.file.rpc,
            session.file.deployment.display(),
            session.file.run_key_file().display(),
            session.file.outputs_folder().display(),
            session.file.path.display(),
        )
    })?;
    Ok(if outcome.text() == "exit 0" { Exit::OK } else { Exit::JOB_FAILED })
}
