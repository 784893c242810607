"""Tests in plain Python: `python3 -m unittest`."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import algorithm

HERE = pathlib.Path(__file__).parent


def trial(inputs, *words):
    """Exit code, log, and the text of mean.csv if there is one."""
    log = io.StringIO()
    with tempfile.TemporaryDirectory() as outputs:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            code = algorithm.main([str(inputs), outputs, *words])
        written = pathlib.Path(outputs, "mean.csv")
        return code, log.getvalue(), written.read_text() if written.exists() else None


class Mean(unittest.TestCase):
    def test_the_sample_gives_what_is_expected(self):
        code, log, text = trial(HERE / "data", "--column", "height_cm")
        self.assertEqual(code, 0, log)
        self.assertEqual(text, (HERE / "expected/mean.csv").read_text())

    def test_few_values_give_no_mean(self):
        with tempfile.TemporaryDirectory() as inputs:
            pathlib.Path(inputs, "a.csv").write_text("x\n1\n2\nNA\n")
            code, log, text = trial(inputs, "--column", "x")
        self.assertEqual((code, text), (algorithm.INPUT, None))
        self.assertIn("error: 2 values are too few: at least 5 are needed\n", log)

    def test_mistakes_are_refused(self):
        for words in ([], ["--colum", "x"], ["--column"], ["--column", "x", "--min-count", "1"]):
            code, log, _ = trial(HERE / "data", *words)
            self.assertEqual(code, algorithm.PARAMETER, log)


if __name__ == "__main__":
    unittest.main()
