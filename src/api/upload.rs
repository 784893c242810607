//! `POST …/services/computing/upload`: the algorithm, as bytes or by the DID of an algorithm that this provider holds.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine as _;
use brizo_receipt::{Address, AlgorithmUpload, B256, Signature, keccak256, recover};
use serde::Deserialize;
use serde_json::json;

use super::ApiState;
use super::body::{Body, UploadPlace};
use super::bundle::{self, OnRuntime, Taken};
use super::initialize::signature;
use super::problem::Problem;
use super::state::policy;
use crate::chain::PAID_RUN;
use crate::data::{BlobStore, Mapped};
use crate::failpoint;
use crate::ids::{Did, JobId};
use crate::job::UploadFacts;
use crate::nudge::Topic;
use crate::policy::{Decision, Policy, RunRequest};
use crate::sandbox::{Kind, inspect};
use crate::store::{AgreementRow, DatasetRow};
use crate::trace;

/// The seeds' fields; `binary` is base64. With `Content-Type: application/octet-stream` the same names stand in the query
/// and the body is the algorithm itself.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Upload)]
pub(super) struct Fields {
    service_agreement_id: String,
    #[serde(default)]
    service_definition_id: Option<String>,
    signed_checksum: String,
    #[serde(default)]
    did: Option<String>,
    #[serde(default)]
    binary: Option<String>,
    /// BLAKE3 of bytes that were sent to `/api/v1/algorithms/{digest}` before.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    digest: Option<B256>,
    /// BLAKE3 of the runtime, when the bytes are a bundle.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    runtime: Option<B256>,
    #[serde(default)]
    main: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct QueryFields {
    service_agreement_id: Option<String>,
    signed_checksum: Option<String>,
    #[param(value_type = Option<String>)]
    runtime: Option<B256>,
    main: Option<String>,
}

/// Kinds of a body that is the algorithm itself.
const BYTES: [&str; 2] = ["application/octet-stream", "application/wasm"];

/// An upload, read.
struct Upload {
    agreement: crate::ids::AgreementId,
    signed_checksum: Signature,
    source: Source,
    on: Option<OnRuntime>,
}

enum Source {
    Bytes(Bytes),
    Sent(B256),
    Did(Did),
}

impl Source {
    fn sent(&self) -> Option<B256> {
        if let Self::Sent(digest) = self { Some(*digest) } else { None }
    }
}

/// The algorithm of an agreement: bytes, the digest of bytes that were sent before, or a DID.
#[utoipa::path(post, path = "/api/v1/brizo/services/computing/upload", tag = "seeds",
    params(QueryFields),
    request_body(content((Fields = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 201, body = Object), Problem))]
pub(super) async fn upload(
    State(state): State<ApiState>,
    _place: UploadPlace,
    query: Result<Query<QueryFields>, QueryRejection>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<impl IntoResponse, Problem> {
    let Query(query) =
        query.map_err(|e| Problem::bad_request("bad_query", e.body_text()).hint("name each field once"))?;
    // Nobody is known yet, and what may be 192 MiB of base64 would hold up all who share the thread.
    let upload = tokio::task::spawn_blocking(move || parse(query, &headers, body)).await??;
    let answer = take_in(&state, upload).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Takes in the algorithm that came with an order, unless the agreement has one already: it is compared with the order then.
pub(super) async fn take_beside_order(
    state: &ApiState,
    caller: Address,
    fields: &serde_json::Value,
) -> Result<(), Problem> {
    let upload = read(serde_json::from_value(fields.clone()).map_err(|e| bad_body(&e))?)?;
    let agreement = state.agreement(upload.agreement).await?;
    if agreement.consumer != caller {
        return Err(super::state::unknown_agreement(agreement.id));
    }
    if agreement.upload.is_none() {
        take_in(state, upload).await?;
    }
    Ok(())
}

/// Takes an algorithm in, as a span of the first job's trace: there is no other yet.
async fn take_in(state: &ApiState, upload: Upload) -> Result<serde_json::Value, Problem> {
    let agreement = state.fresh_agreement(upload.agreement).await?;
    let mut span = trace::of_job(JobId { agreement: agreement.id, run_index: PAID_RUN }, "upload");
    let taken = take_for(state, agreement, upload).await;
    if let Err(problem) = &taken {
        span.fail(problem.code());
    }
    span.end();
    taken
}

async fn take_for(
    state: &ApiState,
    agreement: AgreementRow,
    upload: Upload,
) -> Result<serde_json::Value, Problem> {
    let dataset = state.dataset(agreement.did).await?;
    let policy = policy(&dataset)?;
    let (owner, sent) = (agreement.consumer, upload.source.sent());
    let (bytes, did) = match upload.source {
        Source::Bytes(bytes) => (bytes, None),
        Source::Sent(digest) => (sent_before(state, owner, digest).await?, None),
        Source::Did(did) => (algorithm_of(state, did).await?, Some(did)),
    };
    // Cheap checks first: size, then whose bytes these are, and only then what is in them.
    let bytes_max = policy.manifest().ceilings.algorithm_bytes;
    if bytes.len() as u64 > bytes_max {
        return Err(Problem::too_large(format!(
            "the module has {} bytes, at most {bytes_max} are taken",
            bytes.len()
        ))
        .hint("strip symbols, optimise for size, or ask the publisher to raise algorithm_bytes"));
    }
    let (checksum, bytes) = tokio::task::spawn_blocking(move || (keccak256(&bytes), bytes)).await?;
    check_checksum(state, &agreement, &upload.signed_checksum, checksum, did.is_none())?;
    let (facts, files) = match upload.on {
        Some(on) => {
            let Taken { facts, files } = bundle::take(state, on, bytes).await?;
            (facts, files.into_iter().map(Bytes::from).collect())
        }
        None => (module(bytes.clone(), bytes_max).await?, vec![bytes]),
    };
    check_approved(state, &policy, &agreement, &facts)?;
    let blobs = state.blobs.clone();
    tokio::task::spawn_blocking(move || files.iter().try_for_each(|file| blobs.put(&**file).map(drop)))
        .await??;
    let tx = fulfil(state, &agreement, &facts, did, checksum, &upload.signed_checksum).await?;
    let id = agreement.id;
    let (digest, bytes) = (facts.approved_as(), facts.bytes);
    if !state.store.with(move |store| store.set_upload(id, &facts, did)).await? {
        return Err(chosen_otherwise());
    }
    if let Some(sent) = sent {
        state.shared.uploads.forget(owner, sent);
    }
    state.nudge.about(&[Topic::Chain]);
    tracing::info!(agreement = %id, algorithm = %digest, "algorithm uploaded");
    Ok(json!({
        "serviceAgreementId": id,
        "checksum": checksum,
        "checksumType": "keccak256",
        "digest": digest,
        "digestType": "blake3",
        "bytes": bytes.to_string(),
        "txHash": tx,
    }))
}

fn parse(query: QueryFields, headers: &HeaderMap, body: Bytes) -> Result<Upload, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is = |names: &[&str]| names.iter().any(|name| kind.starts_with(name));
    // What sends JSON without saying so is older than this sentence.
    if !(kind.is_empty()
        || is(&BYTES)
        || is(&["application/json", "application/x-www-form-urlencoded", "text/plain"]))
    {
        return Err(Problem::unsupported_type(format!("{kind} is not taken here"))
            .hint("send JSON as application/json, or the bytes as application/octet-stream"));
    }
    if is(&BYTES) {
        let (Some(id), Some(checksum)) = (query.service_agreement_id, query.signed_checksum) else {
            return Err(Problem::bad_request(
                "bad_query",
                "serviceAgreementId and signedChecksum must stand in the query",
            )
            .hint("POST …/upload?serviceAgreementId=…&signedChecksum=0x… with the module as body"));
        };
        let (agreement, signed_checksum) = (id.parse()?, signature(&checksum)?);
        let on = on_runtime(query.runtime, query.main)?;
        return Ok(Upload { agreement, signed_checksum, source: Source::Bytes(body), on });
    }
    read(serde_json::from_slice(&body).map_err(|e| bad_body(&e))?)
}

fn bad_body(error: &serde_json::Error) -> Problem {
    Problem::bad_request("bad_body", format!("the body is not what upload takes: {error}"))
        .hint("send serviceAgreementId, signedChecksum and either did or binary (base64) as JSON, or the bytes as application/octet-stream")
}

fn read(fields: Fields) -> Result<Upload, Problem> {
    // The definition id is off-chain only; the agreement is already about one service.
    drop(fields.service_definition_id);
    let on = on_runtime(fields.runtime, fields.main)?;
    let source = match (fields.did, fields.binary, fields.digest) {
        (Some(did), None, None) if on.is_none() => Source::Did(did.parse()?),
        (None, None, Some(digest)) => Source::Sent(digest),
        (None, Some(binary), None) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(binary).map_err(|e| {
                Problem::bad_request("bad_base64", format!("`binary` is not base64: {e}"))
                    .hint("use standard base64 with padding")
            })?;
            Source::Bytes(bytes.into())
        }
        _ => {
            return Err(Problem::bad_request("bad_body", "exactly one of `did`, `digest` and `binary` must be given")
                .hint("send the module as base64 in `binary`, PUT it to /api/v1/algorithms/{digest} and name its digest, or name the DID of an algorithm asset"));
        }
    };
    let (agreement, signed_checksum) =
        (fields.service_agreement_id.parse()?, signature(&fields.signed_checksum)?);
    Ok(Upload { agreement, signed_checksum, source, on })
}

/// A file to start means nothing without a runtime.
fn on_runtime(runtime: Option<B256>, main: Option<String>) -> Result<Option<OnRuntime>, Problem> {
    match (runtime, main) {
        (Some(runtime), main) => Ok(Some(OnRuntime { runtime, main })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Problem::bad_request("bad_body", "`main` is given without `runtime`")
            .hint("name the runtime that runs the bundle, or leave `main` out for a module")),
    }
}

/// Asks the gate about a module.
async fn module(bytes: Bytes, bytes_max: u64) -> Result<UploadFacts, Problem> {
    let inspection = tokio::task::spawn_blocking(move || inspect(&bytes, bytes_max)).await??;
    Ok(UploadFacts {
        digest: inspection.digest,
        bytes: inspection.bytes,
        memory_bytes_min: inspection.memory_bytes_min,
        imports_refused: inspection.refused_imports().map(String::from).collect(),
        component: inspection.kind == Kind::Component,
        bundle: None,
    })
}

/// The module in an algorithm asset that this provider holds: the only `.wasm` file in it.
async fn algorithm_of(state: &ApiState, did: Did) -> Result<Bytes, Problem> {
    let asset = state.dataset(did).await?;
    let digest = only_module(&asset)?;
    let blobs: BlobStore = state.blobs.clone();
    let mapped = tokio::task::spawn_blocking(move || blobs.map(digest)).await??;
    Ok(shared(mapped))
}

/// Bytes that the consumer has sent before.
async fn sent_before(state: &ApiState, owner: Address, digest: B256) -> Result<Bytes, Problem> {
    let uploads = state.shared.uploads.clone();
    Ok(shared(tokio::task::spawn_blocking(move || uploads.map(owner, digest)).await??))
}

/// A mapped file as bytes, without reading it into memory.
fn shared(mapped: Mapped) -> Bytes {
    struct Owner(Mapped);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            (*self.0).as_ref()
        }
    }
    Bytes::from_owner(Owner(mapped))
}

fn only_module(asset: &DatasetRow) -> Result<B256, Problem> {
    let mut modules = asset.manifest.entries().iter().filter(|entry| entry.path.ends_with(".wasm"));
    match (modules.next(), modules.next()) {
        (Some(module), None) => Ok(module.digest),
        _ => Err(Problem::unprocessable(
            "not_an_algorithm",
            format!("{} is not an algorithm asset", asset.did),
        )
        .hint("an algorithm asset holds exactly one .wasm file; or upload the bytes")),
    }
}

/// The consumer signed exactly these bytes for exactly this agreement.
fn check_checksum(
    state: &ApiState,
    agreement: &AgreementRow,
    signed: &Signature,
    checksum: B256,
    their_own: bool,
) -> Result<(), Problem> {
    let statement = AlgorithmUpload { agreement_id: agreement.id.0, checksum };
    match recover(statement.digest(&state.domain()), signed, "consumer") {
        Ok(signer) if signer == agreement.consumer => Ok(()),
        // The checksum of an asset's module is not told: who knows it could order with it.
        _ => Err(Problem::unprocessable(
            "checksum_mismatch",
            match their_own {
                true => format!("the uploaded bytes have keccak-256 {checksum}; signedChecksum is not the consumer's signature over that"),
                false => "signedChecksum is not the consumer's signature over the algorithm asset's module".into(),
            },
        )
        .hint("sign AlgorithmUpload(serviceAgreementId, checksum) over the bytes as they are sent")),
    }
}

/// Refuses early what the policy would refuse at the order, before the consumer locks a payment.
fn check_approved(
    state: &ApiState,
    policy: &Policy,
    agreement: &AgreementRow,
    upload: &UploadFacts,
) -> Result<(), Problem> {
    let smallest = RunRequest {
        consumer: agreement.consumer,
        dataset: agreement.did.to_string(),
        algorithm: upload.approved_as(),
        runtime: upload.runtime(),
        algorithm_bytes: upload.bytes,
        imports_refused: upload.imports_refused.clone(),
        fuel: 1,
        memory_bytes: 1,
        output_bytes: 1,
        output_files: 1,
        now_s: state.clock.now_s(),
    };
    match policy.may_run(&smallest) {
        Decision::Allow { .. } => Ok(()),
        Decision::Refuse(refusal) => {
            Err(Problem::forbidden(refusal.code, format!("{} (rule {})", refusal.text, refusal.rule))
                .hint(refusal.hint))
        }
    }
}

/// Tells the chain, unless it knows these very bytes already.
async fn fulfil(
    state: &ApiState,
    agreement: &AgreementRow,
    facts: &UploadFacts,
    did: Option<Did>,
    checksum: B256,
    signed: &Signature,
) -> Result<Option<B256>, Problem> {
    let (id, known) = (agreement.id, state.chain.upload_checksum(agreement.id).await?);
    if !known.is_zero() && known != checksum {
        return Err(another_algorithm("another algorithm was uploaded under this agreement"));
    }
    // The chain is told of the checksum only, and from then on anybody can send the same bytes.
    let facts = facts.clone();
    if !state.store.with(move |store| store.choose_upload(id, checksum, &facts, did)).await? {
        return Err(chosen_otherwise());
    }
    if known == checksum {
        return Ok(None);
    }
    let telling = state.chain.fulfill_upload(id, did, checksum, signed);
    Ok(Some(failpoint::around_async("upload", async { Ok::<_, Problem>(telling.await?) }).await?.tx))
}

fn chosen_otherwise() -> Problem {
    another_algorithm(
        "these bytes were uploaded under this agreement with another runtime, main or DID, or sixteen other algorithms were",
    )
}

/// The first upload stays. Nothing in a later one proves that its consumer wants another: `signedChecksum` is public once it is
/// sent to the chain, and says neither runtime nor main nor DID.
fn another_algorithm(text: &str) -> Problem {
    Problem::conflict("algorithm_exists", text)
        .hint("an agreement is about one algorithm; make a new agreement for another one (`brizo job run` makes one for another `output` folder)")
}
