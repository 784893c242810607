//! Memory and tables of all core modules in a component, counted together.

use wasmtime::ResourceLimiter;

use crate::sandbox::limits::{HostMemory, TABLE_ENTRIES_MAX};

/// Grants memory up to exactly the ordered limit, all memories together, and remembers that more was asked for.
#[derive(Debug)]
pub(super) struct ComponentLimiter {
    limit: u64,
    granted: u64,
    refused: bool,
    table_entries: usize,
}

impl ComponentLimiter {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, granted: 0, refused: false, table_entries: 0 }
    }

    /// Whether the guest asked for more memory than it may have.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for ComponentLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let together = self.granted.saturating_add(more);
        let granted = together <= self.limit && maximum.is_none_or(|maximum| desired <= maximum);
        if granted {
            self.granted = together;
        }
        self.refused |= !granted;
        Ok(granted)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // Beyond 4 GiB the engine refuses before it asks, so nothing was granted; everything else that fails is the
        // host's poverty after our grant, which a guest must not be able to observe.
        if error.to_string().contains("memory type's limits") {
            self.refused = true;
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
        let together = self.table_entries.saturating_add(desired.saturating_sub(current));
        let granted = together <= TABLE_ENTRIES_MAX && maximum.is_none_or(|maximum| desired <= maximum);
        if granted {
            self.table_entries = together;
        }
        Ok(granted)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(HostMemory.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = ComponentLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap(), "a second memory shares the limit");
        assert!(limiter.refused());
        assert!(limiter.memory_growing(0, 40, None).unwrap(), "a refusal takes nothing");
        assert!(!limiter.memory_growing(60, 61, None).unwrap());
    }

    #[test]
    fn tables_are_counted_together() {
        let mut limiter = ComponentLimiter::new(0);
        assert!(limiter.table_growing(0, TABLE_ENTRIES_MAX, None).unwrap());
        assert!(!limiter.table_growing(0, 1, None).unwrap());
    }
}
