//! Looking: what a run would cost, the caller's jobs, a job's history; and stopping one.

use anyhow::{Result, bail};
use brizo_receipt::verifier::harmless;
use serde_json::{Value, json};

use super::file::Saved;
use super::follow::of_job;
use super::prepare::Session;
use crate::cli::Exit;
use crate::cli::format::{Format, print_text};
use crate::clock::time_text;

/// Jobs that are asked for at a time, and how often: a provider that never comes to an end must not fill the memory.
const PAGE: usize = 100;
const PAGES_MAX: usize = 1_000;

/// Prints what the data set asks and what the job file orders of it, before anything is signed or paid.
pub(super) async fn describe(session: &Session, format: Format) -> Result<Exit> {
    let (offer, limits) = (&session.offer, &session.file.limits);
    let terms = &offer.terms;
    let algorithm = session.algorithm().await?;
    let at_most = terms.due(limits.fuel, limits.output_bytes);
    let checked = match session.check_order().await {
        // What was ordered before is paid, or goes on with what it is being paid with.
        Ok(()) if !Saved::exists(&session.file) => session.check_balance().await,
        refused => refused,
    };
    let problem = checked.err().map(|error| format!("{error:#}"));
    let document = json!({
        "did": session.file.did,
        "publisher": offer.publisher,
        "token": terms.token,
        "locks": terms.price.to_string(),
        "base": terms.base.to_string(),
        "perMillionFuel": terms.fuel_price.to_string(),
        "perMillionOutputBytes": terms.output_price.to_string(),
        "costsAtMost": at_most.to_string(),
        "refundAfter": { "withoutAccess": offer.grant_timeout_s, "withAccess": offer.release_timeout_s },
        "profile": algorithm.profile,
        "ordered": {
            "fuel": limits.fuel, "memoryBytes": limits.memory_bytes,
            "outputBytes": limits.output_bytes, "outputFiles": limits.output_files,
        },
        "ceilings": offer.ceilings,
        "problem": problem,
    });
    format.print(&document, || {
        let next = match &problem {
            None => format!("next: brizo job run {}", session.file.path.display()),
            Some(problem) => format!("refused: {problem}"),
        };
        let token = if terms.token.is_zero() { "wei".into() } else { format!("of token {}", terms.token) };
        format!(
            "data set    {}\npublisher   {}\nlocks       {} {token}\ncosts       {} + {} per million fuel + {} per million bytes; \
             with these limits at most {at_most}, the rest comes back\nrefund      after {} s without access, {} s later with it\n\
             fuel        {} of at most {}\nmemory      {} of at most {} bytes\noutputs     {} of at most {} bytes\n{next}",
            session.file.did,
            offer.publisher,
            terms.price,
            terms.base,
            terms.fuel_price,
            terms.output_price,
            offer.grant_timeout_s,
            offer.release_timeout_s,
            limits.fuel,
            offer.ceilings.fuel,
            limits.memory_bytes,
            offer.ceilings.memory_bytes,
            limits.output_bytes,
            offer.ceilings.output_bytes,
        )
    })?;
    Ok(if problem.is_none() { Exit::OK } else { Exit::REFUSED })
}

/// Prints all jobs at the job file's provider that are the caller's or name the caller, the newest first.
pub(super) async fn list(session: &Session, format: Format) -> Result<Exit> {
    let (mut jobs, mut next) = (Vec::new(), Some(String::new()));
    for _ in 0..PAGES_MAX {
        let Some(token) = next.take() else { break };
        let page = session.client.get_json(&format!("/api/v1/jobs?limit={PAGE}{token}")).await?;
        let some = page["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
        if some.len() > PAGE || (some.is_empty() && !page["nextToken"].is_null()) {
            bail!(
                "the provider's list of jobs has a page of {} where at most {PAGE} were asked for",
                some.len()
            );
        }
        jobs.extend_from_slice(some);
        next = page["nextToken"].as_str().map(|token| format!("&next_token={token}"));
    }
    if next.is_some() {
        eprintln!("the provider has more jobs; these are the newest {}", jobs.len());
    }
    format.print(&json!({ "jobs": jobs }), || {
        if jobs.is_empty() {
            let (who, file) = (session.key.address(), session.file.path.display());
            return format!("no jobs of {who} at this provider; next: brizo job run {file}");
        }
        let line = |job: &Value| {
            let text = |key: &str| job[key].as_str().unwrap_or("-").to_string();
            format!("{}  {:<10} {:<14} {}\n", text("jobId"), text("state"), text("end"), text("paid"))
        };
        let rows: String = jobs.iter().map(line).collect();
        format!("{:<66}  {:<10} {:<14} paid\n{rows}", "job", "state", "end")
    })?;
    Ok(Exit::OK)
}

/// Prints what happened to the job, a line for each step.
pub(super) async fn history(session: &Session, saved: &Saved, format: Format) -> Result<Exit> {
    let asked = session.client.get_json(&format!("/api/v1/jobs/{}/history", saved.job_id())).await;
    let history = asked.map_err(|error| of_job(session, error))?;
    format.print(&history, || {
        let lines = history["history"].as_array().into_iter().flatten();
        lines
            .map(|line| {
                let at_s = line["at_s"].as_u64().unwrap_or_default();
                format!("{}  {}\n", time_text(at_s), line["text"].as_str().unwrap_or_default())
            })
            .collect()
    })?;
    Ok(Exit::OK)
}

/// Ends the job where it has no claim yet.
pub(super) async fn stop(session: &Session, saved: &Saved) -> Result<Exit> {
    let path = format!("/api/v1/jobs/{}/stop", saved.job_id());
    let asked = session.client.post(&path, "application/json", b"{}".to_vec()).await;
    let status = asked.map_err(|error| of_job(session, error))?;
    let text = status["end"].as_str().or(status["statusText"].as_str()).unwrap_or("stopped");
    print_text(&format!(
        "{}\nnext: brizo job status {}; what was locked comes back with brizo job refund, after the deadline\n",
        harmless(text),
        session.file.path.display()
    ))?;
    Ok(Exit::OK)
}
