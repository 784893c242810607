//! The provider as a whole: opens the adapters from the configuration and hands them to the API and the worker.

use std::collections::HashSet;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use brizo_receipt::{B256, Entry, EntryKind, content_digest};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::{ApiParts, ApiState, Health, Readiness, Shared, metrics_router, router};
use crate::chain::{Chain, is_public_key, is_test_chain};
use crate::clock::Clock;
use crate::config::{Config, HealthConfig, read_deployment, read_key, read_runtime};
use crate::container::{Containers, MEMORY_BYTES_MIN, Owner};
use crate::data::{BlobStore, Mocks, NoRoom, Room, Uploads};
use crate::job::{Installed, RUNTIME_FOLDER};
use crate::log::Log;
use crate::nudge::Nudge;
use crate::sandbox::{ArtefactCache, ChildCompiler, Compiler, Engine, Kind, Progress, Settings, inspect};
use crate::store::Store;
use crate::worker::{ChainRows, Gate, LogRows, Options, Worker};

/// How long loops and requests may take to end once they are told to.
const ENDING_MAX: Duration = Duration::from_secs(10);
/// Uploads that are taken in at the same time.
const UPLOADS_MAX: usize = 4;

/// Folder of mock data in `data_dir`.
pub const MOCKS: &str = "mock";

/// The parts of a provider that `serve` and `publish` share.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The store.
    pub store: Store,
    /// The blobs.
    pub blobs: BlobStore,
    /// The chain, with the publisher's key.
    pub chain: Chain,
    /// The publisher's key.
    pub key: brizo_receipt::SecretKey,
}

/// Opens what a configuration names.
///
/// # Errors
/// What cannot be opened, with its path.
pub fn open(config_path: &Path) -> Result<Parts> {
    open_with(config_path, Store::open)
}

/// As [`open`], for the one process that serves.
///
/// # Errors
/// As for [`open`].
pub fn open_to_serve(config_path: &Path) -> Result<Parts> {
    open_with(config_path, Store::open_to_serve)
}

fn open_with(config_path: &Path, open: fn(&Path) -> crate::store::Result<Store>) -> Result<Parts> {
    let config = Config::load(config_path)?;
    // Keys and data are in it.
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.with_context(|| format!("{}", config.data_dir.display()))?;
    match Room::new(&config.data_dir, 0).check_by_writing() {
        // What is stored can still be served, and what is owed still be settled, once there is room.
        Err(error @ NoRoom::Full { .. }) => tracing::warn!(%error, "the disk is full"),
        writable => writable.with_context(|| format!("{}", config.data_dir.display()))?,
    }
    let key = read_key(&config.key_file)?;
    let deployment = read_deployment(&config.deployment)?;
    if is_public_key(key.address()) && !is_test_chain(deployment.chain_id) {
        bail!(
            "{}: everybody knows this secret key; on chain {} its money is anybody's. Make a new one with `brizo key new`",
            config.key_file.display(),
            deployment.chain_id
        );
    }
    let chain = Chain::connect(&config.rpc, deployment, Some(&key))?;
    let database = config.data_dir.join("brizo.db");
    let store = open(&database).with_context(|| format!("{}", database.display()))?;
    let store = store.with_rules(config.queue_rules());
    let blobs = BlobStore::open(&config.data_dir.join("blobs"))?.with_verify_rate(config.data.verify_rate);
    Ok(Parts { config, store, blobs, chain, key })
}

/// Serves until the process is asked to end, then hands back what runs.
///
/// # Errors
/// When the folder is in use, the address is taken, or the chain is another one.
pub async fn serve(parts: Parts) -> Result<()> {
    let Parts { config, store, blobs, chain, key } = parts;
    let _lock = lock(&config.data_dir)?;
    match chain.check().await {
        Err(error @ crate::chain::Error::Mismatch(_)) => return Err(error.into()),
        // A chain that is down for the moment is no reason not to start: the loops try again.
        Err(error) => tracing::warn!(%error, "the chain cannot be checked now"),
        Ok(()) => {}
    }
    let chain = chain.with_journal(config.sending(), Arc::new(ChainRows(store.clone())))?;
    let followed = chain.resume().await?;
    if followed > 0 {
        tracing::info!(transactions = followed, "transactions of an earlier process are followed on");
    }
    let (listen, metrics, kept) = (config.listen, config.metrics.listen, store.clone());
    let (stop, stopped) = watch::channel(false);
    let (api, worker) = assemble(Parts { config, store, blobs, chain, key }, stopped.clone()).await?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listen on {listen}"))?;
    tracing::info!(address = %listener.local_addr()?, publisher = %worker.chain.sender(), "serving");
    let served = serve_until_asked(worker, listener, metrics, api, (stop, stopped)).await;
    let now_s = Clock::system().now_s();
    match kept.with(move |store| store.hand_back_all(now_s)).await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "jobs whose work does not listen go back to the queue"),
        // Then they count as interrupted.
        Err(error) => tracing::warn!(%error, "jobs that are still worked on cannot be handed back"),
    }
    kept.keep_nonces(now_s).await;
    served
}

/// Puts a provider together, which then neither serves nor works yet. Who follows something is let go when `stopped` turns
/// true. The caller holds the folder's lock.
///
/// # Errors
/// What cannot be opened or installed.
pub async fn assemble(parts: Parts, stopped: watch::Receiver<bool>) -> Result<(ApiState, Worker)> {
    let Parts { config, store, blobs, chain, key } = parts;
    let (clock, nudge) = (Clock::system(), Nudge::default());
    let given_back = store.release_leases(clock.now_s())?;
    if given_back > 0 {
        tracing::info!(jobs = given_back, "jobs of an earlier process go back to the queue");
    }
    let runtimes = Arc::new(install(&config.runtimes, &blobs)?);
    let containers = containers(&config, &runtimes).await?;
    let needs_engine = runtimes.iter().any(|one| one.runtime.image.is_some());
    let engine = needs_engine.then(|| containers.clone());
    let log = Arc::new(open_log(&config, &store).await?);
    let cache = ArtefactCache::open(&config.data_dir.join("compiled"))?;
    let room = Room::new(&config.data_dir, config.health.disk_free_min_bytes);
    let worker = Worker {
        store: store.clone(),
        chain: chain.clone(),
        engine: Engine::with_settings(Settings {
            cache: Some(cache),
            compiler: compiler(&config)?,
            scratch: Some(config.data_dir.clone()),
            ..Settings::default()
        })?,
        containers,
        blobs: blobs.clone(),
        key,
        log: log.clone(),
        gate: Gate::new(room.clone()),
        clock: clock.clone(),
        pinned: Arc::new(digests(&runtimes)),
        public_url: config.public_url.clone(),
        options: options(&config),
        nudge: nudge.clone(),
    };
    let api = ApiState::from(ApiParts {
        uploads: Arc::new(tokio::sync::Semaphore::new(UPLOADS_MAX)),
        store,
        chain,
        blobs,
        clock,
        node: config.ceilings(),
        runtimes,
        nudge,
        log,
        mocks: Mocks::new(&config.data_dir.join(MOCKS)),
        health: Health::new(room, readiness(&config), engine),
        executing: Arc::default(),
        shared: shared(&config, stopped)?,
    });
    Ok((api, worker))
}

/// Serves and works until the process is asked to end; jobs that run then may still end within the grace.
async fn serve_until_asked(
    worker: Worker,
    listener: TcpListener,
    metrics: Option<SocketAddr>,
    api: ApiState,
    (stop, stopped): (watch::Sender<bool>, watch::Receiver<bool>),
) -> Result<()> {
    if let Some(address) = metrics {
        serve_metrics(address, api.clone(), stopped.clone()).await?;
    }
    let store = worker.store.clone();
    let (cut, cut_off) = watch::channel(false);
    let grace = Duration::from_secs(worker.store.rules().grace_s);
    let mut working = tokio::spawn(worker.work(stopped.clone(), cut_off));
    let service = router(api).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(until(stopped));
    let serving = tokio::spawn(async move { server.await });
    tokio::select! {
        () = asked_to_end() => {}
        // Nothing more can be written: the next process reads what there is.
        failed = store.failed() => return Err(failed.into()),
    }
    tracing::info!(
        grace_s = grace.as_secs(),
        "ending; jobs that run may still end, then they go back to the queue"
    );
    // Nobody may listen any more if both have ended by themselves; then there is nothing to tell.
    let _ = stop.send(true);
    tokio::select! {
        ended = &mut working => ended?,
        // Asked a second time, nobody wants to wait.
        () = async { tokio::select! { () = tokio::time::sleep(grace) => {}, () = asked_to_end() => {} } } => {
            let _ = cut.send(true);
            if let Some(ended) = ending(&mut working).await {
                ended?;
            }
        }
    }
    // A request that was sent by half holds up nobody: what it began is taken up again like after a crash.
    match ending(serving).await {
        Some(ended) => Ok(ended??),
        None => Ok(()),
    }
}

/// Waits for what was asked to end, but not longer than [`ENDING_MAX`].
async fn ending<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(ENDING_MAX, work).await.ok()
}

/// The containers of this provider. What an earlier process left is removed; an engine that cannot be used is said to
/// be, and is asked again for each job.
async fn containers(config: &Config, runtimes: &[Installed]) -> Result<Containers> {
    let folder = config.data_dir.canonicalize().with_context(|| format!("{}", config.data_dir.display()))?;
    let name = hex::encode(&content_digest(folder.as_os_str().as_encoded_bytes())[..8]);
    let containers = Containers::new(&config.containers.socket, Owner::Provider(name));
    if runtimes.iter().any(|one| one.runtime.image.is_some()) {
        match containers.sweep().await.and(containers.facts().await) {
            Ok(facts) => tracing::info!(engine = facts.text(), "container engine found"),
            Err(error) => {
                tracing::warn!(code = error.code(), hint = error.hint(), %error, "no containers can be run now");
            }
        }
    }
    Ok(containers)
}

/// What only the API has.
fn shared(config: &Config, stopped: watch::Receiver<bool>) -> Result<Arc<Shared>> {
    let uploads = Uploads::open(&config.data_dir.join("uploads"), config.api.upload_quota_bytes)?;
    Ok(Arc::new(Shared::new(config.api.clone(), config.public_url.clone(), uploads, stopped)))
}

fn options(config: &Config) -> Options {
    Options {
        concurrency: config.concurrency(),
        poll_interval: config.poll_interval(),
        anchor_every_s: config.log.anchor_every_s,
        keep_jobs_s: config.keep_jobs_s(),
    }
}

fn readiness(config: &Config) -> Readiness {
    let HealthConfig { chain_age_max_s, chain_unread_max, owed_tries_max, .. } = config.health;
    Readiness { chain_age_max_s, chain_unread_max, owed_tries_max }
}

/// The numbers, on an address of their own.
async fn serve_metrics(address: SocketAddr, api: ApiState, stop: watch::Receiver<bool>) -> Result<()> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("listen for metrics on {address}"))?;
    tracing::info!(address = %listener.local_addr()?, "serving metrics");
    let server = axum::serve(listener, metrics_router(api)).with_graceful_shutdown(until(stop));
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "metrics are served no more");
        }
    });
    Ok(())
}

/// Compares the log's files with the database before anything is served or signed.
async fn open_log(config: &Config, store: &Store) -> Result<Log> {
    let (folder, origin, rows) = (config.data_dir.clone(), config.log_origin(), LogRows(store.clone()));
    let log = tokio::task::spawn_blocking(move || Log::open(&folder, &origin, &rows)).await??;
    let published = log.published().tree;
    tracing::info!(key = %log.key(), entries = published.size, root = %published.root, "log opened");
    Ok(log)
}

/// Takes in the runtimes: their modules pass the gate like any other, and all their files become blobs.
fn install(descriptions: &[PathBuf], blobs: &BlobStore) -> Result<Vec<Installed>> {
    let mut runtimes = Vec::new();
    for path in descriptions {
        let runtime = read_runtime(path)?;
        let beside = path.parent().unwrap_or(Path::new("."));
        let read = |file: &str| {
            let path = beside.join(file);
            std::fs::read(&path).with_context(|| format!("{}", path.display()))
        };
        let (module, memory_bytes_min) = match runtime.image_digest() {
            // Whether the engine has it is seen when it is needed.
            Some(image) => (image, MEMORY_BYTES_MIN),
            None => {
                let module = read(&runtime.module)?;
                let inspection =
                    inspect(&module, u64::MAX).with_context(|| format!("runtime {}", path.display()))?;
                if inspection.kind == Kind::Component {
                    bail!("{}: a runtime is a core module, this is a component", path.display());
                }
                blobs.put(&*module)?;
                (inspection.digest, inspection.memory_bytes_min)
            }
        };
        let mut files = Vec::new();
        for (place, file) in &runtime.files {
            let bytes = read(file)?;
            blobs.put(&*bytes)?;
            files.push(Entry::of(EntryKind::File, format!("{RUNTIME_FOLDER}/{place}"), &bytes));
        }
        tracing::info!(name = runtime.name, %module, image = runtime.image.is_some(), "runtime installed");
        runtimes.push(Installed { module, memory_bytes_min, runtime, files });
    }
    Ok(runtimes)
}

/// Every blob of the runtimes.
fn digests(runtimes: &[Installed]) -> HashSet<B256> {
    let files = runtimes.iter().flat_map(|runtime| runtime.files.iter().map(|file| file.digest));
    runtimes.iter().map(|runtime| runtime.module).chain(files).collect()
}

/// A module of a stranger is compiled where it can do no harm.
fn compiler(config: &Config) -> Result<Compiler> {
    let node = &config.node;
    Ok(Compiler::Child(ChildCompiler {
        cpu_seconds: node.compile_cpu_seconds,
        memory_bytes: node.compile_memory_bytes,
        wall_clock: Duration::from_secs(node.compile_wall_seconds),
        progress: Some(log_compilation),
        ..ChildCompiler::of_this_program()?
    }))
}

/// One line after 1, 2, 4, 8 … seconds, and one at the end.
fn log_compilation(progress: Progress) {
    let Progress { elapsed, processor, over } = progress;
    let (elapsed_s, processor_s) = (elapsed.as_secs(), processor.map(|time| time.as_secs()));
    if over {
        tracing::info!(elapsed_s, "compilation over");
    } else if elapsed_s.is_power_of_two() {
        tracing::info!(elapsed_s, processor_s, "compiling a module");
    }
}

/// One provider per folder: two would take each other's leases for those of the dead.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
    if file.try_lock().is_err() {
        bail!("another `brizo serve` uses {}; stop it, or give this one its own data_dir", folder.display());
    }
    Ok(file)
}

async fn until(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jobs may end, then work that was cut off, then requests, traces and threads: whoever kills a provider that does not end must
    /// wait for all.
    #[test]
    fn a_service_manager_waits_longer_than_an_end_may_take() {
        assert_eq!(ENDING_MAX, Duration::from_secs(10));
        let grace_s = crate::store::QueueRules::default().grace_s;
        let traces = Duration::from_secs(3);
        let after = 2 * ENDING_MAX + traces + crate::cli::THREADS_MAX;
        let ends_s = grace_s + after.as_secs();
        let unit = include_str!("../packaging/brizo.service");
        let systemd = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
        let told = |text: &'static str| text.split("--stop-timeout ").nth(1)?.split([' ', '`']).next();
        let dockers =
            [include_str!("../packaging/Dockerfile"), include_str!("../docs/OPERATIONS.md")].map(told);
        for waits in [systemd].into_iter().chain(dockers) {
            let waits = waits.unwrap();
            assert!(waits.parse::<u64>().unwrap() > ends_s, "{waits} s, and an end takes up to {ends_s} s");
        }
    }

    /// What compiles is a child that would die of the same signal.
    #[test]
    fn only_the_provider_itself_is_asked_to_end() {
        let unit = include_str!("../packaging/brizo.service");
        assert!(unit.lines().any(|line| line == "KillMode=mixed"));
    }
}
