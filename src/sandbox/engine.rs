//! The engine: wasmtime narrowed to the profile, and modules compiled for it.

use std::sync::Arc;

use brizo_receipt::{B256, derive};
use wasmtime::{Config, InstancePre, Linker, OptLevel};

use super::state::State;
use super::{ArtefactCache, Error, Inspection, meter, preview1, profile};

/// Native stack of a guest. Its exhaustion is not deterministic, so it ends a run without a claim.
const STACK_BYTES: usize = 1 << 20;
/// What host functions need beyond the guest's part of the stack.
const HOST_STACK_BYTES: usize = 1 << 20;

/// Compiles and runs modules under the profile. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    linker: Arc<Linker<State>>,
    cache: Option<ArtefactCache>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({}, {:?})", profile::PROFILE_NAME, self.cache)
    }
}

/// A module that is ready to run.
#[derive(Clone)]
pub struct Module {
    pub(super) pre: InstancePre<State>,
    /// Whether it came from the cache.
    pub cached: bool,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module(cached: {})", self.cached)
    }
}

impl Engine {
    /// Sets up the engine; compiled modules are kept in `cache` if one is given.
    ///
    /// # Errors
    /// [`Error::Engine`] when this host lacks something the profile needs.
    pub fn new(cache: Option<ArtefactCache>) -> Result<Self, Error> {
        Self::with(&config(), cache)
    }

    /// Sets up the engine with settings that were looked at before.
    pub(super) fn with(config: &Config, cache: Option<ArtefactCache>) -> Result<Self, Error> {
        let failed = |e: wasmtime::Error| Error::Engine(format!("{e:#}"));
        let wasmtime = wasmtime::Engine::new(config).map_err(failed)?;
        let mut linker = Linker::new(&wasmtime);
        preview1::link(&mut linker).map_err(failed)?;
        Ok(Self { wasmtime, linker: Arc::new(linker), cache })
    }

    /// Name and version of the engine, for run info.
    #[must_use]
    pub fn version() -> String {
        format!("wasmtime {}", profile::WASMTIME_VERSION)
    }

    /// Compiles an inspected module, or takes it from the cache.
    ///
    /// # Errors
    /// [`Error::Compile`] or [`Error::Cache`]; both are the host's fault.
    pub fn compile(&self, module: &[u8], inspection: &Inspection) -> Result<Module, Error> {
        let name = self.artefact_name(inspection.digest);
        if let Some(path) = self.cache.as_ref().and_then(|cache| cache.get(&name)) {
            // SAFETY: `get` returned the file because its keyed digest is ours: this engine's `serialize` made it.
            if let Ok(compiled) = unsafe { wasmtime::Module::deserialize_file(&self.wasmtime, path) } {
                return self.ready(&compiled, true);
            }
        }
        let prepared = meter::prepare(module);
        let compiled = wasmtime::Module::new(&self.wasmtime, &*prepared)
            .map_err(|e| Error::Compile(format!("{e:#}")))?;
        if let Some(cache) = &self.cache {
            let bytes = compiled.serialize().map_err(|e| Error::Compile(format!("{e:#}")))?;
            cache.put(&name, &bytes)?;
        }
        self.ready(&compiled, false)
    }

    fn ready(&self, compiled: &wasmtime::Module, cached: bool) -> Result<Module, Error> {
        let pre = self.linker.instantiate_pre(compiled).map_err(|e| Error::Compile(format!("{e:#}")))?;
        Ok(Module { pre, cached })
    }

    /// Name of a module's artefact: everything that the compiled code depends on.
    fn artefact_name(&self, digest: B256) -> String {
        let mut compatibility = Fold(Vec::new());
        std::hash::Hash::hash(&self.wasmtime.precompile_compatibility_hash(), &mut compatibility);
        let profile = profile::profile_digest();
        let parts = [digest.as_slice(), profile.as_slice(), &compatibility.0];
        hex::encode(derive("brizo 2026 v1 artefact", &parts))
    }
}

/// Collects what is hashed, so that the name does not hang on a hasher that may change between compilers.
struct Fold(Vec<u8>);

impl std::hash::Hasher for Fold {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// The settings behind the profile. What is not said here is off in `inspect`'s allow-list.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_extended_const(true)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .memory_init_cow(true)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(STACK_BYTES + HOST_STACK_BYTES)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    meter::configure(&mut config);
    config
}
