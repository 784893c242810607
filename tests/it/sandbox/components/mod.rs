//! Components: the same programs through the other face, and what only components can try.

mod engines;
mod faces;
mod gate;
mod hostile;
mod interfaces;
mod world;

use std::sync::OnceLock;

use brizo::sandbox::{Module, Order, RunResult, inspect};

use super::{engine, order};

/// A component in text whose `run` is the core function `run` of the module `$m`; `more` stands before the module.
pub(crate) fn command(more: &str, imports: &str, core: &str) -> Vec<u8> {
    crate::guests::wat_text(&format!(
        "(component
            {more}
            (core module $m {core})
            (core instance $i (instantiate $m {imports}))
            (func $run (result (result)) (canon lift (core func $i \"run\")))
            (instance $r (export \"run\" (func $run)))
            (export \"wasi:cli/run@0.2.0\" (instance $r)))"
    ))
}

/// Runs the hostile guest as a component; nothing if it could not be built.
pub(crate) fn hostile(args: &[&str], change: impl FnOnce(&mut Order)) -> Option<RunResult> {
    static MODULE: OnceLock<Option<Module>> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let bytes = crate::guests::component("hostile")?;
        Some(engine().compile(&bytes, &inspect(&bytes, u64::MAX).unwrap()).unwrap())
    });
    let mut order = order(args);
    change(&mut order);
    Some(engine().run(module.as_ref()?, &order, &brizo::sandbox::Control::default()).unwrap())
}
