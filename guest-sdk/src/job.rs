//! An algorithm as a whole: what it takes, what it writes, and what it is handed when it runs.

use crate::{Args, Inputs, Outputs, Progress, Result, exit};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io::Write;
use std::rc::Rc;

/// An algorithm: its parameters and outputs by name, and the function that does the work.
///
/// Made once as a constant, it is what `main` starts and what tests try ([`testing::Trial`](crate::testing::Trial)).
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Every parameter that the algorithm understands: `min-group` is given as `--min-group 5`. Others are refused.
    pub parameters: &'static [&'static str],
    /// Every output that it writes. Others are refused, and a success without one of these is none. Empty: whatever it
    /// likes.
    pub outputs: &'static [&'static str],
    /// The work.
    pub run: fn(&Job) -> Result,
}

impl Program {
    /// Runs the algorithm over this program's folders and parameters, and ends as [`exit`] says.
    pub fn main(&self) {
        exit::run(|| {
            let args = Args::from_env(self.parameters)?;
            self.perform(&Job::new(args, Inputs::from_args()?, Outputs::from_args()?, Sink::Streams))
        });
    }

    /// The work, and what is promised about its outputs.
    pub(crate) fn perform(&self, job: &Job) -> Result {
        let job = Job { outputs: job.outputs.clone().declaring(self.outputs), ..job.clone() };
        (self.run)(&job)?;
        job.outputs.complete()
    }
}

/// What an algorithm is handed: parameters, folders, and the log.
#[derive(Debug, Clone)]
pub struct Job {
    /// The consumer's parameters.
    pub args: Args,
    /// The data.
    pub inputs: Inputs,
    /// Where results go.
    pub outputs: Outputs,
    sink: Sink,
    /// The last percentage that was reported.
    reported: Cell<Option<u8>>,
}

impl Job {
    pub(crate) fn new(args: Args, inputs: Inputs, outputs: Outputs, sink: Sink) -> Self {
        Self { args, inputs, outputs, sink, reported: Cell::new(None) }
    }

    /// Writes a line to the job's log, on standard output.
    ///
    /// The log is bound by the receipt like an output, and the policy decides whether it leaves.
    pub fn log(&self, line: impl Display) {
        self.sink.line(false, &line.to_string());
    }

    /// Reports how much of the work is done, from 0 to 1 ([`crate::progress`] has the protocol).
    ///
    /// Written only when the whole percentage has grown, so that it may be called for every row.
    pub fn progress(&self, fraction: f64, message: &str) {
        let progress = Progress::new(fraction, message);
        if self.reported.get().is_none_or(|last| progress.percent > last) {
            self.reported.set(Some(progress.percent));
            self.sink.line(true, &progress.to_string());
        }
    }
}

/// Where lines go: the two streams, or the memory of a test.
#[derive(Debug, Clone)]
pub(crate) enum Sink {
    Streams,
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "trials are native"))]
    Kept(Rc<RefCell<Vec<String>>>),
}

impl Sink {
    /// A line; `aside` is standard error. A stream that takes nothing more is the limit's affair, not the algorithm's.
    fn line(&self, aside: bool, line: &str) {
        let _ = match self {
            Self::Streams if aside => writeln!(std::io::stderr(), "{line}"),
            Self::Streams => writeln!(std::io::stdout(), "{line}"),
            Self::Kept(lines) => {
                lines.borrow_mut().push(line.to_owned());
                Ok(())
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_written_once_for_each_percent_and_never_falls() {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let sink = Sink::Kept(Rc::clone(&lines));
        let job = Job::new(Args::default(), Inputs::at("/"), Outputs::at("/"), sink);
        for row in 0..=1_000_000u32 {
            job.progress(f64::from(row) / 1e6, "");
        }
        job.progress(0.5, "back");
        job.log("the end");
        let lines = lines.borrow();
        assert_eq!(lines.len(), 102);
        assert_eq!((lines[0].as_str(), lines[50].as_str()), ("brizo:progress 0.00", "brizo:progress 0.50"));
        assert_eq!((lines[100].as_str(), lines[101].as_str()), ("brizo:progress 1.00", "the end"));
    }
}
