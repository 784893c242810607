//! The container sandbox, against a real engine: guests that work, guests that attack, engines that fail.
//!
//! Without an engine each of these tests is skipped, and says so. `cargo xtask test` installs one where it can.

mod command_line;
mod crash;
mod engine;
mod gate;
mod hostile;
pub(crate) mod images;
mod limits;
mod works;

use brizo::container::{Containers, Image, Owner, Ran, SECOND};
use brizo::job::{Start, invocation};
use brizo::sandbox::{Control, Ending, Limits, Order, Outputs};
use brizo_receipt::B256;

pub(crate) use engine::Engine;

/// Ten seconds, 64 MiB, 1 MiB of outputs.
pub(crate) const LIMITS: Limits =
    Limits { fuel: 10 * SECOND, memory_bytes: 64 << 20, stack: 1, output_bytes: 1 << 20, output_files: 20 };

/// An order of a shell script over the penguins.
pub(crate) fn order(script: &str) -> Order {
    command(&["/bin/sh", "-c", script])
}

/// An order of a command, the two folders after it.
pub(crate) fn command(words: &[&str]) -> Order {
    let start = Start { args: words.iter().map(ToString::to_string).collect(), env: vec![] };
    let penguins = std::fs::read(crate::guests::repository("examples/data/penguins.csv")).unwrap();
    Order {
        invocation: invocation(&start, &[], &[("LANG".into(), "C".into())], &[], None).unwrap(),
        algorithm: vec![crate::sandbox::input("main.sh", b"echo algorithm".to_vec())],
        inputs: vec![crate::sandbox::input("penguins.csv", penguins)],
        limits: LIMITS,
        random_seed: B256::ZERO,
        clock_start: 0,
        clock_step: 0,
    }
}

pub(crate) async fn run_with(engine: &Engine, image: &Image, order: &Order) -> Ran {
    let containers = Containers::new(&engine.socket, Owner::this_process());
    containers.run(image, order, &Control::default()).await.unwrap()
}

/// Runs a script to an ending.
pub(crate) async fn run(engine: &Engine, order: &Order) -> (Ending, Outputs) {
    let image = images::busybox(engine).await;
    run_with(engine, &image, order).await.result.unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The engine, or the end of the test.
macro_rules! engine_or_skip {
    () => {
        match crate::container::Engine::shared() {
            Some(engine) => engine,
            None => return,
        }
    };
}
pub(crate) use engine_or_skip;
