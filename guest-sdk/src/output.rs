//! The outputs folder: the only thing that can leave, and only as the data owner's policy allows.

use crate::{Error, Result, place};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an unfinished output is called after its name.
const PART: &str = ".part";

/// Names of the outputs that were finished.
type Finished = Arc<Mutex<BTreeSet<String>>>;

/// The outputs folder. It is empty when the algorithm starts.
#[derive(Debug, Clone)]
pub struct Outputs {
    root: PathBuf,
    declared: &'static [&'static str],
    finished: Finished,
}

impl Outputs {
    /// The folder that argument 2 names.
    pub fn from_args() -> Result<Self> {
        Ok(Self::at(place::volume(2, "outputs")?))
    }

    /// The outputs at `root`, for tests.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), declared: &[], finished: Finished::default() }
    }

    /// The same folder, in which only these names may be created; none at all means that any may.
    #[must_use]
    pub fn declaring(self, names: &'static [&'static str]) -> Self {
        Self { declared: names, ..self }
    }

    /// Creates `name` (`a.csv` or `tables/a.csv`; folders are made as needed). End it with [`OutputFile::finish`].
    ///
    /// Until then it is called `name.part`, so that what bears the name is always whole.
    pub fn create(&self, name: &str) -> Result<OutputFile> {
        if !self.declared.is_empty() && !self.declared.contains(&name) {
            return Err(Error::new(format!(
                "the output {name} is not declared; declared: {}",
                self.declared.join(", ")
            )));
        }
        let path = place::inside(&self.root, name)?;
        let part = place::inside(&self.root, &format!("{name}{PART}"))?;
        let failed =
            |cause: io::Error| Error::from(cause).context(format_args!("creating the output {name}"));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = BufWriter::with_capacity(crate::input::BUFFER_BYTES, File::create(&part).map_err(failed)?);
        Ok(OutputFile {
            name: name.to_owned(),
            path,
            part,
            file: Some(file),
            finished: Arc::clone(&self.finished),
        })
    }

    /// Writes a whole file at once.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result {
        let mut file = self.create(name)?;
        file.write_all(content.as_ref()).map_err(|cause| file.failed(cause))?;
        file.finish()
    }

    /// An error that names the declared outputs that were not finished, if there are any.
    pub(crate) fn complete(&self) -> Result {
        let finished = locked(&self.finished);
        let missing: Vec<&str> =
            self.declared.iter().copied().filter(|name| !finished.contains(*name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(format!(
            "declared but not written: {}. Create each and end it with `finish`",
            missing.join(", ")
        )))
    }
}

/// A file being written, buffered because each write is a call out of the sandbox.
///
/// One that is dropped without [`finish`](Self::finish), as `?` does, leaves nothing behind.
#[derive(Debug)]
#[must_use = "an output that is not ended with `finish` is thrown away"]
pub struct OutputFile {
    name: String,
    path: PathBuf,
    part: PathBuf,
    /// Gone once it is finished.
    file: Option<BufWriter<File>>,
    finished: Finished,
}

impl OutputFile {
    /// Writes out what is still buffered, reports whether it fitted, and gives the file its name.
    pub fn finish(mut self) -> Result {
        self.flush().map_err(|cause| self.failed(cause))?;
        fs::rename(&self.part, &self.path).map_err(|cause| self.failed(cause))?;
        self.file = None;
        locked(&self.finished).insert(self.name.clone());
        Ok(())
    }

    fn failed(&self, cause: io::Error) -> Error {
        Error::from(cause).context(format_args!("writing the output {}", self.name))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // Without writing out what is buffered: it is thrown away at once.
            drop(file.into_parts());
            let _ = fs::remove_file(&self.part);
        }
    }
}

fn locked(finished: &Finished) -> MutexGuard<'_, BTreeSet<String>> {
    finished.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(test: &str) -> Outputs {
        let root = std::env::temp_dir().join(format!("brizo-guest-output-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Outputs::at(root)
    }

    fn names(outputs: &Outputs) -> Vec<String> {
        crate::Inputs::at(&outputs.root).files().unwrap()
    }

    #[test]
    fn a_file_bears_its_name_when_it_is_whole() {
        let outputs = outputs("finish");
        let mut file = outputs.create("tables/a.csv").unwrap();
        writeln!(file, "a,b").unwrap();
        assert_eq!(names(&outputs), ["tables/a.csv.part"]);
        file.finish().unwrap();
        outputs.write("b.txt", "text").unwrap();
        assert_eq!(names(&outputs), ["b.txt", "tables/a.csv"]);
        assert_eq!(fs::read_to_string(outputs.root.join("tables/a.csv")).unwrap(), "a,b\n");
        assert_eq!(fs::read_to_string(outputs.root.join("b.txt")).unwrap(), "text");
    }

    #[test]
    fn what_is_not_finished_leaves_nothing_behind() {
        let outputs = outputs("dropped");
        let mut file = outputs.create("a.csv").unwrap();
        file.write_all(&vec![b'x'; 100_000]).unwrap();
        drop(file);
        assert_eq!(names(&outputs), [""; 0]);
    }

    #[test]
    fn declared_names_are_all_and_only_what_is_written() {
        let outputs = outputs("declared").declaring(&["a.csv", "b.csv"]);
        assert_eq!(
            outputs.create("c.csv").unwrap_err().to_string(),
            "the output c.csv is not declared; declared: a.csv, b.csv"
        );
        outputs.write("a.csv", "").unwrap();
        let error = outputs.complete().unwrap_err().to_string();
        assert!(error.starts_with("declared but not written: b.csv."), "{error}");
        outputs.write("b.csv", "").unwrap();
        outputs.complete().unwrap();
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        let error = outputs("escape").create("../a.csv").unwrap_err().to_string();
        assert!(error.starts_with("the name \"../a.csv\" leads out of its folder"), "{error}");
    }

    /// `/dev/full` accepts the open and refuses the bytes, as a full disk does.
    #[cfg(target_os = "linux")]
    #[test]
    fn finish_reports_what_the_buffer_held_back() {
        let outputs = outputs("full");
        std::os::unix::fs::symlink("/dev/full", outputs.root.join("a.csv.part")).unwrap();
        let mut file = outputs.create("a.csv").unwrap();
        file.write_all(b"x").unwrap();
        let error = file.finish().unwrap_err().to_string();
        assert!(error.starts_with("writing the output a.csv: "), "{error}");
        assert_eq!(names(&outputs), [""; 0]);
    }
}
