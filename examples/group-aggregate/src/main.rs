//! Totals of one column per group of another: `group-aggregate --by COLUMN --value COLUMN [--file NAME] [--min-group N]`.
//!
//! Writes `groups.csv`, sorted by group. Groups of fewer than N values (5 unless told) are left out, because the mean
//! of a few people says much about each of them; the log says how many groups were left out.

mod groups;

use brizo_guest::{Job, Program, Result};
use groups::Groups;

/// The smallest group that is shown, unless `--min-group` says otherwise.
const MIN_GROUP: u64 = 5;

const PROGRAM: Program = Program {
    parameters: &["by", "value", "file", "min-group"],
    outputs: &["groups.csv"],
    run: group_aggregate,
};

fn main() {
    PROGRAM.main()
}

fn group_aggregate(job: &Job) -> Result {
    let (by, value) = (job.args.required("by")?, job.args.required("value")?);
    let min_group = job.args.within("min-group", MIN_GROUP, 1..=u64::MAX)?;
    let file = table::choose(&job.inputs, job.args.value("file"))?;

    let groups = Groups::read(&mut table::open(&job.inputs, &file)?, by, value)?;
    let mut output = job.outputs.create("groups.csv")?;
    let suppressed = groups.write(min_group, &mut output)?;
    output.finish()?;
    job.log(format_args!("{file}: {} groups written", groups.len() - suppressed));
    job.log(format_args!("{suppressed} groups with fewer than {min_group} values suppressed"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use brizo_guest::testing::Trial;

    #[test]
    fn the_whole_algorithm_says_how_it_ended() {
        let trial = Trial::of(&PROGRAM).input("a.csv", "g,v\na,1\na,2\nb,3\n").args(["--by", "g"]);
        let end = trial.clone().args(["--value", "v", "--min-group", "2"]).run();
        assert_eq!((end.exit_code, end.text("groups.csv")), (0, "g,count,mean,min,max,sum\na,2,1.5,1,2,3\n"));
        assert!(end.log.ends_with("1 groups with fewer than 2 values suppressed\n"), "{}", end.log);
        let end = trial.args(["--value", "v", "--min-group", "0"]).run();
        let reason = "error: --min-group is \"0\": expected a number from 1 to 18446744073709551615\n";
        assert_eq!((end.exit_code, end.log.as_str()), (2, reason));
    }
}
