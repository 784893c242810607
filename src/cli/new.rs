//! `brizo new`: a project that builds and runs at once.

mod files;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use super::Exit;
use files::{C, PYTHON, RUST, SDK};

/// Longest name, in bytes: it becomes file names with endings.
const NAME_BYTES_MAX: usize = 64;

/// Names that cargo or rustc keep for themselves, or that would meet the SDK's.
const TAKEN: [&str; 19] = [
    "abstract",
    "alloc",
    "async",
    "await",
    "brizo-guest",
    "brizo_guest",
    "build",
    "core",
    "crate",
    "deps",
    "examples",
    "incremental",
    "proc-macro",
    "proc_macro",
    "self",
    "static",
    "std",
    "super",
    "test",
];

/// Write a new algorithm: a small working program with sample data, tests, and the commands to build and run it.
///
/// The program takes the mean of one column, and refuses to where there are few values. Nothing is fetched: a Rust
/// project has the SDK's source inside.
///
/// Example: brizo new my-algorithm --lang rust
#[derive(Debug, Args)]
pub(super) struct New {
    /// New or empty folder; its last part is the algorithm's name: small letters, digits, `-` and `_`.
    name: PathBuf,
    /// What it is written in.
    #[arg(long, value_enum)]
    lang: Language,
}

/// The languages there are templates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// A module for wasm32-wasip1, by cargo.
    Rust,
    /// A WASI preview 2 component with CPython inside, by componentize-py.
    Python,
    /// A module for wasm32-wasi, by any clang with WASI's C library.
    C,
}

impl Language {
    fn files(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Rust => RUST.iter().chain(&SDK).copied().collect(),
            Self::Python => PYTHON.to_vec(),
            Self::C => C.to_vec(),
        }
    }

    /// The commands that try, build and run it, in the order of the project's README.
    fn steps(self, name: &str) -> Vec<String> {
        let (tools, module) = match self {
            Self::Rust => (
                vec![
                    "cargo test".to_string(),
                    "rustup target add wasm32-wasip1".to_string(),
                    "cargo build --release --target wasm32-wasip1".to_string(),
                ],
                format!("target/wasm32-wasip1/release/{name}.wasm"),
            ),
            Self::Python => (
                vec![
                    "python3 -m unittest".to_string(),
                    "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt".to_string(),
                    format!(".venv/bin/componentize-py -d wit -w algorithm componentize app -o {name}.wasm"),
                ],
                format!("{name}.wasm"),
            ),
            Self::C => (
                vec![
                    "make test".to_string(),
                    "python3 -m venv .venv && .venv/bin/pip install ziglang==0.17.1".to_string(),
                    "make".to_string(),
                ],
                format!("{name}.wasm"),
            ),
        };
        let run = format!("brizo run {module} --input data --output out -- --column height_cm");
        tools.into_iter().chain([run]).collect()
    }
}

impl New {
    pub(super) fn run(self) -> Result<Exit> {
        let name = name_of(&self.name)?;
        check_folder(&self.name)?;
        let files = self.lang.files();
        for (path, text) in &files {
            let path = self.name.join(path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            }
            fs::write(&path, text.replace("@NAME@", name)).with_context(|| path.display().to_string())?;
        }
        println!("{} files in {}\n\nnext:", files.len(), self.name.display());
        println!("  cd {}", quoted(&self.name));
        for step in self.lang.steps(name) {
            println!("  {step}");
        }
        println!("\nREADME.md there says what each is for.");
        Ok(Exit::OK)
    }
}

/// The algorithm's name: the last part of the path.
fn name_of(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if !begins || !name.chars().all(plain) || name.len() > NAME_BYTES_MAX {
        bail!(
            "{:?} is no name for an algorithm: begin with a small letter, then small letters, digits, `-` and `_`, at \
             most {NAME_BYTES_MAX} bytes, such as mean-by-group",
            path.display().to_string()
        );
    }
    if TAKEN.contains(&name) {
        bail!(
            "the name {name:?} means something else to cargo or rustc; choose another, such as {name}-algorithm"
        );
    }
    Ok(name)
}

/// Nothing that is there already is written over.
fn check_folder(path: &Path) -> Result<()> {
    match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => bail!("{} is not empty; name a new or an empty folder", path.display()),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause).with_context(|| format!("{}", path.display())),
    }
}

/// The path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    match text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_every_tool_takes() {
        for (path, name) in [("a", "a"), ("some/Folder/mean-by_2", "mean-by_2"), ("./x/", "x")] {
            assert_eq!(name_of(Path::new(path)).unwrap(), name);
        }
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for path in
            ["", ".", "..", "/", "A", "1a", "-a", "a b", "a.b", "é", "a/..", "test", "brizo-guest", &long]
        {
            assert!(name_of(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn a_shell_takes_the_path() {
        assert_eq!(quoted(Path::new("/a/b-c.d")), "/a/b-c.d");
        assert_eq!(quoted(Path::new("it's here/x")), r"'it'\''s here/x'");
    }
}
