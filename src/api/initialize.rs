//! `POST …/services/computing/initialize`: a consumer's signed agreement is put on chain.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use brizo_receipt::{Address, Signature, recover};
use serde::Deserialize;
use serde_json::json;

use super::ApiState;
use super::body::Body;
use super::problem::Problem;
use super::state::{policy, timeouts};
use crate::chain::{ComputeTemplate, NewAgreement};
use crate::container;
use crate::ids::{AgreementId, Did};
use crate::job::{ComputeOffer, SERVICE_DEFINITION_ID, read_offer};
use crate::policy::Consumers;
use crate::store::{AgreementRow, DatasetRow};

/// The seeds' five fields.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Initialize {
    did: String,
    service_agreement_id: String,
    service_definition_id: String,
    signature: String,
    consumer_address: String,
}

/// The fields, read.
struct Parsed {
    did: Did,
    id: AgreementId,
    signature: Signature,
    consumer: Address,
}

/// Puts a consumer's signed agreement on chain.
#[utoipa::path(post, path = "/api/v1/brizo/services/computing/initialize", tag = "seeds", request_body = Initialize,
    responses((status = 201, body = Object), Problem))]
pub(super) async fn initialize(
    State(state): State<ApiState>,
    Body(body): Body,
) -> Result<impl IntoResponse, Problem> {
    let request = parse(&body)?;
    let dataset = state.dataset(request.did).await?;
    let offer = offer(&dataset)?;
    check_listed(&dataset, request.consumer)?;
    check_signature(&state, &request, &offer)?;
    let id = request.id;
    if state.store.with(move |store| store.agreement(id)).await?.is_some() {
        return Err(used(id));
    }
    let _guard = Executing::begin(&state, id)?;
    let mined = execute(&state, &request, &offer).await?;
    let on_chain = state.chain.agreement(id).await?.ok_or_else(|| used(id))?;
    let row = AgreementRow {
        id,
        did: request.did,
        consumer: request.consumer,
        terms: offer.terms,
        grant_deadline_s: on_chain.grant_deadline_s,
        upload: None,
        algorithm_did: None,
        locked: false,
        granted: false,
        runs: 0,
    };
    let now_s = state.clock.now_s();
    state.store.with(move |store| store.insert_agreement(&row, now_s)).await?;
    // The consumer may have locked the payment before the row was there for the listener to find.
    state.fresh_agreement(id).await?;
    tracing::info!(agreement = %id, consumer = %request.consumer, "agreement executed");
    let answer = json!({
        "serviceAgreementId": id,
        "did": request.did,
        "txHash": mined.map(|mined| mined.tx),
        "blockNumber": mined.map(|mined| mined.block),
        "lockDeadline": on_chain.lock_deadline_s,
        "grantDeadline": on_chain.grant_deadline_s,
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

fn parse(body: &[u8]) -> Result<Parsed, Problem> {
    let fields: Initialize = serde_json::from_slice(body).map_err(|e| {
        Problem::bad_request("bad_body", format!("the body is not what initialize takes: {e}")).hint(
            "send did, serviceAgreementId, serviceDefinitionId, signature, consumerAddress as JSON strings",
        )
    })?;
    if fields.service_definition_id != SERVICE_DEFINITION_ID {
        return Err(Problem::bad_request(
            "bad_service_definition",
            format!("service {:?} is not a computing service of the asset", fields.service_definition_id),
        )
        .hint("take serviceDefinitionId from the DDO's service of type Computing"));
    }
    Ok(Parsed {
        did: fields.did.parse()?,
        id: fields.service_agreement_id.parse()?,
        signature: signature(&fields.signature)?,
        consumer: address(&fields.consumer_address)?,
    })
}

/// 65 bytes in hex.
pub(super) fn signature(text: &str) -> Result<Signature, Problem> {
    let mut bytes = [0u8; 65];
    hex::decode_to_slice(text.trim_start_matches("0x"), &mut bytes).map_err(|_| {
        Problem::bad_request("signature_malformed", "a signature has 65 bytes: 130 hex digits")
            .hint("send r, s, v")
    })?;
    Ok(Signature(bytes))
}

/// An Ethereum address.
pub(super) fn address(text: &str) -> Result<Address, Problem> {
    text.parse().map_err(|_| {
        Problem::bad_request("bad_address", "an address has 40 hex digits after 0x")
            .hint("check for cut-off characters")
    })
}

pub(super) fn offer(dataset: &DatasetRow) -> Result<ComputeOffer, Problem> {
    let ddo = serde_json::from_str(&dataset.ddo)
        .map_err(|e| Problem::internal("the stored DDO cannot be read", &e.into()))?;
    read_offer(&ddo).map_err(|why| Problem::internal("the stored DDO has no offer", &anyhow::anyhow!(why)))
}

/// Which template an offer's agreements are made from: receipts of containers are released as attested.
fn template(offer: &ComputeOffer) -> ComputeTemplate {
    if offer.profile == container::profile_digest() {
        ComputeTemplate::Attested
    } else {
        ComputeTemplate::Repeatable
    }
}

/// A consumer whom the policy will never admit costs the publisher no transaction.
fn check_listed(dataset: &DatasetRow, consumer: Address) -> Result<(), Problem> {
    match &policy(dataset)?.manifest().consumers {
        Consumers::Listed(addresses) if !addresses.contains(&consumer) => Err(Problem::forbidden(
            "not_listed",
            format!("the data owner's policy does not admit {consumer}"),
        )
        .hint("ask the data owner to add your address to the policy's list")),
        _ => Ok(()),
    }
}

fn check_signature(state: &ApiState, request: &Parsed, offer: &ComputeOffer) -> Result<(), Problem> {
    let digest = state.chain.deployment().agreement_digest(&agreement(state, request, offer))?;
    match recover(digest, &request.signature, "consumer") {
        Ok(signer) if signer == request.consumer => Ok(()),
        Ok(signer) => Err(Problem::unauthorized(
            "bad_agreement_signature",
            format!("the agreement is signed by {signer}, consumerAddress is {}", request.consumer),
        )),
        Err(error) => Err(Problem::unauthorized("bad_agreement_signature", error.to_string())),
    }
    .map_err(|problem| {
        problem.hint(
            "sign Agreement(serviceAgreementId, templateId, did, publisher, consumer, conditionKeys, valueHashes, \
             timeouts) with the values of the DDO; ServiceAgreement.agreementDigest gives the digest to compare",
        )
    })
}

fn agreement<'a>(state: &ApiState, request: &Parsed, offer: &'a ComputeOffer) -> NewAgreement<'a> {
    NewAgreement {
        template: template(offer),
        id: request.id,
        did: request.did,
        publisher: state.chain.sender(),
        consumer: request.consumer,
        terms: &offer.terms,
        timeouts: timeouts(offer),
    }
}

/// Puts the agreement on chain; `None` when it is there already, from a request whose answer was lost.
async fn execute(
    state: &ApiState,
    request: &Parsed,
    offer: &ComputeOffer,
) -> Result<Option<crate::chain::Mined>, Problem> {
    if let Some(there) = state.chain.agreement(request.id).await? {
        let ours = there.publisher == state.chain.sender()
            && there.consumer == request.consumer
            && there.did == request.did
            && !there.fulfilled
            && !there.terminated;
        return if ours { Ok(None) } else { Err(used(request.id)) };
    }
    let new = agreement(state, request, offer);
    let mined = state.chain.execute_agreement(&new, &request.signature.0).await?;
    Ok(Some(mined))
}

fn used(id: AgreementId) -> Problem {
    Problem::conflict("agreement_exists", format!("agreement {id} exists already"))
        .hint("choose a new random serviceAgreementId and sign again")
}

/// Marks an id as being executed, until it is dropped.
struct Executing<'a>(&'a ApiState, AgreementId);

impl<'a> Executing<'a> {
    fn begin(state: &'a ApiState, id: AgreementId) -> Result<Self, Problem> {
        let mut ids = state.executing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if ids.insert(id) { Ok(Self(state, id)) } else { Err(used(id)) }
    }
}

impl Drop for Executing<'_> {
    fn drop(&mut self) {
        self.0.executing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.1);
    }
}
