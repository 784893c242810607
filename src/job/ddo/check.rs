//! Whether a document is a DDO that agreements can be made under: the seeds' own sample broke several of these rules.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256};
use serde_json::Value;

use super::read_offer;
use crate::ids::Did;

/// All that is wrong with a DDO, each with its place; empty where nothing is.
#[must_use]
pub fn check_ddo(ddo: &Value) -> Vec<String> {
    let mut wrong = Wrong::default();
    wrong.unless(ddo["@context"].is_string(), "@context", "is no string");
    wrong.unless(is::<Did>(&ddo["id"]), "id", "is no DID");
    let services = ddo["service"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ids = BTreeSet::new();
    for (i, service) in services.iter().enumerate() {
        let at = |field: &str| format!("service[{i}].{field}");
        wrong.unless(service["type"].is_string(), at("type"), "is no string");
        wrong.unless(is_url(&service["serviceEndpoint"]), at("serviceEndpoint"), "is no URL");
        let id = service["serviceDefinitionId"].as_str();
        let new = id.is_some_and(|id| ids.insert(id));
        wrong.unless(new, at("serviceDefinitionId"), "is no string, or that of another service");
    }
    let of_type = |name: &str| services.iter().filter(|it| it["type"] == name).collect::<Vec<_>>();
    match of_type("Computing")[..] {
        [computing] => check_computing(computing, &mut wrong),
        _ => wrong.0.push("service: there is not exactly one of type Computing".into()),
    }
    match of_type("Metadata")[..] {
        [metadata] => {
            let base = &metadata["metadata"]["base"];
            wrong.unless(base["name"].is_string(), "metadata.base.name", "is no string");
            wrong.unless(base["type"] == "dataset", "metadata.base.type", "is not \"dataset\"");
        }
        _ => wrong.0.push("service: there is not exactly one of type Metadata".into()),
    }
    if let Err(text) = read_offer(ddo) {
        wrong.0.push(text);
    }
    wrong.0
}

#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, good: bool, place: impl Into<String>, text: &str) {
        if !good {
            self.0.push(format!("{} {text}", place.into()));
        }
    }
}

fn check_computing(service: &Value, wrong: &mut Wrong) {
    for endpoint in ["initializeEndpoint", "uploadEndpoint"] {
        wrong.unless(is_url(&service[endpoint]), endpoint, "is no URL");
    }
    wrong.unless(is::<B256>(&service["templateId"]), "templateId", "is no 32 bytes");
    let contract = &service["serviceAgreementContract"];
    wrong.unless(
        contract["contractName"].is_string(),
        "serviceAgreementContract.contractName",
        "is no string",
    );
    let conditions = service["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = conditions.iter().filter_map(|it| it["name"].as_str()).collect();
    let different: BTreeSet<_> = names.iter().collect();
    let named = names.len() == conditions.len() && different.len() == names.len();
    wrong.unless(named && !names.is_empty(), "conditions", "are none, or have no names of their own");
    let mut keys = BTreeSet::new();
    for (i, condition) in conditions.iter().enumerate() {
        let at = |field: &str| format!("conditions[{i}].{field}");
        // The seeds' sample has index 0 twice.
        wrong.unless(condition["index"] == i, at("index"), "is not its place in the list");
        let key = condition["conditionKey"].as_str().and_then(|key| key.parse::<B256>().ok());
        let new = key.is_some_and(|key| keys.insert(key));
        wrong.unless(new, at("conditionKey"), "is no 32 bytes, or that of another condition");
        for field in ["contractName", "functionName"] {
            wrong.unless(condition[field].is_string(), at(field), "is no string");
        }
        wrong.unless(condition["timeout"].is_u64(), at("timeout"), "is no number of seconds");
        for need in condition["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let known = need["name"].as_str().is_some_and(|name| names.contains(&name));
            wrong.unless(known, at("dependencies"), "name a condition that is not listed");
        }
        check_parameters(&condition["parameters"], &at("parameters"), wrong);
        check_events(&condition["events"], &at("events"), wrong);
    }
    let ends = conditions.iter().any(|condition| condition["isTerminalCondition"] == 1);
    wrong.unless(ends, "conditions", "have none that is terminal");
}

/// Types must be spelt as they are hashed: `uint` is not `uint256`.
fn check_parameters(parameters: &Value, place: &str, wrong: &mut Wrong) {
    for parameter in parameters.as_array().map(Vec::as_slice).unwrap_or_default() {
        let value = &parameter["value"];
        let fits = match parameter["type"].as_str().unwrap_or_default() {
            "uint256" => value.as_str().is_some_and(|text| U256::from_str_radix(text, 10).is_ok()),
            "address" => is::<Address>(value),
            "bytes32" => is::<B256>(value),
            _ => false,
        };
        let name = parameter["name"].as_str().unwrap_or("?");
        wrong.unless(fits, format!("{place}.{name}"), "is not of its type, or its type is not canonical");
    }
}

fn check_events(events: &Value, place: &str, wrong: &mut Wrong) {
    for event in events.as_array().map(Vec::as_slice).unwrap_or_default() {
        let actor = matches!(event["actorType"].as_str(), Some("consumer" | "publisher"));
        let handler = &event["handler"];
        let handled =
            ["moduleName", "functionName", "version"].iter().all(|field| handler[field].is_string());
        wrong.unless(
            event["name"].is_string() && actor && handled,
            place,
            "lack a name, an actor or a handler",
        );
    }
}

fn is<T: std::str::FromStr>(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<T>().is_ok())
}

fn is_url(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    })
}
