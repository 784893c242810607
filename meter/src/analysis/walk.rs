//! The walk's course: what each operator costs, and how values flow through it.

use wasmparser::{CompositeInnerType, FuncType, FuncValidator, Operator, ValType, WasmModuleResources};

use super::frames::Frame;
use super::{Point, PointKind};
use crate::calls::Summary;
use crate::costs::{self, Costs};
use crate::nan::{self, Class, Flow, Value};
use crate::turns::Turns;
use crate::{Error, Options};

/// Blocks around a call that are looked at: a nest made to be slow costs no more.
const AROUND_MAX: usize = 64;

/// What is known on the way.
pub(super) struct Walk<'o> {
    pub(super) costs: &'o Costs,
    pub(super) stack: Vec<Value>,
    pub(super) frames: Vec<Frame>,
    /// Nodes of the local variables that can hold floating point numbers.
    pub(super) locals: Vec<Option<usize>>,
    pub(super) flow: Flow,
    pub(super) points: Vec<Point>,
    /// The region that pays for the next operator.
    pub(super) payer: usize,
    pub(super) live: bool,
    /// Frames opened in code that cannot be reached.
    pub(super) dead_frames: usize,
    pub(super) height_max: usize,
    pub(super) loops: bool,
    /// The operator before was a call.
    pub(super) called: bool,
    /// Regions at the heads of the loops that are open.
    pub(super) heads: Vec<usize>,
    pub(super) summary: Summary,
    pub(super) early_exit: bool,
    pub(super) turns: Turns,
    /// A quotient or a root was begun since the last point, so what is computed probably waits for it.
    pub(super) waits: bool,
}

impl<'o> Walk<'o> {
    pub(super) fn new<R: WasmModuleResources>(
        validator: &FuncValidator<R>,
        params: usize,
        results: &[ValType],
        options: &'o Options,
    ) -> Self {
        let mut flow = Flow::default();
        let mut locals = Vec::new();
        for index in 0..validator.len_locals() {
            let node = validator.get_local_type(index).filter(|ty| can_float(*ty)).map(|_| flow.node());
            if let Some(node) = node.filter(|_| (index as usize) < params) {
                flow.moves(Value::fixed(0), node);
            }
            locals.push(node);
        }
        let body = Frame {
            is_loop: false,
            result: None,
            result_arity: results.len(),
            label_arity: results.len(),
            params: 0,
            height: 0,
            targeted: false,
            caught: false,
            arm_reached: false,
            is_if: false,
            payer: 0,
            head: None,
            closed: false,
        };
        let mut walk = Self {
            costs: &options.costs,
            stack: Vec::new(),
            frames: vec![body],
            locals,
            flow,
            points: Vec::new(),
            payer: 0,
            live: true,
            dead_frames: 0,
            height_max: 0,
            loops: false,
            called: false,
            heads: Vec::new(),
            summary: Summary::default(),
            early_exit: false,
            turns: Turns::default(),
            waits: false,
        };
        let cost = u64::from(options.costs.function);
        walk.points.push(Point { before: 0, kind: PointKind::Entry, cost, recorded: false, calls: false });
        walk
    }

    pub(super) fn point(&mut self, before: usize, kind: PointKind) {
        self.waits = false;
        self.payer = self.points.len();
        self.points.push(Point { before, kind, cost: 0, recorded: false, calls: false });
    }

    /// Where an exception may arrive, what is on record counts, and whoever arrives there by another way has its fuel in the
    /// local variable. With every region on record it is there for both.
    pub(super) fn record_where_exceptions_arrive(&mut self) {
        if self.summary.catches {
            self.points.iter_mut().for_each(|point| point.recorded = true);
        }
    }

    /// Control can leave the frames from an index on by another way than their ends, or stay for long.
    pub(super) fn opens(&mut self, from: usize) {
        for frame in self.frames.iter_mut().skip(from) {
            frame.closed = false;
        }
    }

    pub(super) fn charge(&mut self, operator: &Operator<'_>) {
        let cost = self.costs.of(operator);
        let recorded = costs::is_call(operator) || costs::is_throw(operator);
        // A call that nothing comes back from, as of a function that panics, takes nothing from the loop around it.
        if std::mem::replace(&mut self.called, costs::is_call(operator))
            && !matches!(operator, Operator::Unreachable)
        {
            self.calls_in_loop();
        }
        if let Some(point) = self.points.get_mut(self.payer) {
            point.cost += cost;
        }
        if let Some(point) = self.points.last_mut() {
            point.recorded |= recorded;
        }
    }

    /// Something is called in the innermost loop, and comes back. It does not count where the end of a block, or an arm of an `if`,
    /// passes it by: most turns of a loop that calls now and then, as one that fills a list, are those of a loop that calls
    /// nothing. An inner loop counts for the outer one as a call at its end would.
    pub(super) fn calls_in_loop(&mut self) {
        let mut around = self.frames.iter().rev().take(AROUND_MAX).take_while(|frame| !frame.is_loop);
        if around.any(Frame::is_joined) {
            return;
        }
        if let Some(point) = self.heads.last().and_then(|head| self.points.get_mut(*head)) {
            point.calls = true;
        }
    }

    pub(super) fn pop(&mut self) -> Value {
        // The validator has the last word on underflow; here it can only mean code that is not valid anyway.
        self.stack.pop().unwrap_or(Value::fixed(0))
    }

    pub(super) fn push(&mut self, class: Class, site: usize) {
        self.stack.push(Value { class, site });
        self.height_max = self.height_max.max(self.stack.len());
    }

    pub(super) fn see(&mut self, count: usize) {
        for _ in 0..count {
            let value = self.pop();
            self.flow.sees(value);
        }
    }

    /// One operator, before the validator has taken it.
    pub(super) fn step<R: WasmModuleResources>(
        &mut self,
        at: usize,
        operator: &Operator<'_>,
        arity: Option<(u32, u32)>,
        validator: &FuncValidator<R>,
    ) -> Result<(), Error> {
        if !self.live {
            return self.step_dead(at, operator);
        }
        self.charge(operator);
        let (pops, pushes) = arity
            .ok_or_else(|| Error::Unsupported(format!("the operator {operator:?} has no known arity")))?;
        self.turns.step(at, operator, (pops, pushes));
        match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                self.open(at, operator, *blockty, validator)?;
                if matches!(operator, Operator::Loop { .. }) {
                    self.turns.open(at, *blockty, self.payer);
                }
            }
            Operator::TryTable { try_table } => {
                for catch in &try_table.catches {
                    self.catch(*catch);
                }
                self.open(at, operator, try_table.ty, validator)?;
            }
            Operator::Else => self.arm(at),
            Operator::End => self.close(at),
            Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable => self.jump(at, operator, pops as usize)?,
            Operator::LocalGet { local_index } => {
                let node = self.locals.get(*local_index as usize).copied().flatten();
                self.push(node.map_or(Class::Fixed, Class::Node), at);
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop();
                self.assign(*local_index, value);
            }
            Operator::LocalTee { local_index } => {
                if let Some(value) = self.stack.last().copied() {
                    self.assign(*local_index, value);
                }
            }
            Operator::Drop => {
                self.pop();
            }
            Operator::Select | Operator::TypedSelect { .. } => self.select(at),
            other => self.compute(at, other, pops as usize, pushes as usize, validator)?,
        }
        Ok(())
    }

    /// What leaves the straight way.
    fn jump(&mut self, at: usize, operator: &Operator<'_>, pops: usize) -> Result<(), Error> {
        match operator {
            Operator::Throw { .. } | Operator::ThrowRef => {
                self.opens(0);
                self.see(pops);
                self.die();
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth);
                self.die();
            }
            Operator::BrIf { relative_depth } => {
                self.pop();
                self.branch(*relative_depth);
                self.point(at + 1, PointKind::Plain);
            }
            Operator::BrTable { targets } => {
                self.pop();
                for target in targets.targets().chain([Ok(targets.default())]) {
                    self.branch(target?);
                }
                self.die();
            }
            Operator::Return => {
                self.see(pops);
                self.opens(0);
                self.early_exit = true;
                self.die();
            }
            // A trap.
            _ => self.die(),
        }
        Ok(())
    }

    pub(super) fn assign(&mut self, local: u32, value: Value) {
        if let Some(node) = self.locals.get(local as usize).copied().flatten() {
            self.flow.moves(value, node);
        }
    }

    pub(super) fn select(&mut self, at: usize) {
        self.pop();
        let (second, first) = (self.pop(), self.pop());
        let plain = |value: Value| matches!(value.class, Class::Fixed);
        if plain(first) && plain(second) {
            return self.push(Class::Fixed, at);
        }
        let node = self.flow.node();
        self.flow.moves(first, node);
        self.flow.moves(second, node);
        self.push(Class::Node(node), at);
    }

    /// A value whose sign is changed: its NaN has fixed bits beside the payload, so it can only be made canonical before that,
    /// and has to be only where somebody sees it.
    fn change_sign(&mut self, at: usize) {
        let value = self.pop();
        if matches!(value.class, Class::Fixed | Class::Number) {
            return self.push(value.class, at);
        }
        let node = self.flow.node();
        self.flow.moves(value, node);
        self.flow.moves(Value::fixed(at), node);
        self.push(Class::Node(node), at);
    }

    /// Everything that only takes and gives values.
    pub(super) fn compute<R: WasmModuleResources>(
        &mut self,
        at: usize,
        operator: &Operator<'_>,
        pops: usize,
        pushes: usize,
        validator: &FuncValidator<R>,
    ) -> Result<(), Error> {
        supported(operator)?;
        self.waits |= nan::takes_long(operator);
        if let Some((takes, makes)) = nan::arithmetic(operator) {
            for _ in 0..pops {
                let value = self.pop();
                self.flow.computes(value, takes);
            }
            self.push(makes.map_or(Class::Fixed, Class::Arithmetic), at);
            return Ok(());
        }
        if nan::changes_sign(operator) {
            // What has its sign copied stands on top of what gets it.
            self.see(pops - 1);
            self.change_sign(at);
            return Ok(());
        }
        if let Some(shape) = nan::stored(operator) {
            let value = self.pop();
            // To look at a number in memory pays where its making takes long; one that is kept besides is looked at where it
            // is made, because the other way was slower.
            if value.site + 1 == at && self.waits {
                self.flow.stores(value, at, shape)
            } else {
                self.flow.sees(value)
            }
            self.pop();
            return Ok(());
        }
        self.see(pops);
        let class = if nan::makes_number(operator) { Class::Number } else { Class::Fixed };
        for _ in 0..pushes {
            self.push(class, at);
        }
        match operator {
            Operator::Call { function_index } => self.summary.callees.push(*function_index),
            Operator::CallIndirect { type_index, .. } => {
                self.summary.indirect.extend(function_type(validator, *type_index))
            }
            Operator::RefFunc { function_index } => self.summary.names.push(*function_index),
            _ => {}
        }
        if costs::is_call(operator) || costs::is_measured(operator) {
            self.opens(0);
        }
        if costs::is_call(operator) {
            self.point(at + 1, PointKind::Return);
        }
        Ok(())
    }
}

/// A type of the module that is a function type; the validator takes no other in a call.
fn function_type<R: WasmModuleResources>(validator: &FuncValidator<R>, index: u32) -> Option<FuncType> {
    match &validator.resources().sub_type_at(index)?.composite_type.inner {
        CompositeInnerType::Func(ty) => Some(ty.clone()),
        _ => None,
    }
}

pub(super) fn can_float(ty: ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64 | ValType::V128)
}

/// Refuses what the rewriting does not know: an operator that leaves a function unseen would run unmetered.
pub(super) fn supported(operator: &Operator<'_>) -> Result<(), Error> {
    macro_rules! proposal {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $(Operator::$op { .. } => (stringify!($proposal), stringify!($op)),)*
                _ => ("unknown", "unknown"),
            }
        };
    }
    let (proposal, name) = wasmparser::for_each_operator!(proposal);
    match proposal {
        "mvp"
        | "sign_extension"
        | "saturating_float_to_int"
        | "bulk_memory"
        | "reference_types"
        | "simd"
        | "exceptions" => Ok(()),
        other => Err(Error::Unsupported(format!("the operator {name} ({other})"))),
    }
}
