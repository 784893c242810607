//! Agreeing, uploading, locking, ordering, taking back. Each step can be repeated after an interruption.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use brizo_receipt::{
    AlgorithmUpload, B256, JobSpec, blind_commit, content_digest, invocation_manifest, keccak256,
};
use serde_json::{Value, json};

use super::algorithm::Algorithm;
use super::file::{Held, JobFile, Saved};
use super::prepare::Session;
use crate::chain::{Chain, Error as ChainError, NewAgreement};
use crate::cli::Exit;
use crate::cli::format::{random, write_secret};
use crate::cli::run::{CLOCK_START, CLOCK_STEP};
use crate::client::{Error as ClientError, PIECE_BYTES};
use crate::config::read_deployment;
use crate::ids::AgreementId;
use crate::job::{self, SERVICE_DEFINITION_ID};

const SERVICES: &str = "/api/v1/brizo/services/computing";
/// How long an order is repeated while the payment and the provider's authorisation become final, and the pauses between, which
/// grow from the first to the last.
const START_LIMIT: Duration = Duration::from_secs(600);
const START_PAUSE: Duration = Duration::from_millis(250);
const START_PAUSE_MAX: Duration = Duration::from_secs(3);
/// What a provider says meanwhile.
const NOT_YET: [&str; 2] = ["payment_not_locked", "computation_not_granted"];
/// How often it is asked whether a payment of an interrupted command is mined, and the pause between.
const LOCK_TRIES: u32 = 600;
const LOCK_PAUSE: Duration = Duration::from_millis(500);
/// How often a node that may be behind the provider's is asked for the agreement, and the pause between.
const SEEN_TRIES: u32 = 40;
const SEEN_PAUSE: Duration = Duration::from_millis(500);

/// Signs an agreement under a new id and has the provider execute it. Returns the folder, which is this command's from then on.
pub(super) async fn agree(session: &Session) -> Result<(Held, Saved)> {
    session.check_order().await?;
    let file = &session.file;
    if !Saved::exists(file) {
        session.check_balance().await?;
    }
    let held = file.hold()?;
    let saved = match Saved::exists(file) {
        true => Saved::load(file)?.of(file)?,
        false => begin(session)?,
    };
    // Without it what is paid for could not be ordered.
    Saved::run_key(file)?;
    let known = session.chain.agreement(saved.service_agreement_id).await?.is_some();
    session
        .step(if known { "resume" } else { "agree" }, &format!("agreement {}", saved.service_agreement_id));
    let digest = session.chain.deployment().agreement_digest(&NewAgreement {
        template: session.template(),
        id: saved.service_agreement_id,
        did: file.did,
        publisher: session.offer.publisher,
        consumer: session.key.address(),
        terms: &session.offer.terms,
        timeouts: session.timeouts(),
    })?;
    let body = json!({
        "did": file.did,
        "serviceAgreementId": saved.service_agreement_id,
        "serviceDefinitionId": SERVICE_DEFINITION_ID,
        "signature": format!("0x{}", hex::encode(session.key.sign(digest)?.0)),
        "consumerAddress": session.key.address(),
    });
    match post(session, "initialize", &body).await {
        // It was executed before an interruption; whether it is the right one is looked up on chain below, where a node that is
        // behind may show it later.
        Err(error) if has_code(&error, "agreement_exists") => {}
        other => drop(other?),
    }
    check_executed(session, &saved).await?;
    Ok((held, saved))
}

/// Chooses a new agreement id and run key, and keeps them before anything is signed: without the run key nobody could
/// open the receipt, and with both an interrupted job goes on where it was.
fn begin(session: &Session) -> Result<Saved> {
    let file = &session.file;
    std::fs::create_dir_all(&file.output).with_context(|| format!("{}", file.output.display()))?;
    let saved = Saved {
        service_agreement_id: AgreementId(random()?),
        random_seed: random()?,
        did: file.did,
        price: session.offer.terms.price,
    };
    // A key that an interruption left alone is as good as a new one, and is never overwritten.
    if !file.run_key_file().exists() {
        write_secret(&file.run_key_file(), &random()?.0)?;
    }
    // A broken one is told before anything is known by it.
    Saved::run_key(file)?;
    saved.store(file)?;
    Ok(saved)
}

/// Looks on chain whether the agreement is what was signed, before money follows.
async fn check_executed(session: &Session, saved: &Saved) -> Result<()> {
    let mut agreement = session.chain.agreement(saved.service_agreement_id).await?;
    for _ in 0..SEEN_TRIES {
        if agreement.is_some() {
            break;
        }
        tokio::time::sleep(SEEN_PAUSE).await;
        agreement = session.chain.agreement(saved.service_agreement_id).await?;
    }
    let agreement = agreement.context(
        "the provider answered, but your node does not see the agreement on chain; nothing was paid. If the node is behind, \
         run the same command again later",
    )?;
    let (publisher, own) = (session.offer.publisher, session.key.address());
    if agreement.consumer != own {
        bail!(
            "the job in {} is of {}, and the job file's key is {own}; name that key, or another output for another job",
            session.file.output.display(),
            agreement.consumer
        );
    }
    if agreement.publisher != publisher {
        bail!(
            "the agreement on chain is with {}, the data set is {publisher}'s; pay nothing",
            agreement.publisher
        );
    }
    Ok(())
}

/// Uploads the module, signed for this agreement. What is large goes in pieces, which after an interruption are not sent again.
pub(super) async fn upload(session: &Session, saved: &Saved) -> Result<()> {
    let Algorithm { upload, query, .. } = session.algorithm().await?;
    let id = saved.service_agreement_id;
    session.step("upload", &format!("{} bytes", upload.len()));
    let statement = AlgorithmUpload { agreement_id: id.0, checksum: keccak256(&upload) };
    let signed = session.key.sign(statement.digest(&session.chain.deployment().domain()))?;
    let signed = format!("0x{}", hex::encode(signed.0));
    let digest = content_digest(&upload);
    let answer = if upload.len() <= PIECE_BYTES {
        let path =
            format!("{SERVICES}/upload?serviceAgreementId={id}&signedChecksum={signed}{}", query.text());
        session.client.post(&path, "application/octet-stream", upload).await?
    } else {
        let bar = session.bar(Some(upload.len() as u64)).with_message("upload");
        let sent = session.client.send_algorithm(digest, &upload, &|bytes| bar.set_position(bytes)).await;
        bar.finish_and_clear();
        sent.context("the upload broke off; the same command goes on with what was taken so far")?;
        let mut body = json!({ "serviceAgreementId": id, "signedChecksum": signed, "digest": digest });
        for (name, value) in query.fields() {
            body[name] = value;
        }
        post(session, "upload", &body).await?
    };
    if answer["digest"] != json!(digest) {
        bail!("the provider received other bytes than were sent");
    }
    Ok(())
}

/// Locks the payment, unless it is locked already.
pub(super) async fn lock(session: &Session, saved: &Saved) -> Result<()> {
    let (id, terms) = (saved.service_agreement_id, &session.offer.terms);
    if !session.chain.locked(id).await?.is_zero() {
        return Ok(());
    }
    match session.chain.agreement(id).await? {
        // Settled before an interruption: nothing is owed any more.
        Some(agreement) if agreement.fulfilled => return Ok(()),
        Some(agreement) if agreement.terminated => {
            bail!(
                "agreement {id} was refunded or cancelled; name another output in the job file for a new one"
            )
        }
        _ => {}
    }
    let unit = if terms.token.is_zero() { "wei".into() } else { format!("of the token {}", terms.token) };
    session.step("lock", &format!("{} {unit} (at most; the rest comes back)", terms.price));
    if session.chain.upload_checksum(id).await?.is_zero() {
        bail!("the upload is not confirmed on chain; nothing was paid");
    }
    if !terms.token.is_zero() {
        session.chain.approve_token(terms.token, terms.price).await?;
    }
    let refused = match session.chain.lock_payment(id, session.file.did, terms).await {
        // Nodes do not take it again while the one of an interrupted command waits for its block.
        Err(refused @ (ChainError::Refused(_) | ChainError::Rejected(_))) => refused,
        done => return Ok(done.map(|_| ())?),
    };
    match wait_for_lock(session, saved).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(refused.into()),
        Err(error) => Err(error.context(refused.to_string())),
    }
}

/// Waits while transactions of this key wait for their block. Returns whether the payment is in the chain then.
async fn wait_for_lock(session: &Session, saved: &Saved) -> Result<bool> {
    if session.chain.has_pending().await? {
        session.step("waiting", "a transaction of your key is on its way already; it may be this payment");
    }
    for _ in 0..LOCK_TRIES {
        // Asked in this order, so that one that is mined in between is seen.
        let waits = session.chain.has_pending().await?;
        if !session.chain.locked(saved.service_agreement_id).await?.is_zero() {
            return Ok(true);
        }
        if !waits {
            return Ok(false);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    bail!("a transaction of your key waits for its block; run the same command again once it is mined")
}

/// Signs the whole job spec and orders the run. Returns what the job file orders, which an earlier order under the same agreement
/// may not have been.
pub(super) async fn start(session: &Session, saved: &Saved) -> Result<JobSpec> {
    let (spec, body) = order_body(session, saved).await?;
    session.step("order", "waiting for the provider's authorisation");
    let (mut waited, mut pause) = (Duration::ZERO, START_PAUSE);
    while waited < START_LIMIT {
        match post(session, "exec", &body).await {
            // The payment is there; the provider may wait for more confirmations, or ask a node that is behind.
            Err(error) if NOT_YET.iter().any(|code| has_code(&error, code)) => {
                tokio::time::sleep(pause).await;
                waited += pause;
                pause = (pause + pause / 10).min(START_PAUSE_MAX);
            }
            Err(error) if has_code(&error, "job_exists") => {
                session.step("resume", "the run of this agreement was ordered before");
                return Ok(spec);
            }
            Err(error) => {
                return Err(error.context(
                    "the payment is locked, but the run was not ordered; mend the job file and run the same command again, \
                     or take the payment back after the deadline (brizo job refund)",
                ));
            }
            Ok(answer) => {
                session.step("ordered", answer["jobId"].as_str().unwrap_or_default());
                return Ok(spec);
            }
        }
    }
    bail!(
        "the provider did not authorise the computation in time; try `brizo job start` again, or take the refund after the deadline"
    )
}

fn has_code(error: &anyhow::Error, code: &str) -> bool {
    error.downcast_ref::<ClientError>().and_then(ClientError::code) == Some(code)
}

async fn order_body(session: &Session, saved: &Saved) -> Result<(JobSpec, Value)> {
    let (file, run_key) = (&session.file, Saved::run_key(&session.file)?);
    let algorithm = session.algorithm().await?;
    let invocation =
        job::invocation(&algorithm.start, &file.args, &file.variables(), &[file.did.to_string()], None)?;
    let spec = JobSpec {
        profile: session.profile(&algorithm)?,
        agreement_id: saved.service_agreement_id.0,
        run_index: 0,
        module_digest: algorithm.module,
        algorithm_root: algorithm.bundle.root(&run_key),
        invocation_root: invocation_manifest(&invocation)?.root(&run_key),
        inputs_root: session.offer.inputs_root,
        random_seed: saved.random_seed,
        clock_start: CLOCK_START,
        clock_step: CLOCK_STEP,
        fuel_limit: file.limits.fuel,
        memory_limit: file.limits.memory_bytes,
        stack_limit: job::STACK_LIMIT_DEFAULT,
        output_limit: file.limits.output_bytes,
        files_limit: file.limits.output_files,
        blind_commit: blind_commit(&run_key),
    };
    let signature = session.key.sign(spec.order_digest(&session.chain.deployment().domain()))?;
    let body = json!({
        "serviceAgreementId": saved.service_agreement_id,
        "serviceDefinitionId": SERVICE_DEFINITION_ID,
        "consumerAddress": session.key.address(),
        "spec": spec,
        "specSignature": format!("0x{}", hex::encode(signature.0)),
        "runKey": B256::from(*run_key.bytes()),
        "args": file.args,
        "env": file.variables(),
        "additionalViewers": file.deliver.viewers,
        "auditors": file.deliver.auditors,
    });
    Ok((spec, body))
}

/// How an agreement stands, for who cannot take back what is in it.
async fn standing(chain: &Chain, id: AgreementId) -> Result<String> {
    let Some(found) = chain.overview(id).await? else {
        bail!("agreement {id} is not on chain; nothing was paid")
    };
    let agreement = &found.agreement;
    if agreement.fulfilled {
        let sums = &found.settlement;
        return Ok(format!("it was settled: {} paid, {} given back", sums.paid, sums.refunded));
    }
    if agreement.terminated {
        return Ok("it was refunded or cancelled already; nothing is left in it".into());
    }
    let locked = if found.locked.is_zero() {
        "nothing is locked under it".into()
    } else {
        format!("{} are locked", found.locked)
    };
    Ok(format!("{locked}; {}", found.next().join("; ")))
}

/// Takes the payment back after the deadline. Needs the chain only: the provider may be gone.
pub(super) async fn refund(file: &JobFile) -> Result<Exit> {
    let saved = Saved::load(file)?;
    let key = file.key()?;
    let chain = Chain::connect(&file.rpc, read_deployment(&file.deployment)?, Some(&key))?;
    chain.check().await?;
    let id = saved.service_agreement_id;
    let mined = match chain.refund_payment(id, saved.did, saved.price).await {
        Err(refused @ ChainError::Refused(_)) => {
            let standing = standing(&chain, id).await?;
            return Err(
                anyhow::Error::from(refused).context(format!("no refund of agreement {id} now: {standing}"))
            );
        }
        done => done?,
    };
    println!("refunded in transaction {}", mined.tx);
    Ok(Exit::OK)
}

async fn post(session: &Session, endpoint: &str, body: &Value) -> Result<Value> {
    let path = format!("{SERVICES}/{endpoint}");
    Ok(session.client.post(&path, "application/json", serde_json::to_vec(body)?).await?)
}
