"""Changes good vectors at random and compares this verifier's verdict with another program's.

    python3 -m tests.verifier.mutate tests/vectors/receipt -n 2000 -- brizo verify {file} --format json

The program prints JSON with `tiers`, a list of objects whose `code` is null or the code of a refusal; the first that is
not null counts. One that prints a `code` without tiers is read as well. The exit codes are compared, too, and alone where
there is no code. `{claimHash}` and `{logKey}` stand for what the `expect` file names, `{keys}` for `--run-key FILE` and
`--dataset-key FILE …` with the keys that it names; without that word our side uses no keys either. Nothing depends on
anything but the seed, so a disagreement can be made again.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from . import disclosure, profiles, vectors, verdict
from .check import Request, verify
from .errors import EXIT, Refused, disclosure_exit
from .log import read_key
from .mutations import mutate
from .repair import repair

MOST_SHOWN = 20


def keys_of(names):
    """The run key, or None, and the dataset keys that an `expect` file names."""
    run_key = vectors.unhex(names["runKey"]) if "runKey" in names else None
    return run_key, tuple(vectors.unhex(key) for key in names.get("datasetKeys", "").split())


def judge_receipt(data, names, with_keys):
    """Our verdict on a receipt: code and exit code."""
    log_key = read_key(names["logKey"]) if "logKey" in names else None
    run_key, dataset_keys = keys_of(names) if with_keys else (None, ())
    result = verify(data, Request(run_key=run_key, dataset_keys=dataset_keys, log_key=log_key))
    return result.code(), result.exit_code()


def judge_disclosure(data, names, _with_keys):
    """Our verdict on a disclosure."""
    try:
        disclosure.check(disclosure.read(data), vectors.unhex(names["expect-claimHash"]))
    except Refused as refused:
        return refused.code, disclosure_exit(refused.code)
    return "ok", 0


def judge_verdict(data, _names, _with_keys):
    """Our verdict on a verdict."""
    try:
        verdict.check(verdict.read(data), {})
    except Refused as refused:
        return refused.code, EXIT[refused.code]
    return "ok", 0


def judge_profiles(data, _names, _with_keys):
    """Our verdict on a list of profiles."""
    try:
        profiles.read(data)
    except Refused as refused:
        return refused.code, EXIT[refused.code]
    return "ok", 0


JUDGES = {
    "receipt.json": judge_receipt,
    "disclosure.json": judge_disclosure,
    "verdict.json": judge_verdict,
    "profiles.json": judge_profiles,
}


def code_of(output, exit_code):
    """The code in a program's JSON, `ok` where it names none and succeeds, or None if it printed no JSON."""
    try:
        said = json.loads(output)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    codes = [tier.get("code") for tier in said.get("tiers", [])] + [said.get("code")]
    code = next((code for code in codes if code is not None), None)
    return code or ("ok" if exit_code == 0 else None)


def good_vectors(folder):
    """File name, bytes and names of every good vector below a folder that needs no second file."""
    found = []
    for path in sorted(Path(folder).glob("*/expect")):
        code, names = vectors.read_expect(path)
        files = [name for name in JUDGES if (path.parent / name).exists()]
        if code == "ok" and len(files) == 1 and "padded" not in names:
            found.append((files[0], (path.parent / files[0]).read_bytes(), names))
    return found


def key_options(names, folder):
    """`--run-key` and `--dataset-key` with files that have the vector's keys."""
    run_key, dataset_keys = keys_of(names)
    words = []
    for number, key in enumerate((run_key, *dataset_keys)):
        if key is not None:
            file = folder / f"key-{number}"
            file.write_text(f"0x{key.hex()}\n", encoding="ascii")
            words += ["--dataset-key" if number else "--run-key", str(file)]
    return words


def one_mutation(rng, good, given, file):
    """Changes one vector and asks both. Returns the file's bytes, our answer and theirs."""
    name, data, names = good[rng.randrange(len(good))]
    data = mutate(rng, data, repair if name == "receipt.json" else None)
    file.write_bytes(data)
    ours = JUDGES[name](data, names, "{keys}" in given)
    places = {
        "{file}": [str(file)],
        "{keys}": key_options(names, file.parent),
        "{claimHash}": [names.get("expect-claimHash", "")],
        "{logKey}": [names.get("logKey", "")],
    }
    command = [one for word in given for one in places.get(word, [word])]
    ended = subprocess.run(command, capture_output=True, check=False)
    return data, ours, (code_of(ended.stdout, ended.returncode), ended.returncode)


def main():
    """Makes mutations until the number is reached; exits 1 if any verdict differs."""
    parser = argparse.ArgumentParser(description="Compares two verifiers on vectors that were changed at random.")
    parser.add_argument("folder", type=Path, help="a folder of vectors, such as tests/vectors/receipt")
    parser.add_argument("-n", "--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files on which the two disagree")
    parser.add_argument("command", nargs="+", help="the other program, with {file} where the file's name belongs")
    options = parser.parse_args()
    good, codes, wrong = good_vectors(options.folder), Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.count):
            rng = random.Random(f"{options.seed}/{number}")
            file = Path(folder) / "changed.json"
            data, ours, theirs = one_mutation(rng, good, options.command, file)
            codes[ours[0]] += 1
            if ours[1] == theirs[1] and theirs[0] in (None, ours[0]):
                continue
            wrong += 1
            if wrong <= MOST_SHOWN:
                print(f"{options.seed}/{number}: we say {ours}, they say {theirs}")
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{options.seed}-{number}.json").write_bytes(data)
    print(f"{options.count} mutations of {len(good)} vectors, {wrong} disagreements")
    print(", ".join(f"{code} {count}" for code, count in codes.most_common()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
