//! What docs/SPECIFICATION.md says is held by a test is: every test that it names is there.

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
