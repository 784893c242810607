//! Writes one function anew: its own operators byte for byte, and between them the counting.

mod ahead;
mod canonical;
mod counting;

pub(crate) use counting::settle_body;

use wasm_encoder::{BlockType, Encode, Instruction as I, ValType};
use wasmparser::{FunctionBody, Operator};

use crate::analysis::{Analysis, Op, PointKind};
use crate::calls::Rules;
use crate::nan::Repair;
use crate::{Error, Options};

/// Local variables that a function may have (WebAssembly JavaScript interface, implementation limits).
const LOCALS_MAX: usize = 50_000;

/// Local variables that are added for passing work, each with one type.
const SCRATCH: usize = 10;

/// What a function is written with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'m> {
    /// The whole module, which operators are copied from.
    pub(crate) module: &'m [u8],
    pub(crate) places: Places,
    /// Type of a block with the function's results.
    pub(crate) results: BlockType,
    /// Parameters and declared local variables together.
    pub(crate) locals: u32,
    pub(crate) rules: Rules,
    pub(crate) options: &'m Options,
}

/// Indices of what is added to the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places {
    /// The global with the fuel above the floor.
    pub(crate) fuel: u32,
    /// The global with what is left of the stack.
    pub(crate) depth: u32,
    /// The memory with the floor.
    pub(crate) floor: u32,
    /// The function that sets the floor anew, if there is room for one more.
    pub(crate) settle: Option<u32>,
}

/// A written function.
#[derive(Debug)]
pub(crate) struct Written {
    /// Declarations of local variables and code, without the length before them.
    pub(crate) bytes: Vec<u8>,
    /// Offsets in `bytes` of the branches that are hardly ever taken.
    pub(crate) unlikely: Vec<u32>,
    /// Offsets of the branches that are hardly ever not taken.
    pub(crate) likely: Vec<u32>,
    /// Whether it looks whether fuel is left.
    pub(crate) looks: bool,
}

struct Writer<'a, 'm> {
    around: Surroundings<'m>,
    analysis: &'a Analysis<'m>,
    code: Vec<u8>,
    unlikely: Vec<u32>,
    likely: Vec<u32>,
    looks: bool,
    /// Types of the local variables that are added, in order.
    added: Vec<ValType>,
    fuel: Option<u32>,
    depth: Option<u32>,
    scratch: [Option<u32>; SCRATCH],
}

/// Writes a function.
pub(crate) fn write(
    body: &FunctionBody<'_>,
    analysis: &Analysis<'_>,
    around: Surroundings<'_>,
) -> Result<Written, Error> {
    let mut writer = Writer {
        around,
        analysis,
        code: Vec::with_capacity(body.as_bytes().len() * 2),
        unlikely: Vec::new(),
        likely: Vec::new(),
        looks: false,
        added: Vec::new(),
        fuel: None,
        depth: None,
        scratch: [None; SCRATCH],
    };
    writer.write_code();
    if around.locals as usize + writer.added.len() > LOCALS_MAX {
        return Err(Error::Unsupported(
            "a function with almost as many local variables as there can be".into(),
        ));
    }
    let mut bytes = declarations(body, &writer.added)?;
    let before = u32::try_from(bytes.len()).map_err(|_| Error::TooLarge)?;
    let unlikely = writer.unlikely.iter().map(|offset| offset + before).collect();
    bytes.append(&mut writer.code);
    let likely = writer.likely.iter().map(|offset| offset + before).collect();
    Ok(Written { bytes, unlikely, likely, looks: writer.looks })
}

/// The function's own declarations with ours behind them.
fn declarations(body: &FunctionBody<'_>, added: &[ValType]) -> Result<Vec<u8>, Error> {
    let mut reader = body.get_binary_reader();
    let base = reader.original_position();
    let count = reader.read_var_u32()?;
    let start = reader.original_position() - base;
    let mut own = body.get_locals_reader()?;
    for _ in 0..count {
        own.read()?;
    }
    let end = own.original_position() - base;
    let added_count = u32::try_from(added.len()).map_err(|_| Error::TooLarge)?;
    let mut bytes = Vec::new();
    (count + added_count).encode(&mut bytes);
    bytes.extend_from_slice(&body.as_bytes()[start..end]);
    for ty in added {
        1u32.encode(&mut bytes);
        ty.encode(&mut bytes);
    }
    Ok(bytes)
}

impl Writer<'_, '_> {
    fn write_code(&mut self) {
        let analysis = self.analysis;
        let epilogue = self.needs_fuel_epilogue() || self.counts_depth();
        let wrapped = epilogue && analysis.early_exit;
        let mut points = analysis.points.iter().enumerate().peekable();
        let mut canonical = analysis.canonical.iter().peekable();
        let mut counted = analysis.counted.iter().peekable();
        let last = analysis.ops.len().saturating_sub(1);
        for (at, op) in analysis.ops.iter().enumerate() {
            while let Some((index, point)) = points.next_if(|(_, point)| point.before <= at) {
                match counted.peek().filter(|counted| counted.point == index) {
                    Some(counted) => self.pay_ahead(counted, point.cost),
                    None => self.write_point(point),
                }
                if point.kind == PointKind::Entry && wrapped {
                    self.put(&I::Block(self.around.results));
                }
            }
            if at == last {
                if wrapped {
                    self.put(&I::End);
                }
                self.write_epilogue();
            }
            if let Some(counted) = counted.next_if(|counted| counted.branch == at) {
                self.turn_back(counted);
                continue;
            }
            match canonical.next_if(|(site, repair)| *site == at && matches!(repair, Repair::Stored(_))) {
                Some((_, Repair::Stored(shape))) => self.write_store(op, *shape),
                _ => self.write_operator(op, wrapped),
            }
            while let Some((_, Repair::Value(shape))) = canonical.next_if(|(site, _)| *site <= at) {
                self.write_canonical(*shape);
            }
        }
    }

    fn put(&mut self, instruction: &I<'_>) {
        instruction.encode(&mut self.code);
    }

    fn put_all(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            self.put(instruction);
        }
    }

    fn local(&mut self, ty: ValType) -> u32 {
        self.added.push(ty);
        // Both are far below 2³²: `write` refuses what comes out with too many.
        self.around.locals + self.added.len() as u32 - 1
    }

    fn fuel(&mut self) -> u32 {
        match self.fuel {
            Some(fuel) => fuel,
            None => {
                let fuel = self.local(ValType::I64);
                self.fuel = Some(fuel);
                fuel
            }
        }
    }

    fn depth(&mut self) -> u32 {
        match self.depth {
            Some(depth) => depth,
            None => {
                let depth = self.local(ValType::I64);
                self.depth = Some(depth);
                depth
            }
        }
    }

    fn scratch(&mut self, ty: ValType, slot: usize) -> u32 {
        match self.scratch[slot] {
            Some(local) => local,
            None => {
                let local = self.local(ty);
                self.scratch[slot] = Some(local);
                local
            }
        }
    }

    /// A branch that is hardly ever taken: its code is laid out of the way.
    fn put_unlikely_if(&mut self) {
        // A function's code is far below 4 GiB: the module is.
        self.unlikely.push(self.code.len() as u32);
        self.put(&I::If(BlockType::Empty));
    }

    fn write_operator(&mut self, op: &Op<'_>, wrapped: bool) {
        let bytes = &self.around.module[op.start..op.end];
        match &op.operator {
            // The block around the body stands where the function's own label stood.
            Operator::Return if wrapped => self.put(&I::Br(op.depth - 1)),
            _ if !op.live => self.code.extend_from_slice(bytes),
            Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => {
                self.take_bytes();
                self.code.extend_from_slice(bytes);
            }
            Operator::TableCopy { .. } | Operator::TableFill { .. } | Operator::TableInit { .. } => {
                self.take_entries();
                self.code.extend_from_slice(bytes);
            }
            Operator::MemoryGrow { .. } => self.write_growth(bytes, self.around.options.costs.page),
            Operator::TableGrow { .. } => self.write_growth(bytes, self.around.options.costs.entry),
            _ => self.code.extend_from_slice(bytes),
        }
    }
}
