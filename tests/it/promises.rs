//! What docs/SPECIFICATION.md says is held by a test is: every test that it names is there. And the table of problems in
//! docs/API.md has every code that the API can answer with.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::guests::repository;

/// Folders for which the document has short names.
const SHORT: [(&str, &str); 3] =
    [("it/", "tests/it/"), ("sol/", "contracts/test/"), ("diff/", "meter/tests/differential/")];

/// The file that is meant, if the text is the name of one: in a table about the SDK without its folder.
fn file(text: &str) -> Option<PathBuf> {
    if ![".rs", ".sol"].iter().any(|ending| text.ends_with(ending)) || text.contains(' ') {
        return None;
    }
    let long = SHORT.iter().find_map(|(short, long)| Some(format!("{long}{}", text.strip_prefix(short)?)));
    let places = [long.unwrap_or_else(|| text.to_owned()), format!("guest-sdk/src/{text}")];
    places.into_iter().map(|place| repository(&place)).find(|path| path.is_file())
}

/// Names of tests, each with its file: `file::test`, and `::test` for another one of the file that was named last.
fn named(line: &str, last: &mut Option<PathBuf>) -> Vec<(Option<PathBuf>, String)> {
    let mut found = Vec::new();
    for word in line.split('`').skip(1).step_by(2) {
        let (place, test) = word.split_once("::").map_or((word, None), |(place, test)| (place, Some(test)));
        let ends = [".rs", ".sol"].iter().any(|ending| place.ends_with(ending));
        if ends {
            *last = file(place);
        }
        if let Some(test) = test.filter(|_| ends || place.is_empty()) {
            found.push((last.clone(), test.to_owned()));
        }
    }
    found
}

#[test]
fn every_test_that_is_named_is_there() {
    let text = fs::read_to_string(repository("docs/SPECIFICATION.md")).unwrap();
    let (mut tests, mut missing) = (0, Vec::new());
    let mut last = None;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            last = None;
        }
        for (path, test) in named(line, &mut last) {
            tests += 1;
            let source = path.as_ref().map(|path| fs::read_to_string(path).unwrap()).unwrap_or_default();
            let there = ["fn ", "function "].iter().any(|word| source.contains(&format!("{word}{test}(")));
            if !there {
                missing.push(format!("line {}: {test} is not in {path:?}", number + 1));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
    assert!(tests > 200, "only {tests} were found, so they are not read any more");
}

#[test]
fn what_is_not_there_is_noticed() {
    let line = "| x | `it/promises.rs::what_is_not_there_is_noticed`, `::nobody`; `src/none.rs::some`; `Store::open` |";
    let found = named(line, &mut None);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].0.is_some() && found[1].0 == found[0].0 && found[2].0.is_none());
}

/// Words of that form in the API's files that are no codes.
const NO_CODES: [&str; 1] = ["server_error"];
/// Codes that no answer has; the paragraph below the table says where they are met.
const ELSEWHERE: [&str; 3] = ["module_too_costly_to_compile", "bad_output_path", "output_withheld"];

/// The product's text of all files in a folder, without tests.
fn sources(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository(folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if path.is_file()
            && name.ends_with(".rs")
            && !name.ends_with("tests.rs")
            && !name.ends_with("cases.rs")
        {
            let text = fs::read_to_string(&path).unwrap();
            found.push(text.split("\nmod tests {").next().unwrap().to_owned());
        }
    }
    found
}

/// Texts between quotes that have the form of a code, each with what stands before it.
fn words(source: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find('"') {
        let (before, after) = (&rest[..start], &rest[start + 1..]);
        let Some(end) = after.find('"') else { break };
        let word = &after[..end];
        if word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            found.push((before.trim_end(), word));
        }
        // What ends one text may begin the next, so a quote inside a text never hides what follows.
        rest = after;
    }
    found
}

/// Every code that an answer can have: by the places where the layers below make theirs, and in the API's own files every word
/// that has the form of one, so that a new helper hides none.
fn codes_of_answers() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for source in sources("src/api") {
        for (before, word) in words(&source) {
            let made = before.ends_with("::conflict(") || before.ends_with("UNAVAILABLE,");
            if made || word.contains('_') || word == "internal" {
                codes.insert(word.to_owned());
            }
        }
    }
    for folder in ["src/job/checks", "src/policy", "src/sandbox", "src/sandbox/component"] {
        for source in sources(folder) {
            for (before, word) in words(&source) {
                let is_check = folder == "src/job/checks" && word.contains('_');
                if is_check || before.ends_with("code:") {
                    codes.insert(word.to_owned());
                }
            }
        }
    }
    let chain = fs::read_to_string(repository("src/chain/error.rs")).unwrap();
    codes
        .extend(words(&chain).into_iter().map(|(_, word)| word.to_owned()).filter(|word| word.contains('_')));
    codes.retain(|code| !NO_CODES.contains(&code.as_str()) && !ELSEWHERE.contains(&code.as_str()));
    codes
}

#[test]
fn every_code_of_an_answer_stands_in_the_table() {
    let api = fs::read_to_string(repository("docs/API.md")).unwrap();
    let section = api.split("## Problems").nth(1).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit());
    let table: BTreeSet<String> = rows
        .flat_map(|row| row.split('|').nth(2).unwrap().split('`').skip(1).step_by(2).map(str::to_owned))
        .collect();
    let codes = codes_of_answers();
    for known in ["bad_query", "busy", "exists", "internal", "no_fuel", "policy_refused", "tables_too_many"] {
        assert!(codes.contains(known), "{known} is not found any more, so the codes are not read");
    }
    let missing: Vec<_> = codes.difference(&table).collect();
    assert!(missing.is_empty(), "not in the table of docs/API.md: {missing:?}");
    // The policy names the codes of its rules itself.
    let everything: String =
        ["src/api", "src/job/checks", "src/policy", "src/sandbox", "src/sandbox/component"]
            .iter()
            .flat_map(|folder| sources(folder))
            .collect();
    let gone: Vec<_> = table
        .difference(&codes)
        .filter(|code| {
            !everything.contains(&format!("\"{code}\"")) && !everything.contains(&format!("{code}:"))
        })
        .collect();
    assert!(gone.is_empty(), "in the table of docs/API.md, and in no answer: {gone:?}");
}
