//! One walk over a function that decides everything the rewriting needs: where fuel is charged and how much, where NaNs
//! are made canonical, and how much stack a call of it may take.

use wasmparser::{FuncValidator, FunctionBody, Operator, OperatorsReader, ValType, WasmModuleResources};

mod frames;
mod walk;

use walk::Walk;

use crate::calls::Summary;
use crate::nan::Repair;
use crate::turns::Counted;
use crate::{Error, Options};

/// An operator and its bytes in the module.
#[derive(Debug)]
pub(crate) struct Op<'a> {
    pub(crate) operator: Operator<'a>,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Control frames around it, the function's own included.
    pub(crate) depth: u32,
    /// Whether it can be reached at all.
    pub(crate) live: bool,
}

/// Why a charge stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointKind {
    /// At the entry of the function.
    Entry,
    /// At the head of a loop: paid for each turn, and looked at.
    Loop,
    /// At the head of a loop to which an exception leads: the fuel on record is read again, too.
    CaughtLoop,
    /// After a call, or where an exception may arrive: the fuel on record is read again.
    Return,
    /// After a branch or where branches meet.
    Plain,
}

/// A place where the operators up to the next place are paid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    /// Operator before which it stands.
    pub(crate) before: usize,
    pub(crate) kind: PointKind,
    pub(crate) cost: u64,
    /// The region ends in a call or throws, so the fuel must be on record.
    pub(crate) recorded: bool,
    /// At the head of a loop: something is called in it that comes back, and no block or `if` in the loop ends behind the call by another way.
    pub(crate) calls: bool,
}

/// What is known of a function after the walk.
#[derive(Debug)]
pub(crate) struct Analysis<'a> {
    pub(crate) ops: Vec<Op<'a>>,
    pub(crate) points: Vec<Point>,
    /// Operators after which a NaN is made canonical.
    pub(crate) canonical: Vec<(usize, Repair)>,
    pub(crate) loops: bool,
    /// Loops whose turns are paid for at once, in the order of their heads.
    pub(crate) counted: Vec<Counted>,
    /// Whether it catches exceptions.
    pub(crate) catches: bool,
    /// Whether a `return` or a branch to the function's own label leaves it early.
    pub(crate) early_exit: bool,
    /// What the other functions have to know.
    pub(crate) summary: Summary,
}

/// A turn that costs more gains nothing by being paid for with others.
const TURN_COST_MAX: u64 = 1 << 10;
/// Loops of a function that are paid ahead, times its local variables and the greatest height of its operand stack. Each such
/// loop is a place where all of them meet once more, and a compiler takes its time for that: for 1,500 loops and 1,000
/// variables Cranelift took 32 seconds and not 2.4.
const PAID_AHEAD_MAX: usize = 1 << 13;

/// Walks a function.
pub(crate) fn analyse<'a, R: WasmModuleResources>(
    body: &FunctionBody<'a>,
    validator: &mut FuncValidator<R>,
    params: usize,
    results: &[ValType],
    options: &Options,
) -> Result<Analysis<'a>, Error> {
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let mut walk = Walk::new(validator, params, results, options);
    let mut operators = OperatorsReader::new(reader);
    let mut ops = Vec::new();
    while !operators.eof() {
        let (operator, start) = operators.read_with_offset()?;
        let end = operators.original_position();
        let depth = validator.control_stack_height();
        let arity = if walk.live { operator.operator_arity(&*validator) } else { None };
        let live = walk.live;
        walk.step(ops.len(), &operator, arity, validator)?;
        validator.op(start, &operator)?;
        ops.push(Op { operator, start, end, depth, live });
    }
    operators.finish()?;
    walk.record_where_exceptions_arrive();
    let locals = validator.len_locals() as usize;
    let wide = (0..validator.len_locals()).filter(|i| validator.get_local_type(*i) == Some(ValType::V128));
    let slots = locals + wide.count() + walk.height_max;
    walk.summary.frame = 64 + 8 * slots as u64 + ops.len() as u64 / 8;
    walk.summary.cost = walk.points.iter().fold(0, |sum, point| sum.saturating_add(point.cost));
    let mut counted = std::mem::take(&mut walk.turns.counted);
    counted.retain(|counted| {
        options.turns_at_once
            && walk.points.get(counted.point).is_some_and(|point| {
                point.kind == PointKind::Loop && !point.recorded && (1..=TURN_COST_MAX).contains(&point.cost)
            })
    });
    counted.truncate(PAID_AHEAD_MAX / (locals + walk.height_max + 1));
    Ok(Analysis {
        counted,
        canonical: if options.canonical_nans { walk.flow.solve() } else { Vec::new() },
        ops,
        points: walk.points,
        loops: walk.loops,
        catches: walk.summary.catches,
        summary: walk.summary,
        early_exit: walk.early_exit,
    })
}
