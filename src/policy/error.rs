//! What can be wrong with a policy when it is loaded. All of it is the policy author's to mend.

/// Why a policy is not loaded. Every variant has a stable [`code`](PolicyError::code) and a
/// [`hint`](PolicyError::hint).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The manifest is not TOML, has an unknown, missing or mistyped key, or a value that makes no sense.
    #[error("the policy's manifest is refused: {text}")]
    Manifest {
        /// The reader's message, with the line.
        text: String,
    },
    /// The rules are not Cedar.
    #[error("the policy's rules cannot be read: {text}")]
    Syntax {
        /// The parser's message, with the line.
        text: String,
    },
    /// A rule lacks an annotation or has a wrong one.
    #[error("rule {rule} of the policy is refused: {why}")]
    Annotation {
        /// The rule's `@id`, or its number in the text where it has none.
        rule: String,
        /// What is wrong with it.
        why: String,
    },
    /// A rule contradicts the schema: a mistyped name, a wrong type, a condition that can never hold.
    #[error("the policy's rules do not fit the schema: {text}")]
    Invalid {
        /// The validator's messages, each with its rule.
        text: String,
    },
    /// The manifest states something that no rule looks at, so that it would protect nothing.
    #[error("the manifest states `{key}`, but no rule reads `{attribute}`, so it would protect nothing")]
    Unread {
        /// The manifest's key.
        key: &'static str,
        /// What a rule would have to read.
        attribute: &'static str,
    },
    /// The schema that this program carries is broken; a fault of the program.
    #[error("the schema built into this program is broken: {text}")]
    Schema {
        /// Cedar's message.
        text: String,
    },
}

impl PolicyError {
    /// A stable machine-readable name of the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Manifest { .. } => "policy_manifest",
            Self::Syntax { .. } => "policy_syntax",
            Self::Annotation { .. } => "policy_annotation",
            Self::Invalid { .. } => "policy_invalid",
            Self::Unread { .. } => "policy_unread",
            Self::Schema { .. } => "policy_schema",
        }
    }

    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Manifest { .. } => {
                "compare with policies/open-statistics/manifest.toml, which uses every key"
            }
            Self::Syntax { .. } => "mend the rule at that line; docs.cedarpolicy.com describes the language",
            Self::Annotation { .. } => {
                "every rule opens with @id(\"unique-name\") and @reason(\"…\"); a forbid may add @hint and @code"
            }
            Self::Invalid { .. } => "policies/brizo.cedarschema lists every name that a rule may use",
            Self::Unread { .. } => "add a rule that reads it, or take it out of the manifest",
            Self::Schema { .. } => "this is not a fault of your policy; please report it",
        }
    }
}
