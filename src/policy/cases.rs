//! Runs the cases of every `policies/*/tests.toml`: a policy's tests are data that stand beside it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Decision, Policy};

/// A `tests.toml`. Every table is laid over the one before it, key by key: the shipped manifest, the file's
/// `[manifest]`, the case's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    /// Laid over the shipped manifest for every case.
    #[serde(default)]
    manifest: Table,
    /// The request of every `run` case, before its own changes.
    run: Table,
    /// The request of every `release` case, before its own changes.
    release: Table,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    ask: Ask,
    #[serde(default)]
    manifest: Table,
    #[serde(default)]
    request: Table,
    /// `allow`, or the code of the refusal.
    expect: String,
    /// The rule that permits or refuses.
    rule: String,
    /// What the refusal's text must hold.
    #[serde(default)]
    says: Vec<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Ask {
    Run,
    Release,
}

pub(super) fn policies() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

pub(super) fn read(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn laid_over(mut base: Table, changes: &Table) -> Table {
    for (key, change) in changes {
        let merged = match (base.remove(key), change) {
            // A list of consumers takes the place of `any`, so this table is replaced as a whole.
            (Some(Value::Table(old)), Value::Table(new)) if key != "consumers" => {
                Value::Table(laid_over(old, new))
            }
            _ => change.clone(),
        };
        base.insert(key.clone(), merged);
    }
    base
}

fn decide(folder: &Path, suite: &Suite, case: &Case) -> Decision {
    let shipped: Table = read(folder, "manifest.toml").parse().unwrap();
    let manifest = laid_over(laid_over(shipped, &suite.manifest), &case.manifest);
    let policy = Policy::parse(&manifest.to_string(), &read(folder, "rules.cedar"));
    let policy = policy.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    match case.ask {
        Ask::Run => policy.may_run(&laid_over(suite.run.clone(), &case.request).try_into().unwrap()),
        Ask::Release => {
            policy.may_release(&laid_over(suite.release.clone(), &case.request).try_into().unwrap())
        }
    }
}

/// What is wrong with the decision, if anything.
fn difference(case: &Case, decision: &Decision) -> Option<String> {
    let right = match decision {
        Decision::Allow { rules } => case.expect == "allow" && *rules == [case.rule.clone()],
        Decision::Refuse(refusal) => {
            refusal.code == case.expect
                && refusal.rule == case.rule
                && case.says.iter().all(|part| refusal.text.contains(part))
                && !refusal.hint.is_empty()
        }
    };
    (!right).then(|| format!("{}: expected {} by {}, got {decision:?}", case.name, case.expect, case.rule))
}

#[test]
fn every_policy_decides_its_cases_as_written() {
    let folders = policies();
    assert!(!folders.is_empty(), "no policy is shipped");
    let mut wrong = Vec::new();
    for folder in folders {
        let suite: Suite = toml::from_str(&read(&folder, "tests.toml")).unwrap();
        let decided = suite.case.iter().filter_map(|case| difference(case, &decide(&folder, &suite, case)));
        wrong.extend(decided.map(|text| format!("{}: {text}", folder.display())));
        let policy = Policy::parse(&read(&folder, "manifest.toml"), &read(&folder, "rules.cedar")).unwrap();
        for rule in policy.rules() {
            // A rule that no case reaches is a rule that nobody has tried.
            let reached = suite.case.iter().any(|case| case.rule == rule.id);
            assert!(reached, "{}: no case is decided by rule {}", folder.display(), rule.id);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
