//! Engines that run a module's entry and say how it ended.

use brizo_meter::{DEPTH as DEPTH_LEFT, ENTRY, FLOOR, FUEL};

/// How a run ended: which trap, what fuel and stack were left, and a digest of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) trapped: bool,
    pub(crate) fuel: i64,
    pub(crate) depth: i64,
    pub(crate) memory: Vec<u8>,
}

pub(crate) const DEPTH: i64 = 1 << 20;

fn config() -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .wasm_multi_memory(true)
        .wasm_custom_page_sizes(true)
        .wasm_branch_hinting(true)
        .wasm_exceptions(true);
    config.max_wasm_stack(64 << 20).async_stack_size(65 << 20);
    config
}

/// The plain module under wasmtime's own meter and NaN rule: fuel used, unless it trapped.
pub(crate) fn plain(module: &[u8], export: &str, fuel: u64) -> (Result<u64, wasmtime::Error>, Vec<u8>) {
    let mut config = config();
    config.consume_fuel(true).cranelift_nan_canonicalization(true);
    let engine = wasmtime::Engine::new(&config).unwrap();
    let module = wasmtime::Module::new(&engine, module).unwrap();
    let mut store = wasmtime::Store::new(&engine, ());
    store.set_fuel(u64::MAX).unwrap();
    let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
    store.set_fuel(fuel).unwrap();
    let result = call(&mut store, &instance, export, &[]);
    let left = store.get_fuel().unwrap();
    let memory = instance.get_memory(&mut store, "memory");
    let memory = memory.map_or(Vec::new(), |memory| memory.data(&store).to_vec());
    (result.map(|()| fuel - left), memory)
}

/// Whether a module's segments fit into its memory and tables.
pub(crate) fn instantiates(module: &[u8]) -> bool {
    let engine = wasmtime::Engine::new(&config()).unwrap();
    let module = wasmtime::Module::new(&engine, module).unwrap();
    wasmtime::Instance::new(wasmtime::Store::new(&engine, ()), &module, &[]).is_ok()
}

fn call(
    store: &mut wasmtime::Store<()>,
    instance: &wasmtime::Instance,
    export: &str,
    args: &[wasmtime::Val],
) -> wasmtime::Result<()> {
    let function = instance.get_func(&mut *store, export).unwrap();
    let mut results = vec![wasmtime::Val::I32(0); function.ty(&*store).results().len()];
    // A thread of its own, because the main one has a small stack.
    std::thread::scope(|scope| {
        let run = move || function.call(store, args, &mut results);
        std::thread::Builder::new().stack_size(80 << 20).spawn_scoped(scope, run).unwrap().join().unwrap()
    })
}

/// The rewritten module in wasmtime.
pub(crate) fn wasmtime(metered: &[u8], fuel: i64) -> End {
    let engine = wasmtime::Engine::new(&config()).unwrap();
    let module = wasmtime::Module::new(&engine, metered).unwrap();
    let mut store = wasmtime::Store::new(&engine, ());
    let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
    let result = call(&mut store, &instance, ENTRY, &[fuel.into(), DEPTH.into()]);
    let mut number = |name| instance.get_global(&mut store, name).unwrap().get(&mut store).unwrap_i64();
    let (above, depth) = (number(FUEL), number(DEPTH_LEFT));
    let floor = instance.get_memory(&mut store, FLOOR);
    let floor = floor.map_or(0, |floor| i64::from_le_bytes(floor.data(&store)[..8].try_into().unwrap()));
    let fuel = floor + above;
    let memory = instance.get_memory(&mut store, "memory");
    let memory = memory.map_or(Vec::new(), |memory| memory.data(&store).to_vec());
    End { trapped: result.is_err(), fuel, depth, memory }
}

/// The rewritten module in wasmi, an interpreter.
pub(crate) fn wasmi(metered: &[u8], fuel: i64) -> End {
    let mut config = wasmi::Config::default();
    config.wasm_multi_memory(true).wasm_custom_page_sizes(true);
    config.set_max_recursion_depth(100_000);
    config.set_max_stack_height(64 << 20);
    let engine = wasmi::Engine::new(&config);
    let module = wasmi::Module::new(&engine, metered).unwrap();
    let mut store = wasmi::Store::new(&engine, ());
    let instance = wasmi::Linker::new(&engine).instantiate_and_start(&mut store, &module).unwrap();
    let entry = instance.get_typed_func::<(i64, i64), i32>(&store, ENTRY).unwrap();
    let result = entry.call(&mut store, (fuel, DEPTH));
    let number = |name| instance.get_global(&store, name).unwrap().get(&store).i64().unwrap();
    let (above, depth) = (number(FUEL), number(DEPTH_LEFT));
    let floor = instance.get_memory(&store, FLOOR);
    let floor = floor.map_or(0, |floor| i64::from_le_bytes(floor.data(&store)[..8].try_into().unwrap()));
    let fuel = floor + above;
    let memory = instance.get_memory(&store, "memory");
    let memory = memory.map_or(Vec::new(), |memory| memory.data(&store).to_vec());
    End { trapped: result.is_err(), fuel, depth, memory }
}
