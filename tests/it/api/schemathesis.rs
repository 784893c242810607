//! Random requests made from the API's own description: every answer must be a described one, and none the server's failure.
//!
//! Runs where `BRIZO_SCHEMATHESIS` names the program (PyPI `schemathesis`), for `BRIZO_SCHEMATHESIS_S` seconds (60 if absent); says
//! `SKIPPED` elsewhere.

use std::process::Command;

use super::sign_in::token;
use crate::guests::guest;
use crate::world::{Settings, World, inside};

#[tokio::test(flavor = "multi_thread")]
async fn random_requests_find_nothing() {
    let Ok(program) = std::env::var("BRIZO_SCHEMATHESIS") else {
        println!("SKIPPED: BRIZO_SCHEMATHESIS does not name the program");
        return;
    };
    let seconds = std::env::var("BRIZO_SCHEMATHESIS_S").unwrap_or("60".into());
    // A day's requests in a minute are what is wanted here.
    let api = "requests_per_second = 0\nanonymous_per_second = 0\nsign_in_s = 86400";
    let world = World::with(Settings { api: Some(api), ..Settings::default() }).await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    let token = token(&consumer).await;
    // Unknown headers are let through, as HTTP wants it; where a header is described, the check takes that for a fault.
    // What exists, so that requests come further than to "there is no such job".
    let config = format!(
        "[parameters]\n\"path.id\" = \"{job}\"\n\"path.did\" = \"{}\"\n\"path.stream\" = \"stdout\"\n\
         \"path.digest\" = \"{}\"\n[[operations]]\ninclude-path = \"/api/v1/agreements/{{id}}\"\n\
         parameters = {{ \"path.id\" = \"{id}\" }}\n\
         [[operations]]\ninclude-name = \"DELETE /api/v1/jobs/{{id}}\"\nenabled = false\n\
         [[operations]]\ninclude-path-regex = \"/(events|logs.*)$\"\nchecks.negative_data_rejection.enabled = false\n",
        world.did,
        brizo_receipt::content_digest(&module),
    );
    std::fs::write(inside(&world, "schemathesis.toml"), config).unwrap();
    let output = Command::new(program)
        .args(["run", &format!("{}/api/v1/openapi.json", consumer.url), "--max-time", &seconds])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        // What fits the schema can still name what is not there, or be signed by nobody.
        .args(["--exclude-checks", "positive_data_acceptance"])
        // With a session that it ends itself, the rest would be about strangers.
        .args(["--exclude-operation-id", "sign_out"])
        .args(["--continue-on-failure", "--no-color"])
        .current_dir(world.folder.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{said}");
    let failures: Vec<_> =
        world.log().lines().filter(|line| line.contains("ERROR")).map(String::from).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}
