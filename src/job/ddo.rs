//! The DDO of a data set with a computing service: the seeds' fields, and under `brizo` the values a consumer signs.

mod check;

use brizo_receipt::log::LogKey;
use brizo_receipt::{Address, B256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ids::Did;
use crate::money::Terms;
use crate::policy::Ceilings;

pub use check::check_ddo;

/// The part of the DDO that a consumer's program needs; it stands in the computing service under `brizo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputeOffer {
    /// The publisher, who executes agreements and signs receipts.
    pub publisher: Address,
    /// Chain id of the deployment.
    pub chain_id: u64,
    /// ServiceAgreement of the deployment.
    pub service_agreement: Address,
    /// Digest of the execution profile of core modules.
    pub profile: B256,
    /// Digest of the execution profile of components; absent where the provider takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_profile: Option<B256>,
    /// Root over the mounted data set, as it must stand in a job spec.
    pub inputs_root: B256,
    /// The price.
    pub terms: Terms,
    /// Until when the payment can be locked, in seconds from the execution of the agreement; 0: as long as access.
    pub lock_timeout_s: u64,
    /// Until when access can be granted, in seconds from the execution of the agreement.
    pub grant_timeout_s: u64,
    /// How long after that the consumer must wait for a refund where access was granted; 0: as long as the contract says.
    #[serde(default)]
    pub release_timeout_s: u64,
    /// What one run may use at most.
    pub ceilings: OfferedCeilings,
    /// Key of the provider's transparency log, as verifiers take it; absent in documents from before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_key: Option<LogKey>,
}

/// Ceilings as they are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferedCeilings {
    /// Fuel.
    pub fuel: u64,
    /// Linear memory in bytes.
    pub memory_bytes: u64,
    /// Output bytes.
    pub output_bytes: u64,
    /// Output files and folders.
    pub output_files: u64,
    /// Bytes of the module.
    pub algorithm_bytes: u64,
}

impl From<Ceilings> for OfferedCeilings {
    fn from(ceilings: Ceilings) -> Self {
        Self {
            fuel: ceilings.fuel,
            memory_bytes: ceilings.memory_bytes,
            output_bytes: ceilings.output_bytes,
            output_files: ceilings.output_files,
            algorithm_bytes: ceilings.algorithm_bytes,
        }
    }
}

/// A condition of the agreement as the DDO lists it.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Name, `lockPayment` for instance.
    pub name: &'static str,
    /// Contract's name.
    pub contract: &'static str,
    /// Key on chain.
    pub key: B256,
    /// Seconds, 0 for none.
    pub timeout_s: u64,
    /// Conditions it needs, by index, with the seconds after which the need turns round: 0 means done before, anything
    /// else not done by then.
    pub needs: Vec<(u8, u64)>,
    /// Event that its fulfilment raises, who acts on it, and what with.
    pub event: (&'static str, &'static str, &'static str),
}

/// What a DDO is made of.
#[derive(Debug)]
pub struct DdoParts<'a> {
    /// The DID.
    pub did: Did,
    /// Name for people.
    pub name: &'a str,
    /// Description for people (the policy's).
    pub description: &'a str,
    /// Base URL of the provider.
    pub public_url: &'a str,
    /// Template id.
    pub template_id: B256,
    /// The conditions in their order.
    pub conditions: &'a [Condition],
    /// Engine, `wasmtime:48` for instance.
    pub flavour: &'a str,
    /// What a consumer signs.
    pub offer: &'a ComputeOffer,
    /// Files and bytes in the data set; names stay with the publisher.
    pub size: (usize, u64),
    /// Which version of the data it is.
    pub version: Version,
    /// Files to develop against.
    pub mock: Option<OfferedMock>,
}

/// Which version of the data a data set is. Versions are data sets of their own; agreements name one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Number, from 1.
    pub number: u64,
    /// The version before it.
    pub previous: Option<Did>,
}

/// Files with the shape of a data set and nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferedMock {
    /// BLAKE3 of the archive.
    pub digest: B256,
    /// Bytes of the archive.
    pub bytes: u64,
    /// Files in it.
    pub files: usize,
}

/// Number of the computing service within the DDO.
pub const SERVICE_DEFINITION_ID: &str = "0";

/// The DDO document.
#[must_use]
pub fn ddo(parts: &DdoParts<'_>) -> Value {
    let base = format!("{}/api/v1/brizo/services/computing", parts.public_url);
    json!({
        "@context": "https://w3id.org/future-method/v1",
        "id": parts.did,
        "publicKey": [{
            "id": format!("{}#keys-1", parts.did),
            "type": "EthereumECDSAKey",
            "owner": parts.offer.publisher,
        }],
        "service": [
            {
                "type": "Computing",
                "serviceDefinitionId": SERVICE_DEFINITION_ID,
                "initializeEndpoint": format!("{base}/initialize"),
                "uploadEndpoint": format!("{base}/upload"),
                "serviceEndpoint": format!("{base}/exec"),
                "templateId": parts.template_id,
                "provider": {
                    "type": "Brizo",
                    "description": parts.description,
                    "environment": { "flavour": parts.flavour },
                },
                "serviceAgreementContract": {
                    "contractName": "ServiceAgreement",
                    "fulfillmentOperator": 0,
                    "events": [event("ExecuteAgreement", "consumer", "compute", "submitAlgorithm")],
                },
                "conditions": parts.conditions.iter().enumerate().map(|(i, c)| condition(parts, i, c)).collect::<Vec<_>>(),
                "brizo": parts.offer,
            },
            {
                "type": "Metadata",
                "serviceDefinitionId": "1",
                "serviceEndpoint": format!("{}/api/v1/assets/{}", parts.public_url, parts.did),
                "metadata": { "base": base_of(parts) },
            },
        ],
    })
}

/// What people and catalogues read.
fn base_of(parts: &DdoParts<'_>) -> Value {
    let mut base = json!({
        "name": parts.name,
        "type": "dataset",
        "description": parts.description,
        "files": parts.size.0,
        "size": parts.size.1.to_string(),
        "version": parts.version.number.to_string(),
    });
    if let Some(previous) = parts.version.previous {
        base["previousVersion"] = json!(previous);
    }
    if let Some(mock) = parts.mock {
        base["mock"] = json!({
            "url": format!("{}/api/v1/assets/{}/mock", parts.public_url, parts.did),
            "format": "tar",
            "digest": mock.digest,
            "bytes": mock.bytes.to_string(),
            "files": mock.files,
        });
    }
    base
}

fn condition(parts: &DdoParts<'_>, index: usize, condition: &Condition) -> Value {
    let asset = json!({ "name": "assetId", "type": "bytes32", "value": parts.did.0 });
    let sum = |name: &str, value: alloy_primitives::U256| json!({ "name": name, "type": "uint256", "value": value.to_string() });
    let terms = &parts.offer.terms;
    let parameters = match condition.name {
        "lockPayment" => vec![
            asset,
            sum("price", terms.price),
            json!({ "name": "token", "type": "address", "value": terms.token }),
            sum("base", terms.base),
            sum("fuelPrice", terms.fuel_price),
            sum("outputPrice", terms.output_price),
        ],
        "releasePayment" | "refundPayment" => vec![asset, sum("price", terms.price)],
        _ => vec![asset],
    };
    let needs = condition
        .needs
        .iter()
        .filter_map(|(i, timeout)| Some((parts.conditions.get(usize::from(*i))?, timeout)));
    let (name, actor, handler) = condition.event;
    json!({
        "name": condition.name,
        "index": index,
        "contractName": condition.contract,
        "functionName": condition.name,
        "conditionKey": condition.key,
        "timeout": condition.timeout_s,
        "isTerminalCondition": u8::from(index >= 4),
        "dependencies": needs.map(|(c, timeout)| json!({ "name": c.name, "timeout": timeout })).collect::<Vec<_>>(),
        "parameters": parameters,
        "events": [event(name, actor, handler.split('.').next().unwrap_or_default(), handler.rsplit('.').next().unwrap_or_default())],
    })
}

fn event(name: &str, actor: &str, module: &str, function: &str) -> Value {
    json!({
        "name": name,
        "actorType": actor,
        "handler": { "moduleName": module, "functionName": function, "version": "0.1" },
    })
}

/// Reads the offer out of a DDO.
///
/// # Errors
/// A sentence that names what is missing or odd.
pub fn read_offer(ddo: &Value) -> Result<ComputeOffer, String> {
    let services = ddo["service"].as_array().ok_or("the DDO has no list of services")?;
    let service = services.iter().find(|service| service["type"] == "Computing");
    let service = service.ok_or("the DDO has no computing service")?;
    serde_json::from_value(service["brizo"].clone())
        .map_err(|e| format!("the computing service's `brizo` part cannot be read: {e}"))
}

/// The number of a data set's version; documents from before there were versions are the first.
#[must_use]
pub fn read_version(ddo: &Value) -> u64 {
    base(ddo, "version").and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The version that this one replaces.
#[must_use]
pub fn read_previous(ddo: &Value) -> Option<Did> {
    base(ddo, "previousVersion").and_then(|text| text.parse().ok())
}

/// A text of the metadata.
fn base<'a>(ddo: &'a Value, name: &str) -> Option<&'a str> {
    let services = ddo["service"].as_array().map(Vec::as_slice).unwrap_or_default();
    let metadata = services.iter().find(|service| service["type"] == "Metadata");
    metadata.and_then(|service| service["metadata"]["base"][name].as_str())
}

#[cfg(test)]
mod tests;
