//! What this machine has: the memory that jobs may be given.

use std::fs;

/// Three quarters of the memory that this process may use, in bytes: of the machine's, or of its control group's where that
/// is less. The rest is for the page cache, the provider itself and compiling. `None` where the system does not say.
#[must_use]
pub fn memory_to_use() -> Option<u64> {
    let read = |path| fs::read_to_string(path).ok();
    let total = read("/proc/meminfo").and_then(|text| total(&text))?;
    // Version 2 says `max` without a limit, version 1 a number that no machine has.
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = groups.into_iter().filter_map(read).filter_map(|text| text.trim().parse().ok()).min();
    Some(limit.map_or(total, |limit| total.min(limit)) / 4 * 3)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_it_has() {
        assert_eq!(total("MemTotal:        8150200 kB\nMemFree: 1 kB\n"), Some(8_150_200 * 1024));
        assert_eq!(total("MemTotal: much\n"), None);
        assert!(memory_to_use().is_some_and(|bytes| bytes > 64 << 20));
    }
}
