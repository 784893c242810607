//! Writes one function anew: its own operators byte for byte, and between them the counting.

use wasm_encoder::{BlockType, Encode, Ieee32, Ieee64, Instruction as I, MemArg, ValType};
use wasmparser::{FunctionBody, Operator};

use crate::analysis::{Analysis, Op, Point, PointKind};
use crate::nan::Shape;
use crate::{DEPTH_CELL, Error, FUEL_CELL, Options};

const CANONICAL_F32: u32 = 0x7fc0_0000;
const CANONICAL_F64: u64 = 0x7ff8_0000_0000_0000;

/// Local variables that a function may have (WebAssembly JavaScript interface, implementation limits).
const LOCALS_MAX: usize = 50_000;

/// What a function is written with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'m> {
    /// The whole module, which operators are copied from.
    pub(crate) module: &'m [u8],
    /// Index of the memory that holds the cells.
    pub(crate) cells: u32,
    /// Type of a block with the function's results.
    pub(crate) results: BlockType,
    /// Parameters and declared local variables together.
    pub(crate) locals: u32,
    pub(crate) options: &'m Options,
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
}

struct Writer<'a, 'm> {
    around: Surroundings<'m>,
    analysis: &'a Analysis<'m>,
    code: Vec<u8>,
    unlikely: Vec<u32>,
    likely: Vec<u32>,
    /// Types of the local variables that are added, in order.
    added: Vec<ValType>,
    fuel: Option<u32>,
    depth: Option<u32>,
    scratch: [Option<u32>; 5],
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
        added: Vec::new(),
        fuel: None,
        depth: None,
        scratch: [None; 5],
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
    Ok(Written { bytes, unlikely, likely })
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
        let mut points = analysis.points.iter().peekable();
        let mut canonical = analysis.canonical.iter().peekable();
        let last = analysis.ops.len().saturating_sub(1);
        for (at, op) in analysis.ops.iter().enumerate() {
            while let Some(point) = points.next_if(|point| point.before <= at) {
                self.write_point(point);
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
            self.write_operator(op, wrapped);
            while let Some((_, shape)) = canonical.next_if(|(site, _)| *site <= at) {
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

    fn cell(&self, offset: u64) -> MemArg {
        MemArg { offset, align: 3, memory_index: self.around.cells }
    }

    /// A branch that is hardly ever taken: its code is laid out of the way.
    fn put_unlikely_if(&mut self) {
        // A function's code is far below 4 GiB: the module is.
        self.unlikely.push(self.code.len() as u32);
        self.put(&I::If(BlockType::Empty));
    }

    fn recorded(&self, point: &Point) -> bool {
        let always = match point.kind {
            PointKind::Loop => true,
            PointKind::Entry => self.analysis.calls,
            PointKind::Return | PointKind::Plain => false,
        };
        always || point.recorded || self.analysis.catches
    }

    /// Whether some region's charge stands only in the local variable when the function ends.
    fn needs_fuel_epilogue(&self) -> bool {
        self.analysis
            .points
            .iter()
            .any(|point| point.cost > 0 && !self.recorded(point) && !self.is_leaf_entry(point))
    }

    /// A function that calls nothing and never loops is paid for and left; there is nothing to check it against.
    fn is_leaf(&self) -> bool {
        !self.analysis.calls && !self.analysis.loops
    }

    /// The only charge of a function goes straight to the cell.
    fn is_leaf_entry(&self, point: &Point) -> bool {
        point.kind == PointKind::Entry && self.is_leaf() && self.analysis.points.len() == 1
    }

    fn counts_depth(&self) -> bool {
        self.analysis.calls
    }

    fn write_point(&mut self, point: &Point) {
        match point.kind {
            PointKind::Entry => self.write_entry(point),
            PointKind::Return => {
                self.load_fuel();
                if self.analysis.catches && self.counts_depth() {
                    let depth = self.depth();
                    let cell = self.cell(DEPTH_CELL);
                    self.put_all(&[I::I32Const(0), I::LocalGet(depth), I::I64Store(cell)]);
                }
                self.take(point.cost);
                if self.recorded(point) && point.cost > 0 {
                    self.record_fuel();
                }
            }
            PointKind::Plain if point.cost == 0 => {}
            PointKind::Plain => {
                self.take(point.cost);
                if self.recorded(point) {
                    self.record_fuel();
                }
            }
            PointKind::Loop => {
                self.take(point.cost);
                self.record_fuel();
                let fuel = self.fuel();
                self.put(&I::LocalGet(fuel));
                self.trap_if_negative();
            }
        }
    }

    fn write_entry(&mut self, point: &Point) {
        if self.analysis.points.iter().all(|point| point.cost == 0) && self.is_leaf() {
            return;
        }
        self.load_fuel();
        self.take(point.cost);
        if self.recorded(point) || self.is_leaf_entry(point) {
            self.record_fuel();
        }
        let fuel = self.fuel();
        if self.counts_depth() {
            let depth = self.depth();
            let cell = self.cell(DEPTH_CELL);
            let frame = i64::try_from(self.analysis.frame).unwrap_or(i64::MAX);
            self.put_all(&[I::I32Const(0), I::I32Const(0), I::I64Load(cell), I::I64Const(frame), I::I64Sub]);
            self.put_all(&[I::LocalTee(depth), I::I64Store(cell)]);
            // One branch for both: either is negative exactly when their union is.
            self.put_all(&[I::LocalGet(depth), I::LocalGet(fuel), I::I64Or]);
            self.trap_if_negative();
        }
    }

    fn load_fuel(&mut self) {
        let (fuel, cell) = (self.fuel(), self.cell(FUEL_CELL));
        self.put_all(&[I::I32Const(0), I::I64Load(cell), I::LocalSet(fuel)]);
    }

    fn record_fuel(&mut self) {
        let (fuel, cell) = (self.fuel(), self.cell(FUEL_CELL));
        self.put_all(&[I::I32Const(0), I::LocalGet(fuel), I::I64Store(cell)]);
    }

    fn take(&mut self, cost: u64) {
        if cost == 0 {
            return;
        }
        let fuel = self.fuel();
        let cost = i64::try_from(cost).unwrap_or(i64::MAX);
        self.put_all(&[I::LocalGet(fuel), I::I64Const(cost), I::I64Sub, I::LocalSet(fuel)]);
    }

    /// Ends the run if the number on the stack is negative. What made it so is on record.
    fn trap_if_negative(&mut self) {
        self.put_all(&[I::I64Const(0), I::I64LtS]);
        self.put_unlikely_if();
        self.put_all(&[I::Unreachable, I::End]);
    }

    fn write_epilogue(&mut self) {
        if self.needs_fuel_epilogue() {
            self.record_fuel();
        }
        if self.counts_depth() {
            let cell = self.cell(DEPTH_CELL);
            let frame = i64::try_from(self.analysis.frame).unwrap_or(i64::MAX);
            self.put(&I::I32Const(0));
            if self.analysis.catches {
                let depth = self.depth();
                self.put(&I::LocalGet(depth));
            } else {
                self.put_all(&[I::I32Const(0), I::I64Load(cell)]);
            }
            self.put_all(&[I::I64Const(frame), I::I64Add, I::I64Store(cell)]);
        }
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

    /// Charges the number of bytes on top of the stack, before they are touched.
    fn take_bytes(&mut self) {
        let shift = self.around.options.costs.bytes_shift;
        let scale: &[I<'_>] = if shift == 0 { &[] } else { &[I::I64Const(i64::from(shift)), I::I64ShrU] };
        self.take_counted(scale);
    }

    fn take_entries(&mut self) {
        let entry = self.around.options.costs.entry;
        let scale: &[I<'_>] = &[I::I64Const(i64::from(entry)), I::I64Mul];
        self.take_counted(scale);
    }

    fn take_counted(&mut self, scale: &[I<'_>]) {
        let (fuel, count) = (self.fuel(), self.scratch(ValType::I32, 0));
        self.put_all(&[I::LocalSet(count), I::LocalGet(fuel), I::LocalGet(count), I::I64ExtendI32U]);
        self.put_all(scale);
        self.put_all(&[I::I64Sub, I::LocalSet(fuel)]);
        self.record_fuel();
        self.put(&I::LocalGet(fuel));
        self.trap_if_negative();
        self.put(&I::LocalGet(count));
    }

    /// Growth is charged when it has succeeded: `growth × each × (result ≠ -1)`.
    fn write_growth(&mut self, bytes: &[u8], each: u32) {
        let (fuel, count) = (self.fuel(), self.scratch(ValType::I32, 0));
        self.put(&I::LocalTee(count));
        self.code.extend_from_slice(bytes);
        let result = self.scratch(ValType::I32, 4);
        self.put_all(&[I::LocalTee(result), I::LocalGet(fuel), I::LocalGet(count), I::I64ExtendI32U]);
        self.put_all(&[I::I64Const(i64::from(each)), I::I64Mul]);
        self.put_all(&[I::LocalGet(result), I::I32Const(-1), I::I32Ne, I::I64ExtendI32U, I::I64Mul]);
        self.put_all(&[I::I64Sub, I::LocalSet(fuel)]);
        self.record_fuel();
        self.put(&I::LocalGet(fuel));
        self.trap_if_negative();
    }

    /// Makes the number on top of the stack canonical if it is a NaN.
    fn write_canonical(&mut self, shape: Shape) {
        match shape {
            Shape::F32 => {
                let nan = I::F32Const(Ieee32::new(CANONICAL_F32));
                let local = self.scratch(ValType::F32, 1);
                self.replace_nan(local, &I::F32Ge, &[nan, I::LocalSet(local)]);
            }
            Shape::F64 => {
                let nan = I::F64Const(Ieee64::new(CANONICAL_F64));
                let local = self.scratch(ValType::F64, 2);
                self.replace_nan(local, &I::F64Ge, &[nan, I::LocalSet(local)]);
            }
            Shape::F32x4 => self.replace_nan_lanes(&I::F32x4Ne, lanes_f32()),
            Shape::F64x2 => self.replace_nan_lanes(&I::F64x2Ne, lanes_f64()),
        }
    }

    /// `x ≥ x` is one comparison and one jump on common machines, where `x ≠ x` is two jumps.
    fn replace_nan(&mut self, local: u32, number: &I<'_>, replace: &[I<'_>]) {
        self.put_all(&[
            I::LocalSet(local),
            I::Block(BlockType::Empty),
            I::LocalGet(local),
            I::LocalGet(local),
        ]);
        self.put(number);
        self.likely.push(self.code.len() as u32);
        self.put(&I::BrIf(0));
        self.put_all(replace);
        self.put_all(&[I::End, I::LocalGet(local)]);
    }

    /// Without a branch: on vectors this was measured to be faster, on scalars slower.
    fn replace_nan_lanes(&mut self, differs: &I<'_>, nan: i128) {
        let local = self.scratch(ValType::V128, 3);
        self.put_all(&[I::LocalSet(local), I::V128Const(nan), I::LocalGet(local)]);
        self.put_all(&[I::LocalGet(local), I::LocalGet(local)]);
        self.put(differs);
        self.put(&I::V128Bitselect);
    }
}

fn lanes_f32() -> i128 {
    let lane = u128::from(CANONICAL_F32);
    (lane | lane << 32 | lane << 64 | lane << 96) as i128
}

fn lanes_f64() -> i128 {
    let lane = u128::from(CANONICAL_F64);
    (lane | lane << 64) as i128
}
