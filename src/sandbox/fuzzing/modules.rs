//! Random modules: what the gate admits can be run, and what is rewritten does the same.

use std::sync::OnceLock;

use arbitrary::{Arbitrary, Result, Unstructured};
use brizo_meter::{DEPTH, ENTRY, FLOOR, FUEL, Options};
use wasm_smith::{Config, Module};
use wasmparser::{Validator, WasmFeatures};
use wasmtime::{Engine, Extern, Instance, OptLevel, Store, StoreLimits, StoreLimitsBuilder, Trap, Val};

use crate::sandbox::{self, inspect as gate, meter, preview1, second_engine};

/// More than any module here uses up: they end by themselves.
const FUEL_LIMIT: i64 = 1 << 40;
/// The same of the stack.
const STACK_LIMIT: i64 = 1 << 20;
/// Operators that a module may run through before it ends itself.
const STEPS: u32 = 500;
/// To what memories and tables may grow: enough to grow, and quick to compare.
const MEMORY_BYTES: usize = 16 << 16;
const TABLE_ENTRIES: usize = 4_000;

/// What every program exports.
const EXPORTS: &str = r#"(module (memory (export "memory") 1 4) (func (export "_start")))"#;

/// The functions of the profile, as a module that imports them.
fn imports() -> &'static [u8] {
    static IMPORTS: OnceLock<Vec<u8>> = OnceLock::new();
    IMPORTS.get_or_init(|| {
        let line = |(name, signature): (&&str, &String)| {
            let (params, results) = signature.split_once(" -> ").unwrap();
            let list = |text: &str| text.trim_matches(['(', ')']).replace(',', "");
            let (params, results) = (list(params), list(results));
            format!(r#"(import "{}" "{name}" (func (param {params}) (result {results})))"#, preview1::MODULE)
        };
        let lines: String = preview1::signatures().iter().map(line).collect();
        wat::parse_str(format!("(module {lines})")).unwrap()
    })
}

/// A module like those that compilers make, or one with a feature too many; sometimes with wrong bytes in it.
fn upload(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if u.ratio(1, 8)? {
        return u.bytes(u.len()).map(<[u8]>::to_vec);
    }
    let wrong: Vec<(u16, u8)> = (0..u.int_in_range(0..=9u8)?.saturating_sub(5))
        .map(|_| Arbitrary::arbitrary(u))
        .collect::<Result<_>>()?;
    let more = if u.ratio(3, 4)? { 0 } else { u16::arbitrary(u)? };
    let has = |feature: u16| more & 1 << feature != 0;
    let config = Config {
        available_imports: Some(imports().to_vec()),
        exports: (!has(0)).then(|| wat::parse_str(EXPORTS).unwrap()),
        exceptions_enabled: has(1),
        gc_enabled: has(2),
        compact_imports_enabled: has(3),
        custom_descriptors_enabled: has(4),
        custom_page_sizes_enabled: has(5),
        memory64_enabled: has(6),
        relaxed_simd_enabled: has(7),
        tail_call_enabled: has(8),
        threads_enabled: has(9),
        wide_arithmetic_enabled: has(10),
        generate_custom_sections: has(11),
        // The exported one comes on top.
        max_memories: if has(12) { 3 } else { usize::from(has(0)) },
        // With them come references of the host, which the profile does not have.
        reference_types_enabled: u.ratio(1, 4)?,
        max_tables: if has(13) { 6 } else { 2 },
        max_table_elements: if has(14) { 2_000_000 } else { 1_000 },
        ..Config::default()
    };
    let mut module = Module::new(config, u)?.to_bytes();
    for (at, byte) in wrong {
        let length = module.len();
        module[usize::from(at) % length] = byte;
    }
    Ok(module)
}

/// What the gate admits is rewritten into a valid module, which engines take.
pub fn inspect(data: &[u8]) -> bool {
    let mut u = Unstructured::new(data);
    let Ok(natively) = u.ratio(1, 16) else { return false };
    let Ok(module) = upload(&mut u) else { return false };
    let inspection = sandbox::inspect(&module, u64::MAX);
    assert_eq!(inspection, sandbox::inspect(&module, u64::MAX), "twice");
    let Ok(inspection) = inspection else { return false };
    assert_eq!(inspection.startup_fuel, brizo_meter::startup(&module, &meter::OPTIONS).unwrap());
    let metered = brizo_meter::rewrite(&module, gate::features(), &meter::OPTIONS).unwrap();
    validate(&metered, gate::features());
    match second_engine::prepare(&module) {
        Ok(prepared) => assert_eq!(inspection.startup_fuel, prepared.startup),
        // It knows no exceptions; where a module has only a type of theirs, it says so in other words.
        Err(error) => assert!(error.to_string().contains("exception"), "the second engine: {error}"),
    }
    if natively {
        engine().compile(&module, &inspection).unwrap();
    }
    true
}

pub(super) fn engine() -> &'static sandbox::Engine {
    static ENGINE: OnceLock<sandbox::Engine> = OnceLock::new();
    ENGINE.get_or_init(|| sandbox::Engine::new(None).unwrap())
}

fn validate(metered: &[u8], features: WasmFeatures) {
    let features = features | WasmFeatures::MULTI_MEMORY | WasmFeatures::CUSTOM_PAGE_SIZES;
    if let Err(error) = Validator::new_with_features(features).validate_all(metered) {
        panic!("the rewritten module is not valid: {error}");
    }
}

/// A module that computes and ends by itself.
fn program(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let config = Config {
        allow_start_export: u.ratio(1, 4)?,
        disallow_traps: u.ratio(1, 2)?,
        compact_imports_enabled: false,
        exceptions_enabled: false,
        export_everything: true,
        gc_enabled: false,
        max_imports: 0,
        max_memories: 1,
        min_memories: 1,
        max_memory32_bytes: 4 << 16,
        max_tables: 2,
        max_table_elements: 1_000,
        memory64_enabled: false,
        min_funcs: 3,
        min_types: 3,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    };
    let mut module = Module::new(config, u)?;
    module.ensure_termination(STEPS).map_err(|_| arbitrary::Error::IncorrectFormat)?;
    Ok(module.to_bytes())
}

/// A module does the same when it is rewritten: every function ends equally and leaves equal memories and globals.
pub fn meter(data: &[u8]) -> bool {
    let Ok(module) = program(&mut Unstructured::new(data)) else { return false };
    // References of the host are not of the profile, but the rewriting knows them.
    let features = gate::features() | WasmFeatures::GC_TYPES;
    if Validator::new_with_features(features).validate_all(&module).is_err() {
        return false;
    }
    let options = Options { keep_exports: true, ..meter::OPTIONS };
    let rewritten = brizo_meter::rewrite(&module, features, &options).unwrap();
    validate(&rewritten, features);
    let (plain, rewritten) = (ends(&module, false), ends(&rewritten, true));
    assert!(plain == rewritten, "plain: {plain:#?}\nrewritten: {rewritten:#?}");
    plain.iter().any(|end| end.contains(": Ok"))
}

/// An engine for modules as they came, with NaNs made canonical by the engine, or for rewritten ones.
fn bare(rewritten: bool) -> &'static Engine {
    static ENGINES: OnceLock<[Engine; 2]> = OnceLock::new();
    let engine = |rewritten: bool| {
        let mut config = wasmtime::Config::new();
        config.wasm_multi_memory(true).wasm_custom_page_sizes(true).wasm_branch_hinting(true);
        config.cranelift_opt_level(OptLevel::None);
        config.cranelift_nan_canonicalization(!rewritten);
        Engine::new(&config).unwrap()
    };
    &ENGINES.get_or_init(|| [engine(false), engine(true)])[usize::from(rewritten)]
}

/// Starts a module and calls all that it exports, with zeros; how each call ends, and what is there in the end.
fn ends(module: &[u8], rewritten: bool) -> Vec<String> {
    let module = wasmtime::Module::new(bare(rewritten), module).unwrap();
    let limits = StoreLimitsBuilder::new().memory_size(MEMORY_BYTES).table_elements(TABLE_ENTRIES).build();
    let mut store = Store::new(bare(rewritten), limits);
    store.limiter(|limits| limits);
    let started = Instance::new(&mut store, &module, &[]);
    let Ok(instance) = started else { return vec!["does not start".into()] };
    if rewritten && call(&mut store, &instance, ENTRY, true).is_err() {
        return vec!["does not start".into()];
    }
    let mut exports: Vec<_> = instance.exports(&mut store).map(|export| export.name().to_owned()).collect();
    exports.retain(|name| ![ENTRY, FUEL, DEPTH, FLOOR].contains(&name.as_str()));
    // The order in which they are called is the order of the names, in both.
    exports.sort();
    let mut ends = Vec::new();
    for name in &exports {
        if matches!(instance.get_export(&mut store, name), Some(Extern::Func(_))) {
            ends.push(format!("{name}: {:?}", call(&mut store, &instance, name, rewritten)));
        }
    }
    for name in &exports {
        ends.push(match instance.get_export(&mut store, name) {
            Some(Extern::Memory(memory)) => format!("{name}: {}", blake3::hash(memory.data(&store))),
            Some(Extern::Global(global)) => format!("{name}: {}", shown(&global.get(&mut store))),
            Some(Extern::Table(table)) => format!("{name}: {}", table.size(&store)),
            _ => continue,
        });
    }
    ends
}

/// Calls a function with zeros, or the entry with its limits, and full counters. A normal end gives all the stack back.
fn call(
    store: &mut Store<StoreLimits>,
    instance: &Instance,
    name: &str,
    rewritten: bool,
) -> std::result::Result<Vec<String>, String> {
    let function = instance.get_func(&mut *store, name).unwrap();
    let ty = function.ty(&*store);
    let args: Vec<_> = match name {
        ENTRY => vec![FUEL_LIMIT.into(), STACK_LIMIT.into()],
        _ => ty.params().map(|ty| Val::default_for_ty(&ty).unwrap()).collect(),
    };
    let mut results: Vec<_> = ty.results().map(|ty| Val::default_for_ty(&ty).unwrap()).collect();
    let counters = rewritten.then(|| {
        let floor = instance.get_memory(&mut *store, FLOOR);
        let above = if floor.is_some() { 0 } else { FUEL_LIMIT };
        if let Some(floor) = floor {
            floor.write(&mut *store, 0, &FUEL_LIMIT.to_le_bytes()).unwrap();
        }
        let [fuel, depth] = [FUEL, DEPTH].map(|name| instance.get_global(&mut *store, name).unwrap());
        fuel.set(&mut *store, Val::I64(above)).unwrap();
        depth.set(&mut *store, Val::I64(STACK_LIMIT)).unwrap();
        depth
    });
    let result = function.call(&mut *store, &args, &mut results);
    if let (Some(depth), Ok(())) = (counters, &result) {
        assert_eq!(depth.get(&mut *store).i64(), Some(STACK_LIMIT), "stack after {name}");
    }
    match result {
        Ok(()) => Ok(results.iter().map(shown).collect()),
        Err(error) => Err(format!("{:?}", error.downcast_ref::<Trap>())),
    }
}

/// A value; of references only whether they are there.
fn shown(value: &Val) -> String {
    match value {
        Val::FuncRef(reference) => format!("function: {}", reference.is_some()),
        Val::ExternRef(reference) => format!("extern: {}", reference.is_some()),
        number => format!("{number:?}"),
    }
}
