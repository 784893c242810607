//! The sandbox, against guests that work and guests that attack.

mod attacks;
mod compiler;
mod components;
mod determinism;
mod exceptions;
mod gate;
mod hostile;
mod languages;
mod limits;
mod numbers;
mod python;
mod spilling;

pub(crate) use compiler::{bomb, innocent};

use std::sync::{Arc, OnceLock};

use brizo::job::invocation;
use brizo::sandbox::{Control, Ending, Engine, InputFile, Limits, Order, Outputs, RunResult, inspect};
use brizo_receipt::B256;

/// One engine for all tests; setting one up per test would measure nothing but the set-up.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(None).unwrap())
}

pub(crate) const LIMITS: Limits = Limits {
    fuel: 200_000_000,
    memory_bytes: 64 << 20,
    stack: 1 << 20,
    output_bytes: 1 << 20,
    output_files: 100,
};

/// An order with the penguins as its input.
pub(crate) fn order(args: &[&str]) -> Order {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let penguins = std::fs::read(crate::guests::repository("examples/data/penguins.csv")).unwrap();
    Order {
        invocation: invocation(&brizo::job::Start::default(), &args, &[], &[], None).unwrap(),
        algorithm: vec![],
        inputs: vec![input("penguins.csv", penguins)],
        limits: LIMITS,
        random_seed: B256::repeat_byte(1),
        clock_start: 946_684_800_000_000_000,
        clock_step: 1_000,
    }
}

pub(crate) fn input(path: &str, bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> InputFile {
    InputFile { path: path.into(), bytes: Arc::new(bytes) }
}

pub(crate) fn run_with(module: &[u8], order: &Order, control: &Control) -> RunResult {
    let inspection = inspect(module, u64::MAX).unwrap();
    let compiled = engine().compile(module, &inspection).unwrap();
    engine().run(&compiled, order, control).unwrap()
}

/// Runs to a deterministic end.
pub(crate) fn run(module: &[u8], order: &Order) -> (Ending, Outputs) {
    run_with(module, order, &Control::default()).unwrap()
}

/// The module of the hostile guest, compiled once.
pub(crate) fn hostile(args: &[&str], change: impl FnOnce(&mut Order)) -> RunResult {
    static MODULE: OnceLock<brizo::sandbox::Module> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let bytes = crate::guests::guest("hostile");
        engine().compile(&bytes, &inspect(&bytes, u64::MAX).unwrap()).unwrap()
    });
    let mut order = order(args);
    change(&mut order);
    engine().run(module, &order, &Control::default()).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
