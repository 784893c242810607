//! Totals of one column per group of another: `group-aggregate --by COLUMN --value COLUMN [--file NAME] [--min-group N]`.
//!
//! Writes `groups.csv`, sorted by group. Groups of fewer than N values (5 unless told) are left out, because the mean
//! of a few people says much about each of them; the log says how many groups were left out.

mod groups;

use brizo_guest::{Args, Error, Inputs, Outputs, Result, run};
use groups::Groups;

/// The smallest group that is shown, unless `--min-group` says otherwise.
const MIN_GROUP: u64 = 5;

fn main() {
    run(group_aggregate)
}

fn group_aggregate() -> Result {
    let args = Args::from_env(&["by", "value", "file", "min-group"])?;
    let (by, value) = (args.required("by")?, args.required("value")?);
    let min_group = args.parsed("min-group", MIN_GROUP)?;
    if min_group == 0 {
        return Err(Error::new("--min-group 0: a group has at least 1 value"));
    }
    let inputs = Inputs::from_args()?;
    let file = table::choose(&inputs, args.value("file"))?;

    let groups = Groups::read(&mut table::open(&inputs, &file)?, by, value)?;
    let mut output = Outputs::from_args()?.create("groups.csv")?;
    let suppressed = groups.write(min_group, &mut output)?;
    output.finish()?;
    println!("{file}: {} groups written", groups.len() - suppressed);
    println!("{suppressed} groups with fewer than {min_group} values suppressed");
    Ok(())
}
