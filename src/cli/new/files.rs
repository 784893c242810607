//! What `brizo new` writes, kept in the program so that it needs no repository and no network.
//!
//! The SDK comes as source: it is on no registry, it needs only `std`, and an author can read all that goes into the
//! module whose digest others approve.

/// Path in the project, and content; `@NAME@` stands for the algorithm's name.
type File = (&'static str, &'static str);

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../guest-sdk/templates/", $path))
    };
}

macro_rules! sdk {
    ($($path:literal),* $(,)?) => {
        [$((concat!("brizo-guest/", $path), include_str!(concat!("../../../guest-sdk/", $path)))),*]
    };
}

const SAMPLE: File = ("data/sample.csv", template!("shared/sample.csv"));
const EXPECTED: File = ("expected/mean.csv", template!("shared/mean.csv"));

pub(super) const RUST: [File; 6] = [
    ("Cargo.toml", template!("rust/Cargo.toml.template")),
    ("src/main.rs", template!("rust/main.rs")),
    ("README.md", template!("rust/README.md")),
    (".gitignore", template!("rust/gitignore")),
    SAMPLE,
    EXPECTED,
];

/// The SDK, whole; a test compares the list with the folder.
pub(super) const SDK: [File; 14] = sdk![
    "Cargo.toml",
    "README.md",
    "src/args.rs",
    "src/error.rs",
    "src/exit.rs",
    "src/input.rs",
    "src/job.rs",
    "src/lib.rs",
    "src/output.rs",
    "src/parameter.rs",
    "src/place.rs",
    "src/progress.rs",
    "src/table.rs",
    "src/testing.rs",
];

pub(super) const PYTHON: [File; 10] = [
    ("algorithm.py", template!("python/algorithm.py")),
    ("app.py", template!("python/app.py")),
    ("test_algorithm.py", template!("python/test_algorithm.py")),
    ("requirements.txt", template!("python/requirements.txt")),
    ("wit/world.wit", template!("python/world.wit")),
    ("wit/deps/cli/run.wit", template!("python/run.wit")),
    ("README.md", template!("python/README.md")),
    (".gitignore", template!("python/gitignore")),
    SAMPLE,
    EXPECTED,
];

pub(super) const C: [File; 6] = [
    ("main.c", template!("c/main.c")),
    ("Makefile", template!("c/Makefile")),
    ("README.md", template!("c/README.md")),
    (".gitignore", template!("c/gitignore")),
    SAMPLE,
    EXPECTED,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn the_sdk_is_whole() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest-sdk/src");
        let there: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| format!("brizo-guest/src/{}", entry.unwrap().file_name().into_string().unwrap()))
            .collect();
        let sources = SDK.iter().map(|(path, _)| path.to_string());
        let listed: BTreeSet<_> = sources.filter(|path| path.starts_with("brizo-guest/src/")).collect();
        assert_eq!(listed, there);
        assert_eq!(listed.len() + 2, SDK.len());
    }
}
