"""Totals per group in Python: `IN OUT --file NAME --by COLUMN --value COLUMN [--min-group N]`, writes `groups.csv`.

Plain Python over the standard library: `open` and `sys.argv` work as anywhere. A component imports what it needs when
it is built, so every `import` stands at the top.
"""

import csv
import math
import re
import sys
from pathlib import PurePosixPath

KNOWN = ["--by", "--value", "--file", "--min-group"]
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Refused(Exception):
    """A failure as one readable sentence."""


class Group:
    """Neumaier's compensated sum, as every example here computes it, so that the bytes agree."""

    def __init__(self):
        self.count, self.total, self.lost = 0, 0.0, 0.0
        self.min, self.max = math.inf, -math.inf

    def add(self, number):
        following = self.total + number
        if abs(self.total) >= abs(number):
            self.lost += (self.total - following) + number
        else:
            self.lost += (number - following) + self.total
        self.total = following
        self.count += 1
        self.min, self.max = min(self.min, number), max(self.max, number)

    def sum(self):
        return self.total + self.lost if math.isfinite(self.total) else self.total


def parse_options(words):
    options = {}
    for key, value in zip(words[::2], [*words[1::2], None]):
        if key not in KNOWN:
            raise Refused(f"{key} is not known here; known: {', '.join(KNOWN)}")
        if value is None:
            raise Refused(f"{key} needs a value")
        if key in options:
            raise Refused(f"{key} is given twice")
        options[key] = value
    for key in KNOWN[:3]:
        if key not in options:
            raise Refused(f"{key} VALUE is needed")
    return options


def parse_min_group(text):
    if not re.fullmatch("[0-9]+", text) or int(text) == 0:
        raise Refused(f"--min-group {text}: a whole number of at least 1 is needed")
    return int(text)


def position(header, column):
    if column not in header:
        raise Refused(f'there is no column "{column}"; the columns are: {", ".join(header)}')
    return header.index(column)


def is_missing(cell):
    """Whether a cell holds no value: empty, or `NA` as R writes it."""
    return cell.strip() in ("", "NA")


def parse_number(cell):
    """Decimal only: `float` would also take `inf`, `nan` and `1_000`."""
    number = float(cell) if NUMBER.fullmatch(cell.strip()) else math.inf
    return number if math.isfinite(number) else None


def gather(rows, by, value):
    header = next(rows, None)
    if header is None:
        raise Refused("the file is empty")
    # The codec `utf-8-sig` would do it, but a component cannot import it when it runs.
    header[0] = header[0].removeprefix("\ufeff")
    by_at, value_at = position(header, by), position(header, value)
    groups = {}
    for row in filter(None, rows):
        if len(row) != len(header):
            raise Refused(f"line {rows.line_num}: {len(row)} cells, but the header has {len(header)}")
        if is_missing(row[by_at]) or is_missing(row[value_at]):
            continue
        number = parse_number(row[value_at])
        if number is None:
            # The cell itself stays out of the message: the log is read outside.
            raise Refused(f'line {rows.line_num}: the column "{value}" holds something that is not a number')
        groups.setdefault(row[by_at], Group()).add(number)
    return groups


def number_text(number):
    """The fewest digits that read back as `number`; an exponent below 1e-4 and from 1e16, as Rust's `{:?}` does."""
    mantissa, _, power = repr(number).partition("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(power)}" if power else mantissa


def group_aggregate(inputs, outputs, *words):
    options = parse_options(words)
    min_group = parse_min_group(options.get("--min-group", "5"))
    file, by = options["--file"], options["--by"]
    with open(PurePosixPath(inputs, file), encoding="utf-8", newline="") as source:
        groups = gather(csv.reader(source, strict=True), by, options["--value"])
    shown = {name: group for name, group in sorted(groups.items()) if group.count >= min_group}
    with open(PurePosixPath(outputs, "groups.csv"), "w", encoding="utf-8", newline="") as target:
        table = csv.writer(target, lineterminator="\n")
        table.writerow([by, "count", "mean", "min", "max", "sum"])
        for name, group in shown.items():
            numbers = [group.sum() / group.count, group.min, group.max, group.sum()]
            table.writerow([name, group.count, *map(number_text, numbers)])
    print(f"{file}: {len(shown)} groups written")
    print(f"{len(groups) - len(shown)} groups with fewer than {min_group} values suppressed")


def main(arguments):
    """The exit code for these arguments; the first is the program's name."""
    try:
        if len(arguments) < 3:
            raise Refused("the two folders are missing")
        group_aggregate(*arguments[1:])
    except (Refused, OSError, csv.Error, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
