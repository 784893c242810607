"""Writes the files of test vectors, or compares them with what is checked in (`--check`)."""

import argparse
import json
from pathlib import Path

HERE = Path(__file__).parent.parent / "vectors"


def hexed(data):
    """`0x…` of bytes."""
    return "0x" + data.hex()


def dump(value):
    """JSON as a writer of the format spells it: two spaces, no needless escapes, a newline at the end."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


class Vectors:
    """The files of some folders below `tests/vectors/`, gathered before anything is written."""

    def __init__(self, *folders):
        self.folders = folders
        self.files = {}

    def add(self, path, content):
        """One file; a path must not be given twice."""
        if path in self.files:
            raise ValueError(f"{path} is made twice")
        self.files[path] = content

    def case(self, folder, name, files, code, about, **names):
        """A case in a folder of its own, with its `expect`. In the names of its lines `_` stands for `-`."""
        for file, content in files.items():
            self.add(f"{folder}/{name}/{file}", content)
        lines = [code, f"about: {about}"]
        for key, value in names.items():
            shown = hexed(value) if isinstance(value, bytes) else value
            lines.append(f"{key.replace('_', '-')}: {shown}")
        self.add(f"{folder}/{name}/expect", ("\n".join(lines) + "\n").encode())

    def finish(self):
        """Writes all files, or with `--check` compares; returns the exit code."""
        parser = argparse.ArgumentParser(description="Makes test vectors.")
        parser.add_argument("--check", action="store_true", help="write nothing; fail if anything would change")
        check = parser.parse_args().check
        there = {
            path.relative_to(HERE).as_posix(): path.read_bytes()
            for folder in self.folders
            for path in (HERE / folder).rglob("*")
            if path.is_file() and not self._is_public(path)
        }
        wrong = sorted(path for path in there.keys() | self.files.keys() if there.get(path) != self.files.get(path))
        for path in wrong:
            print(f"{'differs' if check else 'writes'}: {path}")
            if not check:
                self._write(HERE / path, self.files.get(path))
        print(f"{len(self.files)} files in {', '.join(self.folders)}")
        return 1 if check and wrong else 0

    @staticmethod
    def _is_public(path):
        """Whether it is one of the public vectors of log/README.md, which nobody here makes."""
        inside = path.relative_to(HERE / "log").parts if (HERE / "log") in path.parents else ()
        return inside[:1] in (("merkle",), ("tessera",), ("README.md",))

    @staticmethod
    def _write(path, content):
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
