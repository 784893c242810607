//! The engine: wasmtime narrowed to the profile, and modules compiled for it.

use std::sync::Arc;

use brizo_receipt::{B256, derive};
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, InstancePre, Linker, OptLevel, PoolingAllocationConfig,
};

use crate::job::STACK_LIMIT_MAX;

use super::limits::TABLES_MAX;
use super::state::State;
use super::{ArtefactCache, Error, Inspection, inspect, limits, meter, preview1, profile};

/// Native stack of a guest. A function's frame has at most 16 bytes per operator and local variable, and is counted with
/// at least an eighth of a unit per operator and eight units per variable, so a run that keeps its stack limit needs at
/// most 128 bytes per unit: the native stack never decides. It is reserved, not used, until a guest goes that deep.
const STACK_BYTES: usize = 128 * STACK_LIMIT_MAX as usize;
/// What host functions need beyond the guest's part of the stack.
const HOST_STACK_BYTES: usize = 1 << 20;

/// Where the memory of guests comes from. What a guest sees is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allocation {
    /// From a pool that is mapped once and reused; from the system where the pool cannot be had.
    #[default]
    Pooled,
    /// From the system, for each run.
    OnDemand,
}

/// What runs the compiled code. What a guest sees is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// Machine code.
    #[default]
    Native,
    /// Wasmtime's portable interpreter, Pulley: slow, and shares no instruction selection with the machine code. For
    /// auditors who want a second opinion.
    Pulley,
}

/// How an engine works, as far as no guest can tell.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where the memory of guests comes from.
    pub allocation: Allocation,
    /// What runs the compiled code.
    pub backend: Backend,
    /// Where compiled modules are kept.
    pub cache: Option<ArtefactCache>,
}

/// Runs at the same time that the pool has room for; more fail to start as the host's fault.
const POOL_RUNS: u32 = 64;
/// Memory that a slot of the pool keeps from run to run, so that small runs find their pages already there.
const POOL_RESIDENT_BYTES: usize = 2 << 20;

/// Compiles and runs modules under the profile. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    linker: Arc<Linker<State>>,
    cache: Option<ArtefactCache>,
    pub(super) interruptible: bool,
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
    /// Fuel for setting the module up.
    pub(super) startup: u64,
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
        Self::with_settings(Settings { cache, ..Settings::default() })
    }

    /// Sets up the engine in a certain way.
    ///
    /// # Errors
    /// [`Error::Engine`] when this host lacks something the settings need.
    pub fn with_settings(settings: Settings) -> Result<Self, Error> {
        let failed = |e: wasmtime::Error| Error::Engine(format!("{e:#}"));
        let wasmtime = match settings.allocation {
            Allocation::Pooled => {
                wasmtime::Engine::new(&config(settings.backend, true).map_err(failed)?).or_else(|error| {
                    tracing::warn!(error = %format!("{error:#}"), "no pool of memory; each run asks the system");
                    wasmtime::Engine::new(&config(settings.backend, false)?)
                })
            }
            Allocation::OnDemand => {
                config(settings.backend, false).and_then(|config| wasmtime::Engine::new(&config))
            }
        };
        let wasmtime = wasmtime.map_err(failed)?;
        let mut linker = Linker::new(&wasmtime);
        preview1::link(&mut linker).map_err(failed)?;
        let interruptible = settings.backend == Backend::Native;
        Ok(Self { wasmtime, linker: Arc::new(linker), cache: settings.cache, interruptible })
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
                return self.ready(&compiled, inspection, true);
            }
        }
        let metered = brizo_meter::rewrite(module, inspect::features(), &meter::OPTIONS)
            .map_err(|e| Error::Compile(e.to_string()))?;
        let compiled =
            wasmtime::Module::new(&self.wasmtime, &metered).map_err(|e| Error::Compile(format!("{e:#}")))?;
        if let Some(cache) = &self.cache {
            let bytes = compiled.serialize().map_err(|e| Error::Compile(format!("{e:#}")))?;
            cache.put(&name, &bytes)?;
        }
        self.ready(&compiled, inspection, false)
    }

    fn ready(
        &self,
        compiled: &wasmtime::Module,
        inspection: &Inspection,
        cached: bool,
    ) -> Result<Module, Error> {
        let pre = self.linker.instantiate_pre(compiled).map_err(|e| Error::Compile(format!("{e:#}")))?;
        Ok(Module { pre, startup: inspection.startup_fuel, cached })
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
fn config(backend: Backend, pooled: bool) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    if backend == Backend::Pulley {
        config.target("pulley64")?;
    }
    if pooled {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(POOL_RUNS)
            // The guest's own memory and the one with the cells.
            .total_memories(2 * POOL_RUNS)
            .max_memories_per_module(2)
            .total_tables(4 * POOL_RUNS)
            .max_tables_per_module(TABLES_MAX)
            .table_elements(limits::TABLE_ENTRIES_MAX)
            .total_stacks(POOL_RUNS)
            .max_memory_size(1 << 32)
            .max_core_instance_size(1 << 22)
            .linear_memory_keep_resident(POOL_RESIDENT_BYTES)
            .async_stack_keep_resident(64 << 10)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_extended_const(true)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .memory_init_cow(true)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(STACK_BYTES + HOST_STACK_BYTES)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    meter::configure(&mut config);
    Ok(config)
}
