//! An RO-Crate 1.1 metadata file after the Process Run Crate profile 0.5: the run as a `CreateAction`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::names::{escaped, hex, place, urn};
use super::{Shown, Source, UNSALTED, time};
use crate::EntryKind;

const CRATE: &str = "https://w3id.org/ro/crate/1.1";
const PROFILE: &str = "https://w3id.org/ro/wfrun/process/0.5";
const COMPLETED: &str = "http://schema.org/CompletedActionStatus";
const FAILED: &str = "http://schema.org/FailedActionStatus";

/// The file `ro-crate-metadata.json` of a folder that has the receipt beside it and the outputs below `outputs/`.
#[must_use]
pub fn ro_crate_metadata(source: &Source) -> Value {
    let mut graph = vec![descriptor(), root(source), profile(), terms()];
    graph.push(receipt_hash(source));
    graph.push(receipt_file(source));
    graph.extend(source.artefacts().map(|shown| output(source, &shown)));
    graph.push(module(source));
    graph.extend(inputs(source));
    graph.extend(invocation(source));
    graph.extend(measures(source));
    graph.extend(agents(source));
    graph.push(action(source));
    let own_terms = json!({
        "sha256": "https://w3id.org/ro/terms/workflow-run#sha256",
        "environment": "https://w3id.org/ro/terms/workflow-run#environment",
    });
    json!({ "@context": [format!("{CRATE}/context"), own_terms], "@graph": graph })
}

fn reference(id: &str) -> Value {
    json!({ "@id": id })
}

fn set(node: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(node), Some(value)) = (node.as_object_mut(), value) {
        node.insert(name.into(), value);
    }
}

/// A list of one is written as the one, as RO-Crate recommends.
fn few(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::from(values) }
}

/// With the zone as numbers, which is how the profile asks for it.
fn instant(seconds: u64) -> Option<Value> {
    time::instant(seconds, "+00:00").map(Value::from)
}

fn descriptor() -> Value {
    json!({
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": reference(CRATE),
        "about": reference("./"),
    })
}

fn root(source: &Source) -> Value {
    let mut parts = vec![reference(&file_id(source))];
    let files = source.shown().filter(|shown| shown.kind == EntryKind::File);
    parts.extend(files.map(|shown| reference(&output_id(&shown))));
    let hash = source.receipt.claim_hash;
    // The year 9999 is the latest that the format can write.
    let published = instant(source.issued_at()).unwrap_or_else(|| json!("9999-12-31"));
    let proof = match source.attested() {
        Some(text) => format!("The receipt says what ran; this description is a translation of it. {text}"),
        None => {
            "The receipt says what ran and is the only proof; this description is a translation of it.".into()
        }
    };
    json!({
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": reference(PROFILE),
        "name": format!("Results of a run, receipt {hash}"),
        "description": format!(
            "What an algorithm gave out about data that did not leave its owner. {proof} {UNSALTED}"
        ),
        "identifier": reference("#receipt-hash"),
        "datePublished": published,
        "license": reference("#terms"),
        "hasPart": few(parts),
        "mentions": reference("#run"),
    })
}

fn profile() -> Value {
    json!({ "@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5" })
}

fn terms() -> Value {
    json!({
        "@id": "#terms",
        "@type": "CreativeWork",
        "name": "Terms of the service agreement",
        "description": "A receipt names no licence. Ask the data owner what the outputs may be used for.",
    })
}

fn receipt_hash(source: &Source) -> Value {
    json!({
        "@id": "#receipt-hash",
        "@type": "PropertyValue",
        "name": "receipt hash",
        "propertyID": "brizo-receipt/1",
        "value": source.receipt.claim_hash,
    })
}

fn file_id(source: &Source) -> String {
    escaped(&source.file.name)
}

fn receipt_file(source: &Source) -> Value {
    json!({
        "@id": file_id(source),
        "@type": "File",
        "name": "Execution receipt",
        "description": match source.attested().is_some() {
            true => "Check it with `brizo verify`. Nobody can repeat the run so that it proves anything.",
            false => "Check it with `brizo verify`; repeat the run with `brizo replay`.",
        },
        "encodingFormat": "application/json",
        "contentSize": source.file.size.to_string(),
        "sha256": hex(&source.file.sha256),
        "identifier": urn("blake3", source.file.blake3),
    })
}

/// Files have their path in the crate; streams are none of its files.
fn output_id(shown: &Shown<'_>) -> String {
    match shown.kind {
        EntryKind::Stream => format!("#{}", shown.path),
        _ => escaped(&place(shown)),
    }
}

fn output(source: &Source, shown: &Shown<'_>) -> Value {
    let kind = if shown.kind == EntryKind::Stream { "CreativeWork" } else { "File" };
    let mut node = json!({
        "@id": output_id(shown),
        "@type": kind,
        "name": place(shown),
        "encodingFormat": media_type(shown),
        "contentSize": shown.size.to_string(),
        "identifier": urn("blake3", shown.digest),
    });
    set(&mut node, "sha256", source.digests(shown).remove("sha256"));
    node
}

/// By the end of the name, which is all there is to go by.
fn media_type(shown: &Shown<'_>) -> &'static str {
    match shown.path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

fn module(source: &Source) -> Value {
    let (digest, algorithm) = (source.receipt.claim.spec.module_digest, source.program_algorithm());
    let mut node = json!({
        "@id": urn(algorithm, digest),
        "@type": "SoftwareApplication",
        "name": source.program(),
        "identifier": urn(algorithm, digest),
        "softwareVersion": format!("{} {}", if source.in_container { "SHA-256" } else { "BLAKE3" }, hex(digest.as_slice())),
        "runtimePlatform": format!("{}; {}; {}", source.run.software, source.run.engine, source.run.target),
        "softwareRequirements": urn("profile", source.receipt.claim.spec.profile),
    });
    if !source.receipt.opening.algorithm.is_empty() {
        let bundle = urn("manifest", source.receipt.claim.spec.algorithm_root);
        set(&mut node, "description", Some(json!(format!("An interpreter; it ran the bundle {bundle}."))));
    }
    node
}

/// Names of the data sets, each once, in the order of the receipt.
fn data_set_ids(source: &Source) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let roots = source.receipt.opening.inputs.iter().map(|mount| mount.root);
    roots.filter(|root| seen.insert(*root)).map(|root| urn("manifest", root)).collect()
}

fn inputs(source: &Source) -> Vec<Value> {
    let mounts = &source.receipt.opening.inputs;
    let mut seen = BTreeSet::new();
    let first = mounts.iter().filter(|mount| seen.insert(mount.root));
    let node = |mount: &crate::Mount| {
        let same: Vec<_> = mounts.iter().filter(|other| other.root == mount.root).collect();
        let places: Vec<_> = same.iter().map(|it| format!("/data/inputs/{}", it.path)).collect();
        let dids: BTreeSet<_> = same.iter().filter_map(|it| it.did.as_deref()).collect();
        let mut node = json!({
            "@id": urn("manifest", mount.root),
            // Not a `Dataset`: that would be a part of the crate. Not a `Collection`: that would list its files.
            "@type": "CreativeWork",
            "name": format!("Data set that the algorithm saw at {}", places.join(", ")),
            "description": "Not part of this crate: the data stayed with their owner. Named by the salted root of its manifest; a DID is what the receipt file says, and no signature covers it.",
        });
        let dids: Vec<_> = dids.into_iter().map(Value::from).collect();
        set(&mut node, "identifier", (!dids.is_empty()).then(|| few(dids)));
        node
    };
    first.map(node).collect()
}

fn property(id: &str, name: &str, value: &str) -> Value {
    json!({ "@id": id, "@type": "PropertyValue", "name": name, "value": value })
}

/// Arguments and variables that are proved, each as a property with a name of its own.
fn invocation(source: &Source) -> Vec<Value> {
    let (arguments, variables) = source.proved();
    let arguments = arguments.iter().enumerate();
    let arguments =
        arguments.map(|(i, text)| property(&format!("#argument-{i}"), &format!("argument {i}"), text));
    let variables = variables.iter().enumerate();
    arguments
        .chain(variables.map(|(i, (name, text))| property(&format!("#variable-{i}"), name, text)))
        .collect()
}

fn measures(source: &Source) -> Vec<Value> {
    let outcome = &source.receipt.claim.outcome;
    let fuel = if source.in_container { "microseconds charged" } else { "fuel used" };
    vec![
        property("#fuel-used", fuel, &outcome.fuel_used.to_string()),
        property(
            "#output-bytes",
            "bytes of all outputs, withheld ones too",
            &outcome.output_bytes.to_string(),
        ),
        property("#withheld-outputs", "outputs that the data owner withheld", &source.withheld().to_string()),
    ]
}

/// Who signed; the same account may be both. Whether it is a person's or an organisation's, nobody can see.
fn agents(source: &Source) -> Vec<Value> {
    let (provider, consumer) = (source.provider(), source.consumer());
    let agent = |id: &str, name: &str| json!({ "@id": id, "@type": "Organization", "name": name });
    match (&provider, &consumer) {
        (Some(provider), Some(consumer)) if provider == consumer => {
            vec![agent(provider, "Provider and consumer")]
        }
        _ => [(provider, "Provider"), (consumer, "Consumer")]
            .into_iter()
            .filter_map(|(id, name)| id.map(|id| agent(&id, name)))
            .collect(),
    }
}

fn action(source: &Source) -> Value {
    let outcome = &source.receipt.claim.outcome;
    let (arguments, variables) = source.proved();
    let numbered =
        |name: &str, count| (0..count).map(|i| reference(&format!("#{name}-{i}"))).collect::<Vec<_>>();
    let mut objects: Vec<_> = data_set_ids(source).iter().map(|id| reference(id)).collect();
    objects.extend(numbered("argument", arguments.len()));
    let mut results: Vec<_> = source.artefacts().map(|shown| reference(&output_id(&shown))).collect();
    results.extend(["#fuel-used", "#output-bytes", "#withheld-outputs"].map(reference));
    let (start, end) = source.times();
    let mut node = json!({
        "@id": "#run",
        "@type": "CreateAction",
        "name": format!("Run of a {} over data that stayed with their owner", source.program()),
        "description": format!("Ended with: {}. Times are by the clock of the host that ran it.", outcome.text()),
        "instrument": reference(&urn(source.program_algorithm(), source.receipt.claim.spec.module_digest)),
        "result": few(results),
        "actionStatus": if source.succeeded() { COMPLETED } else { FAILED },
    });
    set(&mut node, "object", (!objects.is_empty()).then(|| few(objects)));
    let environment = numbered("variable", variables.len());
    set(&mut node, "environment", (!environment.is_empty()).then(|| few(environment)));
    set(&mut node, "error", (!source.succeeded()).then(|| json!(outcome.text())));
    set(&mut node, "startTime", instant(start));
    set(&mut node, "endTime", instant(end));
    set(&mut node, "agent", source.provider().map(|id| reference(&id)));
    set(&mut node, "participant", source.consumer().map(|id| reference(&id)));
    node
}
