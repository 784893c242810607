//! Whether a component imports the interfaces with the types that they have.
//!
//! The component is wrapped into one that imports everything the profile links and instantiates it with that, and the
//! validator decides whether the pieces fit. So nothing here compares types, and nothing is compiled for the question.

use wasmparser::{BinaryReaderError, ComponentTypeRef, Parser, Payload, Validator, WasmFeatures};

/// The types and imports of the world `everything`, encoded: a component that does nothing else. Made from the WIT; a
/// test makes it again and compares.
const EVERYTHING: &[u8] = include_bytes!("wit/everything.wasm");

/// Sections and sorts of the component binary format.
const COMPONENT_SECTION: u8 = 4;
const INSTANCE_SECTION: u8 = 5;
const INSTANTIATE: u8 = 0;
const INSTANCE_SORT: u8 = 5;

/// Checks the types of the imports against those of the interfaces, whatever patch version their names carry.
///
/// # Errors
/// The validator's words for the first import that does not fit.
pub(super) fn check(
    component: &[u8],
    imports: &[String],
    features: WasmFeatures,
) -> Result<(), BinaryReaderError> {
    let known = imported()?;
    let mut arguments = Vec::new();
    let mut count = 0u64;
    for import in imports {
        let place = known.iter().position(|name| interface(name) == interface(import));
        // What is not known was refused by name; here it would be a missing argument.
        let Some(place) = place else { continue };
        count += 1;
        number(&mut arguments, import.len() as u64);
        arguments.extend_from_slice(import.as_bytes());
        arguments.push(INSTANCE_SORT);
        number(&mut arguments, place as u64);
    }
    let mut instance = vec![1, INSTANTIATE, 0];
    number(&mut instance, count);
    instance.append(&mut arguments);
    let mut wrapper = EVERYTHING.to_vec();
    section(&mut wrapper, COMPONENT_SECTION, component);
    section(&mut wrapper, INSTANCE_SECTION, &instance);
    Validator::new_with_features(features).validate_all(&wrapper).map(|_| ())
}

/// Names of the instances that [`EVERYTHING`] imports, in the order of their index space.
fn imported() -> Result<Vec<String>, BinaryReaderError> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(EVERYTHING) {
        let Payload::ComponentImportSection(section) = payload? else { continue };
        for import in section {
            let import = import?;
            if matches!(import.ty, ComponentTypeRef::Instance(_)) {
                names.push(import.name.name.to_string());
            }
        }
    }
    Ok(names)
}

fn interface(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

fn section(wrapper: &mut Vec<u8>, id: u8, content: &[u8]) {
    wrapper.push(id);
    number(wrapper, content.len() as u64);
    wrapper.extend_from_slice(content);
}

/// A number as LEB128.
fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::super::gate::PROVIDED;
    use super::super::refused::REFUSED;
    use super::*;

    #[test]
    fn everything_is_what_is_provided_or_refused() {
        let mut known: Vec<String> = imported().unwrap().iter().map(|name| interface(name).into()).collect();
        known.sort();
        let mut listed: Vec<String> = PROVIDED.iter().chain(&REFUSED).map(ToString::to_string).collect();
        listed.sort();
        assert_eq!(known, listed);
    }

    #[test]
    fn numbers_are_leb128() {
        let mut bytes = Vec::new();
        [0, 127, 128, 624_485].into_iter().for_each(|value| number(&mut bytes, value));
        assert_eq!(bytes, [0, 127, 128, 1, 0xe5, 0x8e, 0x26]);
    }
}
