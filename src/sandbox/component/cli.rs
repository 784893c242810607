//! `wasi:cli`: arguments, variables, the standard streams, terminals that are not there, and the end of the process.

use wasmtime::component::{Linker, Resource, ResourceType};

use super::call::{Call, Store, host};
use super::resources::{Input, Output};
use super::state::State;
use crate::sandbox::meter;
use crate::sandbox::state::Stop;

/// A terminal; none is ever made.
#[derive(Debug)]
struct Terminal;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut environment = linker.instance("wasi:cli/environment@0.2.12")?;
    environment.func_wrap("get-arguments", |store: Store<'_>, (): ()| host(store, arguments))?;
    environment.func_wrap("get-environment", |store: Store<'_>, (): ()| host(store, variables))?;
    environment.func_wrap("initial-cwd", |store: Store<'_>, (): ()| host(store, |_| Ok(None::<String>)))?;
    let mut exit = linker.instance("wasi:cli/exit@0.2.12")?;
    exit.func_wrap("exit", |store: Store<'_>, (status,): (Result<(), ()>,)| {
        Err::<(), _>(end(store, u32::from(status.is_err())).into())
    })?;
    exit.func_wrap("exit-with-code", |store: Store<'_>, (code,): (u8,)| {
        Err::<(), _>(end(store, u32::from(code)).into())
    })?;
    linker
        .instance("wasi:cli/stdin@0.2.12")?
        .func_wrap("get-stdin", |store: Store<'_>, (): ()| host(store, |call| call.push(Input::Empty)))?;
    linker
        .instance("wasi:cli/stdout@0.2.12")?
        .func_wrap("get-stdout", |store: Store<'_>, (): ()| host(store, |call| call.push(Output::Stdout)))?;
    linker
        .instance("wasi:cli/stderr@0.2.12")?
        .func_wrap("get-stderr", |store: Store<'_>, (): ()| host(store, |call| call.push(Output::Stderr)))?;
    link_terminals(linker)
}

/// The streams are no terminals, and each of these says so.
fn link_terminals(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for name in ["terminal-input", "terminal-output"] {
        linker.instance(&format!("wasi:cli/{name}@0.2.12"))?.resource(
            name,
            ResourceType::host::<Terminal>(),
            |_, _| Ok(()),
        )?;
    }
    for name in ["terminal-stdin", "terminal-stdout", "terminal-stderr"] {
        linker
            .instance(&format!("wasi:cli/{name}@0.2.12"))?
            .func_wrap(&format!("get-{name}"), |store: Store<'_>, (): ()| {
                host(store, |_| Ok(None::<Resource<Terminal>>))
            })?;
    }
    Ok(())
}

fn end(store: Store<'_>, code: u32) -> Stop {
    match Call::enter(store) {
        Ok(_) => Stop::Exit(code),
        Err(stop) => stop,
    }
}

fn arguments(call: &mut Call<'_>) -> Result<Vec<String>, Stop> {
    let args = call.state().args.clone();
    pay(call, args.len(), args.iter().map(String::len).sum())?;
    Ok(args)
}

fn variables(call: &mut Call<'_>) -> Result<Vec<(String, String)>, Stop> {
    let env = call.state().env.clone();
    pay(call, env.len(), env.iter().map(|(name, value)| name.len() + value.len()).sum())?;
    Ok(env)
}

fn pay(call: &mut Call<'_>, count: usize, bytes: usize) -> Result<(), Stop> {
    call.charge_each(count as u64, meter::STRING)?;
    call.charge_each(bytes as u64, meter::BYTE)
}
