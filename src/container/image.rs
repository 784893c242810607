//! An image by its digest: on the engine already, or pulled by a digest, and whether it may run.

use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptionsBuilder;
use brizo_receipt::B256;
use futures_util::StreamExt;

use super::Error;
use super::engine::Facts;

/// An image that somebody approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its id: SHA-256 of its configuration.
    pub digest: B256,
    /// Where it may be pulled from, `registry/name@sha256:…`; the id is compared afterwards.
    pub pull: Option<String>,
}

/// An image that is on the engine.
pub(super) struct Ready {
    /// What the engine calls it.
    pub(super) name: String,
    /// Whether nothing had to be pulled.
    pub(super) cached: bool,
    /// How long looking for it, and pulling it, took.
    pub(super) took: Duration,
}

impl Image {
    /// The name by which the engine knows exactly this image.
    fn name(&self) -> String {
        format!("sha256:{}", hex::encode(self.digest))
    }

    /// Has the image on the engine, and looks at what it says of itself.
    pub(super) async fn ready(&self, docker: &Docker, facts: &Facts) -> Result<Ready, Error> {
        let began = Instant::now();
        let name = self.name();
        let (found, cached) = match found(docker, &name).await? {
            Some(image) => (image, true),
            None => (self.pulled(docker).await?, false),
        };
        self.check(&found, facts)?;
        Ok(Ready { name, cached, took: began.elapsed() })
    }

    async fn pulled(&self, docker: &Docker) -> Result<ImageInspect, Error> {
        let missing = |why: String| Error::ImageMissing { digest: self.digest, why };
        let Some(reference) = self.pull.as_deref() else {
            return Err(missing("it has nowhere to be pulled from".into()));
        };
        if !reference.contains("@sha256:") {
            // A tag is whatever its registry says today.
            return Err(missing(format!("{reference} names no digest")));
        }
        let options = CreateImageOptionsBuilder::new().from_image(reference).build();
        let mut pulling = std::pin::pin!(docker.create_image(Some(options), None, None));
        while let Some(step) = pulling.next().await {
            step.map_err(|error| missing(format!("{reference} cannot be pulled: {error}")))?;
        }
        // Not by the reference: what was pulled counts only if it is the image that was approved.
        found(docker, &self.name()).await?.ok_or_else(|| missing(format!("{reference} is another image")))
    }

    fn check(&self, image: &ImageInspect, facts: &Facts) -> Result<(), Error> {
        let refused = |why: String| Err(Error::ImageRefused { digest: self.digest, why });
        let id = image.id.as_deref().unwrap_or_default();
        if id.strip_prefix("sha256:").unwrap_or(id) != hex::encode(self.digest) {
            return refused(format!("the engine calls it {id}"));
        }
        let system =
            (image.os.as_deref().unwrap_or_default(), image.architecture.as_deref().unwrap_or_default());
        if system != ("linux", facts.architecture.as_str()) {
            return refused(format!(
                "it is for {} on {}, the engine is for {}",
                system.0, system.1, facts.architecture
            ));
        }
        match image.config.as_ref().and_then(|config| config.volumes.as_ref()) {
            // The engine would make one without any limit for each.
            Some(volumes) if !volumes.is_empty() => {
                refused(format!("it has volumes of its own: {}", volumes.join(", ")))
            }
            _ => Ok(()),
        }
    }
}

/// The image, if the engine has it.
pub(super) async fn found(docker: &Docker, name: &str) -> Result<Option<ImageInspect>, Error> {
    match docker.inspect_image(name).await {
        Ok(image) => Ok(Some(image)),
        Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ImageConfig;

    #[test]
    fn an_image_of_another_kind_is_refused() {
        let digest = B256::repeat_byte(7);
        let approved = Image { digest, pull: None };
        let facts = Facts { engine: "e".into(), storage: "s".into(), architecture: "amd64".into() };
        let good = || ImageInspect {
            id: Some(format!("sha256:{}", hex::encode(digest))),
            os: Some("linux".into()),
            architecture: Some("amd64".into()),
            ..ImageInspect::default()
        };
        let refusal = |change: fn(&mut ImageInspect)| {
            let mut image = good();
            change(&mut image);
            approved.check(&image, &facts).unwrap_err().to_string()
        };
        assert!(approved.check(&good(), &facts).is_ok());
        assert!(
            approved.check(&ImageInspect { id: Some(hex::encode(digest)), ..good() }, &facts).is_ok(),
            "podman's form"
        );
        assert!(refusal(|image| image.id = Some("sha256:00".into())).contains("calls it"));
        assert!(refusal(|image| image.os = Some("windows".into())).contains("windows"));
        assert!(refusal(|image| image.architecture = Some("arm64".into())).contains("arm64"));
        let with = |image: &mut ImageInspect| {
            image.config =
                Some(ImageConfig { volumes: Some(vec!["/var/db".into()]), ..ImageConfig::default() });
        };
        assert!(refusal(with).contains("/var/db"));
    }
}
