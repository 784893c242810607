//! The whole world: every function of every interface is linked with the type that the WIT gives it.

use brizo::sandbox::inspect;

use super::super::{engine, order, run};
use crate::guests::repository;
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

/// A component that imports every function of the world and exports `run`.
fn everything() -> Vec<u8> {
    // Engines that toolchains carry along import functions that the WIT still calls unstable.
    let mut resolve = Resolve { all_features: true, ..Resolve::default() };
    let (package, _) = resolve.push_dir(repository("src/sandbox/component/wit")).unwrap();
    let world = resolve.select_world(&[package], Some("everything")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// Types and imports come first in what the encoder writes.
fn prefix(component: &[u8]) -> &[u8] {
    let mut end = 0;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.unwrap();
        match &payload {
            Payload::Version { range, .. } => end = range.end,
            Payload::ComponentTypeSection(_)
            | Payload::ComponentImportSection(_)
            | Payload::ComponentAliasSection(_) => end = payload.as_section().unwrap().1.end,
            _ => break,
        }
    }
    &component[..end]
}

#[test]
fn every_function_is_linked_with_its_type() {
    let component = everything();
    let inspection = inspect(&component, u64::MAX).unwrap();
    assert_eq!(inspection.imports.len(), 29);
    assert_eq!(inspection.refused_imports().count(), 9);
    engine().compile(&component, &inspection).unwrap();
    // The dummy's functions are `unreachable`.
    assert!(run(&component, &order(&[])).0.trap.is_some());
}

#[test]
fn the_encoded_world_is_the_wit() {
    let made = everything();
    let made = prefix(&made);
    let path = repository("src/sandbox/component/wit/everything.wasm");
    if std::fs::read(&path).unwrap() != made {
        let new = repository("target/everything.wasm");
        std::fs::write(&new, made).unwrap();
        panic!("the WIT has changed: copy {} to {}", new.display(), path.display());
    }
}
