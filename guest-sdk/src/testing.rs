//! Trying an algorithm in plain `cargo test`, without WebAssembly and without a host.

use crate::job::Sink;
use crate::{Args, Inputs, Job, Outputs, Program, Progress, Result, exit};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// A run of a [`Program`] over folders of its own, which are gone afterwards.
///
/// ```
/// use brizo_guest::{Job, Program, Result, testing::Trial};
///
/// const PROGRAM: Program = Program { parameters: &["word"], outputs: &["word.txt"], run: write_word };
///
/// fn write_word(job: &Job) -> Result {
///     job.outputs.write("word.txt", job.args.required("word")?)
/// }
///
/// let end = Trial::of(&PROGRAM).args(["--word", "yes"]).run();
/// assert_eq!((end.exit_code, end.text("word.txt")), (0, "yes"));
/// let end = Trial::of(&PROGRAM).run();
/// assert_eq!((end.exit_code, end.log.as_str()), (2, "error: --word VALUE is needed\n"));
/// ```
#[derive(Debug, Clone)]
pub struct Trial {
    program: Program,
    inputs: BTreeMap<String, Vec<u8>>,
    args: Vec<String>,
    variables: Vec<(String, String)>,
}

/// How a trial ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// What the program would have ended with ([`exit`]).
    pub exit_code: u8,
    /// The lines of [`Job::log`], then the line of an error or a panic. What `println!` prints is not in it.
    pub log: String,
    /// The progress that was reported, in order.
    pub progress: Vec<Progress>,
    /// The output files by name.
    pub outputs: BTreeMap<String, Vec<u8>>,
}

impl Trial {
    /// A trial without inputs and parameters.
    pub fn of(program: &Program) -> Self {
        Self { program: *program, inputs: BTreeMap::new(), args: Vec::new(), variables: Vec::new() }
    }

    /// Adds an input file: `a.csv` or `dataset/a.csv`.
    #[must_use]
    pub fn input(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.inputs.insert(name.to_owned(), content.as_ref().to_owned());
        self
    }

    /// Adds every file of a folder, such as the sample data beside the source.
    ///
    /// # Panics
    /// When the folder cannot be read: the test cannot go on.
    #[must_use]
    pub fn inputs_from(mut self, folder: impl AsRef<Path>) -> Self {
        let inputs = Inputs::at(folder.as_ref());
        for name in sound(inputs.files(), "the trial's inputs") {
            let content = sound(inputs.read(&name), "the trial's inputs");
            self.inputs.insert(name, content);
        }
        self
    }

    /// Adds parameters, as they stand on a command line.
    #[must_use]
    pub fn args(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.args.extend(words.into_iter().map(Into::into));
        self
    }

    /// Adds a variable. The variables of the test's own process are not seen.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the algorithm. An error and a panic are ends like others.
    ///
    /// # Panics
    /// When the temporary folders cannot be used.
    pub fn run(self) -> Ended {
        let folders = sound(Folders::new(), "the trial's folders");
        for (name, content) in &self.inputs {
            sound(Outputs::at(&folders.inputs).write(name, content), "the trial's inputs");
        }
        let lines = Rc::new(RefCell::new(Vec::new()));
        let (exit_code, last) = ended(|| {
            let args = Args::parse_with(self.args, self.variables, self.program.parameters)?;
            let (inputs, outputs) = (Inputs::at(&folders.inputs), Outputs::at(&folders.outputs));
            self.program.perform(&Job::new(args, inputs, outputs, Sink::Kept(Rc::clone(&lines))))
        });
        let (mut log, mut progress) = (String::new(), Vec::new());
        for line in lines.take().into_iter().chain(last) {
            match Progress::read(&line) {
                Some(report) => progress.push(report),
                None => log = log + &line + "\n",
            }
        }
        let outputs = Inputs::at(&folders.outputs);
        let outputs = sound(outputs.files(), "the trial's outputs")
            .into_iter()
            .map(|name| (name.clone(), sound(outputs.read(&name), "the trial's outputs")))
            .collect();
        Ended { exit_code, log, progress, outputs }
    }
}

impl Ended {
    /// The output `name` as text.
    ///
    /// # Panics
    /// When there is no such output or it is not UTF-8; the message lists the outputs there are, and the log.
    pub fn text(&self, name: &str) -> &str {
        let content = self.outputs.get(name).and_then(|content| std::str::from_utf8(content).ok());
        content.unwrap_or_else(|| {
            let names: Vec<_> = self.outputs.keys().collect();
            panic!(
                "no output {name} of text; outputs: {names:?}; exit code {}; log:\n{}",
                self.exit_code, self.log
            )
        })
    }
}

/// The end of `algorithm`: exit code, and the line that a failure leaves in the log.
fn ended(algorithm: impl FnOnce() -> Result) -> (u8, Option<String>) {
    catch_panics();
    CAUGHT.set(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(algorithm));
    let caught = CAUGHT.take();
    match result {
        Ok(Ok(())) => (0, None),
        Ok(Err(error)) => (error.code(), Some(exit::error_line(&error))),
        Err(_) => (exit::PANIC, caught),
    }
}

thread_local! {
    /// During a trial, the line of the panic that this thread met, if any.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the panics of trials for their log; all others go where they went before.
fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let kept = CAUGHT.with_borrow_mut(|caught| {
                caught.as_mut().map(|line| *line = exit::panic_line(info)).is_some()
            });
            if !kept {
                before(info);
            }
        }));
    });
}

/// The two folders of one trial; removed when it is over.
#[derive(Debug)]
struct Folders {
    root: PathBuf,
    inputs: PathBuf,
    outputs: PathBuf,
}

impl Folders {
    fn new() -> std::io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let root = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let root = std::env::temp_dir().join(format!("brizo-trial-{}-{number}", std::process::id()));
            match fs::create_dir(&root) {
                // An earlier process of the same number was killed.
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => break made.map(|()| root)?,
            }
        };
        let folders = Self { inputs: root.join("inputs"), outputs: root.join("outputs"), root };
        fs::create_dir(&folders.inputs)?;
        fs::create_dir(&folders.outputs)?;
        Ok(folders)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn sound<T, E: std::fmt::Display>(result: std::result::Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|cause| panic!("{what}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Error};
    use std::io::Write;

    const PROGRAM: Program =
        Program { parameters: &["column", "how"], outputs: &["sum.txt"], run: sum_of_column };

    fn sum_of_column(job: &Job) -> Result {
        let mut output = job.outputs.create("sum.txt")?;
        let mut table = job.inputs.table(&job.inputs.only("csv")?)?;
        let column = table.column(job.args.required("column")?)?;
        let mut sum = 0.0;
        while let Some(row) = table.next_row()? {
            sum += row.number(column)?.unwrap_or(0.0);
        }
        writeln!(output, "{sum}")?;
        job.log("added up");
        job.progress(1.0, "done");
        match job.args.one_of("how", "well", &["well", "failing", "panicking", "forgetting"])? {
            "failing" => Err(Error::new("no more").with_code(9)).context("ending")?,
            "panicking" => panic!("row {} is odd", 3),
            "forgetting" => return Ok(()),
            _ => {}
        }
        output.finish()
    }

    fn trial(how: &str) -> Ended {
        Trial::of(&PROGRAM).input("set/a.csv", "x\n1.5\nNA\n2\n").args(["--column", "x", "--how", how]).run()
    }

    #[test]
    fn a_good_end_has_its_outputs_log_and_progress() {
        let end = trial("well");
        assert_eq!((end.exit_code, end.text("sum.txt"), end.log.as_str()), (0, "3.5\n", "added up\n"));
        assert_eq!(end.progress, [Progress::new(1.0, "done")]);
    }

    #[test]
    fn an_error_is_a_code_and_a_chain_and_leaves_no_half_output() {
        let end = trial("failing");
        assert_eq!((end.exit_code, end.log.as_str()), (9, "added up\nerror: ending: no more\n"));
        assert!(end.outputs.is_empty(), "{:?}", end.outputs);
    }

    #[test]
    fn a_panic_is_a_code_and_a_place() {
        let end = trial("panicking");
        assert_eq!(end.exit_code, exit::PANIC);
        assert!(
            end.log.starts_with("added up\npanic: ") && end.log.ends_with(": row 3 is odd\n"),
            "{}",
            end.log
        );
        assert!(end.log.contains("testing.rs:"), "{}", end.log);
    }

    #[test]
    fn success_without_a_declared_output_is_none() {
        let end = trial("forgetting");
        assert_eq!(end.exit_code, exit::FAILED);
        assert!(end.log.contains("error: declared but not written: sum.txt."), "{}", end.log);
    }

    #[test]
    fn whose_fault_it_is_shows_in_the_code() {
        let end = Trial::of(&PROGRAM).args(["--colum", "x"]).run();
        assert_eq!(
            (end.exit_code, end.log.as_str()),
            (exit::PARAMETER, "error: --colum is not known here; known: --column, --how\n")
        );
        assert_eq!(Trial::of(&PROGRAM).variable("PARAM_COLUMN", "x").run().exit_code, exit::INPUT);
    }

    #[test]
    fn folders_are_gone_afterwards() {
        let folders = Folders::new().unwrap();
        let root = folders.root.clone();
        assert!(root.join("inputs").is_dir());
        drop(folders);
        assert!(!root.exists());
    }
}
