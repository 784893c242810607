//! Limits that the engine asks about while a guest runs: memory and tables.

use wasmtime::ResourceLimiter;

/// Entries that all tables together may have; far above what compilers produce, far below what would hurt the host.
pub(super) const TABLE_ENTRIES_MAX: usize = 1_000_000;

/// The smallest memory.
const PAGE: u64 = 65_536;

/// Tables that a module may have.
pub(super) const TABLES_MAX: u32 = 4;

/// Grants memory up to exactly the ordered limit and remembers that more was asked for.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: u64,
    refused: bool,
    table_entries: usize,
}

impl MemoryLimiter {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, refused: false, table_entries: 0 }
    }

    /// Whether the guest asked for more memory than it may have.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// Whether a memory may have `desired` bytes, which `maximum` is the module's own opinion of. Only what the order
    /// forbids counts as refused: what no memory of this module can have is the guest's affair, and not every engine asks
    /// about it.
    pub(super) fn grant_memory(&mut self, desired: usize, maximum: Option<usize>) -> bool {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        // The memory that holds the floor is smaller than a page, and not the guest's.
        let granted = desired as u64 <= self.limit.max(PAGE);
        self.refused |= !granted;
        granted
    }

    /// Whether a table may have `desired` entries.
    pub(super) fn grant_table(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let together = self.table_entries.saturating_add(desired.saturating_sub(current));
        let granted = together <= TABLE_ENTRIES_MAX && maximum.is_none_or(|maximum| desired <= maximum);
        if granted {
            self.table_entries = together;
        }
        granted
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The module's own maximum is asked here too, so that every later failure is the host's.
        Ok(self.grant_memory(desired, maximum))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // Beyond 4 GiB the engine refuses before it asks; everything else that fails after our grant is the host's
        // poverty, which a guest must not be able to observe.
        if error.to_string().contains("memory type's limits") {
            return Ok(());
        }
        Err(HostMemory.into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grant_table(current, desired, maximum))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(HostMemory.into())
    }
}

/// The host could not give memory that the order allows.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the host has no memory left for the guest")]
pub(super) struct HostMemory;
