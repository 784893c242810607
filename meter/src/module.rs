//! Puts the rewritten module together. Everything new is appended to its index space, so no index changes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use wasm_encoder::{
    BlockType, BranchHint, BranchHints, CodeSection, Encode, ExportKind, ExportSection, Module, RawSection,
};
use wasmparser::{
    BinaryReader, CompositeInnerType, DataKind, Encoding, ExternalKind, FuncToValidate,
    FuncValidatorAllocations, FunctionBody, Parser, Payload, ValType, ValidPayload, Validator,
    ValidatorResources, WasmFeatures, WasmModuleResources,
};

use crate::body::{self, Surroundings, Written};
use crate::{CELLS, ENTRY, Error, Options, analysis};

/// Numbers of sections.
const CUSTOM: u8 = 0;
const TYPE: u8 = 1;
const FUNCTION: u8 = 3;
const MEMORY: u8 = 5;
const EXPORT: u8 = 7;
const CODE: u8 = 10;
/// What a function type begins with; the number of its parameters follows.
const FUNCTION_TYPE: u8 = 0x60;
/// The order in which sections stand. The start section is missing: the entry function calls the start function.
const ORDER: [u8; 12] = [TYPE, 2, FUNCTION, 4, MEMORY, 13, 6, EXPORT, 9, 12, CODE, 11];

/// What is known of the module before its functions are written.
#[derive(Default)]
struct Outline {
    /// Where the content of each section lies, by its number. Custom sections are left behind: they run nothing.
    sections: BTreeMap<u8, Range<usize>>,
    type_count: u32,
    /// Functions altogether, the imported ones first.
    function_count: u32,
    imported_functions: u32,
    memory_count: u32,
    exports: Vec<(String, ExportKind, u32)>,
    start: Option<u32>,
    startup: u64,
}

/// Fuel for setting a module up: data segments, first pages of memory, first entries of tables. The host takes it from the
/// limit before the run.
///
/// # Errors
/// [`Error::Invalid`] when the module cannot be read.
pub fn startup(module: &[u8], options: &Options) -> Result<u64, Error> {
    let mut outline = Outline::default();
    for payload in Parser::new(0).parse_all(module) {
        outline.take(&payload?, options)?;
    }
    Ok(outline.startup)
}

/// Types that are appended: of blocks with several results, and of the entry function.
#[derive(Default)]
struct NewTypes {
    first: u32,
    results: Vec<Vec<ValType>>,
    index: HashMap<Vec<ValType>, u32>,
}

/// Rewrites a module that is valid under `features`.
///
/// # Errors
/// [`Error::Invalid`] when it is not; [`Error::Unsupported`] when it uses something that cannot be metered.
pub fn rewrite(module: &[u8], features: WasmFeatures, options: &Options) -> Result<Vec<u8>, Error> {
    let mut validator = Validator::new_with_features(features);
    let mut outline = Outline::default();
    let mut bodies: Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'_>)> = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            bodies.push((function, body));
        }
        outline.take(&payload, options)?;
    }
    let mut types = NewTypes { first: outline.type_count, ..NewTypes::default() };
    let entry_type = types.of(&[ValType::I32]);
    let mut code = CodeSection::new();
    let mut hints = BranchHints::new();
    let mut hinted = false;
    let mut allocations = FuncValidatorAllocations::default();
    for (index, (function, body)) in (outline.imported_functions..).zip(bodies) {
        let mut checker = function.into_validator(std::mem::take(&mut allocations));
        let written = write_function(module, &outline, &mut types, &mut checker, &body, options)?;
        allocations = checker.into_allocations();
        code.raw(&written.bytes);
        let hint = |offset: &u32, value| BranchHint { branch_func_offset: *offset, branch_hint_value: value };
        let unlikely = written.unlikely.iter().map(|offset| hint(offset, 0));
        let mut all: Vec<_> = unlikely.chain(written.likely.iter().map(|offset| hint(offset, 1))).collect();
        if !all.is_empty() {
            hinted = true;
            all.sort_by_key(|hint| hint.branch_func_offset);
            hints.function_hints(index, all);
        }
    }
    code.raw(&entry_body(&outline));
    let hints = hinted.then_some(&hints);
    Assembly { module, outline: &outline, types: &types, entry_type, keep_exports: options.keep_exports }
        .put_together(&code, hints)
}

/// The parts of the new module.
struct Assembly<'a> {
    module: &'a [u8],
    outline: &'a Outline,
    types: &'a NewTypes,
    entry_type: u32,
    keep_exports: bool,
}

impl Assembly<'_> {
    fn put_together(&self, code: &CodeSection, hints: Option<&BranchHints>) -> Result<Vec<u8>, Error> {
        let mut out = Module::new();
        for id in ORDER {
            match id {
                TYPE => {
                    let mut added = Vec::new();
                    for results in &self.types.results {
                        added.extend([FUNCTION_TYPE, 0]);
                        results.len().encode(&mut added);
                        for ty in results {
                            value_type(*ty)?.encode(&mut added);
                        }
                    }
                    self.appended(&mut out, TYPE, self.types.results.len(), &added)?;
                }
                FUNCTION => {
                    let mut added = Vec::new();
                    self.entry_type.encode(&mut added);
                    self.appended(&mut out, FUNCTION, 1, &added)?;
                }
                // One page, and never more.
                MEMORY => self.appended(&mut out, MEMORY, 1, &[1, 1, 1])?,
                EXPORT => {
                    out.section(&self.exports());
                }
                CODE => {
                    if let Some(hints) = hints {
                        out.section(hints);
                    }
                    out.section(code);
                }
                id => {
                    if let Some(range) = self.outline.sections.get(&id) {
                        out.section(&RawSection { id, data: &self.module[range.clone()] });
                    }
                }
            }
        }
        Ok(out.finish())
    }

    /// A section of the old module with entries behind it.
    fn appended(&self, out: &mut Module, id: u8, count: usize, entries: &[u8]) -> Result<(), Error> {
        let mut data = Vec::new();
        let count = u32::try_from(count).map_err(|_| Error::TooLarge)?;
        match self.outline.sections.get(&id) {
            Some(range) => {
                let mut reader = BinaryReader::new(&self.module[range.clone()], 0);
                (reader.read_var_u32()? + count).encode(&mut data);
                let position = reader.original_position();
                data.extend_from_slice(&self.module[range.clone()][position..]);
            }
            None => count.encode(&mut data),
        }
        data.extend_from_slice(entries);
        out.section(&RawSection { id, data: &data });
        Ok(())
    }

    fn exports(&self) -> ExportSection {
        let mut exports = ExportSection::new();
        for (name, kind, index) in &self.outline.exports {
            if self.keep_exports || name == "memory" {
                exports.export(name, *kind, *index);
            }
        }
        exports.export(ENTRY, ExportKind::Func, self.outline.function_count);
        exports.export(CELLS, ExportKind::Memory, self.outline.memory_count);
        exports
    }
}

fn write_function(
    module: &[u8],
    outline: &Outline,
    types: &mut NewTypes,
    checker: &mut wasmparser::FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
    options: &Options,
) -> Result<Written, Error> {
    let index = checker.index();
    let ty = checker.resources().type_index_of_function(index);
    let ty = ty.and_then(|ty| checker.resources().sub_type_at(ty)).map(|ty| ty.composite_type.inner.clone());
    let Some(CompositeInnerType::Func(ty)) = ty else {
        return Err(Error::Unsupported(format!("function {index}, which has no function type")));
    };
    let analysed = analysis::analyse(body, checker, ty.params().len(), ty.results(), options)?;
    let results = match ty.results() {
        [] => BlockType::Empty,
        [one] => BlockType::Result(value_type(*one)?),
        _ if !analysed.early_exit => BlockType::Empty,
        several => BlockType::FunctionType(types.of(several)),
    };
    let around =
        Surroundings { module, cells: outline.memory_count, results, locals: checker.len_locals(), options };
    body::write(body, &analysed, around)
}

fn value_type(ty: ValType) -> Result<wasm_encoder::ValType, Error> {
    ty.try_into().map_err(|_| Error::Unsupported(format!("the type {ty}")))
}

impl NewTypes {
    /// Index of the function type without parameters and with these results.
    fn of(&mut self, results: &[ValType]) -> u32 {
        if let Some(index) = self.index.get(results) {
            return *index;
        }
        // There are at most a million types, which the validator has checked.
        let index = self.first + self.results.len() as u32;
        self.results.push(results.to_vec());
        self.index.insert(results.to_vec(), index);
        index
    }
}

impl Outline {
    fn take(&mut self, payload: &Payload<'_>, options: &Options) -> Result<(), Error> {
        let costs = &options.costs;
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Err(Error::Unsupported("components, only core modules".into()));
            }
            Payload::TypeSection(section) => {
                for group in section.clone() {
                    self.type_count += group?.types().len() as u32;
                }
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    match import?.ty {
                        // The validator lets it pass under any features, and no engine reads it.
                        wasmparser::TypeRef::FuncExact(_) => {
                            return Err(Error::Unsupported("imports of an exact type".into()));
                        }
                        wasmparser::TypeRef::Func(_) => {
                            self.imported_functions += 1;
                            self.function_count += 1;
                        }
                        wasmparser::TypeRef::Memory(_) => self.memory_count += 1,
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(section) => {
                self.function_count += section.count();
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let entries = table?.ty.initial;
                    self.startup =
                        self.startup.saturating_add(entries.saturating_mul(u64::from(costs.entry)));
                }
            }
            Payload::MemorySection(section) => {
                self.memory_count += section.count();
                for memory in section.clone() {
                    let pages = memory?.initial;
                    self.startup = self.startup.saturating_add(pages.saturating_mul(u64::from(costs.page)));
                }
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    self.exports.push((export.name.into(), export_kind(export.kind)?, export.index));
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(*func),
            Payload::DataSection(section) => {
                for data in section.clone() {
                    let data = data?;
                    if matches!(data.kind, DataKind::Active { .. }) {
                        self.startup += data.data.len() as u64 >> costs.bytes_shift;
                    }
                }
            }
            Payload::ElementSection(section) => {
                self.startup += u64::from(section.count()) * u64::from(costs.entry);
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section().filter(|(id, _)| *id != CUSTOM) {
            self.sections.insert(id, range);
        }
        Ok(())
    }

    fn exported(&self, name: &str) -> Option<(ExportKind, u32)> {
        self.exports.iter().find(|(export, ..)| export == name).map(|(_, kind, index)| (*kind, *index))
    }
}

fn export_kind(kind: ExternalKind) -> Result<ExportKind, Error> {
    Ok(match kind {
        ExternalKind::Func => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Tag => ExportKind::Tag,
        other => return Err(Error::Unsupported(format!("exports of the kind {other:?}"))),
    })
}

/// The function that the host calls: what ran at instantiation, then the program, whose exit code it returns.
fn entry_body(outline: &Outline) -> Vec<u8> {
    let mut function = wasm_encoder::Function::new([]);
    if let Some(start) = outline.start {
        function.instructions().call(start);
    }
    let program = |name| match outline.exported(name) {
        Some((ExportKind::Func, index)) => Some(index),
        _ => None,
    };
    match (program("_start"), program("run")) {
        (Some(start), _) => {
            function.instructions().call(start).i32_const(0);
        }
        (None, Some(run)) => {
            if let Some(initialize) = program("_initialize") {
                function.instructions().call(initialize);
            }
            function.instructions().call(run);
        }
        (None, None) => {
            function.instructions().i32_const(0);
        }
    }
    function.instructions().end();
    function.into_raw_body()
}
