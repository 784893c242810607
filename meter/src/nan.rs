//! Where a NaN's bits could be seen, and the fewest places that hide them.
//!
//! WebAssembly leaves sign and payload of a NaN that arithmetic makes to the machine. They are *seen* only where a number
//! is stored, reinterpreted, passed on or has its sign copied; adding and comparing does not show them. So a result of
//! arithmetic is made canonical right where it is made, but only if it can reach such a place. What is merely moved
//! (loads, parameters, constants) keeps its bits, as the standard demands. The effect is the same as making every result
//! canonical at once (WebAssembly 3.0, deterministic profile), and that is what the tests compare it with.
//!
//! A scalar that is stored at once is looked at in memory, right after it was stored, with operations on integers, if a quotient
//! or a root was begun before it: that was faster than to compare it (ADR 42), and otherwise slower (ADR 43).

use wasmparser::Operator;

/// Offset of the upper half of an `f64` in memory.
pub(crate) const UPPER_HALF: u32 = 4;

/// How a number with possibly unknown NaN bits lies in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    F32,
    F64,
    F32x4,
    F64x2,
}

/// Where a NaN is made canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    /// On top of the stack, after the operator.
    Value(Shape),
    /// In memory, after the operator, which stores a scalar.
    Stored(Shape),
}

/// What is known of the bits of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Known bits that must not be touched.
    Fixed,
    /// Not a NaN, so it goes with everything.
    Number,
    /// Made by arithmetic: if it is a NaN, its bits are the machine's.
    Arithmetic(Shape),
    /// Whatever flows into a local variable or out of a block.
    Node(usize),
}

/// A value on the operand stack and the operator (by index) that put it there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value {
    pub(crate) class: Class,
    pub(crate) site: usize,
}

impl Value {
    pub(crate) fn fixed(site: usize) -> Self {
        Self { class: Class::Fixed, site }
    }
}

/// What an operator does to floating point numbers: the shape it takes and the one it makes, if that is a number of
/// unknown NaN bits. Such operators do not show their operands' NaN bits.
pub(crate) fn arithmetic(operator: &Operator<'_>) -> Option<(Shape, Option<Shape>)> {
    use Operator as O;
    use Shape::{F32, F32x4, F64, F64x2};
    Some(match operator {
        O::F32Add | O::F32Sub | O::F32Mul | O::F32Div | O::F32Min | O::F32Max => (F32, Some(F32)),
        O::F32Sqrt | O::F32Ceil | O::F32Floor | O::F32Trunc | O::F32Nearest => (F32, Some(F32)),
        O::F64Add | O::F64Sub | O::F64Mul | O::F64Div | O::F64Min | O::F64Max => (F64, Some(F64)),
        O::F64Sqrt | O::F64Ceil | O::F64Floor | O::F64Trunc | O::F64Nearest => (F64, Some(F64)),
        O::F32DemoteF64 => (F64, Some(F32)),
        O::F64PromoteF32 => (F32, Some(F64)),
        O::F32Eq | O::F32Ne | O::F32Lt | O::F32Gt | O::F32Le | O::F32Ge => (F32, None),
        O::F64Eq | O::F64Ne | O::F64Lt | O::F64Gt | O::F64Le | O::F64Ge => (F64, None),
        O::I32TruncF32S | O::I32TruncF32U | O::I64TruncF32S | O::I64TruncF32U => (F32, None),
        O::I32TruncF64S | O::I32TruncF64U | O::I64TruncF64S | O::I64TruncF64U => (F64, None),
        O::I32TruncSatF32S | O::I32TruncSatF32U | O::I64TruncSatF32S | O::I64TruncSatF32U => (F32, None),
        O::I32TruncSatF64S | O::I32TruncSatF64U | O::I64TruncSatF64S | O::I64TruncSatF64U => (F64, None),
        O::F32x4Add | O::F32x4Sub | O::F32x4Mul | O::F32x4Div => (F32x4, Some(F32x4)),
        O::F32x4Min | O::F32x4Max | O::F32x4Sqrt => (F32x4, Some(F32x4)),
        O::F32x4Ceil | O::F32x4Floor | O::F32x4Trunc | O::F32x4Nearest => (F32x4, Some(F32x4)),
        O::F64x2Add | O::F64x2Sub | O::F64x2Mul | O::F64x2Div => (F64x2, Some(F64x2)),
        O::F64x2Min | O::F64x2Max | O::F64x2Sqrt => (F64x2, Some(F64x2)),
        O::F64x2Ceil | O::F64x2Floor | O::F64x2Trunc | O::F64x2Nearest => (F64x2, Some(F64x2)),
        O::F32x4DemoteF64x2Zero => (F64x2, Some(F32x4)),
        O::F64x2PromoteLowF32x4 => (F32x4, Some(F64x2)),
        O::F32x4Eq | O::F32x4Ne | O::F32x4Lt | O::F32x4Gt | O::F32x4Le | O::F32x4Ge => (F32x4, None),
        O::F64x2Eq | O::F64x2Ne | O::F64x2Lt | O::F64x2Gt | O::F64x2Le | O::F64x2Ge => (F64x2, None),
        O::I32x4TruncSatF32x4S | O::I32x4TruncSatF32x4U => (F32x4, None),
        O::I32x4TruncSatF64x2SZero | O::I32x4TruncSatF64x2UZero => (F64x2, None),
        _ => return None,
    })
}

/// Whether the operator changes nothing of its operand but the sign. Then a NaN goes through with its payload, and can as
/// well be made canonical before it.
pub(crate) fn changes_sign(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::F32Neg
            | O::F32Abs
            | O::F64Neg
            | O::F64Abs
            | O::F32Copysign
            | O::F64Copysign
            | O::F32x4Neg
            | O::F32x4Abs
            | O::F64x2Neg
            | O::F64x2Abs
    )
}

/// Whether the operator takes many times as long as a sum or a product.
pub(crate) fn takes_long(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(operator, O::F32Div | O::F32Sqrt | O::F64Div | O::F64Sqrt)
        || matches!(operator, O::F32x4Div | O::F32x4Sqrt | O::F64x2Div | O::F64x2Sqrt)
}

/// Whether the operator makes a number that is never a NaN; a vector must be none in either shape, and half of a double can
/// look like a float's NaN.
pub(crate) fn makes_number(operator: &Operator<'_>) -> bool {
    use Operator as O;
    match operator {
        O::F32Const { value } => !f32::from_bits(value.bits()).is_nan(),
        O::F64Const { value } => !f64::from_bits(value.bits()).is_nan(),
        O::F32ConvertI32S | O::F32ConvertI32U | O::F32ConvertI64S | O::F32ConvertI64U => true,
        O::F64ConvertI32S | O::F64ConvertI32U | O::F64ConvertI64S | O::F64ConvertI64U => true,
        O::F32x4ConvertI32x4S | O::F32x4ConvertI32x4U => true,
        O::V128Const { value } => {
            // Not a NaN in either reading.
            let bytes = value.bytes();
            let word = |i: usize| u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
            let words = [word(0), word(4), word(8), word(12)];
            let doubles = [[words[0], words[1]], [words[2], words[3]]];
            let double = |pair: [u32; 2]| f64::from_bits(u64::from(pair[1]) << 32 | u64::from(pair[0]));
            words.iter().all(|word| !f32::from_bits(*word).is_nan())
                && doubles.iter().all(|pair| !double(*pair).is_nan())
        }
        _ => false,
    }
}

/// The shape of the scalar that the operator stores, if it can be looked at afterwards: its upper half has an address.
pub(crate) fn stored(operator: &Operator<'_>) -> Option<Shape> {
    match operator {
        Operator::F32Store { .. } => Some(Shape::F32),
        Operator::F64Store { memarg } if memarg.offset <= u64::from(u32::MAX - UPPER_HALF) => {
            Some(Shape::F64)
        }
        _ => None,
    }
}

/// How values flow through one function, collected operator by operator and then solved.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    nodes: usize,
    /// Values that flow into a local variable or out of a block.
    moves: Vec<(Value, usize)>,
    /// Values whose bits are seen.
    seen: Vec<Sight>,
}

/// A value whose bits are seen.
#[derive(Debug)]
struct Sight {
    value: Value,
    /// They are not if the value has this shape.
    harmless: Option<Shape>,
    /// A store of one scalar of this shape sees them, at this operator.
    store: Option<(usize, Shape)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Node {
    /// Something flows in whose bits must stay.
    fixed: bool,
    /// Something of unknown NaN bits flows in, and in this shape.
    arithmetic: Option<Shape>,
    /// Such things flow in in both shapes that a vector can have.
    torn: bool,
}

impl Flow {
    /// A new local variable, block result or choice.
    pub(crate) fn node(&mut self) -> usize {
        self.nodes += 1;
        self.nodes - 1
    }

    /// A value flows into a node.
    pub(crate) fn moves(&mut self, value: Value, node: usize) {
        if value.class != Class::Number && value.class != Class::Node(node) {
            self.moves.push((value, node));
        }
    }

    /// A value's bits are seen.
    pub(crate) fn sees(&mut self, value: Value) {
        self.sight(value, None, None);
    }

    /// A scalar of this shape is stored by the operator `at`.
    pub(crate) fn stores(&mut self, value: Value, at: usize, shape: Shape) {
        self.sight(value, None, Some((at, shape)));
    }

    fn sight(&mut self, value: Value, harmless: Option<Shape>, store: Option<(usize, Shape)>) {
        if !matches!(value.class, Class::Fixed | Class::Number) {
            self.seen.push(Sight { value, harmless, store });
        }
    }

    /// A value is used by arithmetic of a shape, which shows no bits unless the value has another shape.
    pub(crate) fn computes(&mut self, value: Value, shape: Shape) {
        match class_shape(value.class) {
            Some(own) if own == shape => {}
            None if matches!(shape, Shape::F32 | Shape::F64) => {}
            _ => self.sight(value, Some(shape), None),
        }
    }

    /// Operators after which a NaN is made canonical, sorted by index.
    ///
    /// What is seen is made canonical where it is seen, if all that can be there was made by arithmetic of one shape. Where
    /// fixed bits can be there too, it is made canonical before it comes to those: such a node is *settled*. A node
    /// that nobody sees is not, whatever flows through it.
    pub(crate) fn solve(&self) -> Vec<(usize, Repair)> {
        if self.seen.is_empty() {
            return Vec::new();
        }
        let nodes = self.nodes();
        let shape = |class| match class {
            Class::Arithmetic(shape) => Some(shape),
            Class::Node(node) if !nodes[node].is_mixed() => nodes[node].arithmetic,
            _ => None,
        };
        let settled = self.settled(&nodes);
        let seen = self.seen.iter().filter_map(|sight| {
            let found = shape(sight.value.class).filter(|found| Some(*found) != sight.harmless)?;
            Some(match sight.store {
                Some((at, stored)) if stored == found => (at, Repair::Stored(found)),
                _ => (sight.value.site, Repair::Value(found)),
            })
        });
        let moved = self.moves.iter().filter_map(|(value, to)| {
            shape(value.class).filter(|_| settled[*to]).map(|found| (value.site, Repair::Value(found)))
        });
        let mut repairs: Vec<_> = seen.chain(moved).collect();
        repairs.sort_by_key(|(site, _)| *site);
        repairs.dedup();
        repairs
    }

    /// Which mixed nodes are seen, or flow into one that is.
    fn settled(&self, nodes: &[Node]) -> Vec<bool> {
        let mut settled = vec![false; nodes.len()];
        let mut pending = Vec::new();
        let mut settle = |node: usize, pending: &mut Vec<usize>| {
            if nodes[node].is_mixed() && !std::mem::replace(&mut settled[node], true) {
                pending.push(node);
            }
        };
        for Sight { value, harmless, .. } in &self.seen {
            if let Class::Node(node) = value.class
                && (nodes[node].torn || nodes[node].arithmetic != *harmless)
            {
                settle(node, &mut pending);
            }
        }
        let mut sources = vec![Vec::new(); nodes.len()];
        for (value, to) in &self.moves {
            if let Class::Node(from) = value.class {
                sources[*to].push(from);
            }
        }
        while let Some(node) = pending.pop() {
            for from in &sources[node] {
                settle(*from, &mut pending);
            }
        }
        settled
    }

    /// The least solution: what flows into each node, through however many others. Each node changes at most three
    /// times, so a module made to be slow costs no more than its length.
    fn nodes(&self) -> Vec<Node> {
        let mut nodes = vec![Node::default(); self.nodes];
        let mut successors = vec![Vec::new(); self.nodes];
        let mut pending = Vec::new();
        for (value, to) in &self.moves {
            let source = match value.class {
                Class::Fixed => Node { fixed: true, ..Node::default() },
                Class::Arithmetic(shape) => Node { arithmetic: Some(shape), ..Node::default() },
                Class::Number => continue,
                Class::Node(node) => {
                    successors[node].push(*to);
                    continue;
                }
            };
            if nodes[*to].take(source) {
                pending.push(*to);
            }
        }
        while let Some(node) = pending.pop() {
            let source = nodes[node];
            for to in &successors[node] {
                if nodes[*to].take(source) {
                    pending.push(*to);
                }
            }
        }
        nodes
    }
}

impl Node {
    /// Whether a NaN in it cannot be made canonical, because its bits may be fixed or of either shape.
    fn is_mixed(self) -> bool {
        self.torn || self.fixed && self.arithmetic.is_some()
    }

    /// Lets another node flow into this one; says whether anything changed.
    fn take(&mut self, source: Self) -> bool {
        let before = *self;
        self.fixed |= source.fixed;
        self.torn |= source.torn;
        match (self.arithmetic, source.arithmetic) {
            (None, found) => self.arithmetic = found,
            (Some(one), Some(other)) if one != other => self.torn = true,
            _ => {}
        }
        *self != before
    }
}

fn class_shape(class: Class) -> Option<Shape> {
    match class {
        Class::Arithmetic(shape) => Some(shape),
        _ => None,
    }
}
