"""The component's face: `wasi:cli/run`, around a program that knows nothing of components."""

import sys

import componentize_py_types
import wit_world.exports
from group_aggregate import main
from wit_world.imports import environment


class Run(wit_world.exports.Run):
    def run(self):
        arguments = environment.get_arguments()
        code = main(arguments)
        sys.stdout.flush()
        if code != 0:
            raise componentize_py_types.Err(None)
