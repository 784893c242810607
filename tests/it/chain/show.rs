//! `brizo contracts show` and `brizo agreement show`, and keys from keystores, as a person uses them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{KEY, Line};
use crate::guests::guest;
use crate::world::{World, eventually};

fn brizo(folder: &Path, args: &[&str], password: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brizo"));
    command
        .current_dir(folder)
        .args(args)
        .env_remove("BRIZO_KEY_PASSWORD_FILE")
        .env_remove("BRIZO_KEY_PASSWORD");
    if let Some(password) = password {
        command.env("BRIZO_KEY_PASSWORD", password);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_verified_and_one_that_is_not_ours_is_named() {
    let line = Line::start().await;
    let folder = tempfile::tempdir().unwrap();
    let show = |deployment: &Value| {
        std::fs::write(folder.path().join("d.json"), deployment.to_string()).unwrap();
        brizo(
            folder.path(),
            &["contracts", "show", "--rpc", line.anvil.url(), "--deployment", "d.json"],
            None,
        )
    };
    let good = serde_json::to_value(&line.deployment).unwrap();
    let output = show(&good);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).matches("as in this release").count(), 7, "{}", said(&output));

    for (key, value, says) in [
        ("accessConditions", good["computeConditions"].clone(), "its code has"),
        ("paymentConditions", json!(format!("0x{}", "12".repeat(20))), "there is no contract"),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        let output = show(&bad);
        assert_eq!(output.status.code(), Some(1), "{key}");
        assert!(said(&output).contains(says), "{key}: {}", said(&output));
    }
    // The same code, but part of another deployment.
    let other = brizo::chain::deploy(line.anvil.url(), &Line::key(), false).await.unwrap();
    let mut bad = good.clone();
    bad["computeConditions"] = json!(other.compute_conditions);
    let output = show(&bad);
    assert!(said(&output).contains("serves another ServiceAgreement"), "{}", said(&output));
    assert!(said(&output).contains("has other conditions"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_is_shown_with_what_comes_next() {
    let world = World::start().await;
    let consumer = world.consumer();
    let id = consumer.agree().await;
    let show = |id: &str, format: &str| {
        let args = ["agreement", "show", id, "--rpc", world.anvil.url(), "--deployment", "deployment.json"];
        world.brizo(&[&args[..], &["--format", format]].concat())
    };
    let json = |id: &str| -> Value { serde_json::from_slice(&show(id, "json").stdout).unwrap() };
    let text = id.to_string();
    let found = json(&text);
    assert_eq!((&found["state"], &found["locked"]), (&json!("executed"), &json!("0")));
    assert!(found["next"][0].as_str().unwrap().contains("lockPayment"), "{found}");

    let module = guest("group_aggregate");
    consumer.upload(id, &module).await.unwrap();
    consumer.lock(id).await;
    eventually("granted", async || consumer.chain.permitted(id, consumer.key.address()).await.unwrap()).await;
    let found = json(&text);
    assert_eq!(found["locked"], json!("1000000"));
    assert_eq!(found["conditions"][2], json!({ "name": "authorizeComputation", "fulfilled": true }));
    assert!(found["next"].to_string().contains("grantAccess"), "{found}");

    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    let found = json(&text);
    assert_eq!(found["state"], json!("fulfilled"));
    let (paid, back): (u64, u64) = (number(&found["paid"]), number(&found["refunded"]));
    assert_eq!(paid + back, 1_000_000);
    let table = said(&show(&text, "table"));
    assert!(table.contains("fulfilled") && table.contains(found["receiptHash"].as_str().unwrap()), "{table}");

    let unknown = show(&format!("0x{}", "77".repeat(32)), "table");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains("there is no agreement"), "{}", said(&unknown));
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn a_key_is_encrypted_and_used_with_its_password_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain");
    std::fs::write(&path, KEY).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let run = |args: &[&str], password| brizo(folder.path(), args, password);
    let address = said(&run(&["key", "address", "plain"], None));

    let output = run(&["key", "encrypt", "plain", "key.json"], None);
    assert!(!output.status.success() && said(&output).contains("BRIZO_KEY_PASSWORD"), "{}", said(&output));
    assert!(!folder.path().join("key.json").exists(), "nothing is left behind");
    let output = run(&["key", "encrypt", "plain", "key.json"], Some("correct horse"));
    assert!(output.status.success() && said(&output) == address, "{}", said(&output));
    let mode = std::fs::metadata(folder.path().join("key.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");

    assert_eq!(said(&run(&["key", "address", "key.json"], Some("correct horse"))), address);
    for password in [None, Some("wrong horse")] {
        let output = run(&["key", "address", "key.json"], password);
        assert!(!output.status.success());
        let said = said(&output);
        assert!(!said.contains("horse") && !said.contains(&KEY[..16]), "{said}");
    }
    let output = run(&["key", "encrypt", "plain", "key.json"], Some("correct horse"));
    assert!(!output.status.success() && said(&output).contains("exists"), "no key is overwritten");
}
