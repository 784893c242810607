//! `cargo xtask demo`: one paid job from end to end, on a chain of its own, in `demo/`.

mod brizo;
mod folder;
mod progress;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::background::{Background, tail};
use crate::command::{clean, clean_in, run as run_program};
use crate::json::Json;
use crate::{guests, http, tools};

use brizo::Brizo;
use folder::{Folder, Ports};
use progress::Progress;
use summary::Summary;

const STEPS: [&str; 12] = [
    "making sure of the tools",
    "building the algorithms",
    "building brizo",
    "starting a chain",
    "writing keys",
    "deploying the contracts",
    "approving the algorithm",
    "publishing the data set",
    "starting the provider",
    "ordering a job, and waiting for its result",
    "verifying the receipt",
    "running the job again, and comparing",
];

/// As they are given to brizo, which is started in the repository's folder.
const MODULE: &str = "examples/target/guests/column_stats.wasm";
const DATA: &str = "examples/data";

/// What a failure shows of the provider's log.
const LOG_LINES: usize = 30;

const CHAIN_LIMIT: Duration = Duration::from_secs(30);
const PROVIDER_LIMIT: Duration = Duration::from_secs(60);

/// `ReceiptCommitted(bytes32 serviceAgreementId, bytes32 receiptHash, address publisher, uint64 runIndex)`, of which the
/// first three are indexed: keccak256 of the signature.
const RECEIPT_COMMITTED: &str = "0xdd71bc8bf21e6edf9710e532bf99e8793a6df92624cde08be2a696570fc7ce15";

#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The optimised build, which takes minutes the first time.
    pub(crate) release: bool,
    /// A binary that is there already.
    pub(crate) brizo: Option<PathBuf>,
}

/// Plays the whole job, and says what came of it.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), String> {
    let folder = Folder::fresh(root)?;
    let mut progress = Progress::new(&STEPS);
    play(root, &folder, options, &mut progress).and_then(|summary| summary.print(&progress)).map_err(
        |cause| {
            let log = folder.path().join("provider.log");
            let lines = tail(&log, LOG_LINES);
            let log = if lines.is_empty() { lines } else { format!("\n\n{} ends:\n{lines}", log.display()) };
            format!("the demo failed while {}: {cause}{log}", progress.current())
        },
    )
}

fn play(root: &Path, folder: &Folder, options: &Options, progress: &mut Progress) -> Result<Summary, String> {
    let ports = Ports::free()?;
    let anvil = progress.step(|| tools::ready_anvil(root))?;
    progress.step(|| guests::build(root))?;
    let brizo = progress.step(|| build(root, options))?;
    let _chain = progress.step(|| start_chain(&anvil, folder, ports.chain))?;
    progress.step(|| folder.write_keys())?;
    progress.step(|| brizo.deploy(&ports.rpc()))?;
    progress.step(|| {
        folder.write_provider_config(&ports)?;
        folder.write_policy(&brizo.digest(MODULE)?)
    })?;
    let published = progress.step(|| brizo.publish(DATA))?;
    let _provider = progress.step(|| start_provider(&brizo, folder, ports.provider))?;
    let job = progress.step(|| {
        folder.write_job(&ports, published.text("did")?)?;
        brizo.run_job()
    })?;
    let verified = progress.step(|| brizo.verify(&ports.rpc()))?;
    let replayed = progress.step(|| brizo.replay(MODULE, DATA, published.text("datasetKeyFile")?))?;
    let on_chain = committed_receipt(ports.chain)?;
    let (root, program) = (root.to_owned(), brizo.program().to_owned());
    Ok(Summary { root, program, published, job, verified, replayed, on_chain })
}

fn build(root: &Path, options: &Options) -> Result<Brizo, String> {
    if let Some(brizo) = &options.brizo {
        let path = brizo.canonicalize().map_err(|cause| format!("{}: {cause}", brizo.display()))?;
        return Ok(Brizo::new(root, path));
    }
    let (profile, args): (_, &[&str]) = if options.release {
        ("release", &["build", "--locked", "--bin", "brizo", "--release"])
    } else {
        ("debug", &["build", "--locked", "--bin", "brizo"])
    };
    run_program(&mut clean_in(root, "cargo", args), None)
        .map_err(|cause| format!("brizo does not build ({cause}); the compiler's reason is above"))?;
    Ok(Brizo::new(root, root.join(format!("target/{profile}/brizo{}", std::env::consts::EXE_SUFFIX))))
}

/// A chain in memory that mines each transaction at once.
fn start_chain(anvil: &Path, folder: &Folder, port: u16) -> Result<Background, String> {
    let mut command = clean(&anvil.to_string_lossy());
    command.args(["--silent", "--host", "127.0.0.1", "--port", &port.to_string()]).current_dir(folder.path());
    let mut chain = Background::start("anvil", &mut command, &folder.path().join("anvil.log"))?;
    chain.wait_until(CHAIN_LIMIT, || http::call(port, "eth_chainId", "[]").is_ok())?;
    Ok(chain)
}

fn start_provider(brizo: &Brizo, folder: &Folder, port: u16) -> Result<Background, String> {
    let log = folder.path().join("provider.log");
    let mut provider = Background::start("the provider", &mut brizo.serve(), &log)?;
    provider.wait_until(PROVIDER_LIMIT, || http::status(port, "/healthz") == Ok(200))?;
    Ok(provider)
}

/// Asks the chain itself, not brizo, which receipt the payment was released against. There was one job.
fn committed_receipt(port: u16) -> Result<String, String> {
    let filter = format!(r#"[{{"fromBlock":"0x0","toBlock":"latest","topics":["{RECEIPT_COMMITTED}"]}}]"#);
    let logs = http::call(port, "eth_getLogs", &filter)?;
    let Json::List(logs) = logs else { return Err("the chain's logs are not a list".to_owned()) };
    let [log] = logs.as_slice() else {
        return Err(format!("the chain should hold one ReceiptCommitted event, and holds {}", logs.len()));
    };
    match log.list("topics")?.get(2) {
        Some(Json::Text(hash)) => Ok(hash.clone()),
        _ => Err("the ReceiptCommitted event has no receipt hash".to_owned()),
    }
}
