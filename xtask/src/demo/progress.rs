//! Says which step the demo is at, and how long each took.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Progress {
    titles: &'static [&'static str],
    took: Vec<Duration>,
}

impl Progress {
    pub(crate) fn new(titles: &'static [&'static str]) -> Self {
        Self { titles, took: Vec::new() }
    }

    /// The step that runs, or failed.
    pub(crate) fn current(&self) -> &'static str {
        self.titles.get(self.took.len()).copied().unwrap_or("summing up")
    }

    /// Does the next step.
    pub(crate) fn step<T>(&mut self, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        println!("\n[{:>2}/{}] {}", self.took.len() + 1, self.titles.len(), self.current());
        let started = Instant::now();
        let done = work()?;
        let took = started.elapsed();
        println!("        done in {:.1} s", took.as_secs_f64());
        self.took.push(took);
        Ok(done)
    }

    pub(crate) fn print_table(&self) {
        for (title, took) in self.titles.iter().zip(&self.took) {
            println!("  {title:<44}{:>8.1} s", took.as_secs_f64());
        }
        println!("  {:<44}{:>8.1} s", "together", self.took.iter().sum::<Duration>().as_secs_f64());
    }
}
