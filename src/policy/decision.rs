//! What a policy answers. A refusal is a value, not an error: the server shows it, and the author's check prints it.

use serde::Serialize;

/// Codes that a rule may give to its refusals with `@code("…")`. Stable: clients branch on them.
///
/// - `policy_refused`: any other reason; the default.
/// - `not_listed`: this consumer is not admitted.
/// - `not_approved`: this algorithm is not approved.
/// - `imports_refused`: the algorithm imports what the profile refuses.
/// - `policy_expired`: the owner's permission has ended.
/// - `output_withheld`: this output stays.
pub const RULE_CODES: [&str; 6] =
    ["policy_refused", "not_listed", "not_approved", "imports_refused", "policy_expired", "output_withheld"];

/// The answer of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[must_use = "a decision that nobody looks at protects nothing"]
pub enum Decision {
    /// Go ahead.
    Allow {
        /// Ids of the rules that permit it, in the order of the text. Never empty.
        rules: Vec<String>,
    },
    /// No.
    Refuse(Refusal),
}

impl Decision {
    /// Whether the answer is yes.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// The refusal, if the answer is no.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Allow { .. } => None,
            Self::Refuse(refusal) => Some(refusal),
        }
    }
}

/// Why a policy says no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Stable name of the kind of refusal: one of [`RULE_CODES`], `ceiling_exceeded`, `runtime_not_approved`,
    /// `bad_output_path` or `policy_error`.
    pub code: &'static str,
    /// Which rule (`@id`), or which key of the manifest; `default` where no rule permits it.
    pub rule: String,
    /// What is refused and why, in a sentence, with the numbers.
    pub text: String,
    /// How to mend it.
    pub hint: String,
}

impl Refusal {
    /// Something went wrong in the policy itself. Nobody knows what the owner would have said, so the answer is no.
    pub(super) fn policy_error(rule: &str, what: &str) -> Self {
        Self {
            code: "policy_error",
            rule: rule.into(),
            text: format!("the policy could not be evaluated, and what cannot be evaluated is refused: {what}"),
            hint: "show this message to the data owner, who can mend the policy; if the request itself looks odd, \
                   correct it and ask again"
                .into(),
        }
    }

    /// No rule said yes.
    pub(super) fn by_default() -> Self {
        Self {
            code: "policy_refused",
            rule: "default".into(),
            text: "no rule of the policy permits this, and what is not permitted is refused".into(),
            hint: "ask the data owner for a rule that permits it".into(),
        }
    }
}
