//! The consumer's and the auditor's commands against a provider and a chain.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use crate::cli::{json, said};
use crate::guests::{guest_path, repository};
use crate::world::{MINTED, Provider, World, eventually, inside};

const VERIFY: [&str; 13] = [
    "verify",
    "out/receipt.json",
    "--rpc",
    "RPC",
    "--deployment",
    "deployment.json",
    "--outputs",
    "out/outputs",
    "--run-key",
    "out/run.key",
    "--format",
    "json",
    "--provider",
];

fn job_file(world: &World) -> String {
    format!(
        "provider = \"{}\"\nrpc = \"{}\"\ndeployment = \"deployment.json\"\nkey_file = \"consumer.key\"\ndid = \"{}\"\n\
         algorithm = \"{}\"\nargs = [\"--file\", \"penguins.csv\"]\noutput = \"out\"\n\
         [limits]\nfuel = 200000000\nmemory_bytes = 67108864\noutput_bytes = 1048576\noutput_files = 16\n\
         [payment]\nmax_price = \"1000000\"\ntoken = \"{}\"\n",
        world.provider.url,
        world.anvil.url(),
        world.did,
        guest_path("column_stats").display(),
        world.token(),
    )
}

fn verify(world: &World, provider: &str) -> Output {
    let mut args = VERIFY.map(|arg| if arg == "RPC" { world.anvil.url() } else { arg }).to_vec();
    args.push(provider);
    world.brizo(&args)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_and_an_auditor_need_nothing_but_files_and_a_node() {
    let world = World::start().await;
    std::fs::write(inside(&world, "job.toml"), job_file(&world)).unwrap();
    // An interruption right after the run key was made leaves it alone; the command goes on with it.
    std::fs::create_dir(inside(&world, "out")).unwrap();
    std::fs::write(inside(&world, "out/run.key"), "07".repeat(32)).unwrap();
    let described = world.brizo(&["job", "describe", "job.toml", "--format", "json"]);
    assert_eq!(described.status.code(), Some(0), "{}", said(&described));
    let described = json(&described);
    assert_eq!(
        (described["locks"].as_str(), described["problem"].is_null()),
        (Some("1000000"), true),
        "{described}"
    );
    // 1000 + (200,000,000 × 7 + 1,048,576 × 1,000,000) / 1,000,000 is more than what is locked.
    assert_eq!(described["costsAtMost"], "1000000");
    assert_eq!(
        json(&world.brizo(&["job", "list", "job.toml", "--format", "json"]))["jobs"],
        serde_json::json!([])
    );
    assert_eq!(world.balances().await, [0, MINTED, 0], "looking costs nothing");
    let first = world.brizo(&["job", "run", "job.toml", "--format", "json"]);
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    let summary = json(&first);
    assert_eq!(
        (summary["state"].as_str(), summary["receiptHash"].as_str()),
        (Some("settled"), summary["onChainHash"].as_str())
    );
    let paid: u64 = summary["paid"].as_str().unwrap().parse().unwrap();
    let list = json(&world.brizo(&["job", "list", "job.toml", "--format", "json"]));
    assert_eq!((list["jobs"].as_array().unwrap().len(), &list["jobs"][0]["jobId"]), (1, &summary["jobId"]));
    let history = said(&world.brizo(&["job", "history", "job.toml"]));
    assert!(history.contains("preparing, attempt 1") && history.contains("settled: "), "{history}");
    let stop = world.brizo(&["job", "stop", "job.toml"]);
    assert_eq!(stop.status.code(), Some(5), "{}", said(&stop));
    assert!(said(&stop).contains("claim"), "what is over cannot be stopped: {}", said(&stop));
    assert_eq!(world.balances().await, [paid, MINTED - paid, 0]);

    // The same command again fetches again, and pays nothing more.
    let second = world.brizo(&["job", "run", "job.toml", "--format", "json"]);
    assert_eq!(second.status.code(), Some(0), "{}", said(&second));
    assert_eq!(json(&second)["receiptHash"], summary["receiptHash"]);
    assert_eq!(world.balances().await, [paid, MINTED - paid, 0]);

    // Another job in the same folder is not taken for this one, and two commands do not write there at once.
    let other = job_file(&world).replace("\"penguins.csv\"", "\"seattle-weather.csv\"");
    std::fs::write(inside(&world, "other.toml"), other).unwrap();
    let other = world.brizo(&["job", "run", "other.toml"]);
    assert_eq!(other.status.code(), Some(1), "{}", said(&other));
    assert!(said(&other).contains("(arguments or variables), and nothing new was run"), "{}", said(&other));
    let held = std::fs::File::open(inside(&world, "out")).unwrap();
    held.lock().unwrap();
    for verb in ["run", "order", "start", "get"] {
        let refused = world.brizo(&["job", verb, "job.toml"]);
        assert_eq!(refused.status.code(), Some(1), "{verb}: {}", said(&refused));
        assert!(said(&refused).contains("another `brizo job` works"), "{verb}: {}", said(&refused));
    }
    assert!(world.brizo(&["job", "status", "job.toml"]).status.success(), "looking is free");
    drop(held);

    // What somebody has put beside the outputs is not taken away.
    std::fs::write(inside(&world, "out/outputs/mine.txt"), "mine").unwrap();
    let refused = world.brizo(&["job", "get", "job.toml"]);
    assert!(!refused.status.success() && said(&refused).contains("not of this job"), "{}", said(&refused));
    std::fs::remove_file(inside(&world, "out/outputs/mine.txt")).unwrap();
    // Another key than the one that ordered it; a refund of what is settled.
    let stranger = job_file(&world).replace("consumer.key", "stranger.key");
    let key = inside(&world, "stranger.key");
    std::fs::write(&key, "5d".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(inside(&world, "stranger.toml"), stranger).unwrap();
    let stranger = world.brizo(&["job", "run", "stranger.toml"]);
    assert!(said(&stranger).contains("name that key, or another output"), "{}", said(&stranger));
    let stranger = world.brizo(&["job", "status", "stranger.toml"]);
    assert!(said(&stranger).contains("another key ordered it"), "{}", said(&stranger));

    // Rules that turned out to be wrong: nothing is kept of what was fetched.
    let receipt = std::fs::read(inside(&world, "out/receipt.json")).unwrap();
    let list = crate::cli::revoking(&brizo_receipt::Receipt::parse(&receipt).unwrap());
    std::fs::write(inside(&world, "profiles.json"), list).unwrap();
    std::fs::write(inside(&world, "out/receipt.json"), "of an earlier fetch").unwrap();
    for verb in ["run", "get"] {
        let refused = world.brizo(&["job", verb, "job.toml", "--profiles", "profiles.json"]);
        assert_eq!(refused.status.code(), Some(27), "{verb}: {}", said(&refused));
        assert!(said(&refused).contains("is revoked"), "{verb}: {}", said(&refused));
    }
    assert_eq!(std::fs::read(inside(&world, "out/receipt.json")).unwrap(), b"of an earlier fetch");
    std::fs::write(inside(&world, "out/receipt.json"), receipt).unwrap();

    let verified = verify(&world, &world.publisher().to_string());
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    assert_eq!(json(&verified)["verdict"], "holds: structure, signature, on chain, opening");
    let another = verify(&world, "0x0000000000000000000000000000000000000001");
    assert_eq!(another.status.code(), Some(26), "{}", said(&another));

    let did = world.did.to_string();
    let dataset_key = format!("state/{}.dataset.key", did.trim_start_matches("did:op:"));
    let (module, data) = (guest_path("column_stats"), repository("examples/data"));
    let replay = [
        "replay",
        "out/receipt.json",
        "--format",
        "json",
        "--module",
        module.to_str().unwrap(),
        "--run-key",
        "out/run.key",
        "--input",
        data.to_str().unwrap(),
        "--dataset-key",
        &dataset_key,
        "--outputs",
        "out/outputs",
    ];
    // Whoever lacks a key or the data accuses nobody.
    for (given, missing) in [(6, "--run-key"), (8, "--input"), (10, "--dataset-key")] {
        let inconclusive = world.brizo(&replay[..given]);
        assert_eq!(inconclusive.status.code(), Some(3), "{}", said(&inconclusive));
        assert!(said(&inconclusive).contains(missing), "{missing}: {}", said(&inconclusive));
    }
    let replay = world.brizo(&replay);
    assert_eq!(replay.status.code(), Some(0), "{}", said(&replay));
    assert_eq!(json(&replay)["replayedHash"], summary["receiptHash"]);

    let refund = world.brizo(&["job", "refund", "job.toml"]);
    assert_eq!(refund.status.code(), Some(1), "{}", said(&refund));
    assert!(said(&refund).contains(&format!("it was settled: {paid} paid")), "{}", said(&refund));
    let logs = world.brizo(&["job", "logs", "job.toml"]);
    assert!(
        said(&logs).contains("344 rows") && said(&logs).contains("stderr is withheld"),
        "{}",
        said(&logs)
    );
}

/// What is large goes in pieces: what an interrupted command has sent is not sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_algorithm_is_sent_in_pieces_and_gone_on_with() {
    let world = World::start().await;
    let module = crate::guests::large_guest();
    assert!(module.len() > brizo::client::PIECE_BYTES);
    std::fs::write(inside(&world, "large.wasm"), &module).unwrap();
    let small = guest_path("column_stats").display().to_string();
    // In groups, and with somebody who may have what comes out.
    let (digest, viewer) = (brizo_receipt::content_digest(&module), world.stranger().key.address());
    let grouped = |digest| {
        let flat = job_file(&world).replace(&format!("algorithm = \"{small}\"\nargs = "), "ARGS");
        let (before, rest) = flat.split_once("ARGS").unwrap();
        let (args, rest) = rest.split_once('\n').unwrap();
        let algorithm = format!("{{ path = \"large.wasm\", digest = \"{digest}\", args = {args} }}");
        let rest = rest.replace("memory_bytes = 67108864", "memory = \"64MiB\"");
        format!("{before}algorithm = {algorithm}\n{rest}[deliver]\nviewers = [\"{viewer}\"]\n")
    };
    std::fs::write(inside(&world, "job.toml"), grouped(brizo_receipt::B256::ZERO)).unwrap();
    let refused = world.brizo(&["job", "describe", "job.toml"]);
    assert!(!refused.status.success() && said(&refused).contains(&digest.to_string()), "{}", said(&refused));
    std::fs::write(inside(&world, "job.toml"), grouped(digest)).unwrap();
    let agreed = world.brizo(&["job", "order", "job.toml"]);
    assert_eq!(agreed.status.code(), Some(0), "{}", said(&agreed));
    // As far as an earlier command came.
    let consumer = world.consumer();
    let path = format!("/api/v1/algorithms/{digest}");
    let headers = [("upload-offset", "0"), ("upload-complete", "?0")];
    let sent = consumer.send("PATCH", &path, &headers, &module[..700_000]).await;
    assert_eq!(sent.status().as_u16(), 200);
    let told = std::sync::Mutex::new(Vec::new());
    consumer.client.send_algorithm(digest, &module, &|bytes| told.lock().unwrap().push(bytes)).await.unwrap();
    let all = module.len() as u64;
    assert_eq!(told.into_inner().unwrap(), [700_000, all], "the rest is one piece");
    // All of it is there, so nothing is sent again; the run is the small one's in everything else.
    let told = std::sync::Mutex::new(Vec::new());
    consumer.client.send_algorithm(digest, &module, &|bytes| told.lock().unwrap().push(bytes)).await.unwrap();
    assert_eq!(told.into_inner().unwrap(), [all]);
    let run = world.brizo(&["job", "run", "job.toml", "--format", "json"]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert_eq!(json(&run)["state"], "settled");
    let job = json(&run)["jobId"].as_str().unwrap().to_owned();
    let list = world.stranger().client.get_json(&format!("/api/v1/jobs/{job}/outputs")).await.unwrap();
    assert_eq!(list["jobId"], job, "the viewer may have them");
    // Other bytes under the same name are refused, and nothing is begun.
    let other = consumer.client.send_algorithm(digest, b"something else", &|_| {}).await.unwrap_err();
    assert_eq!(other.code(), Some("digest_mismatch"), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_that_was_asked_for_and_cannot_be_had_is_inconclusive() {
    let world = World::start().await;
    std::fs::write(inside(&world, "job.toml"), job_file(&world)).unwrap();
    assert!(world.brizo(&["job", "run", "job.toml"]).status.success());
    let mut args = VERIFY.map(|arg| if arg == "RPC" { "http://127.0.0.1:1" } else { arg }).to_vec();
    args.pop();
    let verified = world.brizo(&args);
    assert_eq!(verified.status.code(), Some(3), "{}", said(&verified));
    assert_eq!(json(&verified)["verdict"], "holds: structure, signature, opening");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_or_costs_too_much_is_not_signed() {
    let world = World::start().await;
    let file = job_file(&world).replace("max_price = \"1000000\"", "max_price = \"999999\"");
    std::fs::write(inside(&world, "job.toml"), file).unwrap();
    let refused = world.brizo(&["job", "run", "job.toml"]);
    assert_eq!(refused.status.code(), Some(5), "as `job describe`");
    assert!(said(&refused).contains("payment.max_price is 999999"), "{}", said(&refused));
    for (from, to, word) in [
        ("fuel = 200000000", "fuel = 0", "limits.fuel"),
        ("67108864", "65536", "limits.memory_bytes"),
        ("token =", "# token =", "payment.token"),
        ("[payment]", "[payment]\nmax_wait_s = 5", "payment.max_wait_s"),
    ] {
        std::fs::write(inside(&world, "job.toml"), job_file(&world).replace(from, to)).unwrap();
        let refused = world.brizo(&["job", "run", "job.toml"]);
        assert!(said(&refused).contains(word), "{}", said(&refused));
        assert_eq!(refused.status.code(), Some(5), "{word}");
    }
    // A key without money: the agreement would be made in vain, and the provider pays for it.
    let key = inside(&world, "poor.key");
    std::fs::write(&key, "5d".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let poor = job_file(&world).replace("consumer.key", "poor.key");
    std::fs::write(inside(&world, "job.toml"), poor).unwrap();
    for verb in ["describe", "run"] {
        let refused = world.brizo(&["job", verb, "job.toml"]);
        assert_eq!(refused.status.code(), Some(5), "{verb}: {}", said(&refused));
        assert!(said(&refused).contains("nothing to pay the gas"), "{verb}: {}", said(&refused));
    }
    assert!(!inside(&world, "out").exists(), "nothing was begun");
}

/// The payment is mined, and the provider waits until it is deep enough: that is no reason to give up.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_waits_for_confirmations_is_waited_for() {
    let mut world = World::start().await;
    let config = inside(&world, "brizo.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(!text.contains("[chain]"));
    std::fs::write(&config, text + "\n[chain]\nconfirmations = 3\n").unwrap();
    world.provider.terminate();
    world.provider = Provider::start(world.folder.path()).await;
    std::fs::write(inside(&world, "job.toml"), job_file(&world)).unwrap();
    // A block every second, whether there is anything in it or not.
    world.anvil.ask("evm_setIntervalMining", serde_json::json!([1])).await;
    let run = world.brizo(&["job", "run", "job.toml", "--format", "json"]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert_eq!(json(&run)["state"], "settled");
}

/// A command that was interrupted while its payment waited for a block is gone on with: nodes refuse the payment meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_on_its_way_is_waited_for() {
    let world = World::start().await;
    std::fs::write(inside(&world, "job.toml"), job_file(&world)).unwrap();
    for verb in ["order", "upload"] {
        let done = world.brizo(&["job", verb, "job.toml"]);
        assert!(done.status.success(), "{}", said(&done));
    }
    let begin = |verb: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brizo"));
        command.args(["job", verb, "job.toml"]).current_dir(world.folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let consumer = world.chain(&world.consumer().key);
    world.anvil.mine_at_once(false).await;
    let mut interrupted = begin("start");
    // The approval of the token, and after it the payment.
    eventually("the approval waits", async || consumer.has_pending().await.unwrap()).await;
    world.anvil.ask("evm_mine", serde_json::json!([])).await;
    eventually("the payment waits", async || consumer.has_pending().await.unwrap()).await;
    interrupted.kill().unwrap();
    interrupted.wait().unwrap();
    let mut again = begin("run");
    let mut lines = BufReader::new(again.stderr.take().unwrap()).lines();
    let waits = lines.by_ref().map(|line| line.unwrap()).find(|line| line.contains("is on its way already"));
    assert!(waits.is_some(), "it goes on waiting");
    world.anvil.mine_at_once(true).await;
    let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
    assert!(again.wait().unwrap().success(), "{rest:?}");
}

/// What is paid for cannot be ordered without the run key, so it is looked at first.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_key_that_was_not_written_whole_is_noticed_before_anything_is_signed() {
    let world = World::start().await;
    std::fs::write(inside(&world, "job.toml"), job_file(&world)).unwrap();
    std::fs::create_dir(inside(&world, "out")).unwrap();
    std::fs::write(inside(&world, "out/run.key"), "").unwrap();
    let refused = world.brizo(&["job", "run", "job.toml"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("does not hold a key"), "{}", said(&refused));
    assert_eq!(world.balances().await, [0, MINTED, 0]);
    // Nothing is known by it yet, so it can go.
    std::fs::remove_file(inside(&world, "out/run.key")).unwrap();
    for verb in ["order", "upload"] {
        let done = world.brizo(&["job", verb, "job.toml"]);
        assert!(done.status.success(), "{}", said(&done));
    }
    // Nor is anything paid where it was lost later.
    let key = std::fs::read(inside(&world, "out/run.key")).unwrap();
    std::fs::write(inside(&world, "out/run.key"), "").unwrap();
    for verb in ["run", "start"] {
        let refused = world.brizo(&["job", verb, "job.toml"]);
        assert!(said(&refused).contains("does not hold a key"), "{verb}: {}", said(&refused));
    }
    assert_eq!(world.balances().await, [0, MINTED, 0]);
    std::fs::write(inside(&world, "out/run.key"), key).unwrap();
    let run = world.brizo(&["job", "run", "job.toml"]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
}

/// The same order in YAML: what one file began the other goes on with. And of a download that was broken off the rest is fetched.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_file_may_be_yaml_and_a_download_is_gone_on_with() {
    let world = World::start().await;
    let toml = job_file(&world);
    let (mut yaml, mut indent) = (String::new(), "");
    for line in toml.lines() {
        match line.strip_prefix('[') {
            Some(table) => {
                yaml += &format!("{}:\n", table.trim_end_matches(']'));
                indent = "  ";
            }
            None => yaml += &format!("{indent}{}\n", line.replacen(" = ", ": ", 1)),
        }
    }
    std::fs::write(inside(&world, "job.toml"), &toml).unwrap();
    std::fs::write(inside(&world, "job.yaml"), &yaml).unwrap();
    let described = |file: &str| json(&world.brizo(&["job", "describe", file, "--format", "json"]));
    assert_eq!(described("job.yaml"), described("job.toml"), "{yaml}");
    let wrong = yaml.replace("output_files", "output_flies");
    std::fs::write(inside(&world, "wrong.yaml"), &wrong).unwrap();
    let refused = world.brizo(&["job", "describe", "wrong.yaml"]);
    let line = 1 + wrong.lines().position(|line| line.contains("flies")).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains(&format!("wrong.yaml: error: line {line}")), "{}", said(&refused));

    let agreed = world.brizo(&["job", "order", "job.toml"]);
    assert!(agreed.status.success(), "{}", said(&agreed));
    let run = world.brizo(&["job", "run", "job.yaml", "--format", "json", "--quiet"]);
    assert!(run.status.success() && run.stderr.is_empty(), "{}", said(&run));
    let hash = json(&run)["receiptHash"].clone();

    let outputs = inside(&world, "out/outputs");
    let name = std::fs::read_dir(&outputs).unwrap().next().unwrap().unwrap().file_name();
    let whole = std::fs::read(outputs.join(&name)).unwrap();
    assert!(whole.len() > 20 && !inside(&world, "out/outputs.part").exists());
    let get = |left: &[u8], other: Option<&str>| {
        std::fs::remove_dir_all(&outputs).unwrap();
        let part = inside(&world, "out/outputs.part");
        std::fs::create_dir(&part).unwrap();
        std::fs::write(part.join(&name), left).unwrap();
        if let Some(other) = other {
            std::fs::write(part.join(other), "stale").unwrap();
        }
        let got = world.brizo(&["job", "get", "job.toml", "--format", "json"]);
        assert!(got.status.success(), "{}", said(&got));
        assert_eq!(json(&got)["receiptHash"], hash);
        assert_eq!(std::fs::read(outputs.join(&name)).unwrap(), whole);
        assert!(!part.exists() && !outputs.join("of-another-job").exists());
    };
    get(&whole[..20], None);
    get(b"damaged bytes", None);
    get(&whole, Some("of-another-job"));
}

/// As Ocean's command line is told: nothing about node, provider and key in the file.
#[tokio::test(flavor = "multi_thread")]
async fn provider_node_and_key_may_come_from_the_environment() {
    let world = World::start().await;
    let all = job_file(&world);
    let rest: String = all
        .lines()
        .filter(|line| !["provider", "rpc", "key_file"].iter().any(|key| line.starts_with(key)))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(inside(&world, "job.toml"), rest).unwrap();
    let key = std::fs::read_to_string(inside(&world, "consumer.key")).unwrap();
    let variables =
        [("NODE_URL", &*world.provider.url), ("RPC", world.anvil.url()), ("PRIVATE_KEY", key.trim())];
    for missing in 0..=variables.len() {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_brizo"));
        command.args(["job", "describe", "job.toml"]).current_dir(world.folder.path());
        for (at, (name, value)) in variables.iter().enumerate() {
            command.env_remove(name);
            if at != missing {
                command.env(name, value);
            }
        }
        let output = command.output().unwrap();
        match variables.get(missing) {
            None => assert_eq!(output.status.code(), Some(0), "{}", said(&output)),
            Some((name, _)) => {
                assert_eq!(output.status.code(), Some(1), "{name}");
                assert!(said(&output).contains(&format!("{name} is not set")), "{}", said(&output));
            }
        }
        assert!(!said(&output).contains(key.trim()), "the key is not shown");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = world.brizo(&["completions", shell]);
        assert!(script.status.success() && said(&script).contains("agreement"), "{shell}");
    }
    let man = world.brizo(&["man", "pages"]);
    assert!(man.status.success(), "{}", said(&man));
    for page in ["brizo.1", "brizo-job-run.1", "brizo-doctor.1"] {
        assert!(inside(&world, &format!("pages/{page}")).exists(), "{page}");
    }
}
