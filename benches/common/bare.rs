//! Bare wasmtime with the smallest host that a workload can live on: arguments and standard output.

use anyhow::{Result, bail};
use wasmtime::{
    Caller, Config, Enabled, Engine, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module,
    OptLevel, PoolingAllocationConfig, Store,
};

const WASI: &str = "wasi_snapshot_preview1";
/// Error numbers of preview 1.
const EBADF: i32 = 8;
const EFAULT: i32 = 21;
const EIO: i32 = 29;

/// What wasmtime itself does beside running.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rules {
    /// Nothing: no fuel, no rule for NaNs.
    None,
    /// Its own fuel and its own canonical NaNs.
    FuelAndNan,
}

/// Where instances come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Allocator {
    /// Made for each run.
    OnDemand,
    /// Taken from a pool, with what wasmtime has to keep them warm.
    Pooling,
}

/// An engine with its linker.
pub(crate) struct Bare {
    engine: Engine,
    rules: Rules,
}

/// What belongs to one run.
struct Host {
    args: Vec<Vec<u8>>,
    stdout: Vec<u8>,
}

/// A module that is ready to run.
pub(crate) struct Ready<'a> {
    bare: &'a Bare,
    pre: InstancePre<Host>,
}

/// Ends a run with an exit code.
#[derive(Debug, thiserror::Error)]
#[error("exit {0}")]
struct Exit(i32);

impl Bare {
    /// Sets the engine up, but for `rules` with the same settings as Brizo's.
    pub(crate) fn new(rules: Rules, allocator: Allocator) -> Result<Self> {
        let mut config = Config::new();
        config
            .cranelift_opt_level(OptLevel::Speed)
            .wasm_relaxed_simd(false)
            .memory_init_cow(true)
            .wasm_backtrace_max_frames(None)
            .generate_address_map(false);
        if rules == Rules::FuelAndNan {
            config.consume_fuel(true).cranelift_nan_canonicalization(true);
        }
        if allocator == Allocator::Pooling {
            let mut pool = PoolingAllocationConfig::default();
            pool.total_core_instances(4).total_memories(4).total_tables(4).total_stacks(4);
            pool.linear_memory_keep_resident(64 << 20).table_keep_resident(64 << 10);
            pool.pagemap_scan(Enabled::Auto);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        Ok(Self { engine: Engine::new(&config)?, rules })
    }

    /// Compiles and links.
    pub(crate) fn ready(&self, module: &[u8]) -> Result<Ready<'_>> {
        let module = Module::new(&self.engine, module)?;
        let mut linker = Linker::new(&self.engine);
        link(&mut linker)?;
        linker.define_unknown_imports_as_traps(&module)?;
        Ok(Ready { bare: self, pre: linker.instantiate_pre(&module)? })
    }
}

impl Ready<'_> {
    /// One run from nothing to nothing: store, instance, call, and all of it dropped. Gives what was printed.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String> {
        let args = args.iter().map(|arg| [arg.as_bytes(), &[0]].concat()).collect();
        let mut store = Store::new(&self.bare.engine, Host { args, stdout: Vec::new() });
        if self.bare.rules == Rules::FuelAndNan {
            store.set_fuel(u64::MAX)?;
        }
        let instance = self.pre.instantiate(&mut store)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        match start.call(&mut store, ()) {
            Ok(()) => {}
            Err(error) if matches!(error.downcast_ref(), Some(Exit(0))) => {}
            Err(error) => bail!("the guest ended with {error:#}"),
        }
        Ok(String::from_utf8(std::mem::take(&mut store.data_mut().stdout))?)
    }
}

fn link(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(WASI, "args_sizes_get", |mut caller: Caller<'_, Host>, count: u32, size: u32| {
        let args = &caller.data().args;
        let sizes = [args.len() as u32, args.iter().map(|arg| arg.len() as u32).sum()];
        put(&mut caller, count, &sizes[0].to_le_bytes()) | put(&mut caller, size, &sizes[1].to_le_bytes())
    })?;
    linker.func_wrap(WASI, "args_get", |mut caller: Caller<'_, Host>, pointers: u32, mut bytes: u32| {
        let args = caller.data().args.clone();
        let mut result = 0;
        for (at, arg) in args.iter().enumerate() {
            result |= put(&mut caller, pointers.wrapping_add(4 * at as u32), &bytes.to_le_bytes());
            result |= put(&mut caller, bytes, arg);
            bytes = bytes.wrapping_add(arg.len() as u32);
        }
        result
    })?;
    linker.func_wrap(WASI, "environ_sizes_get", |mut caller: Caller<'_, Host>, count: u32, size: u32| {
        put(&mut caller, count, &[0; 4]) | put(&mut caller, size, &[0; 4])
    })?;
    linker.func_wrap(WASI, "environ_get", |_: u32, _: u32| 0)?;
    linker.func_wrap(WASI, "fd_prestat_get", |_: u32, _: u32| EBADF)?;
    linker.func_wrap(WASI, "fd_write", write)?;
    linker.func_wrap(WASI, "proc_exit", |code: i32| -> wasmtime::Result<()> { Err(Exit(code).into()) })?;
    Ok(())
}

/// Takes the first piece, as a real host may.
fn write(mut caller: Caller<'_, Host>, _: u32, pieces: u32, _: u32, written: u32) -> i32 {
    let Some(memory) = memory(&mut caller) else { return EIO };
    let mut piece = [0; 8];
    if memory.read(&caller, pieces as usize, &mut piece).is_err() {
        return EFAULT;
    }
    let [start, length] =
        [0, 4].map(|at| u32::from_le_bytes([piece[at], piece[at + 1], piece[at + 2], piece[at + 3]]));
    let mut bytes = vec![0; length as usize];
    if memory.read(&caller, start as usize, &mut bytes).is_err() {
        return EFAULT;
    }
    caller.data_mut().stdout.extend(bytes);
    put(&mut caller, written, &length.to_le_bytes())
}

fn put(caller: &mut Caller<'_, Host>, at: u32, bytes: &[u8]) -> i32 {
    let Some(memory) = memory(caller) else { return EIO };
    memory.write(caller, at as usize, bytes).map_or(EFAULT, |()| 0)
}

fn memory(caller: &mut Caller<'_, Host>) -> Option<Memory> {
    caller.get_export("memory")?.into_memory()
}
