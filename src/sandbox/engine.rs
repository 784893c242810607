//! The engine: wasmtime narrowed to the profile, and modules compiled for it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brizo_receipt::{B256, derive};
use wasmtime::component::Component;
use wasmtime::{
    Collector, Config, Enabled, InstanceAllocationStrategy, InstancePre, Linker, OptLevel,
    PoolingAllocationConfig,
};

use crate::job::STACK_LIMIT_MAX;

use super::component::{self, ComponentEngine, Ready};
use super::limits::TABLES_MAX;
use super::meter::Exports;
use super::state::State;
use super::{
    ArtefactCache, Compiler, Control, Error, Inspection, Kind, compiler, limits, meter, preview1, profile,
};

/// Native stack of a core module. A function's frame has at most 16 bytes per operator and local variable, and is counted
/// with at least an eighth of a unit per operator and eight units per variable, so a run that keeps its stack limit needs
/// at most 128 bytes per unit: the native stack never decides. (The function that looks call has less than the 64 units that every
/// caller counts besides.) It is reserved, not used, until a guest goes that deep.
pub(super) const STACK_BYTES: usize = 128 * STACK_LIMIT_MAX as usize;
/// What host functions need beyond the guest's part of the stack.
pub(super) const HOST_STACK_BYTES: usize = 1 << 20;

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

impl Backend {
    /// Asks for this backend.
    pub(super) fn apply(self, config: &mut Config) -> wasmtime::Result<()> {
        if self == Self::Pulley {
            config.target("pulley64")?;
        }
        Ok(())
    }
}

impl Backend {
    /// All of them, the usual one first.
    pub const ALL: [Self; 2] = [Self::Native, Self::Pulley];

    /// Its name on a command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Pulley => "pulley",
        }
    }
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
    /// Where modules are compiled.
    pub compiler: Compiler,
    /// Folder for a nameless file with what a guest writes beyond 32 MiB; without one all of it is kept in memory.
    pub scratch: Option<std::path::PathBuf>,
}

/// What an instance may have besides memories and tables: more than a million functions that tables name and a million
/// globals take, which is what a module can have. It is not set aside.
const INSTANCE_BYTES_MAX: usize = 64 << 20;
/// Runs at the same time that there is room for; more fail to start as the host's fault.
pub const RUNS_MAX: u32 = 64;
/// Memory that a slot of the pool keeps from run to run, so that small runs find their pages already there.
const POOL_RESIDENT_BYTES: usize = 2 << 20;
/// The same of tables, of which most programs have a small one.
const POOL_TABLE_RESIDENT_BYTES: usize = 64 << 10;

/// Modules whose inspection is remembered; beyond, all are forgotten.
pub(super) const INSPECTED_MAX: usize = 1_000;

/// Modules that stay mapped and linked; beyond, all are let go. To map and link a small one takes longer than to run it.
const READY_MAX: usize = 32;

/// Compiles and runs modules under the profile. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    linker: Arc<Linker<State>>,
    pub(super) components: ComponentEngine,
    pub(super) cache: Option<ArtefactCache>,
    compiler: Compiler,
    backend: Backend,
    /// What the gate said of modules that it has let pass.
    pub(super) inspected: Arc<Mutex<HashMap<B256, Inspection>>>,
    /// Modules that are mapped and linked, by the names of their artefacts.
    ready: Arc<Mutex<HashMap<(B256, Kind), Code>>>,
    pub(super) interruptible: bool,
    pub(super) scratch: Option<std::path::PathBuf>,
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

/// A core module that is compiled and linked.
#[derive(Clone)]
pub(super) struct ReadyCore {
    pub(super) pre: InstancePre<State>,
    pub(super) exports: Exports,
    /// Fuel for setting the module up.
    pub(super) startup: u64,
}

/// Compiled and linked code of either kind.
#[derive(Clone)]
pub(super) enum Code {
    Core(ReadyCore),
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
        let components = ComponentEngine::new(settings.backend)?;
        let Settings { allocation: _, backend, cache, compiler, scratch } = settings;
        let (linker, inspected, ready) = (Arc::new(linker), Arc::default(), Arc::default());
        Ok(Self {
            wasmtime,
            linker,
            components,
            cache,
            compiler,
            backend,
            inspected,
            ready,
            interruptible,
            scratch,
        })
    }

    /// Name and version of the engine, for run info.
    #[must_use]
    pub fn version() -> String {
        format!("wasmtime {}", profile::WASMTIME_VERSION)
    }

    /// Compiles an inspected module, or takes it from the cache.
    ///
    /// # Errors
    /// [`Error::TooCostly`] and [`Error::Compile`] are about the module; everything else is the host's fault.
    pub fn compile(&self, module: &[u8], inspection: &Inspection) -> Result<Module, Error> {
        self.compile_unless(module, inspection, &Control::default())
    }

    /// Like [`Self::compile`], but ends early when a stop is asked for, if the compiler is a child.
    ///
    /// # Errors
    /// Besides those of [`Self::compile`], [`Error::Interrupted`].
    pub fn compile_unless(
        &self,
        module: &[u8],
        inspection: &Inspection,
        control: &Control,
    ) -> Result<Module, Error> {
        let known = (inspection.digest, inspection.kind);
        if let Some(code) = self.ready().get(&known) {
            return Ok(Module { code: code.clone(), cached: true });
        }
        let module = self.load_or_compile(module, inspection, &self.artefact_name(inspection), control)?;
        // What was compiled a moment ago lies in memory of ours, hundreds of megabytes of it for a large module; what comes from
        // the cache is a mapped file, which the system can let go.
        if module.cached {
            let mut ready = self.ready();
            if ready.len() >= READY_MAX {
                ready.clear();
            }
            ready.insert(known, module.code.clone());
        }
        Ok(module)
    }

    /// What this process has ready to run. Nothing that holds the lock can panic between two changes that belong together.
    fn ready(&self) -> MutexGuard<'_, HashMap<(B256, Kind), Code>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_or_compile(
        &self,
        module: &[u8],
        inspection: &Inspection,
        name: &str,
        control: &Control,
    ) -> Result<Module, Error> {
        if let Some(path) = self.cache.as_ref().and_then(|cache| cache.get(name)) {
            // SAFETY: `get` returned the file because its keyed digest is ours: this engine's artefact it is.
            if let Ok(code) = unsafe { self.load(Artefact::File(&path), inspection) } {
                return Ok(Module { code, cached: true });
            }
        }
        let artefact = self.artefact(module, inspection.kind, control)?;
        if let Some(cache) = &self.cache {
            cache.put(name, &artefact)?;
        }
        // SAFETY: the bytes were made a moment ago by this engine's compiler, or by that of this very program.
        let code = unsafe { self.load(Artefact::Bytes(&artefact), inspection) }?;
        Ok(Module { code, cached: false })
    }

    /// The one place that compiles.
    fn artefact(&self, module: &[u8], kind: Kind, control: &Control) -> Result<Vec<u8>, Error> {
        match &self.compiler {
            Compiler::InProcess => compiler::compile(self.compiles(kind), module, kind),
            Compiler::Child(child) => {
                let folder =
                    self.cache.as_ref().map_or_else(std::env::temp_dir, |cache| cache.folder().into());
                child.artefact(module, kind, self.backend, &folder, &control.interrupt)
            }
        }
    }

    /// The engine that modules of a kind are compiled for.
    fn compiles(&self, kind: Kind) -> &wasmtime::Engine {
        match kind {
            Kind::Core => &self.wasmtime,
            Kind::Component => self.components.wasmtime(),
        }
    }

    /// Maps and links an artefact.
    ///
    /// # Safety
    /// It must have been made by [`compiler::compile`] for an engine with these settings: its machine code is run.
    unsafe fn load(&self, artefact: Artefact<'_>, inspection: &Inspection) -> Result<Code, Error> {
        let failed = |e: wasmtime::Error| Error::Compile(format!("{e:#}"));
        match inspection.kind {
            Kind::Core => {
                // SAFETY: the caller vouches for the artefact.
                let module = unsafe {
                    match artefact {
                        Artefact::File(path) => wasmtime::Module::deserialize_file(&self.wasmtime, path),
                        Artefact::Bytes(bytes) => wasmtime::Module::deserialize(&self.wasmtime, bytes),
                    }
                };
                let module = module.map_err(failed)?;
                let exports = Exports::of(&module);
                let exports = exports.ok_or_else(|| Error::Compile("the module was not rewritten".into()))?;
                let pre = self.linker.instantiate_pre(&module).map_err(failed)?;
                Ok(Code::Core(ReadyCore { pre, exports, startup: inspection.startup_fuel }))
            }
            Kind::Component => {
                let engine = self.components.wasmtime();
                // SAFETY: the caller vouches for the artefact.
                let component = unsafe {
                    match artefact {
                        Artefact::File(path) => Component::deserialize_file(engine, path),
                        Artefact::Bytes(bytes) => Component::deserialize(engine, bytes),
                    }
                };
                Ok(Code::Component(self.components.link(&component.map_err(failed)?)?))
            }
        }
    }

    /// Name of an artefact: everything that the compiled code depends on.
    fn artefact_name(&self, inspection: &Inspection) -> String {
        let engine = self.compiles(inspection.kind);
        let mut compatibility = Fold(Vec::new());
        std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut compatibility);
        let profile = profile::profile_digest_for(inspection.kind);
        let release = env!("CARGO_PKG_VERSION").as_bytes();
        let meter = brizo_meter::REVISION.to_le_bytes();
        let parts = [inspection.digest.as_slice(), profile.as_slice(), &compatibility.0, release, &meter];
        hex::encode(derive("brizo 2026 v1 artefact", &parts))
    }
}

/// Where an artefact is.
#[derive(Clone, Copy)]
enum Artefact<'a> {
    File(&'a Path),
    Bytes(&'a [u8]),
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

/// An engine that only compiles: its artefacts are those of a whole one, and it reserves no memory for guests.
///
/// # Errors
/// [`Error::Engine`] when this host lacks something the profile needs.
pub(super) fn compiling_engine(kind: Kind, backend: Backend) -> Result<wasmtime::Engine, Error> {
    let config = match kind {
        Kind::Core => config(backend, false),
        Kind::Component => component::config(backend),
    };
    config.and_then(|config| wasmtime::Engine::new(&config)).map_err(|e| Error::Engine(format!("{e:#}")))
}

/// The settings behind the profile. What is not said here is off in `inspect`'s allow-list.
fn config(backend: Backend, pooled: bool) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    backend.apply(&mut config)?;
    if pooled {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(RUNS_MAX)
            // The guest's own memory and the one with the floor.
            // And the one for exceptions that are on their way.
            .total_memories(3 * RUNS_MAX)
            .total_gc_heaps(RUNS_MAX)
            .max_memories_per_module(2)
            .total_tables(4 * RUNS_MAX)
            .max_tables_per_module(TABLES_MAX)
            .table_elements(limits::TABLE_ENTRIES_MAX)
            .total_stacks(RUNS_MAX)
            .max_memory_size(1 << 32)
            .max_core_instance_size(INSTANCE_BYTES_MAX)
            .linear_memory_keep_resident(POOL_RESIDENT_BYTES)
            .table_keep_resident(POOL_TABLE_RESIDENT_BYTES)
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
        .wasm_exceptions(true)
        .collector(Collector::DeferredReferenceCounting)
        .wasm_tail_call(false)
        .memory_init_cow(true)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(STACK_BYTES + HOST_STACK_BYTES)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    meter::configure(&mut config);
    Ok(config)
}
