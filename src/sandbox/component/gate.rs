//! The gate for components: what one must be before the engine sees it.

use brizo_receipt::{content_digest, keccak256};
use wasmparser::component_types::{ComponentDefinedType, ComponentEntityType, ComponentValType};
use wasmparser::types::Types;
use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

use super::refused::REFUSED;
use super::surface::Surface;
use super::types;
use crate::sandbox::features::missing_features;
use crate::sandbox::inspect::{FUNCTION_WEIGHT_MAX, ImportUse, Inspection, Kind, Refused, features};
use crate::sandbox::limits;

/// Interfaces that the profile has, without their version. A test holds this list equal to what is linked.
pub(super) const PROVIDED: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// The newest patch version of WASI 0.2 whose functions are known; older ones have fewer.
pub(super) const PATCH_MAX: u32 = 12;
/// Components inside components.
pub(super) const DEPTH_MAX: u64 = 8;
/// Core modules in a file.
pub(super) const MODULES_MAX: u64 = 256;
/// Instances of core modules and components together.
pub(super) const INSTANCES_MAX: u64 = 1_000;

/// Checks a component whose size was accepted.
///
/// # Errors
/// The first thing that the profile does not allow.
pub(in crate::sandbox) fn inspect(component: &[u8]) -> Result<Inspection, Refused> {
    let types = validate(component)?;
    let surface = Surface::read(component).map_err(|e| malformed(&e))?;
    check_shape(&surface)?;
    check_weight(&surface)?;
    surface.shape.check()?;
    let imports = check_imports(&surface)?;
    check_types(component, &imports)?;
    check_run(&surface, &types)?;
    Ok(Inspection {
        kind: Kind::Component,
        digest: content_digest(component),
        checksum: keccak256(component),
        bytes: component.len() as u64,
        memory_bytes_min: surface.totals.memory_bytes,
        startup_fuel: 0,
        imports,
    })
}

/// The features of core modules but exceptions, which toolchains for components do not use, and, around them, the
/// component model without any of its later parts.
fn component_features() -> WasmFeatures {
    (features() - WasmFeatures::EXCEPTIONS) | WasmFeatures::COMPONENT_MODEL
}

/// Validates under the allow-list; a component that is valid only with more features is told which one.
fn validate(component: &[u8]) -> Result<Types, Refused> {
    let error = match Validator::new_with_features(component_features()).validate_all(component) {
        Ok(types) => return Ok(types),
        Err(error) => error,
    };
    let Some(missing) = missing_features(component, component_features(), &error) else {
        return Err(malformed(&error));
    };
    Err(Refused {
        code: "feature_not_allowed",
        text: format!("the component uses {}, which the profile does not allow: {error}", missing.join(", ")),
        hint: "compile for WASI 0.2 without async, threads, 64-bit or several memories, exceptions or garbage collection",
    })
}

fn malformed(error: &BinaryReaderError) -> Refused {
    Refused {
        code: "module_invalid",
        text: format!("the component is not valid WebAssembly: {error}"),
        hint: "build it again; the file may have been cut off on its way",
    }
}

/// Instantiation and compilation are bounded before they begin.
fn check_shape(surface: &Surface) -> Result<(), Refused> {
    let refuse = |text: String| {
        Err(Refused {
            code: "component_too_complex",
            text,
            hint: "one program with few components inside is enough; check how the component was put together",
        })
    };
    if let Some(what) = surface.uncounted {
        return refuse(format!("the component uses {what}, so its instances cannot be counted beforehand"));
    }
    let counts = [
        ("levels of components", surface.depth, DEPTH_MAX),
        ("core modules", surface.modules, MODULES_MAX),
        ("instances", surface.totals.instances, INSTANCES_MAX),
    ];
    match counts.into_iter().find(|(_, found, most)| found > most) {
        Some((what, found, most)) => {
            refuse(format!("the component has {found} {what}, at most {most} are taken"))
        }
        None => Ok(()),
    }
}

fn check_weight(surface: &Surface) -> Result<(), Refused> {
    let (asked, most) = (surface.totals.table_entries, limits::TABLE_ENTRIES_MAX);
    if asked > most as u64 {
        return Err(Refused {
            code: "tables_too_large",
            text: format!("the component starts with {asked} table entries, at most {most} are given"),
            hint: "no compiler needs that many; check how the component was made",
        });
    }
    if surface.functions > FUNCTION_WEIGHT_MAX {
        return Err(Refused {
            code: "function_too_large",
            text: format!(
                "the heaviest functions of the core modules have so many bytes and local variables (products together {}) \
                 that compiling them would take too long; at most {FUNCTION_WEIGHT_MAX} are taken",
                surface.functions
            ),
            hint: "split the functions, or let the compiler inline less",
        });
    }
    Ok(())
}

fn check_imports(surface: &Surface) -> Result<Vec<ImportUse>, Refused> {
    let mut uses = Vec::new();
    for (name, instance) in &surface.imports {
        let interface = interface_of(name).filter(|_| *instance);
        let refused = interface.is_some_and(|interface| REFUSED.contains(&interface));
        if !refused && !interface.is_some_and(|interface| PROVIDED.contains(&interface)) {
            return Err(Refused {
                code: "import_not_allowed",
                text: format!("the component imports `{name}`, which the profile does not have"),
                hint: "only interfaces of wasi:cli/command 0.2.0 to 0.2.12 can be imported; `brizo check` lists what a component imports",
            });
        }
        uses.push(ImportUse { name: name.clone(), refused });
    }
    Ok(uses)
}

/// The engine would find this only after compiling.
fn check_types(component: &[u8], imports: &[ImportUse]) -> Result<(), Refused> {
    let names: Vec<String> = imports.iter().map(|import| import.name.clone()).collect();
    types::check(component, &names, component_features()).map_err(|error| Refused {
        code: "import_type_mismatch",
        text: format!("the component imports an interface with other types than the profile has it: {error}"),
        hint: "the toolchain is made for another version of WASI; compile for WASI 0.2 (wasm32-wasip2)",
    })
}

/// The interface in a name of a version that the profile knows: `wasi:io/poll@0.2.3` is of `wasi:io/poll`.
fn interface_of(name: &str) -> Option<&str> {
    let (interface, version) = name.split_once('@')?;
    let patch = version.strip_prefix("0.2.")?;
    let plain = patch.bytes().all(|byte| byte.is_ascii_digit());
    (plain && patch.parse::<u32>().ok()? <= PATCH_MAX).then_some(interface)
}

/// It must export `wasi:cli/run` with `run: func() -> result`.
fn check_run(surface: &Surface, types: &Types) -> Result<(), Refused> {
    let name = surface.exports.iter().find(|name| interface_of(name) == Some("wasi:cli/run"));
    if name.is_some_and(|name| is_run(types, name).unwrap_or(false)) {
        return Ok(());
    }
    Err(Refused {
        code: "export_missing",
        text: "the component does not export `wasi:cli/run@0.2` with `run: func() -> result`".into(),
        hint: "build a command (world wasi:cli/command), not a library or an HTTP handler",
    })
}

fn is_run(types: &Types, name: &str) -> Option<bool> {
    let ComponentEntityType::Instance(instance) = types.component_item_for_export(name)?.ty else {
        return None;
    };
    let ComponentEntityType::Func(function) = types[instance].exports.get("run")?.ty else { return None };
    let function = &types[function];
    let Some(ComponentValType::Type(result)) = function.result else { return None };
    let empty = matches!(types[result], ComponentDefinedType::Result { ok: None, err: None });
    Some(empty && function.params.is_empty() && !function.async_)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_known_or_not() {
        assert_eq!(interface_of("wasi:io/poll@0.2.0"), Some("wasi:io/poll"));
        assert_eq!(interface_of("wasi:io/poll@0.2.12"), Some("wasi:io/poll"));
        for name in
            ["wasi:io/poll", "wasi:io/poll@0.2.13", "wasi:io/poll@0.3.0", "wasi:io/poll@0.2.0-rc", "a@0.2."]
        {
            assert_eq!(interface_of(name), None, "{name}");
        }
    }
}
