//! Refuses a manifest that states what no rule looks at.
//!
//! The manifest's lists protect only through the rules. An owner who lists three consumers beside rules that never ask
//! for the list would believe in a fence that is not there. This check is a guard against forgetting, not a proof: a
//! rule that reads the list may still read it wrongly, which is what a policy's `tests.toml` is for.

use std::collections::HashSet;

use serde_json::Value;

use super::PolicyError;
use super::manifest::{Consumers, Manifest};
use super::rules::{Effect, Rules};

pub(super) fn check(manifest: &Manifest, rules: &Rules) -> Result<(), PolicyError> {
    if rules.list().iter().all(|rule| rule.effect == Effect::Forbid) {
        // Nothing is permitted, so there is nothing to fence.
        return Ok(());
    }
    let mut read = HashSet::new();
    for rule in rules.parsed() {
        let json = rule.to_json().map_err(|error| PolicyError::Syntax { text: error.to_string() })?;
        collect(&json, &mut read);
    }
    let outputs = &manifest.outputs;
    let stated = [
        (!manifest.algorithms.is_empty(), "algorithms", "algorithms"),
        (manifest.consumers != Consumers::Any, "consumers.addresses", "consumers"),
        (manifest.valid_until_s.is_some(), "valid_until", "valid_until_s"),
        (!outputs.declared.is_empty() || !outputs.streams.is_empty(), "outputs", "declared"),
    ];
    match stated.into_iter().find(|(stated, _, attribute)| *stated && !read.contains(*attribute)) {
        Some((_, key, attribute)) => Err(PolicyError::Unread { key, attribute }),
        None => Ok(()),
    }
}

/// Names of all attributes that a rule reads. In Cedar's JSON form `a.b` is `{".": {"left": a, "attr": "b"}}`; a mere
/// `a has b` is written otherwise and does not count.
fn collect(json: &Value, read: &mut HashSet<String>) {
    match json {
        Value::Object(map) => {
            if let Some(Value::String(attribute)) = map.get(".").and_then(|access| access.get("attr")) {
                read.insert(attribute.clone());
            }
            map.values().for_each(|inner| collect(inner, read));
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, read)),
        _ => {}
    }
}
