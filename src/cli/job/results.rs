//! Fetching: outputs, receipt, and the consumer's own verification of both.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use brizo_receipt::{
    B256, Entry, Expectation, JobSpec, OutputEntry, Receipt, check_signatures, check_structure,
};
use serde_json::{Value, json};

use super::file::Saved;
use super::prepare::Session;
use crate::chain::{PAID_RUN, Settlement};
use crate::cli::Exit;
use crate::cli::format::{Format, write};
use crate::client::Wanted;

/// Fetches everything of an ended job and verifies it before it says so: with `ordered`, also that it is what was to be run.
pub(super) async fn fetch(
    session: &Session,
    saved: &Saved,
    status: &Value,
    ordered: Option<&JobSpec>,
    (format, known): (Format, &Expectation),
) -> Result<Exit> {
    let state = status["state"].as_str().unwrap_or_default();
    if state == "aborted" {
        let (end, problem) = (status["end"].as_str(), status["problem"].as_str().unwrap_or_default());
        let what = match end.unwrap_or_default() {
            "stopped" => "the job was stopped".to_owned(),
            "algorithm_failed" => "the algorithm cannot be run (algorithm_failed)".to_owned(),
            end => format!("the provider could not run the job ({end})"),
        };
        let agreement = session.chain.agreement(saved.service_agreement_id).await?;
        let sum = match agreement.is_some_and(|agreement| agreement.terminated) {
            true => "the payment was taken back",
            false => "nothing is charged, take the refund after the deadline: brizo job refund",
        };
        bail!("{what}: {problem}; {sum}");
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
    ordered.map_or(Ok(()), |ordered| check_ordered(ordered, &receipt.claim.spec))?;
    download(session, &base, &receipt).await?;
    let chain = if committed.is_some() { "chain" } else { "NOT yet on chain" };
    session.step("verified", &format!("structure, signatures, {chain} and opening"));
    keep(session, &receipt, &bytes)?;
    let settlement = session.chain.settlement(saved.service_agreement_id).await?.unwrap_or_default();
    report(session, saved, status, &receipt, committed.map(|event| event.receipt_hash), settlement, format)
}

/// Fetches what the receipt names into a folder beside the outputs; each file's length and digest are the receipt's when it is there.
async fn download(session: &Session, base: &str, receipt: &Receipt) -> Result<()> {
    let folder = session.file.part_folder();
    let files = files_of(receipt);
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

/// The files that the receipt names, by path.
fn files_of(receipt: &Receipt) -> BTreeMap<&str, &Entry> {
    receipt.shown_files().map(|entry| (entry.path.as_str(), entry)).collect()
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
fn keep(session: &Session, receipt: &Receipt, bytes: &[u8]) -> Result<()> {
    let (folder, part) = (session.file.outputs_folder(), session.file.part_folder());
    if folder.exists() {
        let files = files_of(receipt);
        if !only(&folder, "", &files)? {
            bail!(
                "{} holds files that are not of this job; move them away (what was fetched is in {})",
                folder.display(),
                part.display()
            );
        }
        fs::remove_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    }
    fs::rename(&part, &folder).with_context(|| format!("{}", folder.display()))?;
    write(&session.file.receipt_file(), bytes)
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

/// One folder, one job: a job file that was changed since its job was ordered must not be taken for what was run.
fn check_ordered(ordered: &JobSpec, ran: &JobSpec) -> Result<()> {
    let [ordered, ran] = [serde_json::to_value(ordered)?, serde_json::to_value(ran)?];
    let fields = ordered.as_object().into_iter().flatten();
    let other: Vec<_> = fields
        .filter(|(name, value)| ran[name.as_str()] != **value)
        .map(|(name, _)| match name.as_str() {
            "invocationRoot" => "arguments or variables",
            "moduleDigest" | "algorithmRoot" => "the algorithm",
            name => name,
        })
        .collect();
    if other.is_empty() {
        return Ok(());
    }
    bail!(
        "the output folder holds a job that was ordered with something else than the job file says ({}), and nothing new was run; \
         name another output for a new job, or fetch that one with `brizo job get`",
        other.join(", ")
    )
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
    let token = session.offer.terms.token;
    let unit = if token.is_zero() { "wei".to_owned() } else { format!("of token {token}") };
    format.print(&document, || {
        let line = |output: &Value| {
            let part = |name: &str| output[name].as_str().unwrap_or_default().to_string();
            let kind = if output["kind"] == "stream" { "  (brizo job logs)" } else { "" };
            format!("  {:<24} {} bytes{kind}\n", part("path"), part("size"))
        };
        let kept = match withheld {
            0 => String::new(),
            some => format!("  and {some} withheld by the data owner\n"),
        };
        let receipt_file = session.file.receipt_file();
        format!(
            "job        {}\nend        {}\nreceipt    {}\non chain   {}\nfuel       {}\npaid       {} {unit}\nrefunded   {} {unit}\noutputs    in {}\n{}{kept}\n\
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_run_is_what_the_job_file_says() {
        let spec: JobSpec = serde_json::from_value(json!({
            "profile": B256::ZERO, "agreementId": B256::ZERO, "runIndex": "0", "moduleDigest": B256::ZERO,
            "algorithmRoot": B256::ZERO, "invocationRoot": B256::ZERO, "inputsRoot": B256::ZERO,
            "randomSeed": B256::ZERO, "clockStart": "0", "clockStep": "1", "fuelLimit": "1", "memoryLimit": "1",
            "stackLimit": "1", "outputLimit": "1", "filesLimit": "1", "blindCommit": B256::ZERO,
        }))
        .unwrap();
        let said = |ran: &JobSpec| check_ordered(&spec, ran).map_err(|error| error.to_string()).err();
        assert_eq!(said(&spec), None);
        let other = JobSpec { invocation_root: B256::repeat_byte(1), fuel_limit: 2, ..spec.clone() };
        let said = said(&other).unwrap();
        assert!(said.contains("(arguments or variables, fuelLimit), and nothing new was run"), "{said}");
    }
}
