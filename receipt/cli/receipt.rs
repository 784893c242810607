//! `brizo-verify RECEIPT`: reads what was named, has the library verify, prints.

use brizo_receipt::log::LogKey;
use brizo_receipt::verifier::explain::explain;
use brizo_receipt::verifier::{
    DDO_BYTES_MAX, Ddo, Deployment, Evidence, Files, JsonRpc, LogEvidence, OpeningEvidence, Transport, verify,
};
use brizo_receipt::{BYTES_MAX, Expectation, Receipt};

use crate::Failure;
use crate::args::ReceiptOptions;
use crate::files;
use crate::screen::show;
use crate::web::Web;

pub(crate) fn run(options: &ReceiptOptions) -> Result<u8, Failure> {
    let web = Web::new();
    let bytes = files::read(&options.receipt, BYTES_MAX)?;
    let deployment = options.deployment.as_deref().map(deployment).transpose()?;
    let node = options.rpc.as_deref().map(|url| JsonRpc::new(&web, url));
    let key = options.log_key.as_deref().map(log_key).transpose()?;
    let log = options.log.as_deref().map(|url| Files::new(&web, url));
    let outputs = options.outputs.as_deref().map(files::folder).transpose()?;
    let run_key = options.run_key.as_deref().map(files::key).transpose()?;
    let evidence = Evidence {
        receipt: &bytes,
        expected: Expectation {
            claim_hash: options.expect,
            agreement_id: options.job.map(|job| job.agreement_id),
            run_index: options.job.and_then(|job| job.run_index),
            provider: options.provider,
            consumer: options.consumer,
            profiles: files::profiles(options.profiles.as_deref())?,
            ..Expectation::default()
        },
        chain: node.as_ref().zip(deployment.as_ref()).map(|(node, deployment)| (node as _, deployment)),
        log: LogEvidence { key: key.as_ref(), reach: log.as_ref().map(|log| log as _) },
        opening: OpeningEvidence {
            run_key: run_key.clone(),
            dataset_keys: options
                .dataset_keys
                .iter()
                .map(|path| files::key(path))
                .collect::<Result<_, _>>()?,
            outputs: outputs.as_ref(),
            ddos: options.ddos.iter().map(|place| ddo(place, &web)).collect::<Result<_, _>>()?,
        },
    };
    let mut report = verify(&evidence);
    if let (Some(bound), Ok(receipt)) = (options.explain, Receipt::parse(&bytes)) {
        report.explanation = Some(explain(&receipt, run_key.as_ref(), bound));
    }
    show(&if options.json { format!("{:#}", report.document()) } else { report.table() })?;
    Ok(report.exit_code())
}

fn deployment(path: &std::path::Path) -> Result<Deployment, Failure> {
    let parsed = Deployment::parse(&files::small(path)?);
    parsed.map_err(|e| {
        Failure::File(format!("{}: {e}; `brizo contracts deploy` writes this file", path.display()))
    })
}

/// The key itself, or a file that holds it.
fn log_key(text: &str) -> Result<LogKey, Failure> {
    let path = std::path::Path::new(text);
    let text = match path.is_file() {
        true => String::from_utf8_lossy(&files::small(path)?).trim().to_string(),
        false => text.to_string(),
    };
    LogKey::parse(&text).map_err(|e| Failure::Usage(format!("--log-key: {e}")))
}

fn ddo(place: &str, web: &Web) -> Result<Ddo, Failure> {
    let bytes = match place.starts_with("https://") || place.starts_with("http://") {
        true => web.get(place, DDO_BYTES_MAX).map_err(|e| Failure::File(e.to_string()))?,
        false => files::read(std::path::Path::new(place), DDO_BYTES_MAX)?,
    };
    Ddo::parse(&bytes).map_err(|e| Failure::File(format!("{place}: {e}")))
}
