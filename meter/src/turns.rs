//! Loops of which it can be known, each time their head is reached, how many turns they take at least.
//!
//! Such a loop comes back by a `br_if` with nothing but straight code before it, and the condition compares a *counter*, a
//! local variable that each turn changes by the same number, with a *bound* that no turn changes.

use std::ops::Range;

use wasmparser::{BlockType, Operator};

use crate::costs;

/// Operators of a turn. What is longer gains nothing that could be measured.
const OPERATORS_MAX: usize = 256;
/// Operators of a bound, which is computed once more before the turns.
const BOUND_MAX: usize = 8;
/// The counter's step. A slice of turns with it does not come round to the same number again.
const STEP_MAX: u64 = 1 << 15;

/// Whether a number is of 32 or 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    Narrow,
    Wide,
}

/// How the counter stands to the bound as long as the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Differs,
    /// It is below, or the same if `or_equal`.
    Below {
        signed: bool,
        or_equal: bool,
    },
    /// It is above, or the same if `or_equal`.
    Above {
        signed: bool,
        or_equal: bool,
    },
}

/// What the counter is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bound {
    Number(i64),
    /// Operators that make it of nothing, without a trap, and do nothing else.
    Operators(Range<usize>),
}

/// A loop whose turns can be counted beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    /// The point at its head.
    pub(crate) point: usize,
    /// The `br_if` that comes back.
    pub(crate) branch: usize,
    /// Local variable that is the counter.
    pub(crate) counter: u32,
    pub(crate) width: Width,
    /// By how much a turn changes the counter; not 0.
    pub(crate) step: i64,
    /// What the compared number is above the counter at the head of the same turn.
    pub(crate) offset: i64,
    pub(crate) relation: Relation,
    pub(crate) bound: Bound,
}

/// What is known of a value on the operand stack.
#[derive(Debug, Clone)]
struct Value {
    what: What,
    /// What makes it, and nothing else. Not kept for what is long.
    made_by: Option<Made>,
}

/// Operators that can be done again.
#[derive(Debug, Clone)]
struct Made {
    operators: Range<usize>,
    /// Local variables that they read.
    reads: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Number(i64),
    /// What the local variable was at the head, and a number. Sums are those of 64 bits; with 32 the lower half is right.
    Local(u32, i64),
    /// A comparison, by its index.
    Test(usize),
    Other,
}

#[derive(Debug)]
struct Test {
    width: Width,
    relation: Relation,
    sides: [Value; 2],
}

/// A turn so far.
#[derive(Debug)]
struct Turn {
    point: usize,
    head: usize,
    stack: Vec<Value>,
    /// Local variables that were set, and to what.
    set: Vec<(u32, What)>,
    tests: Vec<Test>,
}

/// Watches the operators of a function go by.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turn: Option<Turn>,
    pub(crate) counted: Vec<Counted>,
}

impl Turns {
    /// A loop was opened; `point` is the one at its head.
    pub(crate) fn open(&mut self, at: usize, ty: BlockType, point: usize) {
        // A loop with parameters needs a type for them, and compilers make none.
        let plain = !matches!(ty, BlockType::FuncType(_));
        let turn = || Turn { point, head: at + 1, stack: Vec::new(), set: Vec::new(), tests: Vec::new() };
        self.turn = plain.then(turn);
    }

    /// An operator that can be reached, and how many values it takes and makes. A `loop` is opened besides.
    pub(crate) fn step(&mut self, at: usize, operator: &Operator<'_>, (pops, pushes): (u32, u32)) {
        let Some(mut turn) = self.turn.take() else { return };
        if let Operator::BrIf { relative_depth: 0 } = operator {
            self.counted.extend(turn.counted(at));
        } else if at - turn.head < OPERATORS_MAX
            && !leaves(operator)
            && turn.step(at, operator, pops as usize, pushes as usize).is_some()
        {
            self.turn = Some(turn);
        }
    }
}

/// Whether control may go elsewhere, or the operator is paid for by itself.
fn leaves(operator: &Operator<'_>) -> bool {
    use Operator as O;
    costs::is_call(operator)
        || costs::is_throw(operator)
        || costs::is_measured(operator)
        || matches!(
            operator,
            O::Block { .. }
                | O::If { .. }
                | O::Else
                | O::End
                | O::TryTable { .. }
                | O::Br { .. }
                | O::BrIf { .. }
                | O::BrTable { .. }
                | O::Return
                | O::Unreachable
        )
}

impl Turn {
    /// Nothing if the operator takes more than the turn has made.
    fn step(&mut self, at: usize, operator: &Operator<'_>, pops: usize, pushes: usize) -> Option<()> {
        use Operator as O;
        let height = self.stack.len().checked_sub(pops)?;
        let taken = self.stack.split_off(height);
        let alone = |reads| Some(Made { operators: at..at + 1, reads });
        match (operator, taken.as_slice()) {
            (O::I32Const { value }, _) => self.push(What::Number(i64::from(*value)), alone(vec![])),
            (O::I64Const { value }, _) => self.push(What::Number(*value), alone(vec![])),
            (O::LocalGet { local_index }, _) => {
                let what = self.now(*local_index).unwrap_or(What::Local(*local_index, 0));
                self.push(what, alone(vec![*local_index]));
            }
            (O::LocalSet { local_index }, [value]) => self.assign(*local_index, value.what),
            (O::LocalTee { local_index }, [value]) => {
                self.assign(*local_index, value.what);
                self.push(value.what, None);
            }
            (operator, [left, right]) if test(operator).is_some() => {
                let (width, relation) = test(operator)?;
                self.push(What::Test(self.tests.len()), None);
                self.tests.push(Test { width, relation, sides: [left.clone(), right.clone()] });
            }
            (operator, taken) => {
                let what = sum(operator, taken).unwrap_or(What::Other);
                let made_by = if is_plain(operator) { joined(taken, at) } else { None };
                for _ in 0..pushes {
                    self.push(what, made_by.clone());
                }
            }
        }
        Some(())
    }

    fn push(&mut self, what: What, made_by: Option<Made>) {
        self.stack.push(Value { what, made_by });
    }

    /// What a local variable is now, if the turn has set it.
    fn now(&self, local: u32) -> Option<What> {
        self.set.iter().find(|(it, _)| *it == local).map(|(_, what)| *what)
    }

    fn assign(&mut self, local: u32, what: What) {
        match self.set.iter_mut().find(|(it, _)| *it == local) {
            Some((_, now)) => *now = what,
            None => self.set.push((local, what)),
        }
    }

    /// The loop, if its turns can be counted: this is the branch that comes back.
    fn counted(mut self, branch: usize) -> Option<Counted> {
        let condition = self.stack.pop()?;
        // What is left on the stack would be in the way of the loop around the turns.
        if !self.stack.is_empty() {
            return None;
        }
        let zero = Value { what: What::Number(0), made_by: None };
        let test = match condition.what {
            What::Local(..) => {
                Test { width: Width::Narrow, relation: Relation::Differs, sides: [condition, zero] }
            }
            What::Test(index) => self.tests.swap_remove(index),
            _ => return None,
        };
        let Test { width, relation, sides: [left, right] } = test;
        let mirrored = match relation {
            Relation::Differs => Relation::Differs,
            Relation::Below { signed, or_equal } => Relation::Above { signed, or_equal },
            Relation::Above { signed, or_equal } => Relation::Below { signed, or_equal },
        };
        [(&left, relation, &right), (&right, mirrored, &left)].into_iter().find_map(
            |(counter, relation, bound)| {
                let What::Local(local, offset) = counter.what else { return None };
                let Some(What::Local(source, step)) = self.now(local) else { return None };
                let narrow = |number: i64| i64::from(number as i32);
                let (step, offset) = match width {
                    Width::Narrow => (narrow(step), narrow(offset)),
                    Width::Wide => (step, offset),
                };
                let fits = match relation {
                    Relation::Differs => step != 0,
                    Relation::Below { .. } => step > 0,
                    Relation::Above { .. } => step < 0,
                };
                let goes_on = source == local && fits && step.unsigned_abs() <= STEP_MAX;
                let bound = goes_on.then(|| self.bound(bound)).flatten()?;
                let point = self.point;
                Some(Counted { point, branch, counter: local, width, step, offset, relation, bound })
            },
        )
    }

    /// The value, if it is the same in all turns.
    fn bound(&self, value: &Value) -> Option<Bound> {
        if let What::Number(number) = value.what {
            return Some(Bound::Number(number));
        }
        let made = value.made_by.as_ref()?;
        let stays = made.reads.iter().all(|local| self.now(*local).is_none());
        stays.then(|| Bound::Operators(made.operators.clone()))
    }
}

/// A local variable with a number added or taken away.
fn sum(operator: &Operator<'_>, taken: &[Value]) -> Option<What> {
    use Operator as O;
    let [left, right] = taken else { return None };
    let (local, number) = match (operator, left.what, right.what) {
        (O::I32Add | O::I64Add, What::Local(local, by), What::Number(number))
        | (O::I32Add | O::I64Add, What::Number(number), What::Local(local, by)) => {
            (local, by.wrapping_add(number))
        }
        (O::I32Sub | O::I64Sub, What::Local(local, by), What::Number(number)) => {
            (local, by.wrapping_sub(number))
        }
        _ => return None,
    };
    Some(What::Local(local, number))
}

/// Whether an operator only computes, and cannot trap.
fn is_plain(operator: &Operator<'_>) -> bool {
    use Operator as O;
    macro_rules! both {
        ($($narrow:ident $wide:ident)*) => { matches!(operator, $(O::$narrow | O::$wide)|*) };
    }
    both!(I32Add I64Add I32Sub I64Sub I32Mul I64Mul I32And I64And I32Or I64Or I32Xor I64Xor I32Shl I64Shl I32ShrS I64ShrS I32ShrU I64ShrU)
        || matches!(operator, O::I32WrapI64 | O::I64ExtendI32S | O::I64ExtendI32U)
}

/// What makes the values that the operator at `at` takes, and it with them, if nothing lies between.
fn joined(taken: &[Value], at: usize) -> Option<Made> {
    let parts: Vec<&Made> = taken.iter().map(|value| value.made_by.as_ref()).collect::<Option<_>>()?;
    let close = parts.windows(2).all(|two| two[0].operators.end == two[1].operators.start);
    let operators = parts.first()?.operators.start..at + 1;
    let reads = parts.iter().flat_map(|part| part.reads.iter().copied()).collect();
    let whole = close && parts.last()?.operators.end == at && operators.len() <= BOUND_MAX;
    whole.then_some(Made { operators, reads })
}

/// The relation that a comparison asks for.
fn test(operator: &Operator<'_>) -> Option<(Width, Relation)> {
    use Operator as O;
    let below = |signed, or_equal| Relation::Below { signed, or_equal };
    let above = |signed, or_equal| Relation::Above { signed, or_equal };
    let (narrow, relation) = match operator {
        O::I32Ne | O::I64Ne => (matches!(operator, O::I32Ne), Relation::Differs),
        O::I32LtU | O::I64LtU => (matches!(operator, O::I32LtU), below(false, false)),
        O::I32LtS | O::I64LtS => (matches!(operator, O::I32LtS), below(true, false)),
        O::I32LeU | O::I64LeU => (matches!(operator, O::I32LeU), below(false, true)),
        O::I32LeS | O::I64LeS => (matches!(operator, O::I32LeS), below(true, true)),
        O::I32GtU | O::I64GtU => (matches!(operator, O::I32GtU), above(false, false)),
        O::I32GtS | O::I64GtS => (matches!(operator, O::I32GtS), above(true, false)),
        O::I32GeU | O::I64GeU => (matches!(operator, O::I32GeU), above(false, true)),
        O::I32GeS | O::I64GeS => (matches!(operator, O::I32GeS), above(true, true)),
        _ => return None,
    };
    Some((if narrow { Width::Narrow } else { Width::Wide }, relation))
}
