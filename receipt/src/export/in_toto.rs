//! An in-toto Statement v1 whose predicate has the shape of SLSA Provenance v1.

use alloy_primitives::B256;
use serde_json::{Map, Value, json};

use super::names::{hex, place, urn};
use super::{Source, UNSALTED, time};

/// Type of the predicate. Not SLSA's own: a receipt has no builder that SLSA's levels speak of.
pub const PREDICATE_TYPE: &str = "urn:brizo:predicate:run:v1";
/// How `buildDefinition` is to be read.
const BUILD_TYPE: &str = "urn:brizo:build:sandboxed-run:v1";
/// Name of the receipt hash in a digest set: EIP-712 struct hash of the claim, lower-case hex.
const RECEIPT_HASH: &str = "brizoReceipt1";
/// Name of a manifest root in a digest set: `docs/RECEIPT.md` §4.4, lower-case hex.
const MANIFEST_ROOT: &str = "brizoManifest1";
/// Name of a profile's digest in a digest set: `docs/RECEIPT.md` §3.2, lower-case hex.
const PROFILE: &str = "brizoProfile1";

const EXPORTER: &str = "A signature around this statement is by whoever exported it, not by the provider. The provider's is \
     brizo.attestation: it covers the receipt hash, which follows from buildDefinition.externalParameters.spec and \
     brizo.outcome (docs/RECEIPT.md §3.1).";

const UNPROVEN: &str = "As they stand in the receipt file, where no signature covers them. The run key of the consumer proves them \
     (brizo verify --run-key); it was not given for this export.";

/// The statement. Subjects are the outputs that are shown, and the receipt.
#[must_use]
pub fn statement(source: &Source) -> Value {
    let mut subject: Vec<Value> = source
        .artefacts()
        .map(|shown| json!({ "name": place(&shown), "digest": source.digests(&shown) }))
        .collect();
    let hash = source.receipt.claim_hash;
    subject.push(json!({
        "name": "receipt",
        "uri": urn("receipt", hash),
        "digest": { RECEIPT_HASH: hex(hash.as_slice()) },
    }));
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": build_definition(source),
            "runDetails": run_details(source),
            "brizo": beyond_slsa(source),
        },
    })
}

fn build_definition(source: &Source) -> Value {
    let run = &source.run;
    let (arguments, environment) = source.proved();
    // What the consumer decided and signed; arguments and variables only where they open the spec's root.
    let mut ordered = json!({ "spec": source.receipt.claim.spec });
    if source.opened {
        ordered["arguments"] = json!(arguments);
        ordered["environment"] = json!(environment);
    }
    json!({
        "buildType": BUILD_TYPE,
        "externalParameters": ordered,
        // What the provider decided; it cannot change the outcome.
        "internalParameters": {
            "software": run.software,
            "engine": run.engine,
            "target": run.target,
            "cachedModule": run.cached_module,
        },
        "resolvedDependencies": dependencies(source),
    })
}

fn dependencies(source: &Source) -> Vec<Value> {
    let (spec, opening) = (&source.receipt.claim.spec, &source.receipt.opening);
    let one = |name: &str, kind: &str, algorithm: &str, hash: B256| json!({ "name": name, "uri": urn(kind, hash), "digest": { algorithm: hex(hash.as_slice()) } });
    let program = source.program_algorithm();
    let mut list = vec![
        one(if source.in_container { "image" } else { "module" }, program, program, spec.module_digest),
        one("profile", "profile", PROFILE, spec.profile),
    ];
    if !opening.algorithm.is_empty() {
        list.push(one("algorithm", "manifest", MANIFEST_ROOT, spec.algorithm_root));
    }
    for mount in &opening.inputs {
        let name = format!("inputs/{}", mount.path);
        let mut entry = one(name.trim_end_matches('/'), "manifest", MANIFEST_ROOT, mount.root);
        if let Some(did) = &mount.did {
            // No signature covers it, so it is a remark and not the name.
            entry["annotations"] = json!({ "did": did });
        }
        list.push(entry);
    }
    list
}

fn run_details(source: &Source) -> Value {
    let (start, end) = source.times();
    let mut metadata = Map::new();
    metadata.insert("invocationId".into(), json!(urn("receipt", source.receipt.claim_hash)));
    for (name, seconds) in [("startedOn", start), ("finishedOn", end)] {
        if let Some(text) = time::instant(seconds, "Z") {
            metadata.insert(name.into(), json!(text));
        }
    }
    let builder = source.provider().unwrap_or_else(|| "urn:brizo:account:none".into());
    let file = &source.file;
    json!({
        "builder": { "id": builder, "version": { "software": source.run.software, "engine": source.run.engine } },
        "metadata": metadata,
        "byproducts": [{
            "name": file.name,
            "mediaType": "application/json",
            "digest": { "sha256": hex(&file.sha256), "blake3": hex(file.blake3.as_slice()) },
        }],
    })
}

/// What SLSA has no place for.
fn beyond_slsa(source: &Source) -> Value {
    let receipt = &source.receipt;
    let mut facts = json!({
        "format": receipt.format,
        "receiptHash": receipt.claim_hash,
        "kind": receipt.kind,
        "outcome": receipt.claim.outcome,
        "outcomeText": receipt.claim.outcome.text(),
        "withheldOutputs": source.withheld(),
    });
    if !source.opened {
        let invocation = &receipt.opening.invocation;
        facts["unproven"] =
            json!({ "arguments": invocation.args, "environment": invocation.env, "note": UNPROVEN });
    }
    if let Some(text) = source.attested() {
        facts["attested"] = json!(text);
    }
    if let Some(consent) = &receipt.consent {
        facts["consent"] = json!(consent);
    }
    if let Some(attestation) = &receipt.attestation {
        facts["attestation"] = json!(attestation);
    }
    facts["exporter"] = json!({ "checked": source.tiers(), "note": EXPORTER, "digests": UNSALTED });
    facts
}
