//! The inputs folder: what is there, in a fixed order, and reading it cheaply.

use crate::{Error, Result, Table, exit, place};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Size of the read buffer. Each read is a call out of the sandbox and costs more than the bytes it brings,
/// so the 8 KiB of `std` would be eight times as many calls for the same file.
pub const BUFFER_BYTES: usize = 64 * 1024;

/// The inputs folder. Files lie at its root, or in one subfolder per dataset when a job has several.
#[derive(Debug, Clone)]
pub struct Inputs {
    root: PathBuf,
}

impl Inputs {
    /// The folder that argument 1 names.
    pub fn from_args() -> Result<Self> {
        Ok(Self::at(place::volume(1, "inputs")?))
    }

    /// The inputs at `root`, for tests.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Every file below the folder, as `a.csv` or `dataset/a.csv`, sorted by the bytes of the name.
    pub fn files(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = if folder.is_empty() { self.root.clone() } else { self.root.join(&folder) };
            let entries =
                fs::read_dir(&path).map_err(|cause| failed("listing", &path.to_string_lossy(), cause))?;
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().into_string();
                let name =
                    name.map_err(|name| Error::input(format!("the input name {name:?} is not UTF-8")))?;
                let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(name);
                } else if kind.is_file() {
                    files.push(name);
                }
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    /// The files whose name ends in `.extension`, sorted; upper and lower case count as the same.
    pub fn with_extension(&self, extension: &str) -> Result<Vec<String>> {
        let mut files = self.files()?;
        files.retain(|name| {
            Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case(extension))
        });
        Ok(files)
    }

    /// The one file with this extension; none or several is an error that lists what is there.
    pub fn only(&self, extension: &str) -> Result<String> {
        let found = self.with_extension(extension)?;
        self.single(found, &format!("one .{extension} file"))
    }

    /// The file called `name`: its full name below the folder, or its last part where that is unambiguous.
    pub fn find(&self, name: &str) -> Result<String> {
        let files = self.files()?;
        if files.iter().any(|file| file == name) {
            return Ok(name.to_owned());
        }
        let found = files.into_iter().filter(|file| file.rsplit('/').next() == Some(name)).collect();
        self.single(found, &format!("one file {name}"))
    }

    /// Opens a file for buffered reading with [`BUFFER_BYTES`].
    pub fn open(&self, name: &str) -> Result<BufReader<File>> {
        self.open_with(name, BUFFER_BYTES)
    }

    /// Opens a file with a buffer of `bytes`, for programs that read much at a time.
    pub fn open_with(&self, name: &str, bytes: usize) -> Result<BufReader<File>> {
        let path = place::inside(&self.root, name)?;
        let file = File::open(&path).map_err(|cause| failed("opening", name, cause))?;
        Ok(BufReader::with_capacity(bytes, file))
    }

    /// The whole content of a file.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let read = self.open(name)?.read_to_end(&mut content);
        read.map_err(|cause| failed("reading", name, cause))?;
        Ok(content)
    }

    /// Opens a CSV file; its first row is the header.
    pub fn table(&self, name: &str) -> Result<Table<BufReader<File>>> {
        Table::new(name, self.open(name)?)
    }

    fn single(&self, mut found: Vec<String>, wanted: &str) -> Result<String> {
        if found.len() == 1 {
            return Ok(found.remove(0));
        }
        let among = if found.is_empty() { self.files()? } else { found };
        let among = if among.is_empty() { "nothing".to_owned() } else { among.join(", ") };
        Err(Error::input(format!(
            "{wanted} is wanted in the inputs, but found: {among}. Name the file in full"
        )))
    }
}

fn failed(doing: &str, name: &str, cause: io::Error) -> Error {
    Error::from(cause).context(format_args!("{doing} {name}")).with_code(exit::INPUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fresh folder with these files, each holding its own name.
    fn inputs(test: &str, names: &[&str]) -> Inputs {
        let root = std::env::temp_dir().join(format!("brizo-guest-input-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        Inputs::at(root)
    }

    #[test]
    fn files_are_listed_at_every_depth_and_sorted_by_bytes() {
        let inputs = inputs("files", &["b.csv", "a/z.csv", "a.csv", "a/deep/er.txt", "B.csv"]);
        assert_eq!(inputs.files().unwrap(), ["B.csv", "a.csv", "a/deep/er.txt", "a/z.csv", "b.csv"]);
        assert_eq!(inputs.read("a/z.csv").unwrap(), b"a/z.csv");
    }

    #[test]
    fn the_only_file_of_a_kind_is_found() {
        let inputs = inputs("only", &["set/A.CSV", "notes.txt"]);
        assert_eq!(inputs.only("csv").unwrap(), "set/A.CSV");
        let error = inputs.only("json").unwrap_err().to_string();
        assert!(
            error.starts_with("one .json file is wanted in the inputs, but found: notes.txt, set/A.CSV."),
            "{error}"
        );
    }

    #[test]
    fn a_file_is_found_by_its_last_part_unless_two_share_it() {
        let inputs = inputs("find", &["x/a.csv", "y/a.csv", "y/b.csv"]);
        assert_eq!(inputs.find("b.csv").unwrap(), "y/b.csv");
        assert_eq!(inputs.find("x/a.csv").unwrap(), "x/a.csv");
        assert!(inputs.find("a.csv").unwrap_err().to_string().contains("x/a.csv, y/a.csv"));
    }

    #[test]
    fn a_missing_folder_and_an_escape_say_so() {
        assert!(
            Inputs::at("/nonexistent").files().unwrap_err().to_string().starts_with("listing /nonexistent: ")
        );
        assert!(inputs("escape", &[]).open("../a").unwrap_err().to_string().contains("leads out"));
        let error = inputs("open", &[]).open("a.csv").unwrap_err();
        assert!(error.to_string().starts_with("opening a.csv: "), "{error}");
        assert_eq!(error.code(), exit::INPUT);
        assert!(inputs("none", &[]).only("csv").unwrap_err().to_string().contains("found: nothing"));
    }
}
