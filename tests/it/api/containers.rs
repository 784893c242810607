//! A job in a container, from the job file to the settled payment and the receipt that says less.

use brizo::container::Image;
use brizo_receipt::B256;
use serde_json::{Value, json};

use crate::cli::{json as json_of, said};
use crate::container::{engine_or_skip, images};
use crate::world::{SHELL_BUNDLES, Settings, World, eventually, inside};

async fn world(engine: &crate::container::Engine) -> World {
    let image = images::busybox(engine).await;
    World::with(Settings { container: Some((engine.socket.clone(), image)), ..Settings::default() }).await
}

fn write_job(world: &World, bundle: (&str, &[u8]), more: &str) {
    std::fs::create_dir_all(inside(world, "bundle")).unwrap();
    std::fs::write(inside(world, "bundle").join(bundle.0), bundle.1).unwrap();
    let description = std::fs::read_to_string(inside(world, "image/runtime.toml")).unwrap();
    let image = description.split("sha256:").nth(1).unwrap().split('"').next().unwrap();
    let job = format!(
        "provider = \"{}\"\nrpc = \"{}\"\ndeployment = \"deployment.json\"\nkey_file = \"consumer.key\"\ndid = \"{}\"\n\
         algorithm = \"bundle\"\noutput = \"out\"\nruntime = \"0x{image}\"\n{more}\
         [limits]\nfuel = 30000000\nmemory_bytes = 67108864\noutput_bytes = 100000\noutput_files = 5\n\
         [payment]\nmax_price = \"1000000\"\ntoken = \"{}\"\n",
        world.provider.url,
        world.anvil.url(),
        world.did,
        world.token(),
    );
    std::fs::write(inside(world, "job.toml"), job).unwrap();
}

fn receipt(world: &World) -> Value {
    serde_json::from_slice(&std::fs::read(inside(world, "out/receipt.json")).unwrap()).unwrap()
}

/// Needs no engine: there is none.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away_is_told_and_waited_for() {
    let image = Image { digest: B256::repeat_byte(7), pull: None };
    let container = Some(("/nowhere/engine.sock".into(), image));
    let world = World::with(Settings { container, ..Settings::default() }).await;
    let answer = reqwest::get(format!("{}/readyz", world.provider.url)).await.unwrap();
    assert_eq!(answer.status(), 503);
    let checks: Value = answer.json().await.unwrap();
    let bad: Vec<_> = checks["checks"].as_array().unwrap().iter().filter(|it| it["ok"] == false).collect();
    assert_eq!((bad.len(), &bad[0]["name"]), (1, &json!("containers")), "{checks}");

    write_job(&world, SHELL_BUNDLES[0], "");
    for verb in ["order", "upload", "start"] {
        let done = world.brizo(&["job", verb, "job.toml"]);
        assert!(done.status.success(), "{verb}: {}", said(&done));
    }
    eventually("it was tried", async || {
        said(&world.brizo(&["job", "history", "job.toml"])).contains("could not run it now")
    })
    .await;
    let job = json_of(&world.brizo(&["queue", "list", "--format", "json"]))["jobs"][0].clone();
    assert!(job["problem"].as_str().unwrap().contains("container_engine_unreachable"), "{job}");
    assert_eq!((job["state"].as_str(), job["hostFailures"].as_u64()), (Some("queued"), Some(0)), "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_run_paid_by_the_second_and_attested() {
    let engine = engine_or_skip!();
    let world = world(engine).await;
    let before = world.balances().await;
    let args = "args = [\"--by\", \"species\", \"--value\", \"body_mass_g\", \"--file\", \"penguins.csv\"]\n";
    write_job(&world, SHELL_BUNDLES[0], args);
    let done = world.brizo(&["job", "run", "job.toml", "--format", "json"]);
    assert!(done.status.success(), "{}\n{}", String::from_utf8_lossy(&done.stderr), world.log());

    // The numbers are those of the wasm example.
    let order = crate::sandbox::order(&["--by", "species", "--value", "body_mass_g"]);
    let (_, wasm) = crate::sandbox::run(&crate::guests::guest("group_aggregate"), &order);
    assert_eq!(
        std::fs::read(inside(&world, "out/outputs/groups.csv")).unwrap(),
        *wasm.files["groups.csv"].bytes().unwrap()
    );

    // What is signed: image, command, limits, end, outputs; time where fuel is.
    let receipt = receipt(&world);
    let (spec, outcome) = (&receipt["claim"]["spec"], &receipt["claim"]["outcome"]);
    assert_eq!(receipt["kind"], json!("attested"));
    assert_eq!(receipt["attestation"]["statement"]["kind"], json!(1));
    assert_eq!(spec["profile"], json!(brizo::container::profile_digest()));
    let args = receipt["opening"]["invocation"]["args"].as_array().unwrap();
    assert_eq!(
        args[..4],
        ["/bin/sh", "/data/algorithm/main.sh", "/data/inputs", "/data/outputs"].map(|it| json!(it))
    );
    let fuel: u64 = outcome["fuelUsed"].as_str().unwrap().parse().unwrap();
    assert!(fuel >= 1_000_000 && fuel.is_multiple_of(1_000_000), "{outcome}");
    assert!(receipt["runInfo"].as_str().unwrap().contains("outputs on tmpfs"), "{receipt}");

    // The contract computes the price from the same numbers: base, seven for each second, and the outputs.
    let after = world.balances().await;
    let bytes: u64 = outcome["outputBytes"].as_str().unwrap().parse().unwrap();
    let due = 1000 + fuel / 1_000_000 * 7 + bytes;
    assert_eq!([after[0] - before[0], before[1] - after[1], after[2]], [due, due, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offer_says_that_it_is_for_containers_and_modules_are_refused() {
    let engine = engine_or_skip!();
    let world = world(engine).await;
    let fetch = async |path: String| {
        let bytes = brizo::client::fetch(&world.provider.url, &path).await.unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    let ddo = fetch(format!("/api/v1/assets/{}", world.did)).await;
    let service = &ddo["service"][0];
    assert_eq!(service["provider"]["environment"]["flavour"], json!("container"));
    assert_eq!(service["brizo"]["profile"], json!(brizo::container::profile_digest()));
    assert!(
        service["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["name"] == json!("releaseAttestedPayment")),
        "{ddo}"
    );
    let environments = fetch("/api/v1/environments".into()).await;
    let flavours: Vec<_> =
        environments["environments"].as_array().unwrap().iter().map(|it| it["flavour"].clone()).collect();
    assert_eq!(flavours, [json!("wasm"), json!("wasm"), json!("container")]);
    // A module that the policy approves, under a data set that is for containers.
    write_job(&world, SHELL_BUNDLES[0], "");
    let job = std::fs::read_to_string(inside(&world, "job.toml")).unwrap();
    let job: String =
        job.lines().filter(|line| !line.starts_with("runtime")).map(|line| format!("{line}\n")).collect();
    let module = crate::guests::guest_path("group_aggregate");
    std::fs::write(inside(&world, "job.toml"), job.replace("\"bundle\"", &format!("{module:?}"))).unwrap();
    let refused = world.brizo(&["job", "run", "job.toml"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("kind of algorithm"), "{said}");
}
