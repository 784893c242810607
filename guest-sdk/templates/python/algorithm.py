"""The mean of one column over all tables: `--column NAME [--min-count N]`."""

import csv
import encodings.utf_8_sig  # noqa: F401: a component holds only what is imported while it is built
import math
import os
import sys

# A mean of a few people says much about each of them, so fewer values than this give none.
MIN_COUNT = 5

# Exit codes: whose turn it is. In WebAssembly every failure ends as 1, because WASI preview 2 has no other.
PARAMETER, INPUT = 2, 3


class Failure(Exception):
    """A failure as one readable line, with its exit code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def parameters(words):
    """`--key value` pairs; an unknown key is an error, because a mistyped one would give a wrong result."""
    given, known = {}, ("column", "min-count")
    words = iter(words)
    for word in words:
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or key not in known:
            raise Failure(PARAMETER, f"{word} is not known here; known: --column, --min-count")
        value = value if equals else next(words, None)
        if value is None:
            raise Failure(PARAMETER, f"--{key} needs a value")
        given[key] = value
    if "column" not in given:
        raise Failure(PARAMETER, "--column NAME is needed")
    count = given.get("min-count", str(MIN_COUNT))
    if not count.isascii() or not count.isdigit() or int(count) < MIN_COUNT:
        raise Failure(PARAMETER, f"--min-count is {count!r}: expected a whole number, {MIN_COUNT} or more")
    return given["column"], int(count)


def tables(inputs):
    """Every .csv below the inputs, sorted: the order of a listing must not show in the result."""
    for folder, folders, files in os.walk(inputs):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(files) if name.endswith(".csv"))


def numbers(path, column):
    """The column's cells as numbers; None where one is missing."""
    name = os.path.basename(path)
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        try:
            if column not in (rows.fieldnames or []):
                raise Failure(INPUT, f"{name} has no column {column!r}; its columns are: {rows.fieldnames}")
            for row in rows:
                if None in row or None in row.values():
                    raise Failure(INPUT, f"{name} line {rows.line_num}: not as many cells as the header has")
                yield number(row[column].strip(), f"{name} line {rows.line_num}: the column {column!r}")
        except (csv.Error, UnicodeDecodeError):
            raise Failure(INPUT, f"{name} line {rows.line_num} or the next is not CSV in UTF-8") from None


def number(cell, where):
    """The cell as a number; None where it holds no value."""
    if cell in ("", "NA"):
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        # The cell itself stays out of the message: the log is read outside.
        raise Failure(INPUT, f"{where} holds something that is not a number")
    return value


def mean(inputs, outputs, words):
    column, min_count = parameters(words)
    count, missing, total = 0, 0, 0.0
    paths = list(tables(inputs))
    for done, path in enumerate(paths):
        # How far this is, as a host can read it: by the position in the input, never by a clock.
        print(f"brizo:progress {done / len(paths):.2f}", file=sys.stderr)
        for value in numbers(path, column):
            if value is None:
                missing += 1
            else:
                count, total = count + 1, total + value
    if count < min_count:
        raise Failure(INPUT, f"{count} values are too few: at least {min_count} are needed")
    with open(os.path.join(outputs, "mean.csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["column", "count", "missing", "mean"])
        writer.writerow([column, count, missing, repr(total / count)])
    print("brizo:progress 1.00", file=sys.stderr)
    print(f"{count} values in {len(paths)} files")


def main(words):
    """Runs over the folders that the first two words name; returns the exit code."""
    try:
        if len(words) < 2:
            raise Failure(PARAMETER, "the first two arguments are the folders of inputs and outputs")
        mean(words[0], words[1], words[2:])
        return 0
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return failure.code
    except Exception as error:  # a fault of the program: its kind and place, not the data in its message
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        where = f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}"
        print(f"error: {type(error).__name__} at {where}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
