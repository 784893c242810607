//! Describes each column of a CSV input: `column-stats [--file NAME]`.
//!
//! Writes `column-stats.csv` and `column-stats.json`, one entry per column, sorted by name.

mod describe;
mod report;

use brizo_guest::{Job, Program, Result};

const PROGRAM: Program =
    Program { parameters: &["file"], outputs: &["column-stats.csv", "column-stats.json"], run: column_stats };

fn main() {
    PROGRAM.main()
}

fn column_stats(job: &Job) -> Result {
    let inputs = &job.inputs;
    let file = table::choose(inputs, job.args.value("file"))?;

    // Twice over the file instead of once over a copy: the memory needed does not grow with the number of rows.
    let mut draft = describe::Draft::default();
    draft.read(&mut table::open(inputs, &file)?)?;
    let description = draft.complete(&mut table::open(inputs, &file)?)?;

    let mut csv = job.outputs.create("column-stats.csv")?;
    report::csv(&description, &mut csv)?;
    csv.finish()?;
    job.outputs.write("column-stats.json", report::json(&file, &description))?;
    job.log(format_args!("{file}: {} rows, {} columns", description.rows, description.columns.len()));
    Ok(())
}
