//! The numbers that docs/SPECIFICATION.md promises, held against what was measured.
//!
//! Only `BRIZO_BENCH_STRICT=1` makes a broken promise an error: a busy machine measures its neighbours.

use anyhow::{Result, bail};

/// The highest value that a measurement may have.
#[derive(Debug)]
pub(crate) struct Promise {
    /// What was measured, in words.
    pub(crate) what: &'static str,
    /// What came out.
    pub(crate) measured: f64,
    /// What may come out at most.
    pub(crate) most: f64,
}

/// Prints each promise with what became of it.
pub(crate) fn hold(promises: &[Promise]) -> Result<()> {
    println!();
    let mut broken = 0;
    for Promise { what, measured, most } in promises {
        // Written so that what is not a number breaks the promise.
        let held = measured <= most;
        broken += usize::from(!held);
        println!("promise {}: {what}: {measured:.3}, at most {most}", if held { "held" } else { "BROKEN" });
    }
    if broken > 0 && std::env::var_os("BRIZO_BENCH_STRICT").is_some_and(|value| value == "1") {
        bail!("{broken} of {} promises are broken; see above", promises.len());
    }
    Ok(())
}
