//! An upload that is a bundle: unpacked, checked against the runtime that it names, and kept file by file.

use axum::body::Bytes;
use brizo_receipt::{B256, content_digest};

use super::ApiState;
use super::problem::Problem;
use crate::data::{BadArchive, unpack};
use crate::job::{BadRuntime, BundleFacts, UploadFacts};

/// Where a bundle says that it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnRuntime {
    /// BLAKE3 of the runtime's module.
    pub(super) runtime: B256,
    /// The file that is started, where it is not the one that the runtime says.
    pub(super) main: Option<String>,
}

/// A bundle that fits its runtime.
pub(super) struct Taken {
    pub(super) facts: UploadFacts,
    /// The consumer's files.
    pub(super) files: Vec<Vec<u8>>,
}

/// Unpacks and checks; nothing is kept yet.
pub(super) async fn take(state: &ApiState, on: OnRuntime, archive: Bytes) -> Result<Taken, Problem> {
    let runtimes = state.runtimes.clone();
    tokio::task::spawn_blocking(move || {
        let runtime = runtimes.iter().find(|one| one.module == on.runtime).ok_or_else(|| {
            Problem::unprocessable("runtime_unknown", format!("this provider has no runtime {}", on.runtime))
                .hint("GET /api/v1/environments lists the runtimes that it has")
        })?;
        let files = unpack(&archive)?;
        let own = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
        let bundle = runtime.bundle(content_digest(&archive), own, on.main.as_deref())?;
        let facts = facts(&archive, runtime.module, runtime.memory_bytes_min, bundle);
        Ok(Taken { facts, files: files.into_iter().map(|(_, bytes)| bytes).collect() })
    })
    .await?
}

fn facts(archive: &Bytes, module: B256, memory_bytes_min: u64, bundle: BundleFacts) -> UploadFacts {
    UploadFacts {
        digest: module,
        bytes: archive.len() as u64,
        memory_bytes_min,
        // What the runtime imports was weighed when its owner approved it.
        imports_refused: Vec::new(),
        component: false,
        bundle: Some(bundle),
    }
}

impl From<BadArchive> for Problem {
    fn from(error: BadArchive) -> Self {
        Self::unprocessable("bad_bundle", error.to_string())
            .hint("send a tar archive of plain files with plain names; `brizo job upload` makes one")
    }
}

impl From<BadRuntime> for Problem {
    fn from(error: BadRuntime) -> Self {
        Self::unprocessable("bad_bundle", error.to_string()).hint("change the bundle, or name its `main`")
    }
}
