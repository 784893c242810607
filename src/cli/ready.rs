//! A program that is ready to be run here: compiled for the sandbox, or an image for a container.

use std::time::Instant;

use anyhow::{Result, bail};
use brizo_receipt::{B256, Kind};

use super::container;
use super::program::Program;
use super::spec::compile;
use crate::container::{Image, MEMORY_BYTES_MIN, profile_digest};
use crate::sandbox::{Control, Ending, Engine, Inspection, Module, Order, Outputs, profile_digest_for};

/// Where it will run.
#[derive(Debug)]
pub(super) enum Ready {
    /// In the sandbox.
    Module(Box<(Engine, Inspection, Module)>),
    /// In a container.
    Image(Image),
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) ending: Ending,
    pub(super) outputs: Outputs,
    /// What ran it.
    pub(super) engine: String,
    /// Wall time of the run alone.
    pub(super) run_us: u64,
    /// Whether module or image were there already.
    pub(super) cached: bool,
}

impl Ready {
    /// Compiles a module; an image is looked for when it is run.
    pub(super) fn of(program: &Program, with_cache: bool) -> Result<Self> {
        Ok(match &program.image {
            Some(image) => Self::Image(image.clone()),
            None => Self::Module(Box::new(compile(&program.module, with_cache)?)),
        })
    }

    pub(super) fn profile(&self) -> B256 {
        match self {
            Self::Module(module) => profile_digest_for(module.1.kind),
            Self::Image(_) => profile_digest(),
        }
    }

    pub(super) fn digest(&self) -> B256 {
        match self {
            Self::Module(module) => module.1.digest,
            Self::Image(image) => image.digest,
        }
    }

    pub(super) fn memory_bytes_min(&self) -> u64 {
        match self {
            Self::Module(module) => module.1.memory_bytes_min,
            Self::Image(_) => MEMORY_BYTES_MIN,
        }
    }

    /// What a receipt of it can prove.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Module(_) => Kind::ReExecutable,
            Self::Image(_) => Kind::Attested,
        }
    }

    pub(super) fn run(&self, order: &Order) -> Result<Done> {
        let (result, engine, run_us, cached) = match self {
            Self::Module(ready) => {
                let (engine, _, module) = &**ready;
                let began = Instant::now();
                let result = engine.run(module, order, &Control::default())?;
                (result, Engine::version(), began.elapsed().as_micros() as u64, module.cached)
            }
            Self::Image(image) => {
                let ran = container::run(image, order)?;
                (ran.result, ran.facts.text(), ran.run_took.as_micros() as u64, ran.cached_image)
            }
        };
        match result {
            Ok((ending, outputs)) => Ok(Done { ending, outputs, engine, run_us, cached }),
            Err(aborted) => bail!("{aborted} ({}); no claim, no receipt", aborted.code()),
        }
    }
}
