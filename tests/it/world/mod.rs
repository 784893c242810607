//! A small world for end-to-end tests: a chain of its own, a provider as a real process, a consumer.

mod anvil;
mod consumer;
mod disk;
mod process;
mod proxy;

use std::path::{Path, PathBuf};
use std::process::Output;

use alloy_primitives::U256;
use brizo::chain::{Chain, Deployment, deploy};
use brizo::ids::Did;
use brizo_receipt::{Address, SecretKey};

pub(crate) use anvil::Anvil;
pub(crate) use consumer::{Consumer, hex0x};
pub(crate) use disk::Disk;
pub(crate) use process::Provider;
pub(crate) use process::free_port;
pub(crate) use proxy::{Fault, Proxy};

/// Anvil's first two development keys; public.
const PUBLISHER: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const CONSUMER: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const STRANGER: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";

/// Tokens that the consumer has at the start.
pub(crate) const MINTED: u64 = 1_000_000_000;

/// What a run may use at most, by the policy. At the highest rate seen so far a loop takes 43 seconds for it, so a job that loops is
/// over when somebody stops it and not before.
pub(crate) const FUEL_MAX: u64 = 900_000_000_000;

/// How a world differs from the usual one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Start of the chain's clock, in seconds since 1970-01-01 UTC; now if absent.
    pub(crate) chain_starts_s: Option<u64>,
    /// Seconds by the clock that a run may take; 120 if absent.
    pub(crate) wall_clock_s: Option<u32>,
    /// Processor seconds for compiling a module; with this, a compile bomb and a module
    /// that takes next to none are among the approved ones.
    pub(crate) compile_cpu_seconds: Option<u64>,
    /// Seconds between two anchors of the log.
    pub(crate) anchor_every_s: Option<u64>,
    /// Bytes of a disk of its own for `data_dir`; needs root.
    pub(crate) disk_bytes: Option<u64>,
    /// Seconds that jobs may still run when the provider is asked to end.
    pub(crate) grace_s: u64,
    /// How often the provider looks by itself, in milliseconds.
    pub(crate) poll_interval_ms: Option<u64>,
    /// Jobs that may wait.
    pub(crate) waiting_max: Option<u64>,
    /// Socket of a container engine and an image on it: the data set is then for containers.
    pub(crate) container: Option<(PathBuf, brizo::container::Image)>,
    /// Bytes of outputs that may be ordered, with time for them.
    pub(crate) output_bytes: Option<u64>,
    /// Lines of the `[api]` part.
    pub(crate) api: Option<&'static str>,
}

/// Everything of one test. Ends its processes when it is dropped.
pub(crate) struct World {
    pub(crate) provider: Provider,
    pub(crate) proxy: Proxy,
    pub(crate) deployment: Deployment,
    pub(crate) did: Did,
    /// Before the folder, in which it lies.
    pub(crate) disk: Option<Disk>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) anvil: Anvil,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let anvil = Anvil::start(settings.chain_starts_s);
        let proxy = Proxy::start(anvil.url()).await;
        let folder = tempfile::tempdir().unwrap();
        let deployment = deploy(anvil.url(), &key(PUBLISHER), true).await.unwrap();
        write_files(folder.path(), &deployment, proxy.url(), &settings);
        let disk = settings.disk_bytes.map(|bytes| Disk::mount(&folder.path().join("state"), bytes));
        let did = publish(folder.path(), &crate::guests::repository("examples/data"));
        let provider = Provider::start(folder.path()).await;
        let world = Self { provider, proxy, deployment, did, disk, folder, anvil };
        let chain = world.chain(&key(PUBLISHER));
        let token = world.token();
        chain.mint_test_token(token, key(CONSUMER).address(), U256::from(MINTED)).await.unwrap();
        world
    }

    /// A direct connection to the chain, past the proxy.
    pub(crate) fn chain(&self, key: &SecretKey) -> Chain {
        Chain::connect(self.anvil.url(), self.deployment.clone(), Some(key)).unwrap()
    }

    pub(crate) fn token(&self) -> Address {
        self.deployment.test_token.unwrap()
    }

    pub(crate) fn consumer(&self) -> Consumer {
        Consumer::new(self, key(CONSUMER))
    }

    pub(crate) fn stranger(&self) -> Consumer {
        Consumer::new(self, key(STRANGER))
    }

    /// Somebody with a key of their own.
    pub(crate) fn somebody(&self, key: SecretKey) -> Consumer {
        Consumer::new(self, key)
    }

    /// The publisher, sending requests.
    pub(crate) fn publisher_as_caller(&self) -> Consumer {
        Consumer::new(self, key(PUBLISHER))
    }

    pub(crate) fn publisher(&self) -> Address {
        key(PUBLISHER).address()
    }

    /// Tokens of publisher, consumer and escrow.
    pub(crate) async fn balances(&self) -> [u64; 3] {
        let chain = self.chain(&key(CONSUMER));
        let mut balances = [0; 3];
        let accounts = [self.publisher(), key(CONSUMER).address(), self.deployment.payment_conditions];
        for (balance, account) in balances.iter_mut().zip(accounts) {
            *balance = chain.token_balance(self.token(), account).await.unwrap().to();
        }
        balances
    }

    /// The publisher's own view of the chain.
    pub(crate) fn publisher_chain(&self) -> Chain {
        self.chain(&key(PUBLISHER))
    }

    /// What the provider has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(inside(self, "provider.log")).unwrap()
    }

    /// Kills the provider hard and starts it again.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.provider.kill();
        self.provider = Provider::start(self.folder.path()).await;
    }

    /// Runs a `brizo` command in the world's folder.
    pub(crate) fn brizo(&self, args: &[&str]) -> Output {
        brizo(self.folder.path(), args)
    }

    /// The same with variables in its environment.
    pub(crate) fn brizo_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_brizo"));
        command.args(args).envs(variables.iter().copied()).current_dir(self.folder.path()).output().unwrap()
    }
}

pub(crate) fn brizo(folder: &Path, args: &[&str]) -> Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_brizo")).args(args).current_dir(folder).output().unwrap()
}

pub(crate) fn key(hex_digits: &str) -> SecretKey {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hex_digits, &mut bytes).unwrap();
    SecretKey::from_bytes(&bytes).unwrap()
}

fn write_files(folder: &Path, deployment: &Deployment, rpc: &str, settings: &Settings) {
    write_key(&folder.join("provider.key"), PUBLISHER);
    write_key(&folder.join("consumer.key"), CONSUMER);
    std::fs::write(folder.join("deployment.json"), serde_json::to_string(deployment).unwrap()).unwrap();
    let port = process::free_port();
    let mut config = format!(
        "data_dir = \"state\"\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"http://127.0.0.1:{port}\"\nrpc = \"{rpc}\"\n\
         deployment = \"deployment.json\"\nkey_file = \"provider.key\"\npoll_interval_ms = {}\n\
         runtimes = [\"parrot/runtime.toml\"]\n",
        settings.poll_interval_ms.unwrap_or(50),
    );
    config += "[node]\n";
    if let Some(seconds) = settings.compile_cpu_seconds {
        config += &format!("compile_cpu_seconds = {seconds}\n");
    }
    if let Some(bytes) = settings.output_bytes {
        config += &format!("output_bytes = {bytes}\n");
    }
    // A killed provider is the tests' doing, not the jobs'.
    config += &format!("[queue]\nquarantine_after = 1000\ngrace_s = {}\n", settings.grace_s);
    if let Some(jobs) = settings.waiting_max {
        config += &format!("waiting_per_consumer_max = {}\n", jobs.max(1));
        config += &format!("waiting_max = {jobs}\n");
    }
    if let Some(seconds) = settings.anchor_every_s {
        config += &format!("[log]\nanchor_every_s = {seconds}\n");
    }
    if let Some((socket, image)) = &settings.container {
        config = config.replace("\"parrot/runtime.toml\"", "\"parrot/runtime.toml\", \"image/runtime.toml\"");
        config += &format!("[containers]\nsocket = {socket:?}\n");
        write_image(&folder.join("image"), image);
    }
    if let Some(lines) = settings.api {
        config += &format!("[api]\n{lines}\n");
    }
    if settings.disk_bytes.is_some() {
        config += "[health]\ndisk_free_min_bytes = 8388608\n";
    }
    std::fs::write(folder.join("brizo.toml"), config).unwrap();
    write_parrot(&folder.join("parrot"));
    std::fs::create_dir(folder.join("policy")).unwrap();
    let mut manifest = manifest(deployment.test_token.unwrap());
    if let Some(seconds) = settings.wall_clock_s {
        manifest = manifest.replace("wall_clock_s = 120", &format!("wall_clock_s = {seconds}"));
    }
    if let Some(bytes) = settings.output_bytes {
        for key in ["output_bytes", "file_bytes_max"] {
            manifest = manifest.replace(&format!("{key} = 1048576"), &format!("{key} = {bytes}"));
        }
        manifest = manifest.replace("wall_clock_s = 120", "wall_clock_s = 1200");
    }
    if let Some((_, image)) = &settings.container {
        let listed =
            format!("[[images]]\ndigest = \"sha256:{}\"\nname = \"shell\"\n", hex::encode(image.digest));
        manifest = manifest
            .replace("[[runtimes]]", "[[algorithms]]")
            .replace("[ceilings]", &format!("{listed}[ceilings]"));
        manifest = manifest.replace(&format!("fuel = {FUEL_MAX}"), "fuel = 60_000_000");
        for bundle in SHELL_BUNDLES {
            let digest = brizo_receipt::content_digest(&brizo::data::pack([bundle]).unwrap());
            manifest += &format!("[[algorithms]]\ndigest = \"{digest}\"\nname = \"script\"\n");
        }
    }
    if settings.compile_cpu_seconds.is_some() {
        for (name, module) in [("bomb", crate::sandbox::bomb(8)), ("innocent", crate::sandbox::innocent())] {
            let digest = brizo_receipt::content_digest(&module);
            manifest += &format!("[[algorithms]]\ndigest = \"{digest}\"\nname = \"{name}\"\n");
        }
    }
    std::fs::write(folder.join("policy/manifest.toml"), manifest).unwrap();
    let rules = crate::guests::repository("policies/open-statistics/rules.cedar");
    std::fs::copy(rules, folder.join("policy/rules.cedar")).unwrap();
}

fn write_key(path: &Path, digits: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, digits).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The bundle that the policy approves for the parrot.
pub(crate) const BUNDLE: [(&str, &[u8]); 2] = [("main.txt", b" penguins"), ("notes/unread.txt", b"")];

/// A runtime: what it says, and what it says it with.
pub(crate) fn write_parrot(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    std::fs::write(folder.join("parrot.wasm"), crate::guests::wat("parrot")).unwrap();
    std::fs::write(folder.join("greeting"), "hello").unwrap();
    let description = "name = \"parrot\"\nmodule = \"parrot.wasm\"\nprogram = \"/bin/parrot\"\nmain = \"main.txt\"\n\
                       [env]\nPARROT = \"grey\"\n[files]\n\"lib/greeting\" = \"greeting\"\n";
    std::fs::write(folder.join("runtime.toml"), description).unwrap();
}

/// The bundles that the policy approves for the image: one that computes, one that waits, one that differs every time.
pub(crate) const SHELL_BUNDLES: [(&str, &[u8]); 3] = [
    ("main.sh", b"exec /group-aggregate \"$@\""),
    ("main.sh", b"sleep 5; echo waited > \"$2/waited.csv\""),
    ("main.sh", b"cat /proc/sys/kernel/random/uuid > \"$2/random.csv\""),
];

/// A runtime that is an image: a shell and the grouped aggregate.
pub(crate) fn write_image(folder: &Path, image: &brizo::container::Image) {
    std::fs::create_dir(folder).unwrap();
    let digest = hex::encode(image.digest);
    let description =
        format!("name = \"shell\"\nimage = \"sha256:{digest}\"\nprogram = \"/bin/sh\"\nmain = \"main.sh\"\n");
    std::fs::write(folder.join("runtime.toml"), description).unwrap();
}

/// A policy that approves the examples, the hostile one included, at a metered price in test tokens.
fn manifest(token: Address) -> String {
    let mut modules: Vec<_> =
        ["column_stats", "group_aggregate", "hostile"].map(|name| (name, crate::guests::guest(name))).into();
    modules.push(("column_stats, large", crate::guests::large_guest()));
    // Approved by mistake: the rules still refuse it for its sockets.
    modules.push(("import-sock", crate::guests::wat("import-sock")));
    modules.extend(["keeps-a-secret", "counts-aloud", "pours"].map(|name| (name, crate::guests::wat(name))));
    modules.extend(
        crate::guests::component("group_aggregate").map(|bytes| ("group_aggregate component", bytes)),
    );
    modules.push(("what the parrot says", brizo::data::pack(BUNDLE).unwrap()));
    let parrot = brizo_receipt::content_digest(&crate::guests::wat("parrot"));
    let runtime = format!("[[runtimes]]\ndigest = \"{parrot}\"\nname = \"parrot\"\n");
    let approved: String = modules
        .iter()
        .map(|(name, bytes)| {
            let digest = brizo_receipt::content_digest(bytes);
            format!("[[algorithms]]\ndigest = \"{digest}\"\nname = \"{name}\"\n")
        })
        .collect();
    format!(
        "name = \"test\"\ndescription = \"the examples over the penguins\"\nruns_per_agreement = 2\n{approved}{runtime}\
         [ceilings]\nfuel = {FUEL_MAX}\nmemory_bytes = 268435456\noutput_bytes = 1048576\noutput_files = 100\n\
         wall_clock_s = 120\nalgorithm_bytes = 1600000\n[consumers]\nany = true\n\
         [outputs]\ndeclared = [\"*.csv\", \"*.json\"]\nstreams = [\"stdout\"]\nfile_bytes_max = 1048576\n\
         [price]\ntoken = \"{token}\"\nmax = \"1000000\"\nbase = \"1000\"\nfuel_per_million = \"7\"\noutput_per_million = \"1000000\"\n"
    )
}

/// Publishes a folder; returns its DID.
fn publish(folder: &Path, data: &Path) -> Did {
    let data = data.to_str().unwrap();
    let output =
        brizo(folder, &["publish", data, "--policy", "policy", "--name", "Penguins", "--format", "json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["did"].as_str().unwrap().parse().unwrap()
}

/// Waits until a condition holds, looking again and again; fails after a minute.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !condition().await {
        assert!(std::time::Instant::now() < end, "not within a minute: {what}");
        tokio::task::yield_now().await;
        tokio::time::timeout(std::time::Duration::from_millis(20), std::future::pending::<()>())
            .await
            .unwrap_err();
    }
}

/// Repeats a request until it is answered: the provider may be dead or made to fail.
pub(crate) async fn persist<T, E: std::fmt::Display>(
    what: &str,
    mut request: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        match request().await {
            Ok(answer) => return answer,
            Err(error) => assert!(std::time::Instant::now() < end, "not within a minute: {what}: {error:#}"),
        }
        let _ =
            tokio::time::timeout(std::time::Duration::from_millis(20), std::future::pending::<()>()).await;
    }
}

/// A path in the world's folder.
pub(crate) fn inside(world: &World, path: &str) -> PathBuf {
    world.folder.path().join(path)
}
