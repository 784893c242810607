//! Which features a module uses that the profile does not allow. Each answer costs a validation of the whole file, so few
//! questions are asked.

use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

/// Names of the features that have to be added before the bytes are valid, in the order in which they are met; nothing if
/// no feature makes them valid. `error` is what is wrong without them.
pub(super) fn missing_features(
    bytes: &[u8],
    allowed: WasmFeatures,
    error: &BinaryReaderError,
) -> Option<Vec<String>> {
    let (mut granted, mut missing) = (allowed, Vec::new());
    let mut met = Met::of(error);
    loop {
        let found = next(bytes, granted, &met)?;
        missing.push(found.name.to_lowercase().replace('_', "-"));
        granted |= found.feature;
        match found.then {
            Ok(()) => return Some(missing),
            Err(error) => met = error,
        }
    }
}

/// A feature that is needed, and how validation goes on with it.
struct Found {
    name: &'static str,
    feature: WasmFeatures,
    then: Result<(), Met>,
}

/// An error of the validator, as far as it says what is missing.
struct Met {
    offset: usize,
    words: String,
}

impl Met {
    fn of(error: &BinaryReaderError) -> Self {
        Self { offset: error.offset(), words: plain(error.message()) }
    }
}

/// Without what messages and names write differently.
fn plain(text: &str) -> String {
    text.to_lowercase().replace(['-', '_', ' '], "")
}

/// A feature that is needed to come past an error.
fn next(bytes: &[u8], granted: WasmFeatures, met: &Met) -> Option<Found> {
    let candidates: Vec<_> = (WasmFeatures::all() - granted).iter_names().collect();
    let with = |more: WasmFeatures| validate(bytes, granted | more);
    let passes = |then: &Result<(), Met>| then.as_ref().err().is_none_or(|error| error.offset > met.offset);
    // The message usually names the feature, in the singular or the plural.
    let named = |name: &str| met.words.contains(plain(name).trim_end_matches('s'));
    for (name, feature) in candidates.iter().copied().filter(|(name, _)| named(name)) {
        let then = with(feature);
        if passes(&then) {
            return Some(Found { name, feature, then });
        }
    }
    // The shortest beginning of the list that helps ends with one that is needed.
    let first =
        |count: usize| candidates[..count].iter().fold(WasmFeatures::empty(), |all, (_, one)| all | *one);
    if !passes(&with(first(candidates.len()))) {
        return None;
    }
    let (mut fails, mut helps) = (0, candidates.len());
    while helps - fails > 1 {
        let middle = usize::midpoint(fails, helps);
        match passes(&with(first(middle))) {
            true => helps = middle,
            false => fails = middle,
        }
    }
    let (name, feature) = candidates.get(helps.checked_sub(1)?).copied()?;
    Some(Found { name, feature, then: with(feature) })
}

fn validate(bytes: &[u8], features: WasmFeatures) -> Result<(), Met> {
    let valid = Validator::new_with_features(features).validate_all(bytes);
    valid.map(|_| ()).map_err(|error| Met::of(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_named_in_the_order_in_which_they_are_met() {
        let table: [(&str, Option<&[&str]>); 8] = [
            ("(module (memory i64 1))", Some(&["memory64"])),
            ("(module (memory 1) (memory 1))", Some(&["multi-memory"])),
            ("(module (memory 4096 4096 (pagesize 1)))", Some(&["custom-page-sizes"])),
            ("(module (memory 1 1 shared) (func return_call 0))", Some(&["threads", "tail-call"])),
            ("(module (func (result i32) (ref.test (ref i31) (ref.null any))))", Some(&["gc-types", "gc"])),
            ("(module (func return_call 0) (memory i64 1))", Some(&["memory64", "tail-call"])),
            ("(module (func (result (ref struct)) unreachable))", Some(&["gc-types", "gc"])),
            ("(module (func i32.add))", None),
        ];
        for (text, expected) in table {
            let bytes = wat::parse_str(text).unwrap();
            let allowed = super::super::inspect::features();
            let error = Validator::new_with_features(allowed).validate_all(&bytes).err().unwrap();
            let found = missing_features(&bytes, allowed, &error);
            assert_eq!(
                found,
                expected.map(|names| names.iter().map(ToString::to_string).collect()),
                "{text}: {error}"
            );
        }
    }
}
