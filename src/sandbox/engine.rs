//! The engine: wasmtime narrowed to the profile, and modules compiled for it.

use std::sync::Arc;

use brizo_receipt::derive;
use wasmtime::{Config, InstancePre, Linker, OptLevel};

use super::component::{ComponentEngine, Ready};
use super::state::State;
use super::{ArtefactCache, Error, Inspection, Kind, meter, preview1, profile};

/// Native stack of a guest. Its exhaustion is not deterministic, so it ends a run without a claim.
pub(super) const STACK_BYTES: usize = 1 << 20;
/// What host functions need beyond the guest's part of the stack.
pub(super) const HOST_STACK_BYTES: usize = 1 << 20;

/// Compiles and runs modules under the profile. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    linker: Arc<Linker<State>>,
    pub(super) components: ComponentEngine,
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
    pub(super) code: Code,
    /// Whether it came from the cache.
    pub cached: bool,
}

/// Compiled and linked code of either kind.
#[derive(Clone)]
pub(super) enum Code {
    Core(InstancePre<State>),
    Component(Ready),
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
        let failed = |e: wasmtime::Error| Error::Engine(format!("{e:#}"));
        let wasmtime = wasmtime::Engine::new(&config()).map_err(failed)?;
        let mut linker = Linker::new(&wasmtime);
        preview1::link(&mut linker).map_err(failed)?;
        Ok(Self { wasmtime, linker: Arc::new(linker), components: ComponentEngine::new()?, cache })
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
        if inspection.kind == Kind::Component {
            return self.compile_component(module, inspection);
        }
        let name = artefact_name(&self.wasmtime, inspection);
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
        Ok(Module { code: Code::Core(pre), cached })
    }

    fn compile_component(&self, bytes: &[u8], inspection: &Inspection) -> Result<Module, Error> {
        let wasmtime = self.components.wasmtime();
        let name = artefact_name(wasmtime, inspection);
        let ready =
            |compiled, cached| Ok(Module { code: Code::Component(self.components.link(&compiled)?), cached });
        if let Some(path) = self.cache.as_ref().and_then(|cache| cache.get(&name)) {
            // SAFETY: `get` returned the file because its keyed digest is ours: this engine's `serialize` made it.
            if let Ok(compiled) = unsafe { wasmtime::component::Component::deserialize_file(wasmtime, path) }
            {
                return ready(compiled, true);
            }
        }
        let compiled = self.components.compile(bytes)?;
        if let Some(cache) = &self.cache {
            let bytes = compiled.serialize().map_err(|e| Error::Compile(format!("{e:#}")))?;
            cache.put(&name, &bytes)?;
        }
        ready(compiled, false)
    }
}

/// Name of an artefact: everything that the compiled code depends on.
fn artefact_name(engine: &wasmtime::Engine, inspection: &Inspection) -> String {
    let mut compatibility = Fold(Vec::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut compatibility);
    let profile = profile::profile_digest_for(inspection.kind);
    let parts = [inspection.digest.as_slice(), profile.as_slice(), &compatibility.0];
    hex::encode(derive("brizo 2026 v1 artefact", &parts))
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
fn config() -> Config {
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
