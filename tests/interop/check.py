"""Exports receipts with the brizo binary and has each format's own public tools read and judge them.

    python3 tests/interop/check.py --brizo target/debug/brizo

It needs the packages of requirements.txt and no network. Each tool must also refuse something: an export that was changed.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import crates
import envelopes
import provenance

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors" / "receipt"

# Every good receipt goes through in-toto and PROV; validating a crate takes a second or more, so a few stand for all.
CRATES = ["ok-full", "ok-all-withheld", "ok-local-unsigned", "ok-trap", "ok-bundle", "ok-odd-paths", "ok-many-mounts"]


class Brizo:
    """The program under test."""

    def __init__(self, path, place):
        self.path = str(Path(path).resolve())
        self.place = place

    def opened(self, vector):
        """Options with a vector's run key, which proves its arguments and variables."""
        lines = (vector.parent / "expect").read_text().splitlines()
        keys = [line.removeprefix("runKey: ") for line in lines if line.startswith("runKey: ")]
        if not keys:
            return []
        (self.place / "run.key").write_text(keys[0] + "\n", encoding="ascii")
        return ["--run-key", self.place / "run.key"]

    def export(self, receipt, kind, *more):
        """What `brizo receipt export` prints, as bytes."""
        done = self.run(receipt, kind, *more)
        if done.returncode != 0:
            sys.exit(f"export of {receipt} as {kind} ended with {done.returncode}: {done.stderr.decode()}")
        return done.stdout

    def run(self, receipt, kind, *more):
        """The finished process."""
        command = [self.path, "receipt", "export", str(receipt), "--format", kind, *map(str, more)]
        return subprocess.run(command, capture_output=True, timeout=60, check=False)


def good_receipts():
    """Folders of vectors that hold."""
    folders = sorted(path for path in VECTORS.iterdir() if path.name.startswith("ok-"))
    return [path for path in folders if (path / "expect").read_text().splitlines()[0] == "ok"]


def shows_nothing_withheld(name, receipt, text):
    """Neither leaf nor salt of any output is in an export, so nothing of a withheld one is."""
    for output in receipt["opening"]["outputs"]:
        for field in ("leaf", "salt"):
            value = output.get(field)
            if value and (value in text or value[2:] in text):
                sys.exit(f"{name}: the export has a {field} of an output")


def refuses_what_does_not_hold(brizo):
    """A receipt that does not hold is not exported, in no format."""
    for case, code in [("hash-claim", 11), ("sign-provider-stranger", 12), ("sum-too-large", 10), ("bad-cut-off", 10)]:
        for kind in ("in-toto", "prov", "ro-crate"):
            done = brizo.run(VECTORS / case / "receipt.json", kind)
            if done.returncode != code or done.stdout:
                sys.exit(f"{case} as {kind}: exit code {done.returncode}, not {code}, or it printed something")


def main():
    """Runs all checks; ends with 1 and a sentence at the first that fails."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--brizo", required=True, help="the binary")
    program = arguments.parse_args().brizo
    # rdflib reports values that are no dates, which one of the cases has on purpose.
    logging.getLogger("rdflib").setLevel(logging.CRITICAL)
    started = time.monotonic()
    folders = good_receipts()
    if len(folders) < 30:
        sys.exit(f"only {len(folders)} good receipts in {VECTORS}")
    with tempfile.TemporaryDirectory() as place:
        brizo, key = Brizo(program, Path(place)), envelopes.Key(Path(place))
        for folder in folders:
            path = folder / "receipt.json"
            receipt = json.loads(path.read_text())
            envelope = brizo.export(path, "in-toto", "--key", key.path, *brizo.opened(path))
            statement = envelopes.check(folder.name, receipt, envelope, key)
            shows_nothing_withheld(folder.name, receipt, statement)
            graph = brizo.export(path, "prov")
            provenance.check(folder.name, receipt, graph)
            shows_nothing_withheld(folder.name, receipt, graph.decode())
        print(f"in-toto and PROV-O: {len(folders)} receipts read ({time.monotonic() - started:.1f} s)", flush=True)
        envelopes.refuses(brizo.export(VECTORS / "ok-full/receipt.json", "in-toto", "--key", key.path), key)
        provenance.refuses(brizo.export(VECTORS / "ok-full/receipt.json", "prov"))
        crates.serve_context_offline()
        for case in CRATES:
            crates.check(brizo, VECTORS / case / "receipt.json", Path(place) / case)
        crates.refuses(brizo, VECTORS / "ok-full/receipt.json", Path(place) / "refused")
        print(f"RO-Crate: {len(CRATES)} crates valid ({time.monotonic() - started:.1f} s)", flush=True)
        refuses_what_does_not_hold(brizo)
    print(f"interop: all of it holds ({time.monotonic() - started:.1f} s)")


if __name__ == "__main__":
    main()
