//! What loading refuses, and that a doubt is a refusal.

use alloy_primitives::{Address, B256};

use super::*;

pub(super) const MANIFEST: &str = r#"
name = "test"
description = "for tests"
ceilings = { fuel = 1000, memory_bytes = 1000, output_bytes = 1000, output_files = 10, wall_clock_s = 10, algorithm_bytes = 1000 }
consumers = { any = true }
outputs = { declared = [], streams = [], file_bytes_max = 1000 }
[price]
token = "0x0000000000000000000000000000000000000000"
max = "340282366920938463463374607431768211455"
base = "1"
fuel_per_million = "0"
output_per_million = "0"
"#;

const PERMIT: &str = r#"@id("all") @reason("test") permit (principal, action, resource);"#;

fn run() -> RunRequest {
    RunRequest {
        consumer: Address::repeat_byte(1),
        dataset: "did:op:1".into(),
        algorithm: B256::repeat_byte(2),
        runtime: None,
        algorithm_bytes: 10,
        imports_refused: vec![],
        fuel: 10,
        memory_bytes: 10,
        output_bytes: 10,
        output_files: 1,
        now_s: 1_800_000_000,
    }
}

#[test]
fn only_listed_runtimes_interpret_and_no_rule_lifts_that() {
    let asked = |digest| RunRequest { runtime: Some(B256::repeat_byte(digest)), ..run() };
    let code = |policy: &Policy, digest| policy.may_run(&asked(digest)).refusal().map(|refusal| refusal.code);
    assert_eq!(code(&policy(PERMIT), 3), Some("runtime_not_approved"));
    let listed = format!("{MANIFEST}[[runtimes]]\ndigest = \"{}\"\nname = \"a\"\n", B256::repeat_byte(3));
    let open = Policy::parse(&listed, PERMIT).unwrap();
    assert_eq!((code(&open, 3), code(&open, 4)), (None, Some("runtime_not_approved")));
    let condition = "context.algorithm has runtime && context.algorithm.runtime == \"0x0303030303030303030303030303030303030303030303030303030303030303\"";
    let strict = Policy::parse(&listed, &format!("{PERMIT}\n{}", rule("forbid", "no-threes", condition)));
    let strict = strict.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(code(&strict, 3), Some("policy_refused"), "rules see the runtime");
    assert!(strict.may_run(&run()).is_allow(), "and modules have none");
}

#[test]
fn only_listed_images_run_and_nothing_beside_them() {
    let asked = |digest: Option<u8>| RunRequest { runtime: digest.map(B256::repeat_byte), ..run() };
    let image = |byte: &str| format!("[[images]]\ndigest = \"sha256:{}\"\nname = \"a\"\n", byte.repeat(32));
    let open = Policy::parse(&format!("{MANIFEST}{}", image("03")), PERMIT).unwrap();
    let code = |digest| open.may_run(&asked(digest)).refusal().map(|refusal| refusal.code);
    assert_eq!(code(Some(3)), None);
    assert_eq!((code(Some(4)), code(None)), (Some("image_not_approved"), Some("image_not_approved")));
    let says = |more: &str, from: &str, to: &str| {
        let manifest = format!("{MANIFEST}{more}").replace(from, to);
        Policy::parse(&manifest, PERMIT).unwrap_err().to_string()
    };
    let runtime = format!("[[runtimes]]\ndigest = \"{}\"\nname = \"a\"\n", B256::repeat_byte(3));
    assert!(says(&(runtime + &image("03")), "", "").contains("not both"));
    assert!(says(&(image("03") + &image("03")), "", "").contains("twice"));
    assert!(says(&image("03"), "sha256:", "").contains("sha256:"));
    assert!(says(&image("0A"), "", "").contains("sha256:"));
    assert!(says(&(image("03") + "pull = \"registry/name:latest\"\n"), "", "").contains("names no digest"));
    assert!(says(&image("03"), "fuel = 1000,", "fuel = 10000001,").contains("microseconds"));
}

fn release() -> ReleaseRequest {
    let RunRequest { consumer, dataset, algorithm, now_s, .. } = run();
    let output = ReleaseOutput { kind: OutputKind::File, path: "a.csv".into(), bytes: 1 };
    ReleaseRequest { consumer, dataset, algorithm, output, status: 0, now_s }
}

fn policy(rules: &str) -> Policy {
    Policy::parse(MANIFEST, rules).unwrap()
}

/// A rule that holds where `condition` does.
fn rule(effect: &str, id: &str, condition: &str) -> String {
    format!(
        "@id(\"{id}\") @reason(\"test\") {effect} (principal, action == Action::\"run\", resource) when {{ {condition} }};"
    )
}

fn refused(rules: &str) -> PolicyError {
    let error = Policy::parse(MANIFEST, rules).unwrap_err();
    assert!(!error.hint().is_empty());
    error
}

fn code_of(decision: &Decision) -> &str {
    decision.refusal().map_or("allow", |refusal| refusal.code)
}

#[test]
fn empty_rules_refuse_everything() {
    for rules in ["", "// nothing but a comment\n"] {
        for decision in [policy(rules).may_run(&run()), policy(rules).may_release(&release())] {
            let refusal = decision.refusal().unwrap();
            assert_eq!((refusal.code, refusal.rule.as_str()), ("policy_refused", "default"));
        }
    }
}

#[test]
fn forbid_beats_permit_in_either_order() {
    let forbid = rule("forbid", "never", "true");
    for rules in [format!("{PERMIT}{forbid}"), format!("{forbid}{PERMIT}")] {
        let decision = policy(&rules).may_run(&run());
        assert_eq!(decision.refusal().unwrap().rule, "never");
        assert!(policy(&rules).may_release(&release()).is_allow());
    }
}

#[test]
fn deciding_permits_are_named_in_the_order_of_the_text() {
    let rules: String =
        (0..12).rev().map(|n| rule("permit", &format!("r{n}"), "context.limits.fuel > 0")).collect();
    let ids = (0..12).rev().map(|n| format!("r{n}")).collect();
    assert_eq!(policy(&rules).may_run(&run()), Decision::Allow { rules: ids });
}

#[test]
fn a_rule_that_cannot_be_evaluated_refuses() {
    let overflow = "context.limits.fuel * 4611686018427387904 > 0";
    // Cedar alone would skip the failing rule and allow.
    for failing in [rule("forbid", "broken", overflow), rule("permit", "broken", overflow)] {
        let decision = policy(&format!("{PERMIT}{failing}")).may_run(&run());
        let refusal = decision.refusal().unwrap();
        assert_eq!((refusal.code, refusal.rule.as_str()), ("policy_error", "broken"), "{refusal:?}");
        assert!(refusal.text.contains("overflow"), "{refusal:?}");
    }
}

#[test]
fn numbers_beyond_cedar_are_refused_and_never_wrap() {
    let beyond = i64::MAX as u64 + 1;
    for (change, code) in [
        (RunRequest { fuel: beyond, ..run() }, "ceiling_exceeded"),
        (RunRequest { memory_bytes: u64::MAX, ..run() }, "ceiling_exceeded"),
        (RunRequest { algorithm_bytes: u64::MAX, ..run() }, "ceiling_exceeded"),
        (RunRequest { now_s: beyond, ..run() }, "policy_error"),
        (RunRequest { now_s: i64::MAX as u64, ..run() }, "allow"),
    ] {
        assert_eq!(code_of(&policy(PERMIT).may_run(&change)), code, "{change:?}");
    }
}

#[test]
fn names_of_other_things_are_only_text_to_a_rule() {
    let exact = rule("permit", "one", r#"resource == Dataset::"did:op:1""#);
    let odd = [r#"did:op:2" || true || ""#, "did:op:1 ", "", "did:op:1\0", "DID:OP:1"];
    assert!(policy(&exact).may_run(&run()).is_allow());
    for dataset in odd {
        let asked = RunRequest { dataset: dataset.into(), ..run() };
        assert_eq!(code_of(&policy(&exact).may_run(&asked)), "policy_refused", "{dataset:?}");
    }
}

#[test]
fn a_rule_names_a_consumer_in_lower_case_and_in_no_other_way() {
    let lower = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
    let barred = |id: &str| rule("forbid", "barred", &format!("principal == Consumer::\"{id}\""));
    let asked = RunRequest { consumer: lower.parse().unwrap(), ..run() };
    let with_lower = policy(&format!("{PERMIT}{}", barred(lower)));
    assert_eq!(with_lower.may_run(&asked).refusal().unwrap().rule, "barred");
    assert!(with_lower.may_run(&run()).is_allow());
    // Any other spelling would be a forbid that never forbids.
    for odd in ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", &lower[2..], "0x5aae", "*", ""] {
        assert!(refused(&barred(odd)).to_string().contains("barred"), "{odd}");
    }
    let scope = barred(lower).replace("(principal,", "(principal == Consumer::\"0xAB\",");
    assert!(refused(&scope).to_string().contains("0xAB"));
    assert!(refused(&rule("forbid", "one", "resource == Dataset::\"op:1\"")).to_string().contains("did:op:"));
}

#[test]
fn a_mistyped_name_is_refused_when_loaded_and_named() {
    for (condition, name) in [
        ("context.limits.fule > 10", "fule"),
        ("context.limit.fuel > 10", "limit"),
        ("resource.algoritms.contains(context.algorithm.digest)", "algoritms"),
        ("resource.valid_until_s > context.now_s", "valid_until_s"), // may be absent: needs `has`
        ("principal == Consumr::\"0x1\"", "Consumr"),
        ("context.limits.fuel > \"10\"", "Long"),
        ("context.output.declared", "output"), // that is release's
        ("principal.name == \"x\"", "name"),
    ] {
        let error = refused(&rule("forbid", "typo", condition));
        assert_eq!(error.code(), "policy_invalid", "{condition}: {error}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("typo"), "{condition}: {text}");
    }
    let release = r#"@id("s") @reason("r") forbid (principal, action == Action::"release", resource)"#;
    let misspelt = refused(&format!("{release} when {{ context.status == Status::\"exti\" }};"));
    assert!(misspelt.to_string().contains("exti"), "{misspelt}");
    let action = refused(r#"@id("a") @reason("r") forbid (principal, action == Action::"rum", resource);"#);
    assert!(action.to_string().contains("rum"), "{action}");
}

#[test]
fn a_rule_that_can_never_apply_is_refused_when_loaded() {
    for condition in ["false", "principal == resource", "resource has valid_until && true"] {
        let error = refused(&rule("forbid", "never", condition));
        assert_eq!(error.code(), "policy_invalid", "{condition}: {error}");
    }
    let wrong_way = r#"@id("a") @reason("r") forbid (principal is Dataset, action, resource);"#;
    assert_eq!(refused(wrong_way).code(), "policy_invalid");
    // Right-to-left marks can make a text show other than it reads.
    assert_eq!(
        refused(&rule("forbid", "bidi", "resource == Dataset::\"did:op:\u{202e}1\"")).code(),
        "policy_invalid"
    );
}

#[test]
fn every_rule_needs_an_id_of_its_own_and_a_reason() {
    let with = |annotations: &str| format!("{annotations} forbid (principal, action, resource);");
    for (annotations, says) in [
        ("", "number 1"),
        (r#"@reason("r")"#, "number 1"),
        (r#"@id("") @reason("r")"#, "number 1"),
        (r#"@id("Has Space") @reason("r")"#, "Has Space"),
        (r#"@id("a")"#, "@reason"),
        (r#"@id("a") @reason(" ")"#, "@reason"),
        (r#"@id("a") @reason"#, "@reason"),
        (r#"@id("a") @reason("r") @hnt("h")"#, "@hnt"),
        (r#"@id("a") @reason("r") @hint("")"#, "@hint"),
        (r#"@id("a") @reason("r") @code("no_such_code")"#, "no_such_code"),
        (r#"@id("a") @reason("r") @code("policy_error")"#, "policy_error"),
    ] {
        let error = refused(&with(annotations));
        assert_eq!(error.code(), "policy_annotation", "{annotations}: {error}");
        assert!(error.to_string().contains(says), "{annotations}: {error}");
    }
    let twice = refused(&with(r#"@id("a") @reason("r")"#).repeat(2));
    assert!(twice.to_string().contains("same @id"), "{twice}");
    // A permit never refuses, so a code or a hint on it is a misunderstanding.
    assert_eq!(refused(&PERMIT.replace("permit", "@hint(\"h\") permit")).code(), "policy_annotation");
}

#[test]
fn rules_that_are_not_cedar_are_refused_with_the_line() {
    let error = refused(&format!("{PERMIT}\n\npermit (principal;"));
    assert_eq!(error.code(), "policy_syntax");
    assert!(error.to_string().contains("line 3"), "{error}");
    let template = refused(r#"@id("a") @reason("r") permit (principal == ?principal, action, resource);"#);
    assert!(template.to_string().contains("slot"), "{template}");
}

#[test]
fn what_the_manifest_states_some_rule_must_read() {
    for (from, to, attribute) in [
        ("any = true", "addresses = []", "consumers"),
        ("declared = []", "declared = [\"*.csv\"]", "declared"),
        ("[price]", "valid_until = 2027-01-01T00:00:00Z\n[price]", "valid_until_s"),
        (
            "[price]",
            &format!("[[algorithms]]\ndigest = \"{}\"\nname = \"a\"\n[price]", B256::ZERO),
            "algorithms",
        ),
    ] {
        let manifest = MANIFEST.replacen(from, to, 1);
        // Asking only whether an end is set is not reading it.
        let asks = rule("forbid", "has", "resource has valid_until_s && context.limits.fuel > 5");
        let error = Policy::parse(&manifest, &format!("{PERMIT}{asks}")).unwrap_err();
        assert_eq!(error.code(), "policy_unread");
        assert!(error.to_string().contains(attribute), "{error}");
        // Nothing is permitted: nothing has to be fenced.
        assert!(Policy::parse(&manifest, "").is_ok());
    }
}

#[test]
fn no_class_of_a_declared_glob_crosses_a_slash() {
    for glob in [
        "[!a].csv",
        "[^a]*.csv",
        "a[.-0]b",
        "{a,b[!x]}.csv",
        "[!]a]b",
        "\\\\[!a]",
        "a/[!b]c",
        "[/]",
        "**/[!.]*",
    ] {
        let why = DeclaredGlob::try_from(glob.to_string()).unwrap_err();
        assert!(why.contains("also matches `/`") && why.contains("[!a/]"), "{glob}: {why}");
    }
    for (glob, matches, other) in [
        ("[!a/].csv", "b.csv", "/.csv"),
        ("x[!a/]y", "xby", "x/y"),
        ("x[!]/]y", "xby", "x/y"),
        ("[a-z]*.csv", "b1.csv", "b/1.csv"),
        ("{[0-9],x}", "7", "/"),
        ("\\[!a", "[!a", "/"),
        ("**/[!./]*", "a/b/c", "a/b/.c"),
    ] {
        let manifest = MANIFEST.replacen("declared = []", &format!("declared = ['{glob}']"), 1);
        let declared = Policy::parse(&manifest, "").unwrap_or_else(|error| panic!("{glob}: {error}"));
        let outputs = &declared.manifest().outputs;
        let declares = |path: &str| {
            outputs.declares(&ReleaseOutput { kind: OutputKind::File, path: path.into(), bytes: 1 })
        };
        assert!(declares(matches) && !declares(other), "{glob}");
        assert_eq!(outputs.declared[0].text(), glob);
    }
}

#[test]
fn the_digest_binds_both_texts_and_where_they_meet() {
    let base = policy(PERMIT).digest();
    assert_eq!(base, policy(PERMIT).digest());
    assert_ne!(base, policy(&format!("{PERMIT} ")).digest());
    assert_ne!(base, Policy::parse(&format!("{MANIFEST} "), PERMIT).unwrap().digest());
    // The same bytes in a row, cut in another place.
    assert_ne!(digest("ab", "c"), digest("a", "bc"));
}

#[test]
fn no_text_makes_loading_panic() {
    for folder in cases::policies() {
        let manifest = cases::read(&folder, "manifest.toml");
        let rules = cases::read(&folder, "rules.cedar");
        for cut in (0..rules.len()).step_by(97).filter(|cut| rules.is_char_boundary(*cut)) {
            let _ = Policy::parse(&manifest, &rules[..cut]);
        }
        for cut in (0..manifest.len()).step_by(13).filter(|cut| manifest.is_char_boundary(*cut)) {
            let _ = Policy::parse(&manifest[..cut], "");
        }
    }
}
