//! Writes what makes a NaN canonical.

use wasm_encoder::{BlockType, Ieee32, Ieee64, Instruction as I, ValType};

use super::Writer;
use crate::nan::Shape;

const CANONICAL_F32: u32 = 0x7fc0_0000;
const CANONICAL_F64: u64 = 0x7ff8_0000_0000_0000;

impl Writer<'_, '_> {
    /// Makes the number on top of the stack canonical if it is a NaN.
    pub(super) fn write_canonical(&mut self, shape: Shape) {
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
    pub(super) fn replace_nan(&mut self, local: u32, number: &I<'_>, replace: &[I<'_>]) {
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

    /// Lanes are looked at together: one comparison, one test and one jump that is hardly ever taken.
    pub(super) fn replace_nan_lanes(&mut self, differs: &I<'_>, nan: i128) {
        let local = self.scratch(ValType::V128, 3);
        self.put_all(&[
            I::LocalSet(local),
            I::Block(BlockType::Empty),
            I::LocalGet(local),
            I::LocalGet(local),
        ]);
        self.put_all(&[differs.clone(), I::V128AnyTrue, I::I32Eqz]);
        self.likely.push(self.code.len() as u32);
        self.put_all(&[I::BrIf(0), I::V128Const(nan), I::LocalGet(local)]);
        self.put_all(&[I::LocalGet(local), I::LocalGet(local), differs.clone()]);
        self.put_all(&[I::V128Bitselect, I::LocalSet(local), I::End, I::LocalGet(local)]);
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
