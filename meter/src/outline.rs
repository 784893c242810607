//! What is known of a module before its functions are written, and what setting it up costs.

use std::collections::BTreeMap;
use std::ops::Range;

use wasm_encoder::ExportKind;
use wasmparser::{
    ConstExpr, DataKind, ElementItems, Encoding, ExternalKind, Operator, Parser, Payload, TableInit,
};

use crate::{Error, Options};

/// Number of custom sections.
const CUSTOM: u8 = 0;

/// What is known of the module before its functions are written.
#[derive(Default)]
pub(crate) struct Outline {
    /// Where the content of each section lies, by its number. Custom sections are left behind: they run nothing.
    pub(crate) sections: BTreeMap<u8, Range<usize>>,
    pub(crate) type_count: u32,
    /// Functions altogether, the imported ones first.
    pub(crate) function_count: u32,
    pub(crate) imported_functions: u32,
    pub(crate) memory_count: u32,
    pub(crate) global_count: u32,
    pub(crate) exports: Vec<(String, ExportKind, u32)>,
    pub(crate) start: Option<u32>,
    /// Functions that element segments, globals and tables name.
    pub(crate) named: Vec<u32>,
    pub(crate) startup: u64,
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

impl Outline {
    pub(crate) fn take(&mut self, payload: &Payload<'_>, options: &Options) -> Result<(), Error> {
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
                        wasmparser::TypeRef::Global(_) => self.global_count += 1,
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(section) => {
                self.function_count += section.count();
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let table = table?;
                    if let TableInit::Expr(value) = &table.init {
                        self.name(value)?;
                    }
                    let entries = table.ty.initial;
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
            Payload::GlobalSection(section) => {
                self.global_count += section.count();
                for global in section.clone() {
                    self.name(&global?.init_expr)?;
                }
            }
            Payload::ElementSection(section) => {
                for element in section.clone() {
                    match element?.items {
                        ElementItems::Functions(functions) => {
                            for function in functions {
                                self.named.push(function?);
                            }
                        }
                        ElementItems::Expressions(_, values) => {
                            for value in values {
                                self.name(&value?)?;
                            }
                        }
                    }
                }
                self.startup += u64::from(section.count()) * u64::from(costs.entry);
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section().filter(|(id, _)| *id != CUSTOM) {
            self.sections.insert(id, range);
        }
        Ok(())
    }

    /// Notes the functions that a constant names.
    fn name(&mut self, value: &ConstExpr<'_>) -> Result<(), Error> {
        for operator in value.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.named.push(function_index);
            }
        }
        Ok(())
    }

    pub(crate) fn exported(&self, name: &str) -> Option<(ExportKind, u32)> {
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
