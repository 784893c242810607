//! What does counting cost? Each workload natively, in bare wasmtime, in Brizo, and with wasmtime's own counting.
//!
//! Processor time, the least of all rounds. Native times hold the start of a process; the others hold store, instance and call, not compiling.

mod common;

use std::process::Command;

use anyhow::{Result, ensure};
use common::bare::{Allocator, Bare, Rules};
use common::measure::{Samples, Turn, child, cpu, geomean, interleaved};
use common::promise::{Promise, hold};
use common::table::{self, ms, ratio};
use common::{built, guest, job};

/// Times that everything is compiled: each comes to lie elsewhere. In one process bare wasmtime took more than twice its time for
/// one workload from the first round to the last.
const PLACES: usize = 3;
/// Rounds in each place.
const ROUNDS: usize = 5;

/// Workloads, and how each is built.
const ROWS: [(&str, &str); 17] = [
    ("sha256", "kernels"),
    ("nbody", "kernels"),
    ("matmul", "kernels"),
    ("floats_mix", "kernels"),
    ("sieve", "kernels"),
    ("fib", "kernels"),
    ("interp", "kernels"),
    ("memory", "kernels"),
    ("sort", "kernels"),
    ("btree", "kernels"),
    ("strings", "kernels"),
    ("csv", "kernels"),
    ("json", "kernels"),
    ("nbody", "kernels_simd"),
    ("matmul", "kernels_simd"),
    ("floats_mix", "kernels_simd"),
    ("sha256", "kernels_simd"),
];

const NATIVE: usize = 0;
const BARE: usize = 1;
const BRIZO: usize = 2;
const ENGINE: usize = 3;

/// Columns of ratios: over whom, under whom.
const RATIOS: [(usize, usize); 5] =
    [(BARE, NATIVE), (BRIZO, NATIVE), (ENGINE, NATIVE), (BRIZO, BARE), (ENGINE, BARE)];

fn main() -> Result<()> {
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wanted = |name: &str| only.as_ref().is_none_or(|only| name == only);
    let mut rows = Vec::new();
    let mut ratios = RATIOS.map(|_| Vec::new());
    for module in ["kernels", "kernels_simd"] {
        let names: Vec<_> = ROWS.into_iter().filter(|(name, of)| *of == module && wanted(name)).collect();
        for ((name, _), (samples, fuel)) in names.iter().zip(compare_all(module, &names)?) {
            for (column, (over, under)) in ratios.iter_mut().zip(RATIOS) {
                column.push(samples.least_ratio(over, under));
            }
            let simd = if module == "kernels_simd" { ", SIMD" } else { "" };
            rows.push(row(&format!("{name}{simd}"), &samples, fuel));
            let (least, middle) = (samples.least_ratio(BRIZO, BARE), samples.ratio(BRIZO, BARE));
            println!(
                "{name}{simd}: Brizo {} of bare; in the median of the rounds {}",
                ratio(least),
                ratio(middle)
            );
        }
    }
    let mean = ratios.each_ref().map(|column| geomean(column));
    let mut last = vec![String::from("geometric mean")];
    last.extend(vec![String::new(); 5]);
    last.extend(mean.map(ratio));
    rows.push(last);
    let head = [
        "workload",
        "native ms",
        "bare ms",
        "Brizo ms",
        "engine's fuel and NaN, ms",
        "fuel per Brizo ns",
        "bare / native",
        "Brizo / native",
        "engine's / native",
        "Brizo / bare",
        "engine's / bare",
    ];
    table::print(
        &format!("Metering, processor time, the least of {ROUNDS} rounds in each of {PLACES} places"),
        &head,
        &rows,
    );
    let worst = ratios[3].iter().copied().fold(f64::NAN, f64::max);
    hold(&[
        Promise { what: "Brizo by bare wasmtime, geometric mean", measured: mean[3], most: 1.15 },
        Promise { what: "Brizo by bare wasmtime, worst workload", measured: worst, most: 1.6 },
        Promise { what: "Brizo by the engine's own counting, mean", measured: mean[3] / mean[4], most: 1.0 },
    ])
}

/// The workloads of a module, each in every place; with the fuel that Brizo counts.
fn compare_all(module: &str, names: &[(&str, &str)]) -> Result<Vec<(Samples, u64)>> {
    let wasm = guest(module)?;
    let mut all: Vec<(Samples, u64)> = Vec::new();
    all.resize_with(names.len(), Default::default);
    // Side by side, so that no two come to lie in the same place.
    let engines: Vec<_> = (0..PLACES)
        .map(|_| {
            let of = |rules| Bare::new(rules, Allocator::OnDemand);
            Ok((of(Rules::None)?, of(Rules::FuelAndNan)?))
        })
        .collect::<Result<_>>()?;
    let places: Vec<_> = engines
        .iter()
        .map(|(bare, metered)| Ok((bare.ready(&wasm)?, metered.ready(&wasm)?, job::Job::ready(&wasm)?)))
        .collect::<Result<_>>()?;
    for (bare, metered, brizo) in &places {
        for ((name, _), (samples, fuel)) in names.iter().zip(&mut all) {
            let (more, used) = compare(name, bare, metered, brizo)?;
            samples.append(more);
            *fuel = used;
        }
    }
    Ok(all)
}

/// All four, by turns; the checksums must agree, or it would not be one program.
fn compare(
    name: &str,
    bare: &common::bare::Ready<'_>,
    metered: &common::bare::Ready<'_>,
    brizo: &job::Job,
) -> Result<(Samples, u64)> {
    let native = built("release/kernels")?;
    let args = ["kernels", name];
    let order = job::order(&args, Vec::new());
    let (_, expected) = child(Command::new(&native).arg(name))?;
    let (printed, fuel) = brizo.run(&order)?;
    ensure!(printed == expected, "{name}: {printed:?} in Brizo, {expected:?} natively");
    let same = |printed: String| {
        ensure!(printed == expected, "{name}: {printed:?} in wasmtime, {expected:?} natively");
        Ok(())
    };
    let mut contestants: [Turn<'_>; 4] = [
        Box::new(|| Ok(child(Command::new(&native).arg(name))?.0)),
        Box::new(|| Ok(cpu(|| same(bare.run(&args)?))?.0)),
        Box::new(|| Ok(cpu(|| brizo.run(&order))?.0)),
        Box::new(|| Ok(cpu(|| same(metered.run(&args)?))?.0)),
    ];
    Ok((interleaved(ROUNDS, &mut contestants)?, fuel))
}

fn row(name: &str, samples: &Samples, fuel: u64) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    row.extend([NATIVE, BARE, BRIZO, ENGINE].map(|column| ms(samples.least(column))));
    row.push(format!("{:.1}", fuel as f64 / samples.least(BRIZO) / 1e9));
    row.extend(RATIOS.map(|(over, under)| ratio(samples.least_ratio(over, under))));
    row
}
