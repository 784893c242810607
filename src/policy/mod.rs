//! The data owner's policy: who may run what over a data set, and which outputs may leave.
//!
//! A policy is two texts. The **manifest** (TOML) holds numbers and lists: ceilings, approved algorithms, consumers,
//! declared outputs, price. The **rules** (Cedar) hold conditions. Numbers are compared here, in Rust, one ceiling at a
//! time; then the rules decide: nothing is allowed that no rule permits, a `forbid` beats every `permit`, and whatever
//! goes wrong on the way is a refusal.
//!
//! Boundary: this module is pure. It reads no file and no clock; texts and the time are arguments, so that every
//! decision can be made again later from what was recorded.
//!
//! | File | Duty |
//! |---|---|
//! | `manifest` | the manifest's types and what is demanded of its values |
//! | `outputs` | globs: is an output declared? |
//! | `text` | strict readers for single values (amount, address, digest, instant) |
//! | `rules` | loading Cedar rules, and asking them |
//! | `known` | policies that were loaded before |
//! | `unread` | refuses a manifest that states what no rule looks at |
//! | `facts` | what a rule may see, as Cedar entities and context |
//! | `ceilings` | the numeric comparisons |
//! | `request`, `decision`, `error` | what is asked, what is answered, what is wrong with a policy |

mod ceilings;
mod decision;
mod error;
mod facts;
mod known;
mod manifest;
mod outputs;
mod request;
mod rules;
mod text;
mod unread;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use alloy_primitives::B256;

pub use decision::{Decision, RULE_CODES, Refusal};
pub use error::PolicyError;
pub use manifest::{Algorithm, Ceilings, Consumers, Image, Manifest, Price};
pub use outputs::{DeclaredGlob, Outputs, StreamName};
pub use request::{OutputKind, ReleaseOutput, ReleaseRequest, RunRequest};
pub use rules::{Effect, Rule};
pub use text::parse_image;

/// A loaded policy: rules that were validated strictly against the shipped schema, and the manifest they work with.
/// A clone is a reference to the same policy.
#[derive(Clone)]
pub struct Policy(Arc<Inner>);

struct Inner {
    digest: B256,
    manifest: Manifest,
    rules: rules::Rules,
    datasets: facts::Datasets,
}

impl Policy {
    /// Reads a policy from its two texts. Everything that can be wrong with a policy is found here, not at a request.
    ///
    /// # Errors
    /// [`PolicyError`] names the key or the rule that is wrong, and how to mend it.
    pub fn parse(manifest_toml: &str, rules_cedar: &str) -> Result<Self, PolicyError> {
        let manifest = Manifest::parse(manifest_toml)?;
        let rules = rules::Rules::load(rules_cedar)?;
        unread::check(&manifest, &rules)?;
        let datasets = facts::Datasets::of(&manifest)
            .map_err(|unclear| PolicyError::Manifest { text: unclear.0.clone() })?;
        let digest = digest(manifest_toml, rules_cedar);
        Ok(Self(Arc::new(Inner { digest, manifest, rules, datasets })))
    }

    /// As [`Policy::parse`], which takes longer than a small job: the policies that were asked for last are remembered by
    /// the exact bytes of both texts.
    ///
    /// # Errors
    /// As for [`Policy::parse`]; what cannot be loaded is not remembered.
    pub fn known(manifest_toml: &str, rules_cedar: &str) -> Result<Self, PolicyError> {
        known::get(manifest_toml, rules_cedar)
    }

    /// Digest of the policy: the exact bytes of both texts count. It stands beside every decision that is recorded.
    #[must_use]
    pub fn digest(&self) -> B256 {
        self.0.digest
    }

    /// The numbers and lists of the policy.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// The rules, in the order in which they stand in the text.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.0.rules.list()
    }

    /// May this consumer run this algorithm over the data set with these limits?
    pub fn may_run(&self, request: &RunRequest) -> Decision {
        let manifest = &self.0.manifest;
        let refusal =
            ceilings::check_run(&manifest.ceilings, request).or_else(|| match manifest.images.is_empty() {
                true => check_runtime(&manifest.runtimes, request.runtime),
                false => check_image(&manifest.images, request.runtime),
            });
        if let Some(refusal) = refusal {
            return Decision::Refuse(refusal);
        }
        self.ask(facts::of_run(self.0.rules.schema(), &self.0.datasets, request))
    }

    /// May this output of a finished run leave?
    pub fn may_release(&self, request: &ReleaseRequest) -> Decision {
        let outputs = &self.0.manifest.outputs;
        if let Some(refusal) = outputs.check(&request.output) {
            return Decision::Refuse(refusal);
        }
        let declared = outputs.declares(&request.output);
        self.ask(facts::of_release(self.0.rules.schema(), &self.0.datasets, request, declared))
    }

    fn ask(&self, question: Result<facts::Question, facts::Unclear>) -> Decision {
        match question {
            Ok(question) => self.0.rules.decide(&question),
            Err(unclear) => Decision::Refuse(Refusal::policy_error("request", &unclear.0)),
        }
    }
}

/// A bundle is only as safe as what interprets it, so a runtime that is not listed runs nothing.
fn check_runtime(approved: &[Algorithm], runtime: Option<B256>) -> Option<Refusal> {
    let digest = runtime.filter(|digest| approved.iter().all(|one| one.digest != *digest))?;
    Some(Refusal {
        code: "runtime_not_approved",
        rule: "runtimes".into(),
        text: format!("runtime {digest} is not approved for this data set"),
        hint: "use a runtime that the data owner lists, or ask the owner to approve this one".into(),
    })
}

/// Where images are approved nothing runs but a bundle on one of them: ceilings and price are those of containers.
fn check_image(approved: &[Image], image: Option<B256>) -> Option<Refusal> {
    if image.is_some_and(|digest| approved.iter().any(|one| one.digest == digest)) {
        return None;
    }
    let what =
        image.map_or("an algorithm without an image".into(), |it| format!("sha256:{}", hex::encode(it)));
    Some(Refusal {
        code: "image_not_approved",
        rule: "images".into(),
        text: format!("{what} is not approved for this data set, which is for containers"),
        hint: "use an image that the data owner lists, or ask the owner to approve this one".into(),
    })
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The parsed rules fill pages; name and digest say which policy it is.
        f.debug_struct("Policy")
            .field("name", &self.0.manifest.name)
            .field("digest", &self.0.digest)
            .finish_non_exhaustive()
    }
}

fn digest(manifest_toml: &str, rules_cedar: &str) -> B256 {
    let length = |text: &str| (text.len() as u64).to_be_bytes();
    brizo_receipt::derive(
        "brizo 2026 v1 policy",
        &[&length(manifest_toml), manifest_toml.as_bytes(), &length(rules_cedar), rules_cedar.as_bytes()],
    )
}
