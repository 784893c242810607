//! Writes the counting: charges, records, looks, and frames of the stack.

use wasm_encoder::{Instruction as I, ValType};

use super::Writer;
use crate::analysis::{Point, PointKind};
use crate::{CELLS_BYTES, DEPTH_CELL, FLOOR_CELL, FUEL_CELL, SLICE};

/// Moves a number's sign to the bit that the address behind the last cell has, and no other address of that memory.
const SIGN_TO_END: i64 = 63 - CELLS_BYTES.trailing_zeros() as i64;

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

    /// The only charge of a function goes straight to the cell.
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
                self.check();
            }
            PointKind::CaughtLoop => {
                self.arrive();
                self.take(point.cost);
                self.record_fuel();
                self.check();
            }
        }
    }

    /// Control comes from elsewhere: what is on record counts, and frames that an exception left are given back.
    fn arrive(&mut self) {
        self.load_fuel();
        if self.analysis.catches && self.counts_depth() {
            let depth = self.depth();
            let cell = self.cell(DEPTH_CELL);
            self.put_all(&[I::I32Const(0), I::LocalGet(depth), I::I64Store(cell)]);
        }
    }

    pub(super) fn write_entry(&mut self, point: &Point) {
        if self.analysis.points.iter().all(|point| point.cost == 0) && self.is_leaf() {
            return;
        }
        let (fuel, cell) = (self.fuel(), self.cell(FUEL_CELL));
        self.put_all(&[I::I32Const(0), I::I64Load(cell), I::LocalSet(fuel)]);
        self.take(point.cost);
        if point.recorded || self.is_leaf_entry(point) {
            self.put_all(&[I::I32Const(0), I::LocalGet(fuel), I::I64Store(cell)]);
        }
        if self.counts_depth() {
            let depth = self.depth();
            let cell = self.cell(DEPTH_CELL);
            let frame = i64::try_from(self.analysis.summary.frame).unwrap_or(i64::MAX);
            self.put_all(&[I::I32Const(0), I::I32Const(0), I::I64Load(cell), I::I64Const(frame), I::I64Sub]);
            self.put_all(&[I::LocalTee(depth), I::I64Store(cell)]);
            // One branch for both: either is negative exactly when their union is.
            self.put_all(&[I::LocalGet(depth), I::LocalGet(fuel), I::I64Or]);
            self.trap_at_entry();
        } else if self.around.rules.looks {
            self.put(&I::LocalGet(fuel));
            self.trap_at_entry();
        }
        if self.analysis.floor {
            let floor = self.cell(FLOOR_CELL);
            self.put_all(&[
                I::LocalGet(fuel),
                I::I32Const(0),
                I::I64Load(floor),
                I::I64Sub,
                I::LocalSet(fuel),
            ]);
        }
    }

    pub(super) fn load_fuel(&mut self) {
        let (fuel, cell, floor) = (self.fuel(), self.cell(FUEL_CELL), self.cell(FLOOR_CELL));
        self.put_all(&[I::I32Const(0), I::I64Load(cell)]);
        if self.analysis.floor {
            self.put_all(&[I::I32Const(0), I::I64Load(floor), I::I64Sub]);
        }
        self.put(&I::LocalSet(fuel));
    }

    pub(super) fn record_fuel(&mut self) {
        let (fuel, cell, floor) = (self.fuel(), self.cell(FUEL_CELL), self.cell(FLOOR_CELL));
        self.put_all(&[I::I32Const(0), I::LocalGet(fuel)]);
        if self.analysis.floor {
            self.put_all(&[I::I32Const(0), I::I64Load(floor), I::I64Add]);
        }
        self.put(&I::I64Store(cell));
    }

    pub(super) fn take(&mut self, cost: u64) {
        if cost == 0 {
            return;
        }
        let fuel = self.fuel();
        let cost = i64::try_from(cost).unwrap_or(i64::MAX);
        self.put_all(&[I::LocalGet(fuel), I::I64Const(cost), I::I64Sub, I::LocalSet(fuel)]);
    }

    /// Ends the run if the number on the stack is negative, with the fuel on record. The floor is not taken off yet.
    pub(super) fn trap_at_entry(&mut self) {
        let (fuel, cell) = (self.fuel(), self.cell(FUEL_CELL));
        self.put_all(&[I::I64Const(0), I::I64LtS]);
        self.put_unlikely_if();
        self.put_all(&[I::I32Const(0), I::LocalGet(fuel), I::I64Store(cell), I::Unreachable, I::End]);
    }

    /// The look of a function with a floor: what is left above the floor is negative. Then all fuel that is left goes on
    /// record and the floor is set anew, behind the end of the memory if the fuel is negative: one way through, so that the
    /// whole of it is laid out of the way.
    pub(super) fn look(&mut self) {
        let (fuel, cell, floor) = (self.fuel(), self.cell(FUEL_CELL), self.cell(FLOOR_CELL));
        self.put_all(&[I::LocalGet(fuel), I::I64Const(0), I::I64LtS]);
        self.put_unlikely_if();
        self.put_all(&[I::I32Const(0), I::LocalGet(fuel), I::I32Const(0), I::I64Load(floor), I::I64Add]);
        self.put_all(&[I::LocalTee(fuel), I::I64Store(cell)]);
        self.put_all(&[I::LocalGet(fuel), I::I64Const(SIGN_TO_END), I::I64ShrU, I::I32WrapI64]);
        self.put_all(&[I::I32Const(CELLS_BYTES as i32), I::I32And]);
        self.put_all(&[I::LocalGet(fuel), I::I64Const(-SLICE), I::I64And, I::I64Store(floor)]);
        self.put_all(&[I::LocalGet(fuel), I::I64Const(SLICE - 1), I::I64And, I::LocalSet(fuel), I::End]);
    }

    /// Ends the run if no fuel is left.
    pub(super) fn check(&mut self) {
        if self.analysis.floor {
            return self.look();
        }
        let fuel = self.fuel();
        self.put(&I::LocalGet(fuel));
        self.trap_at_entry();
    }

    pub(super) fn write_epilogue(&mut self) {
        if self.needs_fuel_epilogue() {
            self.record_fuel();
        }
        if self.counts_depth() {
            let cell = self.cell(DEPTH_CELL);
            let frame = i64::try_from(self.analysis.summary.frame).unwrap_or(i64::MAX);
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
        self.check();
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
        self.check();
    }
}
