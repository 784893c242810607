//! The mean of one column over all tables: `@NAME@ --column NAME [--min-count N]`.

use brizo_guest::{Error, Job, Program, Result};
use std::io::Write;

/// A mean of a few people says much about each of them, so fewer values than this give none.
const MIN_COUNT: u64 = 5;

const PROGRAM: Program = Program {
    parameters: &["column", "min-count"],
    outputs: &["mean.csv"],
    run: mean,
};

fn main() {
    PROGRAM.main()
}

fn mean(job: &Job) -> Result {
    let name = job.args.required("column")?;
    let min_count = job
        .args
        .within("min-count", MIN_COUNT, MIN_COUNT..=u64::MAX)?;
    let files = job.inputs.with_extension("csv")?;

    let (mut count, mut missing, mut sum) = (0, 0, 0.0);
    for (done, file) in files.iter().enumerate() {
        job.progress(done as f64 / files.len() as f64, file);
        let mut table = job.inputs.table(file)?;
        let column = table.column(name)?;
        while let Some(row) = table.next_row()? {
            match row.number(column)? {
                Some(number) => (count, sum) = (count + 1, sum + number),
                None => missing += 1,
            }
        }
    }
    if count < min_count {
        return Err(Error::input(format!(
            "{count} values are too few: at least {min_count} are needed"
        )));
    }

    let mut output = job.outputs.create("mean.csv")?;
    writeln!(output, "column,count,missing,mean")?;
    writeln!(output, "{name},{count},{missing},{:?}", sum / count as f64)?;
    output.finish()?;
    job.progress(1.0, "");
    job.log(format_args!("{count} values in {} files", files.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use brizo_guest::testing::Trial;

    #[test]
    fn the_sample_gives_what_is_expected() {
        let end = Trial::of(&PROGRAM)
            .inputs_from("data")
            .args(["--column", "height_cm"])
            .run();
        assert_eq!(end.exit_code, 0, "{}", end.log);
        assert_eq!(end.text("mean.csv"), include_str!("../expected/mean.csv"));
    }

    #[test]
    fn few_values_give_no_mean() {
        let trial = Trial::of(&PROGRAM)
            .input("a.csv", "x\n1\n2\nNA\n")
            .args(["--column", "x"]);
        let end = trial.run();
        assert_eq!(end.exit_code, brizo_guest::exit::INPUT);
        assert_eq!(
            end.log,
            "error: 2 values are too few: at least 5 are needed\n"
        );
        assert!(end.outputs.is_empty());
    }
}
