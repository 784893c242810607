//! A job on Brizo's own engine, by the interface that the rest of Brizo uses.

use anyhow::{Context, Result, bail};
use brizo::sandbox::{Control, Engine, InputFile, Module, Order, inspect};
use brizo_receipt::{B256, Invocation, JobSpec, Status};

/// A compiled module.
pub(crate) struct Job {
    engine: Engine,
    module: Module,
    /// Linear memory that the module begins with, in bytes.
    pub(crate) memory_bytes_min: u64,
}

impl Job {
    /// Passes the gate and compiles.
    pub(crate) fn ready(module: &[u8]) -> Result<Self> {
        let inspection = inspect(module, u64::MAX).context("the gate")?;
        let engine = Engine::new(None)?;
        let memory_bytes_min = inspection.memory_bytes_min;
        let module = engine.compile(module, &inspection)?;
        Ok(Self { engine, module, memory_bytes_min })
    }

    /// One run from order to outcome; what it printed, and the fuel it used.
    pub(crate) fn run(&self, order: &Order) -> Result<(String, u64)> {
        let (ending, outputs) = self.engine.run(&self.module, order, &Control::default())??;
        let printed = String::from_utf8(outputs.stdout)?;
        if ending.status != Status::Exit || ending.exit_code != 0 {
            bail!("the guest ended with {:?} {}: {printed}", ending.status, ending.exit_code);
        }
        Ok((printed, ending.fuel_used))
    }
}

/// An order with limits that no bench meets.
pub(crate) fn order(args: &[&str], inputs: Vec<InputFile>) -> Order {
    let spec = JobSpec {
        profile: B256::ZERO,
        agreement_id: B256::ZERO,
        run_index: 0,
        module_digest: B256::ZERO,
        algorithm_root: B256::ZERO,
        invocation_root: B256::ZERO,
        inputs_root: B256::ZERO,
        random_seed: B256::ZERO,
        clock_start: 1_767_225_600_000_000_000,
        clock_step: 1_000_000,
        fuel_limit: 1_000_000_000_000,
        memory_limit: 4 << 30,
        stack_limit: brizo::job::STACK_LIMIT_DEFAULT,
        output_limit: 64 << 20,
        files_limit: 1_000,
        blind_commit: B256::ZERO,
    };
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    Order::of(&spec, Invocation { args, env: Vec::new() }, Vec::new(), inputs)
}
