//! Writes the counting: charges, records, looks, and frames of the stack.

use wasm_encoder::{Instruction as I, MemArg, ValType};

use super::{Places, Writer};
use crate::analysis::{Point, PointKind};
use crate::{FLOOR_BYTES, SLICE};

/// Moves a number's sign to the bit that the address behind the floor's memory has, and no other address of it.
const SIGN_TO_END: i64 = 63 - FLOOR_BYTES.trailing_zeros() as i64;

/// The fuel goes on record and the floor is set anew: behind the end of its memory, which ends the run, if all fuel or the
/// stack is used up. One way through, so that the whole of it is laid out of the way.
fn set_floor(places: Places, fuel: u32, depth: Option<u32>) -> Vec<I<'static>> {
    let floor = MemArg { offset: 0, align: 3, memory_index: places.floor };
    let mut code = vec![I::LocalGet(fuel), I::GlobalSet(places.fuel), I::I32Const(0), I::I64Load(floor)];
    code.extend([I::LocalGet(fuel), I::I64Add, I::LocalTee(fuel)]);
    if let Some(depth) = depth {
        code.extend([I::LocalGet(depth), I::I64Or]);
    }
    code.extend([I::I64Const(SIGN_TO_END), I::I64ShrU, I::I32WrapI64]);
    code.extend([I::I32Const(FLOOR_BYTES as i32), I::I32And]);
    code.extend([I::LocalGet(fuel), I::I64Const(-SLICE), I::I64And, I::I64Store(floor)]);
    code.extend([I::LocalGet(fuel), I::I64Const(SLICE - 1), I::I64And]);
    code.extend([I::LocalTee(fuel), I::GlobalSet(places.fuel)]);
    code
}

/// Body of the function that does this for loops that call: from the fuel above the floor to the same.
pub(crate) fn settle_body(places: Places) -> Vec<u8> {
    let mut function = wasm_encoder::Function::new([]);
    for instruction in set_floor(places, 0, None).iter().chain(&[I::LocalGet(0), I::End]) {
        function.instruction(instruction);
    }
    function.into_raw_body()
}

impl Writer<'_, '_> {
    /// Whether some region's charge stands only in the local variable when the function ends.
    pub(super) fn needs_fuel_epilogue(&self) -> bool {
        self.analysis
            .points
            .iter()
            .any(|point| point.cost > 0 && !point.recorded && !self.is_leaf_entry(point))
    }

    /// A function that calls nothing and never loops is paid for and left; there is nothing to check it against.
    pub(super) fn is_leaf(&self) -> bool {
        !self.around.rules.looks && !self.analysis.loops
    }

    /// The only charge of a function goes straight on record.
    pub(super) fn is_leaf_entry(&self, point: &Point) -> bool {
        point.kind == PointKind::Entry
            && self.is_leaf()
            && self.analysis.points.iter().skip(1).all(|point| point.cost == 0)
    }

    pub(super) fn counts_depth(&self) -> bool {
        self.around.rules.counted
    }

    pub(super) fn write_point(&mut self, point: &Point) {
        match point.kind {
            PointKind::Entry => self.write_entry(point),
            PointKind::Return => {
                self.arrive();
                self.take(point.cost);
                if point.recorded && point.cost > 0 {
                    self.record_fuel();
                }
                if self.around.rules.looks_on_return {
                    self.look_aside();
                }
            }
            PointKind::Plain => {
                self.take(point.cost);
                if point.recorded {
                    self.record_fuel();
                }
            }
            PointKind::Loop => {
                self.take(point.cost);
                if point.recorded {
                    self.record_fuel();
                }
                if point.calls { self.look_aside() } else { self.look() }
            }
            PointKind::CaughtLoop => {
                self.arrive();
                self.take(point.cost);
                self.record_fuel();
                self.look();
            }
        }
    }

    /// Control comes from elsewhere: what is on record counts, and frames that an exception left are given back.
    fn arrive(&mut self) {
        self.load_fuel();
        if self.analysis.catches && self.counts_depth() {
            let depth = self.depth();
            self.put_all(&[I::LocalGet(depth), I::GlobalSet(self.around.places.depth)]);
        }
    }

    pub(super) fn write_entry(&mut self, point: &Point) {
        if self.analysis.points.iter().all(|point| point.cost == 0) && self.is_leaf() {
            return;
        }
        self.load_fuel();
        self.take(point.cost);
        if point.recorded || self.is_leaf_entry(point) {
            self.record_fuel();
        }
        if self.counts_depth() {
            let (fuel, depth) = (self.fuel(), self.depth());
            let frame = self.frame();
            self.put_all(&[I::GlobalGet(self.around.places.depth), I::I64Const(frame), I::I64Sub]);
            self.put_all(&[I::LocalTee(depth), I::GlobalSet(self.around.places.depth)]);
            // One branch for both: either is negative exactly when their union is.
            self.put_all(&[I::LocalGet(depth), I::LocalGet(fuel), I::I64Or]);
            self.settle(Some(depth));
        } else if self.around.rules.looks {
            self.look();
        }
    }

    /// Units of stack that the function's frame takes.
    fn frame(&self) -> i64 {
        i64::try_from(self.analysis.summary.frame).unwrap_or(i64::MAX)
    }

    pub(super) fn load_fuel(&mut self) {
        let fuel = self.fuel();
        self.put_all(&[I::GlobalGet(self.around.places.fuel), I::LocalSet(fuel)]);
    }

    pub(super) fn record_fuel(&mut self) {
        let fuel = self.fuel();
        self.put_all(&[I::LocalGet(fuel), I::GlobalSet(self.around.places.fuel)]);
    }

    pub(super) fn take(&mut self, cost: u64) {
        if cost == 0 {
            return;
        }
        let fuel = self.fuel();
        let cost = i64::try_from(cost).unwrap_or(i64::MAX);
        self.put_all(&[I::LocalGet(fuel), I::I64Const(cost), I::I64Sub, I::LocalSet(fuel)]);
    }

    /// Looks whether the fuel is below the floor.
    pub(super) fn look(&mut self) {
        let fuel = self.fuel();
        self.put(&I::LocalGet(fuel));
        self.settle(None);
    }

    /// The same where something is called anyway. What a look that finds too little needs would take registers from a loop, and
    /// in one that calls there are few. Not in a function that catches: there an engine writes down all handlers for
    /// each call.
    fn look_aside(&mut self) {
        let Some(settle) = self.around.places.settle.filter(|_| !self.analysis.catches) else {
            return self.look();
        };
        self.looks = true;
        let fuel = self.fuel();
        self.put_all(&[I::LocalGet(fuel), I::I64Const(0), I::I64LtS]);
        self.put_unlikely_if();
        self.put_all(&[I::LocalGet(fuel), I::Call(settle), I::LocalSet(fuel), I::End]);
    }

    /// If the number on the stack is negative, the floor is set anew; out of the way.
    fn settle(&mut self, depth: Option<u32>) {
        self.looks = true;
        let fuel = self.fuel();
        self.put_all(&[I::I64Const(0), I::I64LtS]);
        self.put_unlikely_if();
        self.put_all(&set_floor(self.around.places, fuel, depth));
        self.put(&I::End);
    }

    pub(super) fn write_epilogue(&mut self) {
        if self.needs_fuel_epilogue() {
            self.record_fuel();
        }
        if self.counts_depth() {
            // What is left is the same as at the entry: whatever was called has given back what it took. To read it again
            // was slower.
            let (depth, frame) = (self.depth(), self.frame());
            self.put_all(&[
                I::LocalGet(depth),
                I::I64Const(frame),
                I::I64Add,
                I::GlobalSet(self.around.places.depth),
            ]);
        }
    }

    /// Charges the number of bytes on top of the stack, before they are touched.
    pub(super) fn take_bytes(&mut self) {
        let shift = self.around.options.costs.bytes_shift;
        let scale: &[I<'_>] = if shift == 0 { &[] } else { &[I::I64Const(i64::from(shift)), I::I64ShrU] };
        self.take_counted(scale);
    }

    pub(super) fn take_entries(&mut self) {
        let entry = self.around.options.costs.entry;
        let scale: &[I<'_>] = &[I::I64Const(i64::from(entry)), I::I64Mul];
        self.take_counted(scale);
    }

    pub(super) fn take_counted(&mut self, scale: &[I<'_>]) {
        let (fuel, count) = (self.fuel(), self.scratch(ValType::I32, 0));
        self.put_all(&[I::LocalSet(count), I::LocalGet(fuel), I::LocalGet(count), I::I64ExtendI32U]);
        self.put_all(scale);
        self.put_all(&[I::I64Sub, I::LocalSet(fuel)]);
        self.record_fuel();
        self.look();
        self.put(&I::LocalGet(count));
    }

    /// Growth is charged when it has succeeded: `growth × each × (result ≠ -1)`.
    pub(super) fn write_growth(&mut self, bytes: &[u8], each: u32) {
        let (fuel, count) = (self.fuel(), self.scratch(ValType::I32, 0));
        self.put(&I::LocalTee(count));
        self.code.extend_from_slice(bytes);
        let result = self.scratch(ValType::I32, 4);
        self.put_all(&[I::LocalTee(result), I::LocalGet(fuel), I::LocalGet(count), I::I64ExtendI32U]);
        self.put_all(&[I::I64Const(i64::from(each)), I::I64Mul]);
        self.put_all(&[I::LocalGet(result), I::I32Const(-1), I::I32Ne, I::I64ExtendI32U, I::I64Mul]);
        self.put_all(&[I::I64Sub, I::LocalSet(fuel)]);
        self.record_fuel();
        self.look();
    }
}
