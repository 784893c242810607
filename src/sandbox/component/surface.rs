//! What of a component the gate looks at: its imports and exports, and what all the core modules inside it add up to once
//! every instance is made.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Instance, Parser, Payload,
};

use crate::sandbox::shape::Shape;

/// Sums over everything that instantiating something makes. They saturate: what saturates is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Instances of core modules and of components.
    pub(super) instances: u64,
    /// Linear memory at the start, in bytes.
    pub(super) memory_bytes: u64,
    /// Table entries at the start.
    pub(super) table_entries: u64,
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.instances = self.instances.saturating_add(other.instances);
        self.memory_bytes = self.memory_bytes.saturating_add(other.memory_bytes);
        self.table_entries = self.table_entries.saturating_add(other.table_entries);
    }
}

/// A component from the outside, and its sums.
#[derive(Debug, Default)]
pub(super) struct Surface {
    /// Names of the outermost imports, and whether each is an instance.
    pub(super) imports: Vec<(String, bool)>,
    /// Names of the outermost exports.
    pub(super) exports: Vec<String>,
    /// Depth of the deepest component; 1 for one without components inside.
    pub(super) depth: u64,
    /// Core modules in the file.
    pub(super) modules: u64,
    /// Bytes times local variables of the heaviest function of each core module, added up.
    pub(super) functions: u64,
    pub(super) shape: Shape,
    pub(super) totals: Totals,
    /// Something that is passed around as a value and could not be counted: the first one's name.
    pub(super) uncounted: Option<&'static str>,
}

/// A module or component that is being read.
#[derive(Default)]
struct Frame {
    component: bool,
    modules: Vec<Totals>,
    components: Vec<Totals>,
    totals: Totals,
    heaviest: u64,
    shape: Shape,
}

const PAGE_BYTES: u64 = 65_536;

impl Surface {
    /// Reads a component that has been validated.
    ///
    /// # Errors
    /// Where it is cut off or not a component.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut surface = Self::default();
        let mut frames: Vec<Frame> = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            surface.take(&mut frames, payload?)?;
        }
        Ok(surface)
    }

    fn take(&mut self, frames: &mut Vec<Frame>, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::Version { encoding, .. } => {
                let component = encoding == Encoding::Component;
                frames.push(Frame { component, ..Frame::default() });
                match component {
                    true => self.depth = self.depth.max(frames.len() as u64),
                    false => self.modules += 1,
                }
            }
            Payload::End(_) => self.close(frames),
            payload => {
                let outermost = frames.len() == 1;
                let Some((frame, outer)) = frames.split_last_mut() else { return Ok(()) };
                if frame.component {
                    self.take_component(frame, outer, outermost, payload)?;
                } else {
                    take_module(frame, payload)?;
                }
            }
        }
        Ok(())
    }

    /// What ended becomes the next entry of an index space of what is around it.
    fn close(&mut self, frames: &mut Vec<Frame>) {
        let Some(ended) = frames.pop() else { return };
        self.functions = self.functions.saturating_add(ended.heaviest);
        self.shape = self.shape.max(ended.shape);
        match frames.last_mut() {
            None => self.totals = ended.totals,
            Some(around) if ended.component => around.components.push(ended.totals),
            Some(around) => around.modules.push(ended.totals),
        }
    }

    fn take_component(
        &mut self,
        frame: &mut Frame,
        outer: &[Frame],
        outermost: bool,
        payload: Payload<'_>,
    ) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    match import.ty {
                        ComponentTypeRef::Module(_) => self.uncounted = Some("an imported core module"),
                        ComponentTypeRef::Component(_) => self.uncounted = Some("an imported component"),
                        _ => {}
                    }
                    if outermost {
                        let instance = matches!(import.ty, ComponentTypeRef::Instance(_));
                        self.imports.push((import.name.name.to_string(), instance));
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.count_kind(export.kind);
                    if outermost {
                        self.exports.push(export.name.name.to_string());
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.take_alias(frame, outer, &alias?);
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    let made = match instance? {
                        Instance::Instantiate { module_index, .. } => get(&frame.modules, module_index),
                        Instance::FromExports(_) => Totals::default(),
                    };
                    frame.totals.add(Totals { instances: made.instances.saturating_add(1), ..made });
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    let made = match instance? {
                        ComponentInstance::Instantiate { component_index, .. } => {
                            get(&frame.components, component_index)
                        }
                        ComponentInstance::FromExports(_) => Totals::default(),
                    };
                    frame.totals.add(Totals { instances: made.instances.saturating_add(1), ..made });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_alias(&mut self, frame: &mut Frame, outer: &[Frame], alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::InstanceExport { kind, .. } => self.count_kind(kind),
            ComponentAlias::CoreInstanceExport { .. } => {}
            ComponentAlias::Outer { kind, count, index } => {
                // A count of 0 is the component itself.
                let around = match (count as usize).checked_sub(1) {
                    None => Some(&*frame),
                    Some(up) => outer.iter().rev().nth(up),
                };
                let Some(around) = around else { return };
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let aliased = get(&around.modules, index);
                        frame.modules.push(aliased);
                    }
                    ComponentOuterAliasKind::Component => {
                        let aliased = get(&around.components, index);
                        frame.components.push(aliased);
                    }
                    ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
                }
            }
        }
    }

    /// Modules and components that travel through exports could be instantiated where nobody counts.
    fn count_kind(&mut self, kind: ComponentExternalKind) {
        match kind {
            ComponentExternalKind::Module => self.uncounted = Some("an exported core module"),
            ComponentExternalKind::Component => self.uncounted = Some("an exported component"),
            _ => {}
        }
    }
}

/// An entry of an index space; one that is missing saturates and is so refused.
fn get(space: &[Totals], index: u32) -> Totals {
    let absent = Totals { instances: u64::MAX, ..Totals::default() };
    space.get(index as usize).copied().unwrap_or(absent)
}

fn take_module(frame: &mut Frame, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
    match payload {
        Payload::MemorySection(section) => {
            for memory in section {
                let bytes = memory?.initial.saturating_mul(PAGE_BYTES);
                frame.totals.memory_bytes = frame.totals.memory_bytes.saturating_add(bytes);
            }
        }
        Payload::TableSection(section) => {
            for table in section {
                frame.totals.table_entries = frame.totals.table_entries.saturating_add(table?.ty.initial);
            }
        }
        Payload::CodeSectionEntry(body) => {
            let locals = frame.shape.meet(&body)?.saturating_add(1);
            frame.heaviest = frame.heaviest.max(locals.saturating_mul(body.as_bytes().len() as u64));
        }
        _ => {}
    }
    Ok(())
}
