//! Interfaces that are linked only to refuse, because toolchains import them unused: sockets and HTTP.
//!
//! Their functions are read from the component that imports them, so that no version of them has to be spelled out here.
//! A call answers that it is not supported where its type has an error for that, and is a trap elsewhere.

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{Engine, Trap};

use super::call::Call;
use super::resources::{Input, IoError, Output, Pollable};
use super::state::State;
use crate::sandbox::meter;

/// Interfaces without their version.
pub(super) const REFUSED: [&str; 9] = [
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Errors that say that something is not to be had, as the refused interfaces name them.
const ANSWERS: [&str; 2] = ["not-supported", "HTTP-request-denied"];

/// A resource of a refused interface. Only `network` is ever made, and it leads nowhere.
#[derive(Debug)]
struct Nothing;

/// Links the refused interfaces that a component imports.
pub(super) fn link(
    linker: &mut Linker<State>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let refused = name.split_once('@').is_some_and(|(interface, _)| REFUSED.contains(&interface));
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if !refused {
            continue;
        }
        let mut linked = linker.instance(name)?;
        for (name, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => refuse(&mut linked, name)?,
                ComponentItem::Resource(_) => {
                    linked.resource(name, resource(name), |store, _| Ok(Call::enter(store).map(|_| ())?))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The type behind a resource's name; those of other interfaces come by way of `use`.
fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<Pollable>(),
        "input-stream" => ResourceType::host::<Input>(),
        "output-stream" => ResourceType::host::<Output>(),
        "error" | "io-error" => ResourceType::host::<IoError>(),
        _ => ResourceType::host::<Nothing>(),
    }
}

fn refuse(linked: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    // A handle of the network has to be had before a library comes to ask it for something.
    if name == "instance-network" {
        return linked.func_new(name, |store, _, _, results| {
            let mut call = Call::enter(store)?;
            let network: Resource<Nothing> = call.push(Nothing)?;
            let network = ResourceAny::try_from_resource(network, call.into_store())?;
            if let Some(result) = results.first_mut() {
                *result = Val::Resource(network);
            }
            Ok(())
        });
    }
    linked.func_new(name, |store, ty, params, results| {
        // They have been copied out of the guest.
        let bytes = params.iter().map(size).fold(0, u64::saturating_add);
        Call::enter(store)?.charge_each(bytes, meter::BYTE)?;
        match (answer(&ty), results.first_mut()) {
            (Some(error), Some(result)) => {
                *result = Val::Result(Err(Some(Box::new(error))));
                Ok(())
            }
            _ => Err(Trap::UnreachableCodeReached.into()),
        }
    })
}

/// Bytes of text in a value and of the values themselves, about as many as the host has copied.
fn size(value: &Val) -> u64 {
    let own = size_of::<Val>() as u64;
    let inside = match value {
        Val::String(text) => text.len() as u64,
        Val::List(values) | Val::Tuple(values) => values.iter().map(size).fold(0, u64::saturating_add),
        Val::Record(fields) => fields.iter().map(|(_, value)| size(value)).fold(0, u64::saturating_add),
        Val::Variant(_, Some(value)) | Val::Option(Some(value)) => size(value),
        Val::Result(Ok(Some(value)) | Err(Some(value))) => size(value),
        _ => 0,
    };
    own.saturating_add(inside)
}

/// The error of a function's result that says that it is not to be had, if the type has one.
fn answer(ty: &ComponentFunc) -> Option<Val> {
    let Type::Result(result) = ty.results().next()? else { return None };
    match result.err()? {
        Type::Enum(codes) => {
            let code = codes.names().find(|name| ANSWERS.contains(name))?;
            Some(Val::Enum(code.to_string()))
        }
        Type::Variant(codes) => {
            let case = codes.cases().find(|case| case.ty.is_none() && ANSWERS.contains(&case.name))?;
            Some(Val::Variant(case.name.to_string(), None))
        }
        _ => None,
    }
}
