//! One walk over a function that decides everything the rewriting needs: where fuel is charged and how much, where NaNs
//! are made canonical, and how much stack a call of it may take.

use wasmparser::{
    BlockType, Catch, FuncValidator, FunctionBody, ModuleArity, Operator, ValType, WasmModuleResources,
};

use crate::costs::{self, Costs};
use crate::nan::{self, Class, Flow, Shape, Value};
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
    /// At the head of a loop: paid on each turn, and checked.
    Loop,
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
    /// Something in the region can trap or call, so the fuel must be on record.
    pub(crate) recorded: bool,
}

/// What is known of a function after the walk.
#[derive(Debug)]
pub(crate) struct Analysis<'a> {
    pub(crate) ops: Vec<Op<'a>>,
    pub(crate) points: Vec<Point>,
    /// Operators after which the top of the stack is made canonical.
    pub(crate) canonical: Vec<(usize, Shape)>,
    pub(crate) calls: bool,
    pub(crate) loops: bool,
    /// Whether it catches exceptions. Then fuel is always on record, because control may come from anywhere.
    pub(crate) catches: bool,
    /// Whether a `return` or a branch to the function's own label leaves it early.
    pub(crate) early_exit: bool,
    /// Units of stack that a call takes.
    pub(crate) frame: u64,
}

/// One control frame, beside the validator's own.
struct Frame {
    is_loop: bool,
    /// The block's single result, if it is a floating point number or a vector.
    result: Option<usize>,
    result_arity: usize,
    /// What a branch to it carries.
    label_arity: usize,
    params: usize,
    /// Values below it on the operand stack.
    height: usize,
    /// A branch leads to it.
    targeted: bool,
    /// An exception leads to it.
    caught: bool,
    /// The end of the first arm of an `if` was reached.
    arm_reached: bool,
    is_if: bool,
}

struct Walk<'o> {
    costs: &'o Costs,
    stack: Vec<Value>,
    frames: Vec<Frame>,
    /// Nodes of the local variables that can hold floating point numbers.
    locals: Vec<Option<usize>>,
    flow: Flow,
    points: Vec<Point>,
    live: bool,
    /// Frames opened in code that cannot be reached.
    dead_frames: usize,
    height_max: usize,
    calls: bool,
    loops: bool,
    catches: bool,
    early_exit: bool,
}

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
    let mut operators = wasmparser::OperatorsReader::new(reader);
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
    let locals = validator.len_locals() as usize;
    let wide = (0..validator.len_locals()).filter(|i| validator.get_local_type(*i) == Some(ValType::V128));
    let slots = locals + wide.count() + walk.height_max;
    Ok(Analysis {
        frame: 64 + 8 * slots as u64 + ops.len() as u64 / 8,
        canonical: if options.canonical_nans { walk.flow.solve() } else { Vec::new() },
        ops,
        points: walk.points,
        calls: walk.calls,
        loops: walk.loops,
        catches: walk.catches,
        early_exit: walk.early_exit,
    })
}

fn can_float(ty: ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64 | ValType::V128)
}

impl<'o> Walk<'o> {
    fn new<R: WasmModuleResources>(
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
        };
        let mut walk = Self {
            costs: &options.costs,
            stack: Vec::new(),
            frames: vec![body],
            locals,
            flow,
            points: Vec::new(),
            live: true,
            dead_frames: 0,
            height_max: 0,
            calls: false,
            loops: false,
            catches: false,
            early_exit: false,
        };
        let cost = u64::from(options.costs.function);
        walk.points.push(Point { before: 0, kind: PointKind::Entry, cost, recorded: false });
        walk
    }

    fn point(&mut self, before: usize, kind: PointKind) {
        self.points.push(Point { before, kind, cost: 0, recorded: false });
    }

    fn charge(&mut self, operator: &Operator<'_>) {
        let cost = self.costs.of(operator);
        let recorded = costs::may_trap(operator) || costs::is_call(operator);
        if let Some(point) = self.points.last_mut() {
            point.cost += cost;
            point.recorded |= recorded;
        }
    }

    fn pop(&mut self) -> Value {
        // The validator has the last word on underflow; here it can only mean code that is not valid anyway.
        self.stack.pop().unwrap_or(Value::fixed(0))
    }

    fn push(&mut self, class: Class, site: usize) {
        self.stack.push(Value { class, site });
        self.height_max = self.height_max.max(self.stack.len());
    }

    fn see(&mut self, count: usize) {
        for _ in 0..count {
            let value = self.pop();
            self.flow.sees(value);
        }
    }

    /// One operator, before the validator has taken it.
    fn step<R: WasmModuleResources>(
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
        match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                self.open(at, operator, *blockty, validator)?;
            }
            Operator::TryTable { try_table } => {
                for catch in &try_table.catches {
                    self.catch(*catch)?;
                }
                self.open(at, operator, try_table.ty, validator)?;
            }
            Operator::Else => self.arm(at),
            Operator::End => self.close(at),
            Operator::Throw { .. } | Operator::ThrowRef => {
                self.see(pops as usize);
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
                self.see(pops as usize);
                self.early_exit = true;
                self.die();
            }
            Operator::Unreachable => self.die(),
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
            other => self.compute(at, other, pops as usize, pushes as usize)?,
        }
        Ok(())
    }

    fn assign(&mut self, local: u32, value: Value) {
        if let Some(node) = self.locals.get(local as usize).copied().flatten() {
            self.flow.moves(value, node);
        }
    }

    fn select(&mut self, at: usize) {
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

    /// Everything that only takes and gives values.
    fn compute(
        &mut self,
        at: usize,
        operator: &Operator<'_>,
        pops: usize,
        pushes: usize,
    ) -> Result<(), Error> {
        supported(operator)?;
        if let Some((takes, makes)) = nan::arithmetic(operator) {
            for _ in 0..pops {
                let value = self.pop();
                self.flow.computes(value, takes);
            }
            self.push(makes.map_or(Class::Fixed, Class::Arithmetic), at);
            return Ok(());
        }
        self.see(pops);
        let class = if nan::makes_number(operator) { Class::Number } else { Class::Fixed };
        for _ in 0..pushes {
            self.push(class, at);
        }
        if costs::is_call(operator) {
            self.calls = true;
            self.point(at + 1, PointKind::Return);
        }
        Ok(())
    }

    fn open<R: WasmModuleResources>(
        &mut self,
        at: usize,
        operator: &Operator<'_>,
        ty: BlockType,
        validator: &FuncValidator<R>,
    ) -> Result<(), Error> {
        let is_loop = matches!(operator, Operator::Loop { .. });
        let is_if = matches!(operator, Operator::If { .. });
        if is_if {
            self.pop();
        }
        let (params, results) = validator
            .block_type_arity(ty)
            .ok_or_else(|| Error::Unsupported("a block of a type that is no function type".into()))?;
        let (params, result_arity) = (params as usize, results as usize);
        let float = matches!(ty, BlockType::Type(ty) if can_float(ty));
        self.see(params);
        let height = self.stack.len();
        for _ in 0..params {
            self.push(Class::Fixed, at);
        }
        self.frames.push(Frame {
            is_loop,
            result: float.then(|| self.flow.node()),
            result_arity,
            label_arity: if is_loop { params } else { result_arity },
            params,
            height,
            targeted: false,
            caught: false,
            arm_reached: false,
            is_if,
        });
        if is_loop {
            self.loops = true;
            self.point(at + 1, PointKind::Loop);
        } else if is_if {
            self.point(at + 1, PointKind::Plain);
        }
        Ok(())
    }

    /// Values that leave a frame, to where its results go.
    fn leave(&mut self, result: Option<usize>, arity: usize) {
        match (result, self.stack.last().copied()) {
            (Some(node), Some(value)) if arity == 1 => {
                self.pop();
                self.flow.moves(value, node);
            }
            _ => self.see(arity),
        }
    }

    fn branch(&mut self, depth: u32) {
        let Some(index) = self.frames.len().checked_sub(depth as usize + 1) else { return };
        self.early_exit |= index == 0;
        let frame = &mut self.frames[index];
        frame.targeted = true;
        let (result, arity) = (frame.result.filter(|_| !frame.is_loop), frame.label_arity);
        // The values stay on the stack for a branch that is not taken.
        let kept = self.stack.len().saturating_sub(arity);
        let kept: Vec<_> = self.stack[kept..].to_vec();
        self.leave(result, arity);
        self.stack.extend(kept);
    }

    /// An exception's values are fixed bits that arrive at a label.
    fn catch(&mut self, catch: Catch) -> Result<(), Error> {
        let (Catch::One { label, .. }
        | Catch::OneRef { label, .. }
        | Catch::All { label }
        | Catch::AllRef { label }) = catch;
        self.catches = true;
        let Some(index) = self.frames.len().checked_sub(label as usize + 1) else { return Ok(()) };
        self.early_exit |= index == 0;
        let frame = &mut self.frames[index];
        if frame.is_loop {
            return Err(Error::Unsupported("an exception handler that is the head of a loop".into()));
        }
        (frame.targeted, frame.caught) = (true, true);
        if let Some(node) = frame.result {
            self.flow.moves(Value::fixed(0), node);
        }
        Ok(())
    }

    fn die(&mut self) {
        self.live = false;
        self.dead_frames = 0;
    }

    fn arm(&mut self, at: usize) {
        let Some(frame) = self.frames.last_mut() else { return };
        frame.arm_reached |= self.live;
        let (result, arity, params, height) = (frame.result, frame.result_arity, frame.params, frame.height);
        if self.live {
            self.leave(result, arity);
        }
        self.stack.truncate(height);
        for _ in 0..params {
            self.push(Class::Fixed, at);
        }
        self.live = true;
        // The `if` has an `else`, so it no longer falls through by itself.
        if let Some(frame) = self.frames.last_mut() {
            frame.is_if = false;
        }
        self.point(at + 1, PointKind::Plain);
    }

    fn close(&mut self, at: usize) {
        let Some(frame) = self.frames.pop() else { return };
        let fell_through = self.live;
        if fell_through {
            self.leave(frame.result, frame.result_arity);
        }
        if self.frames.is_empty() {
            return;
        }
        self.stack.truncate(frame.height);
        // A loop's label is its head: branches to it do not come out here. An `if` without `else` falls through.
        let joins = !frame.is_loop && (frame.targeted || frame.arm_reached || frame.is_if);
        self.live = fell_through || joins;
        if !self.live {
            return;
        }
        let class = frame.result.map_or(Class::Fixed, Class::Node);
        for _ in 0..frame.result_arity {
            self.push(class, at);
        }
        if frame.caught {
            self.point(at + 1, PointKind::Return);
        } else if joins {
            self.point(at + 1, PointKind::Plain);
        }
    }

    /// Code that cannot be reached: only where it ends matters.
    fn step_dead(&mut self, at: usize, operator: &Operator<'_>) -> Result<(), Error> {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => self.dead_frames += 1,
            Operator::TryTable { .. } => self.dead_frames += 1,
            Operator::Else if self.dead_frames == 0 => self.arm(at),
            Operator::End if self.dead_frames == 0 => self.close(at),
            Operator::End => self.dead_frames -= 1,
            other => supported(other)?,
        }
        Ok(())
    }
}

/// Refuses what the rewriting does not know: an operator that leaves a function unseen would run unmetered.
fn supported(operator: &Operator<'_>) -> Result<(), Error> {
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
