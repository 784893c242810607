//! Fetching: outputs, receipt, and the consumer's own verification of both.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use brizo_receipt::{B256, Entry, Expectation, OutputEntry, Receipt, check_signatures, check_structure};
use serde_json::{Value, json};

use super::file::Saved;
use super::prepare::Session;
use crate::chain::{PAID_RUN, Settlement};
use crate::cli::Exit;
use crate::cli::format::{Format, write};
use crate::client::Wanted;

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
    session.step("fetch", "receipt and outputs");
    let base = format!("/api/v1/jobs/{}", saved.job_id());
    let bytes = session.client.get(&format!("{base}/receipt")).await?;
    let receipt = Receipt::parse(&bytes)?;
    let committed = session.chain.committed(saved.service_agreement_id, PAID_RUN).await?;
    if committed.is_none() && state == "settled" {
        bail!("the provider says that the job is settled, but the chain has no receipt hash for it");
    }
    let expected = Expectation {
        claim_hash: committed.as_ref().map(|event| event.receipt_hash),
        agreement_id: Some(saved.service_agreement_id.0),
        run_index: Some(PAID_RUN),
        provider: Some(session.offer.publisher),
        consumer: Some(session.key.address()),
        domain: Some(session.chain.deployment().domain()),
        ..known.clone()
    };
    verify(session, &receipt, &expected)?;
    download(session, &base, &receipt).await?;
    let chain = if committed.is_some() { "chain" } else { "NOT yet on chain" };
    session.step("verified", &format!("structure, signatures, {chain} and opening"));
    keep(session, &bytes)?;
    let settlement = session.chain.settlement(saved.service_agreement_id).await?.unwrap_or_default();
    report(session, saved, status, &receipt, committed.map(|event| event.receipt_hash), settlement, format)
}

/// Fetches what the receipt names into a folder beside the outputs; each file's length and digest are the receipt's when it is there.
async fn download(session: &Session, base: &str, receipt: &Receipt) -> Result<()> {
    let folder = session.file.part_folder();
    let files: BTreeMap<&str, &Entry> =
        receipt.shown_files().map(|entry| (entry.path.as_str(), entry)).collect();
    if folder.exists() && !only(&folder, "", &files)? {
        // Of an earlier job, or of nobody: nothing of it can be gone on with.
        fs::remove_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let bar = session.bar(Some(files.values().map(|entry| entry.size).sum()));
    let mut before = 0;
    for (path, entry) in files {
        // The paths come from a guest or a provider: nothing may lead out of the folder.
        brizo_receipt::check_path(path)?;
        let place = folder.join(path);
        fs::create_dir_all(place.parent().unwrap_or(&folder))?;
        let url_path = format!("{base}/outputs/{}", encode(path));
        let wanted = Wanted { url_path: &url_path, digest: entry.digest, size: entry.size };
        let told = |bytes| bar.set_position(before + bytes);
        let came = session.client.fetch_file(wanted, &place, &told).await;
        came.with_context(|| format!("output {path:?}; the same command goes on with what came so far"))?;
        before += entry.size;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Whether every file below a folder is one of those that are wanted.
fn only(folder: &Path, prefix: &str, files: &BTreeMap<&str, &Entry>) -> Result<bool> {
    for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let (entry, mut path) = (entry?, prefix.to_string());
        path += &entry.file_name().to_string_lossy();
        let known = match entry.file_type()?.is_dir() {
            true => !files.contains_key(path.as_str()) && only(&entry.path(), &format!("{path}/"), files)?,
            false => entry.file_type()?.is_file() && files.contains_key(path.as_str()),
        };
        if !known {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Keeps what was verified. What an earlier fetch left is replaced only now.
fn keep(session: &Session, receipt: &[u8]) -> Result<()> {
    let (folder, part) = (session.file.outputs_folder(), session.file.part_folder());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    }
    fs::rename(&part, &folder).with_context(|| format!("{}", folder.display()))?;
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
fn verify(session: &Session, receipt: &Receipt, expected: &Expectation) -> Result<()> {
    check_structure(receipt, expected)?;
    check_signatures(receipt, expected)?;
    if let Some(key) = &session.offer.log_key {
        // A receipt that was fetched a moment after the commit may carry no proof yet.
        receipt.check_log(key)?;
    }
    receipt.check_invocation(&Saved::run_key(&session.file)?)?;
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
            crate::config::node_argument(&session.file.rpc),
            session.file.deployment.display(),
            session.file.run_key_file().display(),
            session.file.outputs_folder().display(),
            session.file.path.display(),
        )
    })?;
    Ok(if outcome.text() == "exit 0" { Exit::OK } else { Exit::JOB_FAILED })
}
