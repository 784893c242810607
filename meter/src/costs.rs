//! What each operator costs. The table is part of the execution profile: changing a number changes every receipt.

use wasmparser::Operator;

/// Fuel per operator, by kind. What a unit stands for: [`Costs::PROFILE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// Everything that no other field names: arithmetic, comparison, conversion.
    pub plain: u32,
    /// `local.get`, `local.set`, `local.tee` and constants, which mostly vanish when compiled.
    pub local: u32,
    /// `global.get` and `global.set`.
    pub global: u32,
    /// Reading memory.
    pub load: u32,
    /// Writing memory.
    pub store: u32,
    /// `br`, `br_if`, `if`.
    pub branch: u32,
    /// `br_table`.
    pub branch_table: u32,
    /// A direct call.
    pub call: u32,
    /// Entering and leaving a function.
    pub function: u32,
    /// A call through a table.
    pub call_indirect: u32,
    /// Integer multiplication.
    pub multiply: u32,
    /// Integer division and remainder.
    pub divide: u32,
    /// Addition, multiplication and the like of floating point numbers, scalar and vector.
    pub float: u32,
    /// Division and square root of floating point numbers, scalar and vector.
    pub float_slow: u32,
    /// Reading and writing tables.
    pub table: u32,
    /// Throwing an exception.
    pub throw: u32,
    /// An operator on a whole range of memory or of a table, or growth of either, besides its length.
    pub bulk: u32,
    /// Bytes of a bulk operation that cost one unit, as a power of two.
    pub bytes_shift: u32,
    /// Each page by which memory grows, and each page it starts with.
    pub page: u32,
    /// Each entry of a table that a bulk operation touches, by which a table grows, or with which it starts.
    pub entry: u32,
}

impl Costs {
    /// The costs of the profile, fitted to the times of `examples/kernels`: one unit is about a sixteenth of a nanosecond
    /// of an AMD EPYC of the fourth generation.
    ///
    /// There are five classes. What vanishes when compiled is free. What a core does several of in a cycle costs one. What
    /// goes to memory, or takes a few cycles, costs two. What a core waits for, or has to guess and sometimes guesses
    /// wrong, costs ten: division, roots, jumps, calls. A call through a table costs two of these. A kernel so uses 12 to
    /// 35 units in a nanosecond, and one that waits for memory most of the time six to nine: what misses the caches is cheaper
    /// than it should be, because no operator shows whether it will.
    pub const PROFILE: Self = Self {
        plain: 1,
        local: 0,
        global: 2,
        load: 2,
        store: 2,
        branch: 10,
        branch_table: 10,
        call: 10,
        function: 10,
        call_indirect: 20,
        multiply: 2,
        divide: 10,
        float: 1,
        float_slow: 10,
        table: 2,
        throw: 20_000,
        bulk: 100,
        bytes_shift: 2,
        page: 20_000,
        entry: 8,
    };

    /// One unit for each operator that does something, and for each byte and each entry: what wasmtime charges when
    /// nothing else is said. Tests compare the two.
    pub const UNIFORM: Self = Self {
        plain: 1,
        local: 1,
        global: 1,
        load: 1,
        store: 1,
        branch: 1,
        branch_table: 1,
        call: 1,
        function: 1,
        call_indirect: 1,
        multiply: 1,
        divide: 1,
        float: 1,
        float_slow: 1,
        table: 1,
        throw: 1,
        bulk: 1,
        bytes_shift: 0,
        page: 0,
        entry: 1,
    };

    /// Fuel for one operator, without what its operands add.
    pub(crate) fn of(&self, operator: &Operator<'_>) -> u64 {
        use Operator as O;
        let cost = match operator {
            O::Nop | O::Drop | O::Block { .. } | O::Loop { .. } | O::Unreachable | O::Return => 0,
            O::Else | O::End | O::TryTable { .. } => 0,
            O::LocalGet { .. } | O::LocalSet { .. } | O::LocalTee { .. } => self.local,
            O::I32Const { .. } | O::I64Const { .. } | O::F32Const { .. } | O::F64Const { .. } => self.local,
            O::V128Const { .. } => self.local,
            O::GlobalGet { .. } | O::GlobalSet { .. } => self.global,
            O::Br { .. } | O::BrIf { .. } | O::If { .. } => self.branch,
            O::BrTable { .. } => self.branch_table,
            O::Call { .. } => self.call,
            O::CallIndirect { .. } => self.call_indirect,
            O::I32Mul | O::I64Mul | O::I64x2Mul | O::I32x4Mul => self.multiply,
            O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => self.divide,
            O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => self.divide,
            O::F32Div | O::F32Sqrt | O::F64Div | O::F64Sqrt => self.float_slow,
            O::F32x4Div | O::F32x4Sqrt | O::F64x2Div | O::F64x2Sqrt => self.float_slow,
            O::TableGet { .. } | O::TableSet { .. } => self.table,
            O::Throw { .. } | O::ThrowRef => self.throw,
            O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } | O::MemoryGrow { .. } => {
                self.bulk
            }
            O::TableCopy { .. } | O::TableFill { .. } | O::TableInit { .. } | O::TableGrow { .. } => {
                self.bulk
            }
            other if is_load(other) => self.load,
            other if is_store(other) => self.store,
            other if is_float(other) => self.float,
            _ => self.plain,
        };
        u64::from(cost)
    }
}

/// Whether the operator reads linear memory.
pub(crate) fn is_load(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::I32Load { .. }
            | O::I64Load { .. }
            | O::F32Load { .. }
            | O::F64Load { .. }
            | O::I32Load8S { .. }
            | O::I32Load8U { .. }
            | O::I32Load16S { .. }
            | O::I32Load16U { .. }
            | O::I64Load8S { .. }
            | O::I64Load8U { .. }
            | O::I64Load16S { .. }
            | O::I64Load16U { .. }
            | O::I64Load32S { .. }
            | O::I64Load32U { .. }
            | O::V128Load { .. }
            | O::V128Load8x8S { .. }
            | O::V128Load8x8U { .. }
            | O::V128Load16x4S { .. }
            | O::V128Load16x4U { .. }
            | O::V128Load32x2S { .. }
            | O::V128Load32x2U { .. }
            | O::V128Load8Splat { .. }
            | O::V128Load16Splat { .. }
            | O::V128Load32Splat { .. }
            | O::V128Load64Splat { .. }
            | O::V128Load32Zero { .. }
            | O::V128Load64Zero { .. }
            | O::V128Load8Lane { .. }
            | O::V128Load16Lane { .. }
            | O::V128Load32Lane { .. }
            | O::V128Load64Lane { .. }
    )
}

/// Whether the operator writes linear memory.
pub(crate) fn is_store(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::I32Store { .. }
            | O::I64Store { .. }
            | O::F32Store { .. }
            | O::F64Store { .. }
            | O::I32Store8 { .. }
            | O::I32Store16 { .. }
            | O::I64Store8 { .. }
            | O::I64Store16 { .. }
            | O::I64Store32 { .. }
            | O::V128Store { .. }
            | O::V128Store8Lane { .. }
            | O::V128Store16Lane { .. }
            | O::V128Store32Lane { .. }
            | O::V128Store64Lane { .. }
    )
}

fn is_float(operator: &Operator<'_>) -> bool {
    crate::nan::arithmetic(operator).is_some()
}

/// Whether the operator throws: control arrives where the exception is caught, here or further out.
pub(crate) fn is_throw(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Throw { .. } | Operator::ThrowRef)
}

/// Whether the operator's cost depends on its operands.
pub(crate) fn is_measured(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::MemoryCopy { .. }
            | O::MemoryFill { .. }
            | O::MemoryInit { .. }
            | O::MemoryGrow { .. }
            | O::TableCopy { .. }
            | O::TableFill { .. }
            | O::TableInit { .. }
            | O::TableGrow { .. }
    )
}

/// Whether control leaves the function and comes back: the fuel on record may be less afterwards.
pub(crate) fn is_call(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. })
}
