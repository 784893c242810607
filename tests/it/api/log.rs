//! The transparency log of a real provider: what it takes in, what it serves, what an auditor makes of it, and what happens
//! to it in crashes and at the hands of its own provider.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Output;

use brizo::client::fetch;
use brizo::ids::JobId;
use brizo_receipt::log::{Checkpoint, Entry, Event, LogKey, entries_of};
use brizo_receipt::{B256, Receipt, SignedVerdict};
use serde_json::Value;

use super::refused;
use crate::guests::guest;
use crate::world::{Consumer, Provider, Settings, World, eventually, inside};

async fn settled(consumer: &Consumer) -> JobId {
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let job = consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    consumer.wait_for(job, "settled").await;
    job
}

async fn key(world: &World) -> LogKey {
    let line = String::from_utf8(fetch(&world.provider.url, "/log/key").await.unwrap()).unwrap();
    LogKey::parse(line.strip_suffix('\n').unwrap()).unwrap()
}

async fn checkpoint(world: &World) -> Checkpoint {
    let note = String::from_utf8(fetch(&world.provider.url, "/log/checkpoint").await.unwrap()).unwrap();
    Checkpoint::verify(&note, &key(world).await).unwrap()
}

/// All entries of a log that fits one bundle.
async fn entries(world: &World) -> Vec<Entry> {
    let size = checkpoint(world).await.tree.size;
    let bundle = fetch(&world.provider.url, &format!("/log/tile/entries/000.p/{size}")).await.unwrap();
    entries_of(&bundle).map(|entry| Entry::parse(entry.unwrap()).unwrap()).collect()
}

async fn grown_to(world: &World, size: u64) {
    eventually("the log has grown", async || checkpoint(world).await.tree.size >= size).await;
}

fn audit(world: &World, more: &[&str]) -> Output {
    world.brizo(&[&["log", "audit", &world.provider.url, "--format", "json"], more].concat())
}

/// An audit with the chain, which must hold.
fn holds(world: &World, more: &[&str]) -> Value {
    let provider = world.publisher().to_string();
    let chain = ["--rpc", world.anvil.url(), "--deployment", "deployment.json", "--provider", &provider];
    let output = audit(world, &[&chain[..], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fails(output: &Output, code: i32, sentence: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(sentence), "{said}");
}

/// Status line and headers of a GET, as they are on the wire.
fn head(world: &World, path: &str) -> String {
    let address = world.provider.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).split("\r\n\r\n").next().unwrap().to_lowercase()
}

fn database(world: &World) -> rusqlite::Connection {
    rusqlite::Connection::open(inside(world, "state/brizo.db")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_carries_its_proof_and_an_audit_finds_all() {
    let world = World::start().await;
    let consumer = world.consumer();
    assert_eq!(checkpoint(&world).await.tree.size, 0, "an empty log is signed, too");
    let job = settled(&consumer).await;
    grown_to(&world, 2).await;
    let bytes = consumer.client.get(&format!("/api/v1/jobs/{job}/receipt")).await.unwrap();
    let receipt = Receipt::parse(&bytes).unwrap();
    assert_eq!(receipt.to_text().as_bytes(), bytes, "in canonical form");
    let signed = receipt.check_log(&key(&world).await).unwrap().unwrap();
    assert_eq!(signed.origin, format!("{}/log", world.provider.url.trim_start_matches("http://")));
    let events: Vec<Event> = entries(&world).await.iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Event::Permitted, Event::Receipt]);
    assert_eq!(entries(&world).await[0].subject, receipt.claim.spec.hash());

    let report = holds(&world, &["--state", "auditor.json"]);
    assert_eq!((&report["size"], &report["paidReceipts"]), (&Value::from(2), &Value::from(1)), "{report}");
    assert_eq!(report["extendsLastAudit"], Value::from(false));
    settled(&consumer).await;
    grown_to(&world, 4).await;
    let report = holds(&world, &["--state", "auditor.json", "--key", &key(&world).await.to_string()]);
    assert_eq!((&report["paidReceipts"], &report["extendsLastAudit"]), (&Value::from(2), &Value::from(true)));
    let environments = fetch(&world.provider.url, "/api/v1/environments").await.unwrap();
    let environments: Value = serde_json::from_slice(&environments).unwrap();
    assert_eq!(environments["log"]["key"], key(&world).await.to_string());
    assert_eq!(consumer.offer().await.log_key, Some(key(&world).await), "and in the DDO");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_served_as_files_and_nothing_else_of_the_folder_is() {
    let world = World::start().await;
    settled(&world.consumer()).await;
    grown_to(&world, 2).await;
    for (path, kind, cache) in [
        ("checkpoint", "text/plain", "no-store"),
        ("key", "text/plain", "max-age=3600"),
        ("tile/0/000.p/2", "application/octet-stream", "max-age=3600"),
        ("tile/entries/000.p/2", "application/octet-stream", "max-age=3600"),
    ] {
        let head = head(&world, &format!("/log/{path}"));
        assert!(
            head.starts_with("http/1.1 200") && head.contains(kind) && head.contains(cache),
            "{path}: {head}"
        );
    }
    for path in
        ["tile/0/000", "tile/1/000.p/1", "new", "../brizo.db", "..%2Fbrizo.db", "tile/0/..%2F..%2Fcheckpoint"]
    {
        let head = head(&world, &format!("/log/{path}"));
        assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
    }
    let secret = std::fs::read_to_string(inside(&world, "state/log.key")).unwrap();
    let secret = secret.trim().splitn(5, '+').nth(4).unwrap();
    assert!(!world.log().contains(secret), "the log lines do not tell the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_order_is_logged_once() {
    let world = World::start().await;
    let consumer = world.consumer();
    let module = guest("column_stats");
    let id = consumer.pay_for(&module).await;
    let body = consumer.order_with(id, &module, &[], 200_000_000, |spec| spec.files_limit = 1 << 40).await;
    for _ in 0..3 {
        assert!(consumer.post("exec", &body).await.is_err());
    }
    grown_to(&world, 1).await;
    // An order that its consumer did not sign leaves nothing.
    let mut unsigned = body.clone();
    unsigned["spec"]["filesLimit"] = Value::from("2000000000");
    assert!(consumer.post("exec", &unsigned).await.is_err());
    consumer.order(id, &module, &["--file", "penguins.csv"], 200_000_000).await;
    grown_to(&world, 2).await;
    let entries = entries(&world).await;
    assert_eq!(entries[0].event, Event::Refused);
    assert_eq!(entries.iter().filter(|entry| entry.event == Event::Refused).count(), 1);
}

/// With the consumer's command line, what the log has already.
fn hand_on(world: &World, receipt: &[u8], verdict: &str) {
    std::fs::write(world.folder.path().join("receipt.json"), receipt).unwrap();
    std::fs::write(world.folder.path().join("verdict.json"), verdict).unwrap();
    let arguments = |node| {
        let fixed =
            ["receipt", "send-verdict", "verdict.json", "--receipt", "receipt.json", "--key", "consumer.key"];
        [&fixed[..], &["--node", node, "--format", "json"]].concat()
    };
    let sent = world.brizo(&arguments(&world.provider.url));
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&sent.stdout).unwrap()["confirms"], Value::from(true));
    // So is one about a receipt under a revoked profile.
    let list = crate::cli::revoking(&Receipt::parse(receipt).unwrap());
    std::fs::write(world.folder.path().join("profiles.json"), list).unwrap();
    let revoked =
        world.brizo(&[&arguments("http://127.0.0.1:9")[..], &["--profiles", "profiles.json"]].concat());
    assert_eq!(revoked.status.code(), Some(27), "{}", String::from_utf8_lossy(&revoked.stderr));
    // One that is about something else is refused before anything is sent: nobody listens there.
    std::fs::write(world.folder.path().join("verdict.json"), verdict.replace("two runs", "one run")).unwrap();
    let refused = world.brizo(&arguments("http://127.0.0.1:9"));
    assert_eq!(refused.status.code(), Some(11), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_checked_and_logged_once() {
    let world = World::start().await;
    let consumer = world.consumer();
    let job = settled(&consumer).await;
    let (path, stranger) = (format!("/api/v1/jobs/{job}/verdicts"), world.stranger());
    let bytes = consumer.client.get(&format!("/api/v1/jobs/{job}/receipt")).await.unwrap();
    let receipt = Receipt::parse(&bytes).unwrap();
    let about = (receipt.claim_hash, receipt.claim.spec.agreement_id);
    let verdict = |about, found| {
        let domain = world.deployment.domain();
        SignedVerdict::sign(&stranger.key, domain, about, found, "two runs".into(), 1).unwrap().to_text()
    };
    let send = async |by: &Consumer, text: &str| {
        by.client.post(&path, "application/json", text.as_bytes().to_vec()).await
    };
    // By the auditor; again, handed on by the consumer, it is the one that is there.
    let good = verdict(about, Some(receipt.claim_hash));
    assert_eq!(send(&stranger, &good).await.unwrap()["confirms"], Value::from(true));
    send(&consumer, &good).await.unwrap();
    hand_on(&world, &bytes, &good);
    // Who was wrong says so; what was logged stays.
    assert_eq!(send(&stranger, &verdict(about, None)).await.unwrap()["confirms"], Value::from(false));
    grown_to(&world, 4).await;
    let events: Vec<Event> = entries(&world).await.iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Event::Permitted, Event::Receipt, Event::Confirmed, Event::Disputed]);

    refused(send(&consumer, &verdict((B256::ZERO, about.1), None)).await, 422, "bad_verdict");
    refused(send(&stranger, &verdict((B256::ZERO, about.1), None)).await, 404, "job_not_found");
    refused(send(&consumer, &verdict((about.0, B256::ZERO), None)).await, 422, "bad_verdict");
    refused(send(&consumer, &good.replace("two runs", "one run")).await, 422, "bad_verdict");
    refused(send(&consumer, "{}").await, 400, "bad_verdict");
    // A third party knows the receipt hash and hands on what is not its own.
    let by_consumer =
        SignedVerdict::sign(&consumer.key, world.deployment.domain(), about, None, String::new(), 1).unwrap();
    refused(send(&stranger, &by_consumer.to_text()).await, 403, "not_your_verdict");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_damaged_it_comes_back_as_the_same_log() {
    let mut world = World::start().await;
    let consumer = world.consumer();
    settled(&consumer).await;
    grown_to(&world, 2).await;
    holds(&world, &["--state", "auditor.json"]);
    let old = std::fs::read(inside(&world, "state/log/checkpoint")).unwrap();
    let job = settled(&consumer).await;
    grown_to(&world, 4).await;
    world.provider.kill();
    // As after a crash between the commit and the tiles, with a torn tile and lost entries.
    std::fs::write(inside(&world, "state/log/checkpoint"), old).unwrap();
    std::fs::write(inside(&world, "state/log/tile/0/000.p/2"), b"torn").unwrap();
    std::fs::remove_dir_all(inside(&world, "state/log/tile/entries")).unwrap();
    world.provider = Provider::start(world.folder.path()).await;
    let report = holds(&world, &["--state", "auditor.json"]);
    assert_eq!((&report["size"], &report["extendsLastAudit"]), (&Value::from(4), &Value::from(true)));
    let bytes = consumer.client.get(&format!("/api/v1/jobs/{job}/receipt")).await.unwrap();
    assert!(Receipt::parse(&bytes).unwrap().check_log(&key(&world).await).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_does_not_start_over_another_past() {
    let mut world = World::start().await;
    settled(&world.consumer()).await;
    grown_to(&world, 2).await;
    assert!(world.provider.terminate().success());
    let last = "DELETE FROM log_entry WHERE seq = 1";
    let row: Vec<u8> = database(&world)
        .query_row("SELECT entry FROM log_entry WHERE seq = 1", [], |row| row.get(0))
        .unwrap();
    database(&world).execute(last, []).unwrap();
    fails(&world.brizo(&["serve", "--config", "brizo.toml"]), 1, "it is an older copy");
    let mut other = row;
    other[60] ^= 1;
    database(&world).execute("INSERT INTO log_entry (seq, entry) VALUES (1, ?1)", [&other]).unwrap();
    fails(
        &world.brizo(&["serve", "--config", "brizo.toml"]),
        1,
        "the database is not the one that was signed",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_signs_another_past_is_found_out() {
    let mut world = World::with(Settings { anchor_every_s: Some(1), ..Settings::default() }).await;
    let consumer = world.consumer();
    settled(&consumer).await;
    grown_to(&world, 2).await;
    let chain = world.publisher_chain();
    eventually("the log is anchored", async || {
        chain.anchor_of(world.publisher()).await.unwrap().is_some_and(|anchor| anchor.tree.size >= 2)
    })
    .await;
    let report = holds(&world, &["--state", "auditor.json"]);
    assert!(report["anchors"].as_u64().unwrap() >= 1, "{report}");
    assert!(world.provider.terminate().success());
    // The provider wants the decision forgotten, and takes everything away that its own start looks at.
    let mut row: Vec<u8> = database(&world)
        .query_row("SELECT entry FROM log_entry WHERE seq = 0", [], |row| row.get(0))
        .unwrap();
    row[60] ^= 1;
    database(&world).execute("UPDATE log_entry SET entry = ?1 WHERE seq = 0", [&row]).unwrap();
    std::fs::remove_dir_all(inside(&world, "state/log")).unwrap();
    world.provider = Provider::start(world.folder.path()).await;
    fails(&audit(&world, &["--state", "auditor.json"]), 16, "the checkpoint of the last audit");
    // Both notes are kept, and what is there is never written over.
    let kept = world.folder.path().join("auditor.evidence.json");
    let evidence: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    let log_key = key(&world).await;
    for note in ["before", "now"] {
        Checkpoint::verify(evidence[note].as_str().unwrap(), &log_key).unwrap();
    }
    assert_ne!(evidence["before"], evidence["now"]);
    std::fs::write(&kept, "kept").unwrap();
    fails(&audit(&world, &["--state", "auditor.json"]), 16, "the evidence was not kept");
    assert_eq!(std::fs::read(&kept).unwrap(), b"kept");
    let provider = world.publisher().to_string();
    let with_chain = ["--rpc", world.anvil.url(), "--deployment", "deployment.json", "--provider", &provider];
    fails(&audit(&world, &with_chain), 16, "an anchor on chain");
    // Who saw neither is shown a log that holds.
    assert!(audit(&world, &[]).status.success());
}

/// What an auditor knows of a log without entries says nothing about it later.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_is_no_contradiction_of_itself() {
    let world = World::start().await;
    grown_to(&world, 0).await;
    holds(&world, &["--state", "auditor.json"]);
    holds(&world, &["--state", "auditor.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_names_what_is_wrong_and_what_it_could_not_ask() {
    let world = World::start().await;
    settled(&world.consumer()).await;
    grown_to(&world, 2).await;
    let provider = world.publisher().to_string();
    let node = ["--rpc", "http://127.0.0.1:9", "--deployment", "deployment.json", "--provider", &provider];
    fails(&audit(&world, &node), 3, "");
    fails(&world.brizo(&["log", "audit", "http://127.0.0.1:9"]), 3, "");
    let other = "other.example/log+00000000+AQ==";
    fails(&audit(&world, &["--key", other]), 2, "is not the key of a log");
    let tile = inside(&world, "state/log/tile/0/000.p/2");
    let good = std::fs::read(&tile).unwrap();
    std::fs::write(&tile, [&good[..40], &[good[40] ^ 1], &good[41..]].concat()).unwrap();
    fails(&audit(&world, &[]), 15, "does not have the hashes of the entries");
    std::fs::write(&tile, &good[..63]).unwrap();
    fails(&audit(&world, &[]), 15, "has 63 bytes instead of 64");
    std::fs::write(&tile, good).unwrap();
    let bundle = inside(&world, "state/log/tile/entries/000.p/2");
    let good = std::fs::read(&bundle).unwrap();
    std::fs::write(&bundle, [&good[..30], &[good[30] ^ 1], &good[31..]].concat()).unwrap();
    fails(&audit(&world, &[]), 15, "the checkpoint says");
    std::fs::remove_file(&bundle).unwrap();
    fails(&audit(&world, &[]), 15, "does not have tile/entries/000");
}
