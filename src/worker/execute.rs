//! Where a claimed job runs: in the sandbox, or in a container. The job's profile decides, and nothing above or below asks.
//!
//! A third place, a cluster for instance, is one more [`Program`] and one more arm of `execute`: it takes the same order and
//! gives the same ending and outputs.

use std::time::Instant;

use brizo_receipt::Kind;
use tokio::runtime::Handle;

use super::Worker;
use super::run::Failure;
use crate::container::{Error as ContainerError, Fault, Image};
use crate::job::End;
use crate::sandbox::{Control, Engine, Module, Order, RunResult};

/// What is run.
#[derive(Debug, Clone)]
pub(super) enum Program {
    /// A compiled module or component, in the sandbox.
    Module(Module),
    /// An image, in a container.
    Image(Image),
}

impl Program {
    /// What a receipt of it can prove.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Module(_) => Kind::ReExecutable,
            Self::Image(_) => Kind::Attested,
        }
    }
}

/// A run that came to its end.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) result: RunResult,
    /// What ran it.
    pub(super) engine: String,
    /// Wall time of the run alone, in microseconds.
    pub(super) run_us: u64,
    /// Whether module or image were there already.
    pub(super) cached: bool,
}

impl Worker {
    /// Runs a program until it ends, or `control` ends it. Blocks.
    pub(super) fn execute(
        &self,
        program: &Program,
        order: &Order,
        control: &Control,
    ) -> Result<Executed, Failure> {
        match program {
            Program::Module(module) => {
                let began = Instant::now();
                let result = self.engine.run(module, order, control)?;
                let run_us = began.elapsed().as_micros() as u64;
                Ok(Executed { result, engine: Engine::version(), run_us, cached: module.cached })
            }
            Program::Image(image) => {
                let running = self.containers.run(image, order, control);
                let ran = Handle::current().block_on(running).map_err(failed)?;
                let image_ms = ran.image_took.as_millis() as u64;
                tracing::info!(image_ms, cached = ran.cached_image, "image ready; its time is not the run's");
                Ok(Executed {
                    result: ran.result,
                    engine: ran.facts.text(),
                    run_us: ran.run_took.as_micros() as u64,
                    cached: ran.cached_image,
                })
            }
        }
    }
}

impl Worker {
    /// Whether containers can be run now.
    pub(super) fn find_engine(&self) -> Result<(), Failure> {
        Handle::current().block_on(self.containers.facts()).map(drop).map_err(failed)
    }
}

/// Whose fault it was decides whether it is tried again.
fn failed(error: ContainerError) -> Failure {
    let text = format!("{error} ({}; {})", error.code(), error.hint());
    match error.fault() {
        Fault::Host if error.is_away() => Failure::Away(text),
        Fault::Host => Failure::Host(text),
        Fault::Algorithm => Failure::Final(End::AlgorithmFailed, text),
    }
}
