//! Pays at the head of a loop for the turns that are certain to come: as many as the counter has before its bound, and as
//! the fuel above the floor is enough for.
//!
//! Nobody can see the difference. No look would find anything in these turns, so nothing is put on record in them, and
//! where one of them traps there is on record what was before.
//!
//! ```wat
//! (loop $strip                        ;; the loop as it came
//!   …                                 ;; turns are paid for; $last is what the counter is after them
//!   (block $paid (loop $turn
//!     (br_if $paid (i32.eq (local.get $counter) (local.get $last)))
//!     …                               ;; the turn as it came
//!     (drop …)                        ;; its condition
//!     (br $turn)))
//!   (br_if $strip …))                 ;; the condition again
//! ```
//!
//! The way out is at the head because engines compute sums anew where they are used: at the end of a turn, what it has
//! added and what it added it to would both be kept for the strip that may follow.

use wasm_encoder::{BlockType, Instruction as I, ValType};

use super::Writer;
use crate::turns::{Bound, Counted, Relation, Width};

/// Operators of numbers with this width.
struct Words {
    number: fn(i64) -> I<'static>,
    add: I<'static>,
    sub: I<'static>,
    mul: I<'static>,
    div: I<'static>,
    differs: I<'static>,
    same: I<'static>,
}

const NARROW: Words = Words {
    number: |number| I::I32Const(number as i32),
    add: I::I32Add,
    sub: I::I32Sub,
    mul: I::I32Mul,
    div: I::I32DivU,
    differs: I::I32Ne,
    same: I::I32Eq,
};

const WIDE: Words = Words {
    number: I::I64Const,
    add: I::I64Add,
    sub: I::I64Sub,
    mul: I::I64Mul,
    div: I::I64DivU,
    differs: I::I64Ne,
    same: I::I64Eq,
};

fn words(counted: &Counted) -> &'static Words {
    match counted.width {
        Width::Narrow => &NARROW,
        Width::Wide => &WIDE,
    }
}

impl Writer<'_, '_> {
    /// At the head of the loop: in place of the charge and the look for one turn.
    pub(super) fn pay_ahead(&mut self, counted: &Counted, cost: u64) {
        let words = words(counted);
        let (fuel, more) = (self.fuel(), self.scratch(ValType::I32, 5));
        let rest = self.scratch(ValType::I64, 6);
        // `analyse` keeps no loop here that costs more than a thousand.
        let price = cost as i64;
        self.turns_before_bound(counted, words);
        self.put(&I::LocalSet(more));
        // Less than 2⁴³ for all turns, so this cannot overflow.
        self.put_all(&[I::LocalGet(fuel), I::LocalGet(more), I::I64ExtendI32U, I::I64Const(1), I::I64Add]);
        self.put_all(&[I::I64Const(price), I::I64Mul, I::I64Sub, I::LocalTee(rest)]);
        self.put_all(&[I::I64Const(0), I::I64LtS]);
        self.put_unlikely_if();
        self.pay_what_can_be_paid(more, cost);
        self.put_all(&[I::LocalSet(rest), I::End, I::LocalGet(rest), I::LocalSet(fuel)]);
        let last = self.last(counted);
        self.put_all(&[I::LocalGet(counted.counter), (words.number)(counted.step), words.add.clone()]);
        self.put(&I::LocalGet(more));
        if counted.width == Width::Wide {
            self.put(&I::I64ExtendI32U);
        }
        self.put_all(&[(words.number)(counted.step), words.mul.clone(), words.add.clone()]);
        self.put_all(&[I::LocalSet(last), I::Block(BlockType::Empty), I::Loop(BlockType::Empty)]);
        self.put_all(&[I::LocalGet(counted.counter), I::LocalGet(last), words.same.clone(), I::BrIf(1)]);
    }

    /// One turn as always. Behind the look the fuel above the floor is at least 0, and below a slice: what it is enough for
    /// besides becomes `more`, and what is left of it then is on the stack.
    fn pay_what_can_be_paid(&mut self, more: u32, cost: u64) {
        self.take(cost);
        self.look();
        let (fuel, most, cost) = (self.fuel(), self.scratch(ValType::I32, 7), cost as i32);
        self.put_all(&[I::LocalGet(more), I::LocalGet(fuel), I::I32WrapI64, I::I32Const(cost), I::I32DivU]);
        self.put_all(&[I::LocalTee(most), I::LocalGet(more), I::LocalGet(most), I::I32LtU]);
        self.put_all(&[I::Select, I::LocalSet(more), I::LocalGet(fuel)]);
        self.put_all(&[I::LocalGet(more), I::I32Const(cost), I::I32Mul, I::I64ExtendI32U, I::I64Sub]);
    }

    /// In place of the `br_if` that came back.
    pub(super) fn turn_back(&mut self, counted: &Counted) {
        let words = words(counted);
        self.put_all(&[I::Drop, I::Br(0), I::End, I::End]);
        self.counter_and(counted.offset.wrapping_sub(counted.step), counted, words);
        self.bound(counted, words);
        self.put(&relation(counted));
        // Not marked as unlikely: its target is the head, and would be laid out of the way.
        self.put(&I::BrIf(0));
    }

    /// Local variable with what the counter is after the turns that are paid for.
    fn last(&mut self, counted: &Counted) -> u32 {
        match counted.width {
            Width::Narrow => self.scratch(ValType::I32, 8),
            Width::Wide => self.scratch(ValType::I64, 9),
        }
    }

    /// How many turns come after the next one at least. Too few would do no harm, so of 64 bits the lower ones are enough.
    fn turns_before_bound(&mut self, counted: &Counted, words: &Words) {
        let step = counted.step.unsigned_abs() as i64;
        let (rises, or_equal) = match counted.relation {
            Relation::Differs => (counted.step > 0, false),
            Relation::Below { or_equal, .. } => (true, or_equal),
            Relation::Above { or_equal, .. } => (false, or_equal),
        };
        if rises {
            self.bound(counted, words);
            self.compared(counted, words);
        } else {
            self.compared(counted, words);
            self.bound(counted, words);
        }
        self.put(&words.sub);
        // The turn that finds the counter at its bound is the last one. One that may go past it has to go one further, unless
        // each step is one.
        let past = counted.relation != Relation::Differs;
        if past && !or_equal && step > 1 {
            self.put_all(&[(words.number)(1), words.sub.clone()]);
        }
        if step > 1 {
            self.put_all(&[(words.number)(step), words.div.clone()]);
        }
        if past && (or_equal || step > 1) {
            self.put_all(&[(words.number)(1), words.add.clone()]);
        }
        if past {
            self.put(&(words.number)(0));
            self.compared(counted, words);
            self.bound(counted, words);
            self.put_all(&[relation(counted), I::Select]);
        }
        if counted.width == Width::Wide {
            self.put(&I::I32WrapI64);
        }
    }

    /// What the next turn will compare.
    fn compared(&mut self, counted: &Counted, words: &Words) {
        self.counter_and(counted.offset, counted, words);
    }

    fn counter_and(&mut self, number: i64, counted: &Counted, words: &Words) {
        self.put(&I::LocalGet(counted.counter));
        if number != 0 {
            self.put_all(&[(words.number)(number), words.add.clone()]);
        }
    }

    fn bound(&mut self, counted: &Counted, words: &Words) {
        match &counted.bound {
            Bound::Number(number) => self.put(&(words.number)(*number)),
            Bound::Operators(operators) => {
                let operators = &self.analysis.ops[operators.clone()];
                if let [first, .., last] | [first @ last] = operators {
                    self.code.extend_from_slice(&self.around.module[first.start..last.end]);
                }
            }
        }
    }
}

fn relation(counted: &Counted) -> I<'static> {
    let (below, signed, or_equal) = match counted.relation {
        Relation::Differs => return words(counted).differs.clone(),
        Relation::Below { signed, or_equal } => (true, signed, or_equal),
        Relation::Above { signed, or_equal } => (false, signed, or_equal),
    };
    let (narrow, wide) = match (below, signed, or_equal) {
        (true, true, false) => (I::I32LtS, I::I64LtS),
        (true, false, false) => (I::I32LtU, I::I64LtU),
        (true, true, true) => (I::I32LeS, I::I64LeS),
        (true, false, true) => (I::I32LeU, I::I64LeU),
        (false, true, false) => (I::I32GtS, I::I64GtS),
        (false, false, false) => (I::I32GtU, I::I64GtU),
        (false, true, true) => (I::I32GeS, I::I64GeS),
        (false, false, true) => (I::I32GeU, I::I64GeU),
    };
    match counted.width {
        Width::Narrow => narrow,
        Width::Wide => wide,
    }
}
