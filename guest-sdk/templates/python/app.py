"""The door through which Brizo comes in: the export `run` of `wasi:cli/run`."""

import sys

import algorithm


class Run:
    def run(self):
        code = algorithm.main(sys.argv[1:])
        sys.stdout.flush()
        sys.stderr.flush()
        if code != 0:
            sys.exit(code)
