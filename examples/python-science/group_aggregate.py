"""Totals per group with pandas: `IN OUT --file NAME --by COLUMN --value COLUMN [--min-group N]`, writes `groups.csv`.

pandas adds with Kahan's compensation and the other examples with Neumaier's: the same bytes wherever no digit is lost,
as with these penguins, and next to the last place elsewhere.
"""

import argparse
import sys
from pathlib import PurePosixPath

import pandas as pd


def number_text(number):
    """The fewest digits that read back as `number`; an exponent below 1e-4 and from 1e16, as Rust's `{:?}` does."""
    mantissa, _, power = repr(float(number)).partition("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(power)}" if power else mantissa


def parse(arguments):
    parser = argparse.ArgumentParser(prog="group_aggregate", allow_abbrev=False)
    parser.add_argument("inputs", type=PurePosixPath)
    parser.add_argument("outputs", type=PurePosixPath)
    for key in ("--file", "--by", "--value"):
        parser.add_argument(key, required=True)
    parser.add_argument("--min-group", type=int, default=5)
    options = parser.parse_args(arguments)
    if options.min_group < 1:
        parser.error(f"--min-group {options.min_group}: a group has at least 1 value")
    return options


def group_aggregate(options):
    # Only an empty cell and `NA` are missing; pandas would take `None`, `null`, `nan` and more.
    frame = pd.read_csv(
        options.inputs / options.file,
        usecols=[options.by, options.value],
        dtype={options.by: str},
        na_values={options.by: ["", "NA"], options.value: ["", "NA"]},
        keep_default_na=False,
        skipinitialspace=True,
        float_precision="round_trip",
    )
    if not pd.api.types.is_numeric_dtype(frame[options.value]):
        # The cell itself stays out of the message: the log is read outside.
        sys.exit(f'error: the column "{options.value}" holds something that is not a number')
    groups = frame.dropna().groupby(options.by)[options.value].agg(["count", "sum", "min", "max"])
    shown = groups[groups["count"] >= options.min_group]
    table = pd.DataFrame({"count": shown["count"]})
    table["mean"] = (shown["sum"] / shown["count"]).map(number_text)
    for column in ("min", "max", "sum"):
        table[column] = shown[column].map(number_text)
    table.to_csv(options.outputs / "groups.csv", lineterminator="\n")
    print(f"{options.file}: {len(shown)} groups written")
    print(f"{len(groups) - len(shown)} groups with fewer than {options.min_group} values suppressed")


if __name__ == "__main__":
    group_aggregate(parse(sys.argv[1:]))
