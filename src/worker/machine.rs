//! What this machine has: the memory that jobs may be given.

use std::fs;
use std::path::{Path, PathBuf};

/// Three quarters of the memory that this process may use, in bytes: of the machine's, or of its control group's where that
/// is less. The rest is for the page cache, the provider itself and compiling. `None` where the system does not say.
#[must_use]
pub fn memory_to_use() -> Option<u64> {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text))?;
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let read = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse().ok();
    let limit = limits(&own).into_iter().filter_map(read).min();
    Some(limit.map_or(total, |limit: u64| total.min(limit)) / 4 * 3)
}

/// Files with the limits that hold for a process in these control groups (cgroups(7)): those of its own and of all above it.
/// Version 2 says `max` where there is none, version 1 a number that no machine has. A container sees its own group as the root.
fn limits(groups: &str) -> Vec<PathBuf> {
    let [two, one] = [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")];
    let mut found = vec![Path::new(two.0).join(two.1), Path::new(one.0).join(one.1)];
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (folder, file) = match controllers {
            "" => two,
            _ if controllers.split(',').any(|it| it == "memory") => one,
            _ => continue,
        };
        let below = path.trim_start_matches('/');
        let own = Path::new(folder).join(below);
        found.extend(own.ancestors().take_while(|it| *it != Path::new(folder)).map(|it| it.join(file)));
    }
    found
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
    fn the_limits_of_all_groups_above_count() {
        let of = |groups: &str| -> Vec<String> {
            limits(groups).iter().skip(2).map(|path| path.display().to_string()).collect()
        };
        let unit = ["system.slice/brizo.service", "system.slice"]
            .map(|it| format!("/sys/fs/cgroup/{it}/memory.max"));
        assert_eq!(of("0::/system.slice/brizo.service\n"), unit);
        let old = "4:cpu,memory:/a\n1:name=systemd:/b:c\n0::/\nnonsense\n";
        assert_eq!(of(old), ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes"]);
        assert_eq!(limits("").len(), 2, "those of the root, which are a container's own");
    }

    #[test]
    fn the_machine_says_what_it_has() {
        assert_eq!(total("MemTotal:        8150200 kB\nMemFree: 1 kB\n"), Some(8_150_200 * 1024));
        assert_eq!(total("MemTotal: much\n"), None);
        assert!(memory_to_use().is_some_and(|bytes| bytes > 64 << 20));
    }
}
