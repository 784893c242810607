//! Loading Cedar rules, and asking them. A rule set that is not beyond doubt is not loaded; an answer that is not
//! beyond doubt is a refusal.

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    Authorizer, Decision as CedarDecision, Effect as CedarEffect, Policy as CedarPolicy, PolicyId, PolicySet,
    Schema, ValidationMode, Validator,
};
use serde::Serialize;

use super::facts::{self, Question};
use super::{Decision, PolicyError, RULE_CODES, Refusal};

const SCHEMA: &str = include_str!("../../policies/brizo.cedarschema");

/// One rule of a policy, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// `@id`: unique in the policy.
    pub id: String,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// `@reason`: why the rule is there; it is what a refused consumer reads.
    pub reason: String,
    /// `@hint`: how to mend a refusal.
    pub hint: Option<String>,
    /// `@code`: the code of its refusals.
    pub code: &'static str,
}

/// What a rule does where its condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Allows, unless another rule forbids.
    Permit,
    /// Refuses, whatever other rules say.
    Forbid,
}

/// Validated rules with their schema.
#[derive(Debug)]
pub(super) struct Rules {
    schema: Schema,
    set: PolicySet,
    list: Vec<Rule>,
}

impl Rules {
    pub(super) fn load(rules_cedar: &str) -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
            .map_err(|error| PolicyError::Schema { text: error.to_string() })?;
        let mut list = Vec::new();
        let mut set = PolicySet::new();
        for (number, rule) in in_order_of_text(rules_cedar)?.iter().enumerate() {
            let described = describe(number + 1, rule)?;
            check_literals(&described.id, rule)?;
            // Adding refuses an id that is there already.
            set.add(rule.new_id(PolicyId::new(&described.id)))
                .map_err(|_| annotation(&described.id, "another rule has the same @id"))?;
            list.push(described);
        }
        validate(&schema, &set)?;
        Ok(Self { schema, set, list })
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn list(&self) -> &[Rule] {
        &self.list
    }

    /// The rules as Cedar holds them, for whoever must look inside.
    pub(super) fn parsed(&self) -> impl Iterator<Item = &CedarPolicy> {
        self.set.policies()
    }

    pub(super) fn decide(&self, question: &Question) -> Decision {
        let response =
            Authorizer::new().is_authorized(&question.request, &self.set, question.entities.as_ref());
        // Cedar skips a rule that fails, a forbid too. Here one failing rule refuses everything.
        let failed = response.diagnostics().errors().map(ToString::to_string).collect::<BTreeSet<_>>();
        if let Some(first) = failed.first() {
            let rules = response.diagnostics().errors().map(|e| match e {
                cedar_policy::AuthorizationError::PolicyEvaluationError(e) => e.policy_id(),
            });
            let rule = self.matching(rules).first().map_or("rules", |rule| rule.id.as_str());
            return Decision::Refuse(Refusal::policy_error(rule, first));
        }
        let deciding = self.matching(response.diagnostics().reason());
        match (response.decision(), deciding.as_slice()) {
            (CedarDecision::Allow, [_, ..]) => {
                Decision::Allow { rules: deciding.iter().map(|rule| rule.id.clone()).collect() }
            }
            (_, [first, others @ ..]) => Decision::Refuse(refusal(first, others)),
            (_, []) => Decision::Refuse(Refusal::by_default()),
        }
    }

    /// The rules with these ids in the order of the text: Cedar names them in the order of a hash table, and the same
    /// question must get the same answer every time.
    fn matching<'a>(&self, ids: impl Iterator<Item = &'a PolicyId>) -> Vec<&Rule> {
        let ids: BTreeSet<&str> = ids.map(AsRef::as_ref).collect();
        self.list.iter().filter(|rule| ids.contains(rule.id.as_str())).collect()
    }
}

/// The refusal of the first rule that forbids; the others are named, so that all can be mended at once.
fn refusal(first: &Rule, others: &[&Rule]) -> Refusal {
    let mut text = first.reason.clone();
    if !others.is_empty() {
        let ids: Vec<&str> = others.iter().map(|rule| rule.id.as_str()).collect();
        text = format!("{text} (also refused by: {})", ids.join(", "));
    }
    let ask = || format!("ask the data owner about rule {}", first.id);
    Refusal { code: first.code, rule: first.id.clone(), text, hint: first.hint.clone().unwrap_or_else(ask) }
}

fn in_order_of_text(rules_cedar: &str) -> Result<Vec<CedarPolicy>, PolicyError> {
    let set = PolicySet::from_str(rules_cedar).map_err(|errors| PolicyError::Syntax {
        text: joined(errors.iter().map(|error| located(&DetailedError::from(error), rules_cedar))),
    })?;
    if set.num_of_templates() > 0 {
        let text = "a rule has a slot (?principal or ?resource), and nothing here ever fills one".into();
        return Err(PolicyError::Syntax { text });
    }
    // Cedar keeps the order of the text, without promising it; a test would notice.
    Ok(set.policies().cloned().collect())
}

fn describe(number: usize, rule: &CedarPolicy) -> Result<Rule, PolicyError> {
    let id = rule.annotation("id").unwrap_or_default();
    let name = if id.is_empty() { format!("number {number}") } else { id.to_owned() };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || !id.chars().all(plain) {
        return Err(annotation(&name, "it needs @id(\"…\"), made of a-z, 0-9 and -"));
    }
    let filled = |key| rule.annotation(key).filter(|text| !text.trim().is_empty());
    let Some(reason) = filled("reason") else {
        return Err(annotation(
            &name,
            "it needs @reason(\"…\"): why it is there, in words for whoever it refuses",
        ));
    };
    let effect = match rule.effect() {
        CedarEffect::Permit => Effect::Permit,
        CedarEffect::Forbid => Effect::Forbid,
    };
    for (key, value) in rule.annotations() {
        let known =
            matches!(key, "id" | "reason") || (effect == Effect::Forbid && matches!(key, "hint" | "code"));
        if !known || value.trim().is_empty() {
            return Err(annotation(&name, &format!("@{key}({value:?}) says nothing here")));
        }
    }
    let code = rule.annotation("code").unwrap_or("policy_refused");
    let Some(code) = RULE_CODES.into_iter().find(|known| *known == code) else {
        return Err(annotation(&name, &format!("@code({code:?}) is none of {}", RULE_CODES.join(", "))));
    };
    Ok(Rule { id: id.into(), effect, reason: reason.into(), hint: filled("hint").map(Into::into), code })
}

/// An id that no request can carry would make a forbid that never forbids, and the validator knows types only.
fn check_literals(rule: &str, parsed: &CedarPolicy) -> Result<(), PolicyError> {
    for literal in parsed.entity_literals() {
        let id: &str = literal.id().as_ref();
        let (fits, form) = match literal.type_name().to_string().as_str() {
            "Consumer" => {
                (facts::is_consumer_id(id), "an address as 0x and 40 hexadecimal digits in lower case")
            }
            "Dataset" => (id.starts_with("did:op:"), "a DID that begins with did:op:"),
            _ => continue,
        };
        if !fits {
            let text = format!("rule {rule} names {literal}, which no request can carry: write {form}");
            return Err(PolicyError::Invalid { text });
        }
    }
    Ok(())
}

fn annotation(rule: &str, why: &str) -> PolicyError {
    PolicyError::Annotation { rule: rule.into(), why: why.into() }
}

/// Strict validation. Warnings count as errors: they are rules that can never apply, and characters that look like
/// others.
fn validate(schema: &Schema, set: &PolicySet) -> Result<(), PolicyError> {
    let result = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    if result.validation_passed_without_warnings() {
        return Ok(());
    }
    let errors = result.validation_errors().map(|error| helped(&DetailedError::from(error)));
    let warnings = result.validation_warnings().map(|warning| helped(&DetailedError::from(warning)));
    Err(PolicyError::Invalid { text: joined(errors.chain(warnings)) })
}

fn helped(error: &DetailedError) -> String {
    error.help.iter().fold(error.message.clone(), |text, help| format!("{text} ({help})"))
}

fn located(error: &DetailedError, source: &str) -> String {
    let start = error.source_locations.first().and_then(|label| source.get(..label.loc.start));
    let line = start.map(|before| format!("line {}: ", before.matches('\n').count() + 1));
    format!("{}{}", line.unwrap_or_default(), helped(error))
}

/// Sorted, because Cedar gives its messages in the order of a hash table.
fn joined(messages: impl Iterator<Item = String>) -> String {
    messages.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("; ")
}
