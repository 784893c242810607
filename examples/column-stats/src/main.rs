//! Describes each column of a CSV input: `column-stats [--file NAME]`.
//!
//! Writes `column-stats.csv` and `column-stats.json`, one entry per column, sorted by name.

mod describe;
mod report;

use brizo_guest::{Args, Inputs, Outputs, Result, run};

fn main() {
    run(column_stats)
}

fn column_stats() -> Result {
    let args = Args::from_env(&["file"])?;
    let inputs = Inputs::from_args()?;
    let outputs = Outputs::from_args()?;
    let file = table::choose(&inputs, args.value("file"))?;

    // Twice over the file instead of once over a copy: the memory needed does not grow with the number of rows.
    let mut draft = describe::Draft::default();
    draft.read(&mut table::open(&inputs, &file)?)?;
    let description = draft.complete(&mut table::open(&inputs, &file)?)?;

    let mut csv = outputs.create("column-stats.csv")?;
    report::csv(&description, &mut csv)?;
    csv.finish()?;
    outputs.write("column-stats.json", report::json(&file, &description))?;
    println!("{file}: {} rows, {} columns", description.rows, description.columns.len());
    Ok(())
}
