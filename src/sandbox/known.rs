//! What the gate has said before: large modules take seconds to inspect, so what passed once is kept beside its artefact.

use std::sync::PoisonError;

use brizo_receipt::{B256, derive};

use super::engine::INSPECTED_MAX;
use super::{Engine, Inspection, Kind, Refused, inspect, profile};

impl Engine {
    /// Passes a module through the gate, or remembers that it has passed: `digest` is the BLAKE3 of the bytes, which the
    /// caller has verified. Its size is not checked.
    ///
    /// # Errors
    /// The first thing that the profile does not allow.
    pub fn inspect(&self, module: &[u8], digest: B256) -> Result<Inspection, Refused> {
        // Nothing that holds the lock can panic between two changes that belong together.
        let inspected = || self.inspected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inspection) = inspected().get(&digest) {
            return Ok(inspection.clone());
        }
        let inspection = self.inspect_or_read(module, digest)?;
        let mut inspected = inspected();
        if inspected.len() >= INSPECTED_MAX {
            inspected.clear();
        }
        inspected.insert(digest, inspection.clone());
        Ok(inspection)
    }

    fn inspect_or_read(&self, module: &[u8], digest: B256) -> Result<Inspection, Refused> {
        let name = name(digest);
        let known = self.cache.as_ref().and_then(|cache| std::fs::read(cache.get(&name)?).ok());
        if let Some(inspection) = known.and_then(|text| serde_json::from_slice(&text).ok()) {
            return Ok(inspection);
        }
        let inspection = inspect(module, u64::MAX)?;
        if let (Some(cache), Ok(text)) = (&self.cache, serde_json::to_vec(&inspection))
            && let Err(error) = cache.put(&name, &text)
        {
            tracing::warn!(%error, "what the gate said cannot be kept");
        }
        Ok(inspection)
    }
}

/// Everything that the gate's word depends on: the bytes, the profiles, and this release's gate.
fn name(digest: B256) -> String {
    let profiles = Kind::ALL.map(profile::profile_digest_for);
    let release = env!("CARGO_PKG_VERSION").as_bytes();
    let parts = [digest.as_slice(), profiles[0].as_slice(), profiles[1].as_slice(), release];
    hex::encode(derive("brizo 2026 v1 inspection", &parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::ArtefactCache;

    #[test]
    fn what_passed_is_known_and_what_did_not_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::new(Some(ArtefactCache::open(folder.path()).unwrap())).unwrap();
        let text = "(module (memory (export \"memory\") 2) (func (export \"_start\")))";
        let module = wat::parse_str(text).unwrap();
        let digest = brizo_receipt::content_digest(&module);
        let first = engine.inspect(&module, digest).unwrap();
        assert_eq!(first, inspect(&module, u64::MAX).unwrap());
        assert!(engine.cache.as_ref().unwrap().get(&name(digest)).is_some());
        let later = Engine::new(Some(ArtefactCache::open(folder.path()).unwrap())).unwrap();
        assert_eq!(later.inspect(b"not looked at", digest).unwrap(), first, "another process knows it too");
        let bad = brizo_receipt::content_digest(b"no module");
        for _ in 0..2 {
            assert_eq!(engine.inspect(b"no module", bad).unwrap_err().code, "module_not_wasm");
        }
    }
}
