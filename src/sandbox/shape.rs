//! Functions of a shape that neither meter nor engine take, found by the gate and not first by the compiler.

use wasmparser::{BinaryReaderError, FunctionBody, Operator};

use super::Refused;

/// Local variables that a function may declare: of the 50,000 that WebAssembly allows, parameters and meter take some.
const LOCALS_MAX: u64 = 48_000;
/// Targets of one `br_table`, besides its default: what the engine's code generator takes.
const TARGETS_MAX: u64 = 65_520;

/// Blocks in blocks: the time that the engine takes for them grows with the square (a module of 900 KB with 300,000 of
/// them took more than a minute). As many as fit into a function that is too small to be looked at.
const NESTING_MAX: u64 = LOOKED_AT_BYTES / 3;
/// Functions up to this length are not read: a target takes a byte at least, a block three.
const LOOKED_AT_BYTES: u64 = TARGETS_MAX;

/// The extremes of all functions seen so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    locals: u64,
    targets: u64,
    nesting: u64,
}

impl Shape {
    /// Looks at a function; returns the number of its local variables.
    ///
    /// # Errors
    /// When the function is malformed.
    pub(super) fn meet(&mut self, body: &FunctionBody<'_>) -> Result<u64, BinaryReaderError> {
        let mut locals = 0u64;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(u64::from(group?.0));
        }
        self.locals = self.locals.max(locals);
        if body.as_bytes().len() as u64 > LOOKED_AT_BYTES {
            self.read(body)?;
        }
        Ok(locals)
    }

    fn read(&mut self, body: &FunctionBody<'_>) -> Result<(), BinaryReaderError> {
        let mut depth = 0u64;
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::BrTable { targets } => self.targets = self.targets.max(u64::from(targets.len())),
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. } => {
                    depth += 1;
                    self.nesting = self.nesting.max(depth);
                }
                // The last one ends the function.
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Ok(())
    }

    /// The extremes of both.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            locals: self.locals.max(other.locals),
            targets: self.targets.max(other.targets),
            nesting: self.nesting.max(other.nesting),
        }
    }

    /// What no engine would compile is refused.
    ///
    /// # Errors
    /// The first extreme that is too large.
    pub(super) fn check(self) -> Result<(), Refused> {
        let counts = [
            ("local variables", self.locals, LOCALS_MAX),
            ("targets in one branch table", self.targets, TARGETS_MAX),
            ("blocks in blocks", self.nesting, NESTING_MAX),
        ];
        match counts.into_iter().find(|(_, found, most)| found > most) {
            Some((what, found, most)) => Err(Refused {
                code: "function_too_large",
                text: format!("a function has {found} {what}, at most {most} are taken"),
                hint: "split the function, or let the compiler inline less",
            }),
            None => Ok(()),
        }
    }
}
