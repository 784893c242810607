//! What was run, what was equal, and what was left out and why.

use std::collections::BTreeMap;

/// Counts of one script, or of all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) files: usize,
    /// Modules that were rewritten and instantiated, or refused to be, in both forms.
    pub(crate) modules: usize,
    /// Modules that are not rewritten, by what they use.
    pub(crate) outside: BTreeMap<String, usize>,
    /// Assertions and calls with the same end in both forms, which is the one that the suite wants.
    pub(crate) equal: usize,
    /// Assertions that say nothing about the rewriting, by the reason.
    pub(crate) skipped: BTreeMap<String, usize>,
    pub(crate) differences: Vec<String>,
}

impl Tally {
    pub(crate) fn skip(&mut self, why: &str) {
        *self.skipped.entry(why.to_owned()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.modules += other.modules;
        self.equal += other.equal;
        for (sum, part) in [(&mut self.outside, other.outside), (&mut self.skipped, other.skipped)] {
            for (why, count) in part {
                *sum.entry(why).or_default() += count;
            }
        }
        self.differences.extend(other.differences);
    }

    /// One line of the table.
    pub(crate) fn row(&self, name: &str) -> String {
        let sum = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>();
        format!(
            "{name:<60} {:>5} modules {:>5} outside {:>6} equal {:>5} skipped {:>4} different",
            self.modules,
            sum(&self.outside),
            self.equal,
            sum(&self.skipped),
            self.differences.len()
        )
    }

    pub(crate) fn print(&self) {
        for difference in &self.differences {
            println!("DIFFERENT: {difference}");
        }
        for (what, counts) in [("modules outside", &self.outside), ("assertions skipped", &self.skipped)] {
            let mut sorted: Vec<_> = counts.iter().collect();
            sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (why, count) in sorted {
                println!("{what}: {count:>5} {why}");
            }
        }
        println!("{}", self.row(&format!("{} files", self.files)));
    }
}
