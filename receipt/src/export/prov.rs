//! W3C PROV-O as JSON-LD. The context stands in the document, so that reading it needs no network.

use alloy_primitives::B256;
use serde_json::{Value, json};

use super::names::{escaped, hex, place, urn};
use super::{Shown, Source, UNSALTED, time};
use crate::Mount;

/// The graph: data sets, module, profile, order, outputs and receipt as entities, the run as an activity, provider and
/// consumer as agents.
#[must_use]
pub fn prov_document(source: &Source) -> Value {
    let names = Names::of(source);
    let mut graph = vec![run(source, &names), order(source, &names)];
    graph.extend(agents(source));
    graph.extend(ingredients(source));
    graph.extend(source.artefacts().map(|shown| output(source, &names, &shown)));
    graph.push(receipt(source, &names));
    json!({ "@context": context(), "@graph": graph })
}

/// Names that several nodes use.
struct Names {
    receipt: String,
    run: String,
    order: String,
    inputs: Vec<Value>,
}

impl Names {
    fn of(source: &Source) -> Self {
        let receipt = urn("receipt", source.receipt.claim_hash);
        let inputs = source.receipt.opening.inputs.iter();
        Self {
            run: format!("{receipt}/run"),
            order: urn("order", source.receipt.claim.spec.hash()),
            inputs: inputs.map(|mount| reference(&urn("manifest", mount.root))).collect(),
            receipt,
        }
    }

    fn output(&self, shown: &Shown<'_>) -> String {
        format!("{}/{}", self.receipt, escaped(&place(shown)))
    }
}

fn context() -> Value {
    json!({
        "prov": "http://www.w3.org/ns/prov#",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "brizo": "urn:brizo:term:",
        "prov:startedAtTime": { "@type": "xsd:dateTime" },
        "prov:endedAtTime": { "@type": "xsd:dateTime" },
        "prov:generatedAtTime": { "@type": "xsd:dateTime" },
        "brizo:size": { "@type": "xsd:unsignedLong" },
        "brizo:fuelUsed": { "@type": "xsd:unsignedLong" },
        "brizo:outputBytes": { "@type": "xsd:unsignedLong" },
    })
}

fn reference(id: &str) -> Value {
    json!({ "@id": id })
}

/// An entity with a name for people and the digest that names it.
fn entity(kind: &str, hash: B256, label: &str) -> Value {
    json!({ "@id": urn(kind, hash), "@type": "prov:Entity", "rdfs:label": label, "brizo:digest": hex(hash.as_slice()) })
}

/// Sets a property of a node; nodes are objects.
fn set(node: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(node), Some(value)) = (node.as_object_mut(), value) {
        node.insert(name.into(), value);
    }
}

fn instant(seconds: u64) -> Option<Value> {
    time::instant(seconds, "Z").map(Value::from)
}

fn run(source: &Source, names: &Names) -> Value {
    let (spec, outcome) = (&source.receipt.claim.spec, &source.receipt.claim.outcome);
    let mut used = vec![
        reference(&urn(source.program_algorithm(), spec.module_digest)),
        reference(&urn("profile", spec.profile)),
    ];
    if !source.receipt.opening.algorithm.is_empty() {
        used.push(reference(&urn("manifest", spec.algorithm_root)));
    }
    used.extend(names.inputs.iter().cloned());
    used.push(reference(&names.order));
    let (start, end) = source.times();
    let agents: Vec<_> =
        [source.provider(), source.consumer()].iter().flatten().map(|agent| reference(agent)).collect();
    let mut node = json!({
        "@id": names.run,
        "@type": "prov:Activity",
        "rdfs:label": match source.in_container {
            true => "run of the container image over the data sets",
            false => "run of the module over the data sets",
        },
        "prov:used": used,
        "brizo:outcome": outcome.text(),
        "brizo:fuelUsed": outcome.fuel_used.to_string(),
        "brizo:outputBytes": outcome.output_bytes.to_string(),
        "brizo:withheldOutputs": source.withheld(),
        "brizo:software": source.run.software,
        "brizo:engine": source.run.engine,
        "brizo:target": source.run.target,
    });
    set(&mut node, "prov:startedAtTime", instant(start));
    set(&mut node, "prov:endedAtTime", instant(end));
    set(&mut node, "prov:wasAssociatedWith", (!agents.is_empty()).then_some(Value::from(agents)));
    let associations = associations(source, names);
    let some = !associations.is_empty();
    set(&mut node, "prov:qualifiedAssociation", some.then_some(Value::from(associations)));
    node
}

/// Who had which part in the run.
fn associations(source: &Source, names: &Names) -> Vec<Value> {
    let one = |agent: &str, role: &str| {
        json!({
            "@type": "prov:Association",
            "prov:agent": reference(agent),
            "prov:hadRole": { "@id": format!("brizo:{role}"), "@type": "prov:Role" },
        })
    };
    let provider = source.provider().map(|agent| {
        let mut node = one(&agent, "provider");
        set(&mut node, "prov:hadPlan", Some(reference(&names.order)));
        node
    });
    let consumer = source.consumer().map(|agent| one(&agent, "consumer"));
    provider.into_iter().chain(consumer).collect()
}

/// The signed spec is the plan that the provider followed.
fn order(source: &Source, names: &Names) -> Value {
    let spec = &source.receipt.claim.spec;
    let mut node = json!({
        "@id": names.order,
        "@type": ["prov:Entity", "prov:Plan"],
        "rdfs:label": "the order: everything the run depends on",
        "brizo:specHash": hex(spec.hash().as_slice()),
        "brizo:agreementId": hex(spec.agreement_id.as_slice()),
        "brizo:runIndex": spec.run_index.to_string(),
    });
    set(&mut node, "prov:wasAttributedTo", source.consumer().map(|agent| reference(&agent)));
    node
}

/// Who signed; the same account may be both.
fn agents(source: &Source) -> Vec<Value> {
    let (provider, consumer) = (source.provider(), source.consumer());
    let agent = |id: &str, label: &str| json!({ "@id": id, "@type": "prov:Agent", "rdfs:label": label });
    match (&provider, &consumer) {
        (Some(provider), Some(consumer)) if provider == consumer => {
            vec![agent(provider, "provider and consumer")]
        }
        _ => {
            let named =
                [(&provider, "provider: ran the algorithm"), (&consumer, "consumer: ordered the run")];
            named.iter().filter_map(|(id, label)| id.as_ref().map(|id| agent(id, label))).collect()
        }
    }
}

/// What went into the run.
fn ingredients(source: &Source) -> Vec<Value> {
    let (spec, opening) = (&source.receipt.claim.spec, &source.receipt.opening);
    let mut list = vec![
        match source.in_container {
            true => entity("sha256", spec.module_digest, "the container image that ran"),
            false => entity("blake3", spec.module_digest, "the module that ran"),
        },
        entity("profile", spec.profile, "the rules of execution"),
    ];
    if !opening.algorithm.is_empty() {
        list.push(entity("manifest", spec.algorithm_root, "the bundle that the module interpreted"));
    }
    list.extend(opening.inputs.iter().map(data_set));
    list
}

/// A data set. One that is mounted twice is named twice, which says the same twice.
fn data_set(mount: &Mount) -> Value {
    let mut node = entity("manifest", mount.root, "a data set, as a salted manifest root");
    set(&mut node, "@type", Some(json!(["prov:Entity", "prov:Collection"])));
    set(
        &mut node,
        "brizo:mountedAt",
        Some(json!(format!("/data/inputs/{}", mount.path).trim_end_matches('/'))),
    );
    set(&mut node, "brizo:did", mount.did.as_ref().map(|did| json!(did)));
    node
}

fn output(source: &Source, names: &Names, shown: &Shown<'_>) -> Value {
    let mut node = json!({
        "@id": names.output(shown),
        "@type": "prov:Entity",
        "rdfs:label": place(shown),
        "brizo:size": shown.size.to_string(),
        "prov:wasGeneratedBy": reference(&names.run),
    });
    for (algorithm, digest) in source.digests(shown) {
        set(&mut node, &format!("brizo:{algorithm}"), Some(digest));
    }
    // A receipt does not say which of the data sets were read, so all of them count.
    let derived = (!names.inputs.is_empty()).then(|| Value::from(names.inputs.clone()));
    set(&mut node, "prov:wasDerivedFrom", derived);
    node
}

fn receipt(source: &Source, names: &Names) -> Value {
    let mut node = json!({
        "@id": names.receipt,
        "@type": "prov:Entity",
        "rdfs:label": format!("receipt {}", source.receipt.claim_hash),
        "brizo:receiptHash": hex(source.receipt.claim_hash.as_slice()),
        "brizo:format": source.receipt.format,
        "brizo:kind": source.receipt.kind,
        "brizo:fileSha256": hex(&source.file.sha256),
        "brizo:checkedByExporter": source.tiers(),
        "brizo:note": UNSALTED,
        // Not generated by the run: it was issued after the run had ended.
        "prov:wasInfluencedBy": reference(&names.run),
    });
    set(&mut node, "brizo:attested", source.attested().map(Value::from));
    set(&mut node, "prov:wasAttributedTo", source.provider().map(|agent| reference(&agent)));
    let issued = source.receipt.attestation.as_ref().and_then(|it| instant(it.statement.issued_at));
    set(&mut node, "prov:generatedAtTime", issued);
    node
}
