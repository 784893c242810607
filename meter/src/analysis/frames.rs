//! Blocks, loops and branches: where regions begin, and what flows out of a block.

use wasmparser::{BlockType, Catch, FuncValidator, ModuleArity, Operator, WasmModuleResources};

use super::PointKind;
use super::walk::{Walk, can_float, supported};
use crate::Error;
use crate::nan::{Class, Value};

/// One control frame, beside the validator's own.
pub(super) struct Frame {
    pub(super) is_loop: bool,
    /// The block's single result, if it is a floating point number or a vector.
    pub(super) result: Option<usize>,
    pub(super) result_arity: usize,
    /// What a branch to it carries.
    pub(super) label_arity: usize,
    pub(super) params: usize,
    /// Values below it on the operand stack.
    pub(super) height: usize,
    /// A branch leads to it.
    pub(super) targeted: bool,
    /// An exception leads to it.
    pub(super) caught: bool,
    /// The region that it was opened in.
    pub(super) payer: usize,
    /// The region at the head of a loop.
    pub(super) head: Option<usize>,
    /// Nothing inside is a loop or a call, and control cannot leave but through its end (or a trap).
    pub(super) closed: bool,
    /// The end of the first arm of an `if` was reached.
    pub(super) arm_reached: bool,
    pub(super) is_if: bool,
}

impl Frame {
    /// Whether its end can be reached by another way than through all of it: by a branch, or by one arm of an `if`.
    pub(super) fn is_joined(&self) -> bool {
        self.targeted || self.arm_reached || self.is_if
    }
}

impl Walk<'_> {
    pub(super) fn open<R: WasmModuleResources>(
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
            payer: self.payer,
            head: is_loop.then_some(self.points.len()),
            closed: !is_loop,
        });
        if is_loop {
            self.loops = true;
            self.heads.push(self.points.len());
            self.opens(0);
            self.point(at + 1, PointKind::Loop);
        } else if is_if {
            self.point(at + 1, PointKind::Plain);
        }
        Ok(())
    }

    /// Values that leave a frame, to where its results go.
    pub(super) fn leave(&mut self, result: Option<usize>, arity: usize) {
        match (result, self.stack.last().copied()) {
            (Some(node), Some(value)) if arity == 1 => {
                self.pop();
                self.flow.moves(value, node);
            }
            _ => self.see(arity),
        }
    }

    pub(super) fn branch(&mut self, depth: u32) {
        let Some(index) = self.frames.len().checked_sub(depth as usize + 1) else { return };
        self.early_exit |= index == 0;
        self.opens(index + 1);
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
    pub(super) fn catch(&mut self, catch: Catch) {
        let (Catch::One { label, .. }
        | Catch::OneRef { label, .. }
        | Catch::All { label }
        | Catch::AllRef { label }) = catch;
        self.summary.catches = true;
        let Some(index) = self.frames.len().checked_sub(label as usize + 1) else { return };
        self.early_exit |= index == 0;
        let frame = &mut self.frames[index];
        frame.targeted = true;
        match frame.head.and_then(|head| self.points.get_mut(head)) {
            Some(head) => head.kind = PointKind::CaughtLoop,
            None => {
                frame.caught = true;
                if let Some(node) = frame.result {
                    self.flow.moves(Value::fixed(0), node);
                }
            }
        }
    }

    pub(super) fn die(&mut self) {
        self.live = false;
        self.dead_frames = 0;
    }

    pub(super) fn arm(&mut self, at: usize) {
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

    pub(super) fn close(&mut self, at: usize) {
        let Some(frame) = self.frames.pop() else { return };
        if frame.is_loop {
            let head = self.heads.pop();
            if head.and_then(|head| self.points.get(head)).is_some_and(|point| point.calls) {
                self.calls_in_loop();
            }
        }
        let fell_through = self.live;
        if fell_through {
            self.leave(frame.result, frame.result_arity);
        }
        if self.frames.is_empty() {
            return;
        }
        self.stack.truncate(frame.height);
        // A loop's label is its head: branches to it do not come out here. An `if` without `else` falls through.
        let joins = !frame.is_loop && frame.is_joined();
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
            if frame.closed {
                self.payer = frame.payer;
            }
        }
    }

    /// Code that cannot be reached: only where it ends matters.
    pub(super) fn step_dead(&mut self, at: usize, operator: &Operator<'_>) -> Result<(), Error> {
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
