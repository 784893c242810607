//! Writes what makes a NaN canonical.

use wasm_encoder::{BlockType, Ieee32, Ieee64, Instruction as I, MemArg, ValType};
use wasmparser::Operator;

use super::Writer;
use crate::analysis::Op;
use crate::nan::{Shape, UPPER_HALF};

const CANONICAL_F32: u32 = 0x7fc0_0000;
const CANONICAL_F64: u64 = 0x7ff8_0000_0000_0000;
/// The bits of the exponent: all of them are set in what is not finite.
const EXPONENT_F32: u32 = 0x7f80_0000;
const EXPONENT_F64: u64 = 0x7ff0_0000_0000_0000;
const EXPONENT_UPPER_F64: u32 = (EXPONENT_F64 >> 32) as u32;

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

    /// Without a jump: a comparison and a choice between lanes are one instruction each.
    pub(super) fn replace_nan_lanes(&mut self, differs: &I<'_>, nan: i128) {
        let local = self.scratch(ValType::V128, 3);
        self.put_all(&[I::LocalSet(local), I::V128Const(nan)]);
        self.put_all(&[I::LocalGet(local), I::LocalGet(local), I::LocalGet(local), differs.clone()]);
        self.put(&I::V128Bitselect);
    }

    /// Stores a scalar and then looks at its upper bits in memory. Where all of the exponent is set, which it is of what is
    /// infinite too, a NaN is replaced there. The number is read anew as an integer, so that whoever compiles this need
    /// not keep it: one that has a single use can be computed with an operand from memory.
    pub(super) fn write_store(&mut self, op: &Op<'_>, shape: Shape) {
        let (Operator::F32Store { memarg } | Operator::F64Store { memarg }) = &op.operator else { return };
        let place = |more: u32, align| MemArg {
            offset: memarg.offset + u64::from(more),
            align,
            memory_index: memarg.memory,
        };
        let address = self.scratch(ValType::I32, 0);
        let (number, upper) = match shape {
            Shape::F32 => (self.scratch(ValType::F32, 1), 0),
            _ => (self.scratch(ValType::F64, 2), UPPER_HALF),
        };
        self.put_all(&[I::LocalSet(number), I::LocalTee(address), I::LocalGet(number)]);
        self.code.extend_from_slice(&self.around.module[op.start..op.end]);
        let exponent = if shape == Shape::F32 { EXPONENT_F32 } else { EXPONENT_UPPER_F64 };
        // Without its sign, the number is not smaller than one whose exponent is full.
        self.put_all(&[I::LocalGet(address), I::I32Load(place(upper, 0)), I::I32Const(1), I::I32Shl]);
        self.put_all(&[I::I32Const((exponent << 1) as i32), I::I32GeU]);
        self.put_unlikely_if();
        let (whole, get) = (place(0, 0), I::LocalGet(address));
        if shape == Shape::F32 {
            let bits = [get.clone(), I::I32Load(whole)];
            self.put_all(&[get, I::I32Const(CANONICAL_F32 as i32)]);
            self.put_all(&bits);
            self.put_all(&bits);
            self.put_all(&[I::I32Const(1), I::I32Shl, I::I32Const((EXPONENT_F32 << 1) as i32), I::I32GtU]);
            self.put_all(&[I::Select, I::I32Store(whole), I::End]);
        } else {
            let bits = [get.clone(), I::I64Load(whole)];
            self.put_all(&[get, I::I64Const(CANONICAL_F64 as i64)]);
            self.put_all(&bits);
            self.put_all(&bits);
            self.put_all(&[I::I64Const(1), I::I64Shl, I::I64Const((EXPONENT_F64 << 1) as i64), I::I64GtU]);
            self.put_all(&[I::Select, I::I64Store(whole), I::End]);
        }
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
