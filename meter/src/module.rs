//! Puts the rewritten module together. Everything new is appended to its index space, so no index changes.

use std::collections::HashMap;

use wasm_encoder::{
    BlockType, BranchHint, BranchHints, CodeSection, Encode, ExportKind, ExportSection, MemArg, Module,
    RawSection,
};
use wasmparser::{
    BinaryReader, CompositeInnerType, FuncToValidate, FuncType, FuncValidator, FuncValidatorAllocations,
    FunctionBody, Parser, ValType, ValidPayload, Validator, ValidatorResources, WasmFeatures,
    WasmModuleResources,
};

use crate::body::{self, Places, Surroundings, Written};
use crate::calls::{Calls, Rules, Summary};
use crate::outline::Outline;
use crate::{DEPTH, ENTRY, Error, FLOOR, FLOOR_BYTES, FUEL, Options, SLICE, analysis};

/// Numbers of sections.
const TYPE: u8 = 1;
const FUNCTION: u8 = 3;
const MEMORY: u8 = 5;
const GLOBAL: u8 = 6;
const EXPORT: u8 = 7;
const CODE: u8 = 10;
/// Type of the memory with the floor: a maximum, which is what it begins with, and pages of 2⁰ bytes.
const FLOOR_TYPE: [u8; 6] = {
    // The size as a number of two bytes, seven bits in each.
    let (low, high) = ((FLOOR_BYTES & 0x7f) as u8 | 0x80, (FLOOR_BYTES >> 7) as u8);
    [0b1001, low, high, low, high, 0]
};
/// Types, functions and globals that a module can have (WebAssembly JavaScript interface, implementation limits).
const COUNT_MAX: u32 = 1_000_000;
/// A global: `i64`, mutable, `i64.const 0`, `end`.
const COUNTER: [u8; 5] = [0x7e, 1, 0x42, 0, 0x0b];
/// What a function type begins with; the number of its parameters follows.
const FUNCTION_TYPE: u8 = 0x60;
/// Type of the entry function: two parameters `i64`, and one result `i32`.
const ENTRY_TYPE: [u8; 6] = [FUNCTION_TYPE, 2, 0x7e, 0x7e, 1, 0x7f];
/// Type of the function that sets the floor anew: from `i64` to `i64`.
const SETTLE_TYPE: [u8; 5] = [FUNCTION_TYPE, 1, 0x7e, 1, 0x7e];
/// The order in which sections stand. The start section is missing: the entry function calls the start function.
const ORDER: [u8; 12] = [TYPE, 2, FUNCTION, 4, MEMORY, 13, GLOBAL, EXPORT, 9, 12, CODE, 11];

/// Types that are appended behind those of the functions that are: of blocks with several results.
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
    let entry_type = outline.type_count;
    let places = places(&outline);
    let first = entry_type + 1 + u32::from(places.settle.is_some());
    let mut types = NewTypes { first, ..NewTypes::default() };
    let mut code = CodeSection::new();
    let mut hints = BranchHints::new();
    let (mut hinted, mut looks) = (false, false);
    let mut allocations = FuncValidatorAllocations::default();
    let calls = survey(&outline, &bodies, &mut allocations, options)?;
    for (index, (function, body)) in (outline.imported_functions..).zip(bodies) {
        let mut checker = function.into_validator(std::mem::take(&mut allocations));
        let rules = calls.rules[index as usize];
        let written = write_function(module, &mut types, &mut checker, &body, rules, places, options)?;
        allocations = checker.into_allocations();
        code.raw(&written.bytes);
        looks |= written.looks;
        let hint = |offset: &u32, value| BranchHint { branch_func_offset: *offset, branch_hint_value: value };
        let unlikely = written.unlikely.iter().map(|offset| hint(offset, 0));
        let mut all: Vec<_> = unlikely.chain(written.likely.iter().map(|offset| hint(offset, 1))).collect();
        if !all.is_empty() {
            hinted = true;
            all.sort_by_key(|hint| hint.branch_func_offset);
            hints.function_hints(index, all);
        }
    }
    // What is appended has to fit, too.
    let counts =
        [types.first + types.results.len() as u32, outline.function_count + 1, outline.global_count + 2];
    if counts.iter().any(|count| *count > COUNT_MAX) {
        return Err(Error::TooLarge);
    }
    code.raw(&entry_body(&outline, &calls, places, looks));
    let settle = places.settle.filter(|_| looks);
    if settle.is_some() {
        code.raw(&body::settle_body(places));
    }
    let hints = hinted.then_some(&hints);
    let keep_exports = options.keep_exports;
    Assembly { module, outline: &outline, types: &types, entry_type, keep_exports, places, looks }
        .put_together(&code, hints)
}

/// The parts of the new module.
struct Assembly<'a> {
    module: &'a [u8],
    outline: &'a Outline,
    types: &'a NewTypes,
    entry_type: u32,
    keep_exports: bool,
    places: Places,
    /// Some function looks at the floor, so there has to be one.
    looks: bool,
}

impl Assembly<'_> {
    fn put_together(&self, code: &CodeSection, hints: Option<&BranchHints>) -> Result<Vec<u8>, Error> {
        let mut out = Module::new();
        for id in ORDER {
            match id {
                TYPE => {
                    let mut added = ENTRY_TYPE.to_vec();
                    if self.places.settle.is_some() {
                        added.extend(SETTLE_TYPE);
                    }
                    for results in &self.types.results {
                        added.extend([FUNCTION_TYPE, 0]);
                        results.len().encode(&mut added);
                        for ty in results {
                            value_type(*ty)?.encode(&mut added);
                        }
                    }
                    let before = self.types.first - self.entry_type;
                    self.appended(&mut out, TYPE, before as usize + self.types.results.len(), &added)?;
                }
                FUNCTION => {
                    let mut added = Vec::new();
                    self.entry_type.encode(&mut added);
                    let settle = self.places.settle.filter(|_| self.looks);
                    if settle.is_some() {
                        (self.entry_type + 1).encode(&mut added);
                    }
                    self.appended(&mut out, FUNCTION, 1 + usize::from(settle.is_some()), &added)?;
                }
                MEMORY if self.looks => self.appended(&mut out, MEMORY, 1, &FLOOR_TYPE)?,
                GLOBAL => self.appended(&mut out, GLOBAL, 2, &[COUNTER, COUNTER].concat())?,
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
        exports.export(FUEL, ExportKind::Global, self.places.fuel);
        exports.export(DEPTH, ExportKind::Global, self.places.depth);
        if self.looks {
            exports.export(FLOOR, ExportKind::Memory, self.places.floor);
        }
        exports
    }
}

fn write_function(
    module: &[u8],
    types: &mut NewTypes,
    checker: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
    rules: Rules,
    places: Places,
    options: &Options,
) -> Result<Written, Error> {
    let ty = function_type(checker)?;
    let analysed = analysis::analyse(body, checker, ty.params().len(), ty.results(), options)?;
    let results = match ty.results() {
        [] => BlockType::Empty,
        [one] => BlockType::Result(value_type(*one)?),
        _ if !analysed.early_exit => BlockType::Empty,
        several => BlockType::FunctionType(types.of(several)),
    };
    let around = Surroundings { module, places, results, locals: checker.len_locals(), rules, options };
    body::write(body, &analysed, around)
}

/// Where what is added comes to lie.
fn places(outline: &Outline) -> Places {
    // Each function may need one more type, so this is room for one more function, too. What is full to the brim does without.
    let types = outline.type_count.saturating_add(outline.function_count).saturating_add(2);
    let room = types <= COUNT_MAX;
    Places {
        fuel: outline.global_count,
        depth: outline.global_count + 1,
        floor: outline.memory_count,
        settle: room.then_some(outline.function_count + 1),
    }
}

fn function_type(checker: &FuncValidator<ValidatorResources>) -> Result<FuncType, Error> {
    let index = checker.index();
    let ty = checker.resources().type_index_of_function(index);
    match ty.and_then(|ty| checker.resources().sub_type_at(ty)).map(|ty| &ty.composite_type.inner) {
        Some(CompositeInnerType::Func(ty)) => Ok(ty.clone()),
        _ => Err(Error::Unsupported(format!("function {index}, which has no function type"))),
    }
}

/// A first walk over all functions, which keeps only what they have to know of each other: the walk is short beside
/// compiling, and what it finds is large.
fn survey(
    outline: &Outline,
    bodies: &[(FuncToValidate<ValidatorResources>, FunctionBody<'_>)],
    allocations: &mut FuncValidatorAllocations,
    options: &Options,
) -> Result<Calls, Error> {
    let mut summaries: Vec<Summary> = Vec::new();
    summaries.resize_with(outline.imported_functions as usize, Summary::default);
    for (function, body) in bodies {
        let again = FuncToValidate {
            resources: function.resources.clone(),
            index: function.index,
            ty: function.ty,
            features: function.features,
        };
        let mut checker = again.into_validator(std::mem::take(allocations));
        let ty = function_type(&checker)?;
        let analysed = analysis::analyse(body, &mut checker, ty.params().len(), ty.results(), options)?;
        summaries.push(Summary { ty: Some(ty), ..analysed.summary });
        *allocations = checker.into_allocations();
    }
    Ok(Calls::decide(&summaries, &outline.named))
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

/// The function that the host calls with the limits of fuel and stack: what ran at instantiation, then the program, whose exit
/// code it returns. Before them it sets floor and globals and takes the stack for all frames that nobody counts.
fn entry_body(outline: &Outline, calls: &Calls, places: Places, looks: bool) -> Vec<u8> {
    let exported = |name| match outline.exported(name) {
        Some((ExportKind::Func, index)) => Some(index),
        _ => None,
    };
    let (first, interpreter) = match (exported("_start"), exported("run")) {
        (Some(start), _) => (Some(start), None),
        (None, Some(run)) => (exported("_initialize"), Some(run)),
        (None, None) => (None, None),
    };
    let functions = [outline.start, first, interpreter];
    let stack = functions.iter().flatten().map(|function| calls.stack(*function)).max().unwrap_or(0);
    let stack = i64::try_from(stack).unwrap_or(i64::MAX);
    let Places { fuel, depth, .. } = places;
    let floor = MemArg { offset: 0, align: 3, memory_index: places.floor };
    let mut function = wasm_encoder::Function::new([]);
    let mut code = function.instructions();
    if looks {
        code.i32_const(0).local_get(0).i64_const(-SLICE).i64_and().i64_store(floor);
        code.local_get(0).i64_const(SLICE - 1).i64_and().global_set(fuel);
    } else {
        // All of it is above a floor of 0.
        code.local_get(0).global_set(fuel);
    }
    code.local_get(1).i64_const(stack).i64_sub().local_tee(1).global_set(depth);
    code.local_get(1).i64_const(0).i64_lt_s().if_(BlockType::Empty).unreachable().end();
    for index in functions.into_iter().flatten() {
        code.call(index);
    }
    if interpreter.is_none() {
        code.i32_const(0);
    }
    code.global_get(depth).i64_const(stack).i64_add().global_set(depth).end();
    function.into_raw_body()
}

#[cfg(test)]
mod tests {
    use super::{COUNT_MAX, Outline, places};

    #[test]
    fn a_function_is_appended_where_there_is_room_for_it_and_its_type() {
        let settle = |type_count, function_count| {
            places(&Outline { type_count, function_count, ..Outline::default() }).settle
        };
        assert_eq!(settle(3, 5), Some(6));
        // Each function may need a type for its results.
        assert_eq!(settle(COUNT_MAX - 7, 5), Some(6));
        assert_eq!(settle(COUNT_MAX - 6, 5), None);
        assert_eq!(settle(0, COUNT_MAX - 2), Some(COUNT_MAX - 1));
        assert_eq!(settle(0, COUNT_MAX - 1), None);
    }
}
