//! Bundles of files on a runtime, from the job file to the replayed receipt, and what a provider does not take.

use serde_json::{Value, json};

use super::refused;
use crate::guests::wat;
use crate::world::{BUNDLE, Provider, World, eventually, inside};

fn parrot() -> brizo_receipt::B256 {
    brizo_receipt::content_digest(&wat("parrot"))
}

fn write_bundle(world: &World) {
    for (path, bytes) in BUNDLE {
        let path = inside(world, "bundle").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn job_file(world: &World, more: &str) -> String {
    format!(
        "provider = \"{}\"\nrpc = \"{}\"\ndeployment = \"deployment.json\"\nkey_file = \"consumer.key\"\ndid = \"{}\"\n\
         algorithm = \"bundle\"\noutput = \"out\"\nruntime = \"{}\"\n{more}\
         [limits]\nfuel = 1000000\nmemory_bytes = 65536\noutput_bytes = 1000\noutput_files = 1\n\
         [payment]\nmax_price = \"1000000\"\ntoken = \"{}\"\n",
        world.provider.url,
        world.anvil.url(),
        world.did,
        parrot(),
        world.token(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_run_paid_and_replayed() {
    let world = World::start().await;
    write_bundle(&world);
    std::fs::write(inside(&world, "job.toml"), job_file(&world, "")).unwrap();
    let done = world.brizo(&["job", "run", "job.toml", "--format", "json"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = std::fs::read_to_string(inside(&world, "out/outputs/said.csv")).unwrap();
    assert_eq!(said, "hello penguins");

    // Runtime and bundle stand in the claim, and both can be checked by who has them.
    let receipt: Value =
        serde_json::from_slice(&std::fs::read(inside(&world, "out/receipt.json")).unwrap()).unwrap();
    assert_eq!(receipt["claim"]["spec"]["moduleDigest"], json!(parrot()));
    assert_eq!(
        receipt["opening"]["algorithm"].as_array().unwrap().len(),
        3,
        "two files and the runtime's one"
    );
    let args = ["/bin/parrot", "/data/algorithm/main.txt", "/data/inputs", "/data/outputs"];
    assert_eq!(receipt["opening"]["invocation"]["args"], json!(args));
    let did = world.did.to_string();
    let dataset_key = format!("state/{}.dataset.key", did.trim_start_matches("did:op:"));
    let data = crate::guests::repository("examples/data");
    let replay = |module: &str| {
        world.brizo(&[
            "replay",
            "out/receipt.json",
            "--module",
            module,
            "--runtime",
            "parrot/runtime.toml",
            "--input",
            data.to_str().unwrap(),
            "--run-key",
            "out/run.key",
            "--dataset-key",
            &dataset_key,
        ])
    };
    let same = replay("bundle");
    assert_eq!(same.status.code(), Some(0), "{}", String::from_utf8_lossy(&same.stdout));
    std::fs::write(inside(&world, "bundle/main.txt"), " parrots").unwrap();
    let other = replay("bundle");
    let text = String::from_utf8_lossy(&other.stdout).into_owned();
    assert_eq!(other.status.code(), Some(3), "{text}");
    assert!(text.contains("\"main.txt\" is not what it was"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_before_money_moves() {
    let world = World::start().await;
    write_bundle(&world);
    let refused_by_us = |more: &str, says: &str| {
        std::fs::write(inside(&world, "job.toml"), job_file(&world, more)).unwrap();
        let output = world.brizo(&["job", "run", "job.toml"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(says), "{more}: {text}");
    };
    refused_by_us("main = \"other.txt\"\n", "no file \"other.txt\" to start");
    std::fs::write(inside(&world, "bundle/main.txt"), "something that nobody approved").unwrap();
    refused_by_us("", "not_approved");

    let consumer = world.consumer();
    let id = consumer.agree().await;
    let upload = async |archive: &[u8], query: String| {
        let signed = format!("{}{query}", consumer.signed_checksum(id, archive));
        consumer.upload_signed(id, archive, &signed).await
    };
    let on = |module: brizo_receipt::B256| format!("&runtime={module}");
    let good = brizo::data::pack(BUNDLE).unwrap();
    refused(upload(&good, on(id.0)).await, 422, "runtime_unknown");
    refused(upload(b"no archive", on(parrot())).await, 422, "bad_bundle");
    let reserved = brizo::data::pack([("main.txt", &b""[..]), (".runtime/lib/greeting", b"bye")]).unwrap();
    refused(upload(&reserved, on(parrot())).await, 422, "bad_bundle");
    refused(upload(&good, format!("{}&main=nothing", on(parrot()))).await, 422, "bad_bundle");
    refused(upload(&good, "&main=main.txt".into()).await, 400, "bad_body");
    let answer = upload(&good, on(parrot())).await.unwrap();
    assert_eq!(answer["digest"], json!(brizo_receipt::content_digest(&good)));

    // Whoever has read these bytes and the signature, which is on chain, cannot have them started otherwise.
    assert_eq!(upload(&good, on(parrot())).await.unwrap()["txHash"], Value::Null, "the same again");
    let other = format!("{}&main=notes/unread.txt", on(parrot()));
    refused(upload(&good, other).await, 409, "algorithm_exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_around_the_chain_the_first_choice_stays() {
    let mut world = World::start().await;
    let bundle = brizo::data::pack(BUNDLE).unwrap();
    for (failpoint, landed) in [("upload=kill-before", false), ("upload=kill-after", true)] {
        let consumer = world.consumer();
        let id = consumer.agree().await;
        let upload = async |main: &str| {
            let signed = format!("{}&runtime={}{main}", consumer.signed_checksum(id, &bundle), parrot());
            consumer.upload_signed(id, &bundle, &signed).await
        };
        world.provider.kill();
        world.provider = Provider::start_with(world.folder.path(), Some(failpoint));
        let serves = async || brizo::client::fetch(&world.provider.url, "/healthz").await.is_ok();
        eventually("the provider serves", serves).await;
        assert!(upload("").await.is_err(), "killed before the answer");
        let provider = std::sync::Mutex::new(&mut world.provider);
        eventually("the provider has ended", async || provider.lock().unwrap().has_ended()).await;
        world.provider = Provider::start(world.folder.path()).await;
        // Whoever has read these bytes, and the signature in the transaction.
        refused(upload("&main=notes/unread.txt").await, 409, "algorithm_exists");
        let answer = upload("").await.unwrap();
        assert_eq!(answer["txHash"].is_null(), landed, "as its consumer wanted it: {answer}");
    }
}
