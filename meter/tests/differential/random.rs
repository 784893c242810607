//! Random modules: rewritten and plain do the same, and count the same where both are defined.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

use super::engines::{DEPTH, instantiates, plain, wasmi, wasmtime};
use super::{UNIFORM, metered};

const MODULES: u64 = 1_500;
const FUEL: i64 = 200_000;

/// Bytes from a counter; the same modules in every run, so that a failure can be looked at.
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..4096).map(|_| next()).collect()
}

fn config() -> Config {
    Config {
        allow_start_export: false,
        bulk_memory_enabled: true,
        exceptions_enabled: false,
        extended_const_enabled: true,
        gc_enabled: false,
        max_imports: 0,
        max_memories: 1,
        min_memories: 1,
        max_memory32_bytes: 4 * 65_536,
        max_tables: 2,
        max_table_elements: 1_000,
        memory64_enabled: false,
        min_funcs: 1,
        multi_value_enabled: true,
        reference_types_enabled: true,
        relaxed_simd_enabled: false,
        saturating_float_to_int_enabled: true,
        shared_everything_threads_enabled: false,
        sign_extension_ops_enabled: true,
        simd_enabled: true,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        custom_page_sizes_enabled: false,
        canonicalize_nans: false,
        generate_custom_sections: false,
        export_everything: false,
        ..Config::default()
    }
}

/// A random module whose first function without parameters is exported as the program, and its memory by its name.
fn module(seed: u64) -> Option<Vec<u8>> {
    let mut module = Module::new(config(), &mut Unstructured::new(&bytes(seed))).ok()?;
    // Half of them are made to end by themselves; the others may loop for ever, which the meter has to end.
    if seed.is_multiple_of(2) {
        module.ensure_termination(1_000).ok()?;
    }
    let bytes = module.to_bytes();
    exported(&bytes)
}

/// The same module with other exports.
fn exported(module: &[u8]) -> Option<Vec<u8>> {
    use wasmparser::{Parser, Payload};
    let (mut types, mut functions) = (Vec::new(), Vec::new());
    let mut out = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.ok()?;
        match &payload {
            Payload::TypeSection(section) => {
                for ty in section.clone().into_iter_err_on_gc_types() {
                    types.push(ty.ok()?);
                }
            }
            Payload::FunctionSection(section) => {
                functions = section.clone().into_iter().collect::<Result<_, _>>().ok()?
            }
            _ => {}
        }
    }
    let empty =
        |ty: &u32| types[*ty as usize].params().is_empty() && types[*ty as usize].results().is_empty();
    let program = functions.iter().position(empty)? as u32;
    let mut exports = wasm_encoder::ExportSection::new();
    exports.export("_start", wasm_encoder::ExportKind::Func, program);
    exports.export("memory", wasm_encoder::ExportKind::Memory, 0);
    let mut done = false;
    for payload in Parser::new(0).parse_all(module) {
        let Some((id, range)) = payload.ok()?.as_section() else { continue };
        if !done && (id == 7 || id == 8 || id >= 9) {
            out.section(&exports);
            done = true;
        }
        if id != 7 && id != 0 && id != 8 {
            out.section(&wasm_encoder::RawSection { id, data: &module[range] });
        }
    }
    Some(out.finish())
}

#[test]
fn random_modules_do_the_same_and_count_the_same() {
    let (mut ended, mut trapped, mut exhausted) = (0, 0, 0);
    for seed in 0..MODULES {
        let Some(module) = module(seed) else { continue };
        if wasmparser::Validator::new_with_features(super::features()).validate_all(&module).is_err() {
            continue;
        }
        if !instantiates(&module) {
            continue;
        }
        let rewritten = metered(&module, &UNIFORM);
        let (one, other) = (wasmtime(&rewritten, FUEL), wasmi(&rewritten, FUEL));
        assert_eq!(one, other, "seed {seed}");
        let (result, memory) = plain(&module, "_start", 10 * FUEL as u64);
        if one.fuel < 0 || one.depth < 0 {
            // The engine looks at its counter later, so it may go on a little; but it cannot have used less.
            assert!(result.map_or(true, |used| used as i64 > FUEL) || one.depth < 0, "seed {seed}: {one:?}");
            exhausted += 1;
        } else if let Ok(used) = result {
            assert_eq!((FUEL - one.fuel) as u64, used, "seed {seed}");
            assert_eq!((one.trapped, one.depth), (false, DEPTH), "seed {seed}");
            assert!(one.memory == memory, "seed {seed}: other memory");
            ended += 1;
        } else {
            assert!(one.trapped, "seed {seed}: only the plain module traps");
            assert!(one.memory == memory, "seed {seed}: other memory after the trap");
            trapped += 1;
        }
    }
    println!("{ended} ended, {trapped} trapped, {exhausted} ran out");
    assert!(
        ended > 20 && trapped > 5,
        "{ended} ended, {trapped} trapped, {exhausted} ran out: the modules say too little"
    );
}
