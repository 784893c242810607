//! The outputs folder: the only thing that can leave, and only as the data owner's policy allows.

use crate::{Error, Result, place};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// The outputs folder. It is empty when the algorithm starts.
#[derive(Debug, Clone)]
pub struct Outputs {
    root: PathBuf,
}

impl Outputs {
    /// The folder that argument 2 names.
    pub fn from_args() -> Result<Self> {
        Ok(Self::at(place::volume(2, "outputs")?))
    }

    /// The outputs at `root`, for tests.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Creates `name` (`a.csv` or `tables/a.csv`; folders are made as needed). End it with [`OutputFile::finish`].
    pub fn create(&self, name: &str) -> Result<OutputFile> {
        let path = place::inside(&self.root, name)?;
        let failed = |cause: io::Error| Error::at(format_args!("creating the output {name}"), cause);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = File::create(&path).map_err(failed)?;
        Ok(OutputFile {
            name: name.to_owned(),
            file: BufWriter::with_capacity(crate::input::BUFFER_BYTES, file),
        })
    }

    /// Writes a whole file at once.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result {
        let mut file = self.create(name)?;
        file.write_all(content.as_ref()).map_err(|cause| file.failed(cause))?;
        file.finish()
    }
}

/// A file being written, buffered because each write is a call out of the sandbox.
#[derive(Debug)]
#[must_use = "what is written last is lost without an error unless `finish` is called"]
pub struct OutputFile {
    name: String,
    file: BufWriter<File>,
}

impl OutputFile {
    /// Writes out what is still buffered and reports whether it fitted: an output limit shows here at the latest.
    pub fn finish(mut self) -> Result {
        self.file.flush().map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: io::Error) -> Error {
        Error::at(format_args!("writing the output {}", self.name), cause)
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
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

    #[test]
    fn a_file_is_whole_after_finish() {
        let outputs = outputs("finish");
        let mut file = outputs.create("tables/a.csv").unwrap();
        writeln!(file, "a,b").unwrap();
        file.finish().unwrap();
        outputs.write("b.txt", "text").unwrap();
        assert_eq!(fs::read_to_string(outputs.root.join("tables/a.csv")).unwrap(), "a,b\n");
        assert_eq!(fs::read_to_string(outputs.root.join("b.txt")).unwrap(), "text");
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        let error = outputs("escape").create("../a.csv").unwrap_err().to_string();
        assert!(error.starts_with("the name \"../a.csv\" leads out of its folder"), "{error}");
    }

    /// `/dev/full` accepts the open and refuses the bytes, as an output limit does.
    #[cfg(target_os = "linux")]
    #[test]
    fn finish_reports_what_the_buffer_held_back() {
        let mut file = Outputs::at("/dev").create("full").unwrap();
        file.write_all(b"x").unwrap();
        let error = file.finish().unwrap_err().to_string();
        assert!(error.starts_with("writing the output full: "), "{error}");
    }
}
