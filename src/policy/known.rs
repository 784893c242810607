//! Policies that were loaded before. Loading validates the rules against the schema, which takes milliseconds; a policy is
//! asked for twice in each job, and depends on nothing but its texts.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use alloy_primitives::B256;

use super::{Policy, PolicyError, digest};

/// Policies that are remembered; beyond it all are forgotten. Each is some hundred kilobytes.
const KNOWN_MAX: usize = 64;

static KNOWN: LazyLock<Mutex<HashMap<B256, Policy>>> = LazyLock::new(Mutex::default);

/// The policy with these texts, loaded now or before.
pub(super) fn get(manifest_toml: &str, rules_cedar: &str) -> Result<Policy, PolicyError> {
    // Nothing that holds the lock can panic between two changes that belong together.
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let digest = digest(manifest_toml, rules_cedar);
    if let Some(policy) = known().get(&digest) {
        return Ok(policy.clone());
    }
    // Not under the lock: two that come at once both load it, and nobody else waits.
    let policy = Policy::parse(manifest_toml, rules_cedar)?;
    let mut known = known();
    if known.len() >= KNOWN_MAX {
        known.clear();
    }
    known.insert(digest, policy.clone());
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = include_str!("../../policies/open-statistics/rules.cedar");

    #[test]
    fn another_text_is_another_policy() {
        let manifest = include_str!("../../policies/open-statistics/manifest.toml");
        let first = get(manifest, RULES).unwrap();
        assert_eq!(get(manifest, RULES).unwrap().digest(), first.digest());
        let other = manifest.replacen("[ceilings]", "# another\n[ceilings]", 1);
        assert_ne!(other, manifest);
        assert_ne!(get(&other, RULES).unwrap().digest(), first.digest());
        assert!(get(manifest, "permit (").is_err());
        assert!(get(manifest, "permit (").is_err(), "nor the second time");
    }
}
