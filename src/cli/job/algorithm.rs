//! The algorithm that a job file names: a module, or files for one of the provider's runtimes.

use anyhow::{Context, Result, bail};
use brizo_receipt::{B256, Manifest, content_digest};
use serde_json::{Value, json};

use super::file::JobFile;
use crate::cli::Refused;
use crate::cli::format::read;
use crate::cli::program::Bundle;
use crate::client::fetch;
use crate::container;
use crate::data::pack;
use crate::job::{ComputeOffer, Installed, Start};
use crate::sandbox::{Kind, inspect, profile_digest_for};

/// An algorithm, ready to be uploaded and ordered.
#[derive(Debug)]
pub(super) struct Algorithm {
    /// What is uploaded: the module, or the bundle's archive.
    pub(super) upload: Vec<u8>,
    /// What the upload says besides the agreement.
    pub(super) query: OnRuntime,
    /// BLAKE3 of the module that runs.
    pub(super) module: B256,
    /// The profile under which this program runs its kind: module, component or image.
    pub(super) profile: B256,
    /// Linear memory that it needs at the start.
    pub(super) memory_bytes_min: u64,
    /// What is mounted at `/data/algorithm`.
    pub(super) bundle: Manifest,
    /// How it is started.
    pub(super) start: Start,
}

impl Algorithm {
    /// Reads what the job file names. A module is asked at the gate, with the words that the provider would use.
    pub(super) async fn read(file: &JobFile, offer: &ComputeOffer) -> Result<Self> {
        let algorithm = match file.runtime {
            None => Self::module(file, offer.ceilings.algorithm_bytes)?,
            Some(digest) => Self::on_runtime(file, &runtime(file, digest).await?)?,
        };
        let (bytes, most) = (algorithm.upload.len() as u64, offer.ceilings.algorithm_bytes);
        if bytes > most {
            return Err(Refused(format!(
                "the algorithm has {bytes} bytes, the data set's ceiling is {most}"
            ))
            .into());
        }
        let found = content_digest(&algorithm.upload);
        if let Some(digest) = file.algorithm_digest.filter(|digest| *digest != found) {
            let path = file.algorithm.display();
            bail!("{path} has the digest {found}, the job file names {digest}");
        }
        Ok(algorithm)
    }

    fn module(file: &JobFile, bytes_max: u64) -> Result<Self> {
        let path = &file.algorithm;
        if file.main.is_some() {
            bail!("the job file names `main` without a `runtime`");
        }
        let upload = read(path)?;
        let inspection = inspect(&upload, bytes_max).map_err(|refused| {
            let hint = refused.hint;
            anyhow::Error::from(refused).context(format!("{} may not run (hint: {hint})", path.display()))
        })?;
        Ok(Self {
            upload,
            query: OnRuntime::default(),
            module: inspection.digest,
            profile: profile_digest_for(inspection.kind),
            memory_bytes_min: inspection.memory_bytes_min,
            bundle: Manifest::default(),
            start: Start::default(),
        })
    }

    fn on_runtime(file: &JobFile, runtime: &Installed) -> Result<Self> {
        let bundle = Bundle::read(&file.algorithm)?;
        let main = file.main.clone().or(bundle.main.clone());
        let own = bundle.own.iter().map(|file| (file.path.as_str(), (*file.bytes).as_ref()));
        let upload = pack(own.clone())?;
        let facts = runtime.bundle(content_digest(&upload), own, main.as_deref())?;
        let profile = match runtime.runtime.image {
            Some(_) => container::profile_digest(),
            None => profile_digest_for(Kind::Core),
        };
        Ok(Self {
            upload,
            query: OnRuntime { runtime: Some(runtime.module), main },
            module: runtime.module,
            profile,
            memory_bytes_min: runtime.memory_bytes_min,
            bundle: Manifest::new(facts.files)?,
            start: facts.start,
        })
    }
}

/// On which runtime a bundle is run, and which of its files is started; of a module nothing.
#[derive(Debug, Default)]
pub(super) struct OnRuntime {
    runtime: Option<B256>,
    main: Option<String>,
}

impl OnRuntime {
    /// As fields of a body.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'static str, Value)> {
        let runtime = self.runtime.map(|digest| ("runtime", json!(digest)));
        runtime.into_iter().chain(self.main.map(|main| ("main", json!(main))))
    }

    /// As the rest of a query.
    pub(super) fn text(self) -> String {
        let text = |value: &Value| encoded(value.as_str().unwrap_or_default());
        self.fields().map(|(name, value)| format!("&{name}={}", text(&value))).collect()
    }
}

/// What the provider says of its runtime; whoever signs the order signs over all of it.
async fn runtime(file: &JobFile, digest: B256) -> Result<Installed> {
    let bytes = fetch(&file.provider, "/api/v1/environments").await?;
    let document: Value = serde_json::from_slice(&bytes).context("the provider's environments")?;
    let runtimes: Vec<Installed> = serde_json::from_value(document["runtimes"].clone())
        .context("the provider's list of runtimes cannot be read; use the same release")?;
    let known: Vec<_> = runtimes.iter().map(|one| format!("{} ({})", one.module, one.runtime.name)).collect();
    let found = runtimes.into_iter().find(|one| one.module == digest);
    found.with_context(|| format!("the provider has no runtime {digest}; it has: {}", known.join(", ")))
}

/// A path as a value in a query.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stand_in_a_query() {
        assert_eq!(encoded("lib/a b&é.py"), "lib/a%20b%26%C3%A9.py");
        let on = || OnRuntime { runtime: Some(B256::ZERO), main: Some("a b.py".into()) };
        assert_eq!(on().text(), format!("&runtime={}&main=a%20b.py", B256::ZERO));
        assert_eq!(on().fields().last(), Some(("main", json!("a b.py"))));
        assert_eq!(OnRuntime::default().text(), "");
    }
}
