//! What a rule may see: request and manifest as Cedar entities and context, checked against the schema.
//!
//! The names here are those of `policies/brizo.cedarschema`. Cedar compares the two at the first request of each shape, and a
//! difference is a refusal, so that they cannot drift apart unseen.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use alloy_primitives::Address;
use brizo_receipt::Status;
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression as Value,
    Schema,
};

use super::manifest::{Ceilings, Consumers, Manifest};
use super::request::{ReleaseRequest, RunRequest};

/// Attributes of an entity.
type Attributes = HashMap<String, Value>;

/// Data sets that one policy has made into entities; mostly it is one. Beyond it all are forgotten.
const DATASETS_MAX: usize = 64;

/// The data sets of a policy: the same attributes, made once from the manifest, under the name that each request says.
#[derive(Debug)]
pub(super) struct Datasets {
    attributes: Attributes,
    /// To make one of them takes longer than to decide.
    made: Mutex<HashMap<String, Arc<Entities>>>,
    /// Which shapes of questions the schema was asked about. It knows names and types, which a shape always has alike.
    checked: [AtomicBool; 3],
}

/// The shapes of questions.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Run,
    RunOnRuntime,
    Release,
}

impl Datasets {
    pub(super) fn of(manifest: &Manifest) -> Result<Self, Unclear> {
        Ok(Self {
            attributes: dataset_attributes(manifest)?,
            made: Mutex::default(),
            checked: Default::default(),
        })
    }

    /// The data set of this name, checked against the schema.
    fn named(&self, schema: &Schema, name: &str) -> Result<Arc<Entities>, Unclear> {
        // Nothing that holds the lock can panic between two changes that belong together.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entities) = made.get(name) {
            return Ok(entities.clone());
        }
        let entity = Entity::new(uid("Dataset", name)?, self.attributes.clone(), HashSet::new())?;
        let entities = Arc::new(Entities::from_entities([entity], Some(schema))?);
        if made.len() >= DATASETS_MAX {
            made.clear();
        }
        made.insert(name.to_owned(), entities.clone());
        Ok(entities)
    }
}

/// A request with the entities that it names. Consumers are not among them: the schema gives them nothing but a name.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) request: Request,
    pub(super) entities: Arc<Entities>,
}

/// Why a question could not even be put; the answer is a refusal.
#[derive(Debug)]
pub(super) struct Unclear(pub(super) String);

impl<E: std::error::Error> From<E> for Unclear {
    fn from(error: E) -> Self {
        // Cedar's outer messages are often only a frame ("context is not valid"); the cause has the name in it.
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        Self(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
    }
}

fn dataset_attributes(manifest: &Manifest) -> Result<Attributes, Unclear> {
    let algorithms = manifest.algorithms.iter().map(|a| Value::new_string(a.digest.to_string()));
    let consumers = match &manifest.consumers {
        Consumers::Any => Vec::new(),
        Consumers::Listed(list) => {
            list.iter().map(|a| consumer(a).map(Value::new_entity_uid)).collect::<Result<_, _>>()?
        }
    };
    let any_consumer = manifest.consumers == Consumers::Any;
    let mut attributes = HashMap::from([
        ("algorithms".into(), Value::new_set(algorithms)),
        ("any_consumer".into(), Value::new_bool(any_consumer)),
        ("consumers".into(), Value::new_set(consumers)),
        ("ceilings".into(), ceilings(&manifest.ceilings)?),
    ]);
    if let Some(valid_until_s) = manifest.valid_until_s {
        attributes.insert("valid_until_s".into(), long(valid_until_s)?);
    }
    Ok(attributes)
}

fn ceilings(c: &Ceilings) -> Result<Value, Unclear> {
    record([
        ("fuel", long(c.fuel)?),
        ("memory_bytes", long(c.memory_bytes)?),
        ("output_bytes", long(c.output_bytes)?),
        ("output_files", long(c.output_files)?),
        ("wall_clock_s", long(c.wall_clock_s)?),
        ("algorithm_bytes", long(c.algorithm_bytes)?),
    ])
}

pub(super) fn of_run(schema: &Schema, datasets: &Datasets, run: &RunRequest) -> Result<Question, Unclear> {
    let imports = run.imports_refused.iter().map(|name| Value::new_string(name.clone()));
    let runtime = run.runtime.map(|digest| ("runtime".to_owned(), Value::new_string(digest.to_string())));
    let algorithm = [
        ("digest".to_owned(), Value::new_string(run.algorithm.to_string())),
        ("bytes".to_owned(), long(run.algorithm_bytes)?),
        ("imports_refused".to_owned(), Value::new_set(imports)),
    ];
    let algorithm = Value::new_record(algorithm.into_iter().chain(runtime))?;
    let limits = record([
        ("fuel", long(run.fuel)?),
        ("memory_bytes", long(run.memory_bytes)?),
        ("output_bytes", long(run.output_bytes)?),
        ("output_files", long(run.output_files)?),
    ])?;
    let context = [("algorithm", algorithm), ("limits", limits), ("now_s", long(run.now_s)?)];
    let shape = if run.runtime.is_some() { Shape::RunOnRuntime } else { Shape::Run };
    question(schema, ("run", shape), &run.consumer, (datasets, &run.dataset), context)
}

pub(super) fn of_release(
    schema: &Schema,
    datasets: &Datasets,
    release: &ReleaseRequest,
    declared: bool,
) -> Result<Question, Unclear> {
    let number = release.status;
    let status = Status::from_number(number).ok_or_else(|| {
        Unclear(format!("a run cannot end with status {number}; the known ones are 0 to 5"))
    })?;
    let output = record([
        ("kind", Value::new_entity_uid(uid("OutputKind", release.output.kind.text())?)),
        ("path", Value::new_string(release.output.path.clone())),
        ("bytes", long(release.output.bytes)?),
        ("declared", Value::new_bool(declared)),
    ])?;
    let context = [
        ("algorithm", record([("digest", Value::new_string(release.algorithm.to_string()))])?),
        ("output", output),
        ("status", Value::new_entity_uid(uid("Status", status.text())?)),
        ("now_s", long(release.now_s)?),
    ];
    question(schema, ("release", Shape::Release), &release.consumer, (datasets, &release.dataset), context)
}

fn question<const N: usize>(
    schema: &Schema,
    (action, shape): (&'static str, Shape),
    principal: &Address,
    (datasets, dataset): (&Datasets, &str),
    context: [(&str, Value); N],
) -> Result<Question, Unclear> {
    let (principal, resource) = (consumer(principal)?, uid("Dataset", dataset)?);
    let context = Context::from_pairs(context.map(|(key, value)| (key.to_owned(), value)))?;
    let entities = datasets.named(schema, dataset)?;
    let checked = &datasets.checked[shape as usize];
    let unchecked = (!checked.load(Ordering::Relaxed)).then_some(schema);
    let request = Request::new(principal, uid("Action", action)?, resource, context, unchecked)?;
    checked.store(true, Ordering::Relaxed);
    Ok(Question { request, entities })
}

fn consumer(address: &Address) -> Result<EntityUid, Unclear> {
    uid("Consumer", &consumer_id(address))
}

/// Lower case, so that a rule which names a consumer has one way to write it.
fn consumer_id(address: &Address) -> String {
    format!("{address:#x}")
}

/// Whether this is how a request would name a consumer.
pub(super) fn is_consumer_id(id: &str) -> bool {
    id.parse().is_ok_and(|address: Address| consumer_id(&address) == id)
}

fn uid(kind: &'static str, id: &str) -> Result<EntityUid, Unclear> {
    Ok(EntityUid::from_type_name_and_id(type_name(kind)?, EntityId::new(id)))
}

/// A type of the schema. Each is read once: Cedar has a whole grammar for names, which takes longer than to decide.
fn type_name(kind: &'static str) -> Result<EntityTypeName, Unclear> {
    static NAMES: LazyLock<Mutex<HashMap<&'static str, EntityTypeName>>> = LazyLock::new(Mutex::default);
    // Nothing that holds the lock can panic between two changes that belong together.
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(name) = names.get(kind) {
        return Ok(name.clone());
    }
    let name = EntityTypeName::from_str(kind)?;
    Ok(names.entry(kind).or_insert(name).clone())
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Result<Value, Unclear> {
    Ok(Value::new_record(fields.map(|(key, value)| (key.to_owned(), value)))?)
}

fn long(number: u64) -> Result<Value, Unclear> {
    let fits = i64::try_from(number)
        .map_err(|_| Unclear(format!("{number} is more than a rule can compute with ({})", i64::MAX)))?;
    Ok(Value::new_long(fits))
}
