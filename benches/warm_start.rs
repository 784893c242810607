//! What does a run cost that does nothing? From a compiled module to its outcome, beside bare wasmtime doing the same.
//!
//! Processor time of batches in turns; then criterion's own statistics, one after the other, for the absolute numbers.

mod common;

use std::time::Duration;

use anyhow::{Context, Result};
use common::bare::{Allocator, Bare, Ready, Rules};
use common::measure::{Turn, cpu, interleaved};
use common::promise::{Promise, hold};
use common::{guest, job, table};
use criterion::Criterion;

const ROUNDS: usize = 51;
/// Runs in a turn: enough to be long beside the clock's step.
const BATCH: u32 = 500;

/// A command that returns at once.
const TRIVIAL: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn main() -> Result<()> {
    let trivial = wat::parse_str(TRIVIAL).context("the trivial module")?;
    let kernels = guest("kernels")?;
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut rows = Vec::new();
    let mut promises = Vec::new();
    for (name, module, args, what, most) in [
        ("empty", &trivial, &["kernels"][..], "nothing by bare wasmtime with a pool", 1.5),
        (
            "Rust program that prints a line",
            &kernels,
            &["kernels", "fib", "1"],
            "a printed line by bare wasmtime with a pool",
            1.5,
        ),
    ] {
        let on_demand = Bare::new(Rules::None, Allocator::OnDemand)?;
        let pooling = Bare::new(Rules::None, Allocator::Pooling)?;
        let (on_demand, pooling) = (on_demand.ready(module)?, pooling.ready(module)?);
        let brizo = job::Job::ready(module)?;
        let order = job::order(args, Vec::new());
        let bare = |ready: &Ready<'_>| batch(|| ready.run(args).map(drop));
        let mut contestants: [Turn<'_>; 3] = [
            Box::new(|| bare(&on_demand)),
            Box::new(|| bare(&pooling)),
            Box::new(|| batch(|| brizo.run(&order).map(drop))),
        ];
        let samples = interleaved(ROUNDS, &mut contestants)?;
        promises.push(Promise { what, measured: samples.ratio(2, 1), most });
        let least = table::ratio(samples.least_ratio(2, 1));
        println!("{name}: Brizo by bare wasmtime with a pool, the least of all rounds: {least}");
        let mut row = vec![name.to_owned()];
        row.extend([0, 1, 2].map(|column| format!("{:.1}", samples.median(column) * 1e6)));
        row.extend([0, 1].map(|under| table::ratio(samples.ratio(2, under))));
        rows.push(row);
        let mut group = criterion.benchmark_group(name);
        group.bench_function("bare, on demand", |bencher| bencher.iter(|| on_demand.run(args).map(drop)));
        group.bench_function("bare, pooling", |bencher| bencher.iter(|| pooling.run(args).map(drop)));
        group.bench_function("Brizo", |bencher| bencher.iter(|| brizo.run(&order).map(drop)));
        group.finish();
    }
    let head = [
        "module",
        "bare on demand, µs",
        "bare pooling, µs",
        "Brizo, µs",
        "Brizo / on demand",
        "Brizo / pooling",
    ];
    table::print(&format!("Warm start, processor time, medians of {ROUNDS} rounds of {BATCH}"), &head, &rows);
    hold(&promises)
}

/// Seconds of processor time of one run, from many.
fn batch(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let (took, ()) = cpu(|| (0..BATCH).try_for_each(|_| run()))?;
    Ok(took / f64::from(BATCH))
}
