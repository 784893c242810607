//! The gate: what a module must be before the engine sees it. One small check after the other, each naming what it refuses.

use brizo_receipt::{B256, content_digest, keccak256};
use serde::{Deserialize, Serialize};
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, Parser, Payload, TableType, TypeRef, Validator, WasmFeatures,
};

use super::features::missing_features;
use super::shape::Shape;
use super::{component, limits, meter, preview1};

/// Features that the profile allows, as wasmparser calls them; [`features`] is made from this list.
pub(super) const FEATURE_NAMES: [&str; 10] = [
    "bulk-memory",
    "exceptions",
    "extended-const",
    "floats",
    "multi-value",
    "mutable-global",
    "reference-types",
    "saturating-float-to-int",
    "sign-extension",
    "simd",
];

/// Largest product of bytes and local variables of one function. The heaviest function of the examples has half a percent
/// of it; a module at nine times this weight took 42 s and 1.6 GB to compile in a
/// development build.
pub(super) const FUNCTION_WEIGHT_MAX: u64 = 96 << 20;

/// The sorts of WebAssembly that can be run, each under its own profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A core module over WASI preview 1.
    Core,
    /// A component over WASI preview 2.
    Component,
}

impl Kind {
    /// All sorts, the first one first.
    pub const ALL: [Self; 2] = [Self::Core, Self::Component];

    /// Its name on a command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Component => "component",
        }
    }
}

/// What is told about a module that may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// What sort of WebAssembly it is, which decides on the profile.
    pub kind: Kind,
    /// BLAKE3 of the module's bytes: what policies approve and claims name.
    pub digest: B256,
    /// keccak-256 of the module's bytes: what the consumer signs at upload.
    pub checksum: B256,
    /// Length in bytes.
    pub bytes: u64,
    /// Linear memory at the start, in bytes.
    pub memory_bytes_min: u64,
    /// Fuel that setting it up takes, before its first instruction.
    pub startup_fuel: u64,
    /// The functions it imports, and what the profile does about each.
    pub imports: Vec<ImportUse>,
}

/// An imported function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportUse {
    /// `module.name`.
    pub name: String,
    /// Whether calling it is always refused (sockets); linked because toolchains import such functions unused.
    pub refused: bool,
}

/// Why a module may not run. Always the fault of whoever brought the module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// Stable machine-readable name.
    pub code: &'static str,
    /// What is wrong, with the name of the import or feature.
    pub text: String,
    /// How to mend it.
    pub hint: &'static str,
}

impl Inspection {
    /// Names of the imports that are linked only to refuse.
    pub fn refused_imports(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().filter(|import| import.refused).map(|import| import.name.as_str())
    }
}

/// Checks a module.
///
/// # Errors
/// The first thing that the profile does not allow.
pub fn inspect(module: &[u8], bytes_max: u64) -> Result<Inspection, Refused> {
    check_size(module, bytes_max)?;
    if Parser::is_component(module) {
        return component::inspect(module);
    }
    check_kind(module)?;
    check_features(module)?;
    let surface = read_surface(module).map_err(|e| malformed(&e))?;
    check_program(&surface)?;
    check_tables(&surface)?;
    check_functions(&surface)?;
    surface.shape.check()?;
    let imports = check_imports(&surface)?;
    Ok(Inspection {
        kind: Kind::Core,
        digest: content_digest(module),
        checksum: keccak256(module),
        bytes: module.len() as u64,
        memory_bytes_min: surface.memory_pages_min.saturating_mul(65_536),
        startup_fuel: brizo_meter::startup(module, &meter::OPTIONS).map_err(|e| unmeterable(&e))?,
        imports,
    })
}

/// The allow-list as the parser and the engine understand it.
pub(super) fn features() -> WasmFeatures {
    WasmFeatures::BULK_MEMORY
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::FLOATS
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::SIMD
}

/// What of a module the checks look at.
#[derive(Default)]
struct Surface {
    types: Vec<Option<FuncType>>,
    /// Module, name, sort and, for functions, the index of the type.
    imports: Vec<(String, String, &'static str, Option<u32>)>,
    /// Types of all functions, the imported ones first.
    functions: Vec<u32>,
    table_entries_min: u64,
    /// Bytes times local variables of the heaviest function: what its compilation costs grows with both.
    heaviest_function: u64,
    shape: Shape,
    exports: Vec<(String, ExternalKind, u32)>,
    memory_pages_min: u64,
    tables: u32,
    tables_of_exceptions: bool,
}

fn check_size(module: &[u8], bytes_max: u64) -> Result<(), Refused> {
    if module.len() as u64 <= bytes_max {
        return Ok(());
    }
    Err(Refused {
        code: "module_too_large",
        text: format!("the module has {} bytes, at most {bytes_max} are taken", module.len()),
        hint: "strip symbols (strip = true), optimise for size, or ask the publisher to raise algorithm_bytes",
    })
}

fn check_kind(module: &[u8]) -> Result<(), Refused> {
    if Parser::is_core_wasm(module) {
        return Ok(());
    }
    Err(Refused {
        code: "module_not_wasm",
        text: "these bytes are neither a WebAssembly module nor a component (they do not begin with \\0asm and a version)".into(),
        hint: "upload the .wasm file that the compiler writes for wasm32-wasip1 or wasm32-wasip2",
    })
}

/// Validates under the allow-list; a module that is valid only with more features is told which one.
fn check_features(module: &[u8]) -> Result<(), Refused> {
    let Err(error) = Validator::new_with_features(features()).validate_all(module) else { return Ok(()) };
    let Some(missing) = missing_features(module, features(), &error) else { return Err(malformed(&error)) };
    Err(Refused {
        code: "feature_not_allowed",
        text: format!("the module uses {}, which the profile does not allow: {error}", missing.join(", ")),
        hint: "compile for wasm32-wasip1 without threads, relaxed SIMD, 64-bit or several memories, older exceptions or tail calls",
    })
}

fn malformed(error: &wasmparser::BinaryReaderError) -> Refused {
    Refused {
        code: "module_invalid",
        text: format!("the module is not valid WebAssembly: {error}"),
        hint: "build it again; the file may have been cut off on its way",
    }
}

fn unmeterable(error: &brizo_meter::Error) -> Refused {
    Refused {
        code: "module_not_meterable",
        text: error.to_string(),
        hint: "compile for wasm32-wasip1 with the compiler's default features",
    }
}

fn read_surface(module: &[u8]) -> Result<Surface, wasmparser::BinaryReaderError> {
    let mut surface = Surface::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        surface.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        });
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for function in section {
                    surface.functions.push(function?);
                }
            }
            Payload::TableSection(section) => {
                surface.tables += section.count();
                for table in section {
                    surface.take_table(table?.ty);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let sort = match import.ty {
                        TypeRef::Func(_) => "function",
                        // The validator lets it pass under any features, and the engine cannot read it.
                        TypeRef::FuncExact(_) => "function of an exact type",
                        TypeRef::Memory(_) => "memory",
                        TypeRef::Table(_) => "table",
                        TypeRef::Global(_) => "global",
                        TypeRef::Tag(_) => "tag",
                    };
                    let ty = match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => Some(ty),
                        _ => None,
                    };
                    surface.functions.extend(ty);
                    surface.imports.push((import.module.into(), import.name.into(), sort, ty));
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    surface.memory_pages_min = memory?.initial;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    surface.exports.push((export.name.into(), export.kind, export.index));
                }
            }
            Payload::CodeSectionEntry(body) => {
                let locals = surface.shape.meet(&body)?.saturating_add(1);
                let weight = locals.saturating_mul(body.as_bytes().len() as u64);
                surface.heaviest_function = surface.heaviest_function.max(weight);
            }
            _ => {}
        }
    }
    Ok(surface)
}

impl Surface {
    fn take_table(&mut self, ty: TableType) {
        self.table_entries_min = self.table_entries_min.saturating_add(ty.initial);
        self.tables_of_exceptions |= !(ty.element_type.is_func_ref() || ty.element_type.is_extern_ref());
    }

    /// Type of a function by its type index, as text.
    fn signature(&self, ty: Option<u32>) -> Option<String> {
        let function = self.types.get(ty? as usize)?.as_ref()?;
        Some(preview1::signature(function.params().iter(), function.results().iter()))
    }

    /// Type of an exported function, as text.
    fn exported(&self, name: &str) -> Option<String> {
        let function =
            self.exports.iter().find(|(export, kind, _)| export == name && *kind == ExternalKind::Func);
        let (_, _, index) = function?;
        Some(self.signature(self.functions.get(*index as usize).copied()).unwrap_or_default())
    }
}

/// A program is a command, which exports `_start`, or an interpreter, which exports `run` and perhaps `_initialize`.
fn check_program(surface: &Surface) -> Result<(), Refused> {
    let memory =
        |(name, kind, _): &(String, ExternalKind, u32)| name == "memory" && *kind == ExternalKind::Memory;
    if !surface.exports.iter().any(memory) {
        return Err(missing("memory", "export the memory under the name `memory`, as WASI demands"));
    }
    let demanded: &[(&str, bool, &str)] = match surface.exported("_start") {
        None => &[("run", true, "() -> (i32)"), ("_initialize", false, "() -> ()")],
        Some(_) => &[("_start", true, "() -> ()")],
    };
    for (name, needed, wanted) in demanded {
        match surface.exported(name) {
            // A library has neither.
            None if *needed => return Err(missing("_start", "compile a program with `main`, not a library")),
            Some(found) if found != *wanted => {
                return Err(Refused {
                    code: "start_type_mismatch",
                    text: format!("`{name}` has the type {found}; it must be {wanted}"),
                    hint: "compile a program with `main`, not a library",
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn missing(name: &str, hint: &'static str) -> Refused {
    Refused { code: "export_missing", text: format!("the module does not export `{name}`"), hint }
}

/// Compilation is not metered, so what it costs is bounded here.
fn check_functions(surface: &Surface) -> Result<(), Refused> {
    if surface.heaviest_function <= FUNCTION_WEIGHT_MAX {
        return Ok(());
    }
    Err(Refused {
        code: "function_too_large",
        text: format!(
            "a function has so many bytes and local variables (product {}) that compiling it would take too long; at \
             most {FUNCTION_WEIGHT_MAX} are taken",
            surface.heaviest_function
        ),
        hint: "split the function, or let the compiler inline less",
    })
}

fn check_tables(surface: &Surface) -> Result<(), Refused> {
    if surface.tables > limits::TABLES_MAX {
        return Err(Refused {
            code: "tables_too_many",
            text: format!(
                "the module has {} tables, at most {} are given",
                surface.tables,
                limits::TABLES_MAX
            ),
            hint: "no compiler needs that many; check how the module was made",
        });
    }
    if surface.tables_of_exceptions {
        // Exceptions lie in memory of the engine's, which memoryLimit does not count; only calls may hold them.
        return Err(Refused {
            code: "feature_not_allowed",
            text: "the module has a table of exceptions, which the profile does not allow".into(),
            hint: "no compiler makes one; check how the module was made",
        });
    }
    let (asked, most) = (surface.table_entries_min, limits::TABLE_ENTRIES_MAX);
    if asked <= most as u64 {
        return Ok(());
    }
    Err(Refused {
        code: "tables_too_large",
        text: format!("the module starts with {asked} table entries, at most {most} are given"),
        hint: "no compiler needs that many; check how the module was made",
    })
}

fn check_imports(surface: &Surface) -> Result<Vec<ImportUse>, Refused> {
    let mut uses: Vec<ImportUse> = Vec::new();
    for (module, name, sort, ty) in &surface.imports {
        let function = *sort == "function";
        let known = function && module == preview1::MODULE;
        let host = function && (module.as_str(), name.as_str()) == preview1::HOST_CALL;
        let refused = host || known && preview1::REFUSED.contains(&name.as_str());
        if !(refused || known && preview1::PROVIDED.contains(&name.as_str())) {
            return Err(Refused {
                code: "import_not_allowed",
                text: format!(
                    "the module imports the {sort} `{module}.{name}`, which the profile does not have"
                ),
                hint: "only functions of wasi_snapshot_preview1 can be imported; `brizo check` lists what a module imports",
            });
        }
        let stated = surface.signature(*ty).unwrap_or_default();
        let wanted = match preview1::signatures().get(name.as_str()) {
            _ if host => preview1::HOST_CALL_TYPE,
            wanted => wanted.map_or("nothing", String::as_str),
        };
        if stated != wanted {
            return Err(Refused {
                code: "import_type_mismatch",
                text: format!(
                    "the module imports `{module}.{name}` as {stated}, the profile has it as {wanted}"
                ),
                hint: "the toolchain is made for another version of WASI; compile for wasm32-wasip1",
            });
        }
        let name = format!("{module}.{name}");
        if !uses.iter().any(|other| other.name == name) {
            uses.push(ImportUse { name, refused });
        }
    }
    Ok(uses)
}
